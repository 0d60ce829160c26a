//! Claims peers that have something to do, and keeps a sender for each.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::line::Line;
use super::sender::Sender;
use super::settler::Job;
use super::works::Works;
use crate::base::outage::Outage;
use crate::log::Forwards;
use crate::store::federation::{ClaimId, PeerNumber};

/// How many peers a node works at a time: each costs some memory, and two looks a second.
const CLAIMS_MAX: usize = 512;

/// How often peers are looked for that nobody told of: their retries are due, or another node has gone.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often claims are renewed: three times may fail before one is lost.
const RENEW_INTERVAL: Duration = Duration::from_secs(5);

/// How many claims are asked back at each look while there are as many as there may be.
const BACK_MAX: usize = 64;

/// What runs the outbox.
pub(super) struct Outbox {
    works: Arc<Works>,
    forwards: Arc<Forwards>,
    poke: Arc<Notify>,
    jobs: mpsc::Sender<Job>,
    stop: watch::Receiver<bool>,
    senders: JoinSet<()>,
    claims: HashMap<Id, ClaimId>,
    /// Claims whose senders have ended. They are given back again and again until that is written down.
    ended: Vec<ClaimId>,
    /// Peers with news that could not be claimed: others have them, or they are left alone. Their news is ignored until
    /// the next look that goes by the clock.
    elsewhere: HashSet<PeerNumber>,
    looks: Outage,
    renewals: Outage,
}

enum Step {
    News(HashSet<PeerNumber>),
    Ended(Result<(Id, ()), JoinError>),
    Look,
    Renew,
    Stop,
}

impl Outbox {
    pub(super) fn new(
        works: Arc<Works>,
        forwards: Arc<Forwards>,
        poke: Arc<Notify>,
        jobs: mpsc::Sender<Job>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            works,
            forwards,
            poke,
            jobs,
            stop,
            senders: JoinSet::new(),
            claims: HashMap::new(),
            ended: Vec::new(),
            elsewhere: HashSet::new(),
            looks: Outage::new("the outbox cannot be read; peers get nothing new"),
            renewals: Outage::new("claims on peers are not renewed"),
        }
    }

    /// Runs until the server ends, and then until the last sender has ended.
    pub(super) async fn run(mut self) {
        let mut looks = interval(LOOK_INTERVAL);
        let mut renewals = interval(RENEW_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = tokio::select! {
                ended = next(&mut self.senders) => Step::Ended(ended),
                peers = self.forwards.taken() => Step::News(peers),
                _ = looks.tick() => Step::Look,
                () = self.poke.notified() => Step::Look,
                _ = renewals.tick() => Step::Renew,
                _ = self.stop.changed() => Step::Stop,
            };
            match step {
                Step::News(peers) => self.tell(peers).await,
                Step::Ended(ended) => self.end(ended).await,
                Step::Look => {
                    self.elsewhere.clear();
                    self.release().await;
                    self.claim().await;
                }
                Step::Renew => self.renew().await,
                Step::Stop => break,
            }
        }
        while let Some(ended) = self.senders.join_next_with_id().await {
            self.forget(ended);
        }
        self.release().await;
    }

    /// Passes on that there is something new for these peers.
    async fn tell(&mut self, peers: HashSet<PeerNumber>) {
        let mut unclaimed = Vec::new();
        for peer in peers {
            match self.works.lines.of(peer) {
                Some(line) => line.tell_news(),
                None if self.elsewhere.contains(&peer) => {}
                None => unclaimed.push(peer),
            }
        }
        if unclaimed.is_empty() {
            return;
        }
        self.claim().await;
        let is_elsewhere = |peer: &PeerNumber| self.works.lines.of(*peer).is_none();
        self.elsewhere
            .extend(unclaimed.into_iter().filter(is_elsewhere));
    }

    /// Claims what there is to claim, and starts its senders.
    async fn claim(&mut self) {
        let room = CLAIMS_MAX.saturating_sub(self.works.lines.count());
        let back = if room == 0 { BACK_MAX } else { 0 };
        self.works.wanted_back.store(back, Ordering::Relaxed);
        if room == 0 {
            return;
        }
        // The term counts from before.
        let asked_at = Instant::now();
        let now = self.works.clock.unix_millis();
        let claims = self.works.store.claim_peers(now, room).await;
        self.looks.note(claims.as_ref().err());
        for claim in claims.unwrap_or_default() {
            let line = Arc::new(Line::new(asked_at));
            self.works.lines.add(claim.peer, line.clone());
            let sender = Sender::new(
                self.works.clone(),
                line,
                claim,
                self.jobs.clone(),
                self.stop.clone(),
            );
            let id = self.senders.spawn(sender.run()).id();
            self.claims.insert(id, claim);
        }
    }

    /// Renews all claims, so that no other node takes these peers.
    async fn renew(&mut self) {
        let claims: Vec<ClaimId> = self.claims.values().copied().collect();
        if claims.is_empty() {
            return;
        }
        let asked_at = Instant::now();
        let lost = self.works.store.renew_claims(claims.clone()).await;
        self.renewals.note(lost.as_ref().err());
        // Those that could not be renewed stop by themselves before their term is over.
        let Ok(lost) = lost else { return };
        for claim in claims {
            let Some(line) = self.works.lines.of(claim.peer) else {
                continue;
            };
            match lost.contains(&claim) {
                true => line.tell_lost(),
                false => line.tell_renewed(asked_at),
            }
        }
    }

    /// Gives back what ended senders had, and claims again what got news meanwhile.
    async fn end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let mut has_news = self.forget(ended);
        while let Some(ended) = self.senders.try_join_next_with_id() {
            has_news |= self.forget(ended);
        }
        self.release().await;
        if has_news {
            self.claim().await;
        }
    }

    /// Takes note that a sender has ended. Says whether there was news that it did not take.
    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) -> bool {
        let id = match &ended {
            Ok((id, ())) => *id,
            // It panicked, which the runtime has reported.
            Err(error) => error.id(),
        };
        let Some(claim) = self.claims.remove(&id) else {
            return false;
        };
        self.ended.push(claim);
        let line = self.works.lines.of(claim.peer);
        self.works.lines.remove(claim.peer);
        line.is_some_and(|line| line.has_news())
    }

    async fn release(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let released = self.works.store.release_claims(self.ended.clone()).await;
        if released.is_ok() {
            self.ended.clear();
        }
    }
}

/// The next sender that ends; never, while there is none.
async fn next(senders: &mut JoinSet<()>) -> Result<(Id, ()), JoinError> {
    match senders.join_next_with_id().await {
        Some(ended) => ended,
        None => std::future::pending().await,
    }
}
