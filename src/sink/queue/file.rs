//! The statements on the queue's file. All of it waits for the disk.

use std::path::Path;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, named_params};

use super::{Claim, Claiming, Consumer, Entry, QueueFault, Row, Status, Verdict, schema};
use crate::protocol::id::Seq;

/// What a row is read from.
pub(super) const COLUMNS: &str = "id, claimed_until, server, team_id, consumer, seq, event_id, source, event_type, \
     importance, status, failure_reason, attempts, created_at, enriched_at, delivered_at, sink, raw_payload, \
     enriched_payload";

const PUT: &str = "
    INSERT INTO entries (server, team_id, consumer, seq, event_id, source, event_type, raw_payload, enriched_payload,
        importance, status, failure_reason, attempts, due_at, sink, created_at, enriched_at, delivered_at,
        settled_at)
    VALUES (:server, :team_id, :consumer, :seq, :event_id, :source, :event_type, :raw, :enriched,
        :importance, :status, :why, :attempts, :due_at, :sink, :now, :enriched_at, :delivered_at, :now)
    ON CONFLICT (server, team_id, consumer, seq, event_id) DO UPDATE SET
        enriched_payload = excluded.enriched_payload, importance = excluded.importance, status = excluded.status,
        failure_reason = excluded.failure_reason, attempts = excluded.attempts, due_at = excluded.due_at,
        claimed_until = 0, sink = excluded.sink, enriched_at = excluded.enriched_at,
        delivered_at = excluded.delivered_at, settled_at = excluded.settled_at
    RETURNING id";

const OF_CONSUMER: &str = "server = :server AND team_id = :team_id AND consumer = :consumer";

/// The open file.
pub(super) struct File {
    pub(super) connection: Connection,
}

impl File {
    pub(super) fn open(path: &Path, now: i64) -> Result<Self, QueueFault> {
        let connection = schema::open(path, now / 1000)?;
        Ok(Self { connection })
    }

    pub(super) fn put(
        &mut self,
        consumer: &Consumer,
        entry: &Entry,
        now: i64,
    ) -> Result<(), QueueFault> {
        self.set_safety(entry.verdict.is_open())?;
        put(&self.connection, consumer, entry, now)?;
        Ok(())
    }

    /// Keeps what was added to a claimed event.
    pub(super) fn refine(
        &mut self,
        claim: &Claim,
        entry: &Entry,
        now: i64,
    ) -> Result<(), QueueFault> {
        const REFINE: &str = "
            UPDATE entries SET enriched_payload = :enriched, enriched_at = coalesce(enriched_at, :enriched_at),
                importance = :importance
            WHERE id = :id AND claimed_until = :until";
        self.connection
            .prepare_cached(REFINE)?
            .execute(named_params! {
                ":enriched": entry.enriched,
                ":enriched_at": entry.enriched.is_some().then_some(now / 1000),
                ":importance": entry.importance.as_str(),
                ":id": claim.rowid,
                ":until": claim.until,
            })?;
        Ok(())
    }

    pub(super) fn status(
        &mut self,
        consumer: &Consumer,
        seq: Seq,
        event_id: &str,
    ) -> Result<Option<Status>, QueueFault> {
        status(&self.connection, consumer, seq, event_id)
    }

    pub(super) fn claim_due(
        &mut self,
        consumer: &Consumer,
        now: i64,
        until: i64,
    ) -> Result<Option<Claim>, QueueFault> {
        let sql = format!(
            "UPDATE entries SET due_at = :until, claimed_until = :until WHERE id =
                 (SELECT id FROM entries WHERE {OF_CONSUMER} AND due_at <= :now ORDER BY due_at, seq LIMIT 1)
             RETURNING {COLUMNS}"
        );
        // Finding nothing should cost no write.
        if self.next_due(consumer)?.is_none_or(|due| due > now) {
            return Ok(None);
        }
        let mut statement = self.connection.prepare_cached(&sql)?;
        let claimed = statement.query_one(
            named_params! {
                ":server": consumer.server,
                ":team_id": consumer.team.as_str(),
                ":consumer": consumer.name,
                ":now": now,
                ":until": until,
            },
            claim,
        );
        Ok(claimed.optional()?)
    }

