//! Peers, the outbox and what became of it; see [`crate::store::federation::FederationStore`].
//!
//! One process has the file: claims are never contested, and those of a process that is gone are void.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::append::key;
use super::{Sqlite, parsed, signed, team_number, unsigned};
use crate::base::random;
use crate::protocol::federation::OutboxStatus;
use crate::protocol::id::{Seq, TeamId};
use crate::store::federation::{
    Ages, ClaimId, DeliveryEntry, DeliveryFilter, Dropped, Due, DueQuery, FederationStore,
    InboundToken, KnownPeers, Letters, NewPeer, OutboxEntry, OutboxFilter, OutboxId, PeerNumber,
    PeerRecord, PeerStanding, PeerState, PeerUpdate, Peers, Settled, Settlement, TokenRecord, Work,
    least_uuid7, scopes_text, stored_scopes, stored_status,
};
use crate::store::limits::WORK_MAX_BYTES;
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

/// The columns of a peer, for [`peer_in`].
const PEER_COLUMNS: &str = "peers.number, peers.id, teams.id, peers.name, peers.instance_id, peers.status, hook_url, scopes,
    max_hops, rate_limit_per_sec, outbound_token, inbound_index, inbound_hash, old_inbound_index, old_inbound_hash,
    old_inbound_until, peers.created_at, updated_at";

fn peer_in(row: &Row<'_>) -> rusqlite::Result<PeerRecord> {
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
    })
}

fn peers_where(
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
fn peers_of(connection: &Connection, team: &TeamId) -> Result<Vec<PeerRecord>> {
    peers_where(connection, "teams.id = ?1", [team.as_str()])
}

fn judged_by(transaction: &Transaction<'_>, team: &TeamId) -> Result<Peers> {
    Ok(Peers {
        version: 0,
        peers: peers_of(transaction, team)?,
    })
}

fn create_peer(transaction: &Transaction<'_>, new: NewPeer) -> Result<PeerRecord> {
    let team = team_number(transaction, &new.team)?;
    judged_by(transaction, &new.team)?.check_new(&new)?;
    transaction.execute(
        "INSERT INTO peers (id, team, name, instance_id, status, hook_url, scopes, max_hops, rate_limit_per_sec,
                            outbound_token, inbound_index, inbound_hash, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 'active', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12)",
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
            new.now
        ],
    )?;
    let number = transaction.last_insert_rowid();
    transaction.execute("INSERT INTO peer_states (peer) VALUES (?1)", [number])?;
    touch(transaction, team)?;
    Ok(new.numbered(number))
}

fn find_peer(connection: &Connection, team: &TeamId, id: &str) -> Result<Option<PeerRecord>> {
    let found = peers_where(
        connection,
        "teams.id = ?1 AND peers.id = ?2",
        [team.as_str(), id],
    )?;
    Ok(found.into_iter().next())
}

fn update_peer(
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
                old_inbound_hash = ?12, old_inbound_until = ?13, updated_at = ?14
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
            peer.updated_at
        ],
    )?;
    touch(transaction, team_number(transaction, team)?)?;
    Ok(peer)
}

fn cancel_rows(transaction: &Transaction<'_>, now: Millis, max: usize) -> Result<usize> {
    let peers: Vec<PeerNumber> = transaction
        .prepare_cached("SELECT number FROM peers WHERE status IN ('revoked', 'deleted')")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut cancelled = 0;
    for peer in peers {
        let rows = first_rows(transaction, peer, max - cancelled)?;
        for (due_at, seq) in &rows {
            bury(
                transaction,
                peer,
                *due_at,
                *seq,
                OutboxStatus::Cancelled,
                now,
            )?;
        }
        cancelled += rows.len();
        if cancelled == max {
            break;
        }
    }
    Ok(cancelled)
}

