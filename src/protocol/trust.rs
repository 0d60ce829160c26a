//! The bodies of the calls about the OpenIntent servers that a team trusts. Words are the protocol's; the server judges
//! them.

use serde::{Deserialize, Serialize};

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrustSource {
    /// The server's configuration.
    Configuration,
    /// A command, while the server ran.
    Command,
}

impl TrustSource {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Command => "command",
        }
    }
}

/// Whom a team trusts: the answer of `GET /api/openintent/trust`, and of a change of the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TeamTrustShown {
    /// `open`, `allowlist` or `trustless`.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["open", "allowlist", "trustless"])))]
    pub trust_policy: String,
    /// Who said so.
    pub policy_source: TrustSource,
    /// The servers, by URL.
    pub servers: Vec<TrustedServerShown>,
}

/// A server that a team trusts. What it is shown as a key is never among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustedServerShown {
    /// Its URL, as it was given.
    pub url: String,
    /// `peer`, `upstream` or `downstream`.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["peer", "upstream", "downstream"])))]
    pub relationship: String,
    /// A policy of its own; the stricter of it and the team's applies.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["open", "allowlist", "trustless", null])))]
    pub trust_policy: Option<String>,
    /// Its DID, where that does not follow from the URL.
    pub did: Option<String>,
    /// Whether there is an API key that it is shown.
    pub has_api_key: bool,
    /// Where the entry comes from.
    pub source: TrustSource,
    /// When a command added it, RFC 3339.
    pub created_at: Option<String>,
}

/// The body of `PUT /api/openintent/trust/servers`: what it leaves out is none, also where it was something before.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustedServerDraft {
    /// Its URL.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(required, with = "super::schema::HookUrl", transform = without_default)
    )]
    pub url: Option<String>,
    /// `peer` unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["peer", "upstream", "downstream", null])))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relationship: Option<String>,
    /// A policy of its own.
    #[cfg_attr(feature = "schema", schemars(extend("enum" = ["open", "allowlist", "trustless", null])))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_policy: Option<String>,
    /// Its DID, where that does not follow from the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub did: Option<String>,
    /// What it is shown in `X-API-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

/// What has to be given has no default, whatever reads it first.
#[cfg(feature = "schema")]
fn without_default(schema: &mut schemars::Schema) {
    schema.remove("default");
}

/// The body of `PUT /api/openintent/trust/policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrustPolicyDraft {
    /// The policy; null goes back to the configured one. It cannot be left out.
    #[cfg_attr(feature = "schema", schemars(required, extend("type" = ["string", "null"], "enum" = ["open", "allowlist", "trustless", null])))]
    #[serde(deserialize_with = "Option::deserialize")]
    pub trust_policy: Option<String>,
}
