//! Publishing: each request is answered when its events are on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::calls::{self, Calls};
use super::http::{Post, Posted, Poster};
use super::letter::{Form, Stamp};
use super::listener::Arrivals;
use super::pace::{Pace, Turn};
use super::report::Outcome;
use super::run::Run;
use super::tally::Tallies;
use super::{BenchError, CONNECT_LIMIT, CONNECTING_MAX, Load, Target, webhook};

/// How long to wait before a broken connection is opened anew.
const REOPEN_PAUSE: Duration = Duration::from_millis(50);

/// How events go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// One message with each request.
    Http,
    /// One push of GitHub's with each request, signed.
    Webhook,
    /// Calls over a WebSocket.
    Rpc {
        /// Events in a call.
        batch: usize,
        /// Calls under way on a connection.
        in_flight: usize,
    },
}

/// Runs the load on a target.
pub async fn measure(target: &Target, load: &Load, via: Via) -> Result<Outcome, BenchError> {
    match via {
        Via::Http => over_http(target, target.publish_path(), load).await,
        Via::Webhook => match target {
            Target::Kite(server, team) => {
                let (form, post) = webhook::prepare(target, server, team, load.size).await?;
                run_over_http(form, &post, load).await
            }
            // It verifies nothing: a body is a body.
            Target::Bare(_) => over_http(target, target.publish_path(), load).await,
        },
        Via::Rpc { batch, in_flight } => {
            let calls = Calls::new(load.size, batch, in_flight)?;
            calls::measure(target, load, calls).await
        }
    }
}

/// Posts to one path of a target.
pub(super) async fn over_http(
    target: &Target,
    path: &'static str,
    load: &Load,
) -> Result<Outcome, BenchError> {
    let post = Post::to(target, path, load.size)?;
    run_over_http(Form::message(load.size)?, &post, load).await
}

async fn run_over_http(form: Form, post: &Post, load: &Load) -> Result<Outcome, BenchError> {
    let posters = open(post, load).await?;
    let running = Run::begin(load)?;
    let press = Arc::new(Press::new(running.0.clone(), load, 1, None));
    press.clone().run(form, posters).await;
    Outcome::of(press.tallies.sum(), load, &running.0)
}

/// The message, and connections to post it on.
pub(super) async fn prepare(
    target: &Target,
    path: &'static str,
    load: &Load,
) -> Result<(Form, Vec<Poster>), BenchError> {
    let post = Post::to(target, path, load.size)?;
    Ok((Form::message(load.size)?, open(&post, load).await?))
}

async fn open(post: &Post, load: &Load) -> Result<Vec<Poster>, BenchError> {
    super::files::check(load.publishers as u64 + 64)?;
    let opening = stream::iter(0..load.publishers)
        .map(|_| post.open())
        .buffer_unordered(CONNECTING_MAX)
        .try_collect();
    let opened = timeout(CONNECT_LIMIT, opening).await;
    opened.unwrap_or(Err(BenchError::Late("connecting all publishers")))
}

/// Publishers at work.
pub(super) struct Press {
    run: Arc<Run>,
    pub(super) tallies: Tallies,
    accepted: AtomicU64,
    next_to: AtomicUsize,
    listeners: usize,
    /// Whose messages are waited for before the next one.
    awaited: Option<Arc<Arrivals>>,
}

impl Press {
    /// Publishers that address so many listeners in turn. In a closed loop they wait for the arrivals of each message.
    pub(super) fn new(
        run: Arc<Run>,
        load: &Load,
        listeners: usize,
        arrivals: Option<Arc<Arrivals>>,
    ) -> Self {
        Self {
            run,
            tallies: Tallies::default(),
            accepted: AtomicU64::new(0),
            next_to: AtomicUsize::new(0),
            listeners,
            awaited: arrivals.filter(|_| load.pace == Pace::Closed),
        }
    }

    /// How many messages were accepted, those before the time that counts too.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Publishes until the load is over.
    pub(super) async fn run(self: Arc<Self>, form: Form, posters: Vec<Poster>) {
        let mut publishers = JoinSet::new();
        for (number, poster) in posters.into_iter().enumerate() {
            publishers.spawn(self.clone().publish(number, poster, form.clone()));
        }
        publishers.join_all().await;
    }

    async fn publish(self: Arc<Self>, publisher: usize, mut poster: Poster, mut form: Form) {
        while let Some(turn) = self.run.turn().await {
            let to = self.next_to.fetch_add(1, Ordering::Relaxed) % self.listeners;
            let due = turn.due;
            let stamp = Stamp { due, publisher };
            let began = self.run.now();
            let posted = poster.post(form.fill(to, stamp)).await;
            let is_broken = posted.is_err();
            self.count(publisher, turn, began, posted);
            if is_broken {
                sleep(REOPEN_PAUSE).await;
                // Where it cannot be opened, the next post fails and says so.
                let _ = poster.reopen().await;
            } else if let Some(arrivals) = &self.awaited {
                arrivals.landed(publisher).await;
            }
        }
    }

    fn count(&self, publisher: usize, turn: Turn, began: Duration, posted: Result<Posted, String>) {
        let now = self.run.now();
        if let Ok(Posted::Accepted) = posted {
            self.accepted.fetch_add(1, Ordering::Relaxed);
        }
        self.tallies.count(publisher, |tally| match posted {
            Ok(Posted::Accepted) if turn.counts => {
                tally.lateness.record(began.saturating_sub(turn.due));
                tally.done(1, now.saturating_sub(turn.due), now);
            }
            Ok(Posted::Accepted) => {}
            // A failure is one, whenever it is.
            Ok(Posted::Refused(why)) | Err(why) => tally.failed(why),
        });
    }
}
