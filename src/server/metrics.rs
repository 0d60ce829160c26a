//! `/metrics`, for Prometheus. Anybody sees what the whole instance adds up to; what belongs to a team shows to its admin
//! keys alone (promise 4).

mod page;
mod running;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::json_schema;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::description::{Operation, Routes};
use super::error::ApiError;
use super::peers::secs_since;
use super::state::App;
use crate::protocol::federation::PeerStatus;
use crate::protocol::id::TeamId;
use crate::protocol::permission::Permission;
use crate::store::federation::PeerStanding;
use crate::store::record::Millis;
use crate::store::{Store, StoreError};
use page::Page;
pub(super) use running::Meters;

/// How long what was counted counts at least.
const FRESH: Duration = Duration::from_secs(1);

/// How much longer than a count took it is taken for good: no more than a tenth of the time goes into counting, however
/// often anybody asks and however much there is to count.
const REST_FACTOR: u32 = 9;

/// The text format of Prometheus.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served of them.
pub(super) fn routes() -> Routes {
    let operation = Operation::get(
        "/metrics",
        "get_metrics",
        "What the instance adds up to, for Prometheus.",
    )
    .knows(Permission::Admin)
    .gives_content(
        StatusCode::OK,
        "The text format of Prometheus; with an admin key also how each of its team's peers does.",
        "text/plain",
        |_| json_schema!({"type": "string"}),
    );
    Routes::new().add(operation, get)
}

/// How peers do, as it was counted last, and the page that anybody may see.
#[derive(Default)]
pub struct Standings {
    count: Mutex<Option<Count>>,
    page: Mutex<Option<(Instant, Bytes)>>,
}

struct Count {
    until: Instant,
    peers: Arc<[PeerStanding]>,
}

impl Standings {
    /// How the peers of all teams do; counted anew only where the last count is old.
    pub(super) async fn ask(&self, store: &dyn Store) -> Result<Arc<[PeerStanding]>, StoreError> {
        // Whoever asks meanwhile waits for this count, and takes it.
        let mut last = self.count.lock().await;
        let begun = Instant::now();
        if let Some(count) = &*last
            && begun < count.until
        {
            return Ok(count.peers.clone());
        }
        let peers: Arc<[PeerStanding]> = store.peer_standings(None).await?.into();
        let rest = (begun.elapsed() * REST_FACTOR).max(FRESH);
        *last = Some(Count {
            until: Instant::now() + rest,
            peers: peers.clone(),
        });
        Ok(peers)
    }
}

/// `GET /metrics`.
pub(super) async fn get(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, ApiError> {
    let text = match parts.headers.contains_key(header::AUTHORIZATION) {
        true => {
            let key = app.access.caller(&parts, Permission::Admin).await?;
            Bytes::from(page(&app, Some(&key.team)).await?)
        }
        false => open_page(&app).await?,
    };
    let content_type = HeaderValue::from_static(CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// The page for whoever shows no key: one text for all who ask within a second, since it is long and nobody has to read
/// it who asked for it.
async fn open_page(app: &App) -> Result<Bytes, ApiError> {
    let mut last = app.standings.page.lock().await;
    if let Some((made, text)) = &*last
        && made.elapsed() < FRESH
    {
        return Ok(text.clone());
    }
    let text = Bytes::from(page(app, None).await?);
    *last = Some((Instant::now(), text.clone()));
    Ok(text)
}

/// What the instance adds up to, and how the peers of a team do.
async fn page(app: &App, team: Option<&TeamId>) -> Result<String, ApiError> {
    let standings = app.standings.ask(&*app.store).await?;
    let now = app.clock.unix_millis();
    let mut page = Page::default();
    page.family("kite_info", "gauge", "The version that runs.");
    page.sample("kite_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family("kite_connections", "gauge", "WebSocket sessions.");
    page.sample("kite_connections", &[], app.registry.count());
    running::tell(&mut page, app);
    totals(&mut page, &standings, now);
    if let Some(team) = team {
        let own = standings.iter().filter(|one| one.peer.team == *team);
        per_peer(&mut page, &own.collect::<Vec<_>>(), now);
    }
    Ok(page.into_text())
}

/// What all peers of the instance add up to.
fn totals(page: &mut Page, standings: &[PeerStanding], now: Millis) {
    let name = "kite_federation_peers";
    page.family(name, "gauge", "Peers by status.");
    for status in [PeerStatus::Active, PeerStatus::Paused, PeerStatus::Revoked] {
        let count = standings.iter().filter(|one| one.peer.status == status);
        page.sample(name, &[("status", status.word())], count.count());
    }
    let failing = standings.iter().filter(|one| one.state.failures > 0);
    let oldest = standings.iter().filter_map(|one| one.oldest_at).min();
    let totals = [
        (
            "kite_federation_peers_failing",
            "Peers whose last delivery failed because of them.",
            failing.count() as u64,
        ),
        (
            "kite_federation_backlog",
            "Forwards that are due or wait.",
            standings.iter().map(|one| one.backlog).sum(),
        ),
        (
            "kite_federation_oldest_seconds",
            "For how long the oldest of them waits; 0 when none does.",
            oldest.map_or(0, |oldest| secs_since(oldest, now)),
        ),
        (
            "kite_federation_dead_letters",
            "Forwards that were given up.",
            standings.iter().map(|one| one.dead).sum(),
        ),
    ];
    for (name, help, value) in totals {
        page.family(name, "gauge", help);
        page.sample(name, &[], value);
    }
}

/// A number of a peer, where it has one.
type Number = fn(&PeerStanding, Millis) -> Option<f64>;

/// The series of each peer: name, help, value.
const PER_PEER: [(&str, &str, Number); 7] = [
    (
        "kite_federation_peer_backlog",
        "Forwards to the peer that are due or wait.",
        |one, _| Some(one.backlog as f64),
    ),
    (
        "kite_federation_peer_oldest_seconds",
        "For how long the oldest of them waits; 0 when none does.",
        |one, now| Some(one.oldest_at.map_or(0, |time| secs_since(time, now)) as f64),
    ),
    (
        "kite_federation_peer_dead_letters",
        "Forwards to the peer that were given up.",
        |one, _| Some(one.dead as f64),
    ),
    (
        "kite_federation_peer_failures",
        "Attempts in a row that failed because of the peer.",
        |one, _| Some(one.state.failures.into()),
    ),
    (
        "kite_federation_peer_latency_seconds",
        "How long the last attempt took.",
        |one, _| Some(one.state.latency_ms? as f64 / 1000.0),
    ),
    (
        "kite_federation_peer_last_success_timestamp_seconds",
        "When the peer last took an event.",
        |one, _| Some(one.state.last_success_at? as f64 / 1000.0),
    ),
    (
        "kite_federation_peer_next_attempt_timestamp_seconds",
        "When a peer that fails is tried next.",
        |one, _| Some(one.state.retry_at? as f64 / 1000.0),
    ),
];

fn per_peer(page: &mut Page, standings: &[&PeerStanding], now: Millis) {
    let name = "kite_federation_peer_status";
    page.family(name, "gauge", "1 for the status that the peer has.");
    for one in standings {
        let labels = [
            ("peer", one.peer.name.as_str()),
            ("peer_id", &one.peer.id),
            ("status", one.peer.status.word()),
        ];
        page.sample(name, &labels, 1);
    }
    for (name, help, number) in PER_PEER {
        page.family(name, "gauge", help);
        for one in standings {
            let labels = [("peer", one.peer.name.as_str()), ("peer_id", &one.peer.id)];
            if let Some(value) = number(one, now) {
                page.sample(name, &labels, value);
            }
        }
    }
}
