//! Peers and the labels of minted tokens.

use std::sync::Arc;

use rusqlite::{Connection, Row, Transaction, params};

use super::{parsed, signed, team_number, unsigned};
use crate::protocol::federation::PeerKind;
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::federation::{InboundToken, NewPeer, PeerRecord, PeerUpdate, TokenRecord};
use crate::store::peers::{
    KnownPeers, Peers, scopes_text, stored_kind, stored_scopes, stored_status,
};
use crate::store::record::Millis;

/// The columns of a peer, for [`peer_in`].
pub(super) const PEER_COLUMNS: &str = "peers.number, peers.id, teams.id, peers.name, peers.instance_id, peers.status, hook_url, scopes,
    max_hops, rate_limit_per_sec, outbound_token, inbound_index, inbound_hash, old_inbound_index, old_inbound_hash,
    old_inbound_until, peers.created_at, updated_at, peers.identity_key, peers.kind, discovery";

/// How many columns that are.
pub(super) const PEER_COLUMNS_COUNT: usize = 21;

pub(super) fn peer_in(row: &Row<'_>) -> rusqlite::Result<PeerRecord> {
    let old_index: Option<[u8; 32]> = row.get(13)?;
    let old_hash: Option<String> = row.get(14)?;
    let old_until: Option<Millis> = row.get(15)?;
    let old_inbound = match (old_index, old_hash, old_until) {
        (Some(index), Some(hash), Some(until)) => Some((InboundToken { index, hash }, until)),
        _ => None,
    };
    Ok(PeerRecord {
        number: row.get(0)?,
        id: row.get(1)?,
        team: parsed(row, 2, TeamId::try_from)?,
        name: row.get(3)?,
        instance_id: row.get(4)?,
        status: parsed(row, 5, stored_status)?,
        hook_url: row.get(6)?,
        scopes: parsed(row, 7, stored_scopes)?,
        max_hops: unsigned(row.get(8)?),
        rate_limit_per_sec: row.get(9)?,
        outbound_token: row.get(10)?,
        inbound: InboundToken {
            index: row.get(11)?,
            hash: row.get(12)?,
        },
        old_inbound,
        created_at: row.get(16)?,
        updated_at: row.get(17)?,
        identity_key: row.get(18)?,
        kind: parsed(row, 19, stored_kind)?,
        discovery: row.get(20)?,
    })
}

