//! Who is calling, and whether they may.
//!
//! Keys and endpoints are read from the store once and remembered. A number in the store changes with every change of
//! them, by whatever process; it is watched, so that a revoked key is known within half a second (spec 2.3 allows two).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use tokio::sync::Semaphore;

use crate::base::clock::Clock;
use crate::protocol::id::{SourceSlug, TeamId};
use crate::protocol::permission::Permission;
use crate::protocol::token::{Token, TokenKind};
use crate::store::record::{EndpointRecord, KeyHash, KeyRecord, Millis};
use crate::store::{Store, StoreError};

use super::error::ApiError;
use super::limit::PerMinute;
use super::listen::Peer;

/// How often the number is looked at.
pub(super) const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// How many looks go by until the use of keys is written down: half a minute.
pub(super) const ROUNDS_PER_FLUSH: u64 = 60;

/// How many looks go by until the connections' cursors are renewed: an hour.
pub(super) const ROUNDS_PER_RENEWAL: u64 = 7200;

/// How many keys and how many endpoints are remembered. Beyond it everything is forgotten and read again.
const REMEMBERED_MAX: usize = 10_000;

/// How many failures a minute an address is told what they are (spec 15).
const FAILURES_MAX: u32 = 100;

/// One text for every key that does not work, so that it tells nothing.
const BAD_KEY: &str = "the API key is unknown, revoked or expired";

/// The keys and endpoints of all teams.
pub struct Access {
    store: Arc<dyn Store>,
    clock: Clock,
    known: Mutex<Known>,
    /// When keys, by prefix, were last used, as far as that is not written down yet.
    used: Mutex<HashMap<String, Millis>>,
    failures: PerMinute,
    /// The turn to hash. Who knows the public part of an imported key can ask for that, and it takes a core for a while:
    /// the others stay free.
    hashing: Arc<Semaphore>,
}

#[derive(Default)]
struct Known {
    version: u64,
    keys: HashMap<String, Arc<KeyRecord>>,
    endpoints: HashMap<(TeamId, SourceSlug), Arc<EndpointRecord>>,
}

impl Access {
    /// Starts with nothing remembered.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            known: Mutex::default(),
            used: Mutex::default(),
            failures: PerMinute::default(),
            hashing: Arc::new(Semaphore::new(1)),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything when the store's number has changed; says what it is now. Whoever has more to do then keeps the
    /// number that it has done so for: all kinds of callers come here, and any of them may be the first to see a new one.
    pub async fn refresh(&self) -> Result<u64, StoreError> {
        let version = self.store.access_version().await?;
        let mut known = self.known();
        if known.version != version {
            *known = Known {
                version,
                ..Known::default()
            };
        }
        Ok(version)
    }

