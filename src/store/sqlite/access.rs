//! Teams, keys, endpoints and agents.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::append::{MAX_SEQ, key};
use super::{team_number, unsigned};
use crate::protocol::id::{AgentId, SourceSlug, TeamId};
use crate::store::record::{
    AgentRecord, Counts, EndpointRecord, KeyHash, KeyRecord, Millis, TeamRecord,
};
use crate::store::{Result, StoreError};

/// Tells every server that a key or endpoint has changed.
pub(super) fn touch(transaction: &Transaction<'_>) -> Result<()> {
    transaction.execute(
        "UPDATE instance SET access_version = access_version + 1",
        [],
    )?;
    Ok(())
}

/// A stored text that has to parse, as a column of a row.
fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(String) -> std::result::Result<T, E>,
) -> rusqlite::Result<T> {
    parse(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

pub(super) fn create_team(
    transaction: &Transaction<'_>,
    team: &TeamId,
    first_key: &KeyRecord,
) -> Result<()> {
    let new = transaction.execute(
        "INSERT INTO teams (id, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![team.as_str(), first_key.created_at],
    )?;
    if new == 0 {
        return Err(StoreError::Exists(format!("team `{team}`")));
    }
    create_key(transaction, first_key)
}

pub(super) fn teams(connection: &Connection) -> Result<Vec<TeamRecord>> {
    let mut statement =
        connection.prepare_cached("SELECT id, created_at, last_seq FROM teams ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(TeamRecord {
            id: parsed(row, 0, TeamId::try_from)?,
            created_at: row.get(1)?,
            last_seq: unsigned(row.get(2)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn create_key(transaction: &Transaction<'_>, key: &KeyRecord) -> Result<()> {
    let team = team_number(transaction, &key.team)?;
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| StoreError::Failed(error.to_string()))
    };
    let new = transaction.execute(
        "INSERT INTO keys (id, team, prefix, hash, name, scopes, permissions, created_at, expires_at, revoked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
        params![
            key.id,
            team,
            key.prefix,
            key.hash.to_string(),
            key.name,
            json(serde_json::to_string(&key.scopes))?,
            json(serde_json::to_string(&key.permissions))?,
            key.created_at,
            key.expires_at,
            key.revoked_at
        ],
    )?;
    if new == 0 {
        return Err(StoreError::Exists(format!(
            "a key with the prefix `{}`",
            key.prefix
        )));
    }
    touch(transaction)
}

pub(super) fn find_key(connection: &Connection, prefix: &str) -> Result<Option<KeyRecord>> {
    let row = |row: &Row<'_>| {
        Ok(KeyRecord {
            id: row.get(0)?,
            team: parsed(row, 1, TeamId::try_from)?,
            prefix: row.get(2)?,
            hash: parsed(row, 3, |text: String| text.parse::<KeyHash>())?,
            name: row.get(4)?,
            scopes: parsed(row, 5, |text: String| serde_json::from_str(&text))?,
            permissions: parsed(row, 6, |text: String| serde_json::from_str(&text))?,
            created_at: row.get(7)?,
            expires_at: row.get(8)?,
            revoked_at: row.get(9)?,
        })
    };
    let key = connection
        .prepare_cached(
            "SELECT keys.id, teams.id, prefix, hash, name, scopes, permissions, keys.created_at, expires_at, revoked_at
             FROM keys JOIN teams ON teams.number = keys.team WHERE prefix = ?1",
        )?
        .query_row([prefix], row)
        .optional()?;
    Ok(key)
}

pub(super) fn revoke_key(
    transaction: &Transaction<'_>,
    team: Option<&TeamId>,
    id: &str,
    now: Millis,
) -> Result<()> {
    let number = team
        .map(|team| team_number(transaction, team))
        .transpose()?;
    let found = transaction.execute(
        "UPDATE keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 AND (?3 IS NULL OR team = ?3)",
        params![id, now, number],
    )?;
    if found == 0 {
        return Err(StoreError::NotFound(format!("key `{id}`")));
    }
    touch(transaction)
}

pub(super) fn put_endpoint(
    transaction: &Transaction<'_>,
    endpoint: &EndpointRecord,
) -> Result<EndpointRecord> {
    let team = team_number(transaction, &endpoint.team)?;
    transaction.execute(
        "INSERT INTO endpoints (id, team, source, active, token_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (team, source) DO UPDATE SET active = ?4, token_hash = ?5",
        params![
            endpoint.id,
            team,
            endpoint.source.as_str(),
            endpoint.active,
            endpoint.token_hash.to_string(),
            endpoint.created_at
        ],
    )?;
    touch(transaction)?;
    find_endpoint(transaction, &endpoint.team, &endpoint.source)?
        .ok_or_else(|| StoreError::NotFound(format!("endpoint `{}`", endpoint.source)))
}

pub(super) fn find_endpoint(
    connection: &Connection,
    team: &TeamId,
    source: &SourceSlug,
) -> Result<Option<EndpointRecord>> {
    let endpoint = connection
        .prepare_cached(
            "SELECT endpoints.id, active, token_hash, endpoints.created_at
             FROM endpoints JOIN teams ON teams.number = endpoints.team WHERE teams.id = ?1 AND source = ?2",
        )?
        .query_row(params![team.as_str(), source.as_str()], |row| {
            Ok(EndpointRecord {
                id: row.get(0)?,
                team: team.clone(),
                source: source.clone(),
                active: row.get(1)?,
                token_hash: parsed(row, 2, |text: String| text.parse::<KeyHash>())?,
                created_at: row.get(3)?,
            })
        })
        .optional()?;
    Ok(endpoint)
}

pub(super) fn put_agent(
    transaction: &Transaction<'_>,
    team: &TeamId,
    id: &AgentId,
    name: Option<&str>,
    now: Millis,
) -> Result<AgentRecord> {
    let number = team_number(transaction, team)?;
    transaction.execute(
        "INSERT INTO agents (team, id, name, created_at, last_seen_at) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT DO UPDATE SET name = coalesce(?3, name), last_seen_at = ?4",
        params![number, id.as_str(), name, now],
    )?;
    find_agent(transaction, team, id)?.ok_or_else(|| StoreError::NotFound(format!("agent `{id}`")))
}

fn agent(row: &Row<'_>) -> rusqlite::Result<AgentRecord> {
    Ok(AgentRecord {
        id: parsed(row, 0, AgentId::try_from)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        last_seen_at: row.get(3)?,
    })
}

pub(super) fn agents(connection: &Connection, team: &TeamId) -> Result<Vec<AgentRecord>> {
    let number = team_number(connection, team)?;
    let mut statement = connection.prepare_cached(
        "SELECT id, name, created_at, last_seen_at FROM agents WHERE team = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([number], agent)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn find_agent(
    connection: &Connection,
    team: &TeamId,
    id: &AgentId,
) -> Result<Option<AgentRecord>> {
    let number = team_number(connection, team)?;
    let found = connection
        .prepare_cached(
            "SELECT id, name, created_at, last_seen_at FROM agents WHERE team = ?1 AND id = ?2",
        )?
        .query_row(params![number, id.as_str()], agent)
        .optional()?;
    Ok(found)
}

pub(super) fn counts(
    connection: &Connection,
    team: &TeamId,
    since: Millis,
    now: Millis,
) -> Result<Counts> {
    let number = team_number(connection, team)?;
    let before = super::read::seq_before(connection, team, since)?;
    let count = |sql: &str, bound: i64| -> Result<u64> {
        let count = connection
            .prepare_cached(sql)?
            .query_row([number, bound], |row| row.get(0))?;
        Ok(unsigned(count))
    };
    let events: i64 = connection
        .prepare_cached("SELECT count(*) FROM events WHERE key > ?1 AND key <= ?2")?
        .query_row([key(number, before), key(number, MAX_SEQ)], |row| {
            row.get(0)
        })?;
    Ok(Counts {
        events_since: unsigned(events),
        active_endpoints: count(
            "SELECT count(*) FROM endpoints WHERE team = ?1 AND active = ?2",
            1,
        )?,
        live_keys: count(
            "SELECT count(*) FROM keys
             WHERE team = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)",
            now,
        )?,
    })
}
