//! What comes in from peers: who is calling, and a record of what was dropped (spec 14.3).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::token::FederationToken;
use crate::base::clock::Clock;
use crate::base::outage::Outage;
use crate::protocol::id::TeamId;
use crate::store::federation::{Dropped, InboundToken, Pass, PeerRecord};
use crate::store::record::Millis;
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

/// How long a verification is remembered (spec 2.2).
const VERIFIED_FOR: Duration = Duration::from_secs(300);

/// How many are remembered. Each is a token that opened a door, so only the operator can make that many.
const VERIFIED_MAX: usize = 10_000;

/// How many tokens are hashed at a time: each takes a core for a fifth of a second, and others want one too.
const HASHING_MAX: usize = 2;

/// How many drops wait to be recorded. Beyond it they are not: whoever makes events go round in a storm must not keep
/// the database from everything else.
const DROPS_MAX: usize = 1024;

/// The way in for peers.
pub struct Inbound {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    clock: Clock,
    verified: Mutex<HashMap<[u8; 32], Verified>>,
    hashing: Semaphore,
    drops: mpsc::Sender<Drop>,
}

/// A token that was verified, by its SHA-256 digest.
struct Verified {
    /// The hash that it was verified against: with another one in the row, this says nothing.
    hash: String,
    until: Millis,
}

/// A drop that waits, and who waits for it.
type Drop = (Dropped, oneshot::Sender<()>);

/// Its running part. It ends when the [`Inbound`] is dropped.
pub struct Recorder(tokio::task::JoinHandle<()>);

impl Recorder {
    /// Waits until what was dropped is recorded, for a while.
    pub async fn finish(self, limit: Duration) {
        // What is not recorded by then is lost with the process; the events were not wanted.
        let _ = tokio::time::timeout(limit, self.0).await;
    }
}

/// A caller that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is, as the database says now. It may be paused or revoked.
    pub peer: PeerRecord,
    /// By what right it stores events.
    pub pass: Pass,
}

impl Inbound {
    /// Opens the way in.
    pub fn start(store: Arc<dyn Store>, sealer: Arc<Sealer>, clock: Clock) -> (Self, Recorder) {
        let (drops, waiting) = mpsc::channel(DROPS_MAX);
        let recorder = Recorder(tokio::spawn(record(store.clone(), waiting)));
        let inbound = Self {
            store,
            sealer,
            clock,
            verified: Mutex::default(),
            hashing: Semaphore::new(HASHING_MAX),
            drops,
        };
        (inbound, recorder)
    }

    /// The peer of a team whose token this is. The row is read every time, so that a change counts at once, on every
    /// node; what is spared is the slow hash. A token that no peer has is not hashed at all.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn caller(
        &self,
        team: &TeamId,
        token: &FederationToken,
    ) -> Result<Option<Caller>, StoreError> {
        let index = self.sealer.index(token.reveal());
        let Some(peer) = self.store.peer_by_token(team.clone(), index).await? else {
            return Ok(None);
        };
        let now = self.clock.unix_millis();
        let Some(inbound) = peer.inbound_at(&index, now) else {
            return Ok(None);
        };
        if !self.verify(token, inbound).await? {
            return Ok(None);
        }
        let pass = Pass {
            peer: peer.number,
            index,
        };
        Ok(Some(Caller { peer, pass }))
    }

    /// Whether a token is the stored one.
    async fn verify(
        &self,
        token: &FederationToken,
        inbound: &InboundToken,
    ) -> Result<bool, StoreError> {
        let digest = token.digest();
        if self.is_verified(&digest, &inbound.hash) {
            return Ok(true);
        }
        // Never closed.
        let _turn = self.hashing.acquire().await;
        // Somebody else may have had the same token in hand meanwhile.
        if self.is_verified(&digest, &inbound.hash) {
            return Ok(true);
        }
        let (candidate, hash) = (token.clone(), inbound.hash.clone());
        let matches = tokio::task::spawn_blocking(move || candidate.matches(&hash))
            .await
            .map_err(|_| StoreError::Closed)?;
        if matches {
            self.remember(digest, inbound.hash.clone());
        }
        Ok(matches)
    }

    fn verified(&self) -> MutexGuard<'_, HashMap<[u8; 32], Verified>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_verified(&self, digest: &[u8; 32], hash: &str) -> bool {
        let now = self.clock.unix_millis();
        let counts = |verified: &Verified| verified.hash == hash && now < verified.until;
        self.verified().get(digest).is_some_and(counts)
    }

    fn remember(&self, digest: [u8; 32], hash: String) {
        let now = self.clock.unix_millis();
        let for_millis = Millis::try_from(VERIFIED_FOR.as_millis()).unwrap_or(0);
        let mut verified = self.verified();
        if verified.len() >= VERIFIED_MAX {
            verified.retain(|_, verified| now < verified.until);
        }
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        let until = now + for_millis;
        verified.insert(digest, Verified { hash, until });
    }

    /// Records an event that was dropped on purpose, together with all others that wait for the same.
    pub async fn note_drop(&self, dropped: Dropped) {
        let (done, recorded) = oneshot::channel();
        if self.drops.try_send((dropped, done)).is_ok() {
            // An error is the same answer: it is over.
            let _ = recorded.await;
        }
    }
}

