//! What the operator says of OpenIntent, as plain values.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::entry::ServerUrl;
use crate::base::secret::Secret;
use crate::openintent::model::{AgentVisibility, PeerRelationship, TrustPolicy};
use crate::openintent::policy::FederationPolicy;
use crate::openintent::trust::TrustlessMode;
use crate::protocol::id::{AgentId, TeamId};

/// How long a key that was replaced is still published, where nothing else was said: far longer than others keep a
/// document (spec 6.5), and than a dispatch is tried (spec 14.2).
pub const KEY_OVERLAP_DEFAULT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How this server takes part in OpenIntent's federation.
#[derive(Debug, Clone)]
pub struct OpenIntentSettings {
    /// Whether it does at all.
    pub enabled: bool,
    /// Whom it trusts, for teams that have not said otherwise.
    pub trust_policy: TrustPolicy,
    /// What `trustless` means.
    pub trustless_mode: TrustlessMode,
    /// Who sees agents that say nothing of it themselves.
    pub visibility_default: AgentVisibility,
    /// Whether URLs of other servers have to be https.
    pub require_https: bool,
    /// Whether work for an agent that is unknown is declined.
    pub require_known_agent: bool,
    /// Whether dispatches go to servers that the team trusts and nowhere else.
    pub dispatch_to_peers_only: bool,
    /// Whether the public manifest names the servers that this one knows.
    pub show_peers: bool,
    /// The local policy. What applies to work is composed of it and of the envelope's (spec 9).
    pub policy: FederationPolicy,
    /// The DID of this server, where it does not follow from its URL (spec 6.2).
    pub did: Option<String>,
    /// Other URLs that this server answers to, normalised.
    pub aliases: Vec<String>,
    /// How long a key that was replaced is still published.
    pub key_overlap: Duration,
    /// Servers that teams trust.
    pub peers: Vec<ConfiguredPeer>,
    /// Agents that are shown to other servers.
    pub agents: Vec<ConfiguredAgent>,
}

impl Default for OpenIntentSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            trust_policy: TrustPolicy::Allowlist,
            trustless_mode: TrustlessMode::Refuse,
            visibility_default: AgentVisibility::Public,
            require_https: false,
            require_known_agent: false,
            dispatch_to_peers_only: false,
            show_peers: false,
            policy: FederationPolicy::default(),
            did: None,
            aliases: Vec::new(),
            key_overlap: KEY_OVERLAP_DEFAULT,
            peers: Vec::new(),
            agents: Vec::new(),
        }
    }
}

/// A server that a team trusts, as the configuration says.
#[derive(Debug, Clone)]
pub struct ConfiguredPeer {
    /// Whose word it is.
    pub team: TeamId,
    /// Where the server is.
    pub url: ServerUrl,
    /// Who delegates to whom.
    pub relationship: PeerRelationship,
    /// A policy of its own; the stricter of it and the team's applies.
    pub trust_policy: Option<TrustPolicy>,
    /// Its DID, where that does not follow from the URL.
    pub did: Option<String>,
    /// What it is shown in `X-API-Key`.
    pub api_key: Option<Secret>,
    /// What it signs with where it has no Ed25519 (spec 5): its key file.
    pub shared_secret: Option<SharedSecret>,
}

/// An agent that is shown to other servers, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredAgent {
    /// Whose it is.
    pub team: TeamId,
    /// What it is called.
    pub id: AgentId,
    /// Who sees it.
    pub visibility: AgentVisibility,
    /// What it can do, in words of its own.
    pub capabilities: Vec<String>,
}

/// The key file of a server that signs with HMAC-SHA256 (spec 5). Wiped on drop, silent in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedSecret(Zeroizing<[u8; 32]>);

impl SharedSecret {
    /// The bytes, for the one place that needs them.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for SharedSecret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}
