//! Beside the stream: what a sink refused is tried again, a few times, then kept as failed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::handover::{Handed, Happening, Refined, Refinery, Witness};
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

/// The unit of the queue: no wait is shorter.
const MOMENT: Duration = Duration::from_millis(1);

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
                Ok(Found::Unreachable(held)) => {
                    let wait = backoff.next(random::unit());
                    self.say_held(held.as_deref(), wait);
                    self.until_changed(wait).await;
                    continue;
                }
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

    /// Waits for a sign of the sink, so long at most.
    async fn until_changed(&self, wait: Duration) {
        let _ = timeout(wait, self.sink.changed()).await;
    }

    /// Nobody else would say why an event does not come out of its window.
    fn say_held(&self, held: Option<&(Item, String)>, wait: Duration) {
        if let Some((item, why)) = held {
            self.witness.hear(Happening::Holding { item, why, wait });
        }
    }

    /// Tries one event that is due.
    async fn look(&self) -> Result<Found, QueueFault> {
        let Some(claim) = self.queue.claim_due(&self.consumer, LEASE).await? else {
            let due = self.queue.next_due(&self.consumer).await?;
            let wait = due.map_or(LOOK_EVERY, |due| self.until(due));
            return Ok(Found::Nothing(wait.clamp(MOMENT, LOOK_EVERY)));
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
                return Ok(self.settle(&claim, &item, Outcome::Skipped(why)).await);
            }
        };
        let outcome = self.sink.deliver(&item).await;
        Ok(self.settle(&claim, &item, outcome).await)
    }

    /// Judges an event that only waited for its time. What was tried before was judged before.
    async fn refine(&self, claim: &Claim, item: Item) -> Refined {
        match (&self.refinery, claim.row.status) {
            (Some(refinery), Status::Pending) => refinery.refine(item).await,
            _ => Refined::Wanted(item),
        }
    }

    async fn settle(&self, claim: &Claim, item: &Item, outcome: Outcome) -> Found {
        let (verdict, handed) = self.judge(claim, outcome);
        self.record(claim, &verdict, item).await;
        let found = match (&handed, &verdict) {
            (None, Verdict::Again { why, .. }) => {
                let held = is_new(claim).then(|| Box::new((item.clone(), why.clone())));
                Found::Unreachable(held)
            }
            (Some(Handed::Gone(_)), _) => Found::Unreachable(None),
            _ => Found::Tried,
        };
        self.tell(claim, item, &verdict);
        if let Some(handed) = handed
            && is_new(claim)
        {
            self.witness.hear(Happening::Released { item, handed });
        }
        found
    }

    /// Writes down what became of an event, as often as it takes: one that was taken would be tried again otherwise.
    async fn record(&self, claim: &Claim, verdict: &Verdict, item: &Item) {
        let mut backoff = Backoff::new(Duration::from_secs(1), LOOK_EVERY);
        while let Err(fault) = self.queue.settle_item(claim, verdict.clone(), item).await {
            tracing::warn!(%fault, "the local queue cannot be written");
            sleep(backoff.next(random::unit())).await;
        }
    }

    /// What an outcome means: for the queue, and for a stream, where it decides about the event.
    fn judge(&self, claim: &Claim, outcome: Outcome) -> (Verdict, Option<Handed>) {
        let attempts = claim.attempts.saturating_add(1);
        match outcome {
            Outcome::Delivered => (Verdict::Delivered, Some(Handed::Delivered)),
            Outcome::Skipped(why) => (Verdict::Filtered(why.clone()), Some(Handed::Skipped(why))),
            Outcome::Hopeless(why) => (Verdict::Failed(why), Some(Handed::Aside)),
            Outcome::Silent(why) | Outcome::Refused(why) if attempts >= ATTEMPTS_MAX => {
                (Verdict::Failed(why), Some(Handed::Aside))
            }
            Outcome::Silent(why) | Outcome::Refused(why) => {
                (self.again(attempts, why), Some(Handed::Aside))
            }
            // That says nothing about the event, so it does not count.
            Outcome::Unreachable(why) => (self.again(claim.attempts, why), None),
            Outcome::Gone(error) => {
                let why = error.to_string();
                (self.again(claim.attempts, why), Some(Handed::Gone(error)))
            }
        }
    }

    /// Says what became of an event that was tried.
    fn tell(&self, claim: &Claim, item: &Item, verdict: &Verdict) {
        let was_held = is_new(claim) && claim.row.status == Status::Ready;
        match verdict {
            Verdict::Delivered if was_held => self.witness.hear(Happening::Resumed { item }),
            Verdict::Delivered if !is_new(claim) => {
                self.witness.hear(Happening::Recovered { item });
            }
            Verdict::Again {
                attempts: 1..,
                due_at,
                why,
            } if is_new(claim) => {
                let wait = self.until(*due_at);
                self.witness.hear(Happening::SetAside { item, why, wait });
            }
            Verdict::Failed(why) => self.witness.hear(Happening::GaveUp { item, why }),
            _ => {}
        }
    }

    /// How long it is until then.
    fn until(&self, due_at: i64) -> Duration {
        let wait = due_at.saturating_sub(self.queue.clock().unix_millis());
        Duration::from_millis(u64::try_from(wait).unwrap_or(0))
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

/// Whether an event only waited for its window so far: whatever its sink says of it is the first thing.
fn is_new(claim: &Claim) -> bool {
    claim.attempts == 0
}

/// What a look found.
enum Found {
    /// An event, which was tried.
    Tried,
    /// An event, and nobody to take it. One that has just come out of its window is named, and why.
    Unreachable(Option<Box<(Item, String)>>),
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
