//! Keys, and the number that tells of changes of access.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{parsed, team_number};
use crate::protocol::id::TeamId;
use crate::store::record::{KeyHash, KeyRecord, Millis};
use crate::store::{Result, StoreError};

/// Tells every server that a key or endpoint has changed.
pub(super) fn touch(transaction: &Transaction<'_>) -> Result<()> {
    transaction.execute(
        "UPDATE instance SET access_version = access_version + 1",
        [],
    )?;
    Ok(())
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

/// The columns of a key, for [`key_in`].
const KEY_COLUMNS: &str =
    "keys.id, teams.id, prefix, hash, name, scopes, permissions, keys.created_at, expires_at,
    revoked_at, last_used_at FROM keys JOIN teams ON teams.number = keys.team";

fn key_in(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
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
        last_used_at: row.get(10)?,
    })
}

pub(super) fn find_key(connection: &Connection, prefix: &str) -> Result<Option<KeyRecord>> {
    let key = connection
        .prepare_cached(&format!("SELECT {KEY_COLUMNS} WHERE prefix = ?1"))?
        .query_row([prefix], key_in)
        .optional()?;
    Ok(key)
}

pub(super) fn keys(connection: &Connection, team: &TeamId) -> Result<Vec<KeyRecord>> {
    let number = team_number(connection, team)?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {KEY_COLUMNS} WHERE keys.team = ?1 ORDER BY keys.created_at, keys.id"
    ))?;
    let rows = statement.query_map([number], key_in)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn use_keys(transaction: &Transaction<'_>, used: &[(String, Millis)]) -> Result<()> {
    let mut update = transaction.prepare_cached(
        "UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE prefix = ?1",
    )?;
    for (prefix, time) in used {
        update.execute(params![prefix, time])?;
    }
    Ok(())
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
