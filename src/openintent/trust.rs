//! Whose intents a server takes, and who is told of its agents (spec 12).

use super::model::{AgentVisibility, PeerRelationship, TrustPolicy};

/// A URL as URLs of servers are compared: scheme and host in lower case, without the scheme's own port, without one dot
/// behind the host, without slashes at the end. The rest is exact, and so is what is no URL.
///
/// ```
/// use kite::openintent::trust::normalize;
///
/// assert_eq!(normalize("HTTPS://Partner.Example.com.:443/"), "https://partner.example.com");
/// assert_eq!(normalize("http://partner.example.com/Kite/"), "http://partner.example.com/Kite");
/// ```
pub fn normalize(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.trim_end_matches('/').to_owned();
    };
    let scheme = scheme.to_ascii_lowercase();
    let rest = rest.trim_end_matches('/');
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // A user and a password keep their case.
    let (user, place) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let port_at = match place.rfind(':') {
        // A colon within brackets belongs to the address.
        Some(at) if !place.get(at..).unwrap_or_default().contains(']') => at,
        _ => place.len(),
    };
    let (host, port) = place.split_at(port_at);
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let port = match (scheme.as_str(), port) {
        ("https", ":443") | ("http", ":80") => "",
        (_, port) => port,
    };
    format!("{scheme}://{user}{host}{port}{path}")
}

/// The stricter of two policies: `trustless` over `allowlist` over `open`.
///
/// ```
/// use kite::openintent::model::TrustPolicy;
/// use kite::openintent::trust::stricter;
///
/// assert_eq!(stricter(TrustPolicy::Open, TrustPolicy::Allowlist), TrustPolicy::Allowlist);
/// assert_eq!(stricter(TrustPolicy::Trustless, TrustPolicy::Open), TrustPolicy::Trustless);
/// ```
pub fn stricter(ours: TrustPolicy, theirs: TrustPolicy) -> TrustPolicy {
    use TrustPolicy::{Allowlist, Open, Trustless};
    match (ours, theirs) {
        (Trustless, _) | (_, Trustless) => Trustless,
        (Allowlist, _) | (_, Allowlist) => Allowlist,
        (Open, Open) => Open,
    }
}

/// What `trustless` means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrustlessMode {
    /// Nothing is taken, as the reference has it.
    #[default]
    Refuse,
    /// What proves the right to be taken is, as the RFC has it.
    Verify,
}

impl TrustlessMode {
    /// The words of the setting, for people.
    pub const WANTED: &'static str = "`refuse` or `verify`";

    /// The word of the setting.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Verify => "verify",
        }
    }

    /// The mode of a word.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "refuse" => Some(Self::Refuse),
            "verify" => Some(Self::Verify),
            _ => None,
        }
    }
}

/// A server that is listed: by its URL, by its DID, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedPeer {
    /// Its URL, in any spelling.
    pub url: Option<String>,
    /// Its DID.
    pub did: Option<String>,
    /// Who delegates to whom.
    pub relationship: PeerRelationship,
    /// A policy of its own: the stricter one of this and the server's counts.
    pub trust_policy: Option<TrustPolicy>,
}

impl TrustedPeer {
    /// A peer of which no more is known than its name: a URL or a DID.
    pub fn named(name: &str) -> Self {
        let is_did = name.starts_with("did:");
        Self {
            url: Some(name.to_owned()).filter(|_| !is_did),
            did: Some(name.to_owned()).filter(|_| is_did),
            ..Self::default()
        }
    }

    fn has_url(&self, normalized: &str) -> bool {
        let url = self.url.as_deref();
        url.is_some_and(|url| normalize(url) == normalized)
    }

    fn has_did(&self, dids: &[&str]) -> bool {
        let did = self.did.as_deref();
        did.is_some_and(|did| dids.contains(&did))
    }
}

/// What a trusted source has to bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// A valid API key or a valid signature.
    Credentials,
    /// A valid signature and a valid chain of tokens, whatever the API key.
    Proofs,
}

/// Why a server is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustFault {
    /// It is not listed.
    #[error("the server is not listed")]
    Unknown,
    /// Nothing is taken from anybody.
    #[error("the policy `trustless` takes nothing")]
    Trustless,
    /// We delegate to it, and it does not to us.
    #[error("the server is `downstream`: nothing is taken from it but callbacks")]
    Downstream,
    /// It delegates to us, and we do not to it.
    #[error("the server is `upstream`: nothing is dispatched to it")]
    Upstream,
}

