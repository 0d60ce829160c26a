//! `POST /api/federation/invites/redeem` and `…/test`: another instance comes with an invitation (spec 14.1). It has no
//! API key; the secret opens the door, once, and its own key proves who it is.
//!
//! What costs nothing is judged first: a token is hashed only for who may join.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use tokio::time::timeout;

use super::description::{Operation, Routes};
use super::endpoints;
use super::error::{ApiError, json};
use super::login::base;
use super::peer_body::hashed;
use super::peers::KITE;
use super::{body, state::App};
use crate::base::random;
use crate::federation::FederationToken;
use crate::protocol::base64url::Base64Url;
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{OVERLAP_SECS, PeerKind, PeerStatus, PeerTest, RATE_LIMIT};
use crate::protocol::forward::MAX_HOPS;
use crate::protocol::identity::{SIGNATURE_LEN, fingerprint};
use crate::protocol::invite::InviteSecret;
use crate::protocol::peer_url::PeerUrl;
use crate::protocol::redemption::{REDEEM_PATH, Redeemed, Redemption, TEST_PATH, TestRequest};
use crate::store::federation::{NewPeer, PEERS_MAX, PeerRecord};
use crate::store::invites::{Asks, InviteRecord, InviteRefusal, Joiner};
use crate::store::record::Millis;

/// How large a body may be: an address, an id and two tokens.
const BODY_MAX_BYTES: usize = 16 * 1024;

/// How long a joiner waits for its turn. Each has a token hashed, which takes a core for a fifth of a second: one at a
/// time, so that who has an invitation cannot keep all of them busy.
const TURN_LIMIT: Duration = Duration::from_secs(5);

/// How many tests that joiners ask for go on at a time. Each takes up to 15 s, and a peer's rate alone would let through
/// hundreds.
pub(super) const TESTS_MAX: usize = 16;

/// How often it is looked who the joiner is, where the peers change meanwhile.
pub(super) const LOOKS_MAX: usize = 5;

/// What is served of it.
pub(super) fn routes() -> Routes {
    let proved = |operation: Operation| {
        operation
            .under("invitations")
            .refuses(StatusCode::UNAUTHORIZED, "The proof is wrong.")
            .refuses(StatusCode::NOT_FOUND, "There is no such invitation.")
            .refuses(
                StatusCode::CONFLICT,
                "It was redeemed by another instance, or the peer is another one or revoked.",
            )
            .refuses(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many, or too many wrong invitations: `Retry-After` says when to ask again.",
            )
    };
    let redeem = proved(Operation::post(
        REDEEM_PATH,
        "redeem_invite",
        "Redeems an invitation: another instance becomes a peer. The secret opens it, and a signature says who comes.",
    ))
    .takes::<Redemption>()
    .gives::<Redeemed>(StatusCode::OK, "Both are peers now.")
    .refuses(StatusCode::GONE, "It can be redeemed no longer.")
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The team has as many peers as it may, or the joiner's address is not posted to.",
    );
    let test = proved(Operation::post(
        TEST_PATH,
        "test_joiner",
        "Tries the way to the instance that has redeemed an invitation.",
    ))
    .takes::<TestRequest>()
    .gives::<PeerTest>(StatusCode::OK, "What came of it, good or bad.");
    Routes::new().add(redeem, post).add(test, self::test)
}

/// `POST /api/federation/invites/redeem`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let sent = body::read(&app, &parts, sent, BODY_MAX_BYTES).await?;
    let redeemed = redeem(&app, &parts, body::parse(&sent)?).await;
    let redeemed = redeemed.map_err(|refusal| counted(&app, &parts, refusal))?;
    Ok(json(StatusCode::OK, &redeemed))
}

/// `POST /api/federation/invites/test`: who has redeemed an invitation asks to be posted to.
pub(super) async fn test(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let sent = body::read(&app, &parts, sent, BODY_MAX_BYTES).await?;
    let peer = asking(&app, &body::parse(&sent)?).await;
    let peer = peer.map_err(|refusal| counted(&app, &parts, refusal))?;
    let now = app.clock.unix_millis();
    app.rates
        .admit_peer(peer.number, peer.rate_limit_per_sec, now)?;
    let turn = app.joiners_tests.try_acquire();
    let _turn =
        turn.map_err(|_| ApiError::unavailable("too many peers are being tried: try again"))?;
    Ok(json(StatusCode::OK, &app.federation.test(&peer).await?))
}

