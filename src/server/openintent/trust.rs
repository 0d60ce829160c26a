//! stand-in
use super::super::state::App;
use axum::Router;
use std::sync::Arc;
pub(in crate::server) fn routes() -> Router<Arc<App>> {
    Router::new()
}
