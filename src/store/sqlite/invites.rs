//! Invitations.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{parsed, peers, signed, team_number};
use crate::protocol::id::TeamId;
use crate::store::federation::PeerRecord;
use crate::store::invites::{INVITES_MAX, InviteRecord, InviteRefusal, Joiner, Redeemed};
use crate::store::peers::{scopes_text, stored_scopes};
use crate::store::{Result, StoreError};

/// The columns of an invitation, for [`invite_in`].
const COLUMNS: &str = "invites.id, teams.id, digest, name, scopes, invites.created_at, expires_at, joiner_key, peer_id,
    redeemed_at";

fn invite_in(row: &Row<'_>) -> rusqlite::Result<InviteRecord> {
    let redeemed = match (row.get(7)?, row.get(8)?, row.get(9)?) {
        (Some(joiner_key), Some(peer_id), Some(at)) => Some(Redeemed {
            joiner_key,
            peer_id,
            at,
        }),
        _ => None,
    };
    Ok(InviteRecord {
        id: row.get(0)?,
        team: parsed(row, 1, TeamId::try_from)?,
        digest: row.get(2)?,
        name: row.get(3)?,
        scopes: parsed(row, 4, stored_scopes)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        redeemed,
    })
}

pub(super) fn create(transaction: &Transaction<'_>, invite: &InviteRecord) -> Result<bool> {
    let team = team_number(transaction, &invite.team)?;
    let made = transaction.execute(
        "INSERT INTO invites (id, team, digest, name, scopes, created_at, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE (SELECT count(*) FROM invites WHERE team = ?2 AND joiner_key IS NULL AND expires_at > ?6) < ?8",
        params![
            invite.id,
            team,
            invite.digest,
            invite.name,
            scopes_text(&invite.scopes),
            invite.created_at,
            invite.expires_at,
            signed(INVITES_MAX as u64)
        ],
    )?;
    Ok(made > 0)
}

pub(super) fn of_team(connection: &Connection, team: &TeamId) -> Result<Vec<InviteRecord>> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM invites JOIN teams ON teams.number = invites.team
             WHERE teams.id = ?1 ORDER BY invites.id"
        ))?
        .query_map([team.as_str()], invite_in)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

pub(super) fn remove(
    transaction: &Transaction<'_>,
    team: &TeamId,
    id: &str,
) -> Result<InviteRecord> {
    let mut invites = of_team(transaction, team)?.into_iter();
    let invite = invites.find(|invite| invite.id == id);
    let invite = invite.ok_or_else(|| StoreError::NotFound(format!("invitation `{id}`")))?;
    transaction.execute("DELETE FROM invites WHERE id = ?1", [id])?;
    Ok(invite)
}

pub(super) fn find(connection: &Connection, digest: &[u8; 32]) -> Result<Option<InviteRecord>> {
    let found = connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM invites JOIN teams ON teams.number = invites.team WHERE digest = ?1"
        ))?
        .query_row([digest], invite_in)
        .optional()?;
    Ok(found)
}

pub(super) fn redeem(
    transaction: &Transaction<'_>,
    joiner: Joiner,
) -> Result<std::result::Result<PeerRecord, InviteRefusal>> {
    let Some(invite) = find(transaction, &joiner.digest)? else {
        return Ok(Err(InviteRefusal::Unknown));
    };
    let known = peers::peers_of(transaction, &invite.team)?;
    let (key, now) = (joiner.key, joiner.peer.now);
    let peer = match joiner.known(&invite, &known) {
        Ok(Some(peer)) => {
            let renewal = invite.renewal(&joiner, peer);
            peers::update_peer(transaction, &invite.team, &peer.id, renewal, now)?
        }
        Ok(None) => peers::create_peer(transaction, joiner.peer)?,
        Err(refusal) => return Ok(Err(refusal)),
    };
    transaction.execute(
        "UPDATE invites SET joiner_key = ?2, peer_id = ?3, redeemed_at = coalesce(redeemed_at, ?4) WHERE id = ?1",
        params![invite.id, key, peer.id, now],
    )?;
    Ok(Ok(peer))
}
