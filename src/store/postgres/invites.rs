//! Invitations. One is redeemed by the statement that changes the team's peers.

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::peers::{CHANGES_MAX, Taken, crowded, insert, versioned, write};
use super::storable;
use super::{column, digest, parsed, signed};
use crate::protocol::id::TeamId;
use crate::store::federation::PeerRecord;
use crate::store::invites::{INVITES_MAX, InviteRecord, InviteRefusal, Joiner, Redeemed};
use crate::store::peers::{scopes_text, stored_scopes};
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

/// The columns of an invitation, for [`invite_in`].
const COLUMNS: &str = "invites.id, teams.id, digest, name, scopes, invites.created_at, expires_at, joiner_key, peer_id,
    redeemed_at";

fn invite_in(row: &Row) -> Result<InviteRecord> {
    let redeemed = match (column(row, 8)?, column::<Option<Millis>>(row, 9)?) {
        (Some(peer_id), Some(at)) => Some(Redeemed {
            joiner_key: digest(row, 7)?,
            peer_id,
            at,
        }),
        _ => None,
    };
    Ok(InviteRecord {
        id: column(row, 0)?,
        team: parsed(column(row, 1)?, TeamId::try_from)?,
        digest: digest(row, 2)?,
        name: column(row, 3)?,
        scopes: stored_scopes(column(row, 4)?)?,
        created_at: column(row, 5)?,
        expires_at: column(row, 6)?,
        redeemed,
    })
}

pub(super) async fn create(client: &Object, team: i64, invite: &InviteRecord) -> Result<bool> {
    let made = client
        .execute(
            "INSERT INTO invites (id, team, digest, name, scopes, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE (SELECT count(*) FROM invites WHERE team = $2 AND joiner_key IS NULL AND expires_at > $6) < $8",
            &[
                &invite.id,
                &team,
                &&invite.digest[..],
                &invite.name,
                &scopes_text(&invite.scopes),
                &invite.created_at,
                &invite.expires_at,
                &signed(INVITES_MAX as u64),
            ],
        )
        .await?;
    Ok(made > 0)
}

pub(super) async fn of_team(client: &Object, team: &TeamId) -> Result<Vec<InviteRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM invites JOIN teams ON teams.number = invites.team
         WHERE teams.id = $1 ORDER BY invites.id"
    );
    let rows = client.query(&sql, &[&team.as_str()]).await?;
    rows.iter().map(invite_in).collect()
}

pub(super) async fn remove(client: &Object, team: &TeamId, id: &str) -> Result<InviteRecord> {
    let sql = format!(
        "DELETE FROM invites USING teams
         WHERE teams.number = invites.team AND teams.id = $1 AND invites.id = $2 RETURNING {COLUMNS}"
    );
    let row = client
        .query_opt(&sql, &[&team.as_str(), &storable(id)])
        .await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("invitation `{id}`")))?;
    invite_in(&row)
}

pub(super) async fn find(client: &Object, digest: &[u8; 32]) -> Result<Option<InviteRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM invites JOIN teams ON teams.number = invites.team WHERE digest = $1"
    );
    let select = client.prepare_cached(&sql).await?;
    let row = client.query_opt(&select, &[&&digest[..]]).await?;
    row.as_ref().map(invite_in).transpose()
}

pub(super) async fn redeem(
    client: &Object,
    joiner: Joiner,
) -> Result<std::result::Result<PeerRecord, InviteRefusal>> {
    let new = &joiner.peer;
    for _ in 0..CHANGES_MAX {
        let Some(invite) = find(client, &joiner.digest).await? else {
            return Ok(Err(InviteRefusal::Unknown));
        };
        let known = versioned(client, &invite.team).await?;
        let peer = match joiner.known(&invite, &known.peers) {
            Ok(peer) => peer,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let taken = Some(Taken {
            invite: &invite.id,
            key: &joiner.key,
            peer: &new.id,
            now: new.now,
        });
        match peer {
            Some(peer) => {
                let renewal = invite.renewal(&joiner, peer);
                let changed = known.changed(&peer.id, renewal, new.now)?;
                if write(client, &known, &changed, taken).await? {
                    return Ok(Ok(changed));
                }
            }
            None => {
                if let Some(number) = insert(client, &known, new, taken).await? {
                    return Ok(Ok(joiner.peer.numbered(number)));
                }
            }
        }
    }
    Err(crowded())
}