    /// The live key that a text is, if it is one.
    pub async fn key(&self, text: &str) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let Ok(token) = Token::parse(text) else {
            return Ok(None);
        };
        if token.kind() != TokenKind::ApiKey {
            return Ok(None);
        }
        let Some(key) = self.record(token.prefix()).await? else {
            return Ok(None);
        };
        let now = self.clock.unix_millis();
        if !key.is_live(now) || !self.matches(&key, token).await? {
            return Ok(None);
        }
        self.note_use(&key, now);
        Ok(Some(key))
    }

    fn note_use(&self, key: &KeyRecord, now: Millis) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(&key.prefix) {
            Some(time) => *time = now,
            None => drop(used.insert(key.prefix.clone(), now)),
        }
    }

    /// Writes down when keys were last used.
    pub async fn flush_uses(&self) -> Result<(), StoreError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.store.use_keys(used.into_iter().collect()).await
    }

    /// Whether a key that was accepted before still is.
    pub async fn is_live(&self, prefix: &str) -> Result<bool, StoreError> {
        Ok(self.live_key(prefix).await?.is_some())
    }

    /// The key with a public part, if it is live. For whoever has shown the whole of it before.
    pub async fn live_key(&self, prefix: &str) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        let now = self.clock.unix_millis();
        let key = self.record(prefix).await?;
        Ok(key.filter(|key| key.is_live(now)))
    }

    async fn record(&self, prefix: &str) -> Result<Option<Arc<KeyRecord>>, StoreError> {
        if let Some(key) = self.known().keys.get(prefix) {
            return Ok(Some(key.clone()));
        }
        let version = self.known().version;
        let Some(key) = self.store.find_key(prefix.to_owned()).await? else {
            return Ok(None);
        };
        let key = Arc::new(key);
        let mut known = self.known();
        // What was read before a change must not be remembered after it.
        if known.version == version {
            remember(&mut known.keys, prefix.to_owned(), &key);
        }
        Ok(Some(key))
    }

    async fn matches(&self, key: &Arc<KeyRecord>, token: Token) -> Result<bool, StoreError> {
        if matches!(key.hash, KeyHash::Sha256(_)) {
            return Ok(key.hash.matches(&token));
        }
        // Imported: slow once, then rehashed (spec 2.2). The turns never end.
        let turn = self.hashing.clone().acquire_owned().await;
        let (hash, candidate) = (key.hash.clone(), token.clone());
        let hashing = tokio::task::spawn_blocking(move || {
            // It goes on when its caller is gone, and has its turn until it is done.
            let _turn = turn;
            hash.matches(&candidate)
        });
        let matches = hashing.await.map_err(|_| StoreError::Closed)?;
        if matches {
            let fast = KeyHash::of(&token);
            self.store.rehash_key(key.id.clone(), fast).await?;
            self.refresh().await?;
        }
        Ok(matches)
    }

    /// The key of a REST call: a live one, of the team that the call names, with the permission that it needs.
    pub async fn caller(
        &self,
        parts: &Parts,
        needed: Permission,
    ) -> Result<Arc<KeyRecord>, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(|| {
            ApiError::unauthorized("no API key: send it as `Authorization: Bearer kite_…`")
        })?;
        let refused = || self.failed(parts, ApiError::unauthorized(BAD_KEY));
        let key = self.key(token).await?.ok_or_else(refused)?;
        key.check_team(parts)?;
        key.require(needed)?;
        Ok(key)
    }

    /// The answer to a request whose token, signature or code is wrong: 429 instead, once an address has had too many.
    /// Right credentials always pass, so that nobody can lock out a neighbour behind the same address.
    pub fn failed(&self, parts: &Parts, refusal: ApiError) -> ApiError {
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let now = self.clock.unix_millis();
        match self.failures.count(peer, now, FAILURES_MAX) {
            Ok(()) => refusal,
            Err(too_many) => too_many,
        }
    }

    /// The endpoint of a team for a source.
    pub async fn endpoint(
        &self,
        team: TeamId,
        source: SourceSlug,
    ) -> Result<Option<Arc<EndpointRecord>>, StoreError> {
        let name = (team, source);
        let version = {
            let known = self.known();
            if let Some(endpoint) = known.endpoints.get(&name) {
                return Ok(Some(endpoint.clone()));
            }
            known.version
        };
        let found = self
            .store
            .find_endpoint(name.0.clone(), name.1.clone())
            .await?;
        let Some(endpoint) = found.map(Arc::new) else {
            return Ok(None);
        };
        let mut known = self.known();
        if known.version == version {
            remember(&mut known.endpoints, name, &endpoint);
        }
        Ok(Some(endpoint))
    }
}

impl KeyRecord {
    /// Refuses a call that says, in its query or in `X-Team-ID`, that it is for another team: who names one team should
    /// not get what is another's.
    pub(super) fn check_team(&self, parts: &Parts) -> Result<(), ApiError> {
        let own = self.team.as_str();
        let is_own = |named: &HeaderValue| named.as_bytes() == own.as_bytes();
        let in_headers = parts.headers.get_all("x-team-id");
        let in_query = super::query(parts, "team_id");
        match in_headers.iter().all(is_own) && in_query.iter().all(|named| named == own) {
            true => Ok(()),
            false => Err(ApiError::forbidden("the API key belongs to another team")),
        }
    }

    /// Refuses a call that the key may not make.
    pub(super) fn require(&self, needed: Permission) -> Result<(), ApiError> {
        if self.permissions.allow(needed) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!(
            "the API key lacks the permission `{}`",
            needed.word()
        )))
    }
}

fn remember<K: Hash + Eq, V>(known: &mut HashMap<K, Arc<V>>, name: K, value: &Arc<V>) {
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(name, value.clone());
}

/// The token of an `Authorization: Bearer` header. The scheme word's case does not matter.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
