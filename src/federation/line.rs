//! What a node knows of a peer that it has claimed: how the peer's sender is spoken to from outside.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::store::federation::{CLAIM_TERM, PeerNumber};

/// The way to a sender.
#[derive(Debug)]
pub(super) struct Line {
    wake: Notify,
    has_news: AtomicBool,
    was_heard: AtomicBool,
    is_lost: AtomicBool,
    is_open: AtomicBool,
    changes: AtomicU64,
    claimed_at: Mutex<Instant>,
}

impl Line {
    /// A line for a claim that was asked for at a time.
    pub(super) fn new(claimed_at: Instant) -> Self {
        Self {
            wake: Notify::new(),
            has_news: AtomicBool::new(false),
            was_heard: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            claimed_at: Mutex::new(claimed_at),
        }
    }

    /// There is something new to send.
    pub(super) fn tell_news(&self) {
        self.has_news.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// The peer was changed.
    pub(super) fn tell_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// The peer has shown that it is there.
    pub(super) fn tell_heard(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.was_heard.store(true, Ordering::SeqCst);
        self.tell_news();
    }

    /// The claim is over.
    pub(super) fn tell_lost(&self) {
        self.is_lost.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// The claim stood when this was asked.
    pub(super) fn tell_renewed(&self, asked_at: Instant) {
        *self.claimed_at() = asked_at;
    }

    fn claimed_at(&self) -> MutexGuard<'_, Instant> {
        let claimed_at = self.claimed_at.lock();
        claimed_at.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something was told.
    pub(super) async fn told(&self) {
        self.wake.notified().await;
    }

    /// Whether there is news, which is none after that.
    pub(super) fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::SeqCst)
    }

    /// Whether there is news.
    pub(super) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::SeqCst)
    }

    /// Whether the peer was heard from since this was asked last.
    pub(super) fn take_heard(&self) -> bool {
        self.was_heard.swap(false, Ordering::SeqCst)
    }

    /// Whether the claim is over.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::SeqCst)
    }

    /// Whether the claim stands for certain: it was renewed well within its term.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        !self.is_lost() && now.duration_since(*self.claimed_at()) < CLAIM_TERM * 3 / 4
    }

    /// How often the peer was changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Takes note of whether the peer's circuit is open.
    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::SeqCst);
    }

    /// Whether the peer's circuit is open.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

/// The lines of all claimed peers.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<PeerNumber, Arc<Line>>>);

impl Lines {
    fn all(&self) -> MutexGuard<'_, HashMap<PeerNumber, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of a peer.
    pub(super) fn of(&self, peer: PeerNumber) -> Option<Arc<Line>> {
        self.all().get(&peer).cloned()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all().len()
    }

    pub(super) fn add(&self, peer: PeerNumber, line: Arc<Line>) {
        self.all().insert(peer, line);
    }

    pub(super) fn remove(&self, peer: PeerNumber) {
        self.all().remove(&peer);
    }
}
