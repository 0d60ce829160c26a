//! What became of forwards: dead letters, how peers do, and what is removed in time.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::append::key;
use super::forwards::state_in;
use super::listings::{entries, entry_in};
use super::peers::{PEER_COLUMNS, PEER_COLUMNS_COUNT, peer_in};
use super::{exchanges, signed, team_number, unsigned};
use crate::protocol::federation::OutboxStatus;
use crate::protocol::id::{Seq, TeamId};
use crate::store::Result;
use crate::store::federation::{
    Ages, Letters, OutboxEntry, OutboxId, PeerNumber, PeerStanding, REPLAY_MAX, least_uuid7,
};
use crate::store::openintent::ExchangeState;
use crate::store::record::Millis;

pub(super) fn dead_letter(
    connection: &Connection,
    team: &TeamId,
    id: &OutboxId,
) -> Result<Option<(OutboxEntry, String)>> {
    let sql = format!(
        "SELECT coalesce(events.text, kept_events.text, ''), {}
         WHERE peers.team = ?1 AND peers.id = ?2 AND letters.seq = ?3 AND letters.status = 'dead'",
        entries("letters", "letters")
    );
    let row = |row: &Row<'_>| Ok((entry_in(row, 1, OutboxStatus::Dead, None)?, row.get(0)?));
    let values = params![team_number(connection, team)?, id.peer_id, signed(id.seq)];
    let found = connection.prepare_cached(&sql)?.query_row(values, row);
    Ok(found.optional()?)
}

