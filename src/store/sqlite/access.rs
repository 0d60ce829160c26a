//! The instance, teams, keys, endpoints and agents.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::append::key;
use super::{parsed, signed, team_number, unsigned};
use crate::protocol::id::{AgentId, SourceSlug, TeamId};
use crate::store::limits::MAX_SEQ;
use crate::store::record::{
    AgentRecord, Counts, EndpointDraft, EndpointRecord, Identity, Keeps, KeyHash, KeyRecord,
    Millis, QuotaStanding, TeamRecord,
};
use crate::store::{Result, StoreError};

/// Tells every server that a key or endpoint has changed.
pub(super) fn touch(transaction: &Transaction<'_>) -> Result<()> {
    transaction.execute(
        "UPDATE instance SET access_version = access_version + 1",
        [],
    )?;
    Ok(())
}

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
    create_key(transaction, first_key)
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

pub(super) fn put_endpoint(
    transaction: &Transaction<'_>,
    draft: &EndpointDraft,
) -> Result<EndpointRecord> {
    let team = team_number(transaction, &draft.team)?;
    let max_body_bytes = draft.max_body_bytes.map(signed);
    transaction.execute(
        "INSERT INTO endpoints (id, team, source, active, token_hash, token, secret, max_body_bytes, created_at)
         VALUES (?1, ?2, ?3, TRUE, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (team, source) DO UPDATE SET
             active = TRUE,
             token_hash = ?4,
             token = ?5,
             old_secret = CASE WHEN ?6 IS NULL THEN old_secret ELSE secret END,
             old_secret_until = CASE WHEN ?6 IS NULL THEN old_secret_until ELSE ?9 END,
             secret = coalesce(?6, secret),
             max_body_bytes = coalesce(?7, max_body_bytes)
         WHERE NOT (?10 AND active AND token IS NOT NULL AND secret IS NOT NULL) AND NOT ?11",
        params![
            draft.id,
            team,
            draft.source.as_str(),
            draft.token_hash.to_string(),
            draft.token,
            draft.secret,
            max_body_bytes,
            draft.now,
            draft.old_secret_until,
            draft.keeps == Keeps::Complete,
            draft.keeps == Keeps::All
        ],
    )?;
    touch(transaction)?;
    stored_endpoint(transaction, &draft.team, &draft.source)
}

pub(super) fn rotate_secret(
    transaction: &Transaction<'_>,
    team: &TeamId,
    source: &SourceSlug,
    secret: &[u8],
    old_secret_until: Millis,
) -> Result<EndpointRecord> {
    let number = team_number(transaction, team)?;
    transaction.execute(
        "UPDATE endpoints SET old_secret = secret, old_secret_until = ?4, secret = ?3 WHERE team = ?1 AND source = ?2",
        params![number, source.as_str(), secret, old_secret_until],
    )?;
    touch(transaction)?;
    stored_endpoint(transaction, team, source)
}

pub(super) fn deactivate_endpoint(
    transaction: &Transaction<'_>,
    team: &TeamId,
    id: &str,
) -> Result<()> {
    let number = team_number(transaction, team)?;
    let found = transaction.execute(
        "UPDATE endpoints SET active = FALSE WHERE team = ?1 AND id = ?2",
        params![number, id],
    )?;
    if found == 0 {
        return Err(StoreError::NotFound(format!("endpoint `{id}`")));
    }
    touch(transaction)
}

/// The columns of an endpoint, for [`endpoint_in`].
const ENDPOINT_COLUMNS: &str = "endpoints.id, teams.id, source, active, token_hash, token, secret, old_secret,
    old_secret_until, max_body_bytes, endpoints.created_at FROM endpoints JOIN teams ON teams.number = endpoints.team";

fn endpoint_in(row: &Row<'_>) -> rusqlite::Result<EndpointRecord> {
    let old_secret: Option<Vec<u8>> = row.get(7)?;
    let old_secret_until: Option<Millis> = row.get(8)?;
    let max_body_bytes: Option<i64> = row.get(9)?;
    Ok(EndpointRecord {
        id: row.get(0)?,
        team: parsed(row, 1, TeamId::try_from)?,
        source: parsed(row, 2, |text: String| SourceSlug::parse(&text))?,
        active: row.get(3)?,
        token_hash: parsed(row, 4, |text: String| text.parse::<KeyHash>())?,
        token: row.get(5)?,
        secret: row.get(6)?,
        old_secret: old_secret.zip(old_secret_until),
        max_body_bytes: max_body_bytes.map(unsigned),
        created_at: row.get(10)?,
    })
}

fn stored_endpoint(
    connection: &Connection,
    team: &TeamId,
    source: &SourceSlug,
) -> Result<EndpointRecord> {
    find_endpoint(connection, team, source)?
        .ok_or_else(|| StoreError::NotFound(format!("endpoint for `{source}`")))
}

pub(super) fn find_endpoint(
    connection: &Connection,
    team: &TeamId,
    source: &SourceSlug,
) -> Result<Option<EndpointRecord>> {
    let endpoint = connection
        .prepare_cached(&format!(
            "SELECT {ENDPOINT_COLUMNS} WHERE teams.id = ?1 AND source = ?2"
        ))?
        .query_row(params![team.as_str(), source.as_str()], endpoint_in)
        .optional()?;
    Ok(endpoint)
}

pub(super) fn endpoints(connection: &Connection, team: &TeamId) -> Result<Vec<EndpointRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {ENDPOINT_COLUMNS} WHERE teams.id = ?1 ORDER BY source"
    ))?;
    let rows = statement.query_map([team.as_str()], endpoint_in)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

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
