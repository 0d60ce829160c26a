//! Peers and the labels of minted tokens.
//!
//! A change is made to what it was judged by: peers are read together with their version, and the statement that writes
//! does so only where the version is still that one. So no lock outlasts a statement, and an append, which decides by the
//! same version, never misses a change.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::storable;
use super::{column, digest, parsed, unsigned};
use crate::protocol::federation::PeerKind;
use crate::protocol::id::TeamId;
use crate::store::federation::{
    InboundToken, NewPeer, PeerNumber, PeerRecord, PeerUpdate, TokenRecord,
};
use crate::store::peers::{Peers, scopes_text, stored_kind, stored_scopes, stored_status};
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

/// The columns of a peer, for [`peer_in`].
pub(super) const COLUMNS: &str = "peers.number, peers.id, teams.id, peers.name, peers.instance_id, peers.status, hook_url, scopes,
    max_hops, rate_limit_per_sec, outbound_token, inbound_index, inbound_hash, old_inbound_index, old_inbound_hash,
    old_inbound_until, peers.created_at, updated_at, peers.identity_key, peers.kind, discovery";

/// How many columns that are.
pub(super) const COLUMNS_COUNT: usize = 21;

/// How often a change is tried again because others changed the team's peers meanwhile.
pub(super) const CHANGES_MAX: usize = 10;

/// A count that was stored and is small.
pub(super) fn small(row: &Row, index: usize) -> Result<u32> {
    Ok(u32::try_from(column::<i64>(row, index)?).unwrap_or(u32::MAX))
}

pub(super) fn peer_in(row: &Row) -> Result<PeerRecord> {
    let old_inbound = match (column(row, 14)?, column(row, 15)?) {
        (Some(hash), Some(until)) => {
            let index = digest(row, 13)?;
            Some((InboundToken { index, hash }, until))
        }
        _ => None,
    };
    Ok(PeerRecord {
        number: column(row, 0)?,
        id: column(row, 1)?,
        team: parsed(column(row, 2)?, TeamId::try_from)?,
        name: column(row, 3)?,
        instance_id: column(row, 4)?,
        status: stored_status(column(row, 5)?)?,
        hook_url: column(row, 6)?,
        scopes: stored_scopes(column(row, 7)?)?,
        max_hops: unsigned(column(row, 8)?),
        rate_limit_per_sec: small(row, 9)?,
        outbound_token: column(row, 10)?,
        inbound: InboundToken {
            index: digest(row, 11)?,
            hash: column(row, 12)?,
        },
        old_inbound,
        created_at: column(row, 16)?,
        updated_at: column(row, 17)?,
        identity_key: match column::<Option<&[u8]>>(row, 18)? {
            Some(_) => Some(digest(row, 18)?),
            None => None,
        },
        kind: stored_kind(column(row, 19)?)?,
        discovery: column(row, 20)?,
    })
}

async fn peers_where(
    client: &Object,
    condition: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<PeerRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM peers JOIN teams ON teams.number = peers.team
         WHERE peers.status <> 'deleted' AND {condition} ORDER BY peers.number"
    );
    let select = client.prepare_cached(&sql).await?;
    let rows = client.query(&select, values).await?;
    rows.iter().map(peer_in).collect()
}

/// A team's peers; see [`crate::store::federation::FederationStore::peers`].
pub(super) async fn peers(client: &Object, team: &TeamId) -> Result<Vec<PeerRecord>> {
    peers_where(client, "teams.id = $1", &[&team.as_str()]).await
}

/// See [`crate::store::federation::FederationStore::paperclips`].
pub(super) async fn paperclips(client: &Object) -> Result<Vec<PeerRecord>> {
    peers_where(client, "peers.kind = $1", &[&PeerKind::Paperclip.word()]).await
}

/// See [`crate::store::federation::FederationStore::teams_without_paperclip`].
pub(super) async fn teams_without_paperclip(client: &Object) -> Result<Vec<TeamId>> {
    let select = client
        .prepare_cached(
            "SELECT id FROM teams WHERE NOT EXISTS (
                 SELECT 1 FROM peers WHERE team = teams.number AND kind = $1 AND status <> 'deleted')
             ORDER BY number",
        )
        .await?;
    let rows = client
        .query(&select, &[&PeerKind::Paperclip.word()])
        .await?;
    rows.iter()
        .map(|row| parsed(column(row, 0)?, TeamId::try_from))
        .collect()
}

