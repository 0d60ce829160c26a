//! Endpoints: list, make, rotate, deactivate. The calls over the WebSocket (spec 6) and their REST mirrors (spec 7.3) are
//! one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::{Call, Read, Write};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::path::Path;
use super::state::App;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::base::secret::Secret;
use crate::protocol::id::{SourceSlug, TeamId, check_name};
use crate::protocol::permission::Permission;
use crate::protocol::rpc::{
    ById, Hook, HookCreated, HookDeactivated, HookRotated, Hooks, HooksCreate, HooksRotateSecret,
    InstallPrepared, MAX_BODY_MAX_BYTES, PrepareInstall, SECRET_MAX_CHARS,
};
use crate::protocol::schema::Name;
use crate::protocol::token::{Token, TokenKind};
use crate::store::record::{EndpointDraft, EndpointRecord, Keeps, KeyHash, KeyRecord, Millis};
use crate::webhook;

/// How long a secret that was replaced stays valid (spec 6).
const OVERLAP_MILLIS: Millis = 10 * 60 * 1000;

/// What is served of them.
pub(super) fn routes() -> Routes {
    let list = Operation::get("/api/v1/hooks", "list_endpoints", "The team's endpoints.")
        .under("endpoints")
        .needs(Permission::Read)
        .gives::<Hooks>(StatusCode::OK, "The endpoints by source.");
    let create = Operation::post(
        "/api/v1/hooks",
        "create_endpoint",
        "Makes an endpoint; of a source that has one, a new token for it.",
    )
    .under("endpoints")
    .needs(Permission::Write)
    .takes::<HooksCreate>()
    .gives::<HookCreated>(
        StatusCode::CREATED,
        "The endpoint, with its token, shown this once.",
    );
    let deactivate = Operation::delete(
        "/api/v1/hooks/{id}",
        "deactivate_endpoint",
        "Deactivates an endpoint.",
    )
    .under("endpoints")
    .needs(Permission::Write)
    .part::<String>("id", "The endpoint's id.")
    .gives::<HookDeactivated>(StatusCode::OK, "It takes nothing any more.")
    .refuses(StatusCode::NOT_FOUND, "The team has no such endpoint.");
    let rotate = Operation::post(
        "/api/v1/hooks/{source}/secret",
        "replace_endpoint_secret",
        "Replaces the secret that posts are signed with; the one before stays valid for ten minutes.",
    )
    .under("endpoints")
    .needs(Permission::Write)
    .part::<SourceSlug>("source", "The endpoint's source.")
    .takes::<NewSecret>()
    .gives::<HookRotated>(StatusCode::OK, "It is replaced.")
    .refuses(StatusCode::NOT_FOUND, "The team has no such endpoint.");
    Routes::new()
        .add(list, get_all)
        .add(create, post)
        .add(deactivate, delete)
        .add(rotate, post_secret)
}

const GITHUB: &str = "github";

/// What of a team's id needs no escape in an address, nor quotes in a shell (RFC 3986, 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `hooks.list`.
pub(super) async fn list(app: &App, caller: &KeyRecord) -> Result<Hooks, ApiError> {
    caller.require(Permission::Read)?;
    let endpoints = app.store.endpoints(caller.team.clone()).await?;
    let listed = |endpoint: EndpointRecord| Hook {
        webhook_secret_configured: endpoint.secret.is_some(),
        id: endpoint.id,
        source: endpoint.source.to_string(),
        active: endpoint.active,
        created_at: Some(rfc3339(endpoint.created_at)),
    };
    Ok(Hooks {
        team_id: caller.team.to_string(),
        hooks: endpoints.into_iter().map(listed).collect(),
    })
}

/// `hooks.create`: a new endpoint; for an existing source a new token, which wakes the endpoint up again.
pub(super) async fn create(
    app: &App,
    caller: &KeyRecord,
    params: HooksCreate,
) -> Result<HookCreated, ApiError> {
    caller.require(Permission::Write)?;
    let source = SourceSlug::parse(&params.source)?;
    if params
        .max_body_bytes
        .is_some_and(|max| !(1..=MAX_BODY_MAX_BYTES).contains(&max))
    {
        return Err(ApiError::bad_request(format!(
            "`max_body_bytes` must be from 1 to {MAX_BODY_MAX_BYTES}"
        )));
    }
    let is_made_up = params.webhook_secret.is_none() && source.as_str() == GITHUB;
    let secret = match params.webhook_secret {
        Some(secret) => Some(checked_secret(secret)?),
        None => is_made_up.then(made_up_secret),
    };
    let draft = Draft {
        source,
        secret: secret.as_ref(),
        max_body_bytes: params.max_body_bytes,
        keeps: Keeps::None,
    };
    let (token, stored) = put(app, &caller.team, draft).await?;
    let endpoint = path(&stored);
    Ok(HookCreated {
        endpoint_with_token: format!("{endpoint}/{}", token.reveal()),
        endpoint,
        hook_token: token.reveal().to_owned(),
        webhook_secret_configured: stored.secret.is_some(),
        github_webhook_secret: secret
            .filter(|_| is_made_up)
            .map(|secret| secret.reveal().to_owned()),
        id: stored.id,
        source: stored.source.to_string(),
    })
}

