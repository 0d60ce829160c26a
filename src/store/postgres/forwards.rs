//! Forwards that are due or wait, and the claims that they are worked under.
//!
//! Whoever changes how a peer does, or settles rows of it, locks the peer's state first, peers in the order of their
//! numbers, and does the rest in statements that begin after that. What tidies up passes over rows that somebody has
//! locked: it comes again.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::peers::{COLUMNS, COLUMNS_COUNT, peer_in, small};
use super::settling::LOCK_STATES;
use super::{column, count, signed, unsigned};
use crate::store::Result;
use crate::store::federation::{CLAIM_TERM, ClaimId, Due, DueQuery, PeerNumber, PeerState, Work};
use crate::store::limits::WORK_MAX_BYTES;
use crate::store::record::Millis;

/// The present time by the database's clock, which all nodes share.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The states of some claims that still stand, locked. A claim that ran out stands as long as nobody else takes it.
const HELD: &str = "
    SELECT peer_states.peer
    FROM unnest($1::bigint[], $2::bigint[]) AS claimed (peer, claim)
    JOIN peer_states ON peer_states.peer = claimed.peer AND peer_states.claim = claimed.claim
    WHERE claimed_until > 0 ORDER BY peer_states.peer FOR NO KEY UPDATE OF peer_states";

fn term() -> i64 {
    i64::try_from(CLAIM_TERM.as_millis()).unwrap_or(i64::MAX)
}

fn claim_in(row: &Row) -> Result<ClaimId> {
    Ok(ClaimId {
        peer: column(row, 0)?,
        number: unsigned(column(row, 1)?),
    })
}

fn peers_and_numbers(claims: &[ClaimId]) -> (Vec<i64>, Vec<i64>) {
    let numbers = claims.iter().map(|claim| signed(claim.number));
    (
        claims.iter().map(|claim| claim.peer).collect(),
        numbers.collect(),
    )
}

/// Claims peers; see [`crate::store::federation::FederationStore::claim_peers`].
pub(super) async fn claim(client: &Object, now: Millis, max: usize) -> Result<Vec<ClaimId>> {
    let claim = client
        .prepare_cached(&format!(
            "WITH free AS (
                 SELECT peer FROM peer_states JOIN peers ON number = peer
                 WHERE status = 'active' AND claimed_until < {NOW} AND (retry_at IS NULL OR retry_at <= $1)
                       AND EXISTS (SELECT FROM outbox WHERE outbox.peer = number AND due_at <= $1)
                 ORDER BY claim LIMIT $2 FOR NO KEY UPDATE OF peer_states SKIP LOCKED
             )
             UPDATE peer_states SET claim = claim + 1, claimed_until = {NOW} + $3
             FROM free WHERE peer_states.peer = free.peer
             RETURNING peer_states.peer, claim"
        ))
        .await?;
    let rows = client.query(&claim, &[&now, &count(max), &term()]).await?;
    rows.iter().map(claim_in).collect()
}

/// Renews claims; answers those that were lost.
pub(super) async fn renew(client: &Object, claims: Vec<ClaimId>) -> Result<Vec<ClaimId>> {
    let (peers, numbers) = peers_and_numbers(&claims);
    let renew = client
        .prepare_cached(&format!(
            "WITH held AS ({HELD})
             UPDATE peer_states SET claimed_until = {NOW} + $3
             FROM held WHERE peer_states.peer = held.peer RETURNING peer_states.peer, claim"
        ))
        .await?;
    let rows = client.query(&renew, &[&peers, &numbers, &term()]).await?;
    let kept: Vec<ClaimId> = rows.iter().map(claim_in).collect::<Result<_>>()?;
    let is_lost = |claim: &ClaimId| !kept.contains(claim);
    Ok(claims.into_iter().filter(is_lost).collect())
}

/// Gives claims back.
pub(super) async fn release(client: &Object, claims: &[ClaimId]) -> Result<()> {
    let (peers, numbers) = peers_and_numbers(claims);
    let release = client
        .prepare_cached(&format!(
            "WITH held AS ({HELD})
             UPDATE peer_states SET claimed_until = 0 FROM held WHERE peer_states.peer = held.peer"
        ))
        .await?;
    client.execute(&release, &[&peers, &numbers]).await?;
    Ok(())
}

/// How a peer does, in five columns.
pub(super) fn state_in(row: &Row, at: usize) -> Result<PeerState> {
    let latency: Option<i64> = column(row, at + 4)?;
    Ok(PeerState {
        failures: small(row, at)?,
        retry_at: column(row, at + 1)?,
        last_success_at: column(row, at + 2)?,
        last_error: column(row, at + 3)?,
        latency_ms: latency.map(unsigned),
    })
}

