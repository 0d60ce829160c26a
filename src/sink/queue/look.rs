//! Looking at entries: lists, counts, what a replay is to go through.

use super::file::{COLUMNS, File, row};
use super::filter::{Filter, MATCHING};
use super::{QueueFault, Row, Status};

/// How many entries of a selection are read at a time.
const PAGE_ROWS: i64 = 200;

/// The entries that a filter matched at one moment.
#[derive(Debug, Clone)]
pub struct Selection {
    pub(super) filter: Filter,
    /// What came later does not belong to it.
    pub(super) newest: i64,
    /// The sinks that they were for, as text, each with how many; none where no sink was written down.
    pub sinks: Vec<(Option<String>, u64)>,
}

impl Selection {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.sinks.iter().map(|(_, count)| count).sum()
    }
}

/// [`COLUMNS`] without the payloads, which may be large.
fn heads() -> String {
    COLUMNS
        .replace("raw_payload", "'' AS raw_payload")
        .replace("enriched_payload", "NULL AS enriched_payload")
}

impl File {
    pub(super) fn list(&mut self, filter: &Filter, limit: u64) -> Result<Vec<Row>, QueueFault> {
        let heads = heads();
        let sql = format!(
            "SELECT {heads} FROM entries WHERE {MATCHING} ORDER BY created_at DESC, id DESC LIMIT :limit"
        );
        self.newest_of(&sql, filter, limit)
    }

    /// As [`File::list`], with the payloads.
    pub(super) fn newest(&mut self, filter: &Filter, limit: u64) -> Result<Vec<Row>, QueueFault> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entries WHERE {MATCHING} ORDER BY created_at DESC, id DESC LIMIT :limit"
        );
        self.newest_of(&sql, filter, limit)
    }

    fn newest_of(
        &mut self,
        sql: &str,
        filter: &Filter,
        limit: u64,
    ) -> Result<Vec<Row>, QueueFault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = self.rows(sql, filter, &[(":limit", limit)])?;
        rows.reverse();
        Ok(rows)
    }

    pub(super) fn find(&mut self, filter: &Filter) -> Result<Vec<Row>, QueueFault> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entries WHERE {MATCHING} ORDER BY created_at, id LIMIT {PAGE_ROWS}"
        );
        self.rows(&sql, filter, &[])
    }

    pub(super) fn page(
        &mut self,
        selection: &Selection,
        after: Option<(i64, i64)>,
    ) -> Result<Vec<Row>, QueueFault> {
        let heads = heads();
        let sql = format!(
            "SELECT {heads} FROM entries WHERE {MATCHING} AND (created_at, id) > (:time, :id) AND id <= :newest
             ORDER BY created_at, id LIMIT {PAGE_ROWS}"
        );
        let (time, id) = after.unwrap_or((i64::MIN, i64::MIN));
        let more = [(":time", time), (":id", id), (":newest", selection.newest)];
        self.rows(&sql, &selection.filter, &more)
    }

    pub(super) fn select(&mut self, filter: Filter) -> Result<Selection, QueueFault> {
        let sql = format!(
            "SELECT sink, count(*), max(id) FROM entries WHERE {MATCHING} GROUP BY sink ORDER BY min(id)"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(&*filter.values(&[]), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let (mut sinks, mut newest) = (Vec::new(), 0);
        for found in found {
            let (sink, count, last) = found?;
            sinks.push((sink, count.unsigned_abs()));
            newest = last.max(newest);
        }
        Ok(Selection {
            filter,
            newest,
            sinks,
        })
    }

    pub(super) fn counts(&mut self, filter: &Filter) -> Result<[(Status, u64); 6], QueueFault> {
        let sql = format!("SELECT status, count(*) FROM entries WHERE {MATCHING} GROUP BY status");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found =
            statement.query_map(&*filter.values(&[]), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut counts = Status::ALL.map(|status| (status, 0));
        for found in found {
            let (status, count): (Status, i64) = found?;
            for slot in counts.iter_mut().filter(|slot| slot.0 == status) {
                slot.1 = count.unsigned_abs();
            }
        }
        Ok(counts)
    }

    fn rows(
        &mut self,
        sql: &str,
        filter: &Filter,
        more: &[(&'static str, i64)],
    ) -> Result<Vec<Row>, QueueFault> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(&*filter.values(more), row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
