//! What callers want a peer to be: the bodies of spec 14.1, checked. Inside, nobody checks again.

use axum::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::body;
use super::error::ApiError;
use super::state::App;
use crate::base::random;
use crate::federation::FederationToken;
use crate::protocol::federation::{
    MAX_HOPS_MAX, OVERLAP_MAX_SECS, OVERLAP_SECS, PeerChange, PeerDraft, PeerStatus, RATE_LIMIT_MAX,
};
use crate::protocol::forward::TypeScopes;
use crate::protocol::id::{InstanceId, check_name};
use crate::protocol::json::Object;
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::PeerUrl;
use crate::store::federation::InboundToken;

/// The longest name of a peer, in characters: as long as the instance id that it may default to.
pub(super) const NAME_MAX_CHARS: usize = InstanceId::MAX_CHARS;

/// A new peer.
pub(super) struct NewPeerWish {
    pub(super) name: String,
    pub(super) instance_id: String,
    pub(super) hook_url: String,
    pub(super) scopes: TypeScopes,
    pub(super) max_hops: u64,
    pub(super) rate_limit_per_sec: u32,
    pub(super) discovery: bool,
    pub(super) outbound: Given,
    pub(super) inbound: Given,
}

/// A token, and whether it was made here: then the answer shows it, this once.
pub(super) struct Given {
    pub(super) token: FederationToken,
    is_minted: bool,
}

impl Given {
    fn read(name: &str, given: Option<String>) -> Result<Self, ApiError> {
        let token = given.map(|text| token(name, &text)).transpose()?;
        Ok(match token {
            Some(token) => Self {
                token,
                is_minted: false,
            },
            None => Self {
                token: FederationToken::mint(&random::bytes()),
                is_minted: true,
            },
        })
    }

    /// The token for the answer.
    pub(super) fn shown(&self) -> Option<String> {
        self.is_minted.then(|| self.token.reveal().to_owned())
    }
}

impl NewPeerWish {
    /// Reads both forms of the body.
    pub(super) fn read(sent: &Bytes, app: &App) -> Result<Self, ApiError> {
        let draft: PeerDraft = parse(sent)?;
        if let Some(name) = &draft.name {
            check_name("`name`", name, NAME_MAX_CHARS)?;
        }
        if let Some(id) = &draft.peer_instance_id {
            check_name("`peer_instance_id`", id, InstanceId::MAX_CHARS)?;
        }
        let (name, instance_id) = match (draft.name, draft.peer_instance_id) {
            (Some(name), Some(id)) => (name, id),
            (Some(name), None) => (name.clone(), name),
            (None, Some(id)) => (id.clone(), id),
            (None, None) => {
                return Err(ApiError::bad_request(
                    "`name` or `peer_instance_id` is missing: give at least one of them",
                ));
            }
        };
        if instance_id == app.instance_id {
            return Err(ApiError::bad_request(format!(
                "`peer_instance_id`: `{instance_id}` is this instance itself"
            )));
        }
        let url = draft
            .peer_hook_url
            .ok_or_else(|| ApiError::bad_request("`peer_hook_url` is missing"))?;
        Ok(Self {
            hook_url: hook_url(&url, app.dial.outbound())?,
            scopes: scopes(draft.scopes)?,
            max_hops: max_hops(draft.max_hops)?,
            rate_limit_per_sec: rate_limit(draft.rate_limit_per_sec)?,
            discovery: draft.discovery,
            outbound: Given::read("outbound_token", draft.outbound_token)?,
            inbound: Given::read("inbound_token", draft.inbound_token)?,
            name,
            instance_id,
        })
    }
}

/// A change of a peer. What is `None` stays.
pub(super) struct PeerWish {
    pub(super) name: Option<String>,
    pub(super) status: Option<PeerStatus>,
    pub(super) hook_url: Option<String>,
    pub(super) scopes: Option<TypeScopes>,
    pub(super) max_hops: Option<u64>,
    pub(super) rate_limit_per_sec: Option<u32>,
    pub(super) discovery: Option<bool>,
    pub(super) outbound: Option<FederationToken>,
    pub(super) inbound: Option<FederationToken>,
    pub(super) overlap_secs: u64,
}

