//! Forwards and attempts, listed and narrowed; and all of them that belong to one event.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::append::{SEQ_BITS, key, seq_of};
use super::{signed, team_number, unsigned};
use crate::protocol::federation::OutboxStatus;
use crate::protocol::forward::TypeScopes;
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::federation::{
    DeliveryEntry, DeliveryFilter, OutboxEntry, OutboxFilter, OutboxId, WRITTEN_WITHIN_MS,
    least_uuid7,
};
use crate::store::limits::MAX_SEQ;
use crate::store::record::Millis;
use crate::store::trace::{TRACE_EVENTS_MAX, TRACE_ROWS_MAX, Trace, TracedEvent, TracedPeer};

/// The columns of a forward that ended or waits, for [`entry_in`], and where they are from; `rows` is the outbox or the
/// letters, `from` what holds the rows that are meant.
pub(super) fn entries(rows: &str, from: &str) -> String {
    format!(
        "peers.id, {rows}.seq, coalesce(events.id, kept_events.id, ''), {kind},
         {rows}.attempts, {rows}.last_error, {rows}.created_at
         FROM {from}
         JOIN peers ON peers.number = {rows}.peer
         LEFT JOIN events ON events.key = (peers.team << {SEQ_BITS}) | {rows}.seq
         LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = {rows}.seq",
        kind = KIND
    )
}

/// The type of the event of a row.
const KIND: &str = "coalesce(events.type, kept_events.type, '')";

pub(super) fn entry_in(
    row: &Row<'_>,
    at: usize,
    status: OutboxStatus,
    next: Option<Millis>,
) -> rusqlite::Result<OutboxEntry> {
    Ok(OutboxEntry {
        id: OutboxId {
            peer_id: row.get(at)?,
            seq: unsigned(row.get(at + 1)?),
        },
        event_id: row.get(at + 2)?,
        kind: row.get(at + 3)?,
        status,
        attempts: row.get(at + 4)?,
        next_attempt_at: next,
        last_error: row.get(at + 5)?,
        created_at: row.get(at + 6)?,
    })
}

/// The conditions of a query, with their values. The first value is the team's number.
struct Narrowed {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Narrowed {
    fn to_team(team: i64, condition: &str) -> Self {
        Self {
            conditions: vec![condition.to_owned()],
            values: vec![Value::from(team)],
        }
    }

