//! Append, order, fan-out, replay: what kite is for.
//!
//! Keeps promises 1 to 3, 6 and 8: an event is answered for after its commit, published in the order of its number, and
//! read back from where a client stopped. A subscriber that cannot keep up is not buffered for; it reads the log.

mod announcer;
mod committer;
mod cursor;
mod follower;
mod forwards;
mod hub;
mod meters;
mod queue;
mod quota;
mod retention;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::base::clock::{Clock, month};
use crate::protocol::UNLIMITED;
use crate::protocol::api::Usage;
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::Filter;
use crate::store::record::{
    Appended, Bounds, Cursor, Hold, NewEvent, Outcome, Page, StoredEvent, Stretch,
};
use crate::store::{Store, StoreError};
pub use announcer::Announcer;
use committer::Append;
use follower::Follower;
pub use forwards::Forwards;
pub use hub::{Delivery, Subscription};
pub use meters::Meters;
use quota::Quota;

/// How many appends may wait for the committer. Senders wait beyond that, which is what slows them down to what the
/// disk can take.
const QUEUE_MAX: usize = 4096;

/// How much text they may have together, in bytes.
const WAITING_MAX_BYTES: usize = 256 * 1024 * 1024;

/// The team's event log: what everything that takes events in or hands them out goes through.
pub struct Log {
    store: Arc<dyn Store>,
    hub: Arc<hub::Hub>,
    cursors: Arc<cursor::Cursors>,
    follower: Arc<Follower>,
    quota: Arc<Quota>,
    forwards: Arc<Forwards>,
    meters: Arc<Meters>,
    appends: mpsc::Sender<Append>,
    /// How much text may wait for the committer.
    waiting_bytes: Arc<Semaphore>,
    clock: Clock,
    /// What ends with the log and has nothing to finish.
    _background: JoinSet<()>,
}

/// What connections have to hear of, whichever node it happened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The holds of this cursor with smaller numbers are over.
    TakenOver(Hold),
    /// Some takeovers were not heard of: [`Log::lost_holds`] tells.
    TakeoversMissed,
    /// [`Log::is_exhausted`] has changed for a team.
    QuotaTurned(TeamId),
}

/// What a team may have. Without a limit it is everything.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// How long its events stay.
    pub retention: Retention,
    /// How many events are accepted in a calendar month (UTC).
    pub events_per_month: Option<u64>,
}

/// What is kept. Without a limit everything is.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// Events that are older go.
    pub max_age: Option<Duration>,
    /// Of each team's events all but the newest so many go.
    pub max_events: Option<u64>,
}

/// How many notices wait for the server.
const NOTICES_MAX: usize = 256;

/// The running parts of a log. They end when the [`Log`] is dropped; waiting for them is waiting for the last commit.
pub struct Tasks {
    /// Ends when the committer has ended.
    committer: oneshot::Receiver<()>,
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
    /// Starts the log of a store. An error says that there can be no further thread.
    pub fn start(
        store: Arc<dyn Store>,
        clock: Clock,
        limits: Limits,
    ) -> std::io::Result<(Self, Tasks, mpsc::Receiver<Notice>)> {
        let hub = Arc::new(hub::Hub::default());
        let follower = Follower::new(store.clone(), hub.clone());
        let quota = Quota::new(store.clone(), clock.clone(), limits.events_per_month);
        let forwards = Arc::<Forwards>::default();
        let meters = Arc::<Meters>::default();
        let (appends, waiting) = mpsc::channel(QUEUE_MAX);
        let committer = committer::Committer {
            store: store.clone(),
            hub: hub.clone(),
            follower: follower.clone(),
            quota: quota.clone(),
            forwards: forwards.clone(),
            meters: meters.clone(),
            clock: clock.clone(),
        };
        let (notices, noticed) = mpsc::channel(NOTICES_MAX);
        let (cursors, flush) =
            cursor::Cursors::start(store.clone(), clock.clone(), notices.clone());
        let mut background = JoinSet::new();
        let news = store.news();
        background.spawn(follower.clone().run());
        background.spawn(retention::run(
            store.clone(),
            clock.clone(),
            limits.retention,
        ));
        background.spawn(quota.clone().run(appends.downgrade(), notices.clone()));
        if let Some(news) = news {
            background.spawn(follower.clone().look());
            background.spawn(follower.clone().heed(news, notices));
        }
        let tasks = Tasks {
            committer: committer.start(waiting)?,
            cursors: flush,
        };
        let log = Self {
            store,
            hub,
            cursors,
            follower,
            quota,
            forwards,
            meters,
            appends,
            waiting_bytes: Arc::new(Semaphore::new(WAITING_MAX_BYTES)),
            clock,
            _background: background,
        };
        Ok((log, tasks, noticed))
    }

    /// Stores an event and publishes it. Answers after the commit.
    pub async fn append(&self, event: NewEvent) -> Result<(Outcome, Usage), StoreError> {
        let appended = self.submit(vec![event]).await?.appended().await?;
        appended.into_iter().next().ok_or(StoreError::Closed)
    }

