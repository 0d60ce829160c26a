//! The bodies of the device login (spec 4).

use serde::{Deserialize, Serialize};

/// The answer of `POST /api/auth/device-code`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceCode {
    /// What the program polls with.
    pub device_code: String,
    /// What the person types.
    pub user_code: String,
    /// Where the person types it.
    #[serde(default)]
    pub verification_url: String,
    /// The WebSocket address; derived from the server's where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ws_url: Option<String>,
    /// How long the codes live, in seconds.
    pub expires_in: u64,
    /// How long to leave between two polls, in seconds.
    #[serde(default = "interval_default")]
    pub interval: u64,
}

fn interval_default() -> u64 {
    5
}

/// The body of `POST /api/auth/device-token`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceTokenRequest {
    /// From [`DeviceCode`].
    pub device_code: String,
}

/// The answer once the person has granted it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Granted {
    /// The key.
    pub api_key: String,
    /// The team that it opens.
    pub team_id: String,
}

/// Every other answer: one of RFC 8628's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoginError {
    /// `authorization_pending`, `slow_down`, `expired_token`, `access_denied`.
    pub error: String,
}
