//! The keys that this instance signs with.

use rusqlite::{Connection, Transaction, params};

use super::access;
use crate::store::Result;
use crate::store::openintent::SigningKeyRecord;
use crate::store::record::Millis;

pub(super) fn live(connection: &Connection, now: Millis) -> Result<Vec<SigningKeyRecord>> {
    let found = connection
        .prepare_cached(
            "SELECT number, seed, created_at, retires_at FROM signing_keys
             WHERE retires_at IS NULL OR retires_at > ?1 ORDER BY number",
        )?
        .query_map([now], |row| {
            Ok(SigningKeyRecord {
                number: row.get(0)?,
                seed: row.get(1)?,
                created_at: row.get(2)?,
                retires_at: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

pub(super) fn add(
    transaction: &Transaction<'_>,
    key: &SigningKeyRecord,
    old_until: Millis,
) -> Result<Vec<SigningKeyRecord>> {
    let added = transaction.execute(
        "INSERT INTO signing_keys (number, seed, created_at, retires_at)
         SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE number >= ?1)",
        params![key.number, key.seed, key.created_at, key.retires_at],
    )?;
    if added > 0 {
        transaction.execute(
            "UPDATE signing_keys SET retires_at = ?2 WHERE number < ?1 AND retires_at IS NULL",
            params![key.number, old_until],
        )?;
        transaction.execute(
            "DELETE FROM signing_keys WHERE number < ?1 AND retires_at <= ?2",
            params![key.number, key.created_at],
        )?;
        access::touch(transaction)?;
    }
    live(transaction, key.created_at)
}
