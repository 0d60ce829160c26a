//! The faces of OpenIntent (RFC-0022, RFC-0023; spec openintent 13): what anybody may read, and what a key or a signature
//! opens.
//!
//! Its errors have a form of their own, a JSON object with `detail`, because the SDK reads nothing else.

mod answer;
mod callback;
mod caller;
mod dispatch;
mod dispatches;
mod fields;
mod fields_shape;
mod intents;
mod receive;
mod show;
mod trust;

use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;

use super::body;
use super::description::Routes;
use super::state::App;
use crate::federation::openintent::OpenIntent;
use crate::openintent::json::{Json, JsonFault, Object};
use crate::protocol::json::MAX_DEPTH;
use crate::protocol::permission::Permission;
use answer::Answer;
use caller::Caller;

/// How large a body may be, in bytes (spec 4, rule 10): envelopes carry tokens and the state of an intent, and are not events
/// yet.
const BODY_MAX_BYTES: usize = 1024 * 1024;

/// What is mounted at `/api/v1/federation`.
pub(super) fn routes() -> Routes {
    Routes::new()
        .add(show::status_described(), show::status)
        .add(show::agents_described(), show::agents)
        .add(dispatch::described(), dispatch::post)
        .add(receive::described(), receive::post)
        .add(callback::described(), callback::post)
        .with(|router| {
            router
                .method_not_allowed_fallback(async || Answer::wrong_method())
                .fallback(async || Answer::not_found("Not Found"))
        })
}

/// What is mounted at `/.well-known`.
pub(super) fn well_known() -> Routes {
    Routes::new()
        .add(show::manifest_described(), show::manifest)
        .add(show::did_document_described(), show::did_document)
        .with(|router| router.method_not_allowed_fallback(async || Answer::wrong_method()))
}

/// What a team has of OpenIntent, below `/api/openintent`: whom it trusts, for admins, its intents and its dispatches.
pub(super) fn managed_routes() -> Routes {
    trust::routes()
        .merge(dispatches::routes())
        .merge(intents::routes())
}

/// A request with a body, as far as the order of judgement goes: its JSON, then who sent it (spec 13.1).
struct Sent {
    parts: Parts,
    object: Object,
    /// The bytes, for signatures of the whole request.
    body: bytes::Bytes,
}

impl Sent {
    async fn read(app: &App, parts: Parts, body: Body) -> Result<Self, Answer> {
        let body = body::read(app, &parts, body, BODY_MAX_BYTES).await?;
        let json = read(&body).map_err(|fault| Answer::no_json(&fault))?;
        let Json::Object(object) = json else {
            return Err(Answer::no_object(&json));
        };
        Ok(Self {
            parts,
            object,
            body,
        })
    }

    /// Whose key it shows. None is fine here; a wrong one is not.
    async fn caller(&self, app: &App) -> Result<Option<Caller>, Answer> {
        Caller::of(app, &self.parts, Permission::Write).await
    }
}

/// Reads a body. What it holds is stored and shown within other objects, and readers of those stop at
/// [`DEPTH_MAX`](crate::openintent::json::DEPTH_MAX): so it may be nested as deep as any event's data, and no deeper.
fn read(body: &[u8]) -> Result<Json, JsonFault> {
    let json = Json::read(body)?;
    match json.is_flat(MAX_DEPTH) {
        true => Ok(json),
        false => Err(JsonFault::Depth { max: MAX_DEPTH }),
    }
}

/// The instance as a server of OpenIntent.
fn node(app: &App) -> Result<&Arc<OpenIntent>, Answer> {
    app.openintent.as_ref().ok_or_else(Answer::off)
}
