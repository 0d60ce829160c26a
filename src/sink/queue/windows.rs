//! Windows within which events count as the same (spec 16). Those that are open survive a restart.

use std::time::Duration;

use rusqlite::{OptionalExtension, TransactionBehavior, named_params};

use super::super::retry::millis;
use super::file::{File, number};
use super::{Consumer, Entry, QueueFault, Verdict};
use crate::protocol::id::Seq;

/// An event at a window.
#[derive(Debug, Clone)]
pub struct Entered {
    /// Its place in the log.
    pub seq: Seq,
    /// Its id.
    pub event_id: String,
    /// How long a window is open that it opens.
    pub window: Duration,
}

const OF_KEY: &str =
    "server = :server AND team_id = :team_id AND consumer = :consumer AND key = :key";

impl File {
    /// The number of the event that opened the window that the event falls into; none for one that opens it.
    pub(super) fn enter_window(
        &mut self,
        consumer: &Consumer,
        key: &[u8; 32],
        entered: &Entered,
        now: i64,
    ) -> Result<Option<Seq>, QueueFault> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction
            .prepare_cached("DELETE FROM windows WHERE closes_at <= :now")?
            .execute(named_params! { ":now": now })?;
        // One that closes later than any that opens now is of a clock that was set back, or of longer windows.
        let closes_at = now.saturating_add(millis(entered.window));
        let sql =
            format!("SELECT seq, event_id FROM windows WHERE {OF_KEY} AND closes_at <= :closes_at");
        let found = transaction
            .prepare_cached(&sql)?
            .query_row(
                named_params! {
                    ":server": consumer.server,
                    ":team_id": consumer.team.as_str(),
                    ":consumer": consumer.name,
                    ":key": key,
                    ":closes_at": closes_at,
                },
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()?;
        if let Some((seq, event_id)) = found {
            let is_itself = seq == number(entered.seq) && event_id == entered.event_id;
            return Ok((!is_itself).then(|| u64::try_from(seq).unwrap_or(0)));
        }
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO windows (server, team_id, consumer, key, seq, event_id, closes_at)
                 VALUES (:server, :team_id, :consumer, :key, :seq, :event_id, :closes_at)",
            )?
            .execute(named_params! {
                ":server": consumer.server,
                ":team_id": consumer.team.as_str(),
                ":consumer": consumer.name,
                ":key": key,
                ":seq": number(entered.seq),
                ":event_id": entered.event_id,
                ":closes_at": closes_at,
            })?;
        transaction.commit()?;
        Ok(None)
    }

    /// Holds an event in the place of the one that the window of its key held; the window closes when it would have.
    pub(super) fn hold(
        &mut self,
        consumer: &Consumer,
        key: &[u8; 32],
        window_millis: i64,
        mut entry: Entry,
        now: i64,
    ) -> Result<(), QueueFault> {
        self.set_safety(true)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process of the same consumer may have been quicker.
        if super::file::status(&transaction, consumer, entry.seq, &entry.event_id)?.is_some() {
            return Ok(());
        }
        let held = transaction
            .prepare_cached(
                "SELECT id, due_at FROM entries WHERE window_key = :key AND status = 'pending'
                     AND server = :server AND team_id = :team_id AND consumer = :consumer AND due_at > :now
                     AND claimed_until = 0 AND seq < :seq",
            )?
            .query_row(
                named_params! {
                    ":key": key,
                    ":server": consumer.server,
                    ":team_id": consumer.team.as_str(),
                    ":consumer": consumer.name,
                    ":now": now,
                    ":seq": number(entry.seq),
                },
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )
            .optional()?;
        // No window closes later than one that opens now, even if the clock was set back.
        let latest = now.saturating_add(window_millis);
        let due_at = held.map_or(latest, |(_, due_at)| due_at.min(latest));
        entry.verdict = Verdict::Held { due_at };
        let id = super::file::put(&transaction, consumer, &entry, now)?;
        transaction
            .prepare_cached("UPDATE entries SET window_key = :key WHERE id = :id")?
            .execute(named_params! { ":key": key, ":id": id })?;
        if let Some((older, _)) = held {
            let why = format!("#{} came after it in the same window", entry.seq);
            transaction
                .prepare_cached(
                    "UPDATE entries SET status = 'filtered', due_at = NULL, failure_reason = :why, settled_at = :now
                         WHERE id = :id",
                )?
                .execute(named_params! { ":why": why, ":now": now / 1000, ":id": older })?;
        }
        transaction.commit()?;
        Ok(())
    }
}
