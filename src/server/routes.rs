//! What is served at which address.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::call::{Call, Read};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::request::Watch;
use super::state::App;
use super::{
    activate, agents, console, discovery, endpoints, events, federation_tokens, health, hooks,
    invites, join, keys, login, metrics, openintent, outbox, peer_hook, peers, redeem, rpc, socket,
    trace, trigger,
};
use crate::protocol::error::ErrorCode;
use crate::protocol::permission::Permission;
use crate::protocol::rpc::Stats;

/// All of it.
pub(super) fn router(app: Arc<App>) -> Router {
    let console = match app.console {
        Some(_) => Routes::new()
            .pages("/console", console::routes())
            .page("/console/", get(console::with_slash)),
        None => Routes::new(),
    };
    console
        .page("/activate", get(activate::show).post(activate::decide))
        .page("/activate.css", get(activate::style))
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(socket::routes())
        .merge(login::routes())
        .merge(agents::routes())
        .merge(events::routes())
        .merge(keys::routes())
        .merge(endpoints::routes())
        .merge(trigger::routes())
        .merge(hooks::routes())
        .merge(peer_hook::routes())
        .merge(peers::routes())
        .merge(discovery::routes())
        .merge(federation_tokens::routes())
        .merge(invites::routes())
        .merge(redeem::routes())
        .merge(join::routes())
        .merge(trace::routes())
        .merge(outbox::routes())
        .merge(others())
        .nest("/api/v1/federation", openintent::routes())
        .nest("/api/openintent", openintent::managed_routes())
        .nest("/.well-known", openintent::well_known())
        .into_router()
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(Watch(app.meters.requests.clone()))
        .with_state(app)
}

/// What has no module of its own.
fn others() -> Routes {
    let not_here = "Known on the hosted service, not offered here.";
    let not_offered_at = |path, id| {
        Operation::get(path, id, not_here)
            .under("hosted")
            .refuses(StatusCode::NOT_FOUND, not_here)
    };
    let operation = Operation::get(
        "/api/v1/stats",
        "get_stats",
        "What a team has, and what is limited.",
    )
    .under("server")
    .needs(Permission::Read)
    .gives::<Stats>(StatusCode::OK, "What the key's team has.");
    let bootstrap = "/api/v1/bootstrap/x402";
    Routes::new()
        .add(operation, stats)
        .add(not_offered_at(bootstrap, "get_x402_bootstrap"), not_offered)
        .add(
            not_offered_at("/api/v1/webhook-config", "get_webhook_config"),
            not_offered,
        )
        .add(
            Operation::post(bootstrap, "start_x402_bootstrap", not_here)
                .under("hosted")
                .refuses(StatusCode::NOT_FOUND, not_here),
            not_offered,
        )
}

/// `GET /api/v1/stats`: the REST face of `dashboard.stats`.
async fn stats(State(app): State<Arc<App>>, call: Call<Read>) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &rpc::stats(&app, &call.key).await?))
}

async fn no_such_path() -> ApiError {
    ApiError::not_found("there is nothing at this address")
}

async fn no_such_method() -> Response {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::MethodNotAllowed,
        "this address does not take that method",
    )
    .into_response()
}

/// Known on the hosted service (spec 7.4).
async fn not_offered() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        ErrorCode::NotSupported,
        "self-hosted servers do not offer this",
    )
}
