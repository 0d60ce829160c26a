//! Reading the log.
//!
//! A page is read in two steps: what filters look at, then the text of what matched. So no text travels for nothing, and
//! a page is bounded by what it returns before it is fetched.

use std::borrow::Cow;

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::{column, signed, unsigned};
use crate::protocol::event::Header;
use crate::protocol::id::{Seq, TeamId};
use crate::protocol::scope::Filter;
use crate::store::limits::{
    FOLLOW_MAX_EVENTS, NAMESAKES_MAX, PAGE_MAX_BYTES, PAGE_MAX_SCANNED, RECENT_MAX_BYTES,
};
use crate::store::record::{Bounds, Dedup, Millis, NewEvent, Outcome, Page, StoredEvent, Stretch};
use crate::store::{Result, StoreError};

/// What of an event a filter looks at, and how large it is.
const HEADERS: &str = "seq, type, source, kitesource, agent_to, octet_length(text) FROM events";

/// The number and the size of the event in a row, if the filter lets it pass.
fn matching(row: &Row, filter: &Filter) -> Result<Option<(i64, usize)>> {
    let header = Header {
        kind: Cow::Borrowed(column(row, 1)?),
        source: Cow::Borrowed(column(row, 2)?),
        kitesource: column::<Option<&str>>(row, 3)?.map(Cow::Borrowed),
        agent_to: column::<Option<&str>>(row, 4)?.map(Cow::Borrowed),
    };
    if !filter.matches(&header) {
        return Ok(None);
    }
    let bytes: i32 = column(row, 5)?;
    Ok(Some((column(row, 0)?, usize::try_from(bytes).unwrap_or(0))))
}

/// The events of a team with these numbers, ascending.
async fn texts(client: &Object, team: i64, seqs: &[i64]) -> Result<Vec<StoredEvent>> {
    if seqs.is_empty() {
        return Ok(Vec::new());
    }
    let select = client
        .prepare_cached(
            "SELECT seq, created_at, text FROM events WHERE team = $1 AND seq = ANY ($2) ORDER BY seq",
        )
        .await?;
    let rows = client.query(&select, &[&team, &seqs]).await?;
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<StoredEvent> {
    Ok(StoredEvent {
        seq: unsigned(column(row, 0)?),
        created_at: column(row, 1)?,
        text: column(row, 2)?,
    })
}

/// Part of a stretch; see [`crate::store::Store::read`].
pub(super) async fn page(client: &Object, team: i64, stretch: &Stretch) -> Result<Page> {
    // Numbers are dense, so the end of what is looked at is known before.
    let scanned = if stretch.filter.is_everything() {
        stretch.max_events.min(PAGE_MAX_SCANNED)
    } else {
        PAGE_MAX_SCANNED
    };
    let end = stretch
        .through
        .min(stretch.after.saturating_add(scanned as Seq));
    // One statement for both questions: what is there, and what is there no more.
    let select = client
        .prepare_cached(&format!(
            "SELECT events.*, teams.pruned_seq
             FROM teams LEFT JOIN LATERAL (
                 SELECT {HEADERS} WHERE team = teams.number AND seq > $2 AND seq <= $3 ORDER BY seq) AS events ON TRUE
             WHERE number = $1 ORDER BY seq"
        ))
        .await?;
    let rows = client
        .query(&select, &[&team, &signed(stretch.after), &signed(end)])
        .await?;
    let (mut seqs, mut bytes, mut pruned) = (Vec::new(), 0, 0);
    let mut scanned_to = end.max(stretch.after);
    for row in &rows {
        pruned = unsigned(column(row, 6)?);
        if column::<Option<i64>>(row, 0)?.is_none() {
            break;
        }
        let Some((seq, size)) = matching(row, &stretch.filter)? else {
            continue;
        };
        seqs.push(seq);
        bytes += size;
        if seqs.len() >= stretch.max_events || bytes >= PAGE_MAX_BYTES {
            scanned_to = unsigned(seq);
            break;
        }
    }
    let events = texts(client, team, &seqs).await?;
    if events.len() < seqs.len() {
        // Retention was faster than the second step: the next page says what is gone.
        return Ok(Page {
            events: Vec::new(),
            scanned_to: stretch.after,
            pruned,
        });
    }
    Ok(Page {
        events,
        scanned_to,
        pruned,
    })
}

/// The newest matching events; see [`crate::store::Store::recent`].
pub(super) async fn recent(
    client: &Object,
    team: i64,
    filter: &Filter,
    limit: usize,
) -> Result<Vec<StoredEvent>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {HEADERS} WHERE team = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3"
        ))
        .await?;
    let window = match filter.is_everything() {
        true => limit.min(PAGE_MAX_SCANNED),
        false => PAGE_MAX_SCANNED,
    };
    let window = i64::try_from(window).unwrap_or(i64::MAX);
    let (mut seqs, mut bytes, mut before) = (Vec::new(), 0, i64::MAX);
    'windows: loop {
        let rows = client.query(&select, &[&team, &before, &window]).await?;
        let Some(oldest) = rows.last() else { break };
        before = column(oldest, 0)?;
        for row in &rows {
            if seqs.len() >= limit || bytes >= RECENT_MAX_BYTES {
                break 'windows;
            }
            if let Some((seq, size)) = matching(row, filter)? {
                seqs.push(seq);
                bytes += size;
            }
        }
    }
    let mut events = texts(client, team, &seqs).await?;
    events.reverse();
    Ok(events)
}

