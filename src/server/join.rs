//! `POST /api/federation/join`: this instance redeems an invitation of another one (spec 14.1), and tries the way in both
//! directions.
//!
//! All that can be judged here is judged before the other side is asked. Both tokens come of the invitation's secret and
//! this server's secret key: whoever joins again with the same code, on whatever node and after whatever crash, asks for
//! the same tokens, so that no order of answers can leave the two sides with different ones.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::sleep;

use super::call::{Admin, Call};
use super::description::{Operation, Routes};
use super::endpoints;
use super::error::{ApiError, json};
use super::login::base;
use super::peer_body::{NAME_MAX_CHARS, hashed, parse};
use super::peers::{KITE, shown};
use super::redeem::{LOOKS_MAX, full, overlap};
use super::state::App;
use crate::base::random;
use crate::federation::{FederationToken, Inviter, InviterFault};
use crate::protocol::base64url::Base64Url;
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{PeerKind, PeerStatus, PeerTest, RATE_LIMIT};
use crate::protocol::forward::{MAX_HOPS, TypeScopes};
use crate::protocol::id::{TeamId, check_name};
use crate::protocol::identity::{IDENTITY_KEY_LEN, SIGNATURE_LEN, fingerprint};
use crate::protocol::invite::{Invite, JoinDraft, Joined};
use crate::protocol::peer_url::PeerUrl;
use crate::protocol::permission::Permission;
use crate::protocol::redemption::{Redeemed, Redemption, TestRequest};
use crate::store::StoreError;
use crate::store::federation::{InboundToken, NewPeer, PEERS_MAX, PeerRecord, PeerUpdate};
use crate::store::invites::is_same_hook;

/// How long to wait until a direction that did not work is tried once more: the other side's nodes may hear of the
/// connection a moment later.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// An invitation in the hands of a team that may redeem it.
struct Join<'a> {
    app: &'a App,
    team: &'a TeamId,
    invite: Invite,
    name: Option<String>,
}

/// What the two instances have agreed on.
struct Terms<'a> {
    hook_url: String,
    scopes: TypeScopes,
    identity_key: [u8; IDENTITY_KEY_LEN],
    outbound: &'a FederationToken,
    inbound: InboundToken,
}

/// What is served of it.
pub(super) fn routes() -> Routes {
    let operation = Operation::post(
        "/api/federation/join",
        "join_peer",
        "Redeems an invitation of another instance, which becomes a peer.",
    )
    .under("invitations")
    .needs(Permission::Admin)
    .takes::<JoinDraft>()
    .gives::<Joined>(
        StatusCode::OK,
        "The peer, and what came of a test each way.",
    )
    .refuses(StatusCode::NOT_FOUND, "There is no such invitation.")
    .refuses(
        StatusCode::CONFLICT,
        "The invitation was redeemed by another instance, or a peer is in the way.",
    )
    .refuses(
        StatusCode::GONE,
        "The invitation can be redeemed no longer.",
    )
    .refuses(
        StatusCode::UNPROCESSABLE_ENTITY,
        "The other instance cannot be a peer, or does not want this one.",
    )
    .refuses(
        StatusCode::BAD_GATEWAY,
        "The other instance was not reached, or is another one.",
    );
    Routes::new().add(operation, post)
}

/// `POST /api/federation/join`.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    mut call: Call<Admin>,
) -> Result<Response, ApiError> {
    let draft: JoinDraft = parse(&call.body(&app).await?)?;
    if let Some(name) = &draft.name {
        check_name("`name`", name, NAME_MAX_CHARS)?;
    }
    let invite = Invite::parse(&draft.code)
        .map_err(|fault| ApiError::bad_request(format!("`code`: {fault}")))?;
    let join = Join {
        app: &app,
        team: &call.key.team,
        invite,
        name: draft.name,
    };
    let path = endpoints::path_of(join.team, KITE);
    let own_hook = format!("{}{path}", base(&app, &call.parts));
    Ok(json(StatusCode::OK, &join.run(own_hook).await?))
}