/// Guesses count like wrong keys and tokens.
fn counted(app: &App, parts: &Parts, refusal: ApiError) -> ApiError {
    match refusal.code() {
        ErrorCode::InviteUnknown | ErrorCode::Unauthorized => app.access.failed(parts, refusal),
        _ => refusal,
    }
}

async fn invite(app: &App, secret: &InviteSecret) -> Result<InviteRecord, ApiError> {
    let found = app.store.find_invite(secret.digest()).await?;
    Ok(found.ok_or(InviteRefusal::Unknown)?)
}

async fn redeem(app: &App, parts: &Parts, asked: Redemption) -> Result<Redeemed, ApiError> {
    let invite = invite(app, &asked.secret).await?;
    let own_key = app.identity.public();
    let is_proved = asked.is_proved(&fingerprint(&own_key));
    if !is_proved.map_err(|fault| ApiError::bad_request(fault.to_string()))? {
        return Err(ApiError::unauthorized(
            "the proof is wrong: it is not signed with the key that it names, for this instance",
        ));
    }
    if asked.identity_key.0 == own_key || asked.instance_id.as_str() == app.instance_id {
        return Err(conflict("that is this instance itself, or a copy of it"));
    }
    let tokens = Tokens::read(&asked)?;
    let hook_url = PeerUrl::parse(&asked.hook_url, app.dial.outbound()).map_err(|fault| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Unprocessable,
            format!("this server does not post to the joiner's hook: {fault}"),
        )
    })?;
    let turn = timeout(TURN_LIMIT, app.redeeming.acquire()).await;
    let turn = turn
        .map_err(|_| ApiError::unavailable("too many invitations are being redeemed: try again"))?;
    let peer = admit(app, &invite, &asked, hook_url.as_str(), &tokens).await?;
    drop(turn);
    app.federation.changed(peer.number);
    // What failed on an old way says nothing of the new one.
    app.federation.wake(peer.number).await?;
    tracing::info!(
        team = %invite.team,
        invite = invite.id,
        peer = peer.name,
        identity = fingerprint(&asked.identity_key.0),
        "an invitation was redeemed"
    );
    let path = endpoints::path_of(&invite.team, KITE);
    let redeemed = Redeemed {
        instance_id: app.instance_id.parse()?,
        identity_key: Base64Url(own_key),
        hook_url: format!("{}{path}", base(app, parts)),
        scopes: peer.scopes.patterns().to_vec(),
        proof: Base64Url([0; SIGNATURE_LEN]),
    };
    let signed = redeemed.sign(&asked, &app.identity);
    signed.map_err(|fault| ApiError::bad_request(fault.to_string()))
}

/// The tokens of a redemption, as this side calls them.
struct Tokens {
    outbound: FederationToken,
    inbound: FederationToken,
}

impl Tokens {
    fn read(asked: &Redemption) -> Result<Self, ApiError> {
        let token = |name: &str, text: &str| {
            let fault = |fault| ApiError::bad_request(format!("`{name}`: {fault}"));
            FederationToken::parse(text).map_err(fault)
        };
        let tokens = Self {
            outbound: token("inbound_token", &asked.inbound_token)?,
            inbound: token("outbound_token", &asked.outbound_token)?,
        };
        match tokens.outbound == tokens.inbound {
            true => Err(ApiError::bad_request(
                "`inbound_token` and `outbound_token` must not be the same",
            )),
            false => Ok(tokens),
        }
    }
}

