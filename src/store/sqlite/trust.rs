//! Whom teams trust, as far as commands said so.

use rusqlite::{Connection, Row, Transaction, params};

use super::{access, parsed, team_number};
use crate::protocol::id::TeamId;
use crate::store::Result;
use crate::store::openintent::TrustedRecord;

fn server_in(row: &Row<'_>) -> rusqlite::Result<TrustedRecord> {
    Ok(TrustedRecord {
        team: parsed(row, 0, TeamId::try_from)?,
        url: row.get(1)?,
        given_url: row.get(2)?,
        relationship: row.get(3)?,
        trust_policy: row.get(4)?,
        did: row.get(5)?,
        api_key: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

pub(super) fn servers(connection: &Connection, team: &TeamId) -> Result<Vec<TrustedRecord>> {
    let found = connection
        .prepare_cached(
            "SELECT teams.id, url, given_url, relationship, trusted_servers.trust_policy, did, api_key,
                    trusted_servers.created_at, updated_at
             FROM trusted_servers JOIN teams ON teams.number = trusted_servers.team WHERE teams.id = ?1 ORDER BY url",
        )?
        .query_map([team.as_str()], server_in)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

pub(super) fn put(transaction: &Transaction<'_>, server: &TrustedRecord) -> Result<()> {
    transaction.execute(
        "INSERT INTO trusted_servers (team, url, given_url, relationship, trust_policy, did, api_key, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (team, url) DO UPDATE
         SET given_url = excluded.given_url, relationship = excluded.relationship, trust_policy = excluded.trust_policy,
             did = excluded.did, api_key = excluded.api_key, updated_at = excluded.updated_at",
        params![
            team_number(transaction, &server.team)?,
            server.url,
            server.given_url,
            server.relationship,
            server.trust_policy,
            server.did,
            server.api_key,
            server.created_at,
            server.updated_at
        ],
    )?;
    access::touch(transaction)
}

pub(super) fn remove(transaction: &Transaction<'_>, team: &TeamId, url: &str) -> Result<bool> {
    let removed = transaction.execute(
        "DELETE FROM trusted_servers WHERE team = ?1 AND url = ?2",
        params![team_number(transaction, team)?, url],
    )?;
    access::touch(transaction)?;
    Ok(removed > 0)
}

pub(super) fn teams_trusting(connection: &Connection, url: &str) -> Result<Vec<TeamId>> {
    let found = connection
        .prepare_cached(
            "SELECT teams.id FROM trusted_servers JOIN teams ON teams.number = trusted_servers.team
             WHERE url = ?1 ORDER BY trusted_servers.created_at, teams.number",
        )?
        .query_map([url], |row| parsed(row, 0, TeamId::try_from))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

pub(super) fn policy(connection: &Connection, team: &TeamId) -> Result<Option<String>> {
    let number = team_number(connection, team)?;
    let policy = connection
        .prepare_cached("SELECT trust_policy FROM teams WHERE number = ?1")?
        .query_row([number], |row| row.get(0))?;
    Ok(policy)
}

pub(super) fn put_policy(
    transaction: &Transaction<'_>,
    team: &TeamId,
    policy: Option<&str>,
) -> Result<()> {
    transaction.execute(
        "UPDATE teams SET trust_policy = ?2 WHERE number = ?1",
        params![team_number(transaction, team)?, policy],
    )?;
    access::touch(transaction)
}
