//! Whom the team trusts: list, add, remove, set the policy. All of it is for admin keys.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::base::clock::rfc3339;
use crate::federation::openintent::{Source, TeamTrust, TrustedServer, check_api_key, check_did};
use crate::openintent::model::{PeerRelationship, TrustPolicy};
use crate::openintent::trust::normalize;
use crate::protocol::error::ErrorCode;
use crate::protocol::id::TeamId;
use crate::protocol::permission::Permission;
use crate::protocol::schema::HookUrl;
use crate::protocol::trust::{
    TeamTrustShown, TrustPolicyDraft, TrustSource, TrustedServerDraft, TrustedServerShown,
};
use crate::server::call::{Admin, Call};
use crate::server::description::{Operation, Routes};
use crate::server::error::{ApiError, json};
use crate::server::peer_body::parse;
use crate::server::query;
use crate::server::state::App;
use crate::store::openintent::TrustedRecord;

/// What is served of it.
pub(super) fn routes() -> Routes {
    let show = Operation::get("/trust", "get_trust", "Whom the team trusts.")
        .under("openintent")
        .needs(Permission::Admin)
        .gives::<TeamTrustShown>(StatusCode::OK, "The policy, and the servers by URL.");
    let policy = Operation::put(
        "/trust/policy",
        "put_trust_policy",
        "Sets the team's policy.",
    )
    .under("openintent")
    .needs(Permission::Admin)
    .takes::<TrustPolicyDraft>()
    .gives::<TeamTrustShown>(StatusCode::OK, "Whom the team trusts now.");
    let add = Operation::put(
        "/trust/servers",
        "put_trusted_server",
        "Adds a server that the team trusts, or changes one.",
    )
    .under("openintent")
    .needs(Permission::Admin)
    .takes::<TrustedServerDraft>()
    .gives::<TrustedServerShown>(StatusCode::OK, "The server.")
    .refuses(StatusCode::NOT_FOUND, "Somebody else removed it meanwhile.")
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The team trusts as many servers as there can be.",
    );
    let remove = Operation::delete(
        "/trust/servers",
        "remove_trusted_server",
        "Removes a server that a command has added.",
    )
    .under("openintent")
    .needs(Permission::Admin)
    .query::<HookUrl>("url", "The server's URL.")
    .required()
    .gives::<TrustedServerShown>(StatusCode::OK, "The server, which is trusted no more.")
    .refuses(StatusCode::NOT_FOUND, "The team trusts no such server.")
    .refuses(
        StatusCode::CONFLICT,
        "The server is named by the server's configuration.",
    );
    Routes::new()
        .add(show, get)
        .add(policy, put_policy)
        .add(add, put_server)
        .add(remove, delete_server)
}

/// How many servers commands may add to a team. Each request that names its source is compared with all of them.
const TRUSTED_MAX: usize = 1000;

fn shown(server: &TrustedServer) -> TrustedServerShown {
    TrustedServerShown {
        url: server.given_url.clone(),
        relationship: server.relationship.word().to_owned(),
        trust_policy: server.trust_policy.map(|policy| policy.word().to_owned()),
        did: server.did.clone(),
        has_api_key: server.api_key.is_some(),
        source: source(server.source),
        created_at: server.created_at.map(rfc3339),
    }
}

fn source(source: Source) -> TrustSource {
    match source {
        Source::Configuration => TrustSource::Configuration,
        Source::Command => TrustSource::Command,
    }
}

fn answer(trust: &TeamTrust) -> Response {
    let shown = TeamTrustShown {
        trust_policy: trust.policy.word().to_owned(),
        policy_source: source(trust.policy_source),
        servers: trust.servers.iter().map(shown).collect(),
    };
    json(StatusCode::OK, &shown)
}

/// `GET /api/openintent/trust`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    Ok(answer(&*app.trust.of(&call.key.team).await?))
}

/// `PUT /api/openintent/trust/policy`.
pub(super) async fn put_policy(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let draft: TrustPolicyDraft = parse(&call.body(&app).await?)?;
    let policy = draft.trust_policy.as_deref();
    let policy = policy
        .map(|word| policy_of("trust_policy", word))
        .transpose()?;
    let team = &call.key.team;
    let word = policy.map(|policy| policy.word().to_owned());
    app.store.put_trust_policy(team.clone(), word).await?;
    app.trust.forget();
    let trust = app.trust.of(team).await?;
    tracing::info!(%team, policy = trust.policy.word(), "the trust policy was set");
    Ok(answer(&trust))
}