    pub(super) fn next_due(&mut self, consumer: &Consumer) -> Result<Option<i64>, QueueFault> {
        let sql =
            format!("SELECT min(due_at) FROM entries WHERE {OF_CONSUMER} AND due_at IS NOT NULL");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(
            named_params! {
                ":server": consumer.server,
                ":team_id": consumer.team.as_str(),
                ":consumer": consumer.name,
            },
            |row| row.get(0),
        )?)
    }

    pub(super) fn last_due(&mut self, consumer: &Consumer) -> Result<Option<Seq>, QueueFault> {
        let sql =
            format!("SELECT max(seq) FROM entries WHERE {OF_CONSUMER} AND due_at IS NOT NULL");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found: Option<i64> = statement.query_row(
            named_params! {
                ":server": consumer.server,
                ":team_id": consumer.team.as_str(),
                ":consumer": consumer.name,
            },
            |row| row.get(0),
        )?;
        Ok(found.map(|seq| u64::try_from(seq).unwrap_or(0)))
    }

    pub(super) fn settle(
        &mut self,
        claim: &Claim,
        verdict: &Verdict,
        now: i64,
    ) -> Result<(), QueueFault> {
        const SETTLE: &str = "
            UPDATE entries SET status = :status, failure_reason = :why, attempts = :attempts, due_at = :due_at,
                claimed_until = 0, delivered_at = :delivered_at, settled_at = :now
            WHERE id = :id AND claimed_until = :until";
        self.set_safety(true)?;
        let is_delivered = verdict.status() == Status::Delivered;
        let attempts = match verdict {
            Verdict::Again { attempts, .. } => *attempts,
            _ => claim.attempts.saturating_add(1),
        };
        self.connection
            .prepare_cached(SETTLE)?
            .execute(named_params! {
                ":status": verdict.status().as_str(),
                ":why": verdict.why(),
                ":attempts": attempts,
                ":due_at": verdict.due_at(),
                ":delivered_at": is_delivered.then_some(now / 1000),
                ":now": now / 1000,
                ":id": claim.rowid,
                ":until": claim.until,
            })?;
        Ok(())
    }

    /// Claims an entry that was looked at, for a replay.
    pub(super) fn claim(
        &mut self,
        row: &Row,
        now: i64,
        until: i64,
    ) -> Result<Claiming, QueueFault> {
        // What the stream would try again is out of its sight meanwhile.
        let sql = format!(
            "UPDATE entries SET claimed_until = :until, due_at = CASE WHEN due_at IS NOT NULL THEN :until END
             WHERE id = :id AND status = :status AND claimed_until <= :now RETURNING {COLUMNS}"
        );
        self.set_safety(false)?;
        let claimed = self.connection.prepare_cached(&sql)?.query_one(
            named_params! {
                ":id": row.id,
                ":status": row.status.as_str(),
                ":now": now,
                ":until": until,
            },
            claim,
        );
        if let Some(claim) = claimed.optional()? {
            return Ok(Claiming::Claimed(Box::new(claim)));
        }
        let is_there = "SELECT 1 FROM entries WHERE id = ? AND status = ?";
        let mut statement = self.connection.prepare_cached(is_there)?;
        Ok(match statement.exists((row.id, row.status.as_str()))? {
            true => Claiming::Busy,
            false => Claiming::Over,
        })
    }

    /// Gives a claim back: the entry is what it was.
    pub(super) fn release(&mut self, claim: &Claim, now: i64) -> Result<(), QueueFault> {
        const RELEASE: &str = "
            UPDATE entries SET claimed_until = 0, due_at = CASE WHEN due_at IS NOT NULL THEN :now END
            WHERE id = :id AND claimed_until = :until";
        self.connection
            .prepare_cached(RELEASE)?
            .execute(named_params! {
                ":id": claim.rowid,
                ":until": claim.until,
                ":now": now,
            })?;
        Ok(())
    }

    /// Whether the next write has to be on the disk when it returns. A record of what is over may be lost with the power.
    pub(super) fn set_safety(&self, is_needed: bool) -> Result<(), QueueFault> {
        let mode = if is_needed { "FULL" } else { "NORMAL" };
        self.connection.pragma_update(None, "synchronous", mode)?;
        Ok(())
    }
}