/// Who decides whose intents are taken.
///
/// ```
/// use kite::openintent::model::TrustPolicy;
/// use kite::openintent::trust::TrustEnforcer;
///
/// let listed = ["https://partner-a.example.com", "did:web:partner-b.example.com"];
/// let mut enforcer = TrustEnforcer::new(TrustPolicy::Allowlist, &listed);
/// assert!(enforcer.is_trusted("https://partner-a.example.com/", &[]).is_ok());
/// assert!(enforcer.is_trusted("https://x.example", &["did:web:partner-b.example.com"]).is_ok());
/// assert!(enforcer.is_trusted("https://unknown.example.com", &[]).is_err());
///
/// enforcer.add_peer("https://new-partner.example.com");
/// assert!(enforcer.is_trusted("https://new-partner.example.com", &[]).is_ok());
/// enforcer.remove_peer("https://new-partner.example.com");
/// assert!(enforcer.is_trusted("https://new-partner.example.com", &[]).is_err());
///
/// let open = TrustEnforcer::new(TrustPolicy::Open, &[]);
/// assert!(open.is_trusted("https://anyone.example.com", &[]).is_ok());
/// let trustless = TrustEnforcer::new(TrustPolicy::Trustless, &listed);
/// assert!(trustless.is_trusted("https://partner-a.example.com", &[]).is_err());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustEnforcer {
    /// The server's policy.
    pub policy: TrustPolicy,
    /// What `trustless` means.
    pub mode: TrustlessMode,
    /// The servers that are listed.
    pub peers: Vec<TrustedPeer>,
}

impl TrustEnforcer {
    /// With a policy and the URLs or DIDs of those who are listed.
    pub fn new(policy: TrustPolicy, listed: &[&str]) -> Self {
        Self {
            policy,
            mode: TrustlessMode::default(),
            peers: listed.iter().map(|name| TrustedPeer::named(name)).collect(),
        }
    }

    /// Whether a server's intents are taken, and what it has to bring. `dids` are the DIDs that stand for it: both
    /// spellings of the one that follows from its URL, and the one that it has proved.
    ///
    /// # Errors
    /// When they are not taken; why.
    pub fn is_trusted(&self, source_url: &str, dids: &[&str]) -> Result<Needs, TrustFault> {
        let peer = self.peer(source_url, dids);
        let own = peer.and_then(|peer| peer.trust_policy);
        let policy = own.map_or(self.policy, |own| stricter(own, self.policy));
        if peer.is_some_and(|peer| !peer.relationship.delegates_to_us()) {
            return Err(TrustFault::Downstream);
        }
        match (policy, self.mode) {
            (TrustPolicy::Trustless, TrustlessMode::Refuse) => Err(TrustFault::Trustless),
            (TrustPolicy::Trustless, TrustlessMode::Verify) => Ok(Needs::Proofs),
            (TrustPolicy::Allowlist, _) if peer.is_none() => Err(TrustFault::Unknown),
            (TrustPolicy::Allowlist | TrustPolicy::Open, _) => Ok(Needs::Credentials),
        }
    }

    /// Whether this server may dispatch to another one: also to those that are not listed, but not to those that only
    /// delegate to it.
    ///
    /// # Errors
    /// When it may not.
    pub fn may_dispatch_to(&self, target_url: &str, dids: &[&str]) -> Result<(), TrustFault> {
        match self.peer(target_url, dids) {
            Some(peer) if !peer.relationship.takes_from_us() => Err(TrustFault::Upstream),
            _ => Ok(()),
        }
    }

    /// The listed server that a URL or one of the DIDs stands for; the URL counts first.
    pub fn peer(&self, url: &str, dids: &[&str]) -> Option<&TrustedPeer> {
        let url = normalize(url);
        let by_url = self.peers.iter().find(|peer| peer.has_url(&url));
        by_url.or_else(|| self.peers.iter().find(|peer| peer.has_did(dids)))
    }

    /// Lists a server by its URL or DID.
    pub fn add_peer(&mut self, name: &str) {
        self.remove_peer(name);
        self.peers.push(TrustedPeer::named(name));
    }

    /// Takes a server off the list, by its URL or DID.
    pub fn remove_peer(&mut self, name: &str) {
        let url = normalize(name);
        self.peers
            .retain(|peer| !peer.has_url(&url) && !peer.has_did(&[name]));
    }
}

