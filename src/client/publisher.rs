//! Many events to one server: in batches, several of them under way, in the best way that the server knows.
//!
//! What was not answered is sent again when the server is back; the ids of the events make that harmless. What a server
//! finds wrong with one event holds up no other.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::carrier::{Carrier, Route, Settled};
use super::{ClientError, Server};
use crate::base::backoff::Backoff;
use crate::base::random;
use crate::protocol::api::PublishStatus;
use crate::protocol::error::ErrorCode;
use crate::protocol::frame::CLIENT_FRAME_MAX_BYTES;
use crate::protocol::id::TeamId;
use crate::protocol::rpc::Failure;

/// The largest event that is sent: a frame has room for it and for what is round it.
pub const EVENT_MAX_BYTES: usize = CLIENT_FRAME_MAX_BYTES - 1024;

/// How large a batch of several events may be. Servers take bodies of 256 KiB.
const BATCH_MAX_BYTES: usize = 200 * 1024;

/// How many batches may wait to be sent before no more lines are taken.
const WAITING_MAX: usize = 2;

/// How long a server that was there may be away.
const OUTAGE_LIMIT: Duration = Duration::from_secs(300);

/// How long what is under way may take once the end is wanted.
const LAST_ANSWERS_LIMIT: Duration = Duration::from_secs(5);

/// An event on its way: the text of a complete CloudEvent with an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Where it was read, from 1.
    pub line: u64,
    /// The text.
    pub text: String,
}

/// Something that was read: an event, or a line that is none.
#[derive(Debug)]
pub enum Line {
    /// An event.
    Event(Parcel),
    /// Why a line is none.
    Bad(u64, String),
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was stored.
    Accepted,
    /// It had been before.
    Duplicate,
    /// It never will be, for this reason.
    Refused(String),
}

/// What a publisher has to tell.
#[derive(Debug)]
pub enum News {
    /// A line was taken.
    Taken,
    /// What became of the event of a line.
    Settled(u64, Fate),
    /// Nothing is sent for so long.
    Waiting {
        /// Why.
        why: String,
        /// How long.
        wait: Duration,
    },
}

/// How a publisher ended.
#[derive(Debug)]
pub enum Ending {
    /// Everything was answered.
    All,
    /// The caller wanted it to end.
    Stopped,
    /// Nothing more can be sent.
    Failed(ClientError),
}

/// Brings events to a server.
pub struct Publisher<N> {
    carrier: Carrier,
    route: Route,
    /// Events that wait to be sent, by the line of the first.
    waiting: BTreeMap<u64, Vec<Parcel>>,
    /// How many events go into a request at present.
    max_events: usize,
    /// Whether this route has brought anything.
    is_proven: bool,
    /// Whether the server was ever there.
    has_met: bool,
    backoff: Backoff,
    pause_until: Option<Instant>,
    away_since: Option<Instant>,
    ending: Option<Ending>,
    news: N,
}

enum Input {
    Stop,
    Lines(Option<Vec<Line>>),
    Settled(Settled),
    Late,
    Resume,
}

impl<N: FnMut(News)> Publisher<N> {
    /// Prepares for a server; nothing is connected yet. Without a team there are no calls.
    pub fn new(server: &Server, team: Option<TeamId>, news: N) -> Result<Self, ClientError> {
        let carrier = Carrier::new(server, team)?;
        let route = carrier.first_route();
        Ok(Self {
            max_events: route.max_events(),
            route,
            carrier,
            waiting: BTreeMap::new(),
            is_proven: false,
            has_met: false,
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            pause_until: None,
            away_since: None,
            ending: None,
            news,
        })
    }

    /// Sends what comes until there is no more, or `stop` is done. What is under way then is still answered.
    pub async fn run(mut self, mut lines: Receiver<Vec<Line>>, stop: impl Future) -> Ending {
        let mut stop = pin!(stop);
        let mut has_more = true;
        let mut deadline = None;
        loop {
            if self.ending.is_none() && self.may_send() {
                tokio::select! {
                    biased;
                    _ = &mut stop => self.ending = Some(Ending::Stopped),
                    opened = self.carrier.open(self.route) => self.opened(opened),
                }
            }
            while self.ending.is_none() && self.may_send() && self.carrier.is_open(self.route) {
                self.send().await;
            }
            let is_ending = self.ending.is_some();
            if self.carrier.is_idle() && (is_ending || !has_more && self.waiting.is_empty()) {
                break;
            }
            if is_ending {
                deadline.get_or_insert_with(|| Instant::now() + LAST_ANSWERS_LIMIT);
            }
            let may_take = !is_ending && has_more && self.waiting.len() < WAITING_MAX;
            let input = tokio::select! {
                biased;
                _ = &mut stop, if !is_ending => Input::Stop,
                settled = self.carrier.settled() => Input::Settled(settled),
                lines = lines.recv(), if may_take => Input::Lines(lines),
                () = until(self.pause_until), if !is_ending => Input::Resume,
                () = until(deadline) => Input::Late,
            };
            match input {
                Input::Stop => self.ending = Some(Ending::Stopped),
                Input::Lines(Some(lines)) => lines.into_iter().for_each(|line| self.take(line)),
                Input::Lines(None) => has_more = false,
                Input::Settled(settled) => self.settle(settled),
                Input::Resume => self.pause_until = None,
                Input::Late => break,
            }
        }
        self.carrier.close().await;
        self.ending.unwrap_or(Ending::All)
    }

