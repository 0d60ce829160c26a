//! Sends one claimed peer what is due: reads it in pages, posts it in order, and leaves the outcomes to the settler.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::circuit::{Circuit, Gate};
use super::delivery::{self, Attempted, Target};
use super::line::Line;
use super::pace::{Bucket, Window};
use super::posts::{Attempt, Ended, Known, Post, Posts};
use super::rows::Rows;
use super::settler::{Ack, Job};
use super::waits;
use super::works::Works;
use crate::base::random;
use crate::protocol::federation::PeerStatus;
use crate::store::StoreError;
use crate::store::federation::{ClaimId, PeerRecord, PeerState, Settled, Settlement, Work};
use crate::store::record::Millis;

/// How often the store is looked at at least: another node may have stored something, or changed the peer.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How long a claim is kept with nothing to do: claiming it again costs a transaction.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// How long a busy claim is kept when other peers have none.
const TURN: Duration = Duration::from_secs(10);

/// How many rows are under way or not yet written down, at most: what a crash delivers twice.
const UNSETTLED_MAX: usize = 512;

/// How many retries are under way to a peer at a time: a lane of their own, so that they hold up no first attempt.
const RETRIES_MAX: usize = 8;

/// How long the last posts may take when the server ends.
const LAST_POSTS_LIMIT: Duration = Duration::from_secs(5);

/// How long the last outcomes may take to be written down.
const LAST_SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// A look at the store that is under way.
struct Look {
    work: Pin<Box<dyn Future<Output = Result<Option<Work>, StoreError>> + Send>>,
    /// [`Line::changes`] when it began.
    changes: u64,
    /// How many attempts had ended when it began, if all of them were written down.
    settled: Option<u64>,
}

/// What happens next.
enum Step {
    Ended(Post, Ended),
    Settled(Ack),
    Looked(Box<Result<Option<Work>, StoreError>>),
    Woken,
}

/// The sender of one peer.
pub(super) struct Sender {
    works: Arc<Works>,
    line: Arc<Line>,
    claim: ClaimId,
    jobs: mpsc::Sender<Job>,
    ack: mpsc::Sender<Ack>,
    acks: mpsc::Receiver<Ack>,
    stop: watch::Receiver<bool>,
    rows: Rows,
    posts: Posts,
    peer: Option<(PeerRecord, Known)>,
    state: PeerState,
    circuit: Circuit,
    bucket: Bucket,
    window: Window,
    look: Option<Look>,
    look_due_at: Instant,
    look_not_before: Instant,
    has_news: bool,
    ended: u64,
    began_at: Instant,
    idle_since: Instant,
    token_at: Option<Instant>,
    is_over: bool,
}

impl Sender {
    pub(super) fn new(
        works: Arc<Works>,
        line: Arc<Line>,
        claim: ClaimId,
        jobs: mpsc::Sender<Job>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let now = Instant::now();
        let (ack, acks) = mpsc::channel(UNSETTLED_MAX);
        Self {
            works,
            line,
            claim,
            jobs,
            ack,
            acks,
            stop,
            rows: Rows::default(),
            posts: Posts::default(),
            peer: None,
            state: PeerState::default(),
            circuit: Circuit::default(),
            bucket: Bucket::new(1, now),
            window: Window::default(),
            look: None,
            look_due_at: now,
            look_not_before: now,
            has_news: true,
            ended: 0,
            began_at: now,
            idle_since: now,
            token_at: None,
            is_over: false,
        }
    }

    /// Sends until there is nothing more to do, the claim is lost or wanted back, or the server ends. What was posted by
    /// then is written down.
    pub(super) async fn run(mut self) {
        loop {
            self.heed();
            self.start_look();
            self.start_posts();
            if self.is_done() {
                break;
            }
            match self.step().await {
                Step::Ended(post, ended) => self.settle(post, ended).await,
                Step::Settled(ack) => self.settled(ack),
                Step::Looked(work) => self.looked(*work),
                Step::Woken => {}
            }
        }
        self.wind_up().await;
    }