impl AgentVisibility {
    /// Whether an agent is listed for a caller that has shown an API key, and says to be a peer or does not.
    ///
    /// ```
    /// use kite::openintent::model::AgentVisibility;
    ///
    /// assert!(AgentVisibility::Public.is_listed_for(false));
    /// assert!(AgentVisibility::Unlisted.is_listed_for(true));
    /// assert!(!AgentVisibility::Unlisted.is_listed_for(false));
    /// assert!(!AgentVisibility::Private.is_listed_for(true));
    /// ```
    pub fn is_listed_for(self, is_peer: bool) -> bool {
        match self {
            Self::Public => true,
            Self::Unlisted => is_peer,
            Self::Private => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_of_the_same_server_are_one() {
        for (url, normal) in [
            ("https://A.Example.com", "https://a.example.com"),
            ("https://a.example.com///", "https://a.example.com"),
            ("https://a.example.com:443", "https://a.example.com"),
            ("http://a.example.com:80/", "http://a.example.com"),
            ("http://a.example.com:443", "http://a.example.com:443"),
            ("https://a.example.com:8443", "https://a.example.com:8443"),
            ("https://a.example.com.", "https://a.example.com"),
            ("https://a.example.com.:443/x/", "https://a.example.com/x"),
            ("https://a.example.com/X/Y", "https://a.example.com/X/Y"),
            ("https://[2606:4700::1]:443", "https://[2606:4700::1]"),
            ("https://[2606:4700::AA]", "https://[2606:4700::aa]"),
            ("https://[2606:4700::443]", "https://[2606:4700::443]"),
            ("https://User@A.example.com", "https://User@a.example.com"),
            ("a.example.com/", "a.example.com"),
            ("", ""),
        ] {
            assert_eq!(normalize(url), normal, "{url}");
        }
        assert_ne!(normalize("http://a"), normalize("https://a"));
    }

    fn enforcer(policy: TrustPolicy, peer: TrustedPeer) -> TrustEnforcer {
        TrustEnforcer {
            policy,
            mode: TrustlessMode::Refuse,
            peers: vec![peer],
        }
    }

    const URL: &str = "https://p.example.com";

    fn peer() -> TrustedPeer {
        TrustedPeer::named(URL)
    }

    #[test]
    fn the_stricter_policy_of_server_and_peer_counts() {
        use TrustPolicy::{Allowlist, Open, Trustless};
        for (servers, peers, expected) in [
            (Open, None, Ok(Needs::Credentials)),
            (Open, Some(Allowlist), Ok(Needs::Credentials)),
            (Open, Some(Trustless), Err(TrustFault::Trustless)),
            (Allowlist, Some(Open), Ok(Needs::Credentials)),
            (Trustless, Some(Open), Err(TrustFault::Trustless)),
        ] {
            let peer = TrustedPeer {
                trust_policy: peers,
                ..peer()
            };
            let enforcer = enforcer(servers, peer);
            assert_eq!(enforcer.is_trusted(URL, &[]), expected);
        }
        let enforcer = enforcer(Allowlist, peer());
        let stranger = enforcer.is_trusted("http://p.example.com", &[]);
        assert_eq!(stranger, Err(TrustFault::Unknown));
    }

    #[test]
    fn trustless_can_ask_for_proofs_of_anybody() {
        let mut enforcer = enforcer(TrustPolicy::Trustless, peer());
        enforcer.mode = TrustlessMode::Verify;
        for url in [URL, "https://anybody.example.com"] {
            assert_eq!(enforcer.is_trusted(url, &[]), Ok(Needs::Proofs));
        }
    }

    #[test]
    fn a_relationship_says_who_delegates() {
        use PeerRelationship::{Downstream, Peer, Upstream};
        for (relationship, takes, gives) in [
            (Peer, true, true),
            (Upstream, true, false),
            (Downstream, false, true),
        ] {
            let peer = TrustedPeer {
                relationship,
                ..peer()
            };
            let enforcer = enforcer(TrustPolicy::Open, peer);
            assert_eq!(enforcer.is_trusted(URL, &[]).is_ok(), takes);
            assert_eq!(enforcer.may_dispatch_to(URL, &[]).is_ok(), gives);
            assert!(
                enforcer
                    .may_dispatch_to("https://other.example", &[])
                    .is_ok()
            );
        }
    }

    proptest! {
        #[test]
        fn a_normal_url_stays(url in "(https?://)?[A-Za-z.:@/?#\\[\\]0-9]{0,30}") {
            let normal = normalize(&url);
            let twice = normalize(&normal);
            // Of several dots and default ports one each is taken off: such hosts are no hosts.
            prop_assume!(!url.contains("..") && !url.contains(".:") && url.matches(':').count() < 3);
            prop_assert_eq!(twice, normal);
        }
    }
}
