//! What is said of OpenIntent: flags, variables and the table `[openintent]` of the file.
//!
//! Values are read as words first and judged here, so that each fault names its place: `openintent.peers[1].url`.

mod policy;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::outbound::switch;
use crate::base::duration;
use crate::base::secret::Secret;
use crate::cli::error::CommandError;
use crate::openintent::model::{AgentVisibility, PeerRelationship, TrustPolicy};
use crate::openintent::trust::{TrustlessMode, normalize};
use crate::protocol::address::http_base;
use crate::protocol::id::TeamId;
use crate::protocol::outbound::Outbound;
use crate::server::{
    ConfiguredAgent, ConfiguredPeer, OpenIntentConfig, ServerUrl, SharedSecret, check_api_key,
    check_did,
};
use policy::PolicyTable;

/// The team of an entry that names none.
const TEAM_DEFAULT: &str = "default";

/// The settings. Those without a flag are for the file alone.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenIntentTable {
    /// Take part in OpenIntent's federation [default: true]
    #[arg(id = "openintent", long = "openintent", env = "KITE_OPENINTENT", num_args = 0..=1, require_equals = true,
          value_name = "BOOL", default_missing_value = "true", value_parser = switch)]
    enabled: Option<bool>,

    /// Which OpenIntent servers are trusted: open, allowlist or trustless [default: allowlist]
    #[arg(
        id = "openintent_trust_policy",
        long = "openintent-trust-policy",
        value_name = "POLICY",
        env = "KITE_OPENINTENT_TRUST_POLICY"
    )]
    trust_policy: Option<String>,

    #[arg(skip)]
    trustless_mode: Option<String>,

    #[arg(skip)]
    visibility_default: Option<String>,

    #[arg(skip)]
    require_https: Option<bool>,

    #[arg(skip)]
    require_known_agent: Option<bool>,

    #[arg(skip)]
    dispatch_to_peers_only: Option<bool>,

    #[arg(skip)]
    show_peers: Option<bool>,

    #[arg(skip)]
    policy: Option<PolicyTable>,

    #[arg(skip)]
    did: Option<String>,

    #[arg(skip)]
    aliases: Option<Vec<String>>,

    #[arg(skip)]
    key_overlap: Option<String>,

    #[arg(skip)]
    peers: Option<Vec<PeerTable>>,

    #[arg(skip)]
    agents: Option<Vec<AgentTable>>,
}

/// One `[[openintent.peers]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerTable {
    url: Option<String>,
    api_key: Option<Word>,
    api_key_file: Option<PathBuf>,
    relationship: Option<String>,
    trust_policy: Option<String>,
    did: Option<String>,
    shared_secret_file: Option<PathBuf>,
    team: Option<String>,
}

/// One `[[openintent.agents]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentTable {
    id: Option<String>,
    visibility: Option<String>,
    capabilities: Option<Vec<String>>,
    team: Option<String>,
}

