//! The delivery rule (spec 17): hand one event over, hold while nobody takes it, step aside when it is refused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::queue::{Consumer, Entry, Queue, QueueFault, Status, Verdict};
use super::retry::{self, Retrier};
use super::{Item, Outcome, Sink};
use crate::base::backoff::Backoff;
use crate::base::random;
use crate::protocol::id::Seq;

/// The waits of a stream that holds (spec 17): at most 30 s, so that a sink that is back is found soon.
const HOLD_MIN: Duration = Duration::from_millis(250);
const HOLD_MAX: Duration = Duration::from_secs(30);

/// How often in a row a sink may give no answer, with the waits of a stream that holds in between, before that is the
/// event's doing: a program that is restarted is back by then, one that falls over an event does it each time.
const SILENCES_MAX: u32 = 5;

/// What became of an event.
#[derive(Debug)]
pub enum Handed {
    /// Its sink took it.
    Delivered,
    /// Its sink need not have it, for this reason.
    Skipped(String),
    /// Its sink refused it; the local queue holds it.
    Aside,
    /// Its sink takes nothing any more. The event was not handed on.
    Gone(io::Error),
}

/// What happens beside the plain course of things.
#[derive(Debug)]
pub enum Happening<'a> {
    /// The sink cannot be reached: the stream stays at this event.
    Holding {
        /// The event.
        item: &'a Item,
        /// Why.
        why: &'a str,
        /// When it is tried again, at the latest.
        wait: Duration,
    },
    /// The sink took the event that the stream was held at.
    Resumed {
        /// The event.
        item: &'a Item,
    },
    /// The sink refused an event. It is in the local queue now and tried again beside the stream.
    SetAside {
        /// The event.
        item: &'a Item,
        /// Why.
        why: &'a str,
        /// When it is tried again.
        wait: Duration,
    },
    /// An event had waited for its window, and this became of it.
    Released {
        /// The event.
        item: &'a Item,
        /// What a stream would have been told.
        handed: Handed,
    },
    /// An event that was set aside was taken after all.
    Recovered {
        /// The event.
        item: &'a Item,
    },
    /// An event was refused too often. It stays in the local queue as failed.
    GaveUp {
        /// The event.
        item: &'a Item,
        /// Why.
        why: &'a str,
    },
    /// The local queue does not work; the stream stays where it is until it does.
    QueueFault {
        /// Why.
        fault: &'a QueueFault,
        /// When it is tried again.
        wait: Duration,
    },
}

/// Hears what happens.
pub trait Witness: Send + Sync {
    /// Takes note. It must not wait for anything.
    fn hear(&self, happening: Happening<'_>);
}

/// What the local queue keeps of the events that a sink took or did not need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing: only what was refused is there.
    #[default]
    Refused,
    /// All of them, as a record.
    All,
    /// All of them, and what the sink took is on the disk before it is acknowledged: the sink itself remembers nothing.
    AllSafely,
}

/// What happens to an event before it is handed on.
#[derive(Clone, Default)]
pub struct Stages {
    /// What judges it, and adds to it.
    pub refinery: Option<Arc<dyn Refinery>>,
    /// What is kept of it afterwards.
    pub keeps: Keeps,
}

/// What a refinery makes of an event.
#[derive(Debug)]
pub enum Refined {
    /// It is to be handed on, like this.
    Wanted(Item),
    /// It is not, for this reason.
    Filtered(Item, String),
}

/// Judges events before they are handed on, and adds to them.
#[async_trait]
pub trait Refinery: Send + Sync {
    /// Judges one. It ends within limits of its own.
    async fn refine(&self, item: Item) -> Refined;
}

/// Hands the events of one consumer to its sink.
pub struct Handover {
    sink: Arc<dyn Sink>,
    queue: Queue,
    consumer: Consumer,
    witness: Arc<dyn Witness>,
    stages: Stages,
    /// The highest number of what an earlier run has left to be tried.
    left_through: OnceCell<Option<Seq>>,
    retrying: JoinHandle<()>,
    tidying: JoinHandle<()>,
}

impl Handover {
    /// Begins: what an earlier run has set aside is tried again from now on.
    pub fn begin(
        sink: Arc<dyn Sink>,
        queue: Queue,
        consumer: Consumer,
        witness: Arc<dyn Witness>,
    ) -> Self {
        Self::begin_with(Stages::default(), sink, queue, consumer, witness)
    }

    /// As [`Handover::begin`], with something done to each event before and after.
    pub fn begin_with(
        stages: Stages,
        sink: Arc<dyn Sink>,
        queue: Queue,
        consumer: Consumer,
        witness: Arc<dyn Witness>,
    ) -> Self {
        let retrier = Retrier {
            sink: Arc::clone(&sink),
            queue: queue.clone(),
            consumer: consumer.clone(),
            witness: Arc::clone(&witness),
            refinery: stages.refinery.clone(),
        };
        Self {
            retrying: tokio::spawn(retrier.run()),
            tidying: tokio::spawn(queue.clone().keep_tidy()),
            sink,
            queue,
            consumer,
            witness,
            stages,
            left_through: OnceCell::new(),
        }
    }

