//! The instance and its teams.

use rusqlite::{Connection, Transaction, params};

use super::append::key;
use super::{access, parsed, signed, team_number, unsigned};
use crate::protocol::id::TeamId;
use crate::store::limits::MAX_SEQ;
use crate::store::record::{Counts, Identity, KeyRecord, Millis, QuotaStanding, TeamRecord};
use crate::store::{Result, StoreError};

pub(super) fn instance(transaction: &Transaction<'_>, identity: Identity) -> Result<String> {
    let Identity {
        wanted,
        fresh,
        secret_check,
        now,
    } = identity;
    let new = wanted.as_ref().unwrap_or(&fresh);
    transaction.execute(
        "INSERT INTO instance (id, instance_id, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
        params![new, now],
    )?;
    transaction.execute(
        "UPDATE instance SET secret_check = ?1 WHERE secret_check IS NULL",
        [secret_check],
    )?;
    let (stored, check): (String, [u8; 32]) = transaction.query_row(
        "SELECT instance_id, secret_check FROM instance",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if check != secret_check {
        return Err(StoreError::OtherSecretKey);
    }
    match wanted {
        Some(given) if given != stored => Err(StoreError::OtherInstance { stored, given }),
        _ => Ok(stored),
    }
}

pub(super) fn identity_key(transaction: &Transaction<'_>, fresh: &[u8]) -> Result<Vec<u8>> {
    transaction.execute(
        "UPDATE instance SET identity_key = ?1 WHERE identity_key IS NULL",
        [fresh],
    )?;
    let select = "SELECT identity_key FROM instance";
    Ok(transaction.query_row(select, [], |row| row.get(0))?)
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
    access::create_key(transaction, first_key)
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

/// Where teams stand with their quota; see [`crate::store::Store::quota_standings`].
pub(super) fn quota_standings(
    connection: &Connection,
    month: &str,
    events_limit: Option<u64>,
) -> Result<Vec<QuotaStanding>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, used, quota_told
         FROM (SELECT id, CASE WHEN usage_month >= ?1 THEN events_used ELSE 0 END AS used, quota_told FROM teams)
         WHERE quota_told OR used >= ?2",
    )?;
    let rows = statement.query_map(params![month, events_limit.map(signed)], |row| {
        Ok(QuotaStanding {
            team: parsed(row, 0, TeamId::try_from)?,
            events_used: unsigned(row.get(1)?),
            is_told: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
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
