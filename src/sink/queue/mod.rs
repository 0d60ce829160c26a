//! The local queue (spec 18): events that came and were not handed on, and what became of them, in a SQLite file.
//!
//! Several processes share the file. Each consumer has its own entries: the same event may be delivered to one sink and
//! refused by another.

mod entry;
mod file;
mod schema;
mod windows;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use crate::base::clock::Clock;
use crate::protocol::id::Seq;
use file::File;

use super::Item;

pub use entry::{Claim, Consumer, Entry, Row, Status, Verdict};
pub use windows::Entered;

/// Why the queue does not work.
#[derive(Debug, thiserror::Error)]
pub enum QueueFault {
    /// The file cannot be opened or made.
    #[error("cannot open the local queue `{path}`: {why}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A newer kite has written it.
    #[error("the local queue `{path}` was written by a newer kite")]
    Newer {
        /// The file.
        path: String,
    },
    /// A statement failed, as on a full disk.
    #[error("the local queue does not work: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The work was interrupted.
    #[error("the local queue does not answer")]
    Interrupted,
}

/// The queue. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    file: Mutex<File>,
    changed: Notify,
    clock: Clock,
}

impl Queue {
    /// Opens the file, which is made if need be, for its owner alone; an old one is brought up to date.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, is no queue, or was written by a newer kite.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, QueueFault> {
        Ok(Self(Arc::new(Inner {
            file: Mutex::new(File::open(path, clock.unix_millis())?),
            changed: Notify::new(),
            clock,
        })))
    }

    /// The clock that everything in the queue is measured by.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Writes down what became of an event. What was written about it before is replaced. It is on the disk when this
    /// returns, unless nothing is left to do for the event.
    pub async fn put(&self, consumer: &Consumer, entry: Entry) -> Result<(), QueueFault> {
        let consumer = consumer.clone();
        self.with(move |file, now| file.put(&consumer, &entry, now))
            .await?;
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// What became of an event, if anything is known.
    pub async fn status(
        &self,
        consumer: &Consumer,
        seq: Seq,
        event_id: &str,
    ) -> Result<Option<Status>, QueueFault> {
        let (consumer, event_id) = (consumer.clone(), event_id.to_owned());
        self.with(move |file, _| file.status(&consumer, seq, &event_id))
            .await
    }

    /// Takes the entry of a consumer that is due first, for so long: no other process takes it meanwhile.
    pub async fn claim_due(
        &self,
        consumer: &Consumer,
        lease: Duration,
    ) -> Result<Option<Claim>, QueueFault> {
        let consumer = consumer.clone();
        let lease = super::retry::millis(lease);
        self.with(move |file, now| file.claim_due(&consumer, now, now.saturating_add(lease)))
            .await
    }

    /// When the next entry of a consumer is due, in Unix milliseconds.
    pub async fn next_due(&self, consumer: &Consumer) -> Result<Option<i64>, QueueFault> {
        let consumer = consumer.clone();
        self.with(move |file, _| file.next_due(&consumer)).await
    }

    /// Writes down what became of an entry that was claimed; nothing, where the claim has run out and another has it.
    pub async fn settle(&self, claim: &Claim, verdict: Verdict) -> Result<(), QueueFault> {
        let claim = claim.clone();
        self.with(move |file, now| file.settle(&claim, &verdict, now))
            .await
    }

    /// As [`Queue::settle`], and keeps what was added to the event meanwhile.
    pub async fn settle_item(
        &self,
        claim: &Claim,
        verdict: Verdict,
        item: &Item,
    ) -> Result<(), QueueFault> {
        let (claim, entry) = (claim.clone(), Entry::of(item, verdict));
        self.with(move |file, now| {
            file.refine(&claim, &entry, now)?;
            file.settle(&claim, &entry.verdict, now)
        })
        .await
    }

    /// Opens a window for events with this key, or finds one open: then the number of the event that opened it. The
    /// event itself, should it come again, has opened it.
    pub async fn enter_window(
        &self,
        consumer: &Consumer,
        key: [u8; 32],
        entered: Entered,
    ) -> Result<Option<Seq>, QueueFault> {
        let consumer = consumer.clone();
        self.with(move |file, now| file.enter_window(&consumer, &key, &entered, now))
            .await
    }

    /// Holds an event until the window of its key closes, in the place of the one that was held before; that one is
    /// filtered.
    pub async fn hold(
        &self,
        consumer: &Consumer,
        key: [u8; 32],
        window: Duration,
        entry: Entry,
    ) -> Result<(), QueueFault> {
        let consumer = consumer.clone();
        let window = super::retry::millis(window);
        self.with(move |file, now| file.hold(&consumer, &key, window, entry, now))
            .await?;
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Ends when something was put into the queue after this was called.
    pub fn changed(&self) -> impl Future<Output = ()> + '_ {
        self.0.changed.notified()
    }

    /// Works on the file, on a thread that may wait for the disk.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File, i64) -> Result<T, QueueFault> + Send + 'static,
    ) -> Result<T, QueueFault> {
        let inner = Arc::clone(&self.0);
        let worked = spawn_blocking(move || {
            let now = inner.clock.unix_millis();
            let mut file = inner.file.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut file, now)
        });
        worked.await.unwrap_or(Err(QueueFault::Interrupted))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
