//! Federation as the server sees it: started once, told what has changed, ended with the server.

use std::sync::Arc;
use std::time::Duration;

use super::dial::Dial;
use crate::base::clock::Clock;
use crate::log::Forwards;
use crate::protocol::federation::PeerTest;
use crate::store::federation::{PeerNumber, PeerRecord};
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

/// How many rows of a peer that was revoked are cancelled in one transaction.
const CANCEL_MAX: usize = 500;

/// What federation works with.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Tells what there is to forward.
    pub forwards: Arc<Forwards>,
    /// The way out.
    pub dial: Arc<Dial>,
    /// Opens the tokens that peers are shown.
    pub sealer: Arc<Sealer>,
    /// The time.
    pub clock: Clock,
    /// The instance's own id.
    pub instance_id: String,
}

/// The federation of a running server.
pub struct Federation {
    parts: Parts,
}

/// Its running parts. They end when the [`Federation`] is dropped.
pub struct Tasks {}

impl Tasks {
    /// Waits until what is under way has ended, for a while.
    pub async fn finish(self, _limit: Duration) {}
}

impl Federation {
    /// Starts delivering what is due.
    pub fn start(parts: Parts) -> (Self, Tasks) {
        (Self { parts }, Tasks {})
    }

    /// A peer was changed: it is looked at anew before the next post to it.
    pub fn changed(&self, _peer: PeerNumber) {}

    /// A peer has proved to be there: what waits for it goes out now.
    pub async fn heard_from(&self, peer: &PeerRecord) -> Result<(), StoreError> {
        self.parts.store.wake_peer(peer.number).await?;
        Ok(())
    }

    /// Cancels what waits for peers that are revoked or deleted.
    pub async fn cancel_rows(&self) -> Result<(), StoreError> {
        let now = self.parts.clock.unix_millis();
        while self.parts.store.cancel_rows(now, CANCEL_MAX).await? == CANCEL_MAX {}
        Ok(())
    }

    /// Posts something to a peer that it does not keep.
    pub async fn test(&self, _peer: &PeerRecord) -> Result<PeerTest, StoreError> {
        Err(StoreError::Closed)
    }
}
