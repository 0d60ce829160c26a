//! What becomes of forwards: attempts are settled, and what nobody wants any more, or is too old, becomes a letter.
//!
//! Locks are taken as [`super::forwards`] says.

use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;

use super::{column, count, exchanges, removed, signed, storable};
use crate::base::random;
use crate::store::Result;
use crate::store::federation::{Dropped, Settled, Settlement};
use crate::store::openintent::ExchangeState;
use crate::store::record::Millis;

/// What becomes of a dispatch whose forward becomes a letter.
const BURIED: (ExchangeState, ExchangeState) = (ExchangeState::Queued, ExchangeState::Undelivered);

/// Locks how some peers do.
pub(super) const LOCK_STATES: &str =
    "SELECT peer FROM peer_states WHERE peer = ANY ($1) ORDER BY peer FOR NO KEY UPDATE";

/// Makes everything due that waits for peers. Not 0: those rows were tried before.
const WAKE: &str = "
    UPDATE outbox SET due_at = 1
    FROM unnest($1::bigint[], $2::bigint[]) AS woken (peer, claim)
    JOIN peer_states ON peer_states.peer = woken.peer AND peer_states.claim = woken.claim AND claimed_until > 0
    WHERE outbox.peer = woken.peer AND due_at > 1";

/// A row is looked for also among those that were woken during their attempt.
fn settling() -> String {
    let dead = "(SELECT peer, seq, error, ended_at FROM tried WHERE settled = 'dead')";
    let undelivered = exchanges::turn(dead, BURIED, "sent.error", "sent.ended_at");
    format!("
    WITH given AS (
        SELECT given.*
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
                    $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[],
                    $15::bigint[], $16::text[], $17::bigint[])
             WITH ORDINALITY AS given (peer, claim, seq, due_at, settled, due_again_at, attempt, status_code, error,
                                       took_ms, ended_at, id, failures, retry_at, last_success_at, last_error, latency_ms,
                                       place)
        JOIN peer_states ON peer_states.peer = given.peer AND peer_states.claim = given.claim AND claimed_until > 0
    ), tried AS (
        SELECT given.*, outbox.due_at AS stands_at, outbox.created_at
        FROM given JOIN outbox ON outbox.peer = given.peer AND outbox.due_at = ANY (ARRAY[given.due_at, 1::bigint])
                                  AND outbox.seq = given.seq
    ), recorded AS (
        INSERT INTO deliveries (team, id, peer, seq, event_id, event_type, attempt, status_code, error, latency_ms,
                                created_at, queued_at)
        SELECT peers.team, tried.id, tried.peer, tried.seq, coalesce(events.id, kept_events.id, ''),
               coalesce(events.type, kept_events.type, ''), attempt, status_code, error, took_ms, ended_at, tried.created_at
        FROM tried
        JOIN peers ON peers.number = tried.peer
        LEFT JOIN events ON events.team = peers.team AND events.seq = tried.seq
        LEFT JOIN kept_events ON kept_events.team = peers.team AND kept_events.seq = tried.seq
    ), gone AS (
        DELETE FROM outbox USING tried
        WHERE outbox.peer = tried.peer AND outbox.due_at = tried.stands_at AND outbox.seq = tried.seq AND settled <> 'waits'
    ), waiting AS (
        UPDATE outbox SET due_at = tried.due_again_at, attempts = tried.attempt, last_error = tried.error
        FROM tried
        WHERE outbox.peer = tried.peer AND outbox.due_at = tried.stands_at AND outbox.seq = tried.seq AND settled = 'waits'
    ), buried AS (
        INSERT INTO letters (peer, seq, status, attempts, last_error, created_at, settled_at)
        SELECT peer, seq, 'dead', attempt, error, created_at, ended_at FROM tried WHERE settled = 'dead'
        ON CONFLICT (peer, seq) DO UPDATE
        SET status = excluded.status, attempts = excluded.attempts, last_error = excluded.last_error,
            created_at = excluded.created_at, settled_at = excluded.settled_at
    ), told AS (
        UPDATE peer_states
        SET failures = last.failures, retry_at = last.retry_at, last_success_at = last.last_success_at,
            last_error = last.last_error, latency_ms = last.latency_ms
        FROM (SELECT DISTINCT ON (peer) * FROM given ORDER BY peer, place DESC) AS last
        WHERE peer_states.peer = last.peer
    ), undelivered AS (
        {undelivered}
    )
    SELECT place FROM given")
}

