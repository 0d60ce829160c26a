//! Federation as the server sees it: started once, told what has changed, ended with the server.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use super::dial::Dial;
use super::line::Lines;
use super::openintent::OpenIntent;
use super::outbox::Outbox;
use super::paperclip::Paperclip;
use super::settler::Meters;
use super::works::Works;
use super::{discovery, maintenance, paperclips, settler, trial};
use crate::base::clock::Clock;
use crate::log::{Announcer, Forwards};
use crate::protocol::discovery::Heard;
use crate::protocol::federation::PeerTest;
use crate::protocol::id::InstanceId;
use crate::store::federation::{PeerNumber, PeerRecord};
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

/// How often a peer that is heard from is woken, and how often the store is asked whether it is left alone, where this node
/// does not know. A peer that sends much and takes nothing would otherwise be posted to for all that it sends.
const HEARD_INTERVAL: Duration = Duration::from_secs(10);

/// How many peers that were heard from are remembered.
const HEARD_MAX: usize = 10_000;

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
    /// Takes what is to be said to teams.
    pub announcer: Announcer,
    /// Where messages for agents go too.
    pub paperclip: Option<Arc<Paperclip>>,
    /// This instance as a server of OpenIntent, if it is one.
    pub openintent: Option<Arc<OpenIntent>>,
    /// The instance's own id.
    pub instance_id: InstanceId,
    /// How old an event may be that is still tried; after that its forward is a dead letter.
    pub max_age: Duration,
}

/// The federation of a running server.
pub struct Federation {
    works: Arc<Works>,
    poke: Arc<Notify>,
    /// Peers that the store was asked about.
    asked: Recent,
    /// Peers that were woken because they were heard from.
    woken: Recent,
    meters: Arc<Meters>,
    stop: watch::Sender<bool>,
    /// What ends with this and has nothing to finish.
    _background: JoinSet<()>,
}

/// Its running parts. They end when the [`Federation`] is dropped.
pub struct Tasks {
    outbox: JoinHandle<()>,
    settler: JoinHandle<()>,
}

impl Tasks {
    /// Waits until what is under way has ended and is written down, for a while. What is not is posted again by whoever
    /// works the outbox next.
    pub async fn finish(self, limit: Duration) {
        let (stopped, settled) = (self.outbox.abort_handle(), self.settler.abort_handle());
        let both = async {
            // A panic in one of them was reported by the runtime; there is nothing to add here.
            let _ = self.outbox.await;
            let _ = self.settler.await;
        };
        if timeout(limit, both).await.is_err() {
            stopped.abort();
            settled.abort();
            tracing::warn!("posts to peers did not end within {limit:?}; they are made again");
        }
    }
}

impl Federation {
    /// Starts delivering what is due.
    pub fn start(parts: Parts) -> (Self, Tasks) {
        let (stop, stopped) = watch::channel(false);
        let meters = Arc::<Meters>::default();
        let (jobs, settling) = settler::start(parts.store.clone(), meters.clone());
        let works = Arc::new(Works {
            store: parts.store,
            dial: parts.dial,
            sealer: parts.sealer,
            clock: parts.clock,
            announcer: parts.announcer,
            paperclip: parts.paperclip,
            openintent: parts.openintent,
            instance_id: parts.instance_id,
            max_age: parts.max_age,
            lines: Lines::default(),
            busy: Arc::default(),
            wanted_back: AtomicUsize::new(0),
        });
        let poke = Arc::<Notify>::default();
        let outbox = Outbox::new(works.clone(), parts.forwards, poke.clone(), jobs, stopped);
        let mut background = JoinSet::new();
        let tidied = works.clone();
        background.spawn(async move { maintenance::run(&tidied).await });
        let provided = works.clone();
        background.spawn(async move { paperclips::keep(&provided).await });
        let federation = Self {
            works,
            poke,
            asked: Recent::default(),
            woken: Recent::default(),
            meters,
            stop,
            _background: background,
        };
        let tasks = Tasks {
            outbox: tokio::spawn(outbox.run()),
            settler: tokio::spawn(settling),
        };
        (federation, tasks)
    }

    /// A peer was changed: it is looked at anew before the next post to it. When this has returned, this node begins
    /// no post by what was known of the peer before.
    pub fn changed(&self, peer: PeerNumber) {
        match self.works.lines.of(peer) {
            Some(line) => line.tell_change(),
            // It may be active again.
            None => self.poke.notify_one(),
        }
    }

    /// A peer has proved to be there: what waits for it goes out now. Costs nothing while its circuit is closed.
    pub async fn heard_from(&self, peer: &PeerRecord) -> Result<(), StoreError> {
        let now = Instant::now();
        let may_wait = match self.works.lines.of(peer.number) {
            Some(line) => line.is_open() && self.woken.is_due(peer.number, now),
            None => self.asked.is_due(peer.number, now),
        };
        match may_wait {
            true => self.wake(peer.number).await,
            false => Ok(()),
        }
    }

    /// Makes everything due that waits for a peer which has failed.
    pub async fn wake(&self, peer: PeerNumber) -> Result<(), StoreError> {
        if self.works.store.wake_peer(peer).await? {
            match self.works.lines.of(peer) {
                Some(line) => line.tell_heard(),
                None => self.poke.notify_one(),
            }
        }
        Ok(())
    }

    /// What it has done so far.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Cancels what waits for peers that are revoked or deleted.
    pub async fn cancel_rows(&self) -> Result<(), StoreError> {
        self.works.cancel_rows().await
    }

    /// Posts something to another instance that it does not keep. When that goes well, what waits for the peer goes out too.
    pub async fn test(&self, peer: &PeerRecord) -> Result<PeerTest, StoreError> {
        let test = trial::run(&self.works, peer).await;
        let is_there = test.status_code.is_some_and(|it| (200..300).contains(&it));
        if is_there {
            self.wake(peer.number).await?;
        }
        Ok(test)
    }

    /// Asks peers which other instances they know: what each tells or why it does not, in their order.
    pub async fn discover(&self, peers: &[PeerRecord]) -> Vec<Result<Heard, String>> {
        discovery::ask_all(&self.works, peers).await
    }
}

impl Drop for Federation {
    fn drop(&mut self) {
        // Nobody listens any more when all tasks have ended by themselves.
        let _ = self.stop.send(true);
    }
}

/// What was done about peers lately.
#[derive(Default)]
struct Recent(Mutex<HashMap<PeerNumber, Instant>>);

impl Recent {
    /// Whether it was not done for a peer for a while. Then it has to be done now.
    fn is_due(&self, peer: PeerNumber, now: Instant) -> bool {
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if done.len() >= HEARD_MAX {
            done.clear();
        }
        let last = done.get(&peer);
        let is_due = last.is_none_or(|last| now.duration_since(*last) >= HEARD_INTERVAL);
        if is_due {
            done.insert(peer, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_sends_much_and_takes_nothing_is_waked_once_in_a_while() {
        let (woken, now) = (Recent::default(), Instant::now());
        assert!(woken.is_due(1, now));
        assert!(!woken.is_due(1, now + HEARD_INTERVAL / 2));
        assert!(woken.is_due(2, now + HEARD_INTERVAL / 2), "for itself");
        assert!(woken.is_due(1, now + HEARD_INTERVAL));
    }
}
