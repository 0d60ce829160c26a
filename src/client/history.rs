//! The log as a listing: page by page, in order, up to where it ended when the reading began.
//!
//! Whoever lets a session stand first, reads this, has the session skip to [`History::position`] and then listens, sees
//! every event once.

use super::api::EventsQuery;
use super::rpc::Caller;
use super::{Api, ClientError, Server};
use crate::protocol::api::{EventsPage, ListedEvent};
use crate::protocol::event::Event;
use crate::protocol::id::{Seq, TeamId};
use crate::protocol::rpc::EventsRecent;
use crate::protocol::scope::Scope;

/// How many events one call asks for. The server allows 1000; a page is held in memory.
const PAGE_EVENTS: u64 = 200;

/// The most events that one call gives (spec 6).
pub const CALL_EVENTS_MAX: u64 = 1000;

/// Where a reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event that is stored.
    Oldest,
    /// With this one.
    Seq(Seq),
    /// With the first that was stored at this time or later, RFC 3339.
    Time(String),
    /// With the last so many, [`CALL_EVENTS_MAX`] at most.
    Newest(u64),
}

/// A reading of the log.
pub struct History {
    query: EventsQuery,
    /// The first event that a cursor still owes.
    owed: Option<Seq>,
    end: Option<Seq>,
    is_done: bool,
}

impl History {
    /// Begins a reading; nothing is called yet.
    pub fn new(start: Start, scopes: Vec<Scope>) -> Self {
        let (limit, after_seq, since) = match start {
            Start::Oldest => (PAGE_EVENTS, Some(0), None),
            Start::Seq(seq) => (PAGE_EVENTS, Some(seq.saturating_sub(1)), None),
            Start::Time(time) => (PAGE_EVENTS, None, Some(time)),
            Start::Newest(count) => (count.min(CALL_EVENTS_MAX), None, None),
        };
        Self {
            query: EventsQuery {
                limit: Some(limit),
                after_seq,
                scopes,
                since,
            },
            owed: None,
            end: None,
            is_done: false,
        }
    }

    /// Begins no later than with this event, whatever else was asked for: a cursor that goes on behind the reading would
    /// pass over it. The newest alone stay the newest alone.
    pub fn reach_back_to(&mut self, seq: Seq) {
        self.owed = Some(seq);
        let after_seq = self.query.after_seq;
        self.query.after_seq = after_seq.map(|after| after.min(seq.saturating_sub(1)));
    }

    /// The next events in ascending order; `None` after the last. A page may be empty.
    pub async fn next_page(&mut self, api: &Api) -> Result<Option<Vec<ListedEvent>>, ClientError> {
        if self.is_done {
            return Ok(None);
        }
        match self.query.after_seq.is_some() || self.query.since.is_some() {
            true => self.ascend(api).await.map(Some),
            false => self.newest(api).await.map(Some),
        }
    }

    async fn ascend(&mut self, api: &Api) -> Result<Vec<ListedEvent>, ClientError> {
        let mut page = api.events(&self.query).await?;
        // The time said where to begin; a server takes only one of the two.
        let is_since = self.query.since.take().is_some();
        if let Some(owed) = self
            .owed
            .filter(|owed| is_since && *owed < beginning(&page))
        {
            self.query.after_seq = Some(owed.saturating_sub(1));
            page = api.events(&self.query).await?;
        }
        // What is stored while this reads belongs to whoever listens.
        let end = *self.end.get_or_insert(page.last_seq);
        let last_listed = page.events.last().map(|event| event.seq);
        let position = page.next_after_seq.or(last_listed).unwrap_or(end);
        let is_stuck = Some(position) <= self.query.after_seq;
        self.is_done = position >= end || is_stuck;
        self.query.after_seq = Some(position);
        let events = page.events.into_iter();
        Ok(events.filter(|event| event.seq <= end).collect())
    }

    async fn newest(&mut self, api: &Api) -> Result<Vec<ListedEvent>, ClientError> {
        let listed = match api.events(&self.query).await {
            Ok(page) => Ok(page.events),
            Err(ClientError::Refused(refusal)) if refusal.is_unserved() => match api.team() {
                Some(team) => self.recent(api.server(), team).await,
                None => Err(refusal.into()),
            },
            Err(error) => Err(error),
        };
        let mut events = listed?;
        self.is_done = true;
        // Not the end of the log: what was stored between its reading and that of the events would fall out.
        self.end = events.first().map(|event| event.seq);
        events.reverse();
        Ok(events)
    }

    /// The newest events from a server that lists them over the WebSocket alone: of every kind, so they are chosen here.
    async fn recent(
        &self,
        server: &Server,
        team: &TeamId,
    ) -> Result<Vec<ListedEvent>, ClientError> {
        let wanted = self.query.limit.unwrap_or(CALL_EVENTS_MAX);
        let limit = match self.query.scopes.is_empty() {
            true => wanted,
            false => CALL_EVENTS_MAX,
        };
        let mut caller = Caller::open(server, team).await?;
        let limit = Some(limit);
        let answer = caller.recent_events(&EventsRecent { limit }).await?;
        caller.close().await;
        let mut events = answer.value.events;
        events.retain(|listed| self.is_wanted(listed));
        events.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
        Ok(events)
    }

    /// Whether the scopes match, as the server judges. What cannot be read cannot be judged.
    fn is_wanted(&self, listed: &ListedEvent) -> bool {
        let scopes = &self.query.scopes;
        match Event::parse(listed.event.get()) {
            Ok(event) => {
                let header = event.header();
                scopes.is_empty() || scopes.iter().any(|scope| scope.matches(&header))
            }
            Err(_) => true,
        }
    }

    /// Up to here the log was read.
    pub fn position(&self) -> Seq {
        self.end.unwrap_or(0)
    }
}

/// Where a first page begins, as far as it tells: an empty one behind what it has looked through.
fn beginning(page: &EventsPage) -> Seq {
    let behind = page.next_after_seq.unwrap_or(page.last_seq);
    let first = page.events.first().map(|event| event.seq);
    first.unwrap_or(behind.saturating_add(1))
}
