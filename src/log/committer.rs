//! One loop that commits: it takes all that wait, writes them in one transaction, publishes, answers.
//!
//! There is no timer: while one commit runs, the next batch gathers. So a lone event waits for nobody, and a thousand
//! share one fsync.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::follower::Follower;
use super::forwards::Forwards;
use super::hub::Hub;
use super::meters::Meters;
use super::quota::Quota;
use crate::base::clock::{Clock, month};
use crate::base::outage::Outage;
use crate::store::record::{Appended, Batch, NewEvent, Outcome};
use crate::store::{Store, StoreError};

/// How many events one transaction takes at most: enough that the fsync hardly counts, few enough that nobody waits long
/// behind it.
const BATCH_MAX: usize = 1024;

/// How much text they have together, unless a single one has more: few enough that the transaction ends long before
/// the store gives it up. One that is given up for its size would come again as large.
const BATCH_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Events that wait, and who waits for them. They share a transaction. Without events it asks whether the committer
/// answers.
pub(super) struct Append {
    pub(super) events: Vec<NewEvent>,
    pub(super) answer: oneshot::Sender<Result<Vec<Appended>, StoreError>>,
    /// Of the room for what waits: given back with the events, also where their sender has gone before. None for the
    /// server's own, which are small and few.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

impl Append {
    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.text.len()).sum()
    }
}

pub(super) struct Committer {
    pub(super) store: Arc<dyn Store>,
    pub(super) hub: Arc<Hub>,
    pub(super) follower: Arc<Follower>,
    pub(super) quota: Arc<Quota>,
    pub(super) forwards: Arc<Forwards>,
    pub(super) meters: Arc<Meters>,
    pub(super) clock: Clock,
}

impl Committer {
    /// Starts the loop. What it answers is done when the loop has ended.
    ///
    /// It has a thread of its own: on one that serves requests, what every sender waits for would stand in line behind
    /// those requests, and the store may block it.
    pub(super) fn start(
        self,
        waiting: mpsc::Receiver<Append>,
    ) -> std::io::Result<oneshot::Receiver<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel();
        let run = move || {
            runtime.block_on(self.run(waiting));
            // Nobody waits for the end of a server that failed to start.
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("kite-committer".to_owned())
            .spawn(run)?;
        Ok(ended)
    }

    /// Runs until every sender is gone and all that they sent is stored.
    async fn run(self, mut waiting: mpsc::Receiver<Append>) {
        let mut appends = Vec::with_capacity(BATCH_MAX);
        let mut outage = Outage::new("events are not stored");
        while waiting.recv_many(&mut appends, BATCH_MAX).await > 0 {
            while !appends.is_empty() {
                let sizes = appends.iter().map(|it| (it.events.len(), it.bytes()));
                let count = fitting(sizes);
                let error = self.commit(appends.drain(..count), &mut outage).await.err();
                // Those behind need not wait until the same is found out about them.
                if let Some(error) = error.filter(StoreError::is_outage) {
                    for append in appends.drain(..) {
                        // As in `commit`: a sender may have gone.
                        let _ = append.answer.send(Err(error.clone()));
                    }
                }
            }
        }
    }

    /// During an outage the store is asked whether it is back before it gets anything: that question is answered
    /// sooner than an append fails, and everybody who waits hears of it.
    async fn append(
        &self,
        batch: &Arc<Batch>,
        is_outage: bool,
    ) -> Result<Vec<Appended>, StoreError> {
        if is_outage {
            self.store.ping().await?;
        }
        self.store.append(batch.clone()).await
    }

    /// Appends, and takes note of how it went.
    async fn measured(
        &self,
        batch: &Arc<Batch>,
        outage: &mut Outage,
    ) -> Result<Vec<Appended>, StoreError> {
        let begun = Instant::now();
        let results = self.append(batch, outage.is_on()).await;
        outage.note(results.as_ref().err());
        match results {
            Ok(_) => self.meters.committed(batch.events.len(), begun.elapsed()),
            Err(_) => self.meters.failed_commits.one(),
        }
        results
    }

    async fn commit(
        &self,
        appends: impl Iterator<Item = Append>,
        outage: &mut Outage,
    ) -> Result<(), StoreError> {
        let mut events = Vec::new();
        let mut answers = Vec::new();
        let mut room = Vec::new();
        for append in appends {
            answers.push((append.events.len(), append.answer));
            events.extend(append.events);
            room.extend(append.room);
        }
        let batch = Arc::new(Batch {
            events,
            month: month(self.clock.unix_millis()).0,
            events_limit: self.quota.events_limit,
        });
        let results = match batch.events.is_empty() {
            true => Ok(Vec::new()),
            false => self.measured(&batch, outage).await,
        };
        let mut appended = match results {
            Ok(appended) => appended.into_iter(),
            Err(error) => {
                for (_, answer) in answers {
                    // A sender that went away needs no answer.
                    let _ = answer.send(Err(error.clone()));
                }
                return Err(error);
            }
        };
        // Published before it is answered: a sender that has its answer finds listeners already served.
        for (event, appended) in batch.events.iter().zip(appended.as_slice()) {
            self.publish(event, appended);
        }
        drop((batch, room));
        for (count, answer) in answers {
            // One that went away has events that were stored all the same.
            let _ = answer.send(Ok(appended.by_ref().take(count).collect()));
        }
        Ok(())
    }

    fn publish(&self, event: &NewEvent, appended: &Appended) {
        self.meters.appended(event.origin, &appended.outcome);
        let is_at_limit = self
            .quota
            .events_limit
            .is_some_and(|limit| appended.events_used >= limit);
        if is_at_limit {
            self.quota.reached(&event.team);
        }
        self.forwards.note(&appended.forwards);
        if let Outcome::Stored(seq) = appended.outcome
            && !self.hub.publish(event, seq)
        {
            self.follower.want(&event.team, seq);
        }
    }
}

/// How many appends of these counts and sizes one transaction takes: the first, and what fits beside it.
fn fitting(sizes: impl Iterator<Item = (usize, usize)>) -> usize {
    let (mut events, mut bytes) = (0, 0);
    let fits = |(place, (count, size)): &(usize, (usize, usize))| {
        events += count;
        bytes += size;
        *place == 0 || (events <= BATCH_MAX && bytes <= BATCH_MAX_BYTES)
    };
    sizes.enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_takes_what_fits_and_one_append_at_least() {
        let half = BATCH_MAX_BYTES / 2;
        let single = |sizes: &[usize]| fitting(sizes.iter().map(|size| (1, *size)));
        assert_eq!(single(&[half, half, 1]), 2);
        assert_eq!(single(&[2 * BATCH_MAX_BYTES, 1]), 1);
        assert_eq!(single(&[1, BATCH_MAX_BYTES, 1]), 1);
        assert_eq!(single(&[1; 3]), 3);
        assert_eq!(fitting([(BATCH_MAX, 1), (1, 1)].into_iter()), 1);
        assert_eq!(fitting([(2 * BATCH_MAX, 1), (1, 1)].into_iter()), 1);
    }
}