/// Settles attempts; see [`crate::store::federation::FederationStore::settle`].
pub(super) async fn settle(client: &Object, settlements: &[Settlement]) -> Result<Vec<bool>> {
    let of = |value: fn(&Settlement) -> i64| settlements.iter().map(value).collect::<Vec<i64>>();
    let maybe = |value: fn(&Settlement) -> Option<i64>| {
        settlements.iter().map(value).collect::<Vec<Option<i64>>>()
    };
    let texts = |value: fn(&Settlement) -> Option<&String>| {
        let text = |settlement| value(settlement).map(|text| storable(text));
        settlements
            .iter()
            .map(text)
            .collect::<Vec<Option<String>>>()
    };
    let (peers, claims) = (of(|it| it.claim.peer), of(|it| signed(it.claim.number)));
    let (seqs, due_ats) = (of(|it| signed(it.seq)), of(|it| it.due_at));
    let settled: Vec<&str> = settlements.iter().map(|it| word(it.settled)).collect();
    let due_again: Vec<Option<i64>> = (0..settlements.len())
        .map(|place| due_again_at(settlements.get(place..).unwrap_or_default()))
        .collect();
    let attempts = of(|it| i64::from(it.attempt));
    let codes = maybe(|it| it.status_code.map(i64::from));
    let errors = texts(|it| it.error.as_ref());
    let (took, ended) = (of(|it| signed(it.latency_ms)), of(|it| it.at));
    let ids: Vec<String> = settlements.iter().map(|_| random::uuid7()).collect();
    let failures = of(|it| i64::from(it.state.failures));
    let retry_ats = maybe(|it| it.state.retry_at);
    let successes = maybe(|it| it.state.last_success_at);
    let last_errors = texts(|it| it.state.last_error.as_ref());
    let latencies = maybe(|it| it.state.latency_ms.map(signed));
    let waking = || settlements.iter().filter(|it| it.wakes);
    let woken: Vec<i64> = waking().map(|it| it.claim.peer).collect();
    let woken_under: Vec<i64> = waking().map(|it| signed(it.claim.number)).collect();

    let lock = client.prepare_cached(LOCK_STATES).await?;
    let wake = client.prepare_cached(WAKE).await?;
    let settle = client.prepare_cached(&settling()).await?;
    let to_lock: [&(dyn ToSql + Sync); 1] = [&peers];
    let to_wake: [&(dyn ToSql + Sync); 2] = [&woken, &woken_under];
    let to_settle: [&(dyn ToSql + Sync); 17] = [
        &peers,
        &claims,
        &seqs,
        &due_ats,
        &settled,
        &due_again,
        &attempts,
        &codes,
        &errors,
        &took,
        &ended,
        &ids,
        &failures,
        &retry_ats,
        &successes,
        &last_errors,
        &latencies,
    ];
    // One round trip, as in the append. What waits is woken before the attempts are settled: those that are to wait after
    // that do.
    let (begun, locked, awake, stood, committed) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.execute(&lock, &to_lock),
        client.execute(&wake, &to_wake),
        client.query(&settle, &to_settle),
        client.batch_execute("COMMIT"),
    );
    begun.map_err(super::outcome)?;
    locked.map_err(super::outcome)?;
    awake.map_err(super::outcome)?;
    let stood = stood.map_err(super::outcome)?;
    committed.map_err(super::outcome)?;
    let mut stands = vec![false; settlements.len()];
    for row in &stood {
        let place = usize::try_from(column::<i64>(row, 0)? - 1).ok();
        if let Some(it) = place.and_then(|place| stands.get_mut(place)) {
            *it = true;
        }
    }
    Ok(stands)
}

fn word(settled: Settled) -> &'static str {
    match settled {
        Settled::Delivered => "delivered",
        Settled::Waits(_) => "waits",
        Settled::Dead => "dead",
    }
}

/// When the first of some settlements has its row tried again: at once, if its peer is woken by it or one after it.
fn due_again_at(settlements: &[Settlement]) -> Option<Millis> {
    let first = settlements.first()?;
    let Settled::Waits(until) = first.settled else {
        return None;
    };
    let is_woken = settlements
        .iter()
        .any(|it| it.wakes && it.claim == first.claim);
    Some(if is_woken { until.min(1) } else { until })
}

/// Records events that were dropped on their way in.
pub(super) async fn note_drops(client: &Object, drops: &[Dropped]) -> Result<()> {
    let texts = |of: fn(&Dropped) -> &String| -> Vec<String> {
        drops.iter().map(|dropped| storable(of(dropped))).collect()
    };
    let peers: Vec<i64> = drops.iter().map(|dropped| dropped.peer).collect();
    let ids: Vec<String> = drops.iter().map(|_| random::uuid7()).collect();
    let (events, kinds) = (texts(|it| &it.event_id), texts(|it| &it.kind));
    let reasons = texts(|it| &it.reason);
    let times: Vec<i64> = drops.iter().map(|dropped| dropped.at).collect();
    let insert = client
        .prepare_cached(
            "INSERT INTO deliveries (team, id, peer, event_id, event_type, attempt, error, created_at, queued_at)
             SELECT team, given.id, number, event_id, event_type, 0, reason, given.created_at, given.created_at
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
                  AS given (peer, id, event_id, event_type, reason, created_at)
             JOIN peers ON number = given.peer",
        )
        .await?;
    client
        .execute(&insert, &[&peers, &ids, &events, &kinds, &reasons, &times])
        .await?;
    Ok(())
}

