//! Other servers and their agents, as servers list them (spec 3.6, 3.9).

use super::fault::ModelFault;
use super::members::{Members, Writer};
use super::words::{AgentVisibility, PeerRelationship, TrustPolicy};
use crate::openintent::json::Json;

/// A server that another one federates with.
///
/// ```
/// use kite::openintent::model::{PeerInfo, PeerRelationship};
///
/// let peer = PeerInfo {
///     server_url: "https://partner.example.com".to_owned(),
///     relationship: PeerRelationship::Downstream,
///     ..PeerInfo::default()
/// };
/// let text = r#"{"relationship":"downstream","server_url":"https://partner.example.com","trust_policy":"allowlist"}"#;
/// assert_eq!(peer.to_json().to_string(), text);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its URL.
    pub server_url: String,
    /// Who delegates to whom.
    pub relationship: PeerRelationship,
    /// How far it is trusted.
    pub trust_policy: TrustPolicy,
    /// Its DID.
    pub server_did: Option<String>,
    /// Its public key of Ed25519 in base64.
    pub public_key: Option<String>,
}

/// An agent that a server tells of.
///
/// ```
/// use kite::openintent::model::FederatedAgent;
///
/// let text = r#"{"agent_id": "analyst", "server_url": "https://partner.example.com"}"#;
/// let agent = FederatedAgent::from_json(&text.parse().unwrap()).unwrap();
/// assert_eq!(agent.status, "active");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedAgent {
    /// Its name.
    pub agent_id: String,
    /// The URL of its server.
    pub server_url: String,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// Who is told of it.
    pub visibility: AgentVisibility,
    /// The DID of its server.
    pub server_did: Option<String>,
    /// How it is.
    pub status: String,
}

/// The status of an agent of which nothing else is said.
const ACTIVE: &str = "active";

impl PeerInfo {
    /// Reads a peer.
    ///
    /// # Errors
    /// When a member is of another kind, or a word is unknown.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            server_url: members.text("server_url", "")?,
            relationship: members.word(
                "relationship",
                PeerRelationship::WANTED,
                PeerRelationship::of,
            )?,
            trust_policy: members.word("trust_policy", TrustPolicy::WANTED, TrustPolicy::of)?,
            server_did: members.optional("server_did")?,
            public_key: members.optional("public_key")?,
        })
    }

    /// The peer as it is listed.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("server_url", self.server_url.as_str())
            .put("relationship", self.relationship)
            .put("trust_policy", self.trust_policy)
            .put_some("server_did", self.server_did.as_deref())
            .put_some("public_key", self.public_key.as_deref())
            .end()
    }
}

impl FederatedAgent {
    /// Reads an agent.
    ///
    /// # Errors
    /// When a member is of another kind, or a word is unknown.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            agent_id: members.text("agent_id", "")?,
            server_url: members.text("server_url", "")?,
            capabilities: members.texts("capabilities", &[])?,
            visibility: members.word("visibility", AgentVisibility::WANTED, AgentVisibility::of)?,
            server_did: members.optional("server_did")?,
            status: members.text("status", ACTIVE)?,
        })
    }

    /// The agent as it is listed.
    pub fn to_json(&self) -> Json {
        let did = self.server_did.as_deref();
        Writer::default()
            .put("agent_id", self.agent_id.as_str())
            .put("server_url", self.server_url.as_str())
            .put("capabilities", self.capabilities.clone())
            .put("visibility", self.visibility)
            .put("server_did", did.map_or(Json::Null, Json::from))
            .put("status", self.status.as_str())
            .end()
    }
}

impl Default for FederatedAgent {
    fn default() -> Self {
        Self {
            agent_id: String::new(),
            server_url: String::new(),
            capabilities: Vec::new(),
            visibility: AgentVisibility::default(),
            server_did: None,
            status: ACTIVE.to_owned(),
        }
    }
}