/// The events with an id; see [`crate::store::Store::find_events`].
pub(super) async fn find_events(client: &Object, team: i64, id: &str) -> Result<Vec<StoredEvent>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT seq, created_at, text FROM (
                 SELECT seq, created_at, text, sum(octet_length(text)) OVER (
                     ORDER BY seq DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
                 FROM (SELECT * FROM events WHERE id = $1 AND team = $2 ORDER BY seq DESC LIMIT {NAMESAKES_MAX}) AS named
             ) AS summed
             WHERE before IS NULL OR before < {RECENT_MAX_BYTES} ORDER BY seq DESC"
        ))
        .await?;
    let rows = client.query(&select, &[&id, &team]).await?;
    rows.iter().map(stored).collect()
}

/// What was stored with a dedup key; see [`crate::store::Store::first_of`].
pub(super) async fn first_of(client: &Object, team: i64, dedup: &Dedup) -> Result<Option<Outcome>> {
    let select = client
        .prepare_cached(
            "SELECT event_id, created_at, fingerprint FROM dedup WHERE team = $1 AND key = $2",
        )
        .await?;
    let first = client.query_opt(&select, &[&team, &&dedup.key[..]]).await?;
    let outcome = |row: Row| {
        let fingerprint: Option<Vec<u8>> = column(&row, 2)?;
        Ok(Outcome::Duplicate {
            id: column(&row, 0)?,
            created_at: column(&row, 1)?,
            same: fingerprint.as_deref() == dedup.fingerprint.as_ref().map(|digest| &digest[..]),
        })
    };
    first.map(outcome).transpose()
}

/// The ends of a log; see [`crate::store::Store::bounds`].
pub(super) async fn bounds(client: &Object, team: &TeamId) -> Result<Bounds> {
    let select = client
        .prepare_cached("SELECT pruned_seq, last_seq FROM teams WHERE id = $1")
        .await?;
    let row = client.query_opt(&select, &[&team.as_str()]).await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("team `{team}`")))?;
    Ok(Bounds {
        pruned: unsigned(column(&row, 0)?),
        last: unsigned(column(&row, 1)?),
    })
}

/// The ends of some logs; see [`crate::store::Store::heads`].
pub(super) async fn heads(client: &Object, teams: &[TeamId]) -> Result<Vec<(TeamId, Seq)>> {
    let ids: Vec<&str> = teams.iter().map(TeamId::as_str).collect();
    let select = client
        .prepare_cached("SELECT id, last_seq FROM teams WHERE id = ANY ($1)")
        .await?;
    let rows = client.query(&select, &[&ids]).await?;
    let head = |row: &Row| {
        let team = super::parsed(column(row, 0)?, TeamId::try_from)?;
        Ok((team, unsigned(column(row, 1)?)))
    };
    rows.iter().map(head).collect()
}

/// Where a time is in the log; see [`crate::store::Store::seq_before`]. Times grow with the numbers, but for the little
/// that the clocks of nodes differ, so it is searched by halves.
pub(super) async fn seq_before(
    client: &Object,
    team: &TeamId,
    number: i64,
    time: Millis,
) -> Result<Seq> {
    let Bounds { pruned, last } = bounds(client, team).await?;
    let probe = client
        .prepare_cached("SELECT created_at FROM events WHERE team = $1 AND seq = $2")
        .await?;
    let (mut before, mut after) = (pruned, last + 1);
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        let row = client
            .query_opt(&probe, &[&number, &signed(middle)])
            .await?;
        let created_at: Option<Millis> = row.map(|row| column(&row, 0)).transpose()?;
        if created_at.is_some_and(|created_at| created_at < time) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Ok(before)
}

/// Events as they were appended; see [`crate::store::Store::follow`].
pub(super) async fn follow(
    client: &Object,
    team: &TeamId,
    number: i64,
    after: Seq,
    through: Seq,
) -> Result<Vec<(Seq, NewEvent)>> {
    let end = through.min(after.saturating_add(FOLLOW_MAX_EVENTS as Seq));
    // The sizes are summed before any text is fetched.
    let select = client
        .prepare_cached(
            "SELECT seq, id, type, source, kitesource, agent_to, created_at, text
             FROM (SELECT *, sum(octet_length(text)) OVER (ORDER BY seq) - octet_length(text) AS before
                   FROM events WHERE team = $1 AND seq > $2 AND seq <= $3) AS sized
             WHERE before < $4 ORDER BY seq",
        )
        .await?;
    let max = i64::try_from(PAGE_MAX_BYTES).unwrap_or(i64::MAX);
    let rows = client
        .query(&select, &[&number, &signed(after), &signed(end), &max])
        .await?;
    let event = |row: &Row| {
        let event = NewEvent {
            kitesource: column(row, 4)?,
            agent_to: column(row, 5)?,
            ..NewEvent::bare(
                team.clone(),
                [column::<String>(row, 1)?, column(row, 2)?, column(row, 3)?],
                column(row, 6)?,
                column(row, 7)?,
            )
        };
        Ok((unsigned(column(row, 0)?), event))
    };
    rows.iter().map(event).collect()
}
