//! This instance as a server of OpenIntent (RFC-0022, RFC-0023): what it is called and signs with, whom its teams trust,
//! what it takes and what it sends.
//!
//! ```text
//!  envelope ──► trust · signature · freshness · token · policy ──► event + exchange (one transaction) ──► callback
//!  request  ──► address · scope ──► event + exchange ──► outbox ──► errand (stamped, signed) ~ dial ~ the other server
//! ```
//!
//! A dispatch and a callback are events that are addressed to a peer which stands for the other server, so the outbox
//! delivers them as all else. Signatures are made for each attempt.

mod callback;
mod chains;
mod delegation;
mod dispatch;
mod dispatches;
mod documents;
mod entry;
mod errand;
mod event;
mod proof;
mod receive;
mod refusal;
mod ring;
mod seed;
mod settings;
mod targets;
mod trust;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::base::clock::Clock;
use crate::openintent::canonical::canonical_without;
use crate::openintent::did::{self, DidFault};
use crate::openintent::json::Object;
use crate::openintent::trust::normalize;
use crate::protocol::event::dedup_key;
use crate::protocol::id::TeamId;
use crate::protocol::identity::IDENTITY_KEY_LEN;
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::{PeerUrl, PeerUrlFault};
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

use super::dial::Dial;
pub use callback::{CallbackArrival, KnownDispatch};
use chains::Chains;
pub use dispatch::DispatchRequest;
use dispatch::origin_of;
use documents::{Documents, PublicKeys};
pub use entry::{ApiKeyFault, DidTextFault, ServerUrl, ServerUrlFault, check_api_key, check_did};
pub(super) use errand::{Errand, ErrandTarget, learnt, shown_key};
pub use receive::Arrival;
pub use refusal::Refusal;
pub use ring::{Keys, Ring, SigningKey};
pub use seed::{open_seed, seal_seed};
pub use settings::{
    ConfiguredAgent, ConfiguredPeer, KEY_OVERLAP_DEFAULT, OpenIntentSettings, SharedSecret,
};
use targets::Targets;
pub use trust::{Source, TeamTrust, Trust, TrustedServer};
pub use work::{ListPlace, Listed};

/// What is no part of the content that an exchange is known by: what differs from attempt to attempt, and who has sent it.
/// The keys of an exchange say that, whatever spelling of the URL came.
const OF_NO_CONTENT: [&str; 5] = [
    "signature",
    "created_at",
    "timestamp",
    "ucan",
    "source_server",
];

/// The instance as a server of OpenIntent.
pub struct OpenIntent {
    /// What the operator says.
    pub settings: OpenIntentSettings,
    /// Whom the teams trust.
    pub trust: Arc<Trust>,
    /// What it signs with.
    pub ring: Ring,
    /// Its URL, as others are told.
    server_url: String,
    /// Whether the outside finds it there.
    is_public: bool,
    did: String,
    /// The ways to write its DID.
    dids: Vec<String>,
    /// All URLs that are its own, normalised.
    own_urls: Vec<String>,
    store: Arc<dyn Store>,
    dial: Arc<Dial>,
    clock: Clock,
    documents: Documents,
    chains: Chains,
    targets: Targets,
    /// How often [`OpenIntent::refresh`] was called.
    refreshes: AtomicU64,
}

/// What an [`OpenIntent`] is made of.
pub struct OpenIntentParts {
    /// What the operator says.
    pub settings: OpenIntentSettings,
    /// Whom the teams trust.
    pub trust: Arc<Trust>,
    /// Where the outside finds the server, or where it listens.
    pub server_url: String,
    /// Whether the outside finds it there.
    pub is_public: bool,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Opens sealed keys.
    pub sealer: Arc<Sealer>,
    /// The time.
    pub clock: Clock,
    /// The way out. It calls plain http too, unless the settings demand https.
    pub dial: Arc<Dial>,
}

impl OpenIntent {
    /// Reads what the instance signs with, and makes it at the first start.
    ///
    /// # Errors
    /// When the store does not give it, or the URL has no DID.
    pub async fn open(parts: OpenIntentParts) -> Result<Self, StoreError> {
        let OpenIntentParts {
            settings,
            trust,
            server_url,
            is_public,
            store,
            sealer,
            clock,
            dial,
        } = parts;
        let server_url = server_url.trim_end_matches('/').to_owned();
        let did = Self::did_of(&settings, &server_url)
            .map_err(|fault| StoreError::Failed(format!("`{server_url}` has no DID: {fault}")))?;
        let mut dids = did::spellings(&server_url);
        if !dids.contains(&did) {
            dids.push(did.clone());
        }
        let urls = std::iter::once(&server_url).chain(&settings.aliases);
        Ok(Self {
            trust,
            ring: Ring::open(store.clone(), sealer, clock.clone()).await?,
            is_public,
            dids,
            own_urls: urls.map(|url| normalize(url)).collect(),
            targets: Targets::new(store.clone()),
            documents: Documents::new(dial.clone()),
            chains: Chains::default(),
            refreshes: AtomicU64::new(0),
            settings,
            server_url,
            did,
            store,
            dial,
            clock,
        })
    }

    /// What a server at this URL goes by: what the settings say, else what follows from the URL.
    ///
    /// # Errors
    /// When nothing follows from it: an address of IPv6 has no place in a DID.
    pub fn did_of(settings: &OpenIntentSettings, server_url: &str) -> Result<String, DidFault> {
        match &settings.did {
            Some(did) => Ok(did.clone()),
            None => did::did_of_url(server_url),
        }
    }