fn first_rows(connection: &Connection, peer: PeerNumber, max: usize) -> Result<Vec<(Millis, Seq)>> {
    let rows = connection
        .prepare_cached("SELECT due_at, seq FROM outbox WHERE peer = ?1 LIMIT ?2")?
        .query_map(params![peer, signed(max as u64)], |row| {
            Ok((row.get(0)?, unsigned(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// Makes a letter of a row.
fn bury(
    transaction: &Transaction<'_>,
    peer: PeerNumber,
    due_at: Millis,
    seq: Seq,
    status: OutboxStatus,
    now: Millis,
) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO letters (peer, seq, status, attempts, last_error, created_at, settled_at)
             SELECT peer, seq, ?4, attempts, last_error, created_at, ?5 FROM outbox
             WHERE peer = ?1 AND due_at = ?2 AND seq = ?3",
        )?
        .execute(params![peer, due_at, signed(seq), status.word(), now])?;
    remove_row(transaction, peer, due_at, seq)?;
    Ok(())
}

fn remove_row(
    transaction: &Transaction<'_>,
    peer: PeerNumber,
    due_at: Millis,
    seq: Seq,
) -> Result<usize> {
    let removed = transaction
        .prepare_cached("DELETE FROM outbox WHERE peer = ?1 AND due_at = ?2 AND seq = ?3")?
        .execute(params![peer, due_at, signed(seq)])?;
    Ok(removed)
}

/// Makes everything of a peer due that waits. Not 0: those rows were tried before.
fn wake_rows(transaction: &Transaction<'_>, peer: PeerNumber) -> Result<()> {
    transaction
        .prepare_cached("UPDATE outbox SET due_at = 1 WHERE peer = ?1 AND due_at > 1")?
        .execute([peer])?;
    Ok(())
}

fn wake_peer(transaction: &Transaction<'_>, peer: PeerNumber) -> Result<bool> {
    let closed = transaction
        .prepare_cached(
            "UPDATE peer_states SET failures = 0, retry_at = NULL WHERE peer = ?1 AND failures > 0",
        )?
        .execute([peer])?;
    if closed > 0 {
        wake_rows(transaction, peer)?;
    }
    Ok(closed > 0)
}

fn claim_peers(transaction: &Transaction<'_>, now: Millis, max: usize) -> Result<Vec<ClaimId>> {
    transaction
        .prepare_cached(
            "UPDATE peer_states SET claim = claim + 1, claimed_until = 1
             WHERE claimed_until = 0 AND peer IN (
                 SELECT number FROM peers JOIN peer_states ON peer = number
                 WHERE status = 'active' AND claimed_until = 0 AND (retry_at IS NULL OR retry_at <= ?1)
                       AND EXISTS (SELECT 1 FROM outbox WHERE outbox.peer = number AND due_at <= ?1)
                 LIMIT ?2)
             RETURNING peer, claim",
        )?
        .query_map(params![now, signed(max as u64)], |row| {
            Ok(ClaimId {
                peer: row.get(0)?,
                number: unsigned(row.get(1)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()
        .map_err(StoreError::from)
}

fn release_claims(transaction: &Transaction<'_>, claims: &[ClaimId]) -> Result<()> {
    let mut release = transaction.prepare_cached(
        "UPDATE peer_states SET claimed_until = 0 WHERE peer = ?1 AND claim = ?2",
    )?;
    for claim in claims {
        release.execute(params![claim.peer, signed(claim.number)])?;
    }
    Ok(())
}

/// How a peer does, if a claim stands.
fn state(connection: &Connection, claim: ClaimId) -> Result<Option<PeerState>> {
    let state = connection
        .prepare_cached(
            "SELECT failures, retry_at, last_success_at, last_error, latency_ms FROM peer_states
             WHERE peer = ?1 AND claim = ?2 AND claimed_until > 0",
        )?
        .query_row(params![claim.peer, signed(claim.number)], |row| {
            state_in(row, 0)
        })
        .optional()?;
    Ok(state)
}

fn state_in(row: &Row<'_>, at: usize) -> rusqlite::Result<PeerState> {
    let latency: Option<i64> = row.get(at + 4)?;
    Ok(PeerState {
        failures: row.get(at)?,
        retry_at: row.get(at + 1)?,
        last_success_at: row.get(at + 2)?,
        last_error: row.get(at + 3)?,
        latency_ms: latency.map(unsigned),
    })
}

fn due(connection: &Connection, query: &DueQuery) -> Result<Option<Work>> {
    let peer = query.claim.peer;
    let Some(state) = state(connection, query.claim)? else {
        return Ok(None);
    };
    let found = peers_where(connection, "peers.number = ?1", [peer])?;
    let Some(record) = found.into_iter().next() else {
        return Ok(None);
    };
    let fresh = due_rows(
        connection,
        "outbox.due_at = 0 AND outbox.seq > ?2 ORDER BY outbox.seq",
        (peer, signed(query.after)),
        query.fresh_max,
    )?;
    let retries = due_rows(
        connection,
        "outbox.due_at > 0 AND outbox.due_at <= ?2 ORDER BY outbox.due_at, outbox.seq",
        (peer, query.now),
        query.retries_max,
    )?;
    let next_due_at = connection
        .prepare_cached("SELECT min(due_at) FROM outbox WHERE peer = ?1 AND due_at > ?2")?
        .query_row(params![peer, query.now], |row| row.get(0))?;
    Ok(Some(Work {
        peer: record,
        state,
        fresh,
        retries,
        next_due_at,
    }))
}

fn due_rows(
    connection: &Connection,
    condition: &str,
    (peer, bound): (PeerNumber, i64),
    max: usize,
) -> Result<Vec<Due>> {
    let sql = format!(
        "SELECT outbox.seq, outbox.due_at, outbox.attempts, outbox.created_at,
                coalesce(events.id, kept_events.id, ''), coalesce(events.type, kept_events.type, ''),
                coalesce(events.text, kept_events.text)
         FROM outbox
         JOIN peers ON peers.number = outbox.peer
         LEFT JOIN events ON events.key = (peers.team << {bits}) | outbox.seq
         LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = outbox.seq
         WHERE outbox.peer = ?1 AND {condition} LIMIT ?3",
        bits = super::append::SEQ_BITS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![peer, bound, signed(max as u64)])?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let text: Option<String> = row.get(6)?;
        bytes += text.as_ref().map_or(0, String::len);
        found.push(Due {
            seq: unsigned(row.get(0)?),
            due_at: row.get(1)?,
            attempts: row.get(2)?,
            created_at: row.get(3)?,
            event_id: row.get(4)?,
            kind: row.get(5)?,
            text,
        });
        if bytes > WORK_MAX_BYTES {
            break;
        }
    }
    Ok(found)
}

fn settle(transaction: &Transaction<'_>, settlements: &[Settlement]) -> Result<Vec<bool>> {
    let mut stand = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        stand.push(settle_one(transaction, settlement)?);
    }
    Ok(stand)
}

fn settle_one(transaction: &Transaction<'_>, settlement: &Settlement) -> Result<bool> {
    let ClaimId { peer, number } = settlement.claim;
    let state = &settlement.state;
    let stands = transaction
        .prepare_cached(
            "UPDATE peer_states SET failures = ?3, retry_at = ?4, last_success_at = ?5, last_error = ?6, latency_ms = ?7
             WHERE peer = ?1 AND claim = ?2 AND claimed_until > 0",
        )?
        .execute(params![
            peer,
            signed(number),
            state.failures,
            state.retry_at,
            state.last_success_at,
            state.last_error,
            state.latency_ms.map(signed)
        ])?;
    if stands == 0 {
        return Ok(false);
    }
    let seq = settlement.seq;
    // It may have been woken during the attempt.
    let due_at: Option<Millis> = transaction
        .prepare_cached(
            "SELECT due_at FROM outbox WHERE peer = ?1 AND due_at IN (?2, 1) AND seq = ?3",
        )?
        .query_row(params![peer, settlement.due_at, signed(seq)], |row| {
            row.get(0)
        })
        .optional()?;
    if let Some(due_at) = due_at {
        record(transaction, settlement, due_at)?;
        settle_row(transaction, settlement, due_at)?;
    }
    if settlement.wakes {
        wake_rows(transaction, peer)?;
    }
    Ok(true)
}

/// What becomes of a row that was tried.
fn settle_row(
    transaction: &Transaction<'_>,
    settlement: &Settlement,
    due_at: Millis,
) -> Result<()> {
    let (peer, seq) = (settlement.claim.peer, settlement.seq);
    match settlement.settled {
        Settled::Delivered => drop(remove_row(transaction, peer, due_at, seq)?),
        Settled::Waits(until) => {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET due_at = ?4, attempts = ?5, last_error = ?6
                     WHERE peer = ?1 AND due_at = ?2 AND seq = ?3",
                )?
                .execute(params![
                    peer,
                    due_at,
                    signed(seq),
                    until,
                    settlement.attempt,
                    settlement.error
                ])?;
        }
        Settled::Dead => {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET attempts = ?4, last_error = ?5 WHERE peer = ?1 AND due_at = ?2 AND seq = ?3",
                )?
                .execute(params![
                    peer,
                    due_at,
                    signed(seq),
                    settlement.attempt,
                    settlement.error
                ])?;
            bury(
                transaction,
                peer,
                due_at,
                seq,
                OutboxStatus::Dead,
                settlement.at,
            )?;
        }
    }
    Ok(())
}

/// Records an attempt.
fn record(transaction: &Transaction<'_>, settlement: &Settlement, due_at: Millis) -> Result<()> {
    let (peer, seq) = (settlement.claim.peer, settlement.seq);
    transaction
        .prepare_cached(&format!(
            "INSERT INTO deliveries (team, id, peer, seq, event_id, event_type, attempt, status_code, error, latency_ms,
                                     created_at, queued_at)
             SELECT peers.team, ?4, outbox.peer, outbox.seq, coalesce(events.id, kept_events.id, ''),
                    coalesce(events.type, kept_events.type, ''), ?5, ?6, ?7, ?8, ?9, outbox.created_at
             FROM outbox
             JOIN peers ON peers.number = outbox.peer
             LEFT JOIN events ON events.key = (peers.team << {bits}) | outbox.seq
             LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = outbox.seq
             WHERE outbox.peer = ?1 AND outbox.due_at = ?2 AND outbox.seq = ?3",
            bits = super::append::SEQ_BITS
        ))?
        .execute(params![
            peer,
            due_at,
            signed(seq),
            random::uuid7(),
            settlement.attempt,
            settlement.status_code,
            settlement.error,
            signed(settlement.latency_ms),
            settlement.at
        ])?;
    Ok(())
}

fn note_drops(transaction: &Transaction<'_>, drops: &[Dropped]) -> Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO deliveries (team, id, peer, event_id, event_type, attempt, error, created_at, queued_at)
         SELECT team, ?2, number, ?3, ?4, 0, ?5, ?6, ?6 FROM peers WHERE number = ?1",
    )?;
    for dropped in drops {
        insert.execute(params![
            dropped.peer,
            random::uuid7(),
            dropped.event_id,
            dropped.kind,
            dropped.reason,
            dropped.at
        ])?;
    }
    Ok(())
}

fn expire_rows(
    transaction: &Transaction<'_>,
    before: Millis,
    latest: Millis,
    now: Millis,
    max: usize,
) -> Result<usize> {
    let peers: Vec<PeerNumber> = transaction
        .prepare_cached("SELECT number FROM peers WHERE status IN ('active', 'paused')")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut expired = 0;
    for peer in peers {
        transaction
            .prepare_cached("UPDATE outbox SET due_at = 1 WHERE peer = ?1 AND due_at > ?2")?
            .execute([peer, latest])?;
        transaction
            .prepare_cached(
                "UPDATE peer_states SET retry_at = NULL WHERE peer = ?1 AND retry_at > ?2",
            )?
            .execute([peer, latest])?;
        // Events are stored in the order of their numbers: the first young one ends the range that is looked at.
        let fresh = old_rows(transaction, peer, "due_at = 0", before, max - expired)?;
        let waiting = old_rows(
            transaction,
            peer,
            "due_at > 0",
            before,
            max - expired - fresh.len(),
        )?;
        for (due_at, seq) in fresh.iter().chain(&waiting) {
            transaction
                .prepare_cached(
                    "UPDATE outbox SET last_error = coalesce(last_error, 'it waited for too long')
                     WHERE peer = ?1 AND due_at = ?2 AND seq = ?3",
                )?
                .execute(params![peer, due_at, signed(*seq)])?;
            bury(transaction, peer, *due_at, *seq, OutboxStatus::Dead, now)?;
        }
        expired += fresh.len() + waiting.len();
        if expired >= max {
            break;
        }
    }
    Ok(expired)
}

/// The first rows of a peer that are older than a time. A young first row means that there are none.
fn old_rows(
    connection: &Connection,
    peer: PeerNumber,
    range: &str,
    before: Millis,
    max: usize,
) -> Result<Vec<(Millis, Seq)>> {
    let sql = format!(
        "SELECT due_at, seq, created_at FROM outbox WHERE peer = ?1 AND {range} ORDER BY due_at, seq"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([peer])?;
    let mut found = Vec::new();
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        let created_at: Millis = row.get(2)?;
        looked += 1;
        if created_at < before {
            found.push((row.get(0)?, unsigned(row.get(1)?)));
        } else if range == "due_at = 0" || looked > max {
            break;
        }
        if found.len() >= max {
            break;
        }
    }
    Ok(found)
}

/// The columns of a forward that ended or waits, for [`entry_in`]; `rows` is the outbox or the letters.
fn entry_columns(rows: &str) -> String {
    format!(
        "peers.id, {rows}.seq, coalesce(events.id, kept_events.id, ''), coalesce(events.type, kept_events.type, ''),
         {rows}.attempts, {rows}.last_error, {rows}.created_at
         FROM {rows}
         JOIN peers ON peers.number = {rows}.peer
         LEFT JOIN events ON events.key = (peers.team << {bits}) | {rows}.seq
         LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = {rows}.seq",
        bits = super::append::SEQ_BITS
    )
}

fn entry_in(
    row: &Row<'_>,
    at: usize,
    status: OutboxStatus,
    next: Option<Millis>,
) -> rusqlite::Result<OutboxEntry> {
    Ok(OutboxEntry {
        id: OutboxId {
            peer_id: row.get(at)?,
            seq: unsigned(row.get(at + 1)?),
        },
        event_id: row.get(at + 2)?,
        kind: row.get(at + 3)?,
        status,
        attempts: row.get(at + 4)?,
        next_attempt_at: next,
        last_error: row.get(at + 5)?,
        created_at: row.get(at + 6)?,
    })
}

fn outbox(
    connection: &Connection,
    team: &TeamId,
    filter: &OutboxFilter,
) -> Result<Vec<OutboxEntry>> {
    let number = team_number(connection, team)?;
    let statuses = match filter.status {
        Some(status) => vec![status],
        None => OutboxStatus::ALL.to_vec(),
    };
    let mut found = Vec::new();
    for status in statuses {
        let limit = filter.limit.saturating_sub(found.len());
        if limit == 0 {
            break;
        }
        let peer_id = filter.peer_id.as_deref();
        found.extend(match status {
            OutboxStatus::Pending => pending(connection, number, peer_id, limit)?,
            OutboxStatus::Delivered => delivered(connection, number, peer_id, limit)?,
            status => letters(connection, number, peer_id, status, limit)?,
        });
    }
    Ok(found)
}

fn pending(
    connection: &Connection,
    team: i64,
    peer_id: Option<&str>,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let sql = format!(
        "SELECT outbox.due_at, {} WHERE peers.team = ?1 AND (?2 IS NULL OR peers.id = ?2)
         ORDER BY outbox.due_at, outbox.seq LIMIT ?3",
        entry_columns("outbox")
    );
    let row = |row: &Row<'_>| {
        let due_at: Millis = row.get(0)?;
        entry_in(
            row,
            1,
            OutboxStatus::Pending,
            (due_at > 1).then_some(due_at),
        )
    };
    let found = connection
        .prepare_cached(&sql)?
        .query_map(params![team, peer_id, signed(limit as u64)], row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn delivered(
    connection: &Connection,
    team: i64,
    peer_id: Option<&str>,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let row = |row: &Row<'_>| entry_in(row, 0, OutboxStatus::Delivered, None);
    let found = connection
        .prepare_cached(
            "SELECT peers.id, deliveries.seq, event_id, event_type, attempt, NULL, queued_at
             FROM deliveries JOIN peers ON peers.number = deliveries.peer
             WHERE deliveries.team = ?1 AND (?2 IS NULL OR peers.id = ?2) AND status_code BETWEEN 200 AND 299
                   AND seq IS NOT NULL
             ORDER BY deliveries.id DESC LIMIT ?3",
        )?
        .query_map(params![team, peer_id, signed(limit as u64)], row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn letters(
    connection: &Connection,
    team: i64,
    peer_id: Option<&str>,
    status: OutboxStatus,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let sql = format!(
        "SELECT {} WHERE peers.team = ?1 AND (?2 IS NULL OR peers.id = ?2) AND letters.status = ?4
         ORDER BY letters.settled_at DESC, letters.seq DESC LIMIT ?3",
        entry_columns("letters")
    );
    let row = |row: &Row<'_>| entry_in(row, 0, status, None);
    let values = params![team, peer_id, signed(limit as u64), status.word()];
    let found = connection
        .prepare_cached(&sql)?
        .query_map(values, row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn dead_letter(
    connection: &Connection,
    team: &TeamId,
    id: &OutboxId,
) -> Result<Option<(OutboxEntry, String)>> {
    let sql = format!(
        "SELECT coalesce(events.text, kept_events.text, ''), {}
         WHERE peers.team = ?1 AND peers.id = ?2 AND letters.seq = ?3 AND letters.status = 'dead'",
        entry_columns("letters")
    );
    let row = |row: &Row<'_>| Ok((entry_in(row, 1, OutboxStatus::Dead, None)?, row.get(0)?));
    let values = params![team_number(connection, team)?, id.peer_id, signed(id.seq)];
    let found = connection.prepare_cached(&sql)?.query_row(values, row);
    Ok(found.optional()?)
}

fn replay(
    transaction: &Transaction<'_>,
    team: &TeamId,
    which: &Letters,
    now: Millis,
) -> Result<u64> {
    let (peer_id, seq) = match which {
        Letters::One(id) => (Some(&id.peer_id), Some(signed(id.seq))),
        Letters::Peer(id) => (Some(id), None),
        Letters::All => (None, None),
    };
    let team = team_number(transaction, team)?;
    let condition = "status = 'dead' AND (?3 IS NULL OR seq = ?3) AND peer IN
        (SELECT number FROM peers WHERE team = ?1 AND (?2 IS NULL OR id = ?2) AND peers.status IN ('active', 'paused'))";
    // Its age counts from now: it would be dead again at once.
    transaction.execute(
        &format!(
            "INSERT OR REPLACE INTO outbox (peer, due_at, seq, attempts, created_at)
             SELECT peer, 1, seq, 0, ?4 FROM letters WHERE {condition}"
        ),
        params![team, peer_id, seq, now],
    )?;
    let replayed = transaction.execute(
        &format!("DELETE FROM letters WHERE {condition}"),
        params![team, peer_id, seq],
    )?;
    Ok(replayed as u64)
}

fn discard(
    transaction: &Transaction<'_>,
    team: &TeamId,
    id: &OutboxId,
    now: Millis,
) -> Result<Option<OutboxEntry>> {
    let Some((mut entry, _)) = dead_letter(transaction, team, id)? else {
        return Ok(None);
    };
    transaction.execute(
        "UPDATE letters SET status = 'discarded', settled_at = ?3
         WHERE peer = (SELECT number FROM peers WHERE id = ?1) AND seq = ?2",
        params![id.peer_id, signed(id.seq), now],
    )?;
    entry.status = OutboxStatus::Discarded;
    Ok(Some(entry))
}

fn deliveries(
    connection: &Connection,
    team: &TeamId,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryEntry>> {
    // The condition that narrows most decides which index is read.
    let narrowed = match (&filter.event_id, &filter.peer_id) {
        (Some(_), _) => "event_id = ?3 AND (?2 IS NULL OR peers.id = ?2)",
        (None, Some(_)) => {
            "deliveries.peer = (SELECT number FROM peers WHERE id = ?2) AND ?3 IS NULL"
        }
        (None, None) => "?2 IS NULL AND ?3 IS NULL",
    };
    let sql = format!(
        "SELECT deliveries.id, peers.id, seq, event_id, attempt, status_code, error, latency_ms, deliveries.created_at
         FROM deliveries JOIN peers ON peers.number = deliveries.peer
         WHERE deliveries.team = ?1 AND {narrowed} ORDER BY deliveries.id DESC LIMIT ?4"
    );
    let row = |row: &Row<'_>| {
        let seq: Option<i64> = row.get(2)?;
        let latency: Option<i64> = row.get(7)?;
        Ok(DeliveryEntry {
            id: row.get(0)?,
            peer_id: row.get(1)?,
            seq: seq.map(unsigned),
            event_id: row.get(3)?,
            attempt: row.get(4)?,
            status_code: row.get(5)?,
            error: row.get(6)?,
            latency_ms: latency.map(unsigned),
            created_at: row.get(8)?,
        })
    };
    let values = params![
        team_number(connection, team)?,
        filter.peer_id,
        filter.event_id,
        signed(filter.limit as u64)
    ];
    let found = connection
        .prepare_cached(&sql)?
        .query_map(values, row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn standings(connection: &Connection, team: Option<&TeamId>) -> Result<Vec<PeerStanding>> {
    let sql = format!(
        "SELECT {PEER_COLUMNS}, failures, retry_at, last_success_at, last_error, latency_ms,
                (SELECT count(*) FROM outbox WHERE outbox.peer = peers.number),
                (SELECT min(created_at) FROM (
                    SELECT * FROM (SELECT created_at FROM outbox WHERE peer = peers.number AND due_at = 0
                                   ORDER BY seq LIMIT 1)
                    UNION ALL
                    SELECT min(created_at) FROM outbox WHERE peer = peers.number AND due_at > 0)),
                (SELECT count(*) FROM letters WHERE letters.peer = peers.number AND letters.status = 'dead')
         FROM peers JOIN teams ON teams.number = peers.team JOIN peer_states ON peer = peers.number
         WHERE peers.status <> 'deleted' AND (?1 IS NULL OR teams.id = ?1) ORDER BY teams.id, peers.number"
    );
    let row = |row: &Row<'_>| {
        Ok(PeerStanding {
            peer: peer_in(row)?,
            state: state_in(row, 18)?,
            backlog: unsigned(row.get(23)?),
            oldest_at: row.get(24)?,
            dead: unsigned(row.get(25)?),
        })
    };
    let found = connection
        .prepare_cached(&sql)?
        .query_map([team.map(TeamId::as_str)], row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

fn prune(transaction: &Transaction<'_>, before: Ages, max: usize) -> Result<bool> {
    let max_rows = signed(max as u64);
    let mut removed = vec![transaction.execute(
        "DELETE FROM dedup WHERE (team, key) IN
             (SELECT team, key FROM dedup WHERE created_at < ?1 AND federated = 1 ORDER BY created_at LIMIT ?2)",
        params![before.names, max_rows],
    )?];
    let teams: Vec<i64> = transaction
        .prepare_cached("SELECT number FROM teams WHERE peers_version > 0")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for team in teams {
        removed.push(transaction.execute(
            "DELETE FROM deliveries WHERE team = ?1 AND id IN
                 (SELECT id FROM deliveries WHERE team = ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
            params![team, least_uuid7(before.deliveries), max_rows],
        )?);
    }
    removed.push(transaction.execute(
        "DELETE FROM letters WHERE (peer, seq) IN
             (SELECT peer, seq FROM letters WHERE settled_at < ?1 ORDER BY settled_at LIMIT ?2)",
        params![before.letters, max_rows],
    )?);
    removed.push(transaction.execute(
        "DELETE FROM kept_events WHERE (team, seq) IN (
             SELECT team, seq FROM kept_events WHERE NOT EXISTS (
                 SELECT 1 FROM peers JOIN letters ON letters.peer = peers.number
                 WHERE peers.team = kept_events.team AND letters.seq = kept_events.seq
             ) AND NOT EXISTS (
                 SELECT 1 FROM peers JOIN outbox ON outbox.peer = peers.number
                 WHERE peers.team = kept_events.team AND outbox.due_at = 0 AND outbox.seq = kept_events.seq
             ) AND NOT EXISTS (
                 SELECT 1 FROM peers JOIN outbox ON outbox.peer = peers.number
                 WHERE peers.team = kept_events.team AND outbox.due_at > 0 AND outbox.seq = kept_events.seq
             ) LIMIT ?1)",
        [max_rows],
    )?);
    Ok(removed.contains(&max))
}

/// Keeps the events of a range that a forward or a letter still needs, when retention takes them.
pub(super) fn keep_events(
    transaction: &Transaction<'_>,
    team: i64,
    after: Seq,
    through: Seq,
) -> Result<()> {
    let peers: Vec<PeerNumber> = transaction
        .prepare_cached("SELECT number FROM peers WHERE team = ?1")?
        .query_map([team], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut keep = transaction.prepare_cached(
        "INSERT OR IGNORE INTO kept_events (team, seq, id, type, text)
         SELECT ?1, needed.seq, events.id, events.type, events.text
         FROM (SELECT seq FROM outbox WHERE peer = ?2 AND due_at = 0 AND seq > ?3 AND seq <= ?4
               UNION SELECT seq FROM outbox WHERE peer = ?2 AND due_at > 0 AND seq > ?3 AND seq <= ?4
               UNION SELECT seq FROM letters WHERE peer = ?2 AND seq > ?3 AND seq <= ?4) AS needed
         JOIN events ON events.key = ?5 | needed.seq",
    )?;
    for peer in peers {
        keep.execute(params![
            team,
            peer,
            signed(after),
            signed(through),
            key(team, 0)
        ])?;
    }
    Ok(())
}

/// Voids the claims of a process that is gone.
pub(super) fn void_claims(connection: &Connection) -> Result<()> {
    connection.execute(
        "UPDATE peer_states SET claimed_until = 0 WHERE claimed_until > 0",
        [],
    )?;
    Ok(())
}

fn tokens(connection: &Connection, team: &TeamId) -> Result<Vec<TokenRecord>> {
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

#[async_trait]
impl FederationStore for Sqlite {
    async fn create_peer(&self, peer: NewPeer) -> Result<PeerRecord> {
        self.write(move |t| create_peer(t, peer)).await
    }

    async fn peers(&self, team: TeamId) -> Result<Vec<PeerRecord>> {
        self.query(move |c| peers_of(c, &team)).await
    }

    async fn find_peer(&self, team: TeamId, id: String) -> Result<Option<PeerRecord>> {
        self.query(move |c| find_peer(c, &team, &id)).await
    }

    async fn update_peer(
        &self,
        team: TeamId,
        id: String,
        update: PeerUpdate,
        now: Millis,
    ) -> Result<PeerRecord> {
        self.write(move |t| update_peer(t, &team, &id, update, now))
            .await
    }

    async fn peer_by_token(&self, team: TeamId, index: [u8; 32]) -> Result<Option<PeerRecord>> {
        self.query(move |c| {
            let found = peers_where(
                c,
                "teams.id = ?1 AND (inbound_index = ?2 OR old_inbound_index = ?2)",
                params![team.as_str(), index],
            )?;
            Ok(PeerRecord::owner(found, &index))
        })
        .await
    }

    async fn cancel_rows(&self, now: Millis, max: usize) -> Result<usize> {
        self.write(move |t| cancel_rows(t, now, max)).await
    }

    async fn note_drops(&self, drops: Vec<Dropped>) -> Result<()> {
        self.write(move |t| note_drops(t, &drops)).await
    }

    async fn wake_peer(&self, peer: PeerNumber) -> Result<bool> {
        // Whatever a peer sends may be its first sign of life; most of it is not.
        let is_open = self
            .query(move |c| {
                let found = c
                    .prepare_cached("SELECT 1 FROM peer_states WHERE peer = ?1 AND failures > 0")?
                    .exists([peer])?;
                Ok(found)
            })
            .await?;
        match is_open {
            true => self.write(move |t| wake_peer(t, peer)).await,
            false => Ok(false),
        }
    }

    async fn create_federation_token(&self, token: TokenRecord) -> Result<()> {
        self.write(move |t| {
            t.execute(
                "INSERT INTO federation_tokens (id, team, label, created_at) VALUES (?1, ?2, ?3, ?4)",
                params![token.id, team_number(t, &token.team)?, token.label, token.created_at],
            )?;
            Ok(())
        })
        .await
    }

    async fn federation_tokens(&self, team: TeamId) -> Result<Vec<TokenRecord>> {
        self.query(move |c| tokens(c, &team)).await
    }

    async fn remove_federation_token(&self, team: TeamId, id: String) -> Result<TokenRecord> {
        self.write(move |t| {
            let found = tokens(t, &team)?.into_iter().find(|token| token.id == id);
            let token = found.ok_or_else(|| StoreError::NotFound(format!("token `{id}`")))?;
            t.execute("DELETE FROM federation_tokens WHERE id = ?1", [&token.id])?;
            Ok(token)
        })
        .await
    }

    async fn claim_peers(&self, now: Millis, max: usize) -> Result<Vec<ClaimId>> {
        // Most looks find nothing: they write nothing.
        let is_due = self
            .query(move |c| {
                let found = c
                    .prepare_cached(
                        "SELECT 1 FROM peers JOIN peer_states ON peer = number
                         WHERE status = 'active' AND claimed_until = 0 AND (retry_at IS NULL OR retry_at <= ?1)
                               AND EXISTS (SELECT 1 FROM outbox WHERE outbox.peer = number AND due_at <= ?1)
                         LIMIT 1",
                    )?
                    .exists([now])?;
                Ok(found)
            })
            .await?;
        match is_due {
            true => self.write(move |t| claim_peers(t, now, max)).await,
            false => Ok(Vec::new()),
        }
    }

    async fn renew_claims(&self, claims: Vec<ClaimId>) -> Result<Vec<ClaimId>> {
        self.query(move |c| {
            let mut lost = Vec::new();
            for claim in claims {
                if state(c, claim)?.is_none() {
                    lost.push(claim);
                }
            }
            Ok(lost)
        })
        .await
    }

    async fn release_claims(&self, claims: Vec<ClaimId>) -> Result<()> {
        self.write(move |t| release_claims(t, &claims)).await
    }

    async fn due(&self, query: DueQuery) -> Result<Option<Work>> {
        self.query(move |c| due(c, &query)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<bool>> {
        self.write(move |t| settle(t, &settlements)).await
    }

    async fn expire_rows(
        &self,
        before: Millis,
        latest: Millis,
        now: Millis,
        max: usize,
    ) -> Result<usize> {
        self.write(move |t| expire_rows(t, before, latest, now, max))
            .await
    }

    async fn outbox(&self, team: TeamId, filter: OutboxFilter) -> Result<Vec<OutboxEntry>> {
        self.query(move |c| outbox(c, &team, &filter)).await
    }

    async fn dead_letter(
        &self,
        team: TeamId,
        id: OutboxId,
    ) -> Result<Option<(OutboxEntry, String)>> {
        self.query(move |c| dead_letter(c, &team, &id)).await
    }

    async fn replay(&self, team: TeamId, letters: Letters, now: Millis) -> Result<u64> {
        self.write(move |t| replay(t, &team, &letters, now)).await
    }

    async fn discard(
        &self,
        team: TeamId,
        id: OutboxId,
        now: Millis,
    ) -> Result<Option<OutboxEntry>> {
        self.write(move |t| discard(t, &team, &id, now)).await
    }

    async fn deliveries(&self, team: TeamId, filter: DeliveryFilter) -> Result<Vec<DeliveryEntry>> {
        self.query(move |c| deliveries(c, &team, &filter)).await
    }

    async fn peer_standings(&self, team: Option<TeamId>) -> Result<Vec<PeerStanding>> {
        self.query(move |c| standings(c, team.as_ref())).await
    }

    async fn prune_federation(&self, before: Ages, max: usize) -> Result<bool> {
        self.write(move |t| prune(t, before, max)).await
    }
}