/// `PUT /api/openintent/trust/servers`.
pub(super) async fn put_server(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let draft: TrustedServerDraft = parse(&call.body(&app).await?)?;
    let team = &call.key.team;
    let record = record(&app, team, draft)?;
    let known = app.trust.of(team).await?;
    let is_new =
        |server: &&TrustedServer| server.source == Source::Command && server.url != record.url;
    if known.servers.iter().filter(is_new).count() >= TRUSTED_MAX {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Unprocessable,
            format!("the team trusts {TRUSTED_MAX} servers, which is the most there can be"),
        ));
    }
    let url = record.url.clone();
    app.store.put_trusted_server(record).await?;
    app.trust.forget();
    tracing::info!(%team, server = url, "a server is trusted");
    let trust = app.trust.of(team).await?;
    match trust.server(&url) {
        Some(server) => Ok(json(StatusCode::OK, &shown(server))),
        None => Err(removed_meanwhile(&url)),
    }
}

/// `DELETE /api/openintent/trust/servers?url=…`. Where the configuration names the server too, its word counts again.
pub(super) async fn delete_server(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let [given] = &query(&call.parts, "url")[..] else {
        return Err(ApiError::bad_request(
            "`url` is missing: it says which server",
        ));
    };
    let team = &call.key.team;
    let url = normalize(given);
    let trust = app.trust.of(team).await?;
    let Some(server) = trust.server(&url) else {
        return Err(ApiError::not_found(format!(
            "no server `{given}` is trusted"
        )));
    };
    if server.source == Source::Configuration {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            ErrorCode::Conflict,
            format!(
                "the server `{given}` is named by the server's configuration, which alone can leave it out"
            ),
        ));
    }
    let was_there = app
        .store
        .remove_trusted_server(team.clone(), url.clone())
        .await?;
    app.trust.forget();
    if !was_there {
        return Err(removed_meanwhile(given));
    }
    tracing::info!(%team, server = url, "a server is trusted no more");
    Ok(json(StatusCode::OK, &shown(server)))
}

fn removed_meanwhile(url: &str) -> ApiError {
    ApiError::not_found(format!("the server `{url}` was removed meanwhile"))
}

/// Checks what is said of a server. Inside, nobody checks again.
fn record(app: &App, team: &TeamId, draft: TrustedServerDraft) -> Result<TrustedRecord, ApiError> {
    let url = draft
        .url
        .ok_or_else(|| ApiError::bad_request("`url` is missing"))?;
    let url = app
        .trust
        .server_url(&url, app.dial.outbound())
        .map_err(|fault| named("url", &fault))?;
    let relationship = match draft.relationship.as_deref() {
        None => PeerRelationship::default(),
        Some(word) => PeerRelationship::of(word)
            .ok_or_else(|| not_among("relationship", word, PeerRelationship::WANTED))?,
    };
    let policy = draft.trust_policy.as_deref();
    let policy = policy
        .map(|word| policy_of("trust_policy", word))
        .transpose()?;
    if let Some(did) = &draft.did {
        check_did(did).map_err(|fault| named("did", &fault))?;
    }
    let place = TrustedRecord::place(team, url.normalized());
    let api_key = match &draft.api_key {
        None => None,
        Some(key) => {
            check_api_key(key).map_err(|fault| named("api_key", &fault))?;
            Some(app.sealer.seal(&place, key)?)
        }
    };
    let now = app.clock.unix_millis();
    Ok(TrustedRecord {
        team: team.clone(),
        url: url.normalized().to_owned(),
        given_url: url.given().to_owned(),
        relationship: relationship.word().to_owned(),
        trust_policy: policy.map(|policy| policy.word().to_owned()),
        did: draft.did,
        api_key,
        created_at: now,
        updated_at: now,
    })
}

fn policy_of(name: &str, word: &str) -> Result<TrustPolicy, ApiError> {
    TrustPolicy::of(word).ok_or_else(|| not_among(name, word, TrustPolicy::WANTED))
}

fn not_among(name: &str, word: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(format!("`{name}` is `{word}`: it must be {wanted}"))
}

fn named(name: &str, fault: &impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format!("`{name}`: {fault}"))
}