pub(super) async fn find(client: &Object, team: &TeamId, id: &str) -> Result<Option<PeerRecord>> {
    let condition = "teams.id = $1 AND peers.id = $2";
    let found = peers_where(client, condition, &[&team.as_str(), &storable(id)]).await?;
    Ok(found.into_iter().next())
}

/// The peer that a token is for; see [`crate::store::federation::FederationStore::peer_by_token`].
pub(super) async fn by_token(
    client: &Object,
    team: &TeamId,
    index: &[u8; 32],
) -> Result<Option<PeerRecord>> {
    let condition = "teams.id = $1 AND (inbound_index = $2 OR old_inbound_index = $2)";
    let found = peers_where(client, condition, &[&team.as_str(), &&index[..]]).await?;
    Ok(PeerRecord::owner(found, index))
}

/// A team's peers and their version, as of one moment.
pub(super) async fn versioned(client: &Object, team: &TeamId) -> Result<Peers> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, peers_version
             FROM teams LEFT JOIN peers ON peers.team = teams.number AND peers.status <> 'deleted'
             WHERE teams.id = $1 ORDER BY peers.number"
        ))
        .await?;
    let rows = client.query(&select, &[&team.as_str()]).await?;
    let first = rows
        .first()
        .ok_or_else(|| StoreError::NotFound(format!("team `{team}`")))?;
    let version = column(first, COLUMNS_COUNT)?;
    let mut peers = Vec::with_capacity(rows.len());
    for row in &rows {
        if column::<Option<i64>>(row, 0)?.is_some() {
            peers.push(peer_in(row)?);
        }
    }
    Ok(Peers { version, peers })
}

/// What redeems an invitation together with the change of a peer.
pub(super) struct Taken<'a> {
    /// The invitation's id.
    pub(super) invite: &'a str,
    /// Who redeems it.
    pub(super) key: &'a [u8],
    /// The peer that comes of it, or is changed.
    pub(super) peer: &'a str,
    /// When.
    pub(super) now: Millis,
}

impl<'a> Taken<'a> {
    /// The values of [`judged_team`] behind those of the statement.
    fn values(&'a self) -> [&'a (dyn ToSql + Sync); 4] {
        [&self.invite, &self.key, &self.peer, &self.now]
    }
}

/// The part of a statement that lets the rest of it happen only to what it was judged by: `team` has a row where the
/// peers are still those of that version and, if there is one, the invitation is still there and nobody else's. The
/// values of that follow the `count` values of the statement.
fn judged_team(is_taken: bool, count: usize) -> String {
    let judged = "UPDATE teams SET peers_version = peers_version + 1 WHERE id = $1 AND peers_version = $2 RETURNING number";
    if !is_taken {
        return format!("team AS ({judged})");
    }
    let [invite, key, peer, now] = [1, 2, 3, 4].map(|nth| count + nth);
    format!(
        "judged AS ({judged}), team AS (
             UPDATE invites SET joiner_key = ${key}, peer_id = ${peer}, redeemed_at = COALESCE(redeemed_at, ${now})
             FROM judged
             WHERE invites.id = ${invite} AND invites.team = judged.number
                   AND (joiner_key IS NULL OR joiner_key = ${key} AND peer_id = ${peer})
             RETURNING invites.team AS number
         )"
    )
}

pub(super) async fn create(client: &Object, new: NewPeer) -> Result<PeerRecord> {
    for _ in 0..CHANGES_MAX {
        let known = versioned(client, &new.team).await?;
        if let Some(number) = insert(client, &known, &new, None).await? {
            return Ok(new.numbered(number));
        }
    }
    Err(crowded())
}

/// Makes a peer beside those that are known; nothing where they are others by now.
pub(super) async fn insert(
    client: &Object,
    known: &Peers,
    new: &NewPeer,
    taken: Option<Taken<'_>>,
) -> Result<Option<PeerNumber>> {
    known.check_new(new)?;
    let (scopes, rate) = (scopes_text(&new.scopes), i64::from(new.rate_limit_per_sec));
    let (team, max_hops) = (new.team.as_str(), super::signed(new.max_hops));
    let (index, key) = (
        &new.inbound.index[..],
        new.identity_key.as_ref().map(|key| &key[..]),
    );
    let kind = new.kind.word();
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![
        &team,
        &known.version,
        &new.id,
        &new.name,
        &new.instance_id,
        &new.hook_url,
        &scopes,
        &max_hops,
        &rate,
        &new.outbound_token,
        &index,
        &new.inbound.hash,
        &new.now,
        &key,
        &kind,
        &new.discovery,
    ];
    let sql = format!(
        "WITH {}, peer AS (
             INSERT INTO peers (id, team, name, instance_id, status, hook_url, scopes, max_hops, rate_limit_per_sec,
                                outbound_token, inbound_index, inbound_hash, created_at, updated_at, identity_key, kind,
                                discovery)
             SELECT $3, number, $4, $5, 'active', $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16 FROM team
             RETURNING number
         )
         INSERT INTO peer_states (peer) SELECT number FROM peer RETURNING peer",
        judged_team(taken.is_some(), values.len())
    );
    values.extend(taken.iter().flat_map(Taken::values));
    let insert = client.prepare_cached(&sql).await?;
    let row = client.query_opt(&insert, &values).await?;
    row.map(|row| column(&row, 0)).transpose()
}

