//! What was exchanged with other servers of OpenIntent.
//!
//! Plans are made once, also when the table is still empty and any index seems as good as another. What is looked up by a
//! key or a local id adds nothing to the team, and nothing to the kind: so no other index can answer it.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::storable;
use super::{column, digest, parsed, unsigned};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::openintent::{
    ExchangeCounts, ExchangeFilter, ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeRecord,
    ExchangeState, NewExchange,
};
use crate::store::record::Millis;

/// The columns of an exchange, for [`exchange_in`].
const COLUMNS: &str = "kind, digest, own_key, dispatch_id, party, local_id, state, remote_id, message, record, created_at,
    updated_at, agent, version";

fn exchange_in(row: &Row) -> Result<ExchangeRecord> {
    Ok(ExchangeRecord {
        kind: parsed(column(row, 0)?, ExchangeKind::stored)?,
        digest: digest(row, 1)?,
        own_key: digest(row, 2)?,
        dispatch_id: column(row, 3)?,
        party: column(row, 4)?,
        local_id: column(row, 5)?,
        state: parsed(column(row, 6)?, ExchangeState::stored)?,
        remote_id: column(row, 7)?,
        message: column(row, 8)?,
        record: column(row, 9)?,
        created_at: column(row, 10)?,
        updated_at: column(row, 11)?,
        agent: column(row, 12)?,
        version: column(row, 13)?,
    })
}

/// The exchange that the keys `$2` and `$3` stand for in the team `$1`.
fn known() -> String {
    format!(
        "SELECT {COLUMNS} FROM (
             SELECT *, 0 AS rank FROM exchanges WHERE team + 0 = $1 AND own_key = $2
             UNION ALL
             SELECT *, 1 FROM exchanges WHERE team + 0 = $1 AND alias_key = $3
         ) AS known ORDER BY rank LIMIT 1"
    )
}

pub(super) async fn find(
    client: &Object,
    team: i64,
    keys: &ExchangeKeys,
) -> Result<Option<ExchangeRecord>> {
    let select = client.prepare_cached(&known()).await?;
    let (own, alias) = (&keys.own[..], keys.alias.as_ref().map(|key| &key[..]));
    let row = client.query_opt(&select, &[&team, &own, &alias]).await?;
    row.as_ref().map(exchange_in).transpose()
}

/// Keeps an exchange under the team's lock, like an append: what one looks up before, the other cannot add meanwhile.
pub(super) async fn enter(
    client: &Object,
    team: i64,
    exchange: &NewExchange,
) -> Result<Option<ExchangeRecord>> {
    let lock = client
        .prepare_cached("SELECT FROM teams WHERE number = $1 FOR NO KEY UPDATE")
        .await?;
    let select = client.prepare_cached(&known()).await?;
    let insert = client
        .prepare_cached(
            "INSERT INTO exchanges (team, own_key, alias_key, kind, digest, dispatch_id, party, local_id, state, message,
                                    record, created_at, updated_at, agent)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13
             WHERE NOT EXISTS (SELECT FROM exchanges WHERE team + 0 = $1 AND own_key = $2)
                   AND NOT EXISTS (SELECT FROM exchanges WHERE team + 0 = $1 AND alias_key = $3)",
        )
        .await?;
    let (own, alias) = (
        &exchange.keys.own[..],
        exchange.keys.alias.as_ref().map(|key| &key[..]),
    );
    let (kind, state, content) = (
        exchange.kind.word(),
        exchange.state.word(),
        &exchange.digest[..],
    );
    let (dispatch_id, party) = (storable(&exchange.dispatch_id), storable(&exchange.party));
    let local_id = storable(&exchange.local_id);
    let message = exchange.message.as_deref().map(storable);
    let to_lock: [&(dyn ToSql + Sync); 1] = [&team];
    let to_select: [&(dyn ToSql + Sync); 3] = [&team, &own, &alias];
    let agent = exchange.agent.as_deref().map(storable);
    let to_insert: [&(dyn ToSql + Sync); 13] = [
        &team,
        &own,
        &alias,
        &kind,
        &content,
        &dispatch_id,
        &party,
        &local_id,
        &state,
        &message,
        &exchange.record,
        &exchange.now,
        &agent,
    ];
    // One round trip, as in the append.
    let (begun, locked, first, inserted, committed) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.execute(&lock, &to_lock),
        client.query_opt(&select, &to_select),
        client.execute(&insert, &to_insert),
        client.batch_execute("COMMIT"),
    );
    begun.map_err(super::outcome)?;
    locked.map_err(super::outcome)?;
    let first = first.map_err(super::outcome)?;
    inserted.map_err(super::outcome)?;
    committed.map_err(super::outcome)?;
    first.as_ref().map(exchange_in).transpose()
}

pub(super) async fn exchange(
    client: &Object,
    team: i64,
    kind: ExchangeKind,
    local_id: &str,
) -> Result<Option<ExchangeRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM exchanges WHERE team + 0 = $1 AND kind || '' = $2 AND local_id = $3 LIMIT 1"
    );
    let select = client.prepare_cached(&sql).await?;
    let row = client
        .query_opt(&select, &[&team, &kind.word(), &storable(local_id)])
        .await?;
    row.as_ref().map(exchange_in).transpose()
}