impl PeerWish {
    /// Reads the body.
    pub(super) fn read(sent: &Bytes, app: &App) -> Result<Self, ApiError> {
        let change: PeerChange = parse(sent)?;
        if let Some(name) = &change.name {
            check_name("`name`", name, NAME_MAX_CHARS)?;
        }
        if change.status == Some(PeerStatus::Deleted) {
            return Err(ApiError::bad_request(
                "`status` can be `active`, `paused` or `revoked`: DELETE removes a peer",
            ));
        }
        let given = |name, text: Option<String>| text.map(|text| token(name, &text)).transpose();
        let inbound = given("inbound_token", change.inbound_token)?;
        if change.overlap_secs.is_some() && inbound.is_none() {
            return Err(ApiError::bad_request(
                "`overlap_secs` goes with `inbound_token`: it is for how long the one before stays valid",
            ));
        }
        let url = change.peer_hook_url.as_deref();
        Ok(Self {
            name: change.name,
            status: change.status,
            hook_url: url
                .map(|url| hook_url(url, app.dial.outbound()))
                .transpose()?,
            scopes: change.scopes.map(scopes).transpose()?,
            max_hops: change.max_hops.map(max_hops).transpose()?,
            rate_limit_per_sec: change.rate_limit_per_sec.map(rate_limit).transpose()?,
            discovery: change.discovery,
            outbound: given("outbound_token", change.outbound_token)?,
            inbound,
            overlap_secs: overlap(change.overlap_secs.unwrap_or(OVERLAP_SECS))?,
        })
    }
}

impl PeerWish {
    /// Whether it pauses or resumes, or sets the rate, and nothing else.
    pub(super) fn is_of_pace_alone(&self) -> bool {
        let Self {
            name,
            status,
            hook_url,
            scopes,
            max_hops,
            rate_limit_per_sec: _,
            discovery,
            outbound,
            inbound,
            overlap_secs: _,
        } = self;
        *status != Some(PeerStatus::Revoked)
            && name.is_none()
            && hook_url.is_none()
            && scopes.is_none()
            && max_hops.is_none()
            && discovery.is_none()
            && outbound.is_none()
            && inbound.is_none()
    }
}

/// What is stored of a token that a peer has to show: bcrypt takes a fifth of a second, on a thread where it holds up
/// nobody.
pub(super) async fn hashed(app: &App, token: FederationToken) -> Result<InboundToken, ApiError> {
    let sealer = app.sealer.clone();
    let hashed = tokio::task::spawn_blocking(move || token.inbound(&sealer)).await;
    let hashed = hashed.map_err(|_| ApiError::unavailable("the server is ending"))?;
    Ok(hashed?)
}

/// Reads a body whose members may all be left out. A fault names its member.
pub(super) fn parse<T: DeserializeOwned>(sent: &[u8]) -> Result<T, ApiError> {
    body::parse(sent).map_err(|fault| bad_member::<T>(sent).unwrap_or(fault))
}

/// The member without whose fault the body could be read: the first that cannot be read alone.
fn bad_member<T: DeserializeOwned>(sent: &[u8]) -> Option<ApiError> {
    let text = std::str::from_utf8(sent).ok()?;
    let Object(members) = Object::parse(text)?;
    members.into_iter().find_map(|(name, value)| {
        let why = alone::<T>(&name, value).err()?.to_string();
        // The place is that in the member, which nobody has sent.
        let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
        Some(ApiError::bad_request(format!("`{name}`: {why}")))
    })
}

fn alone<T: DeserializeOwned>(name: &str, value: &RawValue) -> Result<T, serde_json::Error> {
    let name = serde_json::to_string(name)?;
    serde_json::from_str(&format!("{{{name}:{}}}", value.get()))
}

fn token(name: &str, text: &str) -> Result<FederationToken, ApiError> {
    FederationToken::parse(text).map_err(|fault| named(name, &fault))
}

fn hook_url(text: &str, outbound: &Outbound) -> Result<String, ApiError> {
    let url = PeerUrl::parse(text, outbound).map_err(|fault| named("peer_hook_url", &fault))?;
    Ok(url.as_str().to_owned())
}

pub(super) fn scopes(patterns: Vec<String>) -> Result<TypeScopes, ApiError> {
    TypeScopes::parse(patterns).map_err(|fault| named("scopes", &fault))
}

fn max_hops(hops: u64) -> Result<u64, ApiError> {
    within("max_hops", hops, 1, MAX_HOPS_MAX)
}

fn rate_limit(rate: u32) -> Result<u32, ApiError> {
    within("rate_limit_per_sec", rate, 1, RATE_LIMIT_MAX)
}

fn overlap(secs: u64) -> Result<u64, ApiError> {
    within("overlap_secs", secs, 0, OVERLAP_MAX_SECS)
}

fn within<N: Copy + PartialOrd + std::fmt::Display>(
    name: &str,
    number: N,
    min: N,
    max: N,
) -> Result<N, ApiError> {
    match (min..=max).contains(&number) {
        true => Ok(number),
        false => Err(ApiError::bad_request(format!(
            "`{name}` is {number}: it must be from {min} to {max}"
        ))),
    }
}

fn named(name: &str, fault: &impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(format!("`{name}`: {fault}"))
}
