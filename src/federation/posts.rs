//! The posts of one peer that are under way.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::delivery::{Attempted, Request, Target, Unposted};
use super::line::Line;
use super::openintent::{learnt, shown_key};
use super::works::{Busy, Works};
use crate::protocol::id::{Seq, TeamId};
use crate::store::federation::Due;
use crate::store::record::Millis;

/// A row that is being posted, as far as its end needs it.
#[derive(Debug)]
pub(super) struct Post {
    /// [`Due::seq`].
    pub(super) seq: Seq,
    /// [`Due::due_at`].
    pub(super) due_at: Millis,
    /// [`Due::attempts`].
    pub(super) attempts: u32,
    /// [`Due::created_at`].
    pub(super) created_at: Millis,
    /// Whether it was never tried before.
    pub(super) is_fresh: bool,
    /// Whether it asks if the peer is back.
    pub(super) is_probe: bool,
    bytes: usize,
}

/// How a post ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was made.
    Made(Attempt),
    /// The peer was changed, or the claim ran out, before it was made.
    NotMade(Due),
}

/// What one attempt came to.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) attempted: Attempted,
    pub(super) status_code: Option<u16>,
    pub(super) latency_ms: u64,
}

/// A peer as its next post takes it.
#[derive(Clone)]
pub(super) struct Known {
    /// Whose peer it is.
    pub(super) team: TeamId,
    /// Where to post, or why that is not known.
    pub(super) target: Arc<Result<Target, String>>,
    /// [`Line::changes`] before it was read: it is out of date as soon as that has another value.
    pub(super) changes: u64,
}

/// The posts under way.
#[derive(Default)]
pub(super) struct Posts {
    tasks: JoinSet<Ended>,
    posts: HashMap<Id, Post>,
    bytes: usize,
    busy: Option<Busy>,
}

impl Posts {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.posts.len()
    }

    /// How many are of rows that were never tried before.
    pub(super) fn fresh(&self) -> usize {
        self.posts.values().filter(|post| post.is_fresh).count()
    }

    /// How much text they hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts one.
    pub(super) fn start(
        &mut self,
        works: &Arc<Works>,
        line: &Arc<Line>,
        known: &Known,
        row: Due,
        is_probe: bool,
    ) {
        let post = Post {
            is_fresh: row.due_at == 0,
            is_probe,
            bytes: row.text.as_ref().map_or(0, String::len),
            seq: row.seq,
            due_at: row.due_at,
            attempts: row.attempts,
            created_at: row.created_at,
        };
        self.busy.get_or_insert_with(|| Busy::new(&works.busy));
        self.bytes += post.bytes;
        let attempt = attempt(works.clone(), line.clone(), known.clone(), row);
        let id = self.tasks.spawn(attempt).id();
        self.posts.insert(id, post);
    }

    /// The next that ends; never, while there is none.
    pub(super) async fn next(&mut self) -> (Post, Ended) {
        loop {
            let (id, ended) = match self.tasks.join_next_with_id().await {
                Some(Ok(ended)) => ended,
                Some(Err(error)) => (error.id(), Ended::Made(fault())),
                None => std::future::pending().await,
            };
            if let Some(post) = self.posts.remove(&id) {
                self.bytes -= post.bytes;
                self.busy = self.busy.take().filter(|_| !self.posts.is_empty());
                return (post, ended);
            }
        }
    }

    /// Breaks all of them off. What they post may arrive, and is posted again.
    pub(super) async fn abort(&mut self) {
        self.tasks.shutdown().await;
        *self = Self::default();
    }
}

/// A row whose post made this program panic: it would do so again.
fn fault() -> Attempt {
    Attempt {
        attempted: Attempted::EventRefused(
            "posting it failed for a fault of kite's own".to_owned(),
        ),
        status_code: None,
        latency_ms: 0,
    }
}

async fn attempt(works: Arc<Works>, line: Arc<Line>, known: Known, row: Due) -> Ended {
    let not_posted = |attempted| {
        Ended::Made(Attempt {
            attempted,
            status_code: None,
            latency_ms: 0,
        })
    };
    let target = match &*known.target {
        Ok(target) => target,
        Err(why) => return not_posted(Attempted::failed(why.clone())),
    };
    let refused = |why: &str| not_posted(Attempted::EventRefused(why.to_owned()));
    let Some(text) = &row.text else {
        return refused("its text is gone from the database");
    };
    let request = match target.request(text, &works.instance_id).await {
        Ok(request) => request,
        Err(Unposted::Ever(why)) => {
            return refused(&format!("its stored text cannot be sent: {why}"));
        }
        Err(Unposted::Now(why)) => return not_posted(Attempted::failed(why)),
    };
    let began = Instant::now();
    // The last moment: after a revocation nothing more leaves.
    if line.changes() != known.changes || !line.is_held(began) {
        return Ended::NotMade(row);
    }
    drop(row);
    let Request {
        url,
        headers,
        body,
        message,
        errand,
    } = request;
    let dial = target.dial(&works);
    let answer = dial.post(&url, &headers, body, target.limits()).await;
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut attempted = target.judge(answer.as_ref(), &headers);
    if let (Attempted::AgentMissing(reason), Some(message)) = (&mut attempted, message) {
        // Before the row is settled: what a crash repeats is the same event again.
        if let Err(why) = works
            .tell_undeliverable(&known.team, &message, reason)
            .await
        {
            reason.push_str(&format!("; the team's log does not say so: {why}"));
        }
    }
    if let (Attempted::Delivered, Some(errand), Ok(answer)) = (&attempted, errand, &answer) {
        let note = learnt(&answer.body, shown_key(&headers));
        works.note_answer(&known.team, errand, note).await;
    }
    Ended::Made(Attempt {
        attempted,
        status_code: answer.ok().map(|answer| answer.status),
        latency_ms,
    })
}
