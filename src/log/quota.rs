//! Whether teams may send more this month. Their logs are told when that changes, and so is the server, for its clients.
//!
//! What counts is decided in the transaction of each append. This looks at the outcome, on every node, and says each change
//! once, whichever node sees it first.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::Notice;
use super::announcer::Announcer;
use super::committer::Append;
use crate::base::clock::{Clock, month, rfc3339};
use crate::base::outage::Outage;
use crate::base::random;
use crate::protocol::id::TeamId;
use crate::protocol::quota::{EXHAUSTED, RESTORED, Standing, event};
use crate::store::record::{NewEvent, QuotaStanding, QuotaTurn};
use crate::store::{Store, StoreError};

/// How often the standings are looked at: other nodes and the end of the month change them too.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Which teams have used up their quota.
pub(super) struct Quota {
    store: Arc<dyn Store>,
    clock: Clock,
    /// How many events of a team are accepted in a month.
    pub(super) events_limit: Option<u64>,
    exhausted: RwLock<HashSet<TeamId>>,
    wake: Notify,
}

impl Quota {
    pub(super) fn new(store: Arc<dyn Store>, clock: Clock, events_limit: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            events_limit,
            exhausted: RwLock::default(),
            wake: Notify::new(),
        })
    }

    /// Whether a team's events are refused.
    pub(super) fn is_exhausted(&self, team: &TeamId) -> bool {
        let exhausted = self.exhausted.read();
        exhausted
            .unwrap_or_else(PoisonError::into_inner)
            .contains(team)
    }

    /// A team has come to its limit.
    pub(super) fn reached(&self, team: &TeamId) {
        if !self.is_exhausted(team) {
            self.wake.notify_one();
        }
    }

    /// Looks again and again. Without a limit until it is said that an earlier one is gone.
    pub(super) async fn run(
        self: Arc<Self>,
        appends: mpsc::WeakSender<Append>,
        notices: mpsc::Sender<Notice>,
    ) {
        let mut outage = Outage::new("quotas are not looked at");
        loop {
            let looked = self.look(&appends, &notices).await;
            outage.note(looked.as_ref().err());
            if self.events_limit.is_none() && looked.is_ok() {
                return;
            }
            // Looking at once when a limit is reached, but never again and again.
            let soon = async {
                self.wake.notified().await;
                tokio::time::sleep(LOOK_INTERVAL / 50).await;
            };
            tokio::select! {
                () = soon => {}
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    async fn look(
        &self,
        appends: &mpsc::WeakSender<Append>,
        notices: &mpsc::Sender<Notice>,
    ) -> Result<(), StoreError> {
        let now = self.clock.unix_millis();
        let (name, end) = month(now);
        let standings = self.store.quota_standings(name, self.events_limit).await?;
        let is_over = |standing: &&QuotaStanding| {
            self.events_limit
                .is_some_and(|limit| standing.events_used >= limit)
        };
        let exhausted: HashSet<TeamId> = standings
            .iter()
            .filter(is_over)
            .map(|standing| standing.team.clone())
            .collect();
        for standing in &standings {
            let is_exhausted = exhausted.contains(&standing.team);
            if standing.is_told != is_exhausted {
                let told = turn(
                    standing,
                    is_exhausted,
                    now,
                    end,
                    self.events_limit.unwrap_or(crate::protocol::UNLIMITED),
                );
                // The log ends when its last user does; this is none.
                let appends = appends.upgrade().ok_or(StoreError::Closed)?;
                Announcer::new(appends).announce(told).await?;
            }
        }
        let changed: Vec<TeamId> = {
            let mut known = self
                .exhausted
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let changed = known.symmetric_difference(&exhausted).cloned().collect();
            *known = exhausted;
            changed
        };
        for team in changed {
            // The server is ending when nobody asks any more.
            let _ = notices.send(Notice::QuotaTurned(team)).await;
        }
        Ok(())
    }
}

/// The server's word that a team's quota is used up, or that it is not any more.
fn turn(standing: &QuotaStanding, is_exhausted: bool, now: i64, end: i64, limit: u64) -> NewEvent {
    let (kind, turn) = match is_exhausted {
        true => (EXHAUSTED, QuotaTurn::Exhausted),
        false => (RESTORED, QuotaTurn::Restored),
    };
    let stand = Standing {
        events_used: standing.events_used,
        events_limit: limit,
        resets_at: rfc3339(end),
    };
    let event = event(kind, random::uuid7(), rfc3339(now), &stand);
    NewEvent {
        turn: Some(turn),
        ..NewEvent::new(standing.team.clone(), &event, now, None)
    }
}
