//! `GET /api/federation/trace`: where an event came from and where it went.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::call::{Admin, Call};
use super::description::{Operation, Routes};
use super::error::{ApiError, json};
use super::query;
use super::state::App;
use crate::base::clock::rfc3339;
use crate::protocol::event::Event;
use crate::protocol::federation::OutboxStatus;
use crate::protocol::forward::Transit;
use crate::protocol::id::Seq;
use crate::protocol::permission::Permission;
use crate::protocol::schema::Text;
use crate::protocol::trace::{Attempt, EventTrace, Forward, Trace, TraceDrop, hops};
use crate::store::federation::{DeliveryEntry, OutboxId};
use crate::store::trace::{Trace as Found, TracedEvent};

/// What is served of it.
pub(super) fn routes() -> Routes {
    let operation = Operation::get(
        "/api/federation/trace",
        "trace_event",
        "Where an event came from and where it went.",
    )
    .under("forwarding")
    .needs(Permission::Admin)
    .query::<Text>("event_id", "The event's id.")
    .required()
    .gives::<EventTrace>(
        StatusCode::OK,
        "What is known of the id: nothing, where it is no event's.",
    );
    Routes::new().add(operation, get)
}

/// `GET /api/federation/trace?event_id=`: an [`EventTrace`]. Of an id that nothing is known of, it has no traces and no
/// drops. An event that retention took is told of by its deliveries and letters, as long as those are kept.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    call: Call<Admin>,
) -> Result<Response, ApiError> {
    let asked = query(&call.parts, "event_id").pop();
    let event_id = asked.filter(|id| !id.is_empty()).ok_or_else(|| {
        ApiError::bad_request("`event_id` is missing: say which event's way is asked for")
    })?;
    let team = call.key.team.clone();
    let found = app.store.trace(team, event_id.clone()).await?;
    let trace = told(event_id, &app.instance_id, found);
    Ok(json(StatusCode::OK, &trace))
}

/// What was found, event by event.
fn told(event_id: String, own_id: &str, found: Found) -> EventTrace {
    let truncated = found.is_cut();
    let events: BTreeMap<Seq, &TracedEvent> = found.events.iter().map(|it| (it.seq, it)).collect();
    let mut traces: BTreeMap<Seq, Trace> = events
        .iter()
        .map(|(seq, event)| (*seq, of_event(event, own_id)))
        .collect();
    let mut forwards: BTreeMap<(Seq, &str), Forward> = BTreeMap::new();
    for entry in &found.forwards {
        // What was delivered once, and again after a replay of its letter, has two entries.
        let forward = forwards
            .entry((entry.id.seq, &entry.id.peer_id))
            .or_insert_with(|| of_peer(&found, &entry.id));
        if forward.status.is_none() || forward.status == Some(OutboxStatus::Delivered) {
            forward.status = Some(entry.status);
            forward.next_attempt_at = entry.next_attempt_at.map(rfc3339);
            forward.last_error.clone_from(&entry.last_error);
        }
    }
    let mut drops = Vec::new();
    // Newest first: what people read goes the other way.
    for entry in found.attempts.iter().rev() {
        let Some(seq) = entry.seq else {
            drops.push(drop_of(&found, entry));
            continue;
        };
        if entry.attempt == 0 {
            let trace = traces.entry(seq).or_insert_with(|| of_nothing(seq));
            trace.not_forwarded.push(drop_of(&found, entry));
            continue;
        }
        let id = || OutboxId {
            peer_id: entry.peer_id.clone(),
            seq,
        };
        let forward = forwards
            .entry((seq, &entry.peer_id))
            .or_insert_with(|| of_peer(&found, &id()));
        forward.attempts.push(attempt(entry));
    }
    for ((seq, _), forward) in forwards {
        let trace = traces.entry(seq).or_insert_with(|| of_nothing(seq));
        trace.forwards.push(forward);
    }
    EventTrace {
        event_id,
        instance_id: Some(own_id.to_owned()),
        traces: traces.into_values().rev().collect(),
        drops,
        truncated,
    }
}

fn of_event(found: &TracedEvent, own_id: &str) -> Trace {
    let received_at = found.created_at.map(rfc3339);
    // What is stored was an event on its way in.
    let Ok(event) = Event::parse(&found.text) else {
        return Trace {
            received_at,
            ..of_nothing(found.seq)
        };
    };
    let provenance = Transit::of(&event).provenance;
    Trace {
        hops: hops(&provenance, own_id, event.time.clone(), received_at.clone()),
        source: Some(event.source),
        kind: Some(event.kind),
        time: event.time,
        received_at,
        ..of_nothing(found.seq)
    }
}

/// An event of which only its number is left.
fn of_nothing(seq: Seq) -> Trace {
    Trace {
        seq,
        source: None,
        kind: None,
        time: None,
        received_at: None,
        hops: Vec::new(),
        forwards: Vec::new(),
        not_forwarded: Vec::new(),
    }
}

/// A forward of which nothing is said yet but where it goes.
fn of_peer(found: &Found, id: &OutboxId) -> Forward {
    let peer = found.peers.iter().find(|peer| peer.id == id.peer_id);
    Forward {
        id: id.to_string(),
        peer: peer.map_or(&id.peer_id, |peer| &peer.name).clone(),
        peer_id: id.peer_id.clone(),
        peer_instance_id: peer.map(|peer| peer.instance_id.clone()),
        status: None,
        attempts: Vec::new(),
        next_attempt_at: None,
        last_error: None,
    }
}

fn attempt(entry: &DeliveryEntry) -> Attempt {
    Attempt {
        attempt: entry.attempt,
        at: rfc3339(entry.created_at),
        status_code: entry.status_code,
        latency_ms: entry.latency_ms,
        error: entry.error.clone(),
    }
}

fn drop_of(found: &Found, entry: &DeliveryEntry) -> TraceDrop {
    let peer = found.peers.iter().find(|peer| peer.id == entry.peer_id);
    TraceDrop {
        peer: peer.map_or(&entry.peer_id, |peer| &peer.name).clone(),
        peer_id: entry.peer_id.clone(),
        at: rfc3339(entry.created_at),
        reason: entry.error.clone().unwrap_or_default(),
    }
}
