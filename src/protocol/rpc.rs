//! Calls over the WebSocket: names, parameters and payloads (spec 6).

use serde::{Deserialize, Serialize};

use super::error::ErrorCode;

/// The methods that this version answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `dashboard.stats`.
    DashboardStats,
    /// `events.recent`.
    EventsRecent,
    /// `hooks.create`.
    HooksCreate,
}

impl Method {
    /// The method that a name names.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "dashboard.stats" => Some(Self::DashboardStats),
            "events.recent" => Some(Self::EventsRecent),
            "hooks.create" => Some(Self::HooksCreate),
            _ => None,
        }
    }
}

/// The payload of a response with `ok: false`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The sentence for a person.
    pub error: String,
    /// The word for a machine; other servers may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
}

/// The payload of `dashboard.stats`, and the answer of `GET /api/v1/stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub current_key_permissions: Vec<String>,
    /// The plan; kite has none.
    pub plan_name: Option<String>,
    /// How many endpoints the plan allows; kite sets no limit.
    pub active_sources_limit: Option<u64>,
}

/// The parameters of `events.recent`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsRecent {
    /// How many, 1 to 1000.
    #[serde(default)]
    pub limit: Option<u64>,
}

/// The parameters of `hooks.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksCreate {
    /// The source slug.
    pub source: String,
}

/// The payload of `hooks.create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookCreated {
    /// The endpoint's id.
    pub id: String,
    /// The source slug.
    pub source: String,
    /// `/hooks/<team>/<source>`.
    pub endpoint: String,
    /// The token, shown this once.
    pub hook_token: String,
    /// The endpoint with the token in the path.
    pub endpoint_with_token: String,
    /// Whether posts must be signed.
    pub webhook_secret_configured: bool,
}
