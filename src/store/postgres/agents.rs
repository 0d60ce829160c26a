//! The agents of a team.

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::Row;

use super::{column, parsed};
use crate::protocol::id::AgentId;
use crate::store::Result;
use crate::store::record::{AgentRecord, Millis};

pub(super) async fn put_agent(
    client: &Object,
    team: i64,
    id: &AgentId,
    name: Option<&str>,
    now: Millis,
) -> Result<AgentRecord> {
    let put = client
        .prepare_cached(
            "INSERT INTO agents (team, id, name, created_at, last_seen_at) VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (team, id) DO UPDATE
                 SET name = coalesce(excluded.name, agents.name), last_seen_at = excluded.last_seen_at
             RETURNING id, name, created_at, last_seen_at",
        )
        .await?;
    let row = client
        .query_one(&put, &[&team, &id.as_str(), &name, &now])
        .await?;
    agent_in(&row)
}

fn agent_in(row: &Row) -> Result<AgentRecord> {
    Ok(AgentRecord {
        id: parsed(column(row, 0)?, AgentId::try_from)?,
        name: column(row, 1)?,
        created_at: column(row, 2)?,
        last_seen_at: column(row, 3)?,
    })
}

pub(super) async fn agents(client: &Object, team: i64) -> Result<Vec<AgentRecord>> {
    let select = client
        .prepare_cached(
            "SELECT id, name, created_at, last_seen_at FROM agents WHERE team = $1 ORDER BY id",
        )
        .await?;
    let rows = client.query(&select, &[&team]).await?;
    rows.iter().map(agent_in).collect()
}

pub(super) async fn find_agent(
    client: &Object,
    team: i64,
    id: &AgentId,
) -> Result<Option<AgentRecord>> {
    let select = client
        .prepare_cached(
            "SELECT id, name, created_at, last_seen_at FROM agents WHERE team = $1 AND id = $2",
        )
        .await?;
    let row = client.query_opt(&select, &[&team, &id.as_str()]).await?;
    row.as_ref().map(agent_in).transpose()
}
