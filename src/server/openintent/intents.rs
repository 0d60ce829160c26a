//! The team's intents: list, show, give one to an own agent, and what agents report of their work.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::federation::openintent::{ListPlace, OpenIntent};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::IntentStatus;
use crate::openintent::work::{Assignment, IntentShown, Verb, WorkReport};
use crate::protocol::error::ErrorCode;
use crate::protocol::event::{AGENT_MESSAGE, Header};
use crate::protocol::id::AgentId;
use crate::protocol::permission::Permission;
use crate::protocol::schema::Limit;
use crate::server::call::{Call, Read, Write};
use crate::server::description::{Operation, Routes, described};
use crate::server::error::{ApiError, json_text};
use crate::server::events;
use crate::server::path::Path;
use crate::server::query;
use crate::server::state::App;
use crate::store::record::KeyRecord;

/// What is served of them.
pub(super) fn routes() -> Routes {
    let list = Operation::get(
        "/intents",
        "list_intents",
        "The team's intents, the newest first.",
    )
    .under("openintent")
    .needs(Permission::Read)
    .query::<IntentStatus>("status", "Only those that stand like this.")
    .query::<AgentId>("agent", "Only those of this agent.");
    let list = paged(list)
        .gives_as(StatusCode::OK, "A page of them.", |generator| {
            page_shape::<IntentShown>("intents", generator)
        })
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, OFF);
    let assign = Operation::post(
        "/intents",
        "assign_intent",
        "Gives an intent to an own agent.",
    )
    .under("openintent")
    .needs(Permission::Write)
    .takes::<Assignment>()
    .gives::<IntentShown>(StatusCode::CREATED, "The intent.")
    .gives::<IntentShown>(
        StatusCode::OK,
        "The intent that was given with the same key before.",
    )
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(StatusCode::NOT_FOUND, "The team is gone.")
    .refuses(
        StatusCode::CONFLICT,
        "The `idempotency_key` was used for another intent.",
    )
    .refuses(StatusCode::UNPROCESSABLE_ENTITY, OFF);
    let show = Operation::get("/intents/{id}", "get_intent", "One intent.")
        .under("openintent")
        .needs(Permission::Read)
        .part::<String>("id", "What the intent is called here.")
        .gives::<IntentShown>(StatusCode::OK, "The intent.")
        .refuses(StatusCode::NOT_FOUND, "The key sees no such intent.")
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, OFF);
    let report = Operation::post(
        "/intents/{id}/{verb}",
        "report_intent",
        "What an agent says of its work on an intent.",
    )
    .under("openintent")
    .needs(Permission::Write)
    .part::<String>("id", "What the intent is called here.")
    .part::<Verb>("verb", "What the agent does.")
    .takes::<WorkReport>()
    .or_nothing()
    .gives::<IntentShown>(StatusCode::OK, "The intent as it stands now.")
    .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
    .refuses(
        StatusCode::NOT_FOUND,
        "The key sees no such intent, or there is no such verb.",
    )
    .refuses(StatusCode::CONFLICT, "The intent does not stand like that.")
    .refuses(StatusCode::UNPROCESSABLE_ENTITY, OFF);
    Routes::new()
        .add(list, get_all)
        .add(assign, post)
        .add(show, get)
        .add(report, post_report)
}

/// Why nothing is to be had.
pub(super) const OFF: &str = "OpenIntent is off on this server.";

/// How a list is asked for page by page.
pub(super) fn paged(list: Operation) -> Operation {
    list.query::<Limit>("limit", "How many, 1 to 1000; 100 when absent.")
        .query::<ListPlace>("before", "The `next` of the page before.")
}

/// What a page of a list looks like.
pub(super) fn page_shape<T: JsonSchema>(name: &str, generator: &mut SchemaGenerator) -> Schema {
    let item = described::<T>(generator);
    json_schema!({
        "type": "object",
        "properties": {
            name: {"type": "array", "items": item},
            "next": {"description": "Where the next page begins, if there is one.", "type": "string"},
        },
        "required": [name],
    })
}

/// `GET /api/openintent/intents?status=&agent=&limit=&before=`. `before` is the `next` of the page before.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let status = query(&call.parts, "status").pop();
    let status = status.as_deref().map(status_of).transpose()?;
    let agent = agent(&call.parts)?;
    let before = place(&call.parts)?;
    let max = events::limit(&call.parts)?;
    let team = &call.key.team;
    let page = own(&app)?.intents(team, status, agent, before, max).await?;
    let seen = page.items.iter().filter(|intent| sees(&call.key, intent));
    let intents = seen.map(IntentShown::to_json).collect();
    Ok(listed("intents", intents, page.next.as_ref()))
}