impl Join<'_> {
    async fn run(&self, own_hook: String) -> Result<Joined, ApiError> {
        let (app, invite) = (self.app, &self.invite);
        if invite.instance_id.as_str() == app.instance_id
            || invite.fingerprint == fingerprint(&app.identity.public())
        {
            return Err(conflict(
                "the invitation is of this instance itself: another one redeems it".to_owned(),
            ));
        }
        app.dial
            .outbound()
            .may_name(&invite.url)
            .map_err(|refusal| {
                unprocessable(format!("the address of the invitation: {refusal}"))
            })?;
        self.check_names(self.known().await?.as_ref()).await?;

        let outbound = self.token("outbound");
        let inbound = self.token("inbound");
        let asked = Redemption {
            secret: invite.secret.clone(),
            instance_id: app.instance_id.parse()?,
            identity_key: Base64Url([0; IDENTITY_KEY_LEN]),
            hook_url: own_hook,
            outbound_token: outbound.reveal().to_owned(),
            inbound_token: inbound.reveal().to_owned(),
            proof: Base64Url([0; SIGNATURE_LEN]),
        };
        let asked = asked
            .sign(&invite.fingerprint, &app.identity)
            .map_err(|fault| ApiError::bad_request(fault.to_string()))?;
        let inviter = Inviter::of(&app.dial, invite);
        let redeemed = inviter.redeem(&asked).await?;
        let terms = self.terms(&redeemed, &outbound, inbound).await?;
        let (peer, renewed) = self.keep(&terms).await?;
        app.federation.changed(peer.number);
        app.federation.wake(peer.number).await?;
        tracing::info!(
            team = %self.team,
            peer = peer.name,
            identity = invite.fingerprint,
            "an invitation of another instance was redeemed"
        );
        let (to_peer, from_peer) = tokio::join!(self.way_there(&peer), self.way_back(&inviter));
        Ok(Joined {
            peer: shown(peer),
            renewed,
            to_peer: to_peer?,
            from_peer,
        })
    }

    /// A token of this connection: one that a person chose has no space in it, so that none is ever the same.
    fn token(&self, direction: &str) -> FederationToken {
        let secret = self.invite.secret.reveal();
        let text = format!("{direction} token of {}", secret.as_str());
        let bytes = self.app.sealer.index(&text);
        FederationToken::mint(&core::array::from_fn(|at| bytes[at]))
    }

    /// The inviter, where it is a peer already.
    async fn known(&self) -> Result<Option<PeerRecord>, ApiError> {
        let peers = self.app.store.peers(self.team.clone()).await?;
        let instances = peers.iter().filter(|peer| peer.kind == PeerKind::Kite);
        let count = instances.count();
        let id = self.invite.instance_id.as_str();
        let known = peers.into_iter().find(|peer| peer.instance_id == id);
        let key = known
            .as_ref()
            .map(|peer| peer.identity_key.as_ref().map(fingerprint));
        match (known, key) {
            (None, _) if count >= PEERS_MAX => Err(full()),
            (Some(peer), Some(key)) if key.as_ref() != Some(&self.invite.fingerprint) => {
                let is = match key {
                    Some(key) => format!("whose key is {key} and not that of the invitation"),
                    None => "which was added by hand and has proved no key".to_owned(),
                };
                Err(conflict(format!(
                    "there is a peer `{}` with the instance id `{id}` already, {is}: remove it first, with what waits for it",
                    peer.name
                )))
            }
            (Some(peer), _) if peer.status == PeerStatus::Revoked => Err(conflict(format!(
                "the peer `{}` is revoked: resume or remove it first",
                peer.name
            ))),
            (known, _) => Ok(known),
        }
    }

    /// Refuses a name that another peer has, before the invitation is redeemed.
    async fn check_names(&self, known: Option<&PeerRecord>) -> Result<(), ApiError> {
        let id = self.invite.instance_id.as_str();
        let name = match (&self.name, known) {
            (Some(name), _) => name,
            (None, Some(_)) => return Ok(()),
            (None, None) => id,
        };
        let peers = self.app.store.peers(self.team.clone()).await?;
        let is_other = |peer: &&PeerRecord| known.is_none_or(|known| known.id != peer.id);
        let is_taken =
            |peer: &PeerRecord| peer.name == name || peer.instance_id == name || peer.name == id;
        match peers.iter().filter(is_other).any(is_taken) {
            true => Err(conflict(format!(
                "another peer is called `{name}` or `{id}` already: give this one a name of its own"
            ))),
            false => Ok(()),
        }
    }

    /// What the inviter and this side have agreed on.
    async fn terms<'a>(
        &self,
        redeemed: &Redeemed,
        outbound: &'a FederationToken,
        inbound: FederationToken,
    ) -> Result<Terms<'a>, ApiError> {
        let base = self.invite.base();
        let hook_url =
            PeerUrl::parse(&redeemed.hook_url, self.app.dial.outbound()).map_err(|fault| {
                unprocessable(format!(
                    "the hook that `{base}` names cannot be posted to: {fault}"
                ))
            })?;
        let scopes = TypeScopes::parse(redeemed.scopes.clone())
            .map_err(|fault| unprocessable(format!("the scopes that `{base}` names: {fault}")))?;
        Ok(Terms {
            hook_url: hook_url.as_str().to_owned(),
            scopes,
            identity_key: redeemed.identity_key.0,
            outbound,
            inbound: hashed(self.app, inbound).await?,
        })
    }

    /// Makes or renews the peer that the inviter is, and says whether it was one before.
    async fn keep(&self, terms: &Terms<'_>) -> Result<(PeerRecord, bool), ApiError> {
        for _ in 0..LOOKS_MAX {
            let kept = match self.known().await? {
                Some(peer) => self.renew(peer, terms).await?.map(|peer| (peer, true)),
                None => self.make(terms).await?.map(|peer| (peer, false)),
            };
            match kept {
                // Made or removed by somebody else since it was looked for.
                Err(StoreError::Exists(_) | StoreError::NotFound(_)) => {
                    self.check_names(self.known().await?.as_ref()).await?;
                }
                kept => return Ok(kept?),
            }
        }
        Err(ApiError::unavailable(
            "the team's peers are being changed at this moment: join again with the same code",
        ))
    }

    async fn renew(
        &self,
        peer: PeerRecord,
        terms: &Terms<'_>,
    ) -> Result<Result<PeerRecord, StoreError>, ApiError> {
        if !is_same_hook(&peer.hook_url, &terms.hook_url) {
            return Err(conflict(format!(
                "the peer `{}` is another team of that instance, and two instances are connected once: remove it first, \
                 and there the peer that this instance is now",
                peer.name
            )));
        }
        let now = self.app.clock.unix_millis();
        let is_new = peer.inbound.index != terms.inbound.index;
        let update = PeerUpdate {
            name: self.name.clone(),
            hook_url: Some(terms.hook_url.clone()),
            scopes: Some(terms.scopes.clone()),
            outbound_token: Some(self.sealed(&peer.id, terms)?),
            inbound: is_new.then(|| (terms.inbound.clone(), now.saturating_add(overlap()))),
            ..PeerUpdate::default()
        };
        let store = &self.app.store;
        Ok(store
            .update_peer(self.team.clone(), peer.id, update, now)
            .await)
    }

    async fn make(&self, terms: &Terms<'_>) -> Result<Result<PeerRecord, StoreError>, ApiError> {
        let id = random::uuid7();
        let instance_id = self.invite.instance_id.to_string();
        let peer = NewPeer {
            outbound_token: self.sealed(&id, terms)?,
            id,
            team: self.team.clone(),
            name: self.name.clone().unwrap_or_else(|| instance_id.clone()),
            instance_id,
            hook_url: terms.hook_url.clone(),
            scopes: terms.scopes.clone(),
            max_hops: MAX_HOPS,
            rate_limit_per_sec: RATE_LIMIT,
            inbound: terms.inbound.clone(),
            identity_key: Some(terms.identity_key),
            kind: PeerKind::Kite,
            discovery: false,
            now: self.app.clock.unix_millis(),
        };
        Ok(self.app.store.create_peer(peer).await)
    }

    /// The token that opens the inviter's hook, as it is stored.
    fn sealed(&self, peer_id: &str, terms: &Terms<'_>) -> Result<Vec<u8>, StoreError> {
        let place = PeerRecord::place(peer_id);
        self.app.sealer.seal(&place, terms.outbound.reveal())
    }

    /// What a post to the inviter comes to.
    async fn way_there(&self, peer: &PeerRecord) -> Result<PeerTest, ApiError> {
        let first = self.app.federation.test(peer).await?;
        if first.is_taken() {
            return Ok(first);
        }
        sleep(SECOND_LOOK).await;
        Ok(self.app.federation.test(peer).await?)
    }

    /// What a post of the inviter to this instance comes to.
    async fn way_back(&self, inviter: &Inviter<'_>) -> PeerTest {
        let first = self.ask_for_test(inviter).await;
        if first.is_taken() {
            return first;
        }
        sleep(SECOND_LOOK).await;
        self.ask_for_test(inviter).await
    }

    async fn ask_for_test(&self, inviter: &Inviter<'_>) -> PeerTest {
        let failed = |why: String| PeerTest {
            status_code: None,
            latency_ms: 0,
            error: Some(why),
        };
        let secret = self.invite.secret.clone();
        match TestRequest::signed(secret, &self.app.identity) {
            Ok(request) => match inviter.test(&request).await {
                Ok(test) => test,
                Err(fault) => failed(format!("it was not tried: {fault}")),
            },
            Err(fault) => failed(fault.to_string()),
        }
    }
}