/// An endpoint to be stored, before its secrets are sealed.
struct Draft<'a> {
    source: SourceSlug,
    secret: Option<&'a Secret>,
    max_body_bytes: Option<u64>,
    keeps: Keeps,
}

/// Stores an endpoint with a fresh token, and a new secret if there is one.
async fn put(
    app: &App,
    team: &TeamId,
    draft: Draft<'_>,
) -> Result<(Token, EndpointRecord), ApiError> {
    let Draft {
        source,
        secret,
        max_body_bytes,
        keeps,
    } = draft;
    let token = Token::mint(TokenKind::HookToken, &random::bytes());
    let place = EndpointRecord::place(team, &source);
    let seal = |text: &str| app.sealer.seal(&place, text);
    let now = app.clock.unix_millis();
    let draft = EndpointDraft {
        id: random::uuid7(),
        team: team.clone(),
        token_hash: KeyHash::of(&token),
        token: match source.as_str() {
            GITHUB => Some(seal(token.reveal())?),
            _ => None,
        },
        secret: secret.map(|secret| seal(secret.reveal())).transpose()?,
        source,
        max_body_bytes,
        now,
        old_secret_until: now + OVERLAP_MILLIS,
        keeps,
    };
    let stored = app.store.put_endpoint(draft).await?;
    app.access.refresh().await?;
    Ok((token, stored))
}

/// The endpoint of a source that has none, so that samples can be sent, and whether it was made by this call: with a secret
/// of its own where the source is a provider, without one for an application of the user's.
pub(super) async fn for_samples(
    app: &App,
    team: &TeamId,
    source: SourceSlug,
) -> Result<(EndpointRecord, bool), ApiError> {
    let secret = webhook::is_provider(source.as_str()).then(made_up_secret);
    let draft = Draft {
        source,
        secret: secret.as_ref(),
        max_body_bytes: None,
        keeps: Keeps::All,
    };
    let (token, stored) = put(app, team, draft).await?;
    let is_made = stored.token_hash == KeyHash::of(&token);
    Ok((stored, is_made))
}

/// `/hooks/<team>/<source>`.
pub(super) fn path(endpoint: &EndpointRecord) -> String {
    path_of(&endpoint.team, endpoint.source.as_str())
}

/// Likewise, of a team and a source.
pub(super) fn path_of(team: &TeamId, source: &str) -> String {
    let team = utf8_percent_encode(team.as_str(), UNRESERVED);
    format!("/hooks/{team}/{source}")
}