/// `GET /api/openintent/intents/{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let intent = seen(&app, &call.key, &id).await?;
    Ok(answer(StatusCode::OK, &intent))
}

/// `POST /api/openintent/intents`: 201, or 200 where its key was used before.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let sent = sent(&call.body(&app).await?)?;
    let assignment = Assignment::from_json(&sent);
    let assignment = assignment.map_err(|fault| ApiError::bad_request(fault.to_string()))?;
    let intent = own(&app)?.assign(&app.log, &call.key.team, &assignment);
    let intent = intent.await?;
    let status = match intent.repeated {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok(answer(status, &intent))
}

/// `POST /api/openintent/intents/{id}/{verb}`.
pub(super) async fn post_report(
    State(app): State<Arc<App>>,
    Path((id, word)): Path<(String, String)>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let verb = Verb::of(&word);
    let verb = verb.ok_or_else(|| {
        ApiError::not_found(format!(
            "nothing is called `{word}` here: intents are taken to `accept`, `progress`, `complete` and `fail`"
        ))
    })?;
    let body = call.body(&app).await?;
    let sent = match body.is_empty() {
        true => Json::Object(Object::new()),
        false => sent(&body)?,
    };
    let report = WorkReport::from_json(&sent);
    let report = report.map_err(|fault| ApiError::bad_request(fault.to_string()))?;
    seen(&app, &call.key, &id).await?;
    let is_admin = call.key.permissions.allow(Permission::Admin);
    let approver = call.key.name.as_ref().unwrap_or(&call.key.prefix);
    let approver = is_admin.then_some(approver.as_str());
    let node = own(&app)?;
    let said = (verb, &report);
    let intent = node.report(&app.log, &call.key.team, &id, said, approver);
    Ok(answer(StatusCode::OK, &intent.await?))
}

/// The intent with an id, as far as a key may see it.
async fn seen(app: &App, key: &KeyRecord, id: &str) -> Result<IntentShown, ApiError> {
    let intent = own(app)?.intent(&key.team, id).await?;
    match sees(key, &intent) {
        true => Ok(intent),
        false => Err(ApiError::not_found(format!("there is no intent `{id}`"))),
    }
}

/// Whether a key may see an intent: as the message that it is to its agent.
pub(super) fn sees(key: &KeyRecord, intent: &IntentShown) -> bool {
    key.scopes.match_any(&Header {
        kind: Cow::Borrowed(AGENT_MESSAGE),
        source: Cow::Borrowed(&intent.source_server),
        kitesource: Some(Cow::Borrowed("openintent")),
        agent_to: intent.agent_id.as_deref().map(Cow::Borrowed),
    })
}

/// The instance as a server of OpenIntent.
pub(super) fn own(app: &App) -> Result<&Arc<OpenIntent>, ApiError> {
    let off = || {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Unprocessable,
            "OpenIntent is off on this server: `openintent.enabled` in its configuration turns it on, and it needs an \
             address that others can call (`--public-url`)",
        )
    };
    app.openintent.as_ref().ok_or_else(off)
}

/// A body with its numbers as they came.
pub(super) fn sent(body: &[u8]) -> Result<Json, ApiError> {
    let json = super::read(body);
    json.map_err(|fault| ApiError::bad_request(format!("the body: {fault}")))
}

/// The query's `agent`.
pub(super) fn agent(parts: &Parts) -> Result<Option<String>, ApiError> {
    let agent = query(parts, "agent").pop();
    let agent = agent.map(|text| text.parse::<AgentId>()).transpose()?;
    Ok(agent.map(|agent| agent.to_string()))
}

/// The query's `before`.
pub(super) fn place(parts: &Parts) -> Result<Option<ListPlace>, ApiError> {
    let wrong = || ApiError::bad_request("`before` must be the `next` of the page before");
    let text = query(parts, "before").pop();
    text.map(|text| ListPlace::parse(&text).ok_or_else(wrong))
        .transpose()
}

/// A page of a list.
pub(super) fn listed(name: &str, items: Vec<Json>, next: Option<&ListPlace>) -> Response {
    let mut page = Object::from([(name.to_owned(), Json::Array(items))]);
    if let Some(next) = next {
        page.insert("next".to_owned(), Json::from(next.to_string()));
    }
    json_text(StatusCode::OK, Json::Object(page).to_string())
}

fn status_of(word: &str) -> Result<IntentStatus, ApiError> {
    IntentStatus::of(word).ok_or_else(|| {
        let wanted = IntentStatus::WANTED;
        ApiError::bad_request(format!("`status` is `{word}`: it must be {wanted}"))
    })
}

fn answer(status: StatusCode, intent: &IntentShown) -> Response {
    json_text(status, intent.to_json().to_string())
}
