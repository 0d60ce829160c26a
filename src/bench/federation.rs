//! Forwarding: how fast a server catches up with what waits for it on another one, and what peers cost whoever stores.

use serde::Serialize;
use tokio::time::Instant;

use super::replay::{Filler, enter, next_event};
use super::{BenchError, Target};
use crate::client::Server;
use crate::client::api::Api;
use crate::protocol::federation::{PeerChange, PeerDraft, PeerStatus};
use crate::protocol::forward::MAX_HOPS;
use crate::protocol::id::TeamId;

/// The token that the first server shows the second.
const TOKEN_THERE: &str = "kite-bench-there-0123456789abcdef";

/// The token that the second would show the first.
const TOKEN_BACK: &str = "kite-bench-back-0123456789abcdef";

/// Where nobody listens: the port of `discard`.
const NOWHERE: &str = "http://127.0.0.1:9/hooks/default/kite";

/// The most posts a second that a peer can be given.
const RATE_MAX: u32 = 100_000;

/// What catching up came to.
#[derive(Debug, Clone, Serialize)]
pub struct Forwarding {
    /// How many events waited on one server and came to the other.
    pub events: u64,
    /// How many a second were stored on the first one, while the peer was paused.
    pub stored_per_second: f64,
    /// How many a second came to the second one, from the moment that the peer was resumed to the last of them.
    pub forwarded_per_second: f64,
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

/// Stores events on one server while its peer is paused, resumes it, and waits until all have come to the other one. Both
/// are empty.
pub async fn catch_up(
    from: &Server,
    to: &Server,
    (from_id, to_id): (&str, &str),
    team: &TeamId,
    events: usize,
) -> Result<Forwarding, BenchError> {
    let api = Api::new(from, None)?;
    // The one that is posted to first: it has to know who comes.
    let back = draft(from_id, NOWHERE, (TOKEN_BACK, TOKEN_THERE));
    Api::new(to, None)?.add_peer(&back).await?;
    let hook = format!("{}/hooks/{team}/kite", to.http_base);
    let there = draft(to_id, &hook, (TOKEN_THERE, TOKEN_BACK));
    let peer = api.add_peer(&there).await?.value.peer.id;
    let status = |status| PeerChange {
        status: Some(status),
        ..PeerChange::default()
    };
    api.change_peer(&peer, &status(PeerStatus::Paused)).await?;
    let from = Target::Kite(from.clone(), team.clone());
    let began = Instant::now();
    Filler::open(&from).await?.fill(events).await?;
    let stored = per_second(events, began.elapsed());
    let to = Target::Kite(to.clone(), team.clone());
    let mut reader = enter(&to, Some("reader")).await?;
    let began = Instant::now();
    api.change_peer(&peer, &status(PeerStatus::Active)).await?;
    for _ in 0..events {
        next_event(&mut reader).await?;
    }
    Ok(Forwarding {
        events: events as u64,
        stored_per_second: stored,
        forwarded_per_second: per_second(events, began.elapsed()),
    })
}

/// Stores events on an empty server, and again when it has peers that cannot be reached.
pub async fn enqueue(
    on: &Server,
    team: &TeamId,
    peers: u32,
    events: usize,
) -> Result<Enqueueing, BenchError> {
    let api = Api::new(on, None)?;
    let mut filler = Filler::open(&Target::Kite(on.clone(), team.clone())).await?;
    // Statements, caches and the file are warm after that.
    filler.fill(events / 10).await?;
    let began = Instant::now();
    filler.fill(events).await?;
    let alone = per_second(events, began.elapsed());
    for number in 0..peers {
        let tokens = [TOKEN_THERE, TOKEN_BACK].map(|token| format!("{token}{number}"));
        let tokens = (tokens[0].as_str(), tokens[1].as_str());
        let peer = draft(&format!("peer-{number}"), NOWHERE, tokens);
        api.add_peer(&peer).await?;
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

fn draft(instance_id: &str, hook_url: &str, (outbound, inbound): (&str, &str)) -> PeerDraft {
    PeerDraft {
        peer_instance_id: Some(instance_id.to_owned()),
        peer_hook_url: Some(hook_url.to_owned()),
        scopes: vec!["*".to_owned()],
        max_hops: MAX_HOPS,
        rate_limit_per_sec: RATE_MAX,
        outbound_token: Some(outbound.to_owned()),
        inbound_token: Some(inbound.to_owned()),
        ..PeerDraft::default()
    }
}

fn per_second(events: usize, time: std::time::Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}
