//! The log as a listing: page by page, in order, up to where it ended when the reading began.

use super::api::EventsQuery;
use super::{Api, ClientError};
use crate::protocol::api::ListedEvent;
use crate::protocol::id::Seq;
use crate::protocol::scope::Scope;

/// How many events one call asks for. The server allows 1000; a page is held in memory.
const PAGE_EVENTS: u64 = 200;

/// Where a reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event that is stored.
    Oldest,
    /// With this one.
    Seq(Seq),
    /// With the first that was stored at this time or later, RFC 3339.
    Time(String),
}

/// A reading of the log.
pub struct History {
    query: EventsQuery,
    end: Option<Seq>,
    is_done: bool,
}

impl History {
    /// Begins a reading; nothing is called yet.
    pub fn new(start: Start, scopes: Vec<Scope>) -> Self {
        let (after_seq, since) = match start {
            Start::Oldest => (0, None),
            Start::Seq(seq) => (seq.saturating_sub(1), None),
            Start::Time(time) => (0, Some(time)),
        };
        Self {
            query: EventsQuery {
                limit: Some(PAGE_EVENTS),
                after_seq: Some(after_seq),
                scopes,
                since,
            },
            end: None,
            is_done: false,
        }
    }

    /// The next events in ascending order; `None` after the last. A page may be empty.
    pub async fn next_page(&mut self, api: &Api) -> Result<Option<Vec<ListedEvent>>, ClientError> {
        if self.is_done {
            return Ok(None);
        }
        let page = api.events(&self.query).await?;
        // What is stored while this reads belongs to whoever listens.
        let end = *self.end.get_or_insert(page.last_seq);
        let last_listed = page.events.last().map(|event| event.seq);
        let position = page.next_after_seq.or(last_listed).unwrap_or(end);
        let is_stuck = Some(position) <= self.query.after_seq;
        self.is_done = position >= end || is_stuck;
        self.query.after_seq = Some(position);
        let events = page.events.into_iter();
        Ok(Some(events.filter(|event| event.seq <= end).collect()))
    }

    /// Up to here the log was read.
    pub fn position(&self) -> Seq {
        self.end.unwrap_or(0)
    }
}
