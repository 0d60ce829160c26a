//! Reading the log.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::append::{key, seq_of};
use super::{team_number, unsigned};
use crate::protocol::event::Header;
use crate::protocol::id::{Seq, TeamId};
use crate::protocol::scope::Filter;
use crate::store::Result;
use crate::store::limits::{
    FOLLOW_MAX_EVENTS, MAX_SEQ, NAMESAKES_MAX, PAGE_MAX_BYTES, PAGE_MAX_SCANNED, RECENT_MAX_BYTES,
};
use crate::store::record::{Bounds, Dedup, Millis, NewEvent, Outcome, Page, StoredEvent, Stretch};

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
    // One view of the log for both questions: what is there, and what is there no more.
    let connection = &connection.unchecked_transaction()?;
    let team = team_number(connection, &stretch.team)?;
    let pruned = bounds(connection, &stretch.team)?.pruned;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events WHERE key > ?1 AND key <= ?2 ORDER BY key"
    ))?;
    let mut rows = statement.query([key(team, stretch.after), key(team, stretch.through)])?;
    let mut page = Page {
        scanned_to: stretch.after,
        pruned,
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
        "SELECT key, created_at, text FROM events WHERE id = ?1 AND key BETWEEN ?2 AND ?3 ORDER BY key DESC LIMIT ?4",
    )?;
    let named = params![id, key(team, 0), key(team, MAX_SEQ), NAMESAKES_MAX];
    let mut rows = statement.query(named)?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while bytes < RECENT_MAX_BYTES {
        let Some(row) = rows.next()? else { break };
        let event = StoredEvent {
            seq: seq_of(row.get(0)?),
            created_at: row.get(1)?,
            text: row.get(2)?,
        };
        bytes += event.text.len();
        events.push(event);
    }
    Ok(events)
}

/// What was stored with a dedup key; see [`crate::store::Store::first_of`].
pub(super) fn first_of(
    connection: &Connection,
    team: &TeamId,
    dedup: &Dedup,
) -> Result<Option<Outcome>> {
    let team = team_number(connection, team)?;
    let mut select = connection.prepare_cached(FIRST_OF)?;
    Ok(select
        .query_row(params![team, dedup.key], |row| first_in(row, dedup))
        .optional()?)
}

/// What was stored with a dedup key of a team.
pub(super) const FIRST_OF: &str =
    "SELECT event_id, created_at, fingerprint FROM dedup WHERE team = ?1 AND key = ?2";

pub(super) fn first_in(row: &Row<'_>, dedup: &Dedup) -> rusqlite::Result<Outcome> {
    let fingerprint: Option<[u8; 32]> = row.get(2)?;
    Ok(Outcome::Duplicate {
        id: row.get(0)?,
        created_at: row.get(1)?,
        same: fingerprint == dedup.fingerprint,
    })
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

/// Events as they were appended; see [`crate::store::Store::follow`].
pub(super) fn follow(
    connection: &Connection,
    team: &TeamId,
    after: Seq,
    through: Seq,
) -> Result<Vec<(Seq, NewEvent)>> {
    let number = team_number(connection, team)?;
    let mut statement = connection.prepare_cached(
        "SELECT key, id, type, source, kitesource, agent_to, created_at, text FROM events
         WHERE key > ?1 AND key <= ?2 ORDER BY key",
    )?;
    let mut rows = statement.query([key(number, after), key(number, through)])?;
    let mut events = Vec::new();
    let mut bytes = 0;
    while events.len() < FOLLOW_MAX_EVENTS && bytes < PAGE_MAX_BYTES {
        let Some(row) = rows.next()? else { break };
        let event = NewEvent {
            kitesource: row.get(4)?,
            agent_to: row.get(5)?,
            ..NewEvent::bare(
                team.clone(),
                [row.get::<_, String>(1)?, row.get(2)?, row.get(3)?],
                row.get(6)?,
                row.get(7)?,
            )
        };
        bytes += event.text.len();
        events.push((seq_of(row.get(0)?), event));
    }
    Ok(events)
}

/// The ends of some logs; see [`crate::store::Store::heads`].
pub(super) fn heads(connection: &Connection, teams: Vec<TeamId>) -> Result<Vec<(TeamId, Seq)>> {
    let mut select = connection.prepare_cached("SELECT last_seq FROM teams WHERE id = ?1")?;
    let mut heads = Vec::with_capacity(teams.len());
    for team in teams {
        let last = select
            .query_row([team.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(last) = last {
            heads.push((team, unsigned(last)));
        }
    }
    Ok(heads)
}