    fn take(&mut self, line: Line) {
        (self.news)(News::Taken);
        match line {
            Line::Bad(line, why) => (self.news)(News::Settled(line, Fate::Refused(why))),
            Line::Event(parcel) => self.enqueue(parcel),
        }
    }

    /// Puts an event into the last batch that waits, or begins another.
    fn enqueue(&mut self, parcel: Parcel) {
        let max_events = self.route.max_events();
        if let Some(mut last) = self.waiting.last_entry() {
            let batch = last.get_mut();
            let bytes: usize = batch.iter().map(|parcel| parcel.text.len() + 1).sum();
            if batch.len() < max_events && bytes + parcel.text.len() < BATCH_MAX_BYTES {
                return batch.push(parcel);
            }
        }
        self.waiting.insert(parcel.line, vec![parcel]);
    }

    fn may_send(&self) -> bool {
        self.pause_until.is_none() && self.carrier.has_room() && !self.waiting.is_empty()
    }

    fn opened(&mut self, opened: Result<(), ClientError>) {
        let Err(error) = opened else {
            self.has_met |= self.route == Route::Calls;
            return;
        };
        let remedy = match Fault::of(&error) {
            Fault::Final => Remedy::GiveUp,
            Fault::Rate(wait) => Remedy::Pause(wait),
            Fault::Away(wait) => Remedy::Away(wait),
            // No connection for calls: there is another way.
            _ => self.route.next().map_or(Remedy::GiveUp, Remedy::Route),
        };
        self.mend(remedy, error);
    }

    /// Sends the first batch that waits, or as much of it as goes into a request.
    async fn send(&mut self) {
        let Some((_, mut batch)) = self.waiting.pop_first() else {
            return;
        };
        if batch.len() > self.max_events {
            self.put_back(batch.split_off(self.max_events));
        }
        self.carrier.send(batch, self.route).await;
    }

    fn put_back(&mut self, batch: Vec<Parcel>) {
        if let Some(first) = batch.first() {
            self.waiting.insert(first.line, batch);
        }
    }

    fn settle(&mut self, settled: Settled) {
        let Settled {
            mut batch,
            route,
            result,
        } = settled;
        match result {
            Ok(statuses) => {
                self.is_proven |= route == self.route;
                self.answered(&batch, &statuses);
            }
            // Another request has found that out already.
            Err(_) if route != self.route => self.put_back(batch),
            Err(error) => {
                let remedy = remedy(&error, batch.len(), route, self.is_proven);
                if let Remedy::Refuse(place, why) = &remedy
                    && *place < batch.len()
                {
                    let line = batch.remove(*place).line;
                    (self.news)(News::Settled(line, Fate::Refused(why.clone())));
                }
                self.put_back(batch);
                self.mend(remedy, error);
            }
        }
    }

    fn answered(&mut self, batch: &[Parcel], statuses: &[PublishStatus]) {
        self.has_met = true;
        self.away_since = None;
        self.backoff.reset();
        self.max_events = (self.max_events * 2).min(self.route.max_events());
        for (parcel, status) in batch.iter().zip(statuses) {
            let fate = match status {
                PublishStatus::Accepted => Fate::Accepted,
                PublishStatus::DuplicateIgnored => Fate::Duplicate,
                PublishStatus::QuotaExhausted => {
                    self.fail(ClientError::quota_exhausted());
                    continue;
                }
            };
            (self.news)(News::Settled(parcel.line, fate));
        }
        if batch.len() != statuses.len() {
            self.fail(ClientError::Failed(Failure {
                error: "the server tells of other events than it was sent".to_owned(),
                code: None,
                retry_after_secs: None,
            }));
        }
    }

    fn mend(&mut self, remedy: Remedy, error: ClientError) {
        match remedy {
            Remedy::Refuse(..) => {}
            Remedy::Fewer(max) => self.max_events = self.max_events.min(max),
            Remedy::Pause(asked) => self.pause(asked, &error),
            Remedy::Away(asked) => {
                let since = *self.away_since.get_or_insert_with(Instant::now);
                match self.has_met && since.elapsed() < OUTAGE_LIMIT {
                    true => self.pause(asked, &error),
                    false => self.fail(error),
                }
            }
            Remedy::Route(route) => {
                tracing::debug!(%error, ?route, "another way");
                self.route = route;
                self.max_events = route.max_events();
                self.is_proven = false;
            }
            Remedy::GiveUp => self.fail(error),
        }
    }

