//! The team's log and its register of agents, as the tools give them.

use std::time::Duration;

use serde_json::Value;

use super::answers::{Agents, Entry, Events, RegisteredAgent, StoredEvent};
use super::arguments::{ListAgents, ListEvents, ReadEvent};
use super::fault::Fault;
use super::host::Access;
use crate::base::clock::{Clock, rfc3339};
use crate::base::duration;
use crate::client::ClientError;
use crate::client::api::EventsQuery;
use crate::protocol::api::ListedEvent;
use crate::protocol::event::Event;
use crate::protocol::json;
use crate::protocol::scope::Scope;

/// How much of an event one answer has, in characters: what a model reads at once.
const PIECE_MAX_CHARS: usize = 20_000;

pub(super) async fn list_events(access: &Access, args: ListEvents) -> Result<Events, Fault> {
    let source = args.source.map(Scope::Source);
    let kind = args.kind.map(Scope::Type);
    let scopes: Vec<Scope> = [source, kind].into_iter().flatten().collect();
    let since = args.since.as_deref().map(since).transpose()?;
    let query = EventsQuery {
        limit: Some(args.limit.into()),
        after_seq: args.after_seq,
        scopes: scopes.clone(),
        since,
    };
    let page = access.api()?.events(&query).await.map_err(Fault::Log)?;
    let read = page.events.iter().map(|listed| (listed, event(listed)));
    // On the wire scopes are alternatives (spec 12); here all of them count.
    let wanted = read.filter(|(_, event)| {
        let header = event.as_ref().map(Event::header);
        header.is_none_or(|header| scopes.iter().all(|scope| scope.matches(&header)))
    });
    Ok(Events {
        events: wanted
            .map(|(listed, event)| Entry::of(listed, event))
            .collect(),
        next_after_seq: page.next_after_seq,
        last_seq: page.last_seq,
    })
}

/// The newest events, the newest first.
pub(super) async fn newest(access: &Access, count: u64) -> Result<Vec<Entry>, Fault> {
    let query = EventsQuery {
        limit: Some(count),
        ..EventsQuery::default()
    };
    let page = access.api()?.events(&query).await.map_err(Fault::Log)?;
    let entries = page
        .events
        .iter()
        .map(|listed| Entry::of(listed, event(listed)));
    Ok(entries.collect())
}

fn event(listed: &ListedEvent) -> Option<Event> {
    Event::parse(listed.event.get()).ok()
}

fn since(ago: &str) -> Result<String, Fault> {
    let ago: Duration =
        duration::parse(ago).map_err(|error| Fault::Arguments(format!("`since`: {error}")))?;
    let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Ok(rfc3339(
        Clock::system().unix_millis().saturating_sub(millis).max(0),
    ))
}

impl Entry {
    fn of(listed: &ListedEvent, event: Option<Event>) -> Self {
        let chars = listed.event.get().chars().count();
        let (seq, created_at) = (listed.seq, listed.created_at.clone());
        match event {
            Some(event) => Self {
                seq,
                created_at,
                chars,
                summary: event.extension("kitesummary").map(str::to_owned),
                id: event.id,
                kind: event.kind,
                source: event.source,
                subject: event.subject,
            },
            None => Self {
                seq,
                created_at,
                chars,
                summary: Some("this event cannot be read".to_owned()),
                id: String::new(),
                kind: String::new(),
                source: String::new(),
                subject: None,
            },
        }
    }
}

/// The newest event with this id.
pub(super) async fn find(access: &Access, id: &str) -> Result<ListedEvent, Fault> {
    match access.api()?.event(id).await {
        Err(ClientError::Refused(refusal)) if refusal.is_unserved() => {
            Err(Fault::NoEvent(id.to_owned()))
        }
        found => Ok(found?),
    }
}

pub(super) async fn read_event(access: &Access, args: ReadEvent) -> Result<StoredEvent, Fault> {
    let listed = find(access, &args.event_id).await?;
    let text = listed.event.get();
    let total_chars = text.chars().count();
    let offset = usize::try_from(args.offset).unwrap_or(usize::MAX);
    if offset > 0 && offset >= total_chars {
        return Err(Fault::Arguments(format!(
            "`offset` is {offset}, and the event has {total_chars} characters"
        )));
    }
    let is_whole = offset == 0 && total_chars <= PIECE_MAX_CHARS;
    let event: Option<Value> = serde_json::from_str(text).ok();
    // A number that is read may be written as another one: then the text is given.
    let is_same = |event: &Value| {
        let written = event.to_string();
        written == json::compact(text)
    };
    let event = event.filter(|event| is_whole && is_same(event));
    let piece = || text.chars().skip(offset).take(PIECE_MAX_CHARS).collect();
    let next = offset.saturating_add(PIECE_MAX_CHARS);
    Ok(StoredEvent {
        seq: listed.seq,
        created_at: listed.created_at,
        text: event.is_none().then(piece),
        event,
        total_chars,
        next_offset: (next < total_chars).then_some(next as u64),
    })
}

pub(super) async fn list_agents(access: &Access, args: ListAgents) -> Result<Agents, Fault> {
    let listed = access.api()?.agents().await?;
    let contains = args.contains.unwrap_or_default();
    let is_wanted = |id: &str, name: Option<&str>| {
        let is_behind = args.after_id.as_deref().is_none_or(|after| id > after);
        is_behind && (id.contains(&contains) || name.is_some_and(|name| name.contains(&contains)))
    };
    let wanted = listed.agents.into_iter();
    let mut agents: Vec<RegisteredAgent> = wanted
        .filter(|agent| is_wanted(&agent.id, agent.name.as_deref()))
        .map(|agent| RegisteredAgent {
            id: agent.id,
            name: agent.name,
            last_seen_at: agent.last_seen_at,
        })
        .collect();
    agents.sort_by(|a, b| a.id.cmp(&b.id));
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let is_more = agents.len() > limit;
    agents.truncate(limit);
    let last = agents.last().map(|agent| agent.id.clone());
    Ok(Agents {
        you: access
            .mailbox
            .as_ref()
            .map(|mailbox| mailbox.agent.to_string()),
        next_after_id: last.filter(|_| is_more),
        agents,
    })
}
