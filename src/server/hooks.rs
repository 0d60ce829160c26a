//! `POST /hooks/{team}/{source}`: ingest through an endpoint (spec 8).
//!
//! The order is fixed: size, then who is asking, then what was sent, then whether it is new, then the store.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use schemars::{SchemaGenerator, json_schema};

use super::access::bearer;
use super::description::{JSON, Operation, Routes, cloud_event, cloud_events};
use super::door::{Door, answered, header_lines, store};
use super::endpoints;
use super::error::{ApiError, json};
use super::limit::Sender;
use super::path::Path;
use super::{body, state::App};
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::api::EventAnswer;
use crate::protocol::error::ErrorCode;
use crate::protocol::event::dedup_key;
use crate::protocol::id::{SourceSlug, TeamId};
use crate::protocol::rpc::Published;
use crate::protocol::token::{Token, TokenKind};
use crate::store::record::{Dedup, EndpointRecord, NewEvent, Origin};
use crate::webhook::cloudevents::{Mode, recognise};
use crate::webhook::sample::Post as Sample;
use crate::webhook::{self, Headers, Ingested, Receipt, Reply, Taken};

/// What is served of it.
pub(super) fn routes() -> Routes {
    let signed = takes_posts(Operation::post(
        "/hooks/{team}/{source}",
        "post_webhook",
        "Takes a webhook, whose sender shows the endpoint's token or signs it.",
    ))
    .shown("hook_token")
    .shown("webhook_signature");
    let open = takes_posts(
        Operation::post(
            "/hooks/{team}/{source}/{token}",
            "post_webhook_with_token",
            "Takes a webhook whose sender knows nothing but an address.",
        )
        .part::<String>("token", "The endpoint's token."),
    )
    .refuses(
        StatusCode::UNAUTHORIZED,
        "There is no such endpoint, or the token or the signature is wrong.",
    )
    .refuses(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many, or too many wrong credentials: `Retry-After` says when to ask again.",
    )
    .refuses(StatusCode::FORBIDDEN, RESERVED);
    Routes::new().add(signed, bare).add(open, with_token)
}

const RESERVED: &str = "The event has a type that only the server itself makes.";

/// What both addresses of an endpoint take and give.
fn takes_posts(operation: Operation) -> Operation {
    let anything = |_: &mut SchemaGenerator| json_schema!({});
    operation
        .under("hooks")
        .part::<TeamId>("team", "The team.")
        .part::<String>("source", "The endpoint's source.")
        .takes_as(JSON, anything)
        .takes_as(
            "application/x-www-form-urlencoded",
            |_| json_schema!({"type": "object", "additionalProperties": {"type": "string"}}),
        )
        .takes_as("application/cloudevents+json", cloud_event)
        .takes_as("application/cloudevents-batch+json", cloud_events)
        .takes_as(
            "application/octet-stream",
            |_| json_schema!({"type": "string", "format": "binary"}),
        )
        .or_nothing()
        .gives::<EventAnswer>(StatusCode::ACCEPTED, "It is stored.")
        .gives::<Published>(
            StatusCode::ACCEPTED,
            "Of a batch, what became of each event.",
        )
        .gives::<EventAnswer>(
            StatusCode::OK,
            "It was stored before, or the provider wants to hear this status.",
        )
        .gives_as(
            StatusCode::OK,
            "The answer to a provider's question.",
            |_| {
                json_schema!({
                    "title": "Challenge",
                    "type": "object",
                    "required": ["challenge"],
                    "properties": {"challenge": {"type": "string"}},
                })
            },
        )
        .gives_content(
            StatusCode::OK,
            "What Twilio wants to hear.",
            "text/xml",
            |_| json_schema!({"type": "string"}),
        )
        .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
        .refuses(StatusCode::NOT_FOUND, "The team is gone.")
        .refuses(StatusCode::GONE, "The endpoint was deactivated.")
}

