//! The keys that this instance signs with.

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::access::touch;
use super::column;
use crate::store::openintent::SigningKeyRecord;
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

fn key_in(row: &Row) -> Result<SigningKeyRecord> {
    let number: i32 = column(row, 0)?;
    let broken = |_| StoreError::Failed(format!("`{number}` is no number of a key"));
    Ok(SigningKeyRecord {
        number: u32::try_from(number).map_err(broken)?,
        seed: column(row, 1)?,
        created_at: column(row, 2)?,
        retires_at: column(row, 3)?,
    })
}

pub(super) async fn live(client: &Object, now: Millis) -> Result<Vec<SigningKeyRecord>> {
    let select = client
        .prepare_cached(
            "SELECT number, seed, created_at, retires_at FROM signing_keys
             WHERE retires_at IS NULL OR retires_at > $1 ORDER BY number",
        )
        .await?;
    let rows = client.query(&select, &[&now]).await?;
    rows.iter().map(key_in).collect()
}

pub(super) async fn add(
    client: &mut Object,
    key: &SigningKeyRecord,
    old_until: Millis,
) -> Result<Vec<SigningKeyRecord>> {
    let too_high = |_| StoreError::Failed(format!("no key has a number like `{}`", key.number));
    let number = i32::try_from(key.number).map_err(too_high)?;
    let transaction = client.transaction().await?;
    // Nodes that make the next key at the same time come one after the other.
    transaction
        .execute("SELECT FROM instance FOR UPDATE", &[])
        .await?;
    let added = transaction
        .execute(
            "INSERT INTO signing_keys (number, seed, created_at, retires_at)
             SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM signing_keys WHERE number >= $1)",
            &[&number, &key.seed, &key.created_at, &key.retires_at],
        )
        .await?;
    if added > 0 {
        transaction
            .execute(
                "UPDATE signing_keys SET retires_at = $2 WHERE number < $1 AND retires_at IS NULL",
                &[&number, &old_until],
            )
            .await?;
        transaction
            .execute(
                "DELETE FROM signing_keys WHERE number < $1 AND retires_at <= $2",
                &[&number, &key.created_at],
            )
            .await?;
        touch(&transaction).await?;
    }
    transaction.commit().await.map_err(super::outcome)?;
    live(client, key.created_at).await
}
