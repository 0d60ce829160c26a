//! What becomes of forwards: attempts are settled, and what nobody wants any more, or is too old, becomes a letter.
//!
//! Claims are those of [`super::forwards`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::forwards::{state, wake_rows};
use super::{exchanges, signed, unsigned};
use crate::base::random;
use crate::protocol::federation::OutboxStatus;
use crate::protocol::id::Seq;
use crate::store::Result;
use crate::store::federation::{ClaimId, Dropped, PeerNumber, PeerState, Settled, Settlement};
use crate::store::openintent::ExchangeState;
use crate::store::record::Millis;

pub(super) fn settle(
    transaction: &Transaction<'_>,
    settlements: &[Settlement],
) -> Result<Vec<bool>> {
    // How each peer does after its last attempt; none where the claim was lost.
    let mut told: HashMap<ClaimId, Option<&PeerState>> = HashMap::new();
    let mut stand = Vec::with_capacity(settlements.len());
    for settlement in settlements {
        let last = match told.entry(settlement.claim) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let state = state(transaction, settlement.claim)?;
                unknown.insert(state.map(|_| &settlement.state))
            }
        };
        if let Some(last) = last {
            *last = &settlement.state;
            settle_one(transaction, settlement)?;
        }
        stand.push(last.is_some());
    }
    for (claim, last) in told {
        if let Some(last) = last {
            tell(transaction, claim.peer, last)?;
        }
    }
    Ok(stand)
}

/// Writes down how a peer does.
fn tell(transaction: &Transaction<'_>, peer: PeerNumber, state: &PeerState) -> Result<()> {
    transaction
        .prepare_cached(
            "UPDATE peer_states SET failures = ?2, retry_at = ?3, last_success_at = ?4, last_error = ?5, latency_ms = ?6
             WHERE peer = ?1",
        )?
        .execute(params![
            peer,
            state.failures,
            state.retry_at,
            state.last_success_at,
            state.last_error,
            state.latency_ms.map(signed)
        ])?;
    Ok(())
}

/// Settles an attempt under a claim that stands.
fn settle_one(transaction: &Transaction<'_>, settlement: &Settlement) -> Result<()> {
    let peer = settlement.claim.peer;
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
    Ok(())
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

pub(super) fn note_drops(transaction: &Transaction<'_>, drops: &[Dropped]) -> Result<()> {
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
    let buried = (ExchangeState::Queued, ExchangeState::Undelivered);
    exchanges::turn(transaction, (peer, seq), buried, now)
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

fn first_rows(connection: &Connection, peer: PeerNumber, max: usize) -> Result<Vec<(Millis, Seq)>> {
    let rows = connection
        .prepare_cached("SELECT due_at, seq FROM outbox WHERE peer = ?1 LIMIT ?2")?
        .query_map(params![peer, signed(max as u64)], |row| {
            Ok((row.get(0)?, unsigned(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

pub(super) fn cancel_rows(transaction: &Transaction<'_>, now: Millis, max: usize) -> Result<usize> {
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

pub(super) fn expire_rows(
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