    /// Hands over events that are to be stored in one transaction, in their order. What is handed over later is stored
    /// later.
    pub async fn submit(&self, events: Vec<NewEvent>) -> Result<Submitted, StoreError> {
        let bytes = events.iter().map(|event| event.text.len()).sum::<usize>();
        let bytes = u32::try_from(bytes.min(WAITING_MAX_BYTES)).unwrap_or(u32::MAX);
        let room = self.waiting_bytes.clone().acquire_many_owned(bytes).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        self.appends
            .send(Append {
                events,
                answer,
                room: Some(room),
            })
            .await
            .map_err(|_| StoreError::Closed)?;
        Ok(Submitted {
            answered,
            events_limit: self.quota.events_limit,
        })
    }

    /// Waits until the committer answers. What it answers about the database is another matter.
    pub async fn probe(&self) {
        // Ended is an answer too: nobody waits for a commit any more.
        if let Ok(submitted) = self.submit(Vec::new()).await {
            let _ = submitted.appended().await;
        }
    }

    /// What it has done so far.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// What tells for which peers there is something new.
    pub fn forwards(&self) -> &Arc<Forwards> {
        &self.forwards
    }

    /// What takes the server's own events.
    pub fn announcer(&self) -> Announcer {
        Announcer::new(self.appends.clone())
    }

    /// Whether a team's events are refused because its quota is used up.
    pub fn is_exhausted(&self, team: &TeamId) -> bool {
        self.quota.is_exhausted(team)
    }

    /// What the team has used of its quota, and when (Unix milliseconds) the period ends.
    pub async fn usage(&self, team: &TeamId) -> Result<(Usage, i64), StoreError> {
        let (name, end) = month(self.clock.unix_millis());
        let used = self.store.usage(team.clone(), name).await?;
        Ok((usage(used, self.quota.events_limit), end))
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

    /// Everything up to the answered number is in the log.
    pub async fn head(&self, team: &TeamId) -> Result<Seq, StoreError> {
        // Not the hub's: it may lie behind, where another node has appended or the answer to a commit was lost.
        Ok(self.store.bounds(team.clone()).await?.last)
    }

    /// Subscribes to what is published from now on. What came before [`Subscription::head`] has to be read.
    pub async fn subscribe(
        &self,
        team: &TeamId,
        filter: &Arc<Filter>,
    ) -> Result<Subscription, StoreError> {
        let last = self.head(team).await?;
        let subscription = self.hub.subscribe(team, filter, last);
        self.follower.want(team, last);
        Ok(subscription)
    }

    /// A client's cursor, and the number of this hold of it; a new one stands at the end of the log.
    pub async fn open_cursor(
        &self,
        team: &TeamId,
        client: &ClientId,
        filter: [u8; 32],
    ) -> Result<(Cursor, u64), StoreError> {
        self.cursors.open(team, client, filter).await
    }

    /// Moves a client's cursor; written down within [`cursor::FLUSH_INTERVAL`].
    pub fn move_cursor(&self, hold: &Hold, cursor: Cursor) {
        self.cursors.advance(hold, cursor);
    }

    /// Takes note that holds are in use: cursors that nobody uses are dropped after [`retention::CURSOR_MAX_AGE`].
    pub async fn renew_holds(&self, holds: Vec<Hold>) -> Result<(), StoreError> {
        let now = self.clock.unix_millis();
        self.store.renew_holds(holds, now).await
    }

    /// Which of some holds are over.
    pub async fn lost_holds(&self, holds: Vec<Hold>) -> Result<Vec<Hold>, StoreError> {
        self.store.lost_holds(holds).await
    }
}

/// Events that were handed over.
pub struct Submitted {
    answered: oneshot::Receiver<Result<Vec<Appended>, StoreError>>,
    events_limit: Option<u64>,
}

impl Submitted {
    /// What became of each, once they are stored and published.
    pub async fn appended(self) -> Result<Vec<(Outcome, Usage)>, StoreError> {
        let appended = self.answered.await.map_err(|_| StoreError::Closed)??;
        let with_usage = |it: Appended| (it.outcome, usage(it.events_used, self.events_limit));
        Ok(appended.into_iter().map(with_usage).collect())
    }
}

fn usage(events_used: u64, events_limit: Option<u64>) -> Usage {
    Usage {
        events_used,
        events_limit: events_limit.unwrap_or(UNLIMITED),
        amount_charged_atomic: 0,
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.cursors.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Role, sqlite::Sqlite};

    fn large() -> NewEvent {
        NewEvent::bare(
            "acme".parse().unwrap(),
            ["e", "note", "https://acme.example"],
            0,
            "x".repeat(WAITING_MAX_BYTES * 2 / 3),
        )
    }

    #[tokio::test]
    async fn events_whose_sender_has_gone_take_room_until_they_are_stored() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("kite.db");
        let store = Arc::new(Sqlite::open(&path, Role::Server).unwrap());
        let (log, tasks, _) = Log::start(store, Clock::system(), Limits::default()).unwrap();
        let other = rusqlite::Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        drop(log.submit(vec![large()]).await.unwrap());
        let limit = Duration::from_millis(200);
        let second = tokio::time::timeout(limit, log.submit(vec![large()])).await;
        assert!(second.is_err(), "both wait for the disk");
        other.execute_batch("ROLLBACK").unwrap();
        let third = tokio::time::timeout(Duration::from_secs(20), log.submit(vec![large()])).await;
        let answer = third.unwrap().unwrap().appended().await.unwrap();
        assert_eq!(answer[0].0, Outcome::NoTeam);
        drop(log);
        tasks.finish(Duration::from_secs(20)).await;
    }
}