/// A secret as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
struct Word(Secret);

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl OpenIntentTable {
    /// What is missing here is taken from there.
    pub(super) fn or(self, other: Self) -> Self {
        let given = |text: &String| !text.trim().is_empty();
        Self {
            enabled: self.enabled.or(other.enabled),
            // An empty variable counts as unset.
            trust_policy: self.trust_policy.filter(given).or(other.trust_policy),
            trustless_mode: self.trustless_mode.or(other.trustless_mode),
            visibility_default: self.visibility_default.or(other.visibility_default),
            require_https: self.require_https.or(other.require_https),
            require_known_agent: self.require_known_agent.or(other.require_known_agent),
            dispatch_to_peers_only: self.dispatch_to_peers_only.or(other.dispatch_to_peers_only),
            show_peers: self.show_peers.or(other.show_peers),
            policy: self.policy.or(other.policy),
            did: self.did.or(other.did),
            aliases: self.aliases.or(other.aliases),
            key_overlap: self.key_overlap.or(other.key_overlap),
            peers: self.peers.or(other.peers),
            agents: self.agents.or(other.agents),
        }
    }

    /// How long a replaced signing key stays published, where that is said.
    pub(super) fn key_overlap(&self) -> Result<Option<Duration>, CommandError> {
        let overlap = self.key_overlap.as_deref().map(duration::parse);
        let overlap = overlap.transpose();
        overlap.map_err(|error| refused("openintent.key_overlap", error))
    }

    /// The settings as plain values. `outbound` says which URLs may be those of other servers.
    pub(super) fn settings(self, outbound: &Outbound) -> Result<OpenIntentConfig, CommandError> {
        let usual = OpenIntentConfig::default();
        let key_overlap = self.key_overlap()?;
        let trust_policy = self.trust_policy.filter(|word| !word.trim().is_empty());
        let visibility_default = visibility(
            "openintent.visibility_default",
            self.visibility_default.as_deref(),
        )?
        .unwrap_or(usual.visibility_default);
        let require_https = self.require_https.unwrap_or(usual.require_https);
        let did = self
            .did
            .as_deref()
            .map(|did| own_did("openintent.did", did));
        let peers = (0..).zip(self.peers.unwrap_or_default());
        let peers = peers.map(|(at, peer)| peer.configured(at, outbound, require_https));
        let agents = (0..).zip(self.agents.unwrap_or_default());
        let agents = agents.map(|(at, agent)| agent.configured(at, visibility_default));
        let aliases = (0..).zip(self.aliases.unwrap_or_default());
        Ok(OpenIntentConfig {
            enabled: self.enabled.unwrap_or(usual.enabled),
            trust_policy: policy_word("openintent.trust_policy", trust_policy.as_deref())?
                .unwrap_or(usual.trust_policy),
            trustless_mode: mode(self.trustless_mode.as_deref())?.unwrap_or(usual.trustless_mode),
            visibility_default,
            require_https,
            require_known_agent: self
                .require_known_agent
                .unwrap_or(usual.require_known_agent),
            dispatch_to_peers_only: self
                .dispatch_to_peers_only
                .unwrap_or(usual.dispatch_to_peers_only),
            show_peers: self.show_peers.unwrap_or(usual.show_peers),
            policy: self.policy.unwrap_or_default().policy()?,
            did: did.transpose()?,
            aliases: aliases.map(alias).collect::<Result<_, _>>()?,
            key_overlap: key_overlap.unwrap_or(usual.key_overlap),
            peers: peers_of_one_name(peers.collect::<Result<_, _>>()?)?,
            agents: agents_of_one_name(agents.collect::<Result<_, _>>()?)?,
        })
    }
}

impl PeerTable {
    fn configured(
        self,
        at: usize,
        outbound: &Outbound,
        require_https: bool,
    ) -> Result<ConfiguredPeer, CommandError> {
        let place = |member: &str| format!("openintent.peers[{at}].{member}");
        let url = self.url.ok_or_else(|| missing(&place("url")))?;
        let url = ServerUrl::parse(&url, outbound, require_https)
            .map_err(|fault| refused(&place("url"), fault))?;
        let relationship = word(
            &place("relationship"),
            self.relationship.as_deref(),
            PeerRelationship::of,
            PeerRelationship::WANTED,
        )?;
        let api_key = match (self.api_key, self.api_key_file) {
            (Some(_), Some(_)) => {
                let why = "give `api_key` or `api_key_file`, not both";
                return Err(refused(&place("api_key_file"), why));
            }
            (Some(key), None) => Some((place("api_key"), key.0)),
            (None, Some(path)) => {
                let place = place("api_key_file");
                let key = key_in(&place, &path)?;
                Some((place, key))
            }
            (None, None) => None,
        };
        if let Some((place, key)) = &api_key {
            check_api_key(key.reveal()).map_err(|fault| refused(place, fault))?;
        }
        let did = self.did.as_deref().map(|did| own_did(&place("did"), did));
        let secret = self
            .shared_secret_file
            .map(|path| secret_in(&place("shared_secret_file"), &path));
        Ok(ConfiguredPeer {
            team: team(&place("team"), self.team)?,
            url,
            relationship: relationship.unwrap_or(PeerRelationship::Peer),
            trust_policy: policy_word(&place("trust_policy"), self.trust_policy.as_deref())?,
            did: did.transpose()?,
            api_key: api_key.map(|(_, key)| key),
            shared_secret: secret.transpose()?,
        })
    }
}