    fn pause(&mut self, asked: Option<Duration>, error: &ClientError) {
        // Requests that failed together are one failure; behind the last one nothing is waited for.
        if self.pause_until.is_some() || self.ending.is_some() {
            return;
        }
        let own = self.backoff.next(random::unit());
        let wait = asked.unwrap_or(own).max(own.min(Duration::from_secs(1)));
        self.pause_until = Some(Instant::now() + wait);
        let why = error.to_string();
        (self.news)(News::Waiting { why, wait });
    }

    /// Nothing more is sent; the first reason counts.
    fn fail(&mut self, error: ClientError) {
        self.ending.get_or_insert(Ending::Failed(error));
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What to do about a request that failed.
#[derive(Debug, PartialEq, Eq)]
enum Remedy {
    /// Send it again without the event at this place, which is refused for this reason.
    Refuse(usize, String),
    /// Send it again in pieces of so many events.
    Fewer(usize),
    /// Send it again later.
    Pause(Option<Duration>),
    /// Send it again once the server is back.
    Away(Option<Duration>),
    /// Send it in another way.
    Route(Route),
    /// Send nothing any more.
    GiveUp,
}

/// Judges a failure of a request with so many events. `is_proven` says whether the server has taken others in this way.
fn remedy(error: &ClientError, events: usize, route: Route, is_proven: bool) -> Remedy {
    let fewer = || Remedy::Fewer(events / 2);
    match Fault::of(error) {
        Fault::Event(place, why) if place < events => Remedy::Refuse(place, why),
        // One that is alone is the one that is meant.
        Fault::Event(_, why) | Fault::Content(why) if events == 1 => Remedy::Refuse(0, why),
        Fault::Content(_) if route == Route::Batches && !is_proven => Remedy::Route(Route::Singles),
        Fault::Event(..) | Fault::Content(_) | Fault::Size(_) if events > 1 => fewer(),
        Fault::Size(why) => Remedy::Refuse(0, why),
        Fault::Rate(_) if events > 1 => fewer(),
        Fault::Rate(wait) => Remedy::Pause(wait),
        Fault::Away(wait) => Remedy::Away(wait),
        Fault::Unserved => route.next().map_or(Remedy::GiveUp, Remedy::Route),
        Fault::Event(..) | Fault::Content(_) | Fault::Final => Remedy::GiveUp,
    }
}

/// What a failure is about.
enum Fault {
    /// The event at this place.
    Event(usize, String),
    /// Something in the events.
    Content(String),
    /// All of it together.
    Size(String),
    /// How much came within a window.
    Rate(Option<Duration>),
    /// The server is not there, or busy.
    Away(Option<Duration>),
    /// The way is not known there.
    Unserved,
    /// The key, the quota, or what else concerns every event.
    Final,
}

impl Fault {
    fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => match (refusal.status, event_in(&refusal.text)) {
                (400 | 403 | 413 | 422, Some((place, why))) => Self::Event(place, why),
                (400 | 422, None) => Self::Content(refusal.text.clone()),
                (413, None) => Self::Size(refusal.text.clone()),
                (429, _) => Self::Rate(refusal.retry_after),
                (500 | 502..=504, _) => Self::Away(refusal.retry_after),
                (404 | 405 | 415 | 501, _) => Self::Unserved,
                _ => Self::Final,
            },
            ClientError::Failed(failure) => Self::of_failure(failure),
            ClientError::Lost { .. } | ClientError::Unreachable { .. } => Self::Away(None),
            // A connection that is no WebSocket, or none for calls.
            ClientError::Unreadable { .. } | ClientError::Rejected(_) => Self::Unserved,
            ClientError::Denied(_) | ClientError::Address(_) | ClientError::Tls(_) => Self::Final,
        }
    }

    fn of_failure(failure: &Failure) -> Self {
        let wait = failure.retry_after_secs.map(Duration::from_secs);
        let text = || failure.error.clone();
        match (failure.code, event_in(&failure.error)) {
            (Some(ErrorCode::BadParams | ErrorCode::Forbidden), Some((place, why))) => {
                Self::Event(place, why)
            }
            (Some(ErrorCode::BadParams | ErrorCode::BadRequest), None) => Self::Content(text()),
            (Some(ErrorCode::TooLarge), _) => Self::Size(text()),
            (Some(ErrorCode::RateLimited), _) => Self::Rate(wait),
            (Some(ErrorCode::Unavailable | ErrorCode::Internal), _) => Self::Away(wait),
            (Some(ErrorCode::UnknownMethod | ErrorCode::NotSupported), _) => Self::Unserved,
            _ => Self::Final,
        }
    }
}

/// The event that a refusal speaks of, as kite words it: its place from 0, and what is wrong with it.
fn event_in(text: &str) -> Option<(usize, String)> {
    let (number, why) = text.strip_prefix("event ")?.split_once(": ")?;
    let place = number.parse::<usize>().ok()?.checked_sub(1)?;
    let why = why.strip_suffix("; nothing was stored").unwrap_or(why);
    Some((place, why.to_owned()))
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