    async fn step(&mut self) -> Step {
        let wake_at = self.wake_at();
        let look = async {
            match &mut self.look {
                Some(look) => (&mut look.work).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            (post, ended) = self.posts.next() => Step::Ended(post, ended),
            Some(ack) = self.acks.recv() => Step::Settled(ack),
            work = look => Step::Looked(Box::new(work)),
            () = self.line.told() => Step::Woken,
            () = sleep_until(wake_at) => Step::Woken,
            // The other end of it is the supervisor, which outlives this.
            _ = self.stop.changed() => Step::Woken,
        }
    }

    /// Takes in what was told meanwhile.
    fn heed(&mut self) {
        self.has_news |= self.line.take_news();
        if self.line.take_heard() {
            self.circuit.woken();
            self.look_due_at = Instant::now();
        }
        self.line.set_open(self.circuit.is_open());
        self.is_over |= *self.stop.borrow() || self.line.is_lost();
    }

    /// When there is something to do though nobody says so.
    fn wake_at(&self) -> Instant {
        let now = self.works.clock.unix_millis();
        let gate = match self.circuit.gate(now) {
            Gate::Until(at) => {
                let wait = Duration::from_millis(u64::try_from(at - now).unwrap_or(0));
                Some(Instant::now() + wait)
            }
            Gate::Free | Gate::Probe => None,
        };
        let look = self.look.is_none().then_some(self.look_due_at);
        let far = Instant::now() + LOOK_INTERVAL;
        let times = [gate, look, self.token_at, Some(far)];
        times.into_iter().flatten().min().unwrap_or(far)
    }

    fn start_look(&mut self) {
        let changes = self.line.changes();
        let is_current = |(_, known): &(PeerRecord, Known)| known.changes == changes;
        let is_empty = self.rows.oldest_fresh().is_none();
        let is_wanted = !self.peer.as_ref().is_some_and(is_current)
            || self.rows.is_hungry()
            || (is_empty && self.has_news)
            || Instant::now() >= self.look_due_at;
        let is_early = Instant::now() < self.look_not_before;
        if self.look.is_some() || self.is_over || !is_wanted || is_early {
            return;
        }
        self.has_news = false;
        let query = self.rows.query(self.claim, self.works.clock.unix_millis());
        let store = self.works.store.clone();
        self.look = Some(Look {
            work: Box::pin(async move { store.due(query).await }),
            changes,
            settled: (self.rows.taken() == 0).then_some(self.ended),
        });
    }

    fn looked(&mut self, work: Result<Option<Work>, StoreError>) {
        let Some(look) = self.look.take() else { return };
        self.look_due_at = Instant::now() + LOOK_INTERVAL;
        let work = match work {
            Ok(Some(work)) => work,
            // Somebody else has the claim, or the peer is no more.
            Ok(None) => {
                self.is_over = true;
                return;
            }
            // The supervisor says that the store is away. What was told is asked again when it is back.
            Err(_) => {
                self.look_not_before = self.look_due_at;
                return;
            }
        };
        if work.peer.status != PeerStatus::Active {
            self.is_over = true;
            return;
        }
        if self.peer.is_none() {
            self.circuit = Circuit::of(&work.state);
            self.state = work.state.clone();
        } else if look.settled == Some(self.ended) && work.state.failures == 0 {
            // Nothing of ours came in between: another node has heard from it.
            if self.circuit.is_open() {
                self.circuit.woken();
            }
        }
        self.take_over(&work.peer, look.changes);
        self.rows.refill(work, self.works.bytes_share());
        if self.rows.is_caught_up() {
            self.window.caught_up();
        }
    }

    /// Takes over the peer as it is now.
    fn take_over(&mut self, peer: &PeerRecord, changes: u64) {
        match &mut self.peer {
            Some((record, known)) if record == peer => known.changes = changes,
            _ => {
                self.bucket.set_rate(peer.rate_limit_per_sec);
                let known = Known {
                    team: peer.team.clone(),
                    target: Arc::new(Target::of(peer, &self.works)),
                    changes,
                };
                self.peer = Some((peer.clone(), known));
            }
        }
    }

    /// Starts as many posts as may be under way now.
    fn start_posts(&mut self) {
        self.token_at = None;
        let Some((_, known)) = &self.peer else { return };
        let share = self.works.posts_share();
        while !self.is_over
            && known.changes == self.line.changes()
            && self.line.is_held(Instant::now())
            && self.rows.taken() < UNSETTLED_MAX
        {
            let gate = self.circuit.gate(self.works.clock.unix_millis());
            let (fresh, retries) = match gate {
                Gate::Until(_) => return,
                Gate::Probe => (self.rows.taken() == 0, self.rows.taken() == 0),
                Gate::Free => {
                    let fresh = self.posts.fresh();
                    let retries = self.posts.count() - fresh;
                    let window = self.window.size().min(share);
                    (fresh < window, retries < RETRIES_MAX.min(share))
                }
            };
            let Some((bytes, _)) = self.rows.next(fresh, retries) else {
                return;
            };
            let has_room = self.posts.bytes() + bytes <= self.works.bytes_share();
            if self.posts.count() > 0 && !has_room {
                return;
            }
            if let Err(at) = self.bucket.take(Instant::now()) {
                self.token_at = Some(at);
                return;
            }
            let Some(row) = self.rows.take(fresh, retries) else {
                return;
            };
            let is_probe = gate == Gate::Probe;
            self.posts
                .start(&self.works, &self.line, known, row, is_probe);
        }
    }

    /// Hands the end of a post on.
    async fn settle(&mut self, post: Post, ended: Ended) {
        let attempt = match ended {
            Ended::Made(attempt) => attempt,
            Ended::NotMade(row) => return self.rows.put_back(row),
        };
        self.ended += 1;
        let settlement = self.conclude(&post, attempt);
        let job = Job {
            settlement,
            ack: self.ack.clone(),
        };
        if self.jobs.send(job).await.is_err() {
            self.is_over = true;
        }
    }

    /// What an attempt means for its row and for its peer.
    fn conclude(&mut self, post: &Post, attempt: Attempt) -> Settlement {
        let now = self.works.clock.unix_millis();
        let attempt_number = post.attempts.saturating_add(1);
        let mut wakes = false;
        let settled = match &attempt.attempted {
            Attempted::Delivered => {
                wakes = self.circuit.succeeded(now);
                self.window.succeeded(self.lag(now));
                self.state.last_success_at = Some(now);
                Settled::Delivered
            }
            Attempted::EventRefused(_) | Attempted::AgentMissing(_) => {
                // Judged by the peer, if it was posted at all.
                if attempt.status_code.is_some() {
                    wakes = self.circuit.succeeded(now);
                }
                Settled::Dead
            }
            Attempted::PeerFailed { asked, .. } => {
                self.circuit
                    .failed(now, random::unit(), *asked, post.is_probe);
                self.window.failed();
                self.wait(post, attempt_number, *asked, now)
            }
        };
        let error = attempt.attempted.error().map(str::to_owned);
        if matches!(attempt.attempted, Attempted::PeerFailed { .. }) {
            self.state.last_error.clone_from(&error);
        }
        self.state.failures = self.circuit.failures();
        self.state.retry_at = self.circuit.retry_at();
        self.state.latency_ms = Some(attempt.latency_ms);
        Settlement {
            claim: self.claim,
            seq: post.seq,
            due_at: post.due_at,
            settled,
            attempt: attempt_number,
            status_code: attempt.status_code,
            error,
            latency_ms: attempt.latency_ms,
            at: now,
            state: self.state.clone(),
            wakes,
        }
    }

    /// When a row is tried again, unless it is too old for that.
    fn wait(&self, post: &Post, attempt: u32, asked: Option<Duration>, now: Millis) -> Settled {
        let wait = waits::of_row(attempt, random::unit(), asked);
        let age = Duration::from_millis(u64::try_from(now - post.created_at).unwrap_or(0));
        let target = self.peer.as_ref().map(|(_, known)| &*known.target);
        let max_age = match target {
            Some(Ok(target)) => target.max_age(&self.works),
            _ => self.works.max_age,
        };
        match age >= max_age {
            true => Settled::Dead,
            // 0 and 1 mean something else.
            false => Settled::Waits((now + i64::try_from(wait.as_millis()).unwrap_or(0)).max(2)),
        }
    }

    /// For how long the next first attempt waits already.
    fn lag(&self, now: Millis) -> Duration {
        let since = self.rows.oldest_fresh().unwrap_or(now);
        Duration::from_millis(u64::try_from(now - since).unwrap_or(0))
    }

    fn settled(&mut self, ack: Ack) {
        self.rows.settled(ack.seq);
        // The rows are where they were: whoever claims the peer next finds them.
        self.is_over |= !ack.stands;
    }

    /// Whether the claim is of no more use, or not to be kept.
    fn is_done(&mut self) -> bool {
        if self.is_over {
            return true;
        }
        let now = Instant::now();
        let is_idle = self.look.is_none() && !self.has_news && self.rows.is_idle();
        if !is_idle {
            self.idle_since = now;
        }
        let is_turn_over = is_idle || now.duration_since(self.began_at) > TURN;
        let is_resting = self.rows.taken() == 0 && self.is_resting();
        now.duration_since(self.idle_since) >= IDLE_MAX
            || is_resting
            || (is_turn_over && self.works.is_wanted_back())
    }

    /// Whether the peer is left alone for longer than a claim is kept.
    fn is_resting(&self) -> bool {
        let now = self.works.clock.unix_millis();
        let longest = i64::try_from(IDLE_MAX.as_millis()).unwrap_or(0);
        matches!(self.circuit.gate(now), Gate::Until(at) if at - now > longest)
    }

    /// Lets what is under way end, and waits until it is written down.
    async fn wind_up(mut self) {
        if self.line.is_lost() {
            // Somebody else posts it now.
            return self.posts.abort().await;
        }
        let is_stopped = *self.stop.borrow();
        let ending = async {
            while self.posts.count() > 0 {
                let (post, ended) = self.posts.next().await;
                self.settle(post, ended).await;
            }
        };
        // Where the server goes on, a post has its own limit.
        let limit = match is_stopped {
            true => LAST_POSTS_LIMIT,
            false => 2 * delivery::LIMITS.whole,
        };
        if timeout(limit, ending).await.is_err() {
            self.posts.abort().await;
        }
        drop(self.ack);
        let settling = async { while self.acks.recv().await.is_some() {} };
        if timeout(LAST_SETTLE_LIMIT, settling).await.is_err() {
            tracing::debug!("the outcome of the last posts to a peer was not written down in time");
        }
    }
}