impl AgentTable {
    fn configured(
        self,
        at: usize,
        visibility_default: AgentVisibility,
    ) -> Result<ConfiguredAgent, CommandError> {
        let place = |member: &str| format!("openintent.agents[{at}].{member}");
        let id = self.id.ok_or_else(|| missing(&place("id")))?;
        let visibility = visibility(&place("visibility"), self.visibility.as_deref())?;
        Ok(ConfiguredAgent {
            team: team(&place("team"), self.team)?,
            id: id.parse().map_err(|error| refused(&place("id"), error))?,
            visibility: visibility.unwrap_or(visibility_default),
            capabilities: self.capabilities.unwrap_or_default(),
        })
    }
}

/// Two entries for one server of a team would contradict each other.
fn peers_of_one_name(peers: Vec<ConfiguredPeer>) -> Result<Vec<ConfiguredPeer>, CommandError> {
    for (at, peer) in peers.iter().enumerate() {
        let is_same = |other: &ConfiguredPeer| {
            other.team == peer.team && other.url.normalized() == peer.url.normalized()
        };
        if let Some(first) = peers.iter().take(at).position(is_same) {
            let why = format!(
                "`{}` is that of openintent.peers[{first}]",
                peer.url.given()
            );
            return Err(refused(&format!("openintent.peers[{at}].url"), why));
        }
    }
    Ok(peers)
}

fn agents_of_one_name(agents: Vec<ConfiguredAgent>) -> Result<Vec<ConfiguredAgent>, CommandError> {
    for (at, agent) in agents.iter().enumerate() {
        let is_same = |other: &ConfiguredAgent| other.team == agent.team && other.id == agent.id;
        if let Some(first) = agents.iter().take(at).position(is_same) {
            let why = format!("`{}` is that of openintent.agents[{first}]", agent.id);
            return Err(refused(&format!("openintent.agents[{at}].id"), why));
        }
    }
    Ok(agents)
}

fn refused(place: &str, why: impl Display) -> CommandError {
    CommandError::usage(format!("`{place}` cannot be used: {why}"))
}

fn missing(place: &str) -> CommandError {
    CommandError::usage(format!("`{place}` is missing"))
}

/// One of the protocol's words.
fn word<T>(
    place: &str,
    given: Option<&str>,
    of: fn(&str) -> Option<T>,
    words: &str,
) -> Result<Option<T>, CommandError> {
    let Some(given) = given else {
        return Ok(None);
    };
    let found = of(given.trim());
    let refuse = || refused(place, format!("`{given}` is none of {words}"));
    found.map(Some).ok_or_else(refuse)
}

fn policy_word(place: &str, given: Option<&str>) -> Result<Option<TrustPolicy>, CommandError> {
    word(place, given, TrustPolicy::of, TrustPolicy::WANTED)
}

fn visibility(place: &str, given: Option<&str>) -> Result<Option<AgentVisibility>, CommandError> {
    word(place, given, AgentVisibility::of, AgentVisibility::WANTED)
}

fn mode(given: Option<&str>) -> Result<Option<TrustlessMode>, CommandError> {
    word(
        "openintent.trustless_mode",
        given,
        TrustlessMode::of,
        TrustlessMode::WANTED,
    )
}

fn team(place: &str, given: Option<String>) -> Result<TeamId, CommandError> {
    let given = given.unwrap_or_else(|| TEAM_DEFAULT.to_owned());
    given.parse().map_err(|error| refused(place, error))
}

fn own_did(place: &str, did: &str) -> Result<String, CommandError> {
    check_did(did).map_err(|fault| refused(place, fault))?;
    Ok(did.to_owned())
}

fn alias((at, url): (usize, String)) -> Result<String, CommandError> {
    let base =
        http_base(&url).map_err(|error| refused(&format!("openintent.aliases[{at}]"), error))?;
    Ok(normalize(&base))
}

fn key_in(place: &str, path: &Path) -> Result<Secret, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(place, format!("`{}`: {error}", path.display())))?;
    Ok(Secret::from(text.trim().to_owned()))
}

fn secret_in(place: &str, path: &Path) -> Result<SharedSecret, CommandError> {
    let bytes = std::fs::read(path)
        .map_err(|error| refused(place, format!("`{}`: {error}", path.display())))?;
    let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
        let why = format!(
            "`{}` does not hold 32 bytes and nothing else",
            path.display()
        );
        refused(place, why)
    })?;
    Ok(SharedSecret::from(bytes))
}

#[cfg(test)]
mod tests;
