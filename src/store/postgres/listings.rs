//! Forwards and attempts, listed and narrowed; and all of them that belong to one event.

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};

use super::peers::small;
use super::storable;
use super::{column, signed, unsigned};
use crate::protocol::federation::OutboxStatus;
use crate::protocol::forward::TypeScopes;
use crate::store::Result;
use crate::store::federation::{
    DeliveryEntry, DeliveryFilter, OutboxEntry, OutboxFilter, OutboxId, WRITTEN_WITHIN_MS,
    least_uuid7,
};
use crate::store::record::Millis;
use crate::store::trace::{TRACE_EVENTS_MAX, TRACE_ROWS_MAX, Trace, TracedEvent, TracedPeer};

/// The event of a row of the outbox or of a letter.
pub(super) fn event_of(rows: &str) -> String {
    format!(
        "LEFT JOIN events ON events.team = peers.team AND events.seq = {rows}.seq
         LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = {rows}.seq"
    )
}

/// The type of the event of a row.
const KIND: &str = "coalesce(events.type, kept_events.type, '')";

/// The columns of a forward, for [`entry_in`].
pub(super) fn entry_columns(rows: &str) -> String {
    format!(
        "peers.id, {rows}.seq, coalesce(events.id, kept_events.id, ''), {KIND},
         {rows}.attempts, {rows}.last_error, {rows}.created_at"
    )
}

pub(super) fn entry_in(
    row: &Row,
    status: OutboxStatus,
    next: Option<Millis>,
) -> Result<OutboxEntry> {
    Ok(OutboxEntry {
        id: OutboxId {
            peer_id: column(row, 0)?,
            seq: unsigned(column(row, 1)?),
        },
        event_id: column(row, 2)?,
        kind: column(row, 3)?,
        status,
        attempts: small(row, 4)?,
        next_attempt_at: next,
        last_error: column(row, 5)?,
        created_at: column(row, 6)?,
    })
}

/// The conditions of a query, with their values. The first value is the team's number.
struct Narrowed {
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
}

impl Narrowed {
    fn to_team(team: i64, condition: &str) -> Self {
        Self {
            conditions: vec![condition.to_owned()],
            values: vec![Box::new(team)],
        }
    }

    /// The place of a value.
    fn place(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    fn and(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    fn and_types(&mut self, column: &str, types: Option<&TypeScopes>) {
        let Some(types) = types else { return };
        let both = |pattern: &String| {
            let like = like(pattern);
            [format!("com.{like}"), like]
        };
        let patterns: Vec<String> = types.patterns().iter().flat_map(both).collect();
        let place = self.place(patterns);
        self.and(format!("{column} LIKE ANY ({place}::text[])"));
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
            let place = self.place(storable(error));
            self.and(format!("strpos({column}, {place}) > 0"));
        }
    }

    /// The numbers of the events with an id. An array, so that it is made once, and rows are found by it.
    fn seqs_of(&mut self, event_id: &str) -> String {
        let id = self.place(storable(event_id));
        format!(
            "ANY (ARRAY(SELECT seq FROM events WHERE id = {id} AND team = $1
                        UNION ALL SELECT seq FROM kept_events WHERE team = $1 AND id = {id}))"
        )
    }

    /// The rows of a query.
    async fn rows(self, client: &impl GenericClient, sql: &str) -> Result<Vec<Row>> {
        let select = client.prepare_cached(sql).await?;
        let values: Vec<&(dyn ToSql + Sync)> =
            self.values.iter().map(|value| &**value as _).collect();
        Ok(client.query(&select, &values).await?)
    }

    fn conditions(&self) -> String {
        self.conditions.join(" AND ")
    }
}

/// A pattern of types as `LIKE` reads it.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', c]),
            c => like.push(c),
        }
    }
    like
}

