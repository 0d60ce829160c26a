//! Forwarding: how fast one server gets what another one has stored, and what peers cost whoever stores.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::http::{Post, Posted};
use super::replay::{Filler, enter, next_event};
use super::{BenchError, Target};

/// The token that the first server shows the second.
const TOKEN_THERE: &str = "kite-bench-there-0123456789abcdef";

/// The token that the second would show the first.
const TOKEN_BACK: &str = "kite-bench-back-0123456789abcdef";

/// Where nobody listens: the port of `discard`.
const NOWHERE: &str = "http://127.0.0.1:9/hooks/default/kite";

/// The most posts a second that a peer can be given.
const RATE_MAX: u32 = 100_000;

/// What forwarding came to.
#[derive(Debug, Clone, Serialize)]
pub struct Forwarding {
    /// How many events were stored on one server and came to the other.
    pub events: u64,
    /// How many a second were stored on the first one, while it forwarded them.
    pub stored_per_second: f64,
    /// How many a second came to the second one, from the first that came to the last.
    pub forwarded_per_second: f64,
    /// For how long the last came after the last was stored, in milliseconds.
    pub behind_ms: u64,
}

/// What peers cost whoever stores.
#[derive(Debug, Clone, Serialize)]
pub struct Enqueueing {
    /// How many peers get every event.
    pub peers: u32,
    /// How many events a second were stored without a peer.
    pub alone_per_second: f64,
    /// How many with them.
    pub per_second: f64,
    /// The one by the other.
    pub ratio: f64,
}

/// Stores events on one server and waits until all have come to the other one. Both are empty.
pub async fn forward(
    from: &Target,
    to: &Target,
    (from_id, to_id): (&str, &str),
    events: usize,
) -> Result<Forwarding, BenchError> {
    // The one that is posted to first: it has to know who comes.
    add_peer(to, from_id, NOWHERE, (TOKEN_BACK, TOKEN_THERE)).await?;
    let hook = format!("{}/hooks/default/kite", to.http_base());
    add_peer(from, to_id, &hook, (TOKEN_THERE, TOKEN_BACK)).await?;
    let mut reader = enter(to, Some("reader")).await?;
    let mut filler = Filler::open(from).await?;
    let filling = async {
        let began = Instant::now();
        filler.fill(events).await?;
        Ok::<_, BenchError>((began.elapsed(), Instant::now()))
    };
    let coming = async {
        next_event(&mut reader).await?;
        let first = Instant::now();
        for _ in 1..events {
            next_event(&mut reader).await?;
        }
        Ok::<_, BenchError>((first.elapsed(), Instant::now()))
    };
    let (filled, come) = tokio::join!(filling, coming);
    let ((filling, filled_at), (coming, come_at)) = (filled?, come?);
    let behind = come_at.saturating_duration_since(filled_at);
    Ok(Forwarding {
        events: events as u64,
        stored_per_second: per_second(events, filling),
        forwarded_per_second: per_second(events, coming),
        behind_ms: u64::try_from(behind.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Stores events on an empty server, and again when it has peers that cannot be reached.
pub async fn enqueue(on: &Target, peers: u32, events: usize) -> Result<Enqueueing, BenchError> {
    let mut filler = Filler::open(on).await?;
    // Statements, caches and the file are warm after that.
    filler.fill(events / 10).await?;
    let began = Instant::now();
    filler.fill(events).await?;
    let alone = per_second(events, began.elapsed());
    for number in 0..peers {
        let tokens = [TOKEN_THERE, TOKEN_BACK].map(|token| format!("{token}{number}"));
        let tokens = (tokens[0].as_str(), tokens[1].as_str());
        add_peer(on, &format!("peer-{number}"), NOWHERE, tokens).await?;
    }
    filler.fill(events / 10).await?;
    let began = Instant::now();
    filler.fill(events).await?;
    let with_peers = per_second(events, began.elapsed());
    Ok(Enqueueing {
        peers,
        alone_per_second: alone,
        per_second: with_peers,
        ratio: with_peers / alone,
    })
}

async fn add_peer(
    on: &Target,
    instance_id: &str,
    hook_url: &str,
    (outbound, inbound): (&str, &str),
) -> Result<(), BenchError> {
    let draft = json!({
        "peer_instance_id": instance_id,
        "peer_hook_url": hook_url,
        "rate_limit_per_sec": RATE_MAX,
        "outbound_token": outbound,
        "inbound_token": inbound,
    })
    .to_string();
    let mut post = Post::to(on, "/api/federation/peers", draft.len())?
        .open()
        .await?;
    match post.post(draft.as_bytes()).await {
        Ok(Posted::Accepted) => Ok(()),
        Ok(Posted::Refused(why)) | Err(why) => Err(BenchError::Refused(why)),
    }
}

fn per_second(events: usize, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}
