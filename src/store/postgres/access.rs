//! Keys, and the number that tells of changes of access.

use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio_postgres::Row;

use super::{column, found, json, parsed, unsigned};
use crate::protocol::id::TeamId;
use crate::store::record::{KeyHash, KeyRecord, Millis};
use crate::store::{Result, StoreError};

/// Tells every node that a key or endpoint has changed.
pub(super) async fn touch(transaction: &Transaction<'_>) -> Result<()> {
    transaction
        .execute(
            "UPDATE instance SET access_version = access_version + 1",
            &[],
        )
        .await?;
    Ok(())
}

pub(super) async fn create_key(client: &mut Object, team: i64, key: &KeyRecord) -> Result<()> {
    let transaction = client.transaction().await?;
    insert_key(&transaction, team, key).await?;
    transaction.commit().await.map_err(super::outcome)
}

pub(super) async fn insert_key(
    transaction: &Transaction<'_>,
    team: i64,
    key: &KeyRecord,
) -> Result<()> {
    let new = transaction
        .execute(
            "INSERT INTO keys (id, team, prefix, hash, name, scopes, permissions, created_at, expires_at, revoked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
            &[
                &key.id,
                &team,
                &key.prefix,
                &key.hash.to_string(),
                &key.name,
                &json(&key.scopes)?,
                &json(&key.permissions)?,
                &key.created_at,
                &key.expires_at,
                &key.revoked_at,
            ],
        )
        .await?;
    if new == 0 {
        return Err(StoreError::Exists(format!(
            "a key with the prefix `{}`",
            key.prefix
        )));
    }
    touch(transaction).await
}

/// The columns of a key, for [`key_in`].
const KEY_COLUMNS: &str =
    "keys.id, teams.id, prefix, hash, name, scopes, permissions, keys.created_at, expires_at,
    revoked_at, last_used_at FROM keys JOIN teams ON teams.number = keys.team";

fn key_in(row: &Row) -> Result<KeyRecord> {
    Ok(KeyRecord {
        id: column(row, 0)?,
        team: parsed(column(row, 1)?, TeamId::try_from)?,
        prefix: column(row, 2)?,
        hash: parsed(column(row, 3)?, |text| text.parse::<KeyHash>())?,
        name: column(row, 4)?,
        scopes: parsed(column(row, 5)?, |text| serde_json::from_str(&text))?,
        permissions: parsed(column(row, 6)?, |text| serde_json::from_str(&text))?,
        created_at: column(row, 7)?,
        expires_at: column(row, 8)?,
        revoked_at: column(row, 9)?,
        last_used_at: column(row, 10)?,
    })
}

pub(super) async fn find_key(client: &Object, prefix: &str) -> Result<Option<KeyRecord>> {
    let select = client
        .prepare_cached(&format!("SELECT {KEY_COLUMNS} WHERE prefix = $1"))
        .await?;
    let row = client.query_opt(&select, &[&prefix]).await?;
    row.as_ref().map(key_in).transpose()
}

pub(super) async fn keys(client: &Object, team: i64) -> Result<Vec<KeyRecord>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {KEY_COLUMNS} WHERE keys.team = $1 ORDER BY keys.created_at, keys.id"
        ))
        .await?;
    let rows = client.query(&select, &[&team]).await?;
    rows.iter().map(key_in).collect()
}

pub(super) async fn use_keys(client: &Object, used: &[(String, Millis)]) -> Result<()> {
    // In one order on all nodes: of two that want the same rows, one waits, and not each for the other.
    let mut used: Vec<_> = used.iter().collect();
    used.sort_unstable();
    let (prefixes, times): (Vec<&str>, Vec<Millis>) = used
        .into_iter()
        .map(|(prefix, time)| (prefix.as_str(), *time))
        .unzip();
    let update = client
        .prepare_cached(
            "UPDATE keys SET last_used_at = greatest(keys.last_used_at, used.at)
             FROM unnest($1::text[], $2::bigint[]) AS used (prefix, at) WHERE keys.prefix = used.prefix",
        )
        .await?;
    client.execute(&update, &[&prefixes, &times]).await?;
    Ok(())
}

pub(super) async fn revoke_key(
    client: &mut Object,
    team: Option<i64>,
    id: &str,
    now: Millis,
) -> Result<()> {
    let transaction = client.transaction().await?;
    let revoked = transaction
        .execute(
            "UPDATE keys SET revoked_at = coalesce(revoked_at, $2)
             WHERE id = $1 AND ($3::bigint IS NULL OR team = $3)",
            &[&id, &now, &team],
        )
        .await?;
    found(revoked, || format!("key `{id}`"))?;
    touch(&transaction).await?;
    transaction.commit().await.map_err(super::outcome)
}

pub(super) async fn rehash_key(client: &mut Object, id: &str, hash: &KeyHash) -> Result<()> {
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "UPDATE keys SET hash = $2 WHERE id = $1",
            &[&id, &hash.to_string()],
        )
        .await?;
    touch(&transaction).await?;
    transaction.commit().await.map_err(super::outcome)
}

pub(super) async fn access_version(client: &Object) -> Result<u64> {
    let select = client
        .prepare_cached("SELECT access_version FROM instance")
        .await?;
    let row = client.query_one(&select, &[]).await?;
    Ok(unsigned(column(&row, 0)?))
}
