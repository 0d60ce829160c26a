//! OpenIntent's face: what is managed of it.

mod trust;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, put};

use super::state::App;

/// What admins manage of OpenIntent, below `/api/openintent`.
pub(super) fn managed_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/trust", get(trust::get))
        .route("/trust/policy", put(trust::put_policy))
        .route(
            "/trust/servers",
            put(trust::put_server).delete(trust::delete_server),
        )
}
