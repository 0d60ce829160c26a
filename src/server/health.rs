//! Whether the server is well: `/healthz`, `/readyz`, `/health`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::error::json;
use super::state::App;
use crate::protocol::api::Health;

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
    match app.store.ping().await {
        Ok(()) => answer(StatusCode::OK, "ok"),
        Err(error) => {
            // Asked for again and again; an outage is logged where it begins.
            tracing::debug!(%error, "not ready: the store does not answer");
            answer(StatusCode::SERVICE_UNAVAILABLE, "the store is unusable")
        }
    }
}