    /// The place of a value.
    fn place(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn and(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    fn and_types(&mut self, column: &str, types: Option<&TypeScopes>) {
        let Some(types) = types else { return };
        let mut any = vec!["FALSE".to_owned()];
        for pattern in types.patterns() {
            let glob = pattern.replace('[', "[[]");
            let (short, whole) = (self.place(format!("com.{glob}")), self.place(glob));
            any.push(format!("{column} GLOB {whole} OR {column} GLOB {short}"));
        }
        self.and(format!("({})", any.join(" OR ")));
    }

    fn and_times(&mut self, column: &str, since: Option<Millis>, before: Option<Millis>) {
        for (bound, sign) in [(since, ">="), (before, "<")] {
            if let Some(bound) = bound {
                let place = self.place(bound);
                self.and(format!("{column} {sign} {place}"));
            }
        }
    }

    fn and_error(&mut self, column: &str, error: Option<&String>) {
        if let Some(error) = error {
            let place = self.place(error.clone());
            self.and(format!("instr({column}, {place}) > 0"));
        }
    }

    /// The numbers of the events with an id.
    fn seqs_of(&mut self, team: i64, event_id: &str) -> String {
        let id = self.place(event_id.to_owned());
        let (first, last) = (self.place(key(team, 0)), self.place(key(team, MAX_SEQ)));
        format!(
            "SELECT key & {MAX_SEQ} FROM events WHERE id = {id} AND key BETWEEN {first} AND {last}
             UNION ALL SELECT seq FROM kept_events WHERE team = ?1 AND id = {id}"
        )
    }

    /// The rest of a query that begins with `select`.
    fn list<T>(
        mut self,
        connection: &Connection,
        select: &str,
        order: &str,
        limit: usize,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let limit = self.place(signed(limit as u64));
        let conditions = self.conditions.join(" AND ");
        let sql = format!("{select} WHERE {conditions} ORDER BY {order} LIMIT {limit}");
        let found = connection
            .prepare_cached(&sql)?
            .query_map(params_from_iter(self.values), read)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }
}

/// A team's forwards; see [`crate::store::federation::FederationStore::outbox`].
pub(super) fn outbox(
    connection: &Connection,
    team: &TeamId,
    filter: &OutboxFilter,
) -> Result<Vec<OutboxEntry>> {
    let number = team_number(connection, team)?;
    let statuses = match filter.status {
        Some(status) => vec![status],
        None => OutboxStatus::ALL.to_vec(),
    };
    let mut found = Vec::new();
    for status in statuses {
        let limit = filter.limit.saturating_sub(found.len());
        if limit == 0 {
            break;
        }
        found.extend(match status {
            OutboxStatus::Pending => pending(connection, number, filter, limit)?,
            OutboxStatus::Delivered => delivered(connection, number, filter, limit)?,
            status => letters(connection, number, filter, status, limit)?,
        });
    }
    Ok(found)
}

/// What narrows rows of the outbox and letters alike.
fn narrowed(rows: &str, team: i64, filter: &OutboxFilter) -> Narrowed {
    let mut narrowed = Narrowed::to_team(team, "peers.team = ?1");
    if let Some(peer_id) = &filter.peer_id {
        let place = narrowed.place(peer_id.clone());
        narrowed.and(format!("peers.id = {place}"));
    }
    narrowed.and_types(KIND, filter.types.as_ref());
    narrowed.and_times(&format!("{rows}.created_at"), filter.since, filter.before);
    narrowed.and_error(&format!("{rows}.last_error"), filter.error.as_ref());
    narrowed
}

fn pending(
    connection: &Connection,
    team: i64,
    filter: &OutboxFilter,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let mut narrowed = narrowed("outbox", team, filter);
    let mut from = "outbox".to_owned();
    if let Some(event_id) = &filter.event_id {
        let seqs = narrowed.seqs_of(team, event_id);
        // What was never tried is found by its number; what was has to be looked through, peer by peer.
        let of_team = "peer IN (SELECT number FROM peers WHERE team = ?1)";
        from = format!(
            "(SELECT * FROM outbox WHERE {of_team} AND due_at = 0 AND seq IN ({seqs}) UNION ALL
              SELECT * FROM outbox WHERE {of_team} AND due_at > 0 AND seq IN ({seqs})) AS outbox"
        );
    }
    let row = |row: &Row<'_>| {
        let due_at: Millis = row.get(0)?;
        entry_in(
            row,
            1,
            OutboxStatus::Pending,
            (due_at > 1).then_some(due_at),
        )
    };
    let select = format!("SELECT outbox.due_at, {}", entries("outbox", &from));
    narrowed.list(connection, &select, "outbox.due_at, outbox.seq", limit, row)
}

fn delivered(
    connection: &Connection,
    team: i64,
    filter: &OutboxFilter,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    // What was delivered ended without an error.
    if filter.error.is_some() {
        return Ok(Vec::new());
    }
    let wanted = DeliveryFilter {
        peer_id: filter.peer_id.clone(),
        event_id: filter.event_id.clone(),
        types: filter.types.clone(),
        ..DeliveryFilter::default()
    };
    let mut narrowed = attempts(team, &wanted);
    narrowed.and_times("queued_at", filter.since, filter.before);
    narrowed.and("status_code BETWEEN 200 AND 299 AND seq IS NOT NULL".to_owned());
    let select = "SELECT peers.id, deliveries.seq, event_id, event_type, attempt, NULL, queued_at
                  FROM deliveries JOIN peers ON peers.number = deliveries.peer";
    narrowed.list(connection, select, "deliveries.id DESC", limit, |row| {
        entry_in(row, 0, OutboxStatus::Delivered, None)
    })
}

fn letters(
    connection: &Connection,
    team: i64,
    filter: &OutboxFilter,
    status: OutboxStatus,
    limit: usize,
) -> Result<Vec<OutboxEntry>> {
    let mut narrowed = narrowed("letters", team, filter);
    let word = narrowed.place(status.word().to_owned());
    narrowed.and(format!("letters.status = {word}"));
    if let Some(event_id) = &filter.event_id {
        let seqs = narrowed.seqs_of(team, event_id);
        narrowed.and(format!("letters.seq IN ({seqs})"));
    }
    let order = match &filter.after {
        None => "letters.settled_at DESC, letters.seq DESC",
        Some(after) => {
            let peer = narrowed.place(after.peer_id.clone());
            let seq = narrowed.place(signed(after.seq));
            narrowed.and(format!(
                "(letters.peer, letters.seq) >
                 (coalesce((SELECT number FROM peers WHERE id = {peer}), 0), {seq})"
            ));
            "letters.peer, letters.seq"
        }
    };
    let select = format!("SELECT {}", entries("letters", "letters"));
    narrowed.list(connection, &select, order, limit, |row| {
        entry_in(row, 0, status, None)
    })
}

/// What narrows attempts. The condition that narrows most decides which index is read: `+` keeps another from doing so.
fn attempts(team: i64, filter: &DeliveryFilter) -> Narrowed {
    let of_team = match (&filter.event_id, &filter.peer_id) {
        (None, None) | (Some(_), _) => "deliveries.team = ?1",
        (None, Some(_)) => "+deliveries.team = ?1",
    };
    let mut narrowed = Narrowed::to_team(team, of_team);
    if let Some(event_id) = &filter.event_id {
        let place = narrowed.place(event_id.clone());
        narrowed.and(format!("event_id = {place}"));
    }
    if let Some(peer_id) = &filter.peer_id {
        let place = narrowed.place(peer_id.clone());
        narrowed.and(match filter.event_id {
            Some(_) => format!("peers.id = {place}"),
            None => format!("deliveries.peer = (SELECT number FROM peers WHERE id = {place})"),
        });
    }
    narrowed.and_types("event_type", filter.types.as_ref());
    narrowed.and_times("deliveries.created_at", filter.since, filter.before);
    if let Some(since) = filter.since {
        // The ids are in the order of time too, and bound what is looked through.
        let place = narrowed.place(least_uuid7(since.saturating_sub(WRITTEN_WITHIN_MS)));
        narrowed.and(format!("deliveries.id >= {place}"));
    }
    if let Some(code) = filter.status_code {
        let place = narrowed.place(i64::from(code));
        narrowed.and(format!("status_code = {place}"));
    }
    narrowed.and_error("error", filter.error.as_ref());
    narrowed
}

/// A team's attempts; see [`crate::store::federation::FederationStore::deliveries`].
pub(super) fn deliveries(
    connection: &Connection,
    team: &TeamId,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryEntry>> {
    let narrowed = attempts(team_number(connection, team)?, filter);
    let select =
        "SELECT deliveries.id, peers.id, seq, event_id, attempt, status_code, error, latency_ms,
                         deliveries.created_at
                  FROM deliveries JOIN peers ON peers.number = deliveries.peer";
    let row = |row: &Row<'_>| {
        let seq: Option<i64> = row.get(2)?;
        let latency: Option<i64> = row.get(7)?;
        Ok(DeliveryEntry {
            id: row.get(0)?,
            peer_id: row.get(1)?,
            seq: seq.map(unsigned),
            event_id: row.get(3)?,
            attempt: row.get(4)?,
            status_code: row.get(5)?,
            error: row.get(6)?,
            latency_ms: latency.map(unsigned),
            created_at: row.get(8)?,
        })
    };
    narrowed.list(connection, select, "deliveries.id DESC", filter.limit, row)
}

/// What is known of an id; see [`crate::store::federation::FederationStore::trace`].
pub(super) fn trace(connection: &Connection, team: &TeamId, event_id: &str) -> Result<Trace> {
    // One view of all of it: what waited may be delivered in between.
    let view = &connection.unchecked_transaction()?;
    let number = team_number(view, team)?;
    let forwards = OutboxFilter {
        event_id: Some(event_id.to_owned()),
        limit: TRACE_ROWS_MAX,
        ..OutboxFilter::default()
    };
    let attempts = DeliveryFilter {
        event_id: Some(event_id.to_owned()),
        limit: TRACE_ROWS_MAX,
        ..DeliveryFilter::default()
    };
    let mut trace = Trace {
        events: traced_events(view, number, event_id)?,
        forwards: outbox(view, team, &forwards)?,
        attempts: deliveries(view, team, &attempts)?,
        peers: Vec::new(),
    };
    let mut select = view.prepare_cached("SELECT name, instance_id FROM peers WHERE id = ?1")?;
    let mut peers = Vec::new();
    for id in trace.peer_ids() {
        let peer = |row: &Row<'_>| {
            Ok(TracedPeer {
                id: id.to_owned(),
                name: row.get(0)?,
                instance_id: row.get(1)?,
            })
        };
        peers.extend(select.query_row([id], peer).optional()?);
    }
    trace.peers = peers;
    Ok(trace)
}

fn traced_events(connection: &Connection, team: i64, event_id: &str) -> Result<Vec<TracedEvent>> {
    let row = |row: &Row<'_>| {
        Ok(TracedEvent {
            seq: seq_of(row.get(0)?),
            created_at: row.get(1)?,
            text: row.get(2)?,
        })
    };
    let values = params![
        event_id,
        key(team, 0),
        key(team, MAX_SEQ),
        team,
        signed(TRACE_EVENTS_MAX as u64)
    ];
    let found = connection
        .prepare_cached(
            "SELECT key, created_at, text FROM events WHERE id = ?1 AND key BETWEEN ?2 AND ?3
             UNION ALL SELECT seq, NULL, text FROM kept_events WHERE team = ?4 AND id = ?1
             ORDER BY 1 DESC LIMIT ?5",
        )?
        .query_map(values, row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}