/// The token in the `Authorization` header, or none.
pub(super) async fn bare(
    State(app): State<Arc<App>>,
    Path((team, source)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    ingest(&app, &team, &source, None, request).await
}

/// The token in the path.
pub(super) async fn with_token(
    State(app): State<Arc<App>>,
    Path((team, source, token)): Path<(String, String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    ingest(&app, &team, &source, Some(&token), request).await
}

/// What exactly is wrong with a signature is not told: a sender that knows the secret can find out, anybody else should not.
const UNVERIFIED: &str = "the signature is missing or wrong";

/// One answer for an unknown team, an unknown source and a wrong token.
fn refused() -> ApiError {
    ApiError::unauthorized("invalid hook token")
}

async fn ingest(
    app: &App,
    team: &str,
    source: &str,
    in_path: Option<&str>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let endpoint = find(app, team, source).await?;
    let token = one_token(in_path, bearer(&parts.headers));
    let sizes = Sizes::of(
        app,
        endpoint.as_deref(),
        source,
        token.as_ref().ok().copied(),
    );
    let sent = body::read(app, &parts, sent, sizes.read).await;
    let sent = sent.map_err(|refusal| match refusal.code() {
        ErrorCode::TooLarge => ApiError::too_large(sizes.told as u64),
        _ => refusal,
    })?;
    let is_small = sent.len() <= sizes.usual;

    let failed = |refusal: ApiError| match refusal.code() {
        ErrorCode::Unauthorized if is_small => app.access.failed(&parts, refusal),
        ErrorCode::Unauthorized => ApiError::too_large(sizes.usual as u64),
        _ => refusal,
    };
    let endpoint = endpoint.ok_or_else(|| failed(refused()))?;
    let post = Post {
        headers: headers(&parts.headers),
        body: sent,
        token: token.map_err(failed)?,
        url: url(app, &parts),
    };
    let is_verified = post.authenticate(app, &endpoint).map_err(failed)?;
    if post.body.len() > sizes.own {
        return Err(ApiError::too_large(sizes.own as u64));
    }
    check_active(&endpoint)?;
    let now = app.clock.unix_millis();
    let sender = Sender::of(&parts, &endpoint.team, None);
    app.rates.admit(&sender, 1, now)?;
    match recognise(header_lines(&parts.headers))? {
        Mode::None(_) => {
            let answer = match post.read(app, &endpoint, is_verified)? {
                Taken::Event(ingested) => {
                    answered(store_delivery(app, &endpoint, *ingested).await?)
                }
                Taken::Challenge(challenge) => {
                    let answer = serde_json::json!({ "challenge": challenge });
                    return Ok(json(StatusCode::OK, &answer));
                }
            };
            Ok(worded(webhook::reply(endpoint.source.as_str()), answer))
        }
        mode => {
            let token = post.hook_token(&endpoint);
            let kept = post.headers.to_keep(token.as_ref().map(Token::reveal));
            let door = Door {
                team: endpoint.team.clone(),
                source: &endpoint.source,
                is_verified,
                hook_token: Some(&endpoint.token_hash),
                original_headers: Some(kept),
            };
            door.take(app, &sender, mode, &post.body).await
        }
    }
}

/// A deactivated endpoint takes nothing.
pub(super) fn check_active(endpoint: &EndpointRecord) -> Result<(), ApiError> {
    match endpoint.active {
        true => Ok(()),
        false => Err(ApiError::new(
            StatusCode::GONE,
            ErrorCode::Gone,
            format!("the endpoint `{}` was deactivated", endpoint.source),
        )),
    }
}

async fn find(
    app: &App,
    team: &str,
    source: &str,
) -> Result<Option<Arc<EndpointRecord>>, ApiError> {
    let (Ok(team), Ok(source)) = (team.parse::<TeamId>(), SourceSlug::parse(source)) else {
        return Ok(None);
    };
    Ok(app.access.endpoint(team, source).await?)
}

/// The token that was given, if any. Given twice, it must be the same.
fn one_token<'a>(
    in_path: Option<&'a str>,
    bearer: Option<&'a str>,
) -> Result<Option<&'a str>, ApiError> {
    match (in_path, bearer) {
        (Some(path), Some(bearer)) if path != bearer => Err(refused()),
        (path, bearer) => Ok(path.or(bearer)),
    }
}

/// How large a body may be, in bytes.
struct Sizes {
    /// What its source allows, else the server: so much may be sent to an endpoint that does not exist.
    usual: usize,
    /// What the endpoint says, else the usual.
    own: usize,
    /// How much is read before it is known who sends it.
    read: usize,
    /// What a sender of more is told: only who knows the token learns of a limit that is the endpoint's own.
    told: usize,
}

impl Sizes {
    fn of(
        app: &App,
        endpoint: Option<&EndpointRecord>,
        source: &str,
        token: Option<Option<&str>>,
    ) -> Self {
        let of_source = webhook::max_body_bytes(&source.trim().to_lowercase());
        let usual = of_source.unwrap_or(app.max_body_bytes);
        let own = endpoint.and_then(|endpoint| endpoint.max_body_bytes);
        let own = own.and_then(|own| usize::try_from(own).ok());
        let own = own.unwrap_or(usual);
        let token = token.flatten().and_then(|text| Token::parse(text).ok());
        let is_known = endpoint.zip(token).is_some_and(|(endpoint, token)| {
            token.kind() == TokenKind::HookToken && endpoint.token_hash.matches(&token)
        });
        Self {
            usual,
            own,
            read: own.max(usual),
            told: if is_known { own } else { usual },
        }
    }
}

/// The address that the sender called. The sender knows the public one; without one, it is what the request says.
fn url(app: &App, parts: &Parts) -> String {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    match &app.public_url {
        Some(base) => below(base, path),
        None => {
            let said = |name: &str| {
                parts
                    .headers
                    .get(name)
                    .and_then(|value| value.to_str().ok())
            };
            let host = said("host").unwrap_or_default();
            // Whoever lies here makes its own signature wrong.
            let scheme = match said("x-forwarded-proto") {
                Some("https") => "https",
                _ => "http",
            };
            format!("{scheme}://{host}{path}")
        }
    }
}

fn below(base: &str, path: &str) -> String {
    format!("{}{path}", base.trim_end_matches('/'))
}