/// What became of an event, if anything is known.
pub(super) fn status(
    connection: &Connection,
    consumer: &Consumer,
    seq: Seq,
    event_id: &str,
) -> Result<Option<Status>, QueueFault> {
    let sql = format!(
        "SELECT status FROM entries WHERE {OF_CONSUMER} AND seq = :seq AND event_id = :event_id"
    );
    let found = connection.prepare_cached(&sql)?.query_row(
        named_params! {
            ":server": consumer.server,
            ":team_id": consumer.team.as_str(),
            ":consumer": consumer.name,
            ":seq": number(seq),
            ":event_id": event_id,
        },
        |row| row.get(0),
    );
    Ok(found.optional()?)
}

/// Writes an entry in the place of what was known about the event; the row it has.
pub(super) fn put(
    connection: &Connection,
    consumer: &Consumer,
    entry: &Entry,
    now: i64,
) -> Result<i64, QueueFault> {
    let verdict = &entry.verdict;
    let now = now / 1000;
    let is_delivered = verdict.status() == Status::Delivered;
    let attempts = match verdict {
        Verdict::Again { attempts, .. } => *attempts,
        Verdict::Held { .. } | Verdict::Filtered(_) => 0,
        _ => 1,
    };
    // Read to its end, where the transaction is: on a full disk that fails after the row was returned.
    let id = connection.prepare_cached(PUT)?.query_one(
        named_params! {
            ":server": consumer.server,
            ":team_id": consumer.team.as_str(),
            ":consumer": consumer.name,
            ":seq": number(entry.seq),
            ":event_id": entry.event_id,
            ":source": entry.source,
            ":event_type": entry.event_type,
            ":raw": entry.raw,
            ":enriched": entry.enriched,
            ":importance": entry.importance.as_str(),
            ":status": verdict.status().as_str(),
            ":why": verdict.why(),
            ":attempts": attempts,
            ":due_at": verdict.due_at(),
            ":sink": consumer.sink,
            ":now": now,
            ":enriched_at": entry.enriched.is_some().then_some(now),
            ":delivered_at": is_delivered.then_some(now),
        },
        |row| row.get(0),
    )?;
    Ok(id)
}

/// A number of the log as SQLite holds it; a log never comes near the end of either.
pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn claim(row: &rusqlite::Row<'_>) -> rusqlite::Result<Claim> {
    let row_read = self::row(row)?;
    Ok(Claim {
        rowid: row_read.id,
        until: row.get("claimed_until")?,
        attempts: row_read.attempts,
        row: row_read,
    })
}

/// Reads [`COLUMNS`].
pub(super) fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get("id")?,
        server: row.get("server")?,
        team_id: row.get("team_id")?,
        consumer: row.get("consumer")?,
        seq: u64::try_from(row.get::<_, i64>("seq")?).unwrap_or(0),
        event_id: row.get("event_id")?,
        source: row.get("source")?,
        event_type: row.get("event_type")?,
        importance: row.get("importance")?,
        status: row.get("status")?,
        failure_reason: row.get("failure_reason")?,
        attempts: row.get("attempts")?,
        created_at: row.get("created_at")?,
        enriched_at: row.get("enriched_at")?,
        delivered_at: row.get("delivered_at")?,
        sink: row.get("sink")?,
        raw_payload: row.get("raw_payload")?,
        enriched_payload: row.get("enriched_payload")?,
    })
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value
            .as_str()?
            .parse()
            .map_err(|why: String| FromSqlError::Other(why.into()))
    }
}
