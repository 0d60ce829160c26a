//! API keys: list, make, revoke. The calls over the WebSocket (spec 6) and their REST mirrors (spec 7.3) are one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::bootstrap::new_key;
use super::call::{Admin, Call, Read};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::path::Path;
use super::{end_dead_keys, state::App};
use crate::base::clock::rfc3339;
use crate::protocol::id::check_text;
use crate::protocol::permission::{Permission, Permissions};
use crate::protocol::rpc::{
    ById, KEY_NAME_MAX_CHARS, Key, KeyCreated, KeyRevoked, Keys, KeysCreate,
};
use crate::protocol::scope::{Scope, Scopes};
use crate::store::record::{KeyRecord, Millis};

/// What is served of them.
pub(super) fn routes() -> Routes {
    let list = Operation::get("/api/v1/keys", "list_keys", "The team's API keys.")
        .under("keys")
        .needs(Permission::Read)
        .gives::<Keys>(StatusCode::OK, "The keys, without what is secret of them.");
    let create = Operation::post("/api/v1/keys", "create_key", "Makes an API key.")
        .under("keys")
        .needs(Permission::Admin)
        .takes::<KeysCreate>()
        .gives::<KeyCreated>(StatusCode::CREATED, "The key, shown this once.");
    let revoke = Operation::delete("/api/v1/keys/{id}", "revoke_key", "Revokes an API key.")
        .under("keys")
        .needs(Permission::Admin)
        .part::<String>("id", "The key's id.")
        .gives::<KeyRevoked>(
            StatusCode::OK,
            "It works no longer, and its connections end.",
        )
        .refuses(StatusCode::NOT_FOUND, "The team has no such key.");
    Routes::new()
        .add(list, get_all)
        .add(create, post)
        .add(revoke, delete)
}

/// `keys.list`.
pub(super) async fn list(app: &App, caller: &KeyRecord) -> Result<Keys, ApiError> {
    caller.require(Permission::Read)?;
    let keys = app.store.keys(caller.team.clone()).await?;
    Ok(Keys {
        team_id: caller.team.to_string(),
        keys: keys.into_iter().map(listed).collect(),
    })
}

fn listed(key: KeyRecord) -> Key {
    Key {
        id: key.id,
        name: key.name,
        key_prefix: key.prefix,
        revoked: key.revoked_at.is_some(),
        created_at: rfc3339(key.created_at),
        scopes: texts(&key.scopes),
        permissions: key.permissions.0,
        expires_at: key.expires_at.map(rfc3339),
        last_used_at: key.last_used_at.map(rfc3339),
    }
}

fn texts(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(Scope::to_string).collect()
}

/// `keys.create`.
pub(super) async fn create(
    app: &App,
    caller: &KeyRecord,
    params: KeysCreate,
) -> Result<KeyCreated, ApiError> {
    caller.require(Permission::Admin)?;
    let now = app.clock.unix_millis();
    if let Some(name) = &params.name {
        check_text("the key's name", name, KEY_NAME_MAX_CHARS)?;
    }
    let permissions = match params.permissions {
        Some(words) => permissions(words)?,
        None => Permissions::default(),
    };
    let scopes = match &params.scopes {
        Some(scopes) => Scopes::parse(scopes)?,
        None => Scopes::all(),
    };
    let expires_at = params
        .expires_at
        .map(|time| expiry(&time, now))
        .transpose()?;
    let (token, mut record) = new_key(caller.team.clone(), params.name, permissions, scopes, now);
    record.expires_at = expires_at;
    app.store.create_key(record.clone()).await?;
    Ok(KeyCreated {
        id: record.id,
        key_prefix: record.prefix,
        api_key: token.reveal().to_owned(),
        name: record.name,
        scopes: texts(&record.scopes),
        permissions: record.permissions.0,
        expires_at: record.expires_at.map(rfc3339),
        created_at: Some(rfc3339(record.created_at)),
    })
}

/// A new key says what it may do in words that mean something.
fn permissions(words: Vec<String>) -> Result<Permissions, ApiError> {
    match words.iter().find(|word| Permission::parse(word).is_none()) {
        Some(_) => Err(ApiError::bad_request(
            "`permissions` may hold `read`, `write` and `admin`",
        )),
        None => Ok(Permissions(words)),
    }
}

fn expiry(time: &str, now: Millis) -> Result<Millis, ApiError> {
    let time: Timestamp = time
        .parse()
        .map_err(|_| ApiError::bad_request("`expires_at` must be an RFC 3339 time"))?;
    let time = time.as_millisecond();
    if time <= now {
        return Err(ApiError::bad_request("`expires_at` lies in the past"));
    }
    Ok(time)
}

/// `keys.revoke`: its connections end at once.
pub(super) async fn revoke(
    app: &App,
    caller: &KeyRecord,
    params: ById,
) -> Result<KeyRevoked, ApiError> {
    caller.require(Permission::Admin)?;
    let now = app.clock.unix_millis();
    let team = Some(caller.team.clone());
    app.store.revoke_key(team, params.id.clone(), now).await?;
    end_dead_keys(app).await?;
    Ok(KeyRevoked {
        id: params.id,
        revoked: true,
    })
}

/// `GET /api/v1/keys`.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &list(&app, &call.key).await?))
}

/// `POST /api/v1/keys`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let params = call.json(&app).await?;
    let created = create(&app, &call.key, params).await?;
    Ok(json(StatusCode::CREATED, &created))
}

/// `DELETE /api/v1/keys/{id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let revoked = revoke(&app, &call.key, ById { id }).await?;
    Ok(json(StatusCode::OK, &revoked))
}
