//! Good random tokens with a label, to put into a peer (spec 14.1). They open nothing by themselves: only the label is
//! kept.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::{Admin, Call};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::path::Path;
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::federation::FederationToken as Secret;
use crate::protocol::federation::FederationToken;
use crate::protocol::id::check_name;
use crate::protocol::permission::Permission;
use crate::protocol::schema::Name;
use crate::store::federation::TokenRecord;

/// The longest label, in characters.
const LABEL_MAX_CHARS: usize = 256;

/// What is served of them.
pub(super) fn routes() -> Routes {
    let under = |operation: Operation| operation.under("peers").needs(Permission::Admin);
    let list = under(Operation::get(
        "/api/federation/tokens",
        "list_federation_tokens",
        "The labels of the tokens that were made for peers.",
    ))
    .gives::<Vec<FederationToken>>(StatusCode::OK, "The labels, without the tokens.");
    let create = under(Operation::post(
        "/api/federation/tokens",
        "create_federation_token",
        "Makes a token that can be put into a peer. It opens nothing by itself.",
    ))
    .takes::<Draft>()
    .gives::<FederationToken>(StatusCode::CREATED, "The token, shown this once.");
    let forget = under(Operation::delete(
        "/api/federation/tokens/{id}",
        "forget_federation_token",
        "Forgets a label. Peers that have the token keep it.",
    ))
    .part::<String>("id", "The label's id.")
    .gives::<FederationToken>(StatusCode::OK, "It is forgotten.")
    .refuses(StatusCode::NOT_FOUND, "The team has no such label.");
    Routes::new()
        .add(list, get_all)
        .add(create, post)
        .add(forget, delete)
}

fn shown(record: TokenRecord, token: Option<&Secret>) -> FederationToken {
    FederationToken {
        id: record.id,
        label: record.label,
        token: token.map(|token| token.reveal().to_owned()),
        created_at: rfc3339(record.created_at),
    }
}

/// `GET /api/federation/tokens`.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let records = app.store.federation_tokens(call.key.team.clone()).await?;
    let tokens: Vec<_> = records
        .into_iter()
        .map(|record| shown(record, None))
        .collect();
    Ok(json(StatusCode::OK, &tokens))
}

/// A token to be made.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "FederationTokenDraft")]
struct Draft {
    /// What it is for.
    #[schemars(with = "Name<LABEL_MAX_CHARS>")]
    label: String,
}

/// `POST /api/federation/tokens`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let Draft { label } = call.json(&app).await?;
    check_name("`label`", &label, LABEL_MAX_CHARS)?;
    let record = TokenRecord {
        id: random::uuid7(),
        team: call.key.team.clone(),
        label,
        created_at: app.clock.unix_millis(),
    };
    app.store.create_federation_token(record.clone()).await?;
    let token = Secret::mint(&random::bytes());
    Ok(json(StatusCode::CREATED, &shown(record, Some(&token))))
}

/// `DELETE /api/federation/tokens/{id}`: forgets the label. Peers that have the token keep it.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let team = call.key.team.clone();
    let removed = app.store.remove_federation_token(team, id).await?;
    Ok(json(StatusCode::OK, &shown(removed, None)))
}
