//! What waits for one subscriber: bounded, and nothing but a few words while it is empty.
//!
//! A channel of the runtime reserves kilobytes for each of its receivers; there may be tens of thousands of them, almost
//! all with nothing to receive.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use super::Delivery;

/// How many events wait for one subscriber.
pub(super) const QUEUE_MAX_EVENTS: usize = 256;

/// How many bytes of frames wait for one subscriber, unless it is a single larger one. Frames are shared, but a
/// subscriber that stands still is what keeps them alive.
pub(super) const QUEUE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// How much room an empty queue keeps.
const KEPT_MAX_EVENTS: usize = 8;

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Delivery>,
    bytes: usize,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // It is changed in single steps: a panic elsewhere leaves it whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that fills it.
#[derive(Clone)]
pub(super) struct Sender(Arc<Shared>);

/// The end that empties it.
pub(super) struct Receiver(Arc<Shared>);

/// An empty queue.
pub(super) fn queue() -> (Sender, Receiver) {
    let shared = Arc::<Shared>::default();
    (Sender(shared.clone()), Receiver(shared))
}

impl Sender {
    /// Whether the event found room.
    pub(super) fn offer(&self, delivery: &Delivery) -> bool {
        let mut waiting = self.0.lock();
        let len = delivery.frame.len();
        let has_room = waiting.events.len() < QUEUE_MAX_EVENTS
            && (waiting.bytes == 0 || waiting.bytes + len <= QUEUE_MAX_BYTES);
        if waiting.ended || !has_room {
            return false;
        }
        waiting.bytes += len;
        waiting.events.push_back(delivery.clone());
        let was_empty = waiting.events.len() == 1;
        drop(waiting);
        if was_empty {
            self.0.waker.wake();
        }
        true
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.0.lock().ended = true;
        self.0.waker.wake();
    }
}

impl Receiver {
    /// The next event; `None` when none waits and none will come.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        poll_fn(|context| {
            if let Some(delivery) = self.try_next() {
                return Poll::Ready(Some(delivery));
            }
            self.0.waker.register(context.waker());
            // What came before the registration woke nobody.
            match self.try_next() {
                Some(delivery) => Poll::Ready(Some(delivery)),
                None if self.has_ended() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// The next event if one waits.
    pub(super) fn try_next(&mut self) -> Option<Delivery> {
        let mut waiting = self.0.lock();
        let delivery = waiting.events.pop_front()?;
        waiting.bytes -= delivery.frame.len();
        if waiting.events.is_empty() && waiting.events.capacity() > KEPT_MAX_EVENTS {
            waiting.events = VecDeque::new();
        }
        Some(delivery)
    }

    /// Whether nothing waits, and nothing will come.
    fn has_ended(&self) -> bool {
        let waiting = self.0.lock();
        waiting.ended && waiting.events.is_empty()
    }

    /// Whether nothing waits, and something may come.
    pub(super) fn is_idle(&self) -> bool {
        let waiting = self.0.lock();
        waiting.events.is_empty() && !waiting.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(seq: u64, bytes: usize) -> Delivery {
        Delivery {
            seq,
            frame: "x".repeat(bytes).into(),
        }
    }

    #[tokio::test]
    async fn what_waits_comes_in_order_and_then_the_end() {
        let (sender, mut receiver) = queue();
        assert!(receiver.is_idle());
        assert!(sender.offer(&delivery(1, 1)) && sender.offer(&delivery(2, 1)));
        assert!(!receiver.is_idle());
        sender.end();
        assert!(!sender.offer(&delivery(3, 1)));
        assert_eq!(receiver.next().await.unwrap().seq, 1);
        assert_eq!(receiver.next().await.unwrap().seq, 2);
        assert!(receiver.next().await.is_none() && !receiver.is_idle());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let (sender, mut receiver) = queue();
        let waits = tokio::spawn(async move { receiver.next().await.map(|it| it.seq) });
        tokio::task::yield_now().await;
        sender.offer(&delivery(7, 1));
        assert_eq!(waits.await.unwrap(), Some(7));
        let (sender, mut receiver) = queue();
        let waits = tokio::spawn(async move { receiver.next().await.is_none() });
        tokio::task::yield_now().await;
        sender.end();
        assert!(waits.await.unwrap());
    }

    #[test]
    fn a_queue_is_full_by_count_or_by_bytes_and_takes_one_event_of_any_size() {
        let (sender, mut receiver) = queue();
        let huge = delivery(1, QUEUE_MAX_BYTES + 1);
        assert!(sender.offer(&huge) && !sender.offer(&delivery(2, 1)));
        receiver.try_next().unwrap();
        for seq in 0..QUEUE_MAX_EVENTS as u64 {
            assert!(sender.offer(&delivery(seq, 1)));
        }
        assert!(!sender.offer(&delivery(999, 1)));
    }
}
