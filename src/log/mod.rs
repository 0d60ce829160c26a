//! Append, order, fan-out, replay: what kite is for.
//!
//! Keeps promises 1 to 3, 6 and 8: an event is answered for after its commit, published in the order of its number, and
//! read back from where a client stopped. A subscriber that cannot keep up is not buffered for; it reads the log.

mod committer;
mod cursor;
mod hub;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::base::clock::{Clock, month};
use crate::protocol::UNLIMITED;
use crate::protocol::api::Usage;
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::Filter;
use crate::store::record::{
    Appended, Bounds, Cursor, NewEvent, Outcome, Page, StoredEvent, Stretch,
};
use crate::store::{Store, StoreError};
use committer::Append;
pub use hub::{Delivery, Subscription};

/// How many appends may wait for the committer. Senders wait beyond that, which is what slows them down to what the
/// disk can take.
const QUEUE_MAX: usize = 4096;

/// The team's event log: what everything that takes events in or hands them out goes through.
pub struct Log {
    store: Arc<dyn Store>,
    hub: Arc<hub::Hub>,
    cursors: Arc<cursor::Cursors>,
    appends: mpsc::Sender<Append>,
    clock: Clock,
}

/// The running parts of a log. They end when the [`Log`] is dropped; waiting for them is waiting for the last commit.
pub struct Tasks {
    committer: JoinHandle<()>,
    cursors: JoinHandle<()>,
}

impl Tasks {
    /// Waits until everything that was taken is stored.
    pub async fn finish(self, limit: Duration) {
        let both = async {
            // A panic in one of them was reported by the runtime; there is nothing to add here.
            let _ = self.committer.await;
            let _ = self.cursors.await;
        };
        if tokio::time::timeout(limit, both).await.is_err() {
            tracing::warn!("the log did not finish within {limit:?}");
        }
    }
}

impl Log {
    /// Starts the log of a store.
    pub fn start(store: Arc<dyn Store>, clock: Clock) -> (Self, Tasks) {
        let hub = Arc::new(hub::Hub::default());
        let (appends, waiting) = mpsc::channel(QUEUE_MAX);
        let committer = committer::Committer {
            store: store.clone(),
            hub: hub.clone(),
            clock: clock.clone(),
        };
        let (cursors, flush) = cursor::Cursors::start(store.clone(), clock.clone());
        let tasks = Tasks {
            committer: tokio::spawn(committer.run(waiting)),
            cursors: flush,
        };
        let log = Self {
            store,
            hub,
            cursors,
            appends,
            clock,
        };
        (log, tasks)
    }

    /// Stores an event and publishes it. Answers after the commit.
    pub async fn append(&self, event: NewEvent) -> Result<(Outcome, Usage), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.appends
            .send(Append { event, answer })
            .await
            .map_err(|_| StoreError::Closed)?;
        let Appended {
            outcome,
            events_used,
        } = answered.await.map_err(|_| StoreError::Closed)??;
        Ok((outcome, usage(events_used)))
    }

    /// What the team has used of its quota, and when (Unix milliseconds) the period ends.
    pub async fn usage(&self, team: &TeamId) -> Result<(Usage, i64), StoreError> {
        let (name, end) = month(self.clock.unix_millis());
        let used = self.store.usage(team.clone(), name).await?;
        Ok((usage(used), end))
    }

    /// The ends of a team's log.
    pub async fn bounds(&self, team: &TeamId) -> Result<Bounds, StoreError> {
        self.store.bounds(team.clone()).await
    }

    /// Reads part of a stretch of the log.
    pub async fn read(&self, stretch: Stretch) -> Result<Page, StoreError> {
        self.store.read(stretch).await
    }

    /// The newest matching events, newest first.
    pub async fn recent(
        &self,
        team: &TeamId,
        filter: Arc<Filter>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.store.recent(team.clone(), filter, limit).await
    }

    /// Everything up to the answered number is in the log, and nothing above it was published yet.
    pub async fn head(&self, team: &TeamId) -> Result<Seq, StoreError> {
        if let Some(head) = self.hub.head(team) {
            return Ok(head);
        }
        let last = self.store.bounds(team.clone()).await?.last;
        Ok(self.hub.know(team, last))
    }

    /// Subscribes to what is published from now on. What came before [`Subscription::head`] has to be read.
    pub async fn subscribe(
        &self,
        team: &TeamId,
        filter: &Arc<Filter>,
    ) -> Result<Subscription, StoreError> {
        self.head(team).await?;
        Ok(self.hub.subscribe(team, filter))
    }

    /// A client's cursor; a new one stands at the end of the log.
    pub async fn open_cursor(
        &self,
        team: &TeamId,
        client: &ClientId,
        filter: [u8; 32],
    ) -> Result<Cursor, StoreError> {
        self.cursors.open(team, client, filter).await
    }

    /// Moves a client's cursor; written down within [`cursor::FLUSH_INTERVAL`].
    pub fn move_cursor(&self, team: &TeamId, client: &ClientId, cursor: Cursor) {
        self.cursors.advance(team, client, cursor);
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.cursors.close();
    }
}

fn usage(events_used: u64) -> Usage {
    Usage {
        events_used,
        events_limit: UNLIMITED,
        amount_charged_atomic: 0,
    }
}
