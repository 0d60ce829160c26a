//! What all senders of a node share: what they work with, and what they may take of it together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::dial::Dial;
use super::line::Lines;
use super::openintent::{Errand, OpenIntent};
use super::pace::WINDOW_MAX;
use super::paperclip::Paperclip;
use crate::base::clock::{Clock, rfc3339};
use crate::log::Announcer;
use crate::protocol::id::{InstanceId, TeamId};
use crate::protocol::undeliverable::Undeliverable;
use crate::store::openintent::{ExchangeKind, ExchangeNote};
use crate::store::record::{Dedup, NewEvent, Outcome};
use crate::store::seal::Sealer;
use crate::store::{Store, StoreError};

/// How many posts a node has under way, shared among the peers that have any: each may always have two, so that peers
/// that answer slowly take nothing from the others. While the shares shrink there are up to twice as many.
const POSTS_MAX: usize = 1024;

/// How much text is under way and how much is held to go next, in bytes, shared likewise; one event at least.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many rows of a peer that was revoked are cancelled in one transaction.
const CANCEL_MAX: usize = 500;

/// How long to wait before a store that is away gets the same event again.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(500);

/// What senders share.
pub(super) struct Works {
    pub(super) store: Arc<dyn Store>,
    pub(super) dial: Arc<Dial>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) clock: Clock,
    /// Takes what is to be said to teams.
    pub(super) announcer: Announcer,
    /// Where messages for agents go too.
    pub(super) paperclip: Option<Arc<Paperclip>>,
    /// This instance as a server of OpenIntent, if it is one.
    pub(super) openintent: Option<Arc<OpenIntent>>,
    pub(super) instance_id: InstanceId,
    pub(super) max_age: Duration,
    pub(super) lines: Lines,
    /// How many senders have posts under way.
    pub(super) busy: Arc<AtomicUsize>,
    /// How many claims are to be given back so that other peers have their turn.
    pub(super) wanted_back: AtomicUsize,
}

impl Works {
    fn busy_count(&self) -> usize {
        self.busy.load(Ordering::Relaxed).max(1)
    }

    /// How many posts one peer may have under way.
    pub(super) fn posts_share(&self) -> usize {
        (POSTS_MAX / self.busy_count()).clamp(1, WINDOW_MAX)
    }

    /// How much text one peer may have under way, and hold.
    pub(super) fn bytes_share(&self) -> usize {
        BYTES_MAX / self.busy_count()
    }

    /// Whether a sender is to give its claim back. It then has to.
    pub(super) fn is_wanted_back(&self) -> bool {
        let less = |count: usize| count.checked_sub(1);
        let taken = self
            .wanted_back
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    /// Stores that a message did not reach its agent, however long the store is away. Says why where it cannot be stored.
    pub(super) async fn tell_undeliverable(
        &self,
        team: &TeamId,
        message: &Undeliverable,
        reason: &str,
    ) -> Result<(), &'static str> {
        let now = self.clock.unix_millis();
        let event = message.event(&self.instance_id, rfc3339(now), reason);
        let dedup = Dedup {
            key: event.dedup_key(),
            fingerprint: None,
        };
        loop {
            let new = NewEvent::new(team.clone(), &event, now, Some(dedup));
            match self.announcer.clone().announce(new).await {
                Ok(Outcome::Stored(_) | Outcome::Duplicate { .. }) => return Ok(()),
                Ok(Outcome::Exhausted) => return Err("its quota is used up"),
                Ok(Outcome::NotAdmitted | Outcome::Stale | Outcome::NoTeam) => {
                    return Err("the team is gone");
                }
                // The settler says that the store is away, and nothing is settled meanwhile.
                Err(error) if error.is_outage() => sleep(ANNOUNCE_INTERVAL).await,
                Err(_) => return Err("the store does not take it"),
            }
        }
    }

    /// Keeps what another server answered to a dispatch, however long the store is away: it is settled after that.
    pub(super) async fn note_answer(&self, team: &TeamId, errand: Errand, note: ExchangeNote) {
        loop {
            let (team, id, now) = (
                team.clone(),
                errand.dispatch_id.clone(),
                self.clock.unix_millis(),
            );
            let kind = ExchangeKind::Dispatch;
            let noted = self
                .store
                .note_exchange(team, kind, id, note.clone(), now)
                .await;
            match noted {
                // The settler says that the store is away, and nothing is settled meanwhile.
                Err(error) if error.is_outage() => sleep(ANNOUNCE_INTERVAL).await,
                Err(error) => {
                    tracing::error!(%error, "what became of a dispatch is not written down");
                    return;
                }
                Ok(_) => return,
            }
        }
    }

    /// Cancels what waits for peers that are revoked or deleted.
    pub(super) async fn cancel_rows(&self) -> Result<(), StoreError> {
        let now = self.clock.unix_millis();
        while self.store.cancel_rows(now, CANCEL_MAX).await? >= CANCEL_MAX {}
        Ok(())
    }
}

/// Stands for a sender with posts under way.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Busy {
    pub(super) fn new(busy: &Arc<AtomicUsize>) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