pub(super) fn peers_where(
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<PeerRecord>> {
    let sql = format!(
        "SELECT {PEER_COLUMNS} FROM peers JOIN teams ON teams.number = peers.team
         WHERE peers.status <> 'deleted' AND {condition} ORDER BY peers.number"
    );
    let peers = connection
        .prepare_cached(&sql)?
        .query_map(values, peer_in)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(peers)
}

/// The peers of a team that an append decides by.
pub(super) fn known_peers(
    connection: &Connection,
    team: &TeamId,
    version: i64,
    known: &KnownPeers,
) -> Result<Arc<Peers>> {
    if let Some(peers) = known.of(team).filter(|peers| peers.version == version) {
        return Ok(peers);
    }
    let peers = Arc::new(Peers {
        version,
        peers: peers_of(connection, team)?,
    });
    known.remember(team, &peers);
    Ok(peers)
}

fn touch(transaction: &Transaction<'_>, team: i64) -> Result<()> {
    transaction.execute(
        "UPDATE teams SET peers_version = peers_version + 1 WHERE number = ?1",
        [team],
    )?;
    Ok(())
}

/// A team's peers, all but the deleted ones.
pub(super) fn peers_of(connection: &Connection, team: &TeamId) -> Result<Vec<PeerRecord>> {
    peers_where(connection, "teams.id = ?1", [team.as_str()])
}

/// See [`crate::store::federation::FederationStore::paperclips`].
pub(super) fn paperclips(connection: &Connection) -> Result<Vec<PeerRecord>> {
    peers_where(connection, "peers.kind = ?1", [PeerKind::Paperclip.word()])
}

/// See [`crate::store::federation::FederationStore::teams_without_paperclip`].
pub(super) fn teams_without_paperclip(connection: &Connection) -> Result<Vec<TeamId>> {
    let found = connection
        .prepare_cached(
            "SELECT id FROM teams WHERE NOT EXISTS (
                 SELECT 1 FROM peers WHERE team = teams.number AND kind = ?1 AND status <> 'deleted')
             ORDER BY number",
        )?
        .query_map([PeerKind::Paperclip.word()], |row| parsed(row, 0, TeamId::try_from))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn judged_by(transaction: &Transaction<'_>, team: &TeamId) -> Result<Peers> {
    Ok(Peers {
        version: 0,
        peers: peers_of(transaction, team)?,
    })
}

pub(super) fn create_peer(transaction: &Transaction<'_>, new: NewPeer) -> Result<PeerRecord> {
    let team = team_number(transaction, &new.team)?;
    judged_by(transaction, &new.team)?.check_new(&new)?;
    transaction.execute(
        "INSERT INTO peers (id, team, name, instance_id, status, hook_url, scopes, max_hops, rate_limit_per_sec,
                            outbound_token, inbound_index, inbound_hash, created_at, updated_at, identity_key, kind, discovery)
         VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13, ?14, ?15)",
        params![
            new.id,
            team,
            new.name,
            new.instance_id,
            new.hook_url,
            scopes_text(&new.scopes),
            signed(new.max_hops),
            new.rate_limit_per_sec,
            new.outbound_token,
            new.inbound.index,
            new.inbound.hash,
            new.now,
            new.identity_key,
            new.kind.word(),
            new.discovery
        ],
    )?;
    let number = transaction.last_insert_rowid();
    transaction.execute("INSERT INTO peer_states (peer) VALUES (?1)", [number])?;
    touch(transaction, team)?;
    Ok(new.numbered(number))
}

pub(super) fn find_peer(
    connection: &Connection,
    team: &TeamId,
    id: &str,
) -> Result<Option<PeerRecord>> {
    let found = peers_where(
        connection,
        "teams.id = ?1 AND peers.id = ?2",
        [team.as_str(), id],
    )?;
    Ok(found.into_iter().next())
}

pub(super) fn update_peer(
    transaction: &Transaction<'_>,
    team: &TeamId,
    id: &str,
    update: PeerUpdate,
    now: Millis,
) -> Result<PeerRecord> {
    let peer = judged_by(transaction, team)?.changed(id, update, now)?;
    let old = peer.old_inbound.as_ref();
    transaction.execute(
        "UPDATE peers SET name = ?2, status = ?3, hook_url = ?4, scopes = ?5, max_hops = ?6, rate_limit_per_sec = ?7,
                outbound_token = ?8, inbound_index = ?9, inbound_hash = ?10, old_inbound_index = ?11,
                old_inbound_hash = ?12, old_inbound_until = ?13, updated_at = ?14, discovery = ?15
         WHERE number = ?1",
        params![
            peer.number,
            peer.name,
            peer.status.word(),
            peer.hook_url,
            scopes_text(&peer.scopes),
            signed(peer.max_hops),
            peer.rate_limit_per_sec,
            peer.outbound_token,
            peer.inbound.index,
            peer.inbound.hash,
            old.map(|(token, _)| token.index),
            old.map(|(token, _)| &token.hash),
            old.map(|(_, until)| until),
            peer.updated_at,
            peer.discovery
        ],
    )?;
    touch(transaction, team_number(transaction, team)?)?;
    Ok(peer)
}

pub(super) fn tokens(connection: &Connection, team: &TeamId) -> Result<Vec<TokenRecord>> {
    let row = |row: &Row<'_>| {
        Ok(TokenRecord {
            id: row.get(0)?,
            team: team.clone(),
            label: row.get(1)?,
            created_at: row.get(2)?,
        })
    };
    let found = connection
        .prepare_cached("SELECT id, label, created_at FROM federation_tokens WHERE team = ?1 ORDER BY created_at, id")?
        .query_map([team_number(connection, team)?], row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}
