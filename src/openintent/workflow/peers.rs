//! The block `federation:` of a workflow: who takes part, and how they are trusted (OpenIntent rules, 15, 29: both of
//! its forms are read).

use super::fault::{Findings, Position};
use super::section::Section;
use super::yaml::{Node, Value};
use crate::openintent::callable;
use crate::openintent::model::{AgentVisibility, PeerRelationship, TrustPolicy};
use crate::openintent::trust::normalize;

/// What a workflow says of the servers that take part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Federation {
    /// The DID that the own server is to have.
    pub server_did: Option<String>,
    /// Who is told of agents that say nothing else.
    pub visibility: Option<AgentVisibility>,
    /// Whose intents the team is to take.
    pub trust_policy: Option<TrustPolicy>,
    /// The servers that the team is to trust.
    pub peers: Vec<Peer>,
}

/// A server that the team is to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its URL, as it was written.
    pub url: String,
    /// Who delegates to whom.
    pub relationship: PeerRelationship,
    /// A policy of its own.
    pub trust_policy: Option<TrustPolicy>,
}

const KEYS: [&str; 5] = [
    "peers",
    "server_did",
    "trust_policy",
    "visibility",
    "visibility_default",
];

const PEER_KEYS: [&str; 3] = ["relationship", "trust_policy", "url"];

impl Federation {
    pub(super) fn read(section: &Section<'_>, findings: &mut Findings) -> Self {
        section.check_keys(&KEYS, &["enabled", "server_url"], findings);
        let [one, other] = ["visibility", "visibility_default"]
            .map(|key| section.word(key, AgentVisibility::WANTED, AgentVisibility::of, findings));
        if let (Some(one), Some(other)) = (&one, &other)
            && one.value != other.value
        {
            let message = "`visibility` and `visibility_default` are the same and say different things: keep one of \
                           them";
            findings.fault(other.at, message);
        }
        let trust = section.word(
            "trust_policy",
            TrustPolicy::WANTED,
            TrustPolicy::of,
            findings,
        );
        let did = section.text("server_did", findings);
        let did = did.filter(|did| {
            let is_one = did.value.starts_with("did:web:");
            if !is_one {
                let message = format!("`{}` is no DID of a server: use did:web:HOST", did.value);
                findings.fault(did.at, message);
            }
            is_one
        });
        Self {
            server_did: did.map(|did| did.value),
            visibility: one.or(other).map(|word| word.value),
            trust_policy: trust.map(|word| word.value),
            peers: peers(section, findings),
        }
    }

    /// The URL of the peer with this host and port.
    pub(super) fn url_of(&self, authority: &str) -> Option<&str> {
        let is_it = |peer: &&Peer| authority_of(&peer.url).eq_ignore_ascii_case(authority);
        self.peers.iter().find(is_it).map(|peer| peer.url.as_str())
    }
}

fn peers(section: &Section<'_>, findings: &mut Findings) -> Vec<Peer> {
    let Some(entry) = section.get("peers") else {
        return Vec::new();
    };
    let Value::List(items) = &entry.node.value else {
        let message = format!(
            "`federation.peers` must be a list, not {}: write `- url: https://partner.example`",
            entry.node.kind()
        );
        findings.fault(entry.node.at, message);
        return Vec::new();
    };
    let mut peers: Vec<Peer> = Vec::new();
    for item in items {
        let Some((peer, at)) = peer(section, item, findings) else {
            continue;
        };
        if !is_server(&peer.url, at, findings) {
            continue;
        }
        let url = normalize(&peer.url);
        if peers.iter().any(|known| normalize(&known.url) == url) {
            let message = format!("`{}` is a peer twice: remove one of them", peer.url);
            findings.fault(at, message);
            continue;
        }
        peers.push(peer);
    }
    peers
}

/// An item of the list, and where its URL is; `None` where it has none, which is told.
fn peer(section: &Section<'_>, item: &Node, findings: &mut Findings) -> Option<(Peer, Position)> {
    // A URL alone is a server that is trusted both ways.
    if let Some(url) = item.as_text() {
        let peer = Peer {
            url: url.into_owned(),
            relationship: PeerRelationship::default(),
            trust_policy: None,
        };
        return Some((peer, item.at));
    }
    let peer = section.item("peers", item, findings)?;
    peer.check_keys(&PEER_KEYS, &["public_key", "server_did"], findings);
    let words = PeerRelationship::WANTED;
    let relationship = peer.word("relationship", words, PeerRelationship::of, findings);
    let words = TrustPolicy::WANTED;
    let trust = peer.word("trust_policy", words, TrustPolicy::of, findings);
    let Some(url) = peer.text("url", findings) else {
        if peer.get("url").is_none() {
            let message = "a peer needs its URL: `url: https://partner.example`";
            findings.fault(item.at, message);
        }
        return None;
    };
    let peer = Peer {
        url: url.value,
        relationship: relationship.map(|word| word.value).unwrap_or_default(),
        trust_policy: trust.map(|word| word.value),
    };
    Some((peer, url.at))
}

/// Whether it is the URL of a server; otherwise that is told.
pub(super) fn is_server(url: &str, at: Position, findings: &mut Findings) -> bool {
    let why = match callable::check(url, &|_| true) {
        Err(fault) => fault.to_string(),
        Ok(()) if url.contains(['?', '#']) => "it has a query or a fragment".to_owned(),
        Ok(()) => return true,
    };
    // A password in it is nobody's to read.
    let shown = match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    };
    let message = format!("`{shown}` is no URL of a server: {why}; write https://HOST");
    findings.fault(at, message);
    false
}

/// The host and the port of a URL.
fn authority_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}
