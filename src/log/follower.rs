//! Publishes what other nodes have committed: it is read from the log once for all who listen here.
//!
//! Others' commits are heard of by news, and found by looking when the news is lost. Between two of this node's own
//! commits there may be one of another node; then those that come later wait here too, so that everybody gets one order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::Notice;
use super::hub::Hub;
use crate::base::outage::Outage;
use crate::protocol::id::{Seq, TeamId};
use crate::store::record::News;
use crate::store::{Store, StoreError};

/// How often the log is looked at for what no news came of.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long reading waits after a failure.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Who reads what was committed elsewhere.
pub(super) struct Follower {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    wanted: Mutex<Wanted>,
    wake: Notify,
}

/// Up to where logs have to be published.
#[derive(Default)]
struct Wanted {
    through: HashMap<TeamId, Seq>,
    /// The same teams, in the order of their turns.
    turns: VecDeque<TeamId>,
}

impl Follower {
    pub(super) fn new(store: Arc<dyn Store>, hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            store,
            hub,
            wanted: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// A team's log goes up to here.
    pub(super) fn want(&self, team: &TeamId, through: Seq) {
        if self.hub.gap(team, through).is_none() {
            return;
        }
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        match wanted.through.get_mut(team) {
            Some(known) => *known = through.max(*known),
            None => {
                wanted.through.insert(team.clone(), through);
                wanted.turns.push_back(team.clone());
            }
        }
        drop(wanted);
        self.wake.notify_one();
    }

    /// The team whose turn it is, and what is wanted of it.
    fn next(&self) -> Option<(TeamId, Seq)> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let team = wanted.turns.pop_front()?;
        wanted.through.remove_entry(&team)
    }

    /// Reads and publishes what is wanted.
    pub(super) async fn run(self: Arc<Self>) {
        let mut outage = Outage::new("what other nodes have stored is not read");
        loop {
            let Some((team, through)) = self.next() else {
                self.wake.notified().await;
                continue;
            };
            let read = self.publish(&team, through).await;
            outage.note(read.as_ref().err());
            if read.is_err() {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            // What is left, or came meanwhile.
            self.want(&team, read.unwrap_or(through));
        }
    }

    /// Publishes a page of what lies between the hub's head and a number. Answers up to where the log goes of that.
    async fn publish(&self, team: &TeamId, through: Seq) -> Result<Seq, StoreError> {
        let Some(after) = self.hub.gap(team, through) else {
            return Ok(through);
        };
        let events = self.store.follow(team.clone(), after, through).await?;
        let Some((first, _)) = events.first() else {
            // Retention was faster, or the news was wrong: what is not stored yet must not count as published.
            let last = self.store.bounds(team.clone()).await?.last.min(through);
            if last > after {
                self.hub.skip(team, last);
            }
            return Ok(last);
        };
        if *first > after + 1 {
            // Retention was faster.
            self.hub.skip(team, first - 1);
        }
        for (seq, event) in &events {
            self.hub.publish(event, *seq);
        }
        Ok(through)
    }

    /// Looks again and again how long the logs are that somebody listens to.
    pub(super) async fn look(self: Arc<Self>) {
        let mut outage = Outage::new("the logs are not looked at");
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let teams = self.hub.listened();
            if teams.is_empty() {
                continue;
            }
            let heads = self.store.heads(teams).await;
            outage.note(heads.as_ref().err());
            for (team, head) in heads.unwrap_or_default() {
                self.want(&team, head);
            }
        }
    }

    /// Takes the news.
    pub(super) async fn heed(
        self: Arc<Self>,
        mut news: mpsc::Receiver<News>,
        notices: mpsc::Sender<Notice>,
    ) {
        while let Some(news) = news.recv().await {
            let notice = match news {
                News::Appended(team, seq) => {
                    self.want(&team, seq);
                    continue;
                }
                News::Opened(hold) => Notice::TakenOver(hold),
                News::Missed => Notice::TakeoversMissed,
            };
            if notices.send(notice).await.is_err() {
                return;
            }
        }
    }
}
