//! `/console/endpoints` and `/console/keys`: what there is, to look at.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::html::Html;
use super::page::{Refusal, page};
use super::session::Session;
use super::table::table;
use super::words::{moment, moment_or};
use crate::protocol::scope::Scope;
use crate::server::endpoints::path;
use crate::server::state::App;
use crate::store::record::{EndpointRecord, KeyRecord, Millis};

/// `GET /console/endpoints`.
pub(super) async fn endpoints(
    State(app): State<Arc<App>>,
    session: Session,
) -> Result<Response, Refusal> {
    let endpoints = app.store.endpoints(session.key.team.clone()).await?;
    let row = |endpoint: &EndpointRecord| {
        let state = if endpoint.active {
            "active"
        } else {
            "inactive"
        };
        let secret = if endpoint.secret.is_some() {
            "configured"
        } else {
            "none"
        };
        vec![
            Html::of("{}", &[&endpoint.source.as_str()]),
            Html::of("<code>{}</code>", &[&path(endpoint)]),
            Html::of("{}", &[&state]),
            Html::of("{}", &[&secret]),
            moment(endpoint.created_at),
        ]
    };
    let content = match endpoints.is_empty() {
        true => Html::of(
            "<p>No endpoints yet. <code>kite endpoints create</code> makes one.</p>",
            &[],
        ),
        false => table(
            "Endpoints",
            &["Source", "Address", "State", "Signing secret", "Made (UTC)"],
            endpoints.iter().map(row).collect(),
        ),
    };
    Ok(page(&session, "/console/endpoints", "Endpoints", content))
}

/// `GET /console/keys`.
pub(super) async fn keys(
    State(app): State<Arc<App>>,
    session: Session,
) -> Result<Response, Refusal> {
    let keys = app.store.keys(session.key.team.clone()).await?;
    let now = app.clock.unix_millis();
    let row = |key: &KeyRecord| {
        let scopes: Vec<String> = key.scopes.iter().map(Scope::to_string).collect();
        let own = match key.id == session.key.id {
            true => Html::of(" <small>you are signed in with it</small>", &[]),
            false => Html::default(),
        };
        let name = key.name.as_deref().unwrap_or("no name");
        vec![
            Html::of("{}{}", &[&name, &own]),
            Html::of("<code>{}</code>", &[&key.prefix]),
            Html::of("{}", &[&state(key, now)]),
            Html::of("{}", &[&key.permissions.0.join(", ")]),
            Html::of("{}", &[&scopes.join(", ")]),
            moment(key.created_at),
            moment_or(key.last_used_at, "never"),
            moment_or(key.expires_at, "never"),
        ]
    };
    let columns = [
        "Name",
        "Public part",
        "State",
        "Permissions",
        "Scopes",
        "Made (UTC)",
        "Last used",
        "Expires",
    ];
    let content = table("Keys", &columns, keys.iter().map(row).collect());
    Ok(page(&session, "/console/keys", "Keys", content))
}

fn state(key: &KeyRecord, now: Millis) -> &'static str {
    match key.revoked_at {
        Some(_) => "revoked",
        None if !key.is_live(now) => "expired",
        None => "live",
    }
}
