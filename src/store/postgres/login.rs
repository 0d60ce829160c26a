//! Device logins.

use deadpool_postgres::Object;

use super::{column, parsed, signed, unsigned};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::limits::{LOGINS_MAX, SLOW_DOWN_SECS};
use crate::store::record::{Grant, Millis, PendingLogin, Poll};

const WAITS: i16 = 0;
const GRANTED: i16 = 1;
const DENIED: i16 = 2;

/// Keeps a new login, unless too many wait. Of those that begin at the same moment on several nodes a few may pass.
pub(super) async fn begin(
    client: &Object,
    login: &PendingLogin,
    device_hash: &[u8; 32],
) -> Result<bool> {
    client
        .execute(
            "DELETE FROM logins WHERE expires_at <= $1",
            &[&login.created_at],
        )
        .await?;
    let new = client
        .execute(
            "INSERT INTO logins (device_hash, user_code, created_at, expires_at, peer, client, interval_secs)
             SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM logins) < $8
             ON CONFLICT DO NOTHING",
            &[
                &&device_hash[..],
                &login.user_code,
                &login.created_at,
                &login.expires_at,
                &login.peer,
                &login.client,
                &signed(login.interval_secs),
                &LOGINS_MAX,
            ],
        )
        .await?;
    Ok(new == 1)
}

/// The login that waits under a code.
pub(super) async fn pending(
    client: &Object,
    user_code: &str,
    now: Millis,
) -> Result<Option<PendingLogin>> {
    let row = client
        .query_opt(
            "SELECT created_at, expires_at, peer, client, interval_secs FROM logins
             WHERE user_code = $1 AND state = $2 AND expires_at > $3",
            &[&user_code, &WAITS, &now],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(PendingLogin {
        user_code: user_code.to_owned(),
        created_at: column(&row, 0)?,
        expires_at: column(&row, 1)?,
        peer: column(&row, 2)?,
        client: column(&row, 3)?,
        interval_secs: unsigned(column(&row, 4)?),
    }))
}

/// Grants or denies the login that waits under a code; says whether there was one.
pub(super) async fn decide(
    client: &Object,
    user_code: &str,
    team: Option<i64>,
    grant: Option<&Grant>,
    now: Millis,
) -> Result<bool> {
    let permissions = grant.map(|grant| grant.permissions.0.join(","));
    let key_expires_at = grant.and_then(|grant| grant.key_expires_at);
    let state = if grant.is_some() { GRANTED } else { DENIED };
    let decided = client
        .execute(
            "UPDATE logins SET state = $3, team = $4, permissions = $5, key_expires_at = $6
             WHERE user_code = $1 AND state = 0 AND expires_at > $2",
            &[
                &user_code,
                &now,
                &state,
                &team,
                &permissions,
                &key_expires_at,
            ],
        )
        .await?;
    Ok(decided == 1)
}

/// What a poll learns. A grant is given once: of two polls at once the row lets one go first.
pub(super) async fn poll(client: &mut Object, device_hash: &[u8; 32], now: Millis) -> Result<Poll> {
    let device_hash = &device_hash[..];
    let transaction = client.transaction().await?;
    let row = transaction
        .query_opt(
            "SELECT state, interval_secs, polled_at,
                    (SELECT id FROM teams WHERE number = logins.team), permissions, key_expires_at
             FROM logins WHERE device_hash = $1 AND expires_at > $2 FOR UPDATE",
            &[&device_hash, &now],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Poll::Unknown);
    };
    let state: i16 = column(&row, 0)?;
    if state == DENIED {
        return Ok(Poll::Denied);
    }
    if state == GRANTED {
        let permissions: &str = column(&row, 4)?;
        let grant = Grant {
            team: parsed(column(&row, 3)?, TeamId::try_from)?,
            permissions: permissions.split(',').collect(),
            key_expires_at: column(&row, 5)?,
        };
        transaction
            .execute("DELETE FROM logins WHERE device_hash = $1", &[&device_hash])
            .await?;
        transaction.commit().await.map_err(super::outcome)?;
        return Ok(Poll::Granted(grant));
    }
    let interval_secs = unsigned(column(&row, 1)?);
    let polled_at: Option<Millis> = column(&row, 2)?;
    let next = polled_at.map(|polled_at| polled_at + signed(interval_secs) * 1000);
    let is_early = next.is_some_and(|next| now < next);
    let interval_secs = interval_secs + if is_early { SLOW_DOWN_SECS } else { 0 };
    transaction
        .execute(
            "UPDATE logins SET polled_at = $2, interval_secs = $3 WHERE device_hash = $1",
            &[&device_hash, &now, &signed(interval_secs)],
        )
        .await?;
    transaction.commit().await.map_err(super::outcome)?;
    Ok(if is_early { Poll::TooFast } else { Poll::Waits })
}
