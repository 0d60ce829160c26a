//! Device logins.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{parsed, signed, team_number, unsigned};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::limits::{LOGINS_MAX, SLOW_DOWN_SECS};
use crate::store::record::{Grant, Millis, PendingLogin, Poll};

const WAITS: i64 = 0;
const GRANTED: i64 = 1;
const DENIED: i64 = 2;

/// Keeps a new login, unless too many wait.
pub(super) fn begin(
    transaction: &Transaction<'_>,
    login: &PendingLogin,
    device_hash: &[u8; 32],
) -> Result<bool> {
    transaction.execute(
        "DELETE FROM logins WHERE expires_at <= ?1",
        [login.created_at],
    )?;
    let waiting: i64 =
        transaction.query_row("SELECT count(*) FROM logins", [], |row| row.get(0))?;
    if waiting >= LOGINS_MAX {
        return Ok(false);
    }
    let new = transaction.execute(
        "INSERT INTO logins (device_hash, user_code, created_at, expires_at, peer, client, interval_secs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        params![
            device_hash,
            login.user_code,
            login.created_at,
            login.expires_at,
            login.peer,
            login.client,
            signed(login.interval_secs)
        ],
    )?;
    Ok(new == 1)
}

/// The login that waits under a code.
pub(super) fn pending(
    connection: &Connection,
    user_code: &str,
    now: Millis,
) -> Result<Option<PendingLogin>> {
    let login = connection
        .prepare_cached(
            "SELECT created_at, expires_at, peer, client, interval_secs FROM logins
             WHERE user_code = ?1 AND state = ?2 AND expires_at > ?3",
        )?
        .query_row(params![user_code, WAITS, now], |row| {
            Ok(PendingLogin {
                user_code: user_code.to_owned(),
                created_at: row.get(0)?,
                expires_at: row.get(1)?,
                peer: row.get(2)?,
                client: row.get(3)?,
                interval_secs: unsigned(row.get(4)?),
            })
        })
        .optional()?;
    Ok(login)
}

/// Grants or denies the login that waits under a code; says whether there was one.
pub(super) fn decide(
    transaction: &Transaction<'_>,
    user_code: &str,
    grant: Option<&Grant>,
    now: Millis,
) -> Result<bool> {
    let team = grant
        .map(|grant| team_number(transaction, &grant.team))
        .transpose()?;
    let permissions = grant.map(|grant| grant.permissions.0.join(","));
    let key_expires_at = grant.and_then(|grant| grant.key_expires_at);
    let state = if grant.is_some() { GRANTED } else { DENIED };
    let decided = transaction.execute(
        "UPDATE logins SET state = ?3, team = ?4, permissions = ?5, key_expires_at = ?6
         WHERE user_code = ?1 AND state = 0 AND expires_at > ?2",
        params![user_code, now, state, team, permissions, key_expires_at],
    )?;
    Ok(decided == 1)
}

/// What a poll learns. A grant is given once.
pub(super) fn poll(
    transaction: &Transaction<'_>,
    device_hash: &[u8; 32],
    now: Millis,
) -> Result<Poll> {
    let row = transaction
        .prepare_cached(
            "SELECT state, interval_secs, polled_at, teams.id, permissions, key_expires_at
             FROM logins LEFT JOIN teams ON teams.number = logins.team
             WHERE device_hash = ?1 AND logins.expires_at > ?2",
        )?
        .query_row(params![device_hash, now], |row| {
            let state: i64 = row.get(0)?;
            let grant = match state {
                GRANTED => Some(Grant {
                    team: parsed(row, 3, TeamId::try_from)?,
                    permissions: row.get::<_, String>(4)?.split(',').collect(),
                    key_expires_at: row.get(5)?,
                }),
                _ => None,
            };
            let interval_secs = unsigned(row.get(1)?);
            let polled_at: Option<Millis> = row.get(2)?;
            Ok((state, interval_secs, polled_at, grant))
        })
        .optional()?;
    let Some((state, interval_secs, polled_at, grant)) = row else {
        return Ok(Poll::Unknown);
    };
    if let Some(grant) = grant {
        transaction.execute("DELETE FROM logins WHERE device_hash = ?1", [device_hash])?;
        return Ok(Poll::Granted(grant));
    }
    if state == DENIED {
        return Ok(Poll::Denied);
    }
    let next = polled_at.map(|polled_at| polled_at + signed(interval_secs) * 1000);
    let is_early = next.is_some_and(|next| now < next);
    let interval_secs = interval_secs + if is_early { SLOW_DOWN_SECS } else { 0 };
    transaction.execute(
        "UPDATE logins SET polled_at = ?2, interval_secs = ?3 WHERE device_hash = ?1",
        params![device_hash, now, signed(interval_secs)],
    )?;
    Ok(if is_early { Poll::TooFast } else { Poll::Waits })
}
