//! `POST /hooks/{team}/kite`: what peers forward (spec 14.3).
//!
//! The order is that of other hooks: size, then who is asking, then how much, then what was sent.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::json_schema;
use serde_json::json as object;

use super::access::bearer;
use super::body;
use super::description::{Operation, Routes, cloud_event};
use super::door::{answered, header_lines, store};
use super::error::{ApiError, json};
use super::limit::Sender;
use super::path::Path;
use super::state::App;
use crate::base::clock::rfc3339;
use crate::federation::{Caller, FederationToken};
use crate::protocol::api::EventAnswer;
use crate::protocol::arrival::Arrival;
use crate::protocol::error::ErrorCode;
use crate::protocol::event::Event;
use crate::protocol::federation::PeerStatus;
use crate::protocol::forward::{Declined, is_signed};
use crate::protocol::id::TeamId;
use crate::store::federation::{Dropped, PeerRecord};
use crate::store::record::{Dedup, Millis, NewEvent, Origin};
use crate::webhook::cloudevents::{Mode, recognise};

/// How large a body may be: an envelope is larger than its payload, and another instance takes those of GitHub
/// (spec 3.3).
const MAX_BODY_BYTES: usize = 40 * 1024 * 1024;

/// One answer for an unknown team, a wrong token and none.
const REFUSED: &str = "invalid federation token";

/// What only who shows the right token learns.
const UNSIGNED: &str = "the signature is missing or wrong";

/// What is served of it.
pub(super) fn routes() -> Routes {
    let operation = Operation::post(
        "/hooks/{team}/kite",
        "post_forwarded_event",
        "Takes an event that a peer forwards.",
    );
    let operation = from_peer(operation)
        .takes_as("application/cloudevents+json", cloud_event)
        .gives::<EventAnswer>(StatusCode::ACCEPTED, "It is stored.")
        .gives::<EventAnswer>(StatusCode::OK, "It was stored before.")
        .gives_as(
            StatusCode::OK,
            "It was here before, or has come too far, and goes no further.",
            |_| {
                json_schema!({
                    "title": "LoopDropped",
                    "type": "object",
                    "required": ["status", "id"],
                    "properties": {
                        "status": {"type": "string", "const": "loop_dropped"},
                        "id": {"type": "string"},
                    },
                })
            },
        )
        .refuses(StatusCode::PAYMENT_REQUIRED, "The team's quota is used up.")
        .refuses(StatusCode::NOT_FOUND, "The team is gone.");
    Routes::new().add(operation, post)
}

/// What a peer shows: its token, and a signature that is made with it.
pub(super) fn from_peer(operation: Operation) -> Operation {
    operation
        .under("federation")
        .shown("peer_token")
        .part::<TeamId>("team", "The team that the peer is one of.")
        .header::<String>(
            "X-Kite-Signature",
            "`sha256=` and the HMAC-SHA256 of the body in hex, with the token as its key.",
        )
        .required()
}

/// Takes an event of a peer.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Path(team): Path<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let visit = let_in(&app, &team, request, MAX_BODY_BYTES).await?;
    let Visit { caller, now, .. } = visit;
    check_content_type(&visit.headers)?;
    let arrival = Arrival::read(&visit.sent, visit.token.reveal())?;
    match arrival.refuse(&app.instance_id, caller.peer.max_hops) {
        Some(why) => Ok(drop_event(&app, &caller.peer, arrival.event(), &why, now).await),
        None => take(&app, caller, arrival.into_event(), now).await,
    }
}

/// A peer that was let in, and what it brought.
pub(super) struct Visit {
    /// Who it is.
    pub(super) caller: Caller,
    /// The token that it showed.
    token: FederationToken,
    headers: HeaderMap,
    sent: Bytes,
    /// When.
    now: Millis,
}