/// A team's forwards; see [`crate::store::federation::FederationStore::outbox`].
pub(super) async fn outbox(
    client: &impl GenericClient,
    team: i64,
    filter: &OutboxFilter,
) -> Result<Vec<OutboxEntry>> {
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
        let rows = match status {
            OutboxStatus::Pending => pending(client, team, filter, limit).await?,
            OutboxStatus::Delivered => delivered(client, team, filter, limit).await?,
            status => letters(client, team, filter, status, limit).await?,
        };
        for row in &rows {
            let due_at: Option<Millis> = column(row, 7)?;
            found.push(entry_in(row, status, due_at.filter(|at| *at > 1))?);
        }
    }
    Ok(found)
}

/// What narrows rows of the outbox and letters alike.
fn narrowed(rows: &str, team: i64, filter: &OutboxFilter) -> Narrowed {
    let mut narrowed = Narrowed::to_team(team, "peers.team = $1");
    if let Some(peer_id) = &filter.peer_id {
        let place = narrowed.place(storable(peer_id));
        narrowed.and(format!("peers.id = {place}"));
    }
    narrowed.and_types(KIND, filter.types.as_ref());
    narrowed.and_times(&format!("{rows}.created_at"), filter.since, filter.before);
    narrowed.and_error(&format!("{rows}.last_error"), filter.error.as_ref());
    narrowed
}

async fn pending(
    client: &impl GenericClient,
    team: i64,
    filter: &OutboxFilter,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut narrowed = narrowed("outbox", team, filter);
    let from = match &filter.event_id {
        None => "outbox".to_owned(),
        Some(event_id) => {
            let seqs = narrowed.seqs_of(event_id);
            // What was never tried is found by its number; what was has to be looked through.
            format!(
                "(SELECT * FROM outbox WHERE peer = number AND due_at = 0 AND seq = {seqs} UNION ALL
                  SELECT * FROM outbox WHERE peer = number AND due_at > 0 AND seq = {seqs}) AS outbox"
            )
        }
    };
    // The first of each peer, then the first of those.
    let limit = narrowed.place(signed(limit as u64));
    let sql = format!(
        "SELECT {}, outbox.due_at
         FROM peers CROSS JOIN LATERAL (
             SELECT outbox.* FROM {from} {event} WHERE outbox.peer = number AND {conditions}
             ORDER BY outbox.due_at, outbox.seq LIMIT {limit}) AS outbox
         {event} WHERE peers.team = $1 ORDER BY outbox.due_at, outbox.seq LIMIT {limit}",
        entry_columns("outbox"),
        event = event_of("outbox"),
        conditions = narrowed.conditions()
    );
    narrowed.rows(client, &sql).await
}

async fn delivered(
    client: &impl GenericClient,
    team: i64,
    filter: &OutboxFilter,
    limit: usize,
) -> Result<Vec<Row>> {
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
    let limit = narrowed.place(signed(limit as u64));
    let sql = format!(
        "SELECT peers.id, seq, event_id, event_type, attempt, NULL::text, queued_at, NULL::bigint
         FROM deliveries JOIN peers ON peers.number = deliveries.peer
         WHERE {} AND status_code BETWEEN 200 AND 299 AND seq IS NOT NULL
         ORDER BY deliveries.id DESC LIMIT {limit}",
        narrowed.conditions()
    );
    narrowed.rows(client, &sql).await
}

async fn letters(
    client: &impl GenericClient,
    team: i64,
    filter: &OutboxFilter,
    status: OutboxStatus,
    limit: usize,
) -> Result<Vec<Row>> {
    let mut narrowed = narrowed("letters", team, filter);
    narrowed.and(format!("letters.status = '{}'", status.word()));
    if let Some(event_id) = &filter.event_id {
        let seqs = narrowed.seqs_of(event_id);
        narrowed.and(format!("letters.seq = {seqs}"));
    }
    let order = match &filter.after {
        None => "letters.settled_at DESC, letters.seq DESC",
        Some(after) => {
            let peer = narrowed.place(storable(&after.peer_id));
            let seq = narrowed.place(signed(after.seq));
            narrowed.and(format!(
                "(letters.peer, letters.seq) >
                 (coalesce((SELECT number FROM peers WHERE id = {peer}), 0), {seq})"
            ));
            "letters.peer, letters.seq"
        }
    };
    let limit = narrowed.place(signed(limit as u64));
    let sql = format!(
        "SELECT {}, NULL::bigint FROM letters JOIN peers ON peers.number = letters.peer
         {} WHERE {} ORDER BY {order} LIMIT {limit}",
        entry_columns("letters"),
        event_of("letters"),
        narrowed.conditions()
    );
    narrowed.rows(client, &sql).await
}