pub(super) async fn find_dispatch(
    client: &Object,
    id: &str,
) -> Result<Option<(TeamId, ExchangeRecord)>> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT id FROM teams WHERE number = exchanges.team)
         FROM exchanges WHERE kind || '' = 'dispatch' AND local_id = $1 LIMIT 1"
    );
    let select = client.prepare_cached(&sql).await?;
    let row = client.query_opt(&select, &[&storable(id)]).await?;
    let with_team = |row: &Row| {
        let team = parsed(column(row, 14)?, TeamId::try_from)?;
        Ok((team, exchange_in(row)?))
    };
    row.as_ref().map(with_team).transpose()
}

pub(super) async fn note(
    client: &Object,
    team: i64,
    (kind, local_id): (ExchangeKind, &str),
    note: &ExchangeNote,
    now: Millis,
) -> Result<bool> {
    let update = client
        .prepare_cached(
            "UPDATE exchanges
             SET state = CASE WHEN state = ANY ($5::text[]) THEN $4 ELSE state END,
                 message = CASE WHEN $4::text IS NULL OR state = ANY ($5::text[]) THEN coalesce($6, message)
                           ELSE message END,
                 remote_id = coalesce(remote_id, $7),
                 updated_at = $8
             WHERE team + 0 = $1 AND kind || '' = $2 AND local_id = $3",
        )
        .await?;
    let state = note.state.map(ExchangeState::word);
    let from = note.state.map_or_else(Vec::new, ExchangeState::may_follow);
    let message = note.message.as_deref().map(storable);
    let remote_id = note.remote_id.as_deref().map(storable);
    let values: [&(dyn ToSql + Sync); 8] = [
        &team,
        &kind.word(),
        &storable(local_id),
        &state,
        &from,
        &message,
        &remote_id,
        &now,
    ];
    Ok(client.execute(&update, &values).await? > 0)
}

/// A part of a statement: takes note that forwards ended without a delivery, or are on their way again. `forwards` has
/// their `peer` and `seq`, and `sent` is what it is called in `message`, which says why, and in `time`. Forwards to other peers, and of other events, are none of its business.
pub(super) fn turn(
    forwards: &str,
    (from, to): (ExchangeState, ExchangeState),
    message: &str,
    time: &str,
) -> String {
    format!(
        "UPDATE exchanges SET state = '{to}', message = {message}, updated_at = {time}
         FROM {forwards} AS sent
         JOIN peers ON peers.number = sent.peer AND peers.kind = 'openintent'
         LEFT JOIN events ON events.team = peers.team AND events.seq = sent.seq
         LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = sent.seq
         WHERE exchanges.team + 0 = peers.team AND exchanges.kind || '' = 'dispatch'
               AND exchanges.local_id = coalesce(events.id, kept_events.id) AND exchanges.state || '' = '{from}'",
        from = from.word(),
        to = to.word()
    )
}

/// The time alone is a bound of the index: a page far behind begins where it is.
pub(super) async fn list(
    client: &Object,
    team: i64,
    filter: &ExchangeFilter,
) -> Result<Vec<ExchangeRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM exchanges
         WHERE team = $1 AND kind = $2 AND ($3::text IS NULL OR state = $3) AND ($4::text IS NULL OR agent = $4)
               AND created_at <= coalesce($5::bigint, {latest})
               AND ($5 IS NULL OR (created_at, local_id COLLATE \"C\") < ($5, $6::text))
         ORDER BY created_at DESC, local_id COLLATE \"C\" DESC LIMIT $7",
        latest = Millis::MAX
    );
    let select = client.prepare_cached(&sql).await?;
    let before = filter.before.as_ref();
    let (time, id) = (before.map(|it| it.0), before.map(|it| storable(&it.1)));
    let state = filter.state.map(ExchangeState::word);
    let agent = filter.agent.as_deref().map(storable);
    let max = i64::from(filter.max);
    let values: [&(dyn ToSql + Sync); 7] =
        [&team, &filter.kind.word(), &state, &agent, &time, &id, &max];
    let rows = client.query(&select, &values).await?;
    rows.iter().map(exchange_in).collect()
}

pub(super) async fn counts(client: &Object, team: i64) -> Result<ExchangeCounts> {
    let select = client
        .prepare_cached(
            "SELECT kind, state, count(*) FROM exchanges WHERE team = $1 AND dispatch_id <> '' \
             GROUP BY kind, state",
        )
        .await?;
    let mut counts = ExchangeCounts::default();
    for row in client.query(&select, &[&team]).await? {
        let kind = parsed(column(&row, 0)?, ExchangeKind::stored)?;
        let state = parsed(column(&row, 1)?, ExchangeState::stored)?;
        counts.count(kind, state, unsigned(column(&row, 2)?));
    }
    Ok(counts)
}
