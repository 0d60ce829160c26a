//! The instance, teams, keys, endpoints and agents.

use deadpool_postgres::{GenericClient, Object, Transaction};
use tokio_postgres::Row;

use super::{column, digest, found, json, parsed, signed, unsigned};
use crate::protocol::id::{AgentId, SourceSlug, TeamId};
use crate::store::record::{
    AgentRecord, Counts, EndpointDraft, EndpointRecord, Identity, Keeps, KeyHash, KeyRecord,
    Millis, QuotaStanding, TeamRecord,
};
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
    insert_key(&transaction, column(&row, 0)?, first_key).await?;
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

pub(super) async fn create_key(client: &mut Object, team: i64, key: &KeyRecord) -> Result<()> {
    let transaction = client.transaction().await?;
    insert_key(&transaction, team, key).await?;
    transaction.commit().await.map_err(super::outcome)
}

async fn insert_key(transaction: &Transaction<'_>, team: i64, key: &KeyRecord) -> Result<()> {
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