fn conflict(text: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, ErrorCode::Conflict, text)
}

fn unprocessable(text: String) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::Unprocessable,
        text,
    )
}

impl From<InviterFault> for ApiError {
    fn from(fault: InviterFault) -> Self {
        let text = fault.to_string();
        let bad_gateway = |code, text| Self::new(StatusCode::BAD_GATEWAY, code, text);
        match fault {
            InviterFault::NoAnswer { fault, .. } if fault.is_refusal() => unprocessable(text),
            InviterFault::NoAnswer { .. } | InviterFault::Busy { .. } => {
                bad_gateway(ErrorCode::PeerUnreachable, text)
            }
            InviterFault::Foreign { .. } => bad_gateway(ErrorCode::PeerUnsupported, text),
            InviterFault::Impostor { .. } => bad_gateway(ErrorCode::PeerMismatch, text),
            InviterFault::Address => unprocessable(text),
            // The status is ours: that of the other side is whatever it likes.
            InviterFault::Refused { code, .. } => match code {
                Some(code @ ErrorCode::InviteUnknown) => {
                    Self::new(StatusCode::NOT_FOUND, code, text)
                }
                Some(code @ ErrorCode::InviteExpired) => Self::new(StatusCode::GONE, code, text),
                Some(code @ (ErrorCode::InviteUsed | ErrorCode::Conflict)) => {
                    Self::new(StatusCode::CONFLICT, code, text)
                }
                // Its 401 is no word about the caller's key.
                _ => unprocessable(text),
            },
        }
    }
}