pub(super) async fn update(
    client: &Object,
    team: &TeamId,
    id: &str,
    update: PeerUpdate,
    now: Millis,
) -> Result<PeerRecord> {
    for _ in 0..CHANGES_MAX {
        let known = versioned(client, team).await?;
        let peer = known.changed(id, update.clone(), now)?;
        if write(client, &known, &peer, None).await? {
            return Ok(peer);
        }
    }
    Err(crowded())
}

/// Writes a peer that is changed; says whether it was, which it is not where the peers are others by now.
pub(super) async fn write(
    client: &Object,
    known: &Peers,
    peer: &PeerRecord,
    taken: Option<Taken<'_>>,
) -> Result<bool> {
    let old = peer.old_inbound.as_ref();
    let (old_index, old_hash) = (
        old.map(|(token, _)| &token.index[..]),
        old.map(|(token, _)| &token.hash),
    );
    let (old_until, index) = (old.map(|(_, until)| until), &peer.inbound.index[..]);
    let (scopes, rate) = (
        scopes_text(&peer.scopes),
        i64::from(peer.rate_limit_per_sec),
    );
    let (team, max_hops) = (peer.team.as_str(), super::signed(peer.max_hops));
    let status = peer.status.word();
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![
        &team,
        &known.version,
        &peer.number,
        &peer.name,
        &status,
        &peer.hook_url,
        &scopes,
        &max_hops,
        &rate,
        &peer.outbound_token,
        &index,
        &peer.inbound.hash,
        &old_index,
        &old_hash,
        &old_until,
        &peer.updated_at,
        &peer.discovery,
    ];
    let sql = format!(
        "WITH {}
         UPDATE peers SET name = $4, status = $5, hook_url = $6, scopes = $7, max_hops = $8, rate_limit_per_sec = $9,
                outbound_token = $10, inbound_index = $11, inbound_hash = $12, old_inbound_index = $13,
                old_inbound_hash = $14, old_inbound_until = $15, updated_at = $16, discovery = $17
         FROM team WHERE peers.team = team.number AND peers.number = $3",
        judged_team(taken.is_some(), values.len())
    );
    values.extend(taken.iter().flat_map(Taken::values));
    let statement = client.prepare_cached(&sql).await?;
    Ok(client.execute(&statement, &values).await? > 0)
}

pub(super) fn crowded() -> StoreError {
    StoreError::Away("the team's peers are being changed by others all the time".to_owned())
}

pub(super) async fn create_token(client: &Object, team: i64, token: &TokenRecord) -> Result<()> {
    client
        .execute(
            "INSERT INTO federation_tokens (id, team, label, created_at) VALUES ($1, $2, $3, $4)",
            &[&token.id, &team, &token.label, &token.created_at],
        )
        .await?;
    Ok(())
}

fn token_in(row: &Row, team: &TeamId) -> Result<TokenRecord> {
    Ok(TokenRecord {
        id: column(row, 0)?,
        team: team.clone(),
        label: column(row, 1)?,
        created_at: column(row, 2)?,
    })
}

pub(super) async fn tokens(
    client: &Object,
    number: i64,
    team: &TeamId,
) -> Result<Vec<TokenRecord>> {
    let rows = client
        .query(
            "SELECT id, label, created_at FROM federation_tokens WHERE team = $1 ORDER BY created_at, id",
            &[&number],
        )
        .await?;
    rows.iter().map(|row| token_in(row, team)).collect()
}

pub(super) async fn remove_token(
    client: &Object,
    number: i64,
    team: &TeamId,
    id: &str,
) -> Result<TokenRecord> {
    let row = client
        .query_opt(
            "DELETE FROM federation_tokens WHERE team = $1 AND id = $2 RETURNING id, label, created_at",
            &[&number, &storable(id)],
        )
        .await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("token `{id}`")))?;
    token_in(&row, team)
}
