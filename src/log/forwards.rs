//! Tells federation which peers have something new to get, as soon as it is stored.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::store::federation::PeerNumber;

/// The peers that something was written down for since somebody last asked. A hint: what other nodes store is found by
/// looking.
#[derive(Debug, Default)]
pub struct Forwards {
    peers: Mutex<HashSet<PeerNumber>>,
    wake: Notify,
}

impl Forwards {
    /// There is something for these peers.
    pub fn note(&self, peers: &[PeerNumber]) {
        if peers.is_empty() {
            return;
        }
        let mut noted = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        noted.extend(peers);
        drop(noted);
        self.wake.notify_one();
    }

    /// Waits until there is something, and says for whom.
    pub async fn taken(&self) -> HashSet<PeerNumber> {
        loop {
            let noted =
                std::mem::take(&mut *self.peers.lock().unwrap_or_else(PoisonError::into_inner));
            if !noted.is_empty() {
                return noted;
            }
            self.wake.notified().await;
        }
    }
}