/// Writes down what waits, all of it at a time, until nobody can drop anything any more.
async fn record(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<Drop>) {
    let mut outage = Outage::new("dropped events are not recorded");
    let mut taken = Vec::new();
    while waiting.recv_many(&mut taken, DROPS_MAX).await > 0 {
        let (drops, done): (Vec<_>, Vec<_>) = taken.drain(..).unzip();
        outage.note(store.note_drops(drops).await.err().as_ref());
        // Whoever waited goes on: nobody sends an event again because its drop could not be recorded.
        drop(done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::seal::KEY_LEN;
    use crate::store::{Address, Role, open};

    async fn inbound(clock: Clock) -> (Inbound, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let database = Address::Sqlite(dir.path().join("kite.db"));
        let store = open(&database, Role::Server).await.unwrap();
        let sealer = Arc::new(Sealer::new(&[7; KEY_LEN]).unwrap());
        (Inbound::start(store, sealer, clock).0, dir)
    }

    #[tokio::test(start_paused = true)]
    async fn a_verification_counts_for_its_hash_and_for_five_minutes() {
        let (inbound, _dir) = inbound(Clock::following(0)).await;
        inbound.remember([1; 32], "hash".to_owned());
        assert!(inbound.is_verified(&[1; 32], "hash"));
        assert!(!inbound.is_verified(&[1; 32], "another"));
        assert!(!inbound.is_verified(&[2; 32], "hash"));
        tokio::time::advance(VERIFIED_FOR).await;
        assert!(!inbound.is_verified(&[1; 32], "hash"));
    }

    #[tokio::test]
    async fn no_more_is_remembered_than_there_is_room_for() {
        let (inbound, _dir) = inbound(Clock::fixed(0)).await;
        for n in 0..=VERIFIED_MAX {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_be_bytes());
            inbound.remember(digest, String::new());
        }
        assert_eq!(inbound.verified().len(), 1);
    }

    #[tokio::test]
    async fn a_verification_is_made_with_the_stored_hash() {
        let (inbound, _dir) = inbound(Clock::fixed(0)).await;
        let token = FederationToken::mint(&[1; 20]);
        let stored = token.inbound(&inbound.sealer).unwrap();
        assert!(inbound.verify(&token, &stored).await.unwrap());
        // A hash of another token is not hidden by the index, nor by what is remembered.
        let other = InboundToken {
            hash: FederationToken::mint(&[2; 20])
                .inbound(&inbound.sealer)
                .unwrap()
                .hash,
            ..stored
        };
        assert!(!inbound.verify(&token, &other).await.unwrap());
        assert!(!inbound.is_verified(&token.digest(), &other.hash));
    }
}