/// Rows of the outbox with their events, as far as their texts fit. `range` uses `$2`.
fn due_rows(range: &str) -> String {
    format!(
        "WITH due AS (
             SELECT outbox.seq, due_at, attempts, outbox.created_at, peers.team
             FROM outbox JOIN peers ON peers.number = outbox.peer
             WHERE outbox.peer = $1 AND {range} ORDER BY due_at, outbox.seq LIMIT $3
         ), sized AS (
             SELECT due.*, coalesce(events.id, kept_events.id, '') AS id, coalesce(events.type, kept_events.type, '') AS type,
                    coalesce(events.text, kept_events.text) AS text,
                    sum(coalesce(octet_length(events.text), octet_length(kept_events.text), 0)::bigint)
                        OVER (ORDER BY due_at, due.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
             FROM due
             LEFT JOIN events ON events.team = due.team AND events.seq = due.seq
             LEFT JOIN kept_events ON kept_events.team = due.team AND kept_events.seq = due.seq
         )
         SELECT seq, due_at, attempts, created_at, id, type, text FROM sized
         WHERE before IS NULL OR before <= {WORK_MAX_BYTES} ORDER BY due_at, seq"
    )
}

fn due_in(row: &Row) -> Result<Due> {
    Ok(Due {
        seq: unsigned(column(row, 0)?),
        due_at: column(row, 1)?,
        attempts: small(row, 2)?,
        created_at: column(row, 3)?,
        event_id: column(row, 4)?,
        kind: column(row, 5)?,
        text: column(row, 6)?,
    })
}

/// What a claimed peer has to do, as of one moment; see [`crate::store::federation::FederationStore::due`].
pub(super) async fn due(client: &Object, query: &DueQuery) -> Result<Option<Work>> {
    let claimed = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, failures, retry_at, last_success_at, last_error, latency_ms
             FROM peer_states JOIN peers ON peers.number = peer JOIN teams ON teams.number = peers.team
             WHERE peer = $1 AND claim = $2 AND claimed_until > 0 AND peers.status <> 'deleted'"
        ))
        .await?;
    let fresh = client
        .prepare_cached(&due_rows("due_at = 0 AND outbox.seq > $2"))
        .await?;
    let retries = client
        .prepare_cached(&due_rows("due_at > 0 AND due_at <= $2"))
        .await?;
    let (peer, number) = (query.claim.peer, signed(query.claim.number));
    let claim: [&(dyn ToSql + Sync); 2] = [&peer, &number];
    let (after, fresh_max) = (signed(query.after), count(query.fresh_max));
    let to_fresh: [&(dyn ToSql + Sync); 3] = [&peer, &after, &fresh_max];
    let retries_max = count(query.retries_max);
    let to_retries: [&(dyn ToSql + Sync); 3] = [&peer, &query.now, &retries_max];
    // One view of everything, in one round trip.
    let (begun, claimed, fresh, retries, ended) = tokio::join!(
        biased;
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        client.query_opt(&claimed, &claim),
        client.query(&fresh, &to_fresh),
        client.query(&retries, &to_retries),
        client.batch_execute("COMMIT"),
    );
    begun?;
    let claimed = claimed?;
    let rows = |rows: Vec<Row>| rows.iter().map(due_in).collect::<Result<Vec<_>>>();
    let (fresh, retries) = (rows(fresh?)?, rows(retries?)?);
    ended?;
    let Some(claimed) = claimed else {
        return Ok(None);
    };
    Ok(Some(Work {
        peer: peer_in(&claimed)?,
        state: state_in(&claimed, COLUMNS_COUNT)?,
        fresh,
        retries,
    }))
}

/// Closes a peer's circuit; see [`crate::store::federation::FederationStore::wake_peer`].
pub(super) async fn wake(client: &Object, peer: PeerNumber) -> Result<bool> {
    // Whatever a peer sends may be its first sign of life; most of it is not.
    let look = client
        .prepare_cached("SELECT FROM peer_states WHERE peer = $1 AND failures > 0")
        .await?;
    if client.query_opt(&look, &[&peer]).await?.is_none() {
        return Ok(false);
    }
    let lock = client.prepare_cached(LOCK_STATES).await?;
    let wake = client
        .prepare_cached(
            "WITH closed AS (
                 UPDATE peer_states SET failures = 0, retry_at = NULL WHERE peer = $1 AND failures > 0 RETURNING peer
             ), woken AS (
                 UPDATE outbox SET due_at = 1 FROM closed WHERE outbox.peer = closed.peer AND due_at > 1
             )
             SELECT peer FROM closed",
        )
        .await?;
    let peers = [peer];
    let to_lock: [&(dyn ToSql + Sync); 1] = [&&peers[..]];
    let to_wake: [&(dyn ToSql + Sync); 1] = [&peer];
    let (begun, locked, closed, committed) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.execute(&lock, &to_lock),
        client.query_opt(&wake, &to_wake),
        client.batch_execute("COMMIT"),
    );
    begun.map_err(super::outcome)?;
    locked.map_err(super::outcome)?;
    let closed = closed.map_err(super::outcome)?;
    committed.map_err(super::outcome)?;
    Ok(closed.is_some())
}