    /// What the server may call for OpenIntent: as for peers, and plain http too where the settings do not demand https
    /// (spec 11.5).
    pub fn outbound(outbound: &Outbound, settings: &OpenIntentSettings) -> Outbound {
        Outbound {
            allow_plain_http: outbound.allow_plain_http || !settings.require_https,
            ..outbound.clone()
        }
    }

    /// Its URL, as others are told.
    pub fn server_url(&self) -> &str {
        &self.server_url
    }

    /// Its DID.
    pub fn did(&self) -> &str {
        &self.did
    }

    /// Keys or trust have changed, in whatever process: all is read again.
    ///
    /// # Errors
    /// When the store does not give it.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.trust.forget();
        let reloaded = self.ring.reload().await;
        self.refreshes.fetch_add(1, Ordering::Release);
        reloaded
    }

    /// Goes up whenever what was verified before may not be true any more: somebody's keys are others, or whom a team
    /// trusts.
    fn changes(&self) -> u64 {
        self.documents.changes() + self.refreshes.load(Ordering::Acquire)
    }

    /// Whether a URL is this server's own.
    fn is_own(&self, url: &str) -> bool {
        self.own_urls.contains(&normalize(url))
    }

    /// Reads a URL that somebody gives to be called: its text by the rules of OpenIntent, then as all that is called (spec
    /// 11).
    fn callable(&self, url: &str) -> Result<PeerUrl, Uncallable> {
        let outbound = self.dial.outbound();
        crate::openintent::callable::check(url, &|host| outbound.exempts(host))
            .map_err(|fault| Uncallable(fault.to_string()))?;
        Ok(PeerUrl::parse(url, outbound)?)
    }

    /// The team that trusts the server at a normalised URL, if that server has signed a request with a key of this DID.
    /// `verify` is given one of our own URLs, the server's keys and the time in Unix seconds.
    ///
    /// # Errors
    /// When the store does not tell whom teams trust.
    pub async fn signer_of(
        &self,
        url: &str,
        did: &str,
        verify: impl Fn(&str, &[[u8; IDENTITY_KEY_LEN]], i64) -> bool,
    ) -> Result<Option<TeamId>, StoreError> {
        let Some(team) = self.trust.team_of(url, None).await? else {
            return Ok(None);
        };
        let trust = self.trust.of(&team).await?;
        if trust.server(url).is_none() || !self.is_did_of(&trust, did, url) {
            return Ok(None);
        }
        let party = Party::of(&trust, url);
        let now_secs = self.clock.unix_millis().div_euclid(1000);
        for is_newer in [false, true] {
            let Ok(keys) = self.keys_of(&party, is_newer).await else {
                return Ok(None);
            };
            if self.own_urls.iter().any(|own| verify(own, &keys, now_secs)) {
                return Ok(Some(team));
            }
        }
        Ok(None)
    }

    /// The keys of a server that is trusted or says to be at a URL.
    async fn keys_of(&self, party: &Party<'_>, is_newer: bool) -> Result<PublicKeys, String> {
        if self.is_own(party.url) {
            let keys = self.ring.keys();
            let now = self.clock.unix_millis();
            let public = keys.published(now).into_iter().map(|(_, key)| key);
            return Ok(Arc::new(public.collect()));
        }
        self.callable(party.url).map_err(|fault| {
            format!(
                "`{}` is not called to ask for its keys: {}",
                party.url, fault.0
            )
        })?;
        let mut dids = did::spellings(party.url);
        dids.extend(party.did.map(str::to_owned));
        match is_newer {
            true => self.documents.newer_keys(party.url, &dids).await,
            false => self.documents.keys(party.url, &dids).await,
        }
    }
}

/// Why a URL is not called.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Uncallable(String);

impl Uncallable {
    /// The refusal of a request that names it.
    fn blocks(self, detail: &'static str) -> Refusal {
        let why = self.0;
        Refusal::Blocked { detail, why }
    }
}

impl From<PeerUrlFault> for Uncallable {
    fn from(fault: PeerUrlFault) -> Self {
        Self(fault.to_string())
    }
}

/// Another server, as far as its keys are concerned.
struct Party<'a> {
    /// Its URL, normalised.
    url: &'a str,
    /// The DID that was configured for it.
    did: Option<&'a str>,
    /// What it signs with where it has no Ed25519.
    secret: Option<&'a SharedSecret>,
}

impl<'a> Party<'a> {
    /// The server at a normalised URL, by what a team says of it.
    fn of(trust: &'a TeamTrust, url: &'a str) -> Self {
        let server = trust.server(url);
        Self {
            url,
            did: server.and_then(|server| server.did.as_deref()),
            secret: server.and_then(|server| server.shared_secret.as_ref()),
        }
    }
}

/// By what something of a party is known again.
fn key_of(kind: &str, party: &str, name: &str) -> [u8; 32] {
    dedup_key(kind, &[party, name])
}

/// A digest of the content of what was sent.
fn digest_of(object: &Object) -> [u8; 32] {
    Sha256::digest(canonical_without(object, &OF_NO_CONTENT)).into()
}

/// What a stored team's events are appended for.
fn team_gone(team: &TeamId) -> StoreError {
    StoreError::NotFound(format!("team `{team}`"))
}