    /// Hands one event over. It returns when the event is done with: taken, not wanted, or in the local queue.
    pub async fn hand_on(&self, item: &Item) -> Handed {
        if self.is_aside(item).await {
            return Handed::Aside;
        }
        let refined = match &self.stages.refinery {
            Some(refinery) => refinery.refine(item.clone()).await,
            None => return self.deliver(item).await,
        };
        match refined {
            Refined::Wanted(item) => self.deliver(&item).await,
            Refined::Filtered(item, why) => self.skip(&item, why).await,
        }
    }

    /// Whether an event is being tried beside the stream already: it was refused before, and comes again because its
    /// acknowledgement was lost or somebody asked for it. Whoever keeps all events has looked before.
    async fn is_aside(&self, item: &Item) -> bool {
        if self.stages.keeps != Keeps::Refused {
            return false;
        }
        let (queue, consumer) = (&self.queue, &self.consumer);
        // What this run sets aside is known to its session; so a look is needed only for what an earlier one left.
        let left = async || queue.last_due(consumer).await.unwrap_or(Some(Seq::MAX));
        if *self.left_through.get_or_init(left).await < Some(item.seq) {
            return false;
        }
        let status = queue.status(consumer, item.seq, &item.event.id).await;
        // A queue that cannot be read holds up nobody.
        matches!(status, Ok(Some(Status::Ready)))
    }

    /// Writes down, where that is kept, that an event is not handed on.
    pub async fn skip(&self, item: &Item, why: String) -> Handed {
        if self.stages.keeps != Keeps::Refused {
            self.keep(item, Verdict::Filtered(why.clone())).await;
        }
        Handed::Skipped(why)
    }

    async fn deliver(&self, item: &Item) -> Handed {
        let mut backoff = hold_backoff();
        let mut is_held = false;
        let mut silences = 0;
        loop {
            let outcome = match self.sink.deliver(item).await {
                Outcome::Silent(why) => {
                    silences += 1;
                    match silences < SILENCES_MAX {
                        true => Outcome::Unreachable(why),
                        false => Outcome::Refused(why),
                    }
                }
                outcome => {
                    silences = 0;
                    outcome
                }
            };
            match outcome {
                Outcome::Delivered => {
                    if is_held {
                        self.witness.hear(Happening::Resumed { item });
                    }
                    match self.stages.keeps {
                        Keeps::Refused => {}
                        Keeps::All => self.keep(item, Verdict::Delivered).await,
                        Keeps::AllSafely => self.keep(item, Verdict::DeliveredHere).await,
                    }
                    return Handed::Delivered;
                }
                Outcome::Skipped(why) => return self.skip(item, why).await,
                Outcome::Gone(error) => return Handed::Gone(error),
                Outcome::Silent(why) | Outcome::Refused(why) => {
                    self.set_aside(item, &why).await;
                    return Handed::Aside;
                }
                Outcome::Hopeless(why) => {
                    let why = &why;
                    self.keep(item, Verdict::Failed(why.clone())).await;
                    self.witness.hear(Happening::GaveUp { item, why });
                    return Handed::Aside;
                }
                Outcome::Unreachable(why) => {
                    is_held = true;
                    let wait = backoff.next(random::unit());
                    let why = &why;
                    self.witness.hear(Happening::Holding { item, why, wait });
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = self.sink.changed() => {}
                    }
                }
            }
        }
    }

    /// Puts a refused event into the queue, to be tried again from there.
    async fn set_aside(&self, item: &Item, why: &str) {
        let wait = retry::wait_after(1);
        let due_at = self.queue.clock().unix_millis() + retry::millis(wait);
        let verdict = Verdict::Again {
            attempts: 1,
            due_at,
            why: why.to_owned(),
        };
        self.keep(item, verdict).await;
        self.witness.hear(Happening::SetAside { item, why, wait });
    }

    /// Writes down what became of an event, as often as it takes: it must not be acknowledged before.
    pub async fn keep(&self, item: &Item, verdict: Verdict) {
        let entry = Entry::of(item, verdict);
        self.keep_entry(entry).await;
    }

    /// As [`Handover::keep`], for what is no event that can be read.
    pub async fn keep_entry(&self, entry: Entry) {
        self.insist(|| self.queue.put(&self.consumer, entry.clone()))
            .await;
    }

    /// Works on the queue as often as it takes. The stream stays where it is meanwhile.
    pub async fn insist<T, F>(&self, work: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, QueueFault>>,
    {
        let mut backoff = hold_backoff();
        loop {
            match work().await {
                Ok(done) => return done,
                Err(fault) => {
                    let wait = backoff.next(random::unit());
                    let fault = &fault;
                    self.witness.hear(Happening::QueueFault { fault, wait });
                    sleep(wait).await;
                }
            }
        }
    }

    /// The consumer's queue.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whose events these are.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        // What is being tried again stays in the queue, and its claim runs out.
        self.retrying.abort();
        self.tidying.abort();
    }
}

fn hold_backoff() -> Backoff {
    Backoff::new(HOLD_MIN, HOLD_MAX)
}

#[cfg(test)]
#[path = "handover_tests.rs"]
pub(super) mod tests;
