//! Calls over the WebSocket: names, parameters and payloads (spec 6). The REST mirrors (spec 7.3) have the same members.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::{PublishStatus, Usage};
use super::error::ErrorCode;
#[cfg(feature = "schema")]
use super::{id::SourceSlug, permission::Permission};

/// The methods that this version answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `dashboard.stats`.
    DashboardStats,
    /// `events.publish`.
    EventsPublish,
    /// `events.recent`.
    EventsRecent,
    /// `hooks.create`.
    HooksCreate,
    /// `hooks.deactivate`.
    HooksDeactivate,
    /// `hooks.github.prepare_install`.
    HooksGithubPrepareInstall,
    /// `hooks.list`.
    HooksList,
    /// `hooks.rotate_secret`.
    HooksRotateSecret,
    /// `keys.create`.
    KeysCreate,
    /// `keys.list`.
    KeysList,
    /// `keys.revoke`.
    KeysRevoke,
}

impl Method {
    /// All methods, by name.
    pub const ALL: [Self; 11] = [
        Self::DashboardStats,
        Self::EventsPublish,
        Self::EventsRecent,
        Self::HooksCreate,
        Self::HooksDeactivate,
        Self::HooksGithubPrepareInstall,
        Self::HooksList,
        Self::HooksRotateSecret,
        Self::KeysCreate,
        Self::KeysList,
        Self::KeysRevoke,
    ];

    /// The method that a name names.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::DashboardStats => "dashboard.stats",
            Self::EventsPublish => "events.publish",
            Self::EventsRecent => "events.recent",
            Self::HooksCreate => "hooks.create",
            Self::HooksDeactivate => "hooks.deactivate",
            Self::HooksGithubPrepareInstall => "hooks.github.prepare_install",
            Self::HooksList => "hooks.list",
            Self::HooksRotateSecret => "hooks.rotate_secret",
            Self::KeysCreate => "keys.create",
            Self::KeysList => "keys.list",
            Self::KeysRevoke => "keys.revoke",
        }
    }
}

/// The payload of a response with `ok: false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// The sentence for a person.
    pub error: String,
    /// The word for a machine; other servers may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// How long the server asks to wait, in seconds; only kite says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u64>,
}

/// The payload of `dashboard.stats`, and the answer of `GET /api/v1/stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stats {
    /// The key's team.
    pub team_id: String,
    /// Events accepted since midnight UTC.
    pub webhooks_today: u64,
    /// Endpoints that take posts.
    pub active_endpoints: u64,
    /// Keys that are neither revoked nor expired.
    pub active_api_keys: u64,
    /// What the calling key may do.
    #[serde(default)]
    pub current_key_permissions: Vec<String>,
    /// The plan; kite has none.
    #[serde(default)]
    pub plan_name: Option<String>,
    /// How many endpoints the plan allows; kite sets no limit.
    #[serde(default)]
    pub active_sources_limit: Option<u64>,
    /// What the team has used of its quota; other servers leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// What else is limited; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// A team's quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quota {
    /// Events accepted in the current month.
    pub events_used: u64,
    /// How many may be; none when there is no limit.
    pub events_limit: Option<u64>,
    /// When the month ends, RFC 3339.
    pub resets_at: String,
}

/// What a server limits. What is none is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// How many days events are kept.
    pub retention_days: Option<u64>,
    /// How many events of a team are kept.
    pub retention_events: Option<u64>,
    /// How long a window of the rates is, in seconds.
    pub rate_window_secs: u64,
    /// Events that a team may send in a window, on each node.
    pub team_rate_limit: Option<u32>,
    /// Likewise with one API key.
    pub key_rate_limit: Option<u32>,
    /// Likewise from one address.
    pub address_rate_limit: Option<u32>,
    /// Likewise altogether.
    pub global_rate_limit: Option<u32>,
    /// How large a body may be, in bytes.
    pub max_body_bytes: u64,
}

/// The parameters of `events.publish`, which other servers do not have: many events in one request, and many requests
/// under way on one connection. Events of one connection are stored in the order in which they were sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsPublish<'a> {
    /// CloudEvents in JSON format, 1 to [`PUBLISH_MAX_EVENTS`]: all valid, or nothing is stored.
    #[serde(borrow)]
    pub events: Vec<&'a RawValue>,
    /// Their `kitesource`, as for `POST /api/v1/events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How many events one `events.publish` may have.
pub const PUBLISH_MAX_EVENTS: usize = 1000;

/// The payload of `events.publish`: as the answer to a batch (spec 11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Published {
    /// `accepted`: something was stored, or had been before.
    pub status: String,
    /// What became of each event, in their order.
    pub results: Vec<PublishResult>,
    /// The quota after them.
    pub usage: Usage,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishResult {
    /// Its id; of a duplicate the first one's.
    pub id: String,
    /// Stored or not.
    pub status: PublishStatus,
}

/// The parameters of `events.recent`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsRecent {
    /// How many, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// The payload of `events.recent`: newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecentEvents {
    /// The events.
    pub events: Vec<super::api::ListedEvent>,
}

