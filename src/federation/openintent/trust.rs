//! Whom each team trusts: what the configuration says, and what commands have said since.
//!
//! What a command said of a URL wins over the configuration. Reading is remembered until the store's access version
//! changes, by whatever process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::{ServerUrl, ServerUrlFault};
use super::settings::{ConfiguredAgent, ConfiguredPeer, OpenIntentSettings, SharedSecret};
use crate::base::secret::Secret;
use crate::openintent::did::spellings;
use crate::openintent::model::{PeerRelationship, TrustPolicy};
use crate::openintent::trust::{TrustEnforcer, TrustedPeer, TrustlessMode};
use crate::protocol::id::TeamId;
use crate::protocol::outbound::Outbound;
use crate::store::openintent::TrustedRecord;
use crate::store::record::Millis;
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

/// How many teams, and how many servers, are remembered. Beyond it everything is forgotten and read again.
const REMEMBERED_MAX: usize = 10_000;

/// The team that comes first where several trust the same server.
const TEAM_DEFAULT: &str = "default";

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The server's configuration.
    Configuration,
    /// A command, while the server ran.
    Command,
}

/// A server that a team trusts.
#[derive(Debug, Clone)]
pub struct TrustedServer {
    /// Its URL, normalised: what it is known by.
    pub url: String,
    /// The same as it was given.
    pub given_url: String,
    /// Who delegates to whom.
    pub relationship: PeerRelationship,
    /// A policy of its own; the stricter of it and the team's applies.
    pub trust_policy: Option<TrustPolicy>,
    /// Its DID, where that does not follow from the URL.
    pub did: Option<String>,
    /// What it is shown in `X-API-Key`.
    pub api_key: Option<Secret>,
    /// What it signs with where it has no Ed25519.
    pub shared_secret: Option<SharedSecret>,
    /// Where the entry comes from.
    pub source: Source,
    /// When a command added it.
    pub created_at: Option<Millis>,
}

impl TrustedServer {
    fn peer(&self) -> TrustedPeer {
        TrustedPeer {
            url: Some(self.url.clone()),
            did: self.did.clone(),
            relationship: self.relationship,
            trust_policy: self.trust_policy,
        }
    }
}

/// Whom a team trusts.
#[derive(Debug, Clone)]
pub struct TeamTrust {
    /// How.
    pub policy: TrustPolicy,
    /// Who said so.
    pub policy_source: Source,
    /// Which servers, by URL.
    pub servers: Vec<TrustedServer>,
    /// Who decides by all of that.
    pub enforcer: TrustEnforcer,
    /// The team's agents that are shown to others, as the configuration has them.
    pub agents: Vec<ConfiguredAgent>,
}

impl TeamTrust {
    /// The server with a URL, which is normalised.
    pub fn server(&self, url: &str) -> Option<&TrustedServer> {
        self.servers.iter().find(|server| server.url == url)
    }

    /// Whether a server is listed, by its URL, which is normalised, or by a DID that follows from it (spec 12).
    pub fn is_listed(&self, url: &str) -> bool {
        let dids = spellings(url);
        let dids: Vec<&str> = dids.iter().map(String::as_str).collect();
        self.enforcer.peer(url, &dids).is_some()
    }

    /// The server with a DID: its own, or either spelling of the one that follows from its URL (spec 6.2).
    pub fn by_did(&self, did: &str) -> Option<&TrustedServer> {
        let is_meant = |server: &&TrustedServer| {
            server.did.as_deref() == Some(did)
                || spellings(&server.url)
                    .iter()
                    .any(|spelling| spelling == did)
        };
        self.servers.iter().find(is_meant)
    }
}

/// Whom each team trusts.
pub struct Trust {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    policy: TrustPolicy,
    mode: TrustlessMode,
    require_https: bool,
    peers: Vec<ConfiguredPeer>,
    agents: Vec<ConfiguredAgent>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// How often everything was forgotten.
    forgotten: u64,
    teams: HashMap<TeamId, Arc<TeamTrust>>,
    /// The teams that trust a server, by its URL.
    trusting: HashMap<String, Arc<[TeamId]>>,
}

