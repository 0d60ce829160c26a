//! Whom teams trust, as far as commands said so.

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::access::touch;
use super::storable;
use super::{column, parsed};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::openintent::TrustedRecord;

fn server_in(row: &Row) -> Result<TrustedRecord> {
    Ok(TrustedRecord {
        team: parsed(column(row, 0)?, TeamId::try_from)?,
        url: column(row, 1)?,
        given_url: column(row, 2)?,
        relationship: column(row, 3)?,
        trust_policy: column(row, 4)?,
        did: column(row, 5)?,
        api_key: column(row, 6)?,
        created_at: column(row, 7)?,
        updated_at: column(row, 8)?,
    })
}

pub(super) async fn servers(client: &Object, team: i64) -> Result<Vec<TrustedRecord>> {
    let select = client
        .prepare_cached(
            "SELECT teams.id, url, given_url, relationship, trusted_servers.trust_policy, did, api_key,
                    trusted_servers.created_at, updated_at
             FROM trusted_servers JOIN teams ON teams.number = trusted_servers.team
             WHERE trusted_servers.team = $1 ORDER BY url COLLATE \"C\"",
        )
        .await?;
    let rows = client.query(&select, &[&team]).await?;
    rows.iter().map(server_in).collect()
}

pub(super) async fn put(client: &mut Object, team: i64, server: &TrustedRecord) -> Result<()> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "INSERT INTO trusted_servers (team, url, given_url, relationship, trust_policy, did, api_key, created_at,
                                          updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (team, url) DO UPDATE
             SET given_url = excluded.given_url, relationship = excluded.relationship,
                 trust_policy = excluded.trust_policy, did = excluded.did, api_key = excluded.api_key,
                 updated_at = excluded.updated_at",
            &[
                &team,
                &server.url,
                &server.given_url,
                &server.relationship,
                &server.trust_policy,
                &server.did,
                &server.api_key,
                &server.created_at,
                &server.updated_at,
            ],
        )
        .await?;
    touch(&transaction).await?;
    transaction.commit().await.map_err(super::outcome)
}

pub(super) async fn remove(client: &mut Object, team: i64, url: &str) -> Result<bool> {
    let transaction = client.transaction().await?;
    let removed = transaction
        .execute(
            "DELETE FROM trusted_servers WHERE team = $1 AND url = $2",
            &[&team, &storable(url)],
        )
        .await?;
    touch(&transaction).await?;
    transaction.commit().await.map_err(super::outcome)?;
    Ok(removed > 0)
}

pub(super) async fn teams_trusting(client: &Object, url: &str) -> Result<Vec<TeamId>> {
    let select = client
        .prepare_cached(
            "SELECT teams.id FROM trusted_servers JOIN teams ON teams.number = trusted_servers.team
             WHERE url = $1 ORDER BY trusted_servers.created_at, teams.number",
        )
        .await?;
    let rows = client.query(&select, &[&storable(url)]).await?;
    let team = |row: &Row| parsed(column(row, 0)?, TeamId::try_from);
    rows.iter().map(team).collect()
}

pub(super) async fn policy(client: &Object, team: i64) -> Result<Option<String>> {
    let select = client
        .prepare_cached("SELECT trust_policy FROM teams WHERE number = $1")
        .await?;
    column(&client.query_one(&select, &[&team]).await?, 0)
}

pub(super) async fn put_policy(client: &mut Object, team: i64, policy: Option<&str>) -> Result<()> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "UPDATE teams SET trust_policy = $2 WHERE number = $1",
            &[&team, &policy],
        )
        .await?;
    touch(&transaction).await?;
    transaction.commit().await.map_err(super::outcome)
}
