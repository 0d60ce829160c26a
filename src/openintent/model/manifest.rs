//! What a server says of itself (spec 3.7, 3.8).

use std::collections::BTreeMap;

use super::fault::ModelFault;
use super::members::{Members, Writer, object_of};
use super::words::{AgentVisibility, TrustPolicy};
use crate::openintent::json::Json;

/// Where a server answers: paths, by the name of the endpoint.
pub type Endpoints = BTreeMap<String, String>;

/// What a server publishes for those who want to federate with it.
///
/// ```
/// use kite::openintent::model::{FederationManifest, TrustPolicy};
///
/// let text = r#"{"server_did": "did:web:partner.example.com", "trust_policy": "open"}"#;
/// let manifest = FederationManifest::from_json(&text.parse().unwrap()).unwrap();
/// assert_eq!(manifest.server_did, "did:web:partner.example.com");
/// assert_eq!(manifest.trust_policy, TrustPolicy::Open);
/// assert_eq!(manifest.supported_rfcs, ["RFC-0022", "RFC-0023"]);
/// assert_eq!(manifest.endpoint("dispatch"), "/api/v1/federation/dispatch");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FederationManifest {
    /// The server's DID.
    pub server_did: String,
    /// The server's URL.
    pub server_url: String,
    /// The version of the protocol.
    pub protocol_version: String,
    /// Whose intents it takes.
    pub trust_policy: TrustPolicy,
    /// Who is told of an agent of which nothing else is said.
    pub visibility_default: AgentVisibility,
    /// What it keeps to.
    pub supported_rfcs: Vec<String>,
    /// The URLs of its peers.
    pub peers: Vec<String>,
    /// Where it answers. Empty when it did not say: see [`FederationManifest::endpoint`].
    pub endpoints: Endpoints,
    /// The public key of Ed25519 in base64.
    pub public_key: Option<String>,
}

/// How a server stands.
///
/// ```
/// use kite::openintent::model::FederationStatus;
///
/// let status = FederationStatus::from_json(&"{}".parse().unwrap()).unwrap();
/// assert!(status.enabled);
/// assert!(status.to_json().get("server_did").unwrap().is_null());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationStatus {
    /// Whether it federates.
    pub enabled: bool,
    /// Its DID, where there is one.
    pub server_did: Option<String>,
    /// Whose intents it takes.
    pub trust_policy: TrustPolicy,
    /// How many peers it has.
    pub peer_count: i64,
    /// Dispatches that are on their way.
    pub active_dispatches: i64,
    /// All dispatches.
    pub total_dispatches: i64,
    /// Intents that it has taken.
    pub total_received: i64,
}

/// The version of the protocol.
const PROTOCOL_VERSION: &str = "0.1";

/// What is kept to.
const SUPPORTED_RFCS: [&str; 2] = ["RFC-0022", "RFC-0023"];

/// The names of the endpoints of every server.
const ENDPOINTS: [&str; 4] = ["status", "agents", "dispatch", "receive"];

/// The path of an endpoint of a server that does not say otherwise.
fn fixed_path(name: &str) -> String {
    format!("/api/v1/federation/{name}")
}

impl FederationManifest {
    /// The manifest of a server of which no more is known than its name and place; it has all the endpoints that every
    /// server has.
    pub fn new(server_did: impl Into<String>, server_url: impl Into<String>) -> Self {
        let path = |name: &str| (name.to_owned(), fixed_path(name));
        Self {
            server_did: server_did.into(),
            server_url: server_url.into(),
            protocol_version: PROTOCOL_VERSION.to_owned(),
            trust_policy: TrustPolicy::default(),
            visibility_default: AgentVisibility::default(),
            supported_rfcs: SUPPORTED_RFCS.map(str::to_owned).to_vec(),
            peers: Vec::new(),
            endpoints: ENDPOINTS.into_iter().map(path).collect(),
            public_key: None,
        }
    }

    /// The path of an endpoint: what the server says, or else the one that all servers have.
    pub fn endpoint(&self, name: &str) -> String {
        let said = self.endpoints.get(name).cloned();
        said.unwrap_or_else(|| fixed_path(name))
    }

    /// Reads a manifest. `did` stands for a `server_did` that is missing, as the text of the RFC has it (spec 15, row 11).
    ///
    /// # Errors
    /// When a member is of another kind, or a word is unknown.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        let did = match members.get("server_did") {
            None => "did",
            Some(_) => "server_did",
        };
        Ok(Self {
            server_did: members.text(did, "")?,
            server_url: members.text("server_url", "")?,
            protocol_version: members.text("protocol_version", PROTOCOL_VERSION)?,
            trust_policy: members.word("trust_policy", TrustPolicy::WANTED, TrustPolicy::of)?,
            visibility_default: members.word(
                "visibility_default",
                AgentVisibility::WANTED,
                AgentVisibility::of,
            )?,
            supported_rfcs: members.texts("supported_rfcs", &SUPPORTED_RFCS)?,
            peers: members.texts("peers", &[])?,
            endpoints: members.texts_by_name("endpoints")?,
            public_key: members.optional("public_key")?,
        })
    }

    /// The manifest as it is published.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("server_did", self.server_did.as_str())
            .put("server_url", self.server_url.as_str())
            .put("protocol_version", self.protocol_version.as_str())
            .put("trust_policy", self.trust_policy)
            .put("visibility_default", self.visibility_default)
            .put("supported_rfcs", self.supported_rfcs.clone())
            .put("peers", self.peers.clone())
            .put("endpoints", object_of(&self.endpoints))
            .put_some("public_key", self.public_key.as_deref())
            .end()
    }
}

impl Default for FederationManifest {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl FederationStatus {
    /// Reads a status.
    ///
    /// # Errors
    /// When a member is of another kind, or the policy is unknown.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            enabled: members.bool("enabled", true)?,
            server_did: members.optional("server_did")?,
            trust_policy: members.word("trust_policy", TrustPolicy::WANTED, TrustPolicy::of)?,
            peer_count: members.integer("peer_count", 0)?,
            active_dispatches: members.integer("active_dispatches", 0)?,
            total_dispatches: members.integer("total_dispatches", 0)?,
            total_received: members.integer("total_received", 0)?,
        })
    }

    /// The status as it is answered.
    pub fn to_json(&self) -> Json {
        let did = self.server_did.as_deref();
        Writer::default()
            .put("enabled", self.enabled)
            .put("server_did", did.map_or(Json::Null, Json::from))
            .put("trust_policy", self.trust_policy)
            .put("peer_count", self.peer_count)
            .put("active_dispatches", self.active_dispatches)
            .put("total_dispatches", self.total_dispatches)
            .put("total_received", self.total_received)
            .end()
    }
}

impl Default for FederationStatus {
    fn default() -> Self {
        Self {
            enabled: true,
            server_did: None,
            trust_policy: TrustPolicy::default(),
            peer_count: 0,
            active_dispatches: 0,
            total_dispatches: 0,
            total_received: 0,
        }
    }
}