/// Makes the first dead letters behind a peer and a number due again. Answers them.
pub(super) fn replay(
    transaction: &Transaction<'_>,
    team: &TeamId,
    which: &Letters,
    after: (PeerNumber, Seq),
    now: Millis,
) -> Result<Vec<(PeerNumber, Seq)>> {
    let (peer_id, seq) = match which {
        Letters::One(id) => (Some(&id.peer_id), Some(signed(id.seq))),
        Letters::Peer(id) => (Some(id), None),
        Letters::All => (None, None),
    };
    let team = team_number(transaction, team)?;
    let values = params![
        team,
        peer_id,
        seq,
        after.0,
        signed(after.1),
        signed(REPLAY_MAX as u64)
    ];
    let found: Vec<(PeerNumber, Seq)> = transaction
        .prepare_cached(
            "SELECT peer, seq FROM letters WHERE status = 'dead' AND (?3 IS NULL OR seq = ?3) AND (peer, seq) > (?4, ?5)
                    AND peer IN (SELECT number FROM peers WHERE team = ?1 AND (?2 IS NULL OR id = ?2)
                                        AND peers.status IN ('active', 'paused'))
             ORDER BY peer, seq LIMIT ?6",
        )?
        .query_map(values, |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    // Its age counts from now: it would be dead again at once.
    let mut put_back = transaction.prepare_cached(
        "INSERT OR REPLACE INTO outbox (peer, due_at, seq, attempts, created_at) VALUES (?1, 1, ?2, 0, ?3)",
    )?;
    let mut remove =
        transaction.prepare_cached("DELETE FROM letters WHERE peer = ?1 AND seq = ?2")?;
    let replayed = (ExchangeState::Undelivered, ExchangeState::Queued);
    for (peer, seq) in &found {
        put_back.execute(params![peer, signed(*seq), now])?;
        remove.execute(params![peer, signed(*seq)])?;
        exchanges::turn(transaction, (*peer, *seq), replayed, now)?;
    }
    Ok(found)
}

pub(super) fn discard(
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

pub(super) fn standings(
    connection: &Connection,
    team: Option<&TeamId>,
) -> Result<Vec<PeerStanding>> {
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
            state: state_in(row, PEER_COLUMNS_COUNT)?,
            backlog: unsigned(row.get(PEER_COLUMNS_COUNT + 5)?),
            oldest_at: row.get(PEER_COLUMNS_COUNT + 6)?,
            dead: unsigned(row.get(PEER_COLUMNS_COUNT + 7)?),
        })
    };
    let found = connection
        .prepare_cached(&sql)?
        .query_map([team.map(TeamId::as_str)], row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// Kept events that nothing needs any more, the first of them. Rows and letters are made of events that are new, or of
/// each other: what needs none is never needed again, so that this may be looked up before the transaction that removes it.
pub(super) fn unneeded(connection: &Connection, max: usize) -> Result<Vec<(i64, Seq)>> {
    // Rows that wait have no index by number: all of them are taken together, not once for each event. One number, since
    // for a pair that is not among them SQLite looks through all of them for a NULL.
    let found = connection
        .prepare_cached(&format!(
            "SELECT team, seq FROM kept_events WHERE NOT EXISTS (
                 SELECT 1 FROM peers JOIN letters ON letters.peer = peers.number
                 WHERE peers.team = kept_events.team AND letters.seq = kept_events.seq
             ) AND NOT EXISTS (
                 SELECT 1 FROM peers JOIN outbox ON outbox.peer = peers.number
                 WHERE peers.team = kept_events.team AND outbox.due_at = 0 AND outbox.seq = kept_events.seq
             ) AND (team << {bits}) | seq NOT IN (
                 SELECT (peers.team << {bits}) | outbox.seq FROM peers CROSS JOIN outbox ON outbox.peer = peers.number
                 WHERE outbox.due_at > 0
             ) LIMIT ?1",
            bits = super::append::SEQ_BITS
        ))?
        .query_map([signed(max as u64)], |row| {
            Ok((row.get(0)?, unsigned(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// Removes kept events.
pub(super) fn remove_kept(transaction: &Transaction<'_>, kept: &[(i64, Seq)]) -> Result<()> {
    let mut remove =
        transaction.prepare_cached("DELETE FROM kept_events WHERE team = ?1 AND seq = ?2")?;
    for (team, seq) in kept {
        remove.execute(params![team, signed(*seq)])?;
    }
    Ok(())
}

/// Removes what is old.
pub(super) fn prune(transaction: &Transaction<'_>, before: Ages, max: usize) -> Result<bool> {
    let max_rows = signed(max as u64);
    let names = transaction.execute(
        "DELETE FROM dedup WHERE (team, key) IN
             (SELECT team, key FROM dedup WHERE created_at < ?1 AND federated = 1 ORDER BY created_at LIMIT ?2)",
        params![before.names, max_rows],
    )?;
    let deliveries = prune_deliveries(transaction, before.deliveries, max)?;
    let letters = transaction.execute(
        "DELETE FROM letters WHERE (peer, seq) IN
             (SELECT peer, seq FROM letters WHERE settled_at < ?1 ORDER BY settled_at LIMIT ?2)",
        params![before.letters, max_rows],
    )?;
    let invites = transaction.execute(
        "DELETE FROM invites WHERE id IN (SELECT id FROM invites WHERE expires_at < ?1 LIMIT ?2)",
        params![before.invites, max_rows],
    )?;
    Ok([names, deliveries, letters, invites].contains(&max))
}

/// Removes old attempts and drops, of all teams together at most so many: others wait for this transaction.
fn prune_deliveries(transaction: &Transaction<'_>, before: Millis, max: usize) -> Result<usize> {
    let teams: Vec<i64> = transaction
        .prepare_cached("SELECT number FROM teams WHERE peers_version > 0")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut remove = transaction.prepare_cached(
        "DELETE FROM deliveries WHERE team = ?1 AND id IN
             (SELECT id FROM deliveries WHERE team = ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
    )?;
    let mut removed = 0;
    for team in teams {
        let left = signed((max - removed) as u64);
        removed += remove.execute(params![team, least_uuid7(before), left])?;
        if removed >= max {
            break;
        }
    }
    Ok(removed)
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
