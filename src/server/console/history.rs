//! The backlog of peers over the last half hour, in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Console;
use crate::base::outage::Outage;
use crate::server::listen;
use crate::server::state::App;
use crate::store::federation::{PeerNumber, PeerStanding};
use crate::store::record::Millis;

/// How much time is kept.
const SPAN: Duration = Duration::from_secs(30 * 60);

/// How long lies between two samples.
pub(super) const STEP: Duration = Duration::from_secs(3);

/// How long lies between two looks for peers where there are none.
const IDLE_STEP: Duration = Duration::from_secs(10);

/// How many samples there are of a peer.
const SAMPLES_MAX: usize = (SPAN.as_secs() / STEP.as_secs()) as usize;

/// How many peers are sampled, of all teams together: 20 MiB of memory. Those beyond have no picture.
const PEERS_MAX: usize = 5_000;

/// When, and what the backlog was; ascending.
pub(super) type Course = Vec<(Millis, u32)>;

/// The samples of all peers.
#[derive(Default)]
pub(in crate::server) struct History {
    kept: Mutex<Kept>,
    seen: Notify,
}

#[derive(Default)]
struct Kept {
    /// When samples were taken.
    times: VecDeque<Millis>,
    /// What they were. Each ends with the last time; a peer that is younger has fewer.
    backlogs: HashMap<PeerNumber, VecDeque<u32>>,
}

impl History {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a peer.
    pub(super) fn of(&self, peer: PeerNumber) -> Course {
        let kept = self.kept();
        let Some(backlogs) = kept.backlogs.get(&peer) else {
            return Course::new();
        };
        let times = kept.times.iter().rev();
        let mut course: Course = times.copied().zip(backlogs.iter().rev().copied()).collect();
        course.reverse();
        course
    }

    /// Somebody has seen a peer: if none was known so far, now there is one.
    pub(super) fn peers_seen(&self) {
        if self.kept().backlogs.is_empty() {
            self.seen.notify_one();
        }
    }

    /// Takes a sample of each peer. Those that are gone are forgotten.
    fn sample(&self, standings: &[PeerStanding], now: Millis) {
        let mut kept = self.kept();
        let Kept { times, backlogs } = &mut *kept;
        // A clock that was set back begins anew.
        if times.back().is_some_and(|last| *last > now) {
            times.clear();
            backlogs.clear();
        }
        let mut former = std::mem::take(backlogs);
        for one in standings.iter().take(PEERS_MAX) {
            let mut backlog = former.remove(&one.peer.number).unwrap_or_default();
            if backlog.len() == SAMPLES_MAX {
                backlog.pop_front();
            }
            backlog.push_back(u32::try_from(one.backlog).unwrap_or(u32::MAX));
            backlogs.insert(one.peer.number, backlog);
        }
        if backlogs.is_empty() {
            times.clear();
            return;
        }
        if times.len() == SAMPLES_MAX {
            times.pop_front();
        }
        times.push_back(now);
    }
}

/// Samples the peers until the server ends. The count is the one that `/metrics` shares; without peers there is hardly any.
pub(in crate::server) async fn watch(app: Arc<App>, mut ending: watch::Receiver<bool>) {
    let mut outage = Outage::new("the backlog of peers is not sampled");
    let Some(Console { history, .. }) = &app.console else {
        return;
    };
    loop {
        let counted = app.standings.ask(&*app.store).await;
        outage.note(counted.as_ref().err());
        let mut pause = STEP;
        if let Ok(standings) = counted {
            history.sample(&standings, app.clock.unix_millis());
            if standings.is_empty() {
                pause = IDLE_STEP;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = history.seen.notified() => {}
            () = listen::ended(&mut ending) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::federation::{PeerKind, PeerStatus};
    use crate::protocol::forward::TypeScopes;
    use crate::store::federation::{InboundToken, PeerRecord};

    fn standing(number: PeerNumber, backlog: u64) -> PeerStanding {
        let peer = PeerRecord {
            number,
            id: number.to_string(),
            team: "acme".parse().unwrap(),
            name: String::new(),
            instance_id: String::new(),
            status: PeerStatus::Active,
            hook_url: String::new(),
            scopes: TypeScopes::parse(Vec::new()).unwrap(),
            max_hops: 3,
            rate_limit_per_sec: 1,
            outbound_token: Vec::new(),
            inbound: InboundToken {
                index: [0; 32],
                hash: String::new(),
            },
            old_inbound: None,
            created_at: 0,
            updated_at: 0,
            identity_key: None,
            kind: PeerKind::Kite,
            discovery: false,
        };
        PeerStanding {
            peer,
            state: crate::store::federation::PeerState::default(),
            backlog,
            oldest_at: None,
            dead: 0,
        }
    }

    #[test]
    fn a_younger_peer_has_fewer_samples_and_one_that_is_gone_has_none() {
        let history = History::default();
        history.sample(&[standing(1, 5)], 1_000);
        history.sample(&[standing(1, 6), standing(2, 9)], 2_000);
        assert_eq!(history.of(1), [(1_000, 5), (2_000, 6)]);
        assert_eq!(history.of(2), [(2_000, 9)]);
        history.sample(&[standing(2, 8)], 3_000);
        assert_eq!(history.of(1), []);
        assert_eq!(history.of(2), [(2_000, 9), (3_000, 8)]);
        history.sample(&[], 4_000);
        assert!(history.of(2).is_empty() && history.kept().times.is_empty());
    }

    #[test]
    fn half_an_hour_is_kept_and_no_more() {
        let history = History::default();
        for at in 0..1_000 {
            history.sample(&[standing(1, at)], Millis::try_from(at).unwrap());
        }
        let course = history.of(1);
        assert_eq!(course.len(), 600);
        assert_eq!((course[0], course[599]), ((400, 400), (999, 999)));
        assert_eq!(history.kept().times.len(), 600);
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew() {
        let history = History::default();
        history.sample(&[standing(1, 1)], 9_000);
        history.sample(&[standing(1, 2)], 1_000);
        assert_eq!(history.of(1), [(1_000, 2)]);
    }
}
