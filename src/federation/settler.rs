//! Writes down what became of attempts: all that wait in one transaction, of whatever peer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::base::meter::Counter;
use crate::base::outage::Outage;
use crate::protocol::id::Seq;
use crate::store::federation::{Settled, Settlement};
use crate::store::{Store, StoreError};

/// How many attempts one transaction takes at most.
const BATCH_MAX: usize = 256;

/// How many attempts wait to be written down. Beyond that senders wait, which is what slows them down to what the disk
/// can take.
const QUEUE_MAX: usize = 1024;

/// How long to wait before a store that is away is asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// An attempt that ended, and who has to know that it is written down.
pub(super) struct Job {
    pub(super) settlement: Settlement,
    /// Has room for all that its sender has not heard of.
    pub(super) ack: mpsc::Sender<Ack>,
}

/// What became of writing down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) seq: Seq,
    /// Whether the claim stands; what was made under another, or could not be written, is made again by whoever has it
    /// next.
    pub(super) stands: bool,
}

/// How attempts have ended since the program started.
#[derive(Debug, Default)]
pub struct Meters {
    delivered: Counter,
    waits: Counter,
    dead: Counter,
}

impl Meters {
    /// How many there were, by how they ended.
    pub fn ended(&self) -> [(&'static str, u64); 3] {
        [
            ("delivered", self.delivered.get()),
            ("retried", self.waits.get()),
            ("dead", self.dead.get()),
        ]
    }

    fn note(&self, settled: &Settled) {
        match settled {
            Settled::Delivered => self.delivered.one(),
            Settled::Waits(_) => self.waits.one(),
            Settled::Dead => self.dead.one(),
        }
    }
}

/// Where attempts go, and what writes them down until nobody can send any more.
pub(super) fn start(
    store: Arc<dyn Store>,
    meters: Arc<Meters>,
) -> (mpsc::Sender<Job>, impl Future<Output = ()>) {
    let (jobs, waiting) = mpsc::channel(QUEUE_MAX);
    (jobs, run(store, meters, waiting))
}

async fn run(store: Arc<dyn Store>, meters: Arc<Meters>, mut waiting: mpsc::Receiver<Job>) {
    let mut outage = Outage::new("deliveries to peers are not written down");
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let settlements: Vec<_> = batch.iter().map(|job| job.settlement.clone()).collect();
        let stands = match settle(&*store, settlements, &mut outage).await {
            Ok(stands) => stands,
            // One of them is at fault, or the store: each for itself.
            Err(_) => one_by_one(&*store, &batch, &mut outage).await,
        };
        for (job, stands) in batch.drain(..).zip(stands) {
            if stands {
                meters.note(&job.settlement.settled);
            }
            let seq = job.settlement.seq;
            // There is room; a sender that has ended needs no answer.
            let _ = job.ack.try_send(Ack { seq, stands });
        }
    }
}

async fn one_by_one(store: &dyn Store, batch: &[Job], outage: &mut Outage) -> Vec<bool> {
    let mut all = Vec::with_capacity(batch.len());
    for job in batch {
        let stands = settle(store, vec![job.settlement.clone()], outage).await;
        all.push(stands.is_ok_and(|stands| stands == [true]));
    }
    all
}

/// Waits until the store is back, if it is away.
async fn settle(
    store: &dyn Store,
    settlements: Vec<Settlement>,
    outage: &mut Outage,
) -> Result<Vec<bool>, StoreError> {
    loop {
        let settled = store.settle(settlements.clone()).await;
        outage.note(settled.as_ref().err());
        match settled {
            Err(error) if error.is_outage() => sleep(RETRY_INTERVAL).await,
            settled => return settled,
        }
    }
}