/// A secret as GitHub's own page suggests it: 64 hex digits.
fn made_up_secret() -> Secret {
    let random: [u8; 32] = random::bytes();
    Secret::from(
        random
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}

fn checked_secret(secret: String) -> Result<Secret, ApiError> {
    check_name("`webhook_secret`", &secret, SECRET_MAX_CHARS)?;
    webhook::check_secret(secret.as_bytes())
        .map_err(|fault| ApiError::bad_request(format!("`webhook_secret`: {fault}")))?;
    Ok(Secret::from(secret))
}

/// `hooks.rotate_secret`: the hook token stays.
pub(super) async fn rotate(
    app: &App,
    caller: &KeyRecord,
    params: HooksRotateSecret,
) -> Result<HookRotated, ApiError> {
    caller.require(Permission::Write)?;
    let source = SourceSlug::parse(&params.source)?;
    let secret = checked_secret(params.webhook_secret)?;
    let stored = replace_secret(app, &caller.team, source, &secret).await?;
    Ok(HookRotated {
        id: stored.id,
        source: stored.source.to_string(),
        webhook_secret_configured: true,
    })
}

async fn replace_secret(
    app: &App,
    team: &TeamId,
    source: SourceSlug,
    secret: &Secret,
) -> Result<EndpointRecord, ApiError> {
    let sealed = app
        .sealer
        .seal(&EndpointRecord::place(team, &source), secret.reveal())?;
    let until = app.clock.unix_millis() + OVERLAP_MILLIS;
    let stored = app
        .store
        .rotate_secret(team.clone(), source, sealed, until)
        .await?;
    app.access.refresh().await?;
    Ok(stored)
}

/// `hooks.deactivate`.
pub(super) async fn deactivate(
    app: &App,
    caller: &KeyRecord,
    params: ById,
) -> Result<HookDeactivated, ApiError> {
    caller.require(Permission::Write)?;
    app.store
        .deactivate_endpoint(caller.team.clone(), params.id.clone())
        .await?;
    app.access.refresh().await?;
    Ok(HookDeactivated {
        id: params.id,
        active: false,
    })
}

/// `hooks.github.prepare_install`: everything that a hook on GitHub needs. Addresses that were handed out before stay
/// good, so the same token comes back each time.
pub(super) async fn prepare_install(
    app: &App,
    caller: &KeyRecord,
    params: PrepareInstall,
) -> Result<InstallPrepared, ApiError> {
    caller.require(Permission::Write)?;
    let source = SourceSlug::parse(GITHUB)?;
    let place = EndpointRecord::place(&caller.team, &source);
    let known = app
        .store
        .find_endpoint(caller.team.clone(), source.clone())
        .await?
        .filter(|endpoint| endpoint.active);
    let open = |sealed: &Option<Vec<u8>>| {
        let opened = sealed
            .as_ref()
            .map(|sealed| app.sealer.open(&place, sealed));
        opened.transpose()
    };
    let kept = |endpoint: &EndpointRecord| -> Result<_, ApiError> {
        Ok(open(&endpoint.token)?.zip(open(&endpoint.secret)?))
    };
    let prepared =
        |endpoint: &EndpointRecord, token: &str, secret: &Secret, secret_rotated| InstallPrepared {
            id: endpoint.id.clone(),
            team_id: endpoint.team.to_string(),
            endpoint_with_token: format!("{}/{token}", path(endpoint)),
            github_webhook_secret: secret.reveal().to_owned(),
            secret_rotated,
        };
    if let Some(endpoint) = known
        && let Some((token, secret)) = kept(&endpoint)?
    {
        if !params.rotate_secret {
            return Ok(prepared(&endpoint, token.reveal(), &secret, false));
        }
        let secret = made_up_secret();
        let stored = replace_secret(app, &caller.team, source, &secret).await?;
        return Ok(prepared(&stored, token.reveal(), &secret, true));
    }
    let secret = made_up_secret();
    let draft = Draft {
        source,
        secret: Some(&secret),
        max_body_bytes: None,
        // Of two calls at once, on whatever node, the second finds what the first has made.
        keeps: Keeps::Complete,
    };
    let (token, stored) = put(app, &caller.team, draft).await?;
    if stored.token_hash == KeyHash::of(&token) {
        return Ok(prepared(&stored, token.reveal(), &secret, true));
    }
    let (token, secret) = kept(&stored)?.ok_or_else(|| {
        ApiError::unavailable("the endpoint was changed at the same moment: try again")
    })?;
    Ok(prepared(&stored, token.reveal(), &secret, false))
}

/// `GET /api/v1/hooks`.
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    call: Call<Read>,
) -> Result<Response, ApiError> {
    Ok(json(StatusCode::OK, &list(&app, &call.key).await?))
}

/// `POST /api/v1/hooks`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let params = call.json(&app).await?;
    let created = create(&app, &call.key, params).await?;
    Ok(json(StatusCode::CREATED, &created))
}

/// `DELETE /api/v1/hooks/{id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    call: Call<Write>,
) -> Result<Response, ApiError> {
    let deactivated = deactivate(&app, &call.key, ById { id }).await?;
    Ok(json(StatusCode::OK, &deactivated))
}

/// The body of `POST /api/v1/hooks/{source}/secret`.
#[derive(Deserialize, JsonSchema)]
struct NewSecret {
    /// The new secret.
    #[schemars(with = "Name<SECRET_MAX_CHARS>")]
    webhook_secret: String,
}

/// `POST /api/v1/hooks/{source}/secret`.
pub(super) async fn post_secret(
    State(app): State<Arc<App>>,
    Path(source): Path<String>,
    mut call: Call<Write>,
) -> Result<Response, ApiError> {
    let NewSecret { webhook_secret } = call.json(&app).await?;
    let params = HooksRotateSecret {
        source,
        webhook_secret,
    };
    let rotated = rotate(&app, &call.key, params).await?;
    Ok(json(StatusCode::OK, &rotated))
}
