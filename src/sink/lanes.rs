//! Several events in hand at once: those of one producer one after the other, those of different ones beside one
//! another.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::handover::{Happening, Witness};
use super::{Consumer, Handed, Handover, Item, Queue, Sink};
use crate::protocol::id::Seq;

/// How many events are with the sink at a time.
pub const FLYING_MAX: usize = 16;

/// How many events may have been taken since the first that is still in hand: what a crash repeats.
pub const IN_HAND_MAX: usize = 64;

/// Hands events on, each by the delivery rule. What is in hand when it is dropped stays undone.
pub struct Lanes {
    handover: Arc<Handover>,
    permits: Arc<Semaphore>,
    flying: JoinSet<Landed>,
    /// What was taken, from the first that is in hand on.
    window: VecDeque<Place>,
    /// The number of the first in the window; each event that is taken has the next one.
    first: u64,
    /// The last event of each producer that has one in hand, and the sign that it is done.
    tails: HashMap<String, (u64, oneshot::Receiver<()>)>,
}

/// An event that was taken.
struct Place {
    seq: Seq,
    is_done: bool,
}

/// An event that is done with.
struct Landed {
    number: u64,
    source: String,
    handed: Handed,
}

impl Lanes {
    /// Begins, as [`Handover::begin`].
    pub fn begin(
        sink: Arc<dyn Sink>,
        queue: Queue,
        consumer: Consumer,
        witness: Arc<dyn Witness>,
    ) -> Self {
        let witness = Arc::new(OneVoice::new(witness));
        Self {
            handover: Arc::new(Handover::begin(sink, queue, consumer, witness)),
            permits: Arc::new(Semaphore::new(FLYING_MAX)),
            flying: JoinSet::new(),
            window: VecDeque::new(),
            first: 0,
            tails: HashMap::new(),
        }
    }

    /// The delivery rule of all lanes.
    pub fn handover(&self) -> &Handover {
        &self.handover
    }

    /// Whether one more can be taken. Otherwise one has to be done first: [`Lanes::next`].
    pub fn has_room(&self) -> bool {
        self.window.len() < IN_HAND_MAX
    }

    /// Takes an event in hand.
    pub fn put(&mut self, item: Item) {
        let number = self.first + self.window.len() as u64;
        let (done, tail) = oneshot::channel();
        let source = item.event.source.clone();
        let before = self.tails.insert(source.clone(), (number, tail));
        self.window.push_back(Place {
            seq: item.seq,
            is_done: false,
        });
        let (handover, permits) = (Arc::clone(&self.handover), Arc::clone(&self.permits));
        self.flying.spawn(async move {
            if let Some((_, before)) = before
                && before.await.is_err()
            {
                // The one before was not done, so this one's turn never comes.
                pending::<()>().await;
            }
            // Nobody closes it.
            let _permit = permits.acquire_owned().await;
            let handed = handover.hand_on(&item).await;
            if !matches!(handed, Handed::Gone(_)) {
                // Nobody may have come after.
                let _ = done.send(());
            }
            Landed {
                number,
                source,
                handed,
            }
        });
    }

    /// The first event in hand. Everything before it that was taken is done with.
    pub fn in_hand(&self) -> Option<Seq> {
        // Not always the front: a server that was restored counts anew.
        let undone = self.window.iter().filter(|place| !place.is_done);
        undone.map(|place| place.seq).min()
    }

    /// Waits until an event in hand is done; for ever when there is none. It can be left alone at any moment.
    pub async fn next(&mut self) -> Handed {
        match self.flying.join_next().await {
            None => pending().await,
            Some(Ok(landed)) => self.land(landed),
            // It ended in the middle: the event was not handed on.
            Some(Err(error)) => Handed::Gone(io::Error::other(error)),
        }
    }

    fn land(&mut self, landed: Landed) -> Handed {
        let is_tail = |(number, _): &(u64, _)| *number == landed.number;
        if self.tails.get(&landed.source).is_some_and(is_tail) {
            self.tails.remove(&landed.source);
        }
        if matches!(landed.handed, Handed::Gone(_)) {
            return landed.handed;
        }
        let at = usize::try_from(landed.number - self.first).unwrap_or(usize::MAX);
        if let Some(place) = self.window.get_mut(at) {
            place.is_done = true;
        }
        while self.window.front().is_some_and(|place| place.is_done) {
            self.window.pop_front();
            self.first += 1;
        }
        landed.handed
    }
}

/// Lets one lane speak for all that are held: the first. Whatever else happens is told of each.
struct OneVoice {
    witness: Arc<dyn Witness>,
    /// The event of the lane that speaks.
    speaker: Mutex<Option<Seq>>,
}

impl OneVoice {
    fn new(witness: Arc<dyn Witness>) -> Self {
        Self {
            witness,
            speaker: Mutex::new(None),
        }
    }

    /// Whether this is to be told.
    fn speaks(&self, happening: &Happening<'_>) -> bool {
        let mut speaker = self.speaker.lock().unwrap_or_else(PoisonError::into_inner);
        match happening {
            Happening::Holding { item, .. } => *speaker.get_or_insert(item.seq) == item.seq,
            Happening::Resumed { item } => speaker.take_if(|seq| *seq == item.seq).is_some(),
            Happening::SetAside { item, .. } | Happening::GaveUp { item, .. } => {
                speaker.take_if(|seq| *seq == item.seq);
                true
            }
            Happening::Released { .. }
            | Happening::Recovered { .. }
            | Happening::QueueFault { .. } => true,
        }
    }
}

impl Witness for OneVoice {
    fn hear(&self, happening: Happening<'_>) {
        if self.speaks(&happening) {
            self.witness.hear(happening);
        }
    }
}

#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
