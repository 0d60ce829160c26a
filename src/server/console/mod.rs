//! `/console`: the operator's page. How peers do, what was tried, what was given up and why, and how to go on.
//!
//! The server makes all of it; links and forms work without script. A small script of ours swaps in what changes, as the
//! same functions have made it. Somebody signs in with an admin key and sees that key's team alone (promise 4).

mod chart;
mod deliveries;
mod history;
mod html;
mod letters;
mod lists;
mod live;
mod overview;
mod page;
mod payload;
mod session;
mod sign_in;
mod table;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};

use super::error::ApiError;
use super::state::App;
use crate::protocol::id::TeamId;
use crate::store::federation::PeerRecord;

pub(super) use history::{History, watch};
pub(super) use live::Live;

/// Where the page is.
const HOME: &str = "/console";

/// What the page remembers beside what is stored.
#[derive(Default)]
pub(super) struct Console {
    /// The backlog of peers over time.
    pub(super) history: History,
    /// Who looks on.
    pub(super) live: Arc<Live>,
}

/// What is below [`HOME`].
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::begin))
        .route("/sign-out", post(sign_in::end))
        .route("/peers", post(overview::change))
        .route("/deliveries", get(deliveries::show))
        .route("/dead-letters", get(letters::list))
        .route("/dead-letters/replay", post(letters::replay_all))
        .route("/dead-letters/{id}", get(letters::show))
        .route("/dead-letters/{id}/replay", post(letters::replay))
        .route(
            "/dead-letters/{id}/discard",
            get(letters::ask).post(letters::discard),
        )
        .route("/endpoints", get(lists::endpoints))
        .route("/keys", get(lists::keys))
        .route("/live", get(live::stream))
        .route("/console.css", get(page::style))
        .route("/console.js", get(page::script))
        .route("/icon.svg", get(page::icon))
        .fallback(page::nothing_here)
}

/// `GET /console/`: the same page, as some write its address.
pub(super) async fn with_slash() -> Response {
    page::redirect(HOME)
}

/// What the page remembers. It is there wherever [`routes`] are.
fn console(app: &App) -> Result<&Console, ApiError> {
    let console = app.console.as_ref();
    console.ok_or_else(|| ApiError::not_found("there is nothing at this address"))
}

/// The address that was asked for, with its query: the router shows what lies below it alone.
fn asked_for(uri: &Uri) -> String {
    let below = uri.path_and_query().map_or("", |asked| asked.as_str());
    match below.strip_prefix('/') {
        Some(rest) if rest.is_empty() || rest.starts_with('?') => format!("{HOME}{rest}"),
        _ => format!("{HOME}{below}"),
    }
}

/// A text as one value of a query.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A team's peers, by their ids.
async fn peers(app: &App, team: &TeamId) -> Result<HashMap<String, PeerRecord>, ApiError> {
    let peers = app.store.peers(team.clone()).await?;
    Ok(peers
        .into_iter()
        .map(|peer| (peer.id.clone(), peer))
        .collect())
}
