//! What was exchanged with other servers of OpenIntent.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::append::SEQ_BITS;
use super::{parsed, signed, team_number, unsigned};
use crate::protocol::id::{Seq, TeamId};
use crate::store::Result;
use crate::store::federation::PeerNumber;
use crate::store::openintent::{
    ExchangeChange, ExchangeCounts, ExchangeFilter, ExchangeKeys, ExchangeKind, ExchangeNote,
    ExchangeRecord, ExchangeState, ExchangeTurn, NewExchange,
};
use crate::store::record::{Millis, Outcome};

/// The columns of an exchange, for [`exchange_in`].
const COLUMNS: &str = "kind, digest, own_key, dispatch_id, party, local_id, state, remote_id, message, record, created_at,
    updated_at, agent, version";

fn exchange_in(row: &Row<'_>) -> rusqlite::Result<ExchangeRecord> {
    Ok(ExchangeRecord {
        kind: parsed(row, 0, ExchangeKind::stored)?,
        digest: row.get(1)?,
        own_key: row.get(2)?,
        dispatch_id: row.get(3)?,
        party: row.get(4)?,
        local_id: row.get(5)?,
        state: parsed(row, 6, ExchangeState::stored)?,
        remote_id: row.get(7)?,
        message: row.get(8)?,
        record: row.get(9)?,
        created_at: row.get(10)?,
        updated_at: row.get(11)?,
        agent: row.get(12)?,
        version: row.get(13)?,
    })
}

/// What an append hears of an exchange that is known already.
pub(super) fn first_of(
    transaction: &Transaction<'_>,
    team: i64,
    exchange: &NewExchange,
) -> Result<Option<Outcome>> {
    let first = known(transaction, team, &exchange.keys)?;
    Ok(first.map(|first| exchange.repeats(&first)))
}

fn known(
    connection: &Connection,
    team: i64,
    keys: &ExchangeKeys,
) -> Result<Option<ExchangeRecord>> {
    let by = |column: &str, key: &[u8; 32]| {
        let sql = format!("SELECT {COLUMNS} FROM exchanges WHERE team = ?1 AND {column} = ?2");
        let found = connection
            .prepare_cached(&sql)?
            .query_row(params![team, key], exchange_in);
        found.optional()
    };
    let own = by("own_key", &keys.own)?;
    match (own, &keys.alias) {
        (None, Some(alias)) => Ok(by("alias_key", alias)?),
        (own, _) => Ok(own),
    }
}

/// Keeps an exchange whose keys are new.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    team: i64,
    exchange: &NewExchange,
) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO exchanges (team, own_key, alias_key, kind, digest, dispatch_id, party, local_id, state, message,
                                    record, created_at, updated_at, agent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12, ?13)",
        )?
        .execute(params![
            team,
            exchange.keys.own,
            exchange.keys.alias,
            exchange.kind.word(),
            exchange.digest,
            exchange.dispatch_id,
            exchange.party,
            exchange.local_id,
            exchange.state.word(),
            exchange.message,
            exchange.record,
            exchange.now,
            exchange.agent
        ])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    team: &TeamId,
    keys: &ExchangeKeys,
) -> Result<Option<ExchangeRecord>> {
    known(connection, team_number(connection, team)?, keys)
}

pub(super) fn enter(
    transaction: &Transaction<'_>,
    team: &TeamId,
    exchange: &NewExchange,
) -> Result<Option<ExchangeRecord>> {
    let team = team_number(transaction, team)?;
    let first = known(transaction, team, &exchange.keys)?;
    if first.is_none() {
        insert(transaction, team, exchange)?;
    }
    Ok(first)
}

pub(super) fn exchange(
    connection: &Connection,
    team: &TeamId,
    kind: ExchangeKind,
    local_id: &str,
) -> Result<Option<ExchangeRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM exchanges WHERE team = ?1 AND kind = ?2 AND local_id = ?3 LIMIT 1"
    );
    let values = params![team_number(connection, team)?, kind.word(), local_id];
    let found = connection
        .prepare_cached(&sql)?
        .query_row(values, exchange_in);
    Ok(found.optional()?)
}

pub(super) fn find_dispatch(
    connection: &Connection,
    id: &str,
) -> Result<Option<(TeamId, ExchangeRecord)>> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT id FROM teams WHERE number = exchanges.team)
         FROM exchanges WHERE kind = 'dispatch' AND local_id = ?1 LIMIT 1"
    );
    let with_team = |row: &Row<'_>| Ok((parsed(row, 14, TeamId::try_from)?, exchange_in(row)?));
    let found = connection.prepare_cached(&sql)?.query_row([id], with_team);
    Ok(found.optional()?)
}

