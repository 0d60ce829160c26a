//! The team's dispatches: list them, show one.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::intents::{OFF, agent, listed, own, page_shape, paged, place};
use crate::openintent::model::DispatchState;
use crate::openintent::work::DispatchShown;
use crate::protocol::event::{AGENT_MESSAGE, Header};
use crate::protocol::id::AgentId;
use crate::protocol::permission::Permission;
use crate::server::call::{Call, Read};
use crate::server::description::{Operation, Routes};
use crate::server::error::{ApiError, json_text};
use crate::server::events;
use crate::server::path::Path;
use crate::server::query;
use crate::server::state::App;
use crate::store::record::KeyRecord;

/// What is served of them.
pub(super) fn routes() -> Routes {
    let list = Operation::get(
        "/dispatches",
        "list_dispatches",
        "The team's dispatches, the newest first.",
    )
    .under("openintent")
    .needs(Permission::Read)
    .query::<DispatchState>("status", "Only those that stand like this.")
    .query::<AgentId>("agent", "Only those that this own agent has sent.");
    let list = paged(list)
        .gives_as(StatusCode::OK, "A page of them.", |generator| {
            page_shape::<DispatchShown>("dispatches", generator)
        })
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, OFF);
    let show = Operation::get("/dispatches/{id}", "get_dispatch", "One dispatch.")
        .under("openintent")
        .needs(Permission::Read)
        .part::<String>("id", "The dispatch's id.")
        .gives::<DispatchShown>(StatusCode::OK, "The dispatch.")
        .refuses(StatusCode::NOT_FOUND, "The key sees no such dispatch.")
        .refuses(StatusCode::UNPROCESSABLE_ENTITY, OFF);
    Routes::new().add(list, get_all).add(show, get)
}

/// `GET /api/openintent/dispatches?status=&agent=&limit=&before=`. `agent` is the own agent that has sent them; `before` is
/// the `next` of the page before.
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
    let page = own(&app)?.dispatches(team, status, agent, before, max);
    let page = page.await?;
    let seen = page.items.iter().filter(|it| sees(&call.key, it));
    let dispatches = seen.map(DispatchShown::to_json).collect();
    Ok(listed("dispatches", dispatches, page.next.as_ref()))
}

/// `GET /api/openintent/dispatches/{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    let dispatch = own(&app)?.dispatched(&call.key.team, &id).await?;
    match sees(&call.key, &dispatch) {
        true => Ok(json_text(StatusCode::OK, dispatch.to_json().to_string())),
        false => Err(ApiError::not_found(format!("there is no dispatch `{id}`"))),
    }
}

/// Whether a key may see a dispatch: as what comes back of it, which is a message to the agent that sent it.
fn sees(key: &KeyRecord, dispatch: &DispatchShown) -> bool {
    key.scopes.match_any(&Header {
        kind: Cow::Borrowed(AGENT_MESSAGE),
        source: Cow::Borrowed(&dispatch.target_server),
        kitesource: Some(Cow::Borrowed("openintent")),
        agent_to: dispatch.dispatched_by.as_deref().map(Cow::Borrowed),
    })
}

fn status_of(word: &str) -> Result<DispatchState, ApiError> {
    DispatchState::of(word).ok_or_else(|| {
        let wanted = DispatchState::WANTED;
        ApiError::bad_request(format!("`status` is `{word}`: it must be {wanted}"))
    })
}
