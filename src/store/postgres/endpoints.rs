//! The endpoints that webhooks come to.

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::Row;

use super::access::touch;
use super::{column, found, parsed, signed, unsigned};
use crate::protocol::id::{SourceSlug, TeamId};
use crate::store::record::{EndpointDraft, EndpointRecord, Keeps, KeyHash, Millis};
use crate::store::{Result, StoreError};

pub(super) async fn put_endpoint(
    client: &mut Object,
    team: i64,
    draft: &EndpointDraft,
) -> Result<EndpointRecord> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "INSERT INTO endpoints (id, team, source, active, token_hash, token, secret, max_body_bytes, created_at)
             VALUES ($1, $2, $3, TRUE, $4, $5, $6, $7, $8)
             ON CONFLICT (team, source) DO UPDATE SET
                 active = TRUE,
                 token_hash = excluded.token_hash,
                 token = excluded.token,
                 old_secret = CASE WHEN excluded.secret IS NULL THEN endpoints.old_secret
                              ELSE endpoints.secret END,
                 old_secret_until = CASE WHEN excluded.secret IS NULL THEN endpoints.old_secret_until ELSE $9 END,
                 secret = coalesce(excluded.secret, endpoints.secret),
                 max_body_bytes = coalesce(excluded.max_body_bytes, endpoints.max_body_bytes)
             WHERE NOT ($10 AND endpoints.active AND endpoints.token IS NOT NULL AND endpoints.secret IS NOT NULL)
                 AND NOT $11",
            &[
                &draft.id,
                &team,
                &draft.source.as_str(),
                &draft.token_hash.to_string(),
                &draft.token,
                &draft.secret,
                &draft.max_body_bytes.map(signed),
                &draft.now,
                &draft.old_secret_until,
                &(draft.keeps == Keeps::Complete),
                &(draft.keeps == Keeps::All),
            ],
        )
        .await?;
    touch(&transaction).await?;
    let stored = stored_endpoint(&transaction, &draft.team, &draft.source).await?;
    transaction.commit().await.map_err(super::outcome)?;
    Ok(stored)
}

pub(super) async fn rotate_secret(
    client: &mut Object,
    team: &TeamId,
    source: &SourceSlug,
    secret: &[u8],
    old_secret_until: Millis,
) -> Result<EndpointRecord> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "UPDATE endpoints SET old_secret = secret, old_secret_until = $4, secret = $3
             WHERE team = (SELECT number FROM teams WHERE id = $1) AND source = $2",
            &[&team.as_str(), &source.as_str(), &secret, &old_secret_until],
        )
        .await?;
    touch(&transaction).await?;
    let stored = stored_endpoint(&transaction, team, source).await?;
    transaction.commit().await.map_err(super::outcome)?;
    Ok(stored)
}

pub(super) async fn deactivate_endpoint(client: &mut Object, team: i64, id: &str) -> Result<()> {
    let transaction = client.transaction().await?;
    let changed = transaction
        .execute(
            "UPDATE endpoints SET active = FALSE WHERE team = $1 AND id = $2",
            &[&team, &id],
        )
        .await?;
    found(changed, || format!("endpoint `{id}`"))?;
    touch(&transaction).await?;
    transaction.commit().await.map_err(super::outcome)
}

/// The columns of an endpoint, for [`endpoint_in`].
const ENDPOINT_COLUMNS: &str = "endpoints.id, teams.id, source, active, token_hash, token, secret, old_secret,
    old_secret_until, max_body_bytes, endpoints.created_at FROM endpoints JOIN teams ON teams.number = endpoints.team";

fn endpoint_in(row: &Row) -> Result<EndpointRecord> {
    let old_secret: Option<Vec<u8>> = column(row, 7)?;
    let old_secret_until: Option<Millis> = column(row, 8)?;
    let max_body_bytes: Option<i64> = column(row, 9)?;
    Ok(EndpointRecord {
        id: column(row, 0)?,
        team: parsed(column(row, 1)?, TeamId::try_from)?,
        source: parsed(column(row, 2)?, |text| SourceSlug::parse(&text))?,
        active: column(row, 3)?,
        token_hash: parsed(column(row, 4)?, |text| text.parse::<KeyHash>())?,
        token: column(row, 5)?,
        secret: column(row, 6)?,
        old_secret: old_secret.zip(old_secret_until),
        max_body_bytes: max_body_bytes.map(unsigned),
        created_at: column(row, 10)?,
    })
}

async fn stored_endpoint(
    client: &impl GenericClient,
    team: &TeamId,
    source: &SourceSlug,
) -> Result<EndpointRecord> {
    find_endpoint(client, team, source)
        .await?
        .ok_or_else(|| StoreError::NotFound(format!("endpoint for `{source}`")))
}

pub(super) async fn find_endpoint(
    client: &impl GenericClient,
    team: &TeamId,
    source: &SourceSlug,
) -> Result<Option<EndpointRecord>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {ENDPOINT_COLUMNS} WHERE teams.id = $1 AND source = $2"
        ))
        .await?;
    let row = client
        .query_opt(&select, &[&team.as_str(), &source.as_str()])
        .await?;
    row.as_ref().map(endpoint_in).transpose()
}

pub(super) async fn endpoints(client: &Object, team: &TeamId) -> Result<Vec<EndpointRecord>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {ENDPOINT_COLUMNS} WHERE teams.id = $1 ORDER BY source"
        ))
        .await?;
    let rows = client.query(&select, &[&team.as_str()]).await?;
    rows.iter().map(endpoint_in).collect()
}