pub(super) fn note(
    transaction: &Transaction<'_>,
    team: &TeamId,
    (kind, local_id): (ExchangeKind, &str),
    note: ExchangeNote,
    now: Millis,
) -> Result<bool> {
    let Some(known) = exchange(transaction, team, kind, local_id)? else {
        return Ok(false);
    };
    let next = note.state.unwrap_or(known.state);
    let follows = note.state.is_none_or(|next| known.state.may_become(next));
    let (state, message) = match follows {
        true => (next, note.message.or(known.message)),
        false => (known.state, known.message),
    };
    transaction
        .prepare_cached(
            "UPDATE exchanges SET state = ?3, remote_id = ?4, message = ?5, updated_at = ?6 WHERE team = ?1 AND own_key = ?2",
        )?
        .execute(params![
            team_number(transaction, team)?,
            known.own_key,
            state.word(),
            known.remote_id.or(note.remote_id),
            message,
            now
        ])?;
    Ok(true)
}

/// How often the record of an exchange was changed.
pub(super) fn version(
    transaction: &Transaction<'_>,
    team: i64,
    own_key: &[u8; 32],
) -> Result<Option<i64>> {
    let found = transaction
        .prepare_cached("SELECT version FROM exchanges WHERE own_key = ?1 AND team = ?2")?
        .query_row(params![own_key, team], |row| row.get(0));
    Ok(found.optional()?)
}

/// Makes an exchange what a change says.
pub(super) fn turn_to(
    transaction: &Transaction<'_>,
    team: i64,
    (change, turn): (&ExchangeChange, &ExchangeTurn),
    now: Millis,
) -> Result<()> {
    let from = turn.state.map_or_else(Vec::new, ExchangeState::may_follow);
    transaction
        .prepare_cached(
            "UPDATE exchanges
             SET record = ?3,
                 version = version + 1,
                 state = CASE WHEN instr(?5, ',' || state || ',') > 0 THEN ?4 ELSE state END,
                 updated_at = ?6
             WHERE own_key = ?1 AND team = ?2",
        )?
        .execute(params![
            change.own_key,
            team,
            turn.record,
            turn.state.map(ExchangeState::word),
            format!(",{},", from.join(",")),
            now
        ])?;
    Ok(())
}

/// The time alone is a bound of the index: a page far behind begins where it is.
pub(super) fn list(
    connection: &Connection,
    team: &TeamId,
    filter: &ExchangeFilter,
) -> Result<Vec<ExchangeRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM exchanges
         WHERE team = ?1 AND kind = ?2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR agent = ?4)
               AND created_at <= coalesce(?5, {latest}) AND (?5 IS NULL OR (created_at, local_id) < (?5, ?6))
         ORDER BY created_at DESC, local_id DESC LIMIT ?7",
        latest = Millis::MAX
    );
    let before = filter.before.as_ref();
    let values = params![
        team_number(connection, team)?,
        filter.kind.word(),
        filter.state.map(ExchangeState::word),
        filter.agent,
        before.map(|(time, _)| time),
        before.map(|(_, id)| id),
        filter.max
    ];
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(values, exchange_in)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Takes note that the forward of a dispatch ended without a delivery, and why: its letter says that; or that it is on its
/// way again, when there is no letter any more. Forwards to other peers,
/// and of other events, are none of its business. The signs leave no index but that of local ids: by its state, a dispatch
/// would be looked for among all that are queued.
pub(super) fn turn(
    transaction: &Transaction<'_>,
    (peer, seq): (PeerNumber, Seq),
    (from, to): (ExchangeState, ExchangeState),
    now: Millis,
) -> Result<()> {
    transaction
        .prepare_cached(&format!(
            "UPDATE exchanges
             SET state = :to, updated_at = :now,
                 message = (SELECT last_error FROM letters WHERE letters.peer = :peer AND letters.seq = :seq)
             WHERE local_id = (
                       SELECT coalesce(events.id, kept_events.id)
                       FROM peers
                       LEFT JOIN events ON events.key = (peers.team << {SEQ_BITS}) | :seq
                       LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = :seq
                       WHERE peers.number = :peer AND peers.kind = 'openintent')
                   AND +kind = 'dispatch' AND +state = :from AND +team = (SELECT team FROM peers WHERE number = :peer)"
        ))?
        .execute(named_params! {
            ":peer": peer,
            ":seq": signed(seq),
            ":from": from.word(),
            ":to": to.word(),
            ":now": now,
        })?;
    Ok(())
}

pub(super) fn counts(connection: &Connection, team: &TeamId) -> Result<ExchangeCounts> {
    let mut select = connection.prepare_cached(
        "SELECT kind, state, count(*) FROM exchanges WHERE team = ?1 AND dispatch_id <> '' \
             GROUP BY kind, state",
    )?;
    let mut rows = select.query([team_number(connection, team)?])?;
    let mut counts = ExchangeCounts::default();
    while let Some(row) = rows.next()? {
        let kind = parsed(row, 0, ExchangeKind::stored)?;
        let state = parsed(row, 1, ExchangeState::stored)?;
        counts.count(kind, state, unsigned(row.get(2)?));
    }
    Ok(counts)
}
