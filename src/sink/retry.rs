//! Beside the stream: what a sink refused is tried again, a few times, then kept as failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::handover::{Happening, Refined, Refinery, Witness};
use super::queue::{Claim, Consumer, Queue, QueueFault, Status, Verdict};
use super::{Item, Outcome, Sink};
use crate::base::backoff::Backoff;
use crate::base::random;

/// How often an event is tried before it is given up: once in the stream, then after 1, 4, 16 and 64 s (spec 17).
pub const ATTEMPTS_MAX: u32 = 5;

/// How long a claim holds. It keeps another process of the same consumer away; what takes longer may be tried twice then.
pub const LEASE: Duration = Duration::from_secs(2 * 60);

/// How long to sleep at most before looking again: another process may have put something there, or the clock jumped.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How long to wait before the next attempt after so many: the powers of four, with half of it left to chance.
pub fn wait_after(attempts: u32) -> Duration {
    let secs = 4u64.saturating_pow(attempts.saturating_sub(1)).min(64);
    Duration::from_secs(secs).mul_f64(0.75 + 0.5 * random::unit())
}

/// A duration in the unit of the queue.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Tries again what is due, one after the other.
pub(super) struct Retrier {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) queue: Queue,
    pub(super) consumer: Consumer,
    pub(super) witness: Arc<dyn Witness>,
    pub(super) refinery: Option<Arc<dyn Refinery>>,
}

impl Retrier {
    /// Goes on until it is dropped.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_secs(1), LOOK_EVERY);
        loop {
            // Before the look, so that nothing that is put there in between is missed.
            let changed = self.queue.changed();
            let wait = match self.look().await {
                Ok(Found::Tried) => {
                    backoff.reset();
                    continue;
                }
                Ok(Found::Unreachable) => backoff.next(random::unit()),
                Ok(Found::Nothing(wait)) => wait,
                Err(fault) => {
                    tracing::warn!(%fault, "the local queue cannot be read");
                    LOOK_EVERY
                }
            };
            // Either is a reason to look again.
            let _ = timeout(wait, changed).await;
        }
    }

    /// Tries one event that is due.
    async fn look(&self) -> Result<Found, QueueFault> {
        let Some(claim) = self.queue.claim_due(&self.consumer, LEASE).await? else {
            let due = self.queue.next_due(&self.consumer).await?;
            let now = self.queue.clock().unix_millis();
            let wait = due.map_or(i64::MAX, |due| due.saturating_sub(now).max(1));
            let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(1));
            return Ok(Found::Nothing(wait.min(LOOK_EVERY)));
        };
        let item = match claim.item() {
            Ok(item) => item,
            Err(fault) => {
                let why = fault.to_string();
                self.queue.settle(&claim, Verdict::Failed(why)).await?;
                return Ok(Found::Tried);
            }
        };
        let item = match self.refine(&claim, item).await {
            Refined::Wanted(item) => item,
            Refined::Filtered(item, why) => {
                return self.settle(&claim, &item, Outcome::Skipped(why)).await;
            }
        };
        let outcome = self.sink.deliver(&item).await;
        self.settle(&claim, &item, outcome).await
    }

    /// Judges an event that only waited for its time. What was tried before was judged before.
    async fn refine(&self, claim: &Claim, item: Item) -> Refined {
        match (&self.refinery, claim.row.status) {
            (Some(refinery), Status::Pending) => refinery.refine(item).await,
            _ => Refined::Wanted(item),
        }
    }

    async fn settle(
        &self,
        claim: &Claim,
        item: &Item,
        outcome: Outcome,
    ) -> Result<Found, QueueFault> {
        let attempts = claim.attempts.saturating_add(1);
        let (verdict, found) = match outcome {
            Outcome::Delivered => (Verdict::Delivered, Found::Tried),
            Outcome::Skipped(why) => (Verdict::Filtered(why), Found::Tried),
            Outcome::Hopeless(why) => (Verdict::Failed(why), Found::Tried),
            Outcome::Refused(why) if attempts >= ATTEMPTS_MAX => {
                (Verdict::Failed(why), Found::Tried)
            }
            Outcome::Refused(why) => (self.again(attempts, why), Found::Tried),
            // That says nothing about the event, so it does not count.
            Outcome::Unreachable(why) => (self.again(claim.attempts, why), Found::Unreachable),
            Outcome::Gone(error) => {
                let why = error.to_string();
                (self.again(claim.attempts, why), Found::Unreachable)
            }
        };
        self.queue.settle_item(claim, verdict.clone(), item).await?;
        match &verdict {
            Verdict::Delivered if claim.row.status == Status::Pending => {
                self.witness.hear(Happening::Released { item });
            }
            Verdict::Delivered => self.witness.hear(Happening::Recovered { item }),
            Verdict::Again {
                attempts: 1.., why, ..
            } if claim.row.status == Status::Pending => {
                let wait = wait_after(attempts);
                self.witness.hear(Happening::SetAside { item, why, wait });
            }
            Verdict::Failed(why) => self.witness.hear(Happening::GaveUp { item, why }),
            _ => {}
        }
        Ok(found)
    }

    fn again(&self, attempts: u32, why: String) -> Verdict {
        let now = self.queue.clock().unix_millis();
        Verdict::Again {
            attempts,
            due_at: now.saturating_add(millis(wait_after(attempts))),
            why,
        }
    }
}

/// What a look found.
enum Found {
    /// An event, which was tried.
    Tried,
    /// An event, and nobody to take it.
    Unreachable,
    /// Nothing that is due before so long.
    Nothing(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_are_the_powers_of_four_give_or_take_a_quarter() {
        for (attempts, secs) in [(1, 1.0), (2, 4.0), (3, 16.0), (4, 64.0), (9, 64.0)] {
            let wait = wait_after(attempts).as_secs_f64();
            assert!((secs * 0.75..=secs * 1.25).contains(&wait), "{wait}");
        }
    }
}
