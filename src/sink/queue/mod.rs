//! The local queue (spec 18): events that came and were not handed on, and what became of them, in a SQLite file.
//!
//! Several processes share the file. Each consumer has its own entries: the same event may be delivered to one sink and
//! refused by another.

mod dead_letters;
mod entry;
mod fault;
mod file;
mod filter;
mod look;
mod old;
mod retention;
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

pub use dead_letters::Imported;
pub use entry::{Claim, Claiming, Consumer, Entry, Row, Status, Verdict, time};
pub use fault::QueueFault;
pub use filter::Filter;
pub use look::Selection;
pub use retention::Retention;
pub use windows::Entered;

/// The queue. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    file: Mutex<File>,
    changed: Notify,
    clock: Clock,
}

impl Queue {
    /// Opens the file, which is made if need be, for its owner alone; an old one is brought up to date, and what need
    /// not be kept any longer goes.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, is no queue, or was written by a newer kite.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, QueueFault> {
        let mut file = File::open(path, clock.unix_millis())?;
        if let Err(fault) = file.prune(clock.unix_millis()) {
            // On a full disk, for one, what is there can still be read.
            tracing::warn!(%fault, "old entries of the local queue stay");
        }
        Ok(Self(Arc::new(Inner {
            file: Mutex::new(file),
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

    /// The highest number of a consumer's entries that are due at some time.
    pub async fn last_due(&self, consumer: &Consumer) -> Result<Option<Seq>, QueueFault> {
        let consumer = consumer.clone();
        self.with(move |file, _| file.last_due(&consumer)).await
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

    /// The newest entries that a filter matches, the oldest of them first, without their payloads.
    pub async fn list(&self, filter: Filter, limit: u64) -> Result<Vec<Row>, QueueFault> {
        self.with(move |file, _| file.list(&filter, limit)).await
    }

    /// The newest entries that a filter matches, whole, the oldest of them first.
    pub async fn newest(&self, filter: Filter, limit: u64) -> Result<Vec<Row>, QueueFault> {
        self.with(move |file, _| file.newest(&filter, limit)).await
    }

    /// The entries that a filter matches, whole, the oldest first; of very many the oldest.
    pub async fn find(&self, filter: Filter) -> Result<Vec<Row>, QueueFault> {
        self.with(move |file, _| file.find(&filter)).await
    }

    /// How many entries of each status a filter matches.
    pub async fn counts(&self, filter: Filter) -> Result<[(Status, u64); 6], QueueFault> {
        self.with(move |file, _| file.counts(&filter)).await
    }

    /// What a filter matches now, to go through it.
    pub async fn select(&self, filter: Filter) -> Result<Selection, QueueFault> {
        self.with(move |file, _| file.select(filter)).await
    }

    /// The entries of a selection that come next, the oldest first, without their payloads.
    pub async fn page(
        &self,
        selection: &Selection,
        after: Option<&Row>,
    ) -> Result<Vec<Row>, QueueFault> {
        let (selection, after) = (selection.clone(), after.map(Row::place));
        self.with(move |file, _| file.page(&selection, after)).await
    }

    /// Takes an entry that was looked at, for so long: no other process tries it meanwhile.
    pub async fn claim(&self, row: &Row, lease: Duration) -> Result<Claiming, QueueFault> {
        let (row, lease) = (row.clone(), super::retry::millis(lease));
        self.with(move |file, now| file.claim(&row, now, now.saturating_add(lease)))
            .await
    }

    /// Gives a claim back, as if there had been none.
    pub async fn release(&self, claim: &Claim) -> Result<(), QueueFault> {
        let claim = claim.clone();
        self.with(move |file, now| file.release(&claim, now)).await
    }

    /// Sets how long the entries of a consumer are kept, for every command that tidies up from now on.
    pub async fn retain(
        &self,
        consumer: &Consumer,
        retention: Retention,
    ) -> Result<(), QueueFault> {
        let consumer = consumer.clone();
        self.with(move |file, _| file.retain(&consumer, &retention))
            .await
    }

    /// Takes away what need not be kept any longer, or as much of it as one round does; how many entries that were.
    pub async fn prune(&self) -> Result<u64, QueueFault> {
        self.with(File::prune).await
    }

    /// Takes away the entries that a filter matches and that came so long ago; how many that were. What is still to be
    /// tried stays, unless all is to go.
    pub async fn flush(
        &self,
        filter: Filter,
        age: Duration,
        is_all: bool,
    ) -> Result<u64, QueueFault> {
        let age = super::retry::millis(age);
        self.with(move |file, now| {
            let before = now.saturating_sub(age) / 1000;
            file.flush(&filter, before, is_all, now)
        })
        .await
    }

    /// Takes over the dead letters that an older kite left in a directory, once.
    pub async fn import(&self, directory: &Path) -> Result<Imported, QueueFault> {
        let directory = directory.to_owned();
        self.with(move |file, now| file.import(&directory, now))
            .await
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
