//! The agents of a team.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{parsed, team_number};
use crate::protocol::id::{AgentId, TeamId};
use crate::store::record::{AgentRecord, Millis};
use crate::store::{Result, StoreError};

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
