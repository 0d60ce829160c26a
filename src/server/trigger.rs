//! `POST /api/v1/hooks/{source}/trigger`: a sample of what the source posts, through the door that its posts come by
//! (spec 7.3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::call::{Call, Write};
use super::description::{Operation, Routes};
use super::endpoints;
use super::error::{ApiError, json};
use super::hooks::{Post, check_active, store_delivery};
use super::limit::Sender;
use super::path::Path;
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::api::{EventAnswer, PublishStatus, Triggered};
use crate::protocol::id::SourceSlug;
use crate::protocol::permission::Permission;
use crate::webhook::Taken;
use crate::webhook::sample::{self, Fresh};

/// What is served of it.
pub(super) fn routes() -> Routes {
    let operation = Operation::post(
        "/api/v1/hooks/{source}/trigger",
        "trigger_sample",
        "Sends a sample of what a source posts through its endpoint, which is made where there is none.",
    )
    .under("endpoints")
    .needs(Permission::Write)
    .part::<SourceSlug>("source", "The endpoint's source.")
    .takes::<Trigger>()
    .gives::<Triggered>(StatusCode::ACCEPTED, "It is stored.")
    .gives::<Triggered>(StatusCode::OK, "It was stored before.")
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(StatusCode::NOT_FOUND, "The team is gone.")
    .refuses(StatusCode::GONE, "The endpoint was deactivated.");
    Routes::new().add(operation, post)
}

/// Which sample, and what is different in it.
#[derive(Deserialize, JsonSchema)]
struct Trigger {
    /// Of what the sample tells; the source's first one when absent.
    #[schemars(length(min = 1, max = sample::EVENT_MAX_CHARS), regex(pattern = "^[A-Za-z0-9._/-]*$"))]
    event: Option<String>,
    /// Members that replace those of the sample; null removes one (RFC 7396).
    #[schemars(with = "Option<Map<String, Value>>")]
    data: Option<Box<RawValue>>,
}

pub(super) async fn post(
    State(app): State<Arc<App>>,
    Path(source): Path<String>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let source = SourceSlug::parse(&source)?;
    let asked: Trigger = call.json(&app).await?;
    let now = app.clock.unix_millis();
    let team = &call.key.team;
    let sender = Sender::of(&call.parts, team, Some(&call.key.prefix));
    app.rates.admit(&sender, 1, now)?;
    let fresh = Fresh {
        uuid: &random::uuid7(),
        millis: now,
        time: &rfc3339(now),
    };
    let data = asked.data.as_deref().map(RawValue::get);
    let sample = sample::post(source.as_str(), asked.event.as_deref(), data, fresh)?;
    let known = app.access.endpoint(team.clone(), source.clone()).await?;
    let (endpoint, endpoint_created) = match known {
        Some(endpoint) => (endpoint, false),
        None => {
            let (endpoint, is_made) = endpoints::for_samples(&app, team, source).await?;
            (Arc::new(endpoint), is_made)
        }
    };
    check_active(&endpoint)?;
    let event = sample.event.clone();
    let post = Post::sample(&app, &endpoint, sample)?;
    let verified = match endpoint.secret {
        Some(_) => post.authenticate(&app, &endpoint)?,
        None => false,
    };
    let Taken::Event(ingested) = post.read(&app, &endpoint, verified)? else {
        return Err(ApiError::bad_request(
            "with this `data` it is no event but a question for the address",
        ));
    };
    let kind = ingested.event.kind.clone();
    let stored = store_delivery(&app, &endpoint, *ingested).await?;
    let (http, status, id) = match stored {
        EventAnswer::Accepted { id, .. } => (StatusCode::ACCEPTED, PublishStatus::Accepted, id),
        EventAnswer::DuplicateIgnored { id } => {
            (StatusCode::OK, PublishStatus::DuplicateIgnored, id)
        }
    };
    let triggered = Triggered {
        status,
        id,
        source: endpoint.source.to_string(),
        event,
        kind,
        verified,
        endpoint_created,
    };
    Ok(json(http, &triggered))
}