impl Trust {
    /// Starts with what the configuration says.
    pub fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>, settings: &OpenIntentSettings) -> Self {
        Self {
            store,
            sealer,
            policy: settings.trust_policy,
            mode: settings.trustless_mode,
            require_https: settings.require_https,
            peers: settings.peers.clone(),
            agents: settings.agents.clone(),
            known: Mutex::default(),
        }
    }

    /// Whom a team trusts.
    ///
    /// # Errors
    /// When the store cannot tell, or a key that it keeps cannot be opened.
    pub async fn of(&self, team: &TeamId) -> Result<Arc<TeamTrust>, StoreError> {
        let forgotten = {
            let known = self.known();
            if let Some(trust) = known.teams.get(team) {
                return Ok(trust.clone());
            }
            known.forgotten
        };
        let trust = Arc::new(self.read(team).await?);
        let mut known = self.known();
        // What was read before a change must not be remembered after it.
        if known.forgotten == forgotten {
            known.make_room();
            known.teams.insert(team.clone(), trust.clone());
        }
        Ok(trust)
    }

    /// Forgets what was read: something of it has changed.
    pub fn forget(&self) {
        let mut known = self.known();
        *known = Known {
            forgotten: known.forgotten + 1,
            ..Known::default()
        };
    }

    /// Takes the URL of a server that a team is to trust.
    ///
    /// # Errors
    /// When it cannot or may not be called.
    pub fn server_url(&self, text: &str, outbound: &Outbound) -> Result<ServerUrl, ServerUrlFault> {
        ServerUrl::parse(text, outbound, self.require_https)
    }

    /// Whose server one is: of the teams that trust it the one that shows the agent that is asked for; else `default`,
    /// else the first that the configuration names, else the one that added it first. `url` is normalised.
    ///
    /// # Errors
    /// When the store cannot tell.
    pub async fn team_of(
        &self,
        url: &str,
        agent: Option<&str>,
    ) -> Result<Option<TeamId>, StoreError> {
        let teams = self.trusting(url).await?;
        let has_agent = |team: &&TeamId| {
            let mut agents = self.agents.iter();
            agents.any(|it| it.team == **team && Some(it.id.as_str()) == agent)
        };
        Ok(teams.iter().find(has_agent).or(teams.first()).cloned())
    }

    /// The teams that trust a server, in the order in which it is theirs.
    async fn trusting(&self, url: &str) -> Result<Arc<[TeamId]>, StoreError> {
        let forgotten = {
            let known = self.known();
            if let Some(teams) = known.trusting.get(url) {
                return Ok(teams.clone());
            }
            known.forgotten
        };
        let configured = self.peers.iter().filter(|it| it.url.normalized() == url);
        let mut teams: Vec<TeamId> = configured.map(|it| it.team.clone()).collect();
        for team in self.store.teams_trusting(url.to_owned()).await? {
            if !teams.contains(&team) {
                teams.push(team);
            }
        }
        teams.sort_by_key(|team| team.as_str() != TEAM_DEFAULT);
        let teams: Arc<[TeamId]> = teams.into();
        let mut known = self.known();
        // Strangers choose their URLs: of those that nobody trusts nothing is kept.
        if known.forgotten == forgotten && !teams.is_empty() {
            known.make_room();
            known.trusting.insert(url.to_owned(), teams.clone());
        }
        Ok(teams)
    }

    async fn read(&self, team: &TeamId) -> Result<TeamTrust, StoreError> {
        let said = self.store.trust_policy(team.clone()).await?;
        let said = said.map(|word| TrustPolicy::of(&word).ok_or_else(broken));
        let said = said.transpose()?;
        let records = self.store.trusted_servers(team.clone()).await?;
        let mut servers = records
            .into_iter()
            .map(|record| self.opened(record))
            .collect::<Result<Vec<_>, _>>()?;
        let configured = self.peers.iter().filter(|peer| peer.team == *team);
        for peer in configured {
            let is_same = |server: &&mut TrustedServer| server.url == peer.url.normalized();
            match servers.iter_mut().find(is_same) {
                // There is no command for it.
                Some(server) => server.shared_secret = peer.shared_secret.clone(),
                None => servers.push(peer.into()),
            }
        }
        servers.sort_by(|one, other| one.url.cmp(&other.url));
        let agents = self.agents.iter().filter(|agent| agent.team == *team);
        let policy = said.unwrap_or(self.policy);
        Ok(TeamTrust {
            policy,
            enforcer: TrustEnforcer {
                policy,
                mode: self.mode,
                peers: servers.iter().map(TrustedServer::peer).collect(),
            },
            policy_source: match said {
                Some(_) => Source::Command,
                None => Source::Configuration,
            },
            servers,
            agents: agents.cloned().collect(),
        })
    }

    fn opened(&self, record: TrustedRecord) -> Result<TrustedServer, StoreError> {
        let place = TrustedRecord::place(&record.team, &record.url);
        let open = |sealed: &Vec<u8>| self.sealer.open(&place, sealed);
        let policy = record.trust_policy.as_deref();
        Ok(TrustedServer {
            api_key: record.api_key.as_ref().map(open).transpose()?,
            relationship: PeerRelationship::of(&record.relationship).ok_or_else(broken)?,
            trust_policy: policy
                .map(|word| TrustPolicy::of(word).ok_or_else(broken))
                .transpose()?,
            url: record.url,
            given_url: record.given_url,
            did: record.did,
            shared_secret: None,
            source: Source::Command,
            created_at: Some(record.created_at),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn make_room(&mut self) {
        if self.teams.len() + self.trusting.len() >= REMEMBERED_MAX {
            self.teams.clear();
            self.trusting.clear();
        }
    }
}

impl From<&ConfiguredPeer> for TrustedServer {
    fn from(peer: &ConfiguredPeer) -> Self {
        Self {
            url: peer.url.normalized().to_owned(),
            given_url: peer.url.given().to_owned(),
            relationship: peer.relationship,
            trust_policy: peer.trust_policy,
            did: peer.did.clone(),
            api_key: peer.api_key.clone(),
            shared_secret: peer.shared_secret.clone(),
            source: Source::Configuration,
            created_at: None,
        }
    }
}

fn broken() -> StoreError {
    StoreError::Failed("what is stored of a trusted server cannot be read".to_owned())
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("policy", &self.policy)
            .field("peers", &self.peers)
            .field("agents", &self.agents)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
