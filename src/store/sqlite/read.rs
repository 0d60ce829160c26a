//! Reading the log, and cursors in it.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::append::{MAX_SEQ, key, seq_of};
use super::{signed, team_number, unsigned};
use crate::protocol::event::Header;
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::Filter;
use crate::store::Result;
use crate::store::record::{Bounds, Cursor, Millis, Page, StoredEvent, Stretch};

/// How much text a page holds at most (one event more than that at the worst): it is in memory once per reader.
const PAGE_MAX_BYTES: usize = 1024 * 1024;

/// How much text a listing of the newest events holds at most, likewise.
const RECENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// How many events a page looks at, so that a reader whose filter matches little gives way to others.
const PAGE_MAX_SCANNED: usize = 4096;

/// The columns that filtering and returning an event need. `text` comes last and is read only for a match.
const COLUMNS: &str = "key, type, source, kitesource, agent_to, created_at, text";

/// The event in a row, if the filter lets it pass.
fn matching(row: &Row<'_>, filter: &Filter) -> Result<Option<StoredEvent>> {
    let text = |column: usize| -> Result<Option<Cow<'_, str>>> {
        Ok(row
            .get_ref(column)?
            .as_str_or_null()
            .map_err(rusqlite::Error::from)?
            .map(Cow::Borrowed))
    };
    let header = Header {
        kind: text(1)?.unwrap_or_default(),
        source: text(2)?.unwrap_or_default(),
        kitesource: text(3)?,
        agent_to: text(4)?,
    };
    if !filter.matches(&header) {
        return Ok(None);
    }
    Ok(Some(StoredEvent {
        seq: seq_of(row.get(0)?),
        created_at: row.get(5)?,
        text: row.get(6)?,
    }))
}

/// Part of a stretch; see [`crate::store::Store::read`].
pub(super) fn page(connection: &Connection, stretch: &Stretch) -> Result<Page> {
    let team = team_number(connection, &stretch.team)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key"
    ))?;
    let mut rows = statement.query([key(team, stretch.after), key(team, stretch.through)])?;
    let mut page = Page {
        scanned_to: stretch.after,
        ..Page::default()
    };
    let (mut bytes, mut scanned) = (0, 0);
    while let Some(row) = rows.next()? {
        page.scanned_to = seq_of(row.get(0)?);
        scanned += 1;
        if let Some(event) = matching(row, &stretch.filter)? {
            bytes += event.text.len();
            page.events.push(event);
        }
        if page.events.len() >= stretch.max_events
            || bytes >= PAGE_MAX_BYTES
            || scanned >= PAGE_MAX_SCANNED
        {
            return Ok(page);
        }
    }
    page.scanned_to = stretch.through.max(stretch.after);
    Ok(page)
}

/// The newest matching events; see [`crate::store::Store::recent`].
pub(super) fn recent(
    connection: &Connection,
    team: &TeamId,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<StoredEvent>> {
    let team = team_number(connection, team)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC"
    ))?;
    let mut rows = statement.query([key(team, 0), key(team, MAX_SEQ)])?;
    let mut events = Vec::new();
    let mut bytes = 0;
    while events.len() < limit && bytes < RECENT_MAX_BYTES {
        let Some(row) = rows.next()? else { break };
        if let Some(event) = matching(row, filter)? {
            bytes += event.text.len();
            events.push(event);
        }
    }
    Ok(events)
}

/// The events with an id; see [`crate::store::Store::find_events`].
pub(super) fn find_events(
    connection: &Connection,
    team: &TeamId,
    id: &str,
) -> Result<Vec<StoredEvent>> {
    let team = team_number(connection, team)?;
    let mut statement = connection.prepare_cached(
        "SELECT key, created_at, text FROM events WHERE id = ?1 AND key BETWEEN ?2 AND ?3 ORDER BY key DESC",
    )?;
    let rows = statement.query_map(params![id, key(team, 0), key(team, MAX_SEQ)], |row| {
        Ok(StoredEvent {
            seq: seq_of(row.get(0)?),
            created_at: row.get(1)?,
            text: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The ends of a log; see [`crate::store::Store::bounds`].
pub(super) fn bounds(connection: &Connection, team: &TeamId) -> Result<Bounds> {
    let number = team_number(connection, team)?;
    let bounds = connection
        .prepare_cached("SELECT pruned_seq, last_seq FROM teams WHERE number = ?1")?
        .query_row([number], |row| {
            Ok(Bounds {
                pruned: unsigned(row.get(0)?),
                last: unsigned(row.get(1)?),
            })
        })?;
    Ok(bounds)
}

/// Where a time is in the log; see [`crate::store::Store::seq_before`]. Times grow with the numbers, so it is searched
/// by halves.
pub(super) fn seq_before(connection: &Connection, team: &TeamId, time: Millis) -> Result<Seq> {
    let number = team_number(connection, team)?;
    let Bounds { pruned, last } = bounds(connection, team)?;
    let mut probe = connection.prepare_cached("SELECT created_at FROM events WHERE key = ?1")?;
    let (mut before, mut after) = (pruned, last + 1);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let created_at: Option<Millis> = probe
            .query_row([key(number, middle)], |row| row.get(0))
            .optional()?;
        if created_at.is_some_and(|created_at| created_at < time) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Ok(before)
}

/// A client's cursor, made when missing; see [`crate::store::Store::open_cursor`].
pub(super) fn open_cursor(
    transaction: &Transaction<'_>,
    team: &TeamId,
    client: &ClientId,
    filter: &[u8; 32],
    now: Millis,
) -> Result<Cursor> {
    let number = team_number(transaction, team)?;
    transaction
        .prepare_cached(
            "INSERT INTO cursors (team, client_id, acked, scanned, filter, updated_at)
             SELECT number, ?2, last_seq, last_seq, ?3, ?4 FROM teams WHERE number = ?1
             ON CONFLICT DO UPDATE SET updated_at = ?4",
        )?
        .execute(params![number, client.as_str(), filter, now])?;
    let cursor = transaction
        .prepare_cached(
            "SELECT acked, scanned, filter FROM cursors WHERE team = ?1 AND client_id = ?2",
        )?
        .query_row(params![number, client.as_str()], |row| {
            Ok(Cursor {
                acked: unsigned(row.get(0)?),
                scanned: unsigned(row.get(1)?),
                filter: row.get(2)?,
            })
        })?;
    debug_assert!(cursor.acked <= signed(MAX_SEQ).unsigned_abs());
    Ok(cursor)
}