/// Makes letters of the rows of `found`, which are keys of the outbox: `status` and `last_error` are expressions.
fn bury(found: &str, status: &str, last_error: &str) -> String {
    let gone = format!("(SELECT peer, seq, {last_error} AS last_error FROM gone)");
    let undelivered = exchanges::turn(&gone, BURIED, "sent.last_error", "$1::bigint");
    format!(
        "WITH found AS ({found}), locked AS (
             SELECT outbox.peer, outbox.due_at, outbox.seq
             FROM found JOIN outbox ON outbox.peer = found.peer AND outbox.due_at = found.due_at AND outbox.seq = found.seq
             FOR UPDATE OF outbox SKIP LOCKED
         ), gone AS (
             DELETE FROM outbox USING locked
             WHERE outbox.peer = locked.peer AND outbox.due_at = locked.due_at AND outbox.seq = locked.seq
             RETURNING outbox.*
         ), undelivered AS (
             {undelivered}
         )
         INSERT INTO letters (peer, seq, status, attempts, last_error, created_at, settled_at)
         SELECT peer, seq, {status}, attempts, {last_error}, created_at, $1::bigint FROM gone
         ON CONFLICT (peer, seq) DO UPDATE
         SET status = excluded.status, attempts = excluded.attempts, last_error = excluded.last_error,
             created_at = excluded.created_at, settled_at = excluded.settled_at"
    )
}

/// Cancels rows; see [`crate::store::federation::FederationStore::cancel_rows`].
pub(super) async fn cancel(client: &Object, now: Millis, max: usize) -> Result<usize> {
    let found = "
        SELECT outbox.peer, due_at, seq FROM peers JOIN outbox ON outbox.peer = number
        WHERE status IN ('revoked', 'deleted') LIMIT $2";
    let cancel = bury(found, "'cancelled'", "last_error");
    let cancel = client.prepare_cached(&cancel).await?;
    Ok(removed(
        client.execute(&cancel, &[&now, &count(max)]).await?,
    ))
}

/// Makes dead letters of old rows; see [`crate::store::federation::FederationStore::expire_rows`].
pub(super) async fn expire(
    client: &Object,
    before: Millis,
    latest: Millis,
    now: Millis,
    max: usize,
) -> Result<usize> {
    let sooner = client
        .prepare_cached(
            "WITH late AS (
                 SELECT outbox.peer, due_at, seq FROM peers JOIN outbox ON outbox.peer = number
                 WHERE status IN ('active', 'paused') AND due_at > $1 FOR UPDATE OF outbox SKIP LOCKED
             )
             UPDATE outbox SET due_at = 1
             FROM late WHERE outbox.peer = late.peer AND outbox.due_at = late.due_at AND outbox.seq = late.seq",
        )
        .await?;
    client.execute(&sooner, &[&latest]).await?;
    let sooner = client
        .prepare_cached(
            "UPDATE peer_states SET retry_at = NULL FROM peers
             WHERE peer = number AND status IN ('active', 'paused') AND retry_at > $1",
        )
        .await?;
    client.execute(&sooner, &[&latest]).await?;
    // Events are stored in the order of their numbers: where the first is young, none of those that were never tried is
    // old.
    let found = "
        SELECT old.peer, due_at, seq FROM peers, LATERAL (
            (SELECT peer, due_at, seq, created_at FROM outbox
             WHERE peer = number AND due_at = 0 AND (
                 SELECT created_at < $3 FROM outbox WHERE peer = number AND due_at = 0 ORDER BY seq LIMIT 1)
             ORDER BY seq LIMIT $2)
            UNION ALL
            (SELECT peer, due_at, seq, created_at FROM outbox
             WHERE peer = number AND due_at > 0 ORDER BY due_at, seq LIMIT $2)
        ) AS old
        WHERE status IN ('active', 'paused') AND old.created_at < $3 LIMIT $2";
    let expire = bury(
        found,
        "'dead'",
        "coalesce(last_error, 'it waited for too long')",
    );
    let expire = client.prepare_cached(&expire).await?;
    let expired = client
        .execute(&expire, &[&now, &count(max), &before])
        .await?;
    Ok(removed(expired))
}