fn headers(map: &HeaderMap) -> Headers {
    Headers::new(
        map.iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))),
    )
}

/// A post whose body was read.
pub(super) struct Post<'a> {
    headers: Headers,
    body: Bytes,
    token: Option<&'a str>,
    /// The address that was called.
    url: String,
}

impl Post<'_> {
    /// A post of a sample, signed with the endpoint's newest secret if it has one.
    pub(super) fn sample(
        app: &App,
        endpoint: &EndpointRecord,
        sample: Sample,
    ) -> Result<Self, ApiError> {
        let base = app.public_url.as_deref().unwrap_or("http://localhost");
        let mut post = Self {
            headers: sample.headers,
            body: sample.body.into(),
            token: None,
            url: below(base, &endpoints::path(endpoint)),
        };
        if let Some(sealed) = &endpoint.secret {
            let place = EndpointRecord::place(&endpoint.team, &endpoint.source);
            let secret = app.sealer.open(&place, sealed)?;
            let now = app.clock.unix_millis() / 1000;
            let signature = webhook::sign(&post.request(endpoint), secret.reveal().as_bytes(), now)
                .ok_or_else(|| {
                    ApiError::bad_request(format!(
                        "the endpoint `{}` has a public key in place of a secret: only its sender can sign",
                        endpoint.source
                    ))
                })?;
            post.headers.extend(signature);
        }
        Ok(post)
    }

    fn request<'b>(&'b self, endpoint: &'b EndpointRecord) -> webhook::Request<'b> {
        webhook::Request {
            slug: endpoint.source.as_str(),
            headers: &self.headers,
            body: &self.body,
            url: Some(&self.url),
        }
    }

    /// Whether the sender may post here; `true` when a signature says so (the table of spec 8).
    pub(super) fn authenticate(
        &self,
        app: &App,
        endpoint: &EndpointRecord,
    ) -> Result<bool, ApiError> {
        if let Some(token) = self.token {
            let token = Token::parse(token).map_err(|_| refused())?;
            if token.kind() != TokenKind::HookToken || !endpoint.token_hash.matches(&token) {
                return Err(refused());
            }
        }
        if endpoint.secret.is_none() {
            return self.token.map(|_| false).ok_or_else(refused);
        }
        let now = app.clock.unix_millis();
        let place = EndpointRecord::place(&endpoint.team, &endpoint.source);
        let secrets = endpoint
            .live_secrets(now)
            .map(|sealed| app.sealer.open(&place, sealed))
            .collect::<Result<Vec<_>, _>>()?;
        let secrets: Vec<&[u8]> = secrets
            .iter()
            .map(|secret| secret.reveal().as_bytes())
            .collect();
        match webhook::verify(&self.request(endpoint), &secrets, now / 1000) {
            Ok(()) => Ok(true),
            // Only who knows the token learns that there is an endpoint.
            Err(_) if self.token.is_some() => Err(ApiError::unauthorized(UNVERIFIED)),
            Err(_) => Err(refused()),
        }
    }

    /// The endpoint's token, wherever in the request it stands: a signed post may have it in any header.
    fn hook_token(&self, endpoint: &EndpointRecord) -> Option<Token> {
        match self.token {
            Some(token) => Token::parse(token).ok(),
            None => self
                .headers
                .hook_tokens()
                .find(|token| endpoint.token_hash.matches(token)),
        }
    }

    /// Makes an event of a post that is no CloudEvent.
    pub(super) fn read(
        &self,
        app: &App,
        endpoint: &EndpointRecord,
        is_verified: bool,
    ) -> Result<Taken, ApiError> {
        let token = self.hook_token(endpoint);
        let receipt = Receipt {
            id: random::uuid7(),
            time: rfc3339(app.clock.unix_millis()),
            hook_token: token.as_ref().map(Token::reveal),
            is_verified,
        };
        Ok(webhook::ingest(&self.request(endpoint), receipt)?)
    }
}

/// Stores the event of a delivery, once however often it comes.
pub(super) async fn store_delivery(
    app: &App,
    endpoint: &EndpointRecord,
    ingested: Ingested,
) -> Result<EventAnswer, ApiError> {
    let dedup = ingested.delivery_id.map(|id| Dedup {
        key: dedup_key("delivery", &[endpoint.source.as_str(), &id]),
        fingerprint: None,
    });
    let now = app.clock.unix_millis();
    let new = NewEvent::new(endpoint.team.clone(), &ingested.event, now, dedup);
    store(app, new.by(Origin::Webhook)).await
}

/// The answer in the form that the source understands.
fn worded(reply: Reply, mut response: Response) -> Response {
    match reply {
        Reply::Accepted => {}
        Reply::Ok => *response.status_mut() = StatusCode::OK,
        Reply::TwiMl => {
            *response.status_mut() = StatusCode::OK;
            *response.body_mut() = Body::from(TWIML);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
            headers.remove(header::CONTENT_LENGTH);
        }
    }
    response
}

/// Nothing more is to be done for the message or call.
const TWIML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response></Response>";
