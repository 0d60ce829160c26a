//! Whether the server is well: `/healthz`, `/readyz`, `/health`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::description::{Operation, Routes};
use super::error::json;
use super::state::App;
use crate::protocol::api::Health;
use crate::store::{Store, StoreError};

/// What is served of it.
pub(super) fn routes() -> Routes {
    let well = "It is well.";
    let alive_at = Operation::get("/healthz", "is_alive", "Whether the process answers.")
        .gives::<Health>(StatusCode::OK, well);
    let ready_at = |path, id| {
        Operation::get(path, id, "Whether the server can do its work.")
            .gives::<Health>(StatusCode::OK, well)
            .gives::<Health>(
                StatusCode::SERVICE_UNAVAILABLE,
                "The store does not answer, or the server is about to end.",
            )
    };
    Routes::new()
        .add(alive_at, alive)
        .add(ready_at("/readyz", "is_ready"), ready)
        .add(ready_at("/health", "get_health"), ready)
}

/// How long an answer of the store counts.
const FRESH: Duration = Duration::from_millis(100);

fn answer(status: StatusCode, word: &str) -> Response {
    let health = Health {
        status: word.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    json(status, &health)
}

/// The process answers.
pub(super) async fn alive() -> Response {
    answer(StatusCode::OK, "ok")
}

/// The store answers and the server is not about to end.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.ending.load(Ordering::Relaxed) {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "ending");
    }
    match app.readiness.ask(&*app.store).await {
        None => answer(StatusCode::OK, "ok"),
        Some(why) => answer(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// Whether the store answers, as it was found out last. Anybody may ask, as often as they like, and the question takes
/// the connection that events are stored over: so it is put once for all who want to know at the same time.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Option<Unready>)>>);

/// Why the store does not serve. Anybody may read it: it names neither the database nor its words.
type Unready = &'static str;

impl Readiness {
    /// What keeps the store from serving, if anything does.
    async fn ask(&self, store: &dyn Store) -> Option<Unready> {
        let mut last = self.0.lock().await;
        if let Some((time, why)) = *last
            && time.elapsed() < FRESH
        {
            return why;
        }
        let why = store.ping().await.err().map(|error| {
            // Asked for again and again; an outage is logged where it begins.
            tracing::debug!(%error, "not ready: the store does not answer");
            match error {
                StoreError::Away(_) | StoreError::Unknown(_) => "the database cannot be reached",
                StoreError::Unwritable(_) => "the database cannot be written",
                _ => "the store is unusable",
            }
        });
        *last = Some((Instant::now(), why));
        why
    }
}
