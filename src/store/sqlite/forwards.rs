//! Forwards that are due or wait, and the claims that they are worked under.
//!
//! One process has the file: claims are never contested, and those of a process that is gone are void.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::peers::peers_where;
use super::{signed, unsigned};
use crate::store::federation::{ClaimId, Due, DueQuery, PeerNumber, PeerState, Work};
use crate::store::limits::WORK_MAX_BYTES;
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

/// Makes everything of a peer due that waits. Not 0: those rows were tried before.
pub(super) fn wake_rows(transaction: &Transaction<'_>, peer: PeerNumber) -> Result<()> {
    transaction
        .prepare_cached("UPDATE outbox SET due_at = 1 WHERE peer = ?1 AND due_at > 1")?
        .execute([peer])?;
    Ok(())
}

pub(super) fn wake_peer(transaction: &Transaction<'_>, peer: PeerNumber) -> Result<bool> {
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

pub(super) fn claim_peers(
    transaction: &Transaction<'_>,
    now: Millis,
    max: usize,
) -> Result<Vec<ClaimId>> {
    transaction
        .prepare_cached(
            "UPDATE peer_states SET claim = claim + 1, claimed_until = 1
             WHERE claimed_until = 0 AND peer IN (
                 SELECT number FROM peers JOIN peer_states ON peer = number
                 WHERE status = 'active' AND claimed_until = 0 AND (retry_at IS NULL OR retry_at <= ?1)
                       AND EXISTS (SELECT 1 FROM outbox WHERE outbox.peer = number AND due_at <= ?1)
                 ORDER BY claim LIMIT ?2)
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

pub(super) fn release_claims(transaction: &Transaction<'_>, claims: &[ClaimId]) -> Result<()> {
    let mut release = transaction.prepare_cached(
        "UPDATE peer_states SET claimed_until = 0 WHERE peer = ?1 AND claim = ?2",
    )?;
    for claim in claims {
        release.execute(params![claim.peer, signed(claim.number)])?;
    }
    Ok(())
}

/// How a peer does, if a claim stands.
pub(super) fn state(connection: &Connection, claim: ClaimId) -> Result<Option<PeerState>> {
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

pub(super) fn state_in(row: &Row<'_>, at: usize) -> rusqlite::Result<PeerState> {
    let latency: Option<i64> = row.get(at + 4)?;
    Ok(PeerState {
        failures: row.get(at)?,
        retry_at: row.get(at + 1)?,
        last_success_at: row.get(at + 2)?,
        last_error: row.get(at + 3)?,
        latency_ms: latency.map(unsigned),
    })
}

pub(super) fn due(connection: &Connection, query: &DueQuery) -> Result<Option<Work>> {
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
    Ok(Some(Work {
        peer: record,
        state,
        fresh,
        retries,
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

/// Voids the claims of a process that is gone.
pub(super) fn void_claims(connection: &Connection) -> Result<()> {
    connection.execute(
        "UPDATE peer_states SET claimed_until = 0 WHERE claimed_until > 0",
        [],
    )?;
    Ok(())
}
