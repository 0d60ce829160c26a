//! The bodies of the federation API (spec 14.1).

use serde::{Deserialize, Serialize};

use super::forward::MAX_HOPS;
#[cfg(feature = "schema")]
use super::{forward::TYPE_SCOPES_MAX, id::InstanceId};

/// How many posts a second a peer gets, and may send, unless told otherwise (spec 14.1).
pub const RATE_LIMIT: u32 = 100;

/// How long the inbound token before a new one stays valid unless told otherwise, in seconds (spec 14.1).
pub const OVERLAP_SECS: u64 = 600;

/// How far an event may come at most (spec 14.1).
pub const MAX_HOPS_MAX: u64 = 16;

/// How many posts a second a peer may have at most (spec 14.1).
pub const RATE_LIMIT_MAX: u32 = 100_000;

/// How long a token that was replaced may stay valid: a day (spec 14.1).
pub const OVERLAP_MAX_SECS: u64 = 86_400;

/// The shortest and the longest token that peers show each other, in characters.
pub const PEER_TOKEN_MIN_CHARS: usize = 16;
/// See [`PEER_TOKEN_MIN_CHARS`].
pub const PEER_TOKEN_MAX_CHARS: usize = 256;

/// How a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PeerStatus {
    /// Events go and come.
    Active,
    /// What is for it waits; what it sends is refused.
    Paused,
    /// Nothing goes or comes; what waited is cancelled.
    Revoked,
    /// It was removed. Only the answer to that and old deliveries still name it.
    Deleted,
}

impl PeerStatus {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Revoked => "revoked",
            Self::Deleted => "deleted",
        }
    }

    /// The status of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::Revoked, Self::Deleted]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

/// What a peer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PeerKind {
    /// Another instance, of this product or of another that speaks its protocol.
    #[default]
    Kite,
    /// The Paperclip of this instance, which takes the messages of agents (spec 13.3).
    Paperclip,
    /// A server of OpenIntent, which takes what is addressed to it.
    #[serde(rename = "openintent")]
    OpenIntent,
}

impl PeerKind {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kite => "kite",
            Self::Paperclip => "paperclip",
            Self::OpenIntent => "openintent",
        }
    }

    /// The kind of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Kite, Self::Paperclip, Self::OpenIntent]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

/// A peer, as the API shows it. Its tokens are never among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Peer {
    /// A UUID.
    pub id: String,
    /// What the team calls it.
    pub name: String,
    /// The id that it puts into chains; a local name where that is not known.
    pub peer_instance_id: String,
    /// How it stands.
    pub status: PeerStatus,
    /// Where events for it are posted.
    pub peer_hook_url: String,
    /// Which types go to it (spec 14.4).
    pub scopes: Vec<String>,
    /// How far an event may have come, on its way in, or come by that, on its way out.
    pub max_hops: u64,
    /// Posts a second, each way.
    pub rate_limit_per_sec: u32,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was last changed, RFC 3339.
    pub updated_at: String,
    /// What it is.
    #[serde(default)]
    pub kind: PeerKind,
    /// The fingerprint of the key that it proved to have when it was connected by an invitation
    /// ([`super::identity::fingerprint`]).
    #[serde(default)]
    pub identity: Option<String>,
    /// Whether it may be told of the other peers that are discoverable, and they of it.
    #[serde(default)]
    pub discovery: bool,
}

/// The body that makes a peer, in both of its forms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("not" = {"properties": {"name": {"type": "null"}, "peer_instance_id": {"type": "null"}}})))]
pub struct PeerDraft {
    /// The id of the other instance; the name where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<InstanceId>"))]
    pub peer_instance_id: Option<String>,
    /// What the team calls it; the id where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<InstanceId>"))]
    pub name: Option<String>,
    /// Where to post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(required, with = "super::schema::HookUrl")
    )]
    pub peer_hook_url: Option<String>,
    /// Which types go to it.
    #[serde(default = "all_types")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<super::schema::TypePattern>", length(max = TYPE_SCOPES_MAX)))]
    pub scopes: Vec<String>,
    /// 1 to 16.
    #[serde(default = "max_hops")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_HOPS_MAX)))]
    pub max_hops: u64,
    /// 1 to 100,000.
    #[serde(default = "rate_limit")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = RATE_LIMIT_MAX)))]
    pub rate_limit_per_sec: u32,
    /// Whether it takes part in discovery.
    #[serde(default)]
    pub discovery: bool,
    /// What it is shown; minted where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::PeerToken>")
    )]
    pub outbound_token: Option<String>,
    /// What it has to show; minted where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::PeerToken>")
    )]
    pub inbound_token: Option<String>,
}

fn all_types() -> Vec<String> {
    vec!["*".to_owned()]
}

fn max_hops() -> u64 {
    MAX_HOPS
}

fn rate_limit() -> u32 {
    RATE_LIMIT
}