/// An endpoint in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hook {
    /// The endpoint's id.
    pub id: String,
    /// The source slug.
    pub source: String,
    /// Whether it takes posts.
    pub active: bool,
    /// Whether posts must be signed.
    pub webhook_secret_configured: bool,
    /// When it was made, RFC 3339; other servers may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// The payload of `hooks.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hooks {
    /// The key's team.
    pub team_id: String,
    /// The endpoints by source.
    pub hooks: Vec<Hook>,
}

/// The longest signing secret, in characters.
pub const SECRET_MAX_CHARS: usize = 1024;

/// The largest limit that an endpoint may have, in bytes: more than any provider sends.
pub const MAX_BODY_MAX_BYTES: u64 = 100 * 1024 * 1024;

/// The parameters of `hooks.create`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HooksCreate {
    /// The source slug.
    #[cfg_attr(feature = "schema", schemars(with = "SourceSlug"))]
    pub source: String,
    /// The secret that posts are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Name<SECRET_MAX_CHARS>>")
    )]
    pub webhook_secret: Option<String>,
    /// How large a body may be, in bytes (kite's own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_BODY_MAX_BYTES)))]
    pub max_body_bytes: Option<u64>,
}

/// The payload of `hooks.create`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookCreated {
    /// The endpoint's id.
    pub id: String,
    /// The source slug; other servers may leave it out.
    #[serde(default)]
    pub source: String,
    /// `/hooks/<team>/<source>`.
    pub endpoint: String,
    /// The token, shown this once.
    pub hook_token: String,
    /// The endpoint with the token in the path.
    pub endpoint_with_token: String,
    /// Whether posts must be signed.
    pub webhook_secret_configured: bool,
    /// For the source `github` made without a secret: the one that was made up, shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github_webhook_secret: Option<String>,
}

/// The parameters of `hooks.rotate_secret`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HooksRotateSecret {
    /// The source slug.
    #[cfg_attr(feature = "schema", schemars(with = "SourceSlug"))]
    pub source: String,
    /// The new secret; the old one stays valid for ten minutes.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "super::schema::Name<SECRET_MAX_CHARS>")
    )]
    pub webhook_secret: String,
}

/// The payload of `hooks.rotate_secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookRotated {
    /// The endpoint's id.
    pub id: String,
    /// The source slug.
    pub source: String,
    /// Always true.
    #[serde(default)]
    pub webhook_secret_configured: bool,
}

/// The parameters of `hooks.deactivate` and `keys.revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ById {
    /// The endpoint's or key's id.
    pub id: String,
}

/// The payload of `hooks.deactivate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HookDeactivated {
    /// The endpoint's id.
    pub id: String,
    /// Always false.
    #[serde(default)]
    pub active: bool,
}

/// The parameters of `hooks.github.prepare_install`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PrepareInstall {
    /// Whether to make a new secret.
    #[serde(default)]
    pub rotate_secret: bool,
}

/// The payload of `hooks.github.prepare_install`. The hosted service's clients need all five.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstallPrepared {
    /// The endpoint's id.
    pub id: String,
    /// The key's team.
    pub team_id: String,
    /// The endpoint with the token in the path.
    pub endpoint_with_token: String,
    /// The secret that GitHub signs with.
    pub github_webhook_secret: String,
    /// Whether the secret is a new one.
    pub secret_rotated: bool,
}

/// A key in a listing, without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Key {
    /// The key's id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// The public part.
    pub key_prefix: String,
    /// Whether it was revoked.
    pub revoked: bool,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// Which events it may see; other servers may leave it out.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it may do; other servers may leave it out.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// When it stops working, RFC 3339.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// When it last opened something, RFC 3339.
    #[serde(default)]
    pub last_used_at: Option<String>,
}

/// The payload of `keys.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Keys {
    /// The key's team.
    pub team_id: String,
    /// The keys, oldest first.
    pub keys: Vec<Key>,
}

/// The longest name of a key, in characters.
pub const KEY_NAME_MAX_CHARS: usize = 256;

/// The parameters of `keys.create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeysCreate {
    /// What to call it.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Line<KEY_NAME_MAX_CHARS>>")
    )]
    pub name: Option<String>,
    /// Which events it may see; `["*"]` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<super::schema::ScopeText>>", length(max = super::scope::MAX_SCOPES)))]
    pub scopes: Option<Vec<String>>,
    /// What it may do; `["read"]` when absent.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Vec<Permission>>"))]
    pub permissions: Option<Vec<String>>,
    /// When it stops working, RFC 3339.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Time>"))]
    pub expires_at: Option<String>,
}

/// The payload of `keys.create`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyCreated {
    /// The key's id.
    pub id: String,
    /// The public part.
    pub key_prefix: String,
    /// The key, shown this once.
    pub api_key: String,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Which events it may see.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What it may do.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// When it stops working, RFC 3339.
    #[serde(default)]
    pub expires_at: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
}

/// The payload of `keys.revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyRevoked {
    /// The key's id.
    pub id: String,
    /// Always true.
    #[serde(default)]
    pub revoked: bool,
}