/// Makes or renews the peer that a joiner is.
async fn admit(
    app: &App,
    invite: &InviteRecord,
    asked: &Redemption,
    hook_url: &str,
    tokens: &Tokens,
) -> Result<PeerRecord, ApiError> {
    let mut refusal = InviteRefusal::Raced;
    for _ in 0..LOOKS_MAX {
        let now = app.clock.unix_millis();
        let peers = app.store.peers(invite.team.clone()).await?;
        let asks = Asks {
            instance_id: asked.instance_id.as_str(),
            key: &asked.identity_key.0,
            hook_url,
            now,
        };
        // What the look-up said may be out of date by now: the store judges again.
        let known = invite.admit(&peers, asks)?;
        let instances = peers.iter().filter(|peer| peer.kind == PeerKind::Kite);
        if known.is_none() && instances.count() >= PEERS_MAX {
            return Err(full());
        }
        let id = known.map_or_else(random::uuid7, |peer| peer.id.clone());
        let inbound = match known {
            // The same token again: it is hashed already.
            Some(peer) if peer.inbound.index == app.sealer.index(tokens.inbound.reveal()) => {
                peer.inbound.clone()
            }
            _ => hashed(app, tokens.inbound.clone()).await?,
        };
        let place = PeerRecord::place(&id);
        let instance_id = String::from(asked.instance_id.clone());
        let joiner = Joiner {
            digest: asked.secret.digest(),
            key: asked.identity_key.0,
            is_known: known.is_some(),
            old_until: now.saturating_add(overlap()),
            peer: NewPeer {
                outbound_token: app.sealer.seal(&place, tokens.outbound.reveal())?,
                inbound,
                id,
                team: invite.team.clone(),
                name: invite.name.clone().unwrap_or_else(|| instance_id.clone()),
                instance_id,
                hook_url: hook_url.to_owned(),
                scopes: invite.scopes.clone(),
                max_hops: MAX_HOPS,
                rate_limit_per_sec: RATE_LIMIT,
                identity_key: Some(asked.identity_key.0),
                kind: PeerKind::Kite,
                discovery: false,
                now,
            },
        };
        match app.store.redeem_invite(joiner).await? {
            Ok(peer) => return Ok(peer),
            Err(InviteRefusal::Raced) => {}
            Err(other) => {
                refusal = other;
                break;
            }
        }
    }
    Err(refusal.into())
}

/// How long a token that is replaced stays valid, in milliseconds.
pub(super) fn overlap() -> Millis {
    Millis::try_from(OVERLAP_SECS * 1000).unwrap_or(Millis::MAX)
}

/// That there is no room for another peer.
pub(super) fn full() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unprocessable,
        format!("the team has {PEERS_MAX} peers, which is the most there can be"),
    )
}

/// The peer that asks to be tried.
async fn asking(app: &App, request: &TestRequest) -> Result<PeerRecord, ApiError> {
    let invite = invite(app, &request.secret).await?;
    if !request.is_proved() {
        return Err(ApiError::unauthorized("the proof is wrong"));
    }
    let redeemed = invite.redeemed.ok_or(InviteRefusal::Unknown)?;
    if redeemed.joiner_key != request.identity_key.0 {
        return Err(InviteRefusal::Used.into());
    }
    let found = app.store.find_peer(invite.team, redeemed.peer_id).await?;
    let peer = found.ok_or(InviteRefusal::Removed)?;
    match peer.status {
        PeerStatus::Revoked => Err(InviteRefusal::Revoked(peer.name).into()),
        _ => Ok(peer),
    }
}

fn conflict(text: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, ErrorCode::Conflict, text)
}

impl From<InviteRefusal> for ApiError {
    fn from(refusal: InviteRefusal) -> Self {
        let text = refusal.to_string();
        let (status, code) = match refusal {
            InviteRefusal::Unknown => (StatusCode::NOT_FOUND, ErrorCode::InviteUnknown),
            InviteRefusal::Expired => (StatusCode::GONE, ErrorCode::InviteExpired),
            InviteRefusal::Used | InviteRefusal::Removed => {
                (StatusCode::CONFLICT, ErrorCode::InviteUsed)
            }
            InviteRefusal::Stranger(_)
            | InviteRefusal::OtherTeam(_)
            | InviteRefusal::Revoked(_) => (StatusCode::CONFLICT, ErrorCode::Conflict),
            InviteRefusal::Raced => return Self::unavailable(text),
        };
        Self::new(status, code, text)
    }
}