/// Lets an active peer in that shows its token and has signed what it sends, as often as it may come.
pub(super) async fn let_in(
    app: &App,
    team: &str,
    request: Request<Body>,
    max_bytes: usize,
) -> Result<Visit, ApiError> {
    let (parts, sent) = request.into_parts();
    let sent = body::read(app, &parts, sent, max_bytes).await?;
    let failed = |refusal: ApiError| match refusal.code() {
        ErrorCode::Unauthorized => app.access.failed(&parts, refusal),
        _ => refusal,
    };
    let token = token(&parts.headers).map_err(failed)?;
    let caller = authenticate(app, team, &token, &parts.headers, &sent)
        .await
        .map_err(failed)?;
    check_active(&caller.peer)?;
    // That is only a hint to those who deliver; should the store be away, the append tells.
    let _ = app.federation.heard_from(&caller.peer).await;
    let now = app.clock.unix_millis();
    admit(app, &parts, &caller.peer, now)?;
    Ok(Visit {
        caller,
        token,
        headers: parts.headers,
        sent,
        now,
    })
}

fn token(headers: &HeaderMap) -> Result<FederationToken, ApiError> {
    bearer(headers)
        .and_then(|text| FederationToken::parse(text).ok())
        .ok_or_else(|| ApiError::unauthorized(REFUSED))
}

/// The peer that shows a token and has signed with it; whatever its status.
async fn authenticate(
    app: &App,
    team: &str,
    token: &FederationToken,
    headers: &HeaderMap,
    sent: &[u8],
) -> Result<Caller, ApiError> {
    let refused = || ApiError::unauthorized(REFUSED);
    let team: TeamId = team.parse().map_err(|_| refused())?;
    let caller = app.inbound.caller(&team, token).await?;
    let caller = caller.ok_or_else(refused)?;
    match signature(headers).is_some_and(|given| is_signed(token.reveal(), sent, given)) {
        true => Ok(caller),
        false => Err(ApiError::unauthorized(UNSIGNED)),
    }
}

/// The one signature of a request.
fn signature(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all("x-kite-signature").into_iter();
    match (given.next(), given.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    }
}

fn check_active(peer: &PeerRecord) -> Result<(), ApiError> {
    match peer.status {
        PeerStatus::Active => Ok(()),
        status => Err(ApiError::forbidden(format!(
            "this instance has {} the peer that you are to it",
            status.word()
        ))),
    }
}

/// Counts an event against all limits, those of its peer first.
fn admit(app: &App, parts: &Parts, peer: &PeerRecord, now: Millis) -> Result<(), ApiError> {
    app.rates
        .admit_peer(peer.number, peer.rate_limit_per_sec, now)?;
    app.rates
        .admit(&Sender::of(parts, &peer.team, None), 1, now)
}

/// Whatever is wrong with an event is 400 here: by that its sender knows that it is this event, and goes on with others.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    match recognise(header_lines(headers)) {
        Ok(Mode::Structured) => Ok(()),
        Ok(_) => Err(ApiError::bad_request(
            "send one CloudEvent with `Content-Type: application/cloudevents+json`",
        )),
        Err(fault) => Err(ApiError::bad_request(fault.to_string())),
    }
}

/// Answers for an event that goes no further. It is a success: nothing would come of sending it again.
async fn drop_event(
    app: &App,
    peer: &PeerRecord,
    event: &Event,
    why: &Declined,
    now: Millis,
) -> Response {
    let dropped = Dropped {
        peer: peer.number,
        event_id: event.id.clone(),
        kind: event.kind.clone(),
        reason: format!("not taken in: {why}"),
        at: now,
    };
    app.inbound.note_drop(dropped).await;
    let answer = object!({"status": "loop_dropped", "id": event.id});
    json(StatusCode::OK, &answer)
}

/// Stores an event, unless its peer has lost the right to that since it asked.
async fn take(
    app: &App,
    caller: Caller,
    mut event: Event,
    now: Millis,
) -> Result<Response, ApiError> {
    event.time.get_or_insert_with(|| rfc3339(now));
    let dedup = Dedup {
        key: event.dedup_key(),
        fingerprint: None,
    };
    let new = NewEvent {
        pass: Some(caller.pass),
        origin: Origin::Peer,
        ..NewEvent::new(caller.peer.team, &event, now, Some(dedup))
    };
    Ok(answered(store(app, new).await?))
}