/// What narrows attempts. The condition that narrows most decides which index is read.
fn attempts(team: i64, filter: &DeliveryFilter) -> Narrowed {
    let mut narrowed = Narrowed::to_team(team, "deliveries.team = $1");
    if let Some(event_id) = &filter.event_id {
        let place = narrowed.place(storable(event_id));
        narrowed.and(format!("event_id = {place}"));
    }
    if let Some(peer_id) = &filter.peer_id {
        let place = narrowed.place(storable(peer_id));
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
pub(super) async fn deliveries(
    client: &impl GenericClient,
    team: i64,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryEntry>> {
    let mut narrowed = attempts(team, filter);
    let limit = narrowed.place(signed(filter.limit as u64));
    let sql = format!(
        "SELECT deliveries.id, peers.id, seq, event_id, attempt, status_code, error, latency_ms, deliveries.created_at
         FROM deliveries JOIN peers ON peers.number = deliveries.peer
         WHERE {} ORDER BY deliveries.id DESC LIMIT {limit}",
        narrowed.conditions()
    );
    let rows = narrowed.rows(client, &sql).await?;
    rows.iter().map(delivery_in).collect()
}

fn delivery_in(row: &Row) -> Result<DeliveryEntry> {
    let (seq, latency): (Option<i64>, Option<i64>) = (column(row, 2)?, column(row, 7)?);
    let code: Option<i64> = column(row, 5)?;
    Ok(DeliveryEntry {
        id: column(row, 0)?,
        peer_id: column(row, 1)?,
        seq: seq.map(unsigned),
        event_id: column(row, 3)?,
        attempt: small(row, 4)?,
        status_code: code.and_then(|code| u16::try_from(code).ok()),
        error: column(row, 6)?,
        latency_ms: latency.map(unsigned),
        created_at: column(row, 8)?,
    })
}

/// What is known of an id; see [`crate::store::federation::FederationStore::trace`].
pub(super) async fn trace(client: &mut Object, team: i64, event_id: &str) -> Result<Trace> {
    // One view of all of it: what waited may be delivered in between.
    let view = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
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
        events: traced_events(&view, team, event_id).await?,
        forwards: outbox(&view, team, &forwards).await?,
        attempts: deliveries(&view, team, &attempts).await?,
        peers: Vec::new(),
    };
    let select = view
        .prepare_cached("SELECT id, name, instance_id FROM peers WHERE id = ANY ($1)")
        .await?;
    let rows = view.query(&select, &[&trace.peer_ids()]).await?;
    let peer = |row: &Row| {
        Ok(TracedPeer {
            id: column(row, 0)?,
            name: column(row, 1)?,
            instance_id: column(row, 2)?,
        })
    };
    trace.peers = rows.iter().map(peer).collect::<Result<_>>()?;
    Ok(trace)
}

async fn traced_events(
    client: &impl GenericClient,
    team: i64,
    event_id: &str,
) -> Result<Vec<TracedEvent>> {
    let select = client
        .prepare_cached(
            "SELECT seq, created_at, text FROM events WHERE id = $1 AND team = $2
             UNION ALL SELECT seq, NULL, text FROM kept_events WHERE team = $2 AND id = $1
             ORDER BY seq DESC LIMIT $3",
        )
        .await?;
    let limit = signed(TRACE_EVENTS_MAX as u64);
    let rows = client
        .query(&select, &[&storable(event_id), &team, &limit])
        .await?;
    let event = |row: &Row| {
        Ok(TracedEvent {
            seq: unsigned(column(row, 0)?),
            created_at: column(row, 1)?,
            text: column(row, 2)?,
        })
    };
    rows.iter().map(event).collect()
}