/// The body that changes a peer. What is missing stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("not" = {"required": ["overlap_secs"], "properties": {"overlap_secs": {"type": "integer"}, "inbound_token": {"type": "null"}}})))]
pub struct PeerChange {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<InstanceId>"))]
    pub name: Option<String>,
    /// Another status; `deleted` is not one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::StatusToBe>")
    )]
    pub status: Option<PeerStatus>,
    /// Another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::HookUrl>"))]
    pub peer_hook_url: Option<String>,
    /// Other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<super::schema::TypePattern>>", length(max = TYPE_SCOPES_MAX)))]
    pub scopes: Option<Vec<String>>,
    /// Another limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_HOPS_MAX)))]
    pub max_hops: Option<u64>,
    /// Another rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = RATE_LIMIT_MAX)))]
    pub rate_limit_per_sec: Option<u32>,
    /// Whether it takes part in discovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<bool>,
    /// A new token to show; used from the next post on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::PeerToken>")
    )]
    pub outbound_token: Option<String>,
    /// A new token that it has to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::PeerToken>")
    )]
    pub inbound_token: Option<String>,
    /// How long the inbound token before stays valid: 0 to 86,400 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(max = OVERLAP_MAX_SECS)))]
    pub overlap_secs: Option<u64>,
}

/// The answer to a new peer: the tokens that were minted, this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PeerCreated {
    /// The peer.
    #[serde(flatten)]
    pub peer: Peer,
    /// What the peer is shown: its inbound token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_token: Option<String>,
    /// What the peer has to show: its outbound token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound_token: Option<String>,
    /// The id of the instance that answers: what the other one calls this peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_instance_id: Option<String>,
    /// Where the other one posts: the path of the hook here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_endpoint: Option<String>,
}

/// A good random token with a label. It opens nothing by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FederationToken {
    /// A UUID.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// The token; in the answer that makes it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// When it was made, RFC 3339.
    pub created_at: String,
}

/// What became of a forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutboxStatus {
    /// It is due, or waits to be tried again.
    Pending,
    /// The peer has it.
    Delivered,
    /// A dead letter: refused for good, or too old.
    Dead,
    /// Its peer was revoked or removed before.
    Cancelled,
    /// A dead letter that somebody dropped.
    Discarded,
}

impl OutboxStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Delivered,
        Self::Dead,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }

    /// The status of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutboxRow {
    /// Names it within the team.
    pub id: String,
    /// The peer.
    pub peer_id: String,
    /// The event.
    pub event_id: String,
    /// The event's type.
    pub event_type: String,
    /// What became of it.
    pub status: OutboxStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again, RFC 3339; none when it is due now or never again.
    pub next_attempt_at: Option<String>,
    /// What the last attempt ended with.
    pub last_error: Option<String>,
    /// When the event was stored, RFC 3339.
    pub created_at: String,
}

/// One attempt at a forward, or the record that none was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeliveryRow {
    /// A UUID.
    pub id: String,
    /// The forward; none where an event was not taken in.
    pub outbox_id: Option<String>,
    /// The peer.
    pub peer_id: String,
    /// The event.
    pub event_id: String,
    /// Counts from 1; 0 for an event that was dropped on purpose, `error` says why.
    pub attempt: u32,
    /// What the peer answered.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// When, RFC 3339.
    pub created_at: String,
}

/// The answer to `POST …/peers/{id}/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PeerTest {
    /// What the peer answered.
    pub status_code: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// What went wrong.
    pub error: Option<String>,
}

impl PeerTest {
    /// Whether the peer took it, whatever else there is to say.
    pub fn is_taken(&self) -> bool {
        let status = self.status_code;
        status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// How a peer does (`kite federation status`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PeerHealth {
    /// What the team calls it.
    pub peer: String,
    /// Its UUID.
    pub peer_id: String,
    /// How it stands.
    pub status: PeerStatus,
    /// Forwards that are due or wait.
    pub backlog: u64,
    /// For how long the oldest of them waits, in seconds.
    pub oldest_secs: Option<u64>,
    /// Dead letters.
    pub dead_letters: u64,
    /// When it last took an event, RFC 3339.
    pub last_success_at: Option<String>,
    /// How many attempts in a row have failed because of it.
    pub failures: u32,
    /// What the last of them ended with.
    pub last_error: Option<String>,
    /// How long the last attempt took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// When it is tried next, RFC 3339, while it fails.
    pub next_attempt_at: Option<String>,
}

/// The answer to a replay of several dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replayed {
    /// How many are due again.
    pub replayed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        for status in OutboxStatus::ALL {
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{}\"", status.word()));
            assert_eq!(OutboxStatus::of(status.word()), Some(status));
        }
        for word in ["active", "paused", "revoked", "deleted"] {
            let status = PeerStatus::of(word).unwrap();
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{word}\""));
        }
    }
}
