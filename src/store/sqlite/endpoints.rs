//! The endpoints that webhooks come to.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::access::touch;
use super::{parsed, signed, team_number, unsigned};
use crate::protocol::id::{SourceSlug, TeamId};
use crate::store::record::{EndpointDraft, EndpointRecord, Keeps, KeyHash, Millis};
use crate::store::{Result, StoreError};

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
