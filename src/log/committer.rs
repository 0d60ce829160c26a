//! One loop that commits: it takes all that wait, writes them in one transaction, publishes, answers.
//!
//! There is no timer: while one commit runs, the next batch gathers. So a lone event waits for nobody, and a thousand
//! share one fsync.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::follower::Follower;
use super::hub::Hub;
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

/// An event that waits, and who waits for it.
pub(super) struct Append {
    pub(super) event: NewEvent,
    pub(super) answer: oneshot::Sender<Result<Appended, StoreError>>,
}

pub(super) struct Committer {
    pub(super) store: Arc<dyn Store>,
    pub(super) hub: Arc<Hub>,
    pub(super) follower: Arc<Follower>,
    pub(super) clock: Clock,
}

impl Committer {
    /// Runs until every sender is gone and all that they sent is stored.
    pub(super) async fn run(self, mut waiting: mpsc::Receiver<Append>) {
        let mut appends = Vec::with_capacity(BATCH_MAX);
        let mut outage = Outage::new("events are not stored");
        while waiting.recv_many(&mut appends, BATCH_MAX).await > 0 {
            while !appends.is_empty() {
                let count = fitting(appends.iter().map(|append| append.event.text.len()));
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

    async fn commit(
        &self,
        appends: impl Iterator<Item = Append>,
        outage: &mut Outage,
    ) -> Result<(), StoreError> {
        let (events, answers): (Vec<_>, Vec<_>) =
            appends.map(|append| (append.event, append.answer)).unzip();
        let batch = Arc::new(Batch {
            events,
            month: month(self.clock.unix_millis()).0,
        });
        let results = self.append(&batch, outage.is_on()).await;
        outage.note(results.as_ref().err());
        let committed = results.as_ref().map(|_| ()).map_err(Clone::clone);
        let results = match results {
            Ok(appended) => appended.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); answers.len()],
        };
        // Published before it is answered: a sender that has its answer finds listeners already served.
        for (event, result) in batch.events.iter().zip(&results) {
            if let Ok(Appended {
                outcome: Outcome::Stored(seq),
                ..
            }) = result
                && !self.hub.publish(event, *seq)
            {
                self.follower.want(&event.team, *seq);
            }
        }
        for (answer, result) in answers.into_iter().zip(results) {
            // A sender that went away has an event that was stored all the same.
            let _ = answer.send(result);
        }
        committed
    }
}

/// How many events of these sizes one transaction takes: the first, and what fits beside it.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut bytes = 0;
    let fits = |(place, size): &(usize, usize)| {
        bytes += size;
        *place == 0 || bytes <= BATCH_MAX_BYTES
    };
    sizes.enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_takes_what_fits_and_one_event_at_least() {
        let half = BATCH_MAX_BYTES / 2;
        assert_eq!(fitting([half, half, 1].into_iter()), 2);
        assert_eq!(fitting([2 * BATCH_MAX_BYTES, 1].into_iter()), 1);
        assert_eq!(fitting([1, BATCH_MAX_BYTES, 1].into_iter()), 1);
        assert_eq!(fitting([1; 3].into_iter()), 3);
    }
}
