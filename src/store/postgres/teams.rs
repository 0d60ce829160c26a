//! The instance and its teams.

use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::Row;

use super::{access, column, digest, parsed, signed, unsigned};
use crate::protocol::id::TeamId;
use crate::store::record::{Counts, Identity, KeyRecord, Millis, QuotaStanding, TeamRecord};
use crate::store::{Result, StoreError};

pub(super) async fn instance(client: &mut Object, identity: Identity) -> Result<String> {
    let Identity {
        wanted,
        fresh,
        secret_check,
        now,
    } = identity;
    let new = wanted.as_ref().unwrap_or(&fresh);
    // Two statements: the second sees what another node has made while the first waited for it.
    client
        .execute(
            "INSERT INTO instance (id, instance_id, created_at, secret_check) VALUES (1, $1, $2, $3)
             ON CONFLICT DO NOTHING",
            &[new, &now, &&secret_check[..]],
        )
        .await?;
    let row = client
        .query_one("SELECT instance_id, secret_check FROM instance", &[])
        .await?;
    let stored: String = column(&row, 0)?;
    if digest(&row, 1)? != secret_check {
        return Err(StoreError::OtherSecretKey);
    }
    match wanted {
        Some(given) if given != stored => Err(StoreError::OtherInstance { stored, given }),
        _ => Ok(stored),
    }
}

pub(super) async fn identity_key(client: &Object, fresh: &[u8]) -> Result<Vec<u8>> {
    // Two statements: the second sees what another node has kept while the first waited for it.
    client
        .execute(
            "UPDATE instance SET identity_key = $1 WHERE identity_key IS NULL",
            &[&fresh],
        )
        .await?;
    let row = client
        .query_one("SELECT identity_key FROM instance", &[])
        .await?;
    column(&row, 0)
}

pub(super) async fn create_team(
    client: &mut Object,
    team: &TeamId,
    first_key: &KeyRecord,
) -> Result<()> {
    let transaction = client.transaction().await?;
    let row = transaction
        .query_opt(
            "INSERT INTO teams (id, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING number",
            &[&team.as_str(), &first_key.created_at],
        )
        .await?;
    let row = row.ok_or_else(|| StoreError::Exists(format!("team `{team}`")))?;
    access::insert_key(&transaction, column(&row, 0)?, first_key).await?;
    transaction.commit().await.map_err(super::outcome)
}

pub(super) async fn teams(client: &Object) -> Result<Vec<TeamRecord>> {
    let rows = client
        .query(
            "SELECT id, created_at, last_seq FROM teams ORDER BY id",
            &[],
        )
        .await?;
    let team = |row: &Row| {
        Ok(TeamRecord {
            id: parsed(column(row, 0)?, TeamId::try_from)?,
            created_at: column(row, 1)?,
            last_seq: unsigned(column(row, 2)?),
        })
    };
    rows.iter().map(team).collect()
}

/// Where teams stand with their quota; see [`crate::store::Store::quota_standings`].
pub(super) async fn quota_standings(
    client: &Object,
    month: &str,
    events_limit: Option<u64>,
) -> Result<Vec<QuotaStanding>> {
    let select = client
        .prepare_cached(
            "SELECT id, used, quota_told
             FROM (SELECT id, CASE WHEN usage_month >= $1 THEN events_used ELSE 0 END AS used, quota_told FROM teams)
                  AS standing
             WHERE quota_told OR used >= $2",
        )
        .await?;
    let rows = client
        .query(&select, &[&month, &events_limit.map(signed)])
        .await?;
    let standing = |row: &Row| {
        Ok(QuotaStanding {
            team: parsed(column(row, 0)?, TeamId::try_from)?,
            events_used: unsigned(column(row, 1)?),
            is_told: column(row, 2)?,
        })
    };
    rows.iter().map(standing).collect()
}

pub(super) async fn counts(
    client: &Object,
    team: &TeamId,
    number: i64,
    since: Millis,
    now: Millis,
) -> Result<Counts> {
    let before = super::read::seq_before(client, team, number, since).await?;
    let select = client
        .prepare_cached(
            "SELECT (SELECT count(*) FROM events WHERE team = $1 AND seq > $2),
                    (SELECT count(*) FROM endpoints WHERE team = $1 AND active),
                    (SELECT count(*) FROM keys
                     WHERE team = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3))",
        )
        .await?;
    let row = client
        .query_one(&select, &[&number, &signed(before), &now])
        .await?;
    Ok(Counts {
        events_since: unsigned(column(&row, 0)?),
        active_endpoints: unsigned(column(&row, 1)?),
        live_keys: unsigned(column(&row, 2)?),
    })
}
