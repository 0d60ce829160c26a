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
use crate::store::Store;

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
        true => answer(StatusCode::OK, "ok"),
        false => answer(StatusCode::SERVICE_UNAVAILABLE, "the store is unusable"),
    }
}

/// Whether the store answers, as it was found out last. Anybody may ask, as often as they like, and the question takes
/// the connection that events are stored over: so it is put once for all who want to know at the same time.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    async fn ask(&self, store: &dyn Store) -> bool {
        let mut last = self.0.lock().await;
        if let Some((time, is_ready)) = *last
            && time.elapsed() < FRESH
        {
            return is_ready;
        }
        let answered = store.ping().await;
        if let Err(error) = &answered {
            // Asked for again and again; an outage is logged where it begins.
            tracing::debug!(%error, "not ready: the store does not answer");
        }
        *last = Some((Instant::now(), answered.is_ok()));
        answered.is_ok()
    }
}
