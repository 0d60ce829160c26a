//! How long entries stay. What is still to be tried always does.

use std::time::Duration;

use rusqlite::named_params;

use super::super::manifest::QueueLimits;
use super::file::File;
use super::filter::{Filter, MATCHING};
use super::{Consumer, Queue, QueueFault};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a command that goes on tidies up.
const TIDY_EVERY: Duration = Duration::from_secs(60 * 60);

/// How many entries one transaction takes away: nobody else can write meanwhile.
const BATCH_ROWS: u32 = 500;

/// How many such transactions one round has at most; the next round goes on.
const BATCHES_MAX: usize = 40;

/// How long and how many entries of a consumer are kept (spec 18). Nothing goes while somebody works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Delivered and filtered ones.
    pub done: Duration,
    /// Those that were given up.
    pub failed: Duration,
    /// How many altogether; `None` for any number. Delivered and filtered ones go first, then those that were given
    /// up; those that are still to be tried stay.
    pub size_max: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            done: 7 * DAY,
            failed: 30 * DAY,
            size_max: None,
        }
    }
}

impl Retention {
    /// What a manifest says. What failed stays at least as long as what is done, and never less than usual.
    pub fn of(limits: &QueueLimits) -> Self {
        Self {
            done: limits.retention,
            failed: limits.retention.max(Self::default().failed),
            size_max: limits.max_size,
        }
    }
}

/// The entries whose time is over, by their consumer's own retention or the usual one. The shortest of all finds them by
/// the index; their own then judges.
const OVER: &str = "
    WITH shortest AS (SELECT min(:done, coalesce(min(done_secs), :done)) AS done,
        min(:failed, coalesce(min(failed_secs), :failed)) AS failed FROM retentions)
    SELECT e.id FROM entries e LEFT JOIN retentions r USING (server, team_id, consumer)
    WHERE (e.status IN ('delivered', 'filtered') AND e.settled_at < :now - (SELECT done FROM shortest)
            AND e.settled_at < :now - coalesce(r.done_secs, :done)
        OR e.status = 'failed' AND e.settled_at < :now - (SELECT failed FROM shortest)
            AND e.settled_at < :now - coalesce(r.failed_secs, :failed))
        AND e.claimed_until <= :now_millis
    LIMIT :batch";

/// The entries of a consumer beyond its number.
const BEYOND: &str = "
    SELECT id FROM entries WHERE server = :server AND team_id = :team_id AND consumer = :consumer
        AND status IN ('delivered', 'filtered', 'failed') AND claimed_until <= :now_millis
    ORDER BY status = 'failed', created_at, id
    LIMIT max(0, min(:batch, (SELECT count(*) FROM entries
        WHERE server = :server AND team_id = :team_id AND consumer = :consumer) - :size_max))";

impl Queue {
    /// Takes away every hour what need not be kept any longer, until it is dropped.
    pub(in crate::sink) async fn keep_tidy(self) {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            if let Err(fault) = self.prune().await {
                tracing::warn!(%fault, "old entries of the local queue stay");
            }
        }
    }
}

impl File {
    /// Writes down how long the entries of a consumer are kept, whichever command tidies up.
    pub(super) fn retain(
        &mut self,
        consumer: &Consumer,
        retention: &Retention,
    ) -> Result<(), QueueFault> {
        const RETAIN: &str = "
            INSERT OR REPLACE INTO retentions (server, team_id, consumer, done_secs, failed_secs, size_max)
            VALUES (:server, :team_id, :consumer, :done, :failed, :size_max)";
        self.connection.execute(
            RETAIN,
            named_params! {
                ":server": consumer.server,
                ":team_id": consumer.team.as_str(),
                ":consumer": consumer.name,
                ":done": secs(retention.done),
                ":failed": secs(retention.failed),
                ":size_max": retention.size_max.map(|max| i64::try_from(max).unwrap_or(i64::MAX)),
            },
        )?;
        Ok(())
    }

    /// Takes away what need not be kept any longer; how many that were.
    pub(super) fn prune(&mut self, now: i64) -> Result<u64, QueueFault> {
        self.set_safety(false)?;
        let usual = Retention::default();
        let sql = format!("DELETE FROM entries WHERE id IN ({OVER})");
        let over = in_batches(BATCHES_MAX, || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            statement.execute(named_params! {
                ":now": now / 1000,
                ":now_millis": now,
                ":done": secs(usual.done),
                ":failed": secs(usual.failed),
                ":batch": BATCH_ROWS,
            })
        })?;
        let mut beyond = 0;
        for bounded in self.bounded()? {
            beyond += self.prune_beyond(&bounded, now)?;
        }
        Ok(over + beyond)
    }

    fn prune_beyond(&mut self, bounded: &Bounded, now: i64) -> Result<u64, QueueFault> {
        let sql = format!("DELETE FROM entries WHERE id IN ({BEYOND})");
        in_batches(BATCHES_MAX, || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            statement.execute(named_params! {
                ":server": bounded.server,
                ":team_id": bounded.team_id,
                ":consumer": bounded.consumer,
                ":size_max": bounded.size_max,
                ":now_millis": now,
                ":batch": BATCH_ROWS,
            })
        })
    }

    /// The consumers whose number of entries has a bound.
    fn bounded(&mut self) -> Result<Vec<Bounded>, QueueFault> {
        let sql =
            "SELECT server, team_id, consumer, size_max FROM retentions WHERE size_max IS NOT NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = statement.query_map([], |row| {
            Ok(Bounded {
                server: row.get(0)?,
                team_id: row.get(1)?,
                consumer: row.get(2)?,
                size_max: row.get(3)?,
            })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// Takes away what came before a time (Unix seconds); how many that were. What is still to be tried goes only when
    /// everything is to go.
    pub(super) fn flush(
        &mut self,
        filter: &Filter,
        before: i64,
        is_all: bool,
        now: i64,
    ) -> Result<u64, QueueFault> {
        self.set_safety(true)?;
        let sql = format!(
            "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE {MATCHING} AND created_at <= :before
                 AND (:is_all OR status IN ('delivered', 'filtered', 'failed')) AND claimed_until <= :now_millis LIMIT {BATCH_ROWS})"
        );
        let values = filter.values(&[
            (":before", before),
            (":is_all", i64::from(is_all)),
            (":now_millis", now),
        ]);
        in_batches(usize::MAX, || {
            self.connection.prepare_cached(&sql)?.execute(&*values)
        })
    }
}

/// A consumer whose number of entries has a bound.
struct Bounded {
    server: String,
    team_id: String,
    consumer: String,
    size_max: i64,
}

/// Deletes in short transactions until one finds less than it could take.
fn in_batches(
    batches_max: usize,
    mut delete: impl FnMut() -> rusqlite::Result<usize>,
) -> Result<u64, QueueFault> {
    let mut deleted = 0;
    for _ in 0..batches_max {
        let batch = delete()?;
        deleted += batch as u64;
        if batch < BATCH_ROWS as usize {
            break;
        }
    }
    Ok(deleted)
}

fn secs(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
