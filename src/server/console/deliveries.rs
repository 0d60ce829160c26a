//! `/console/deliveries`: what was tried, and what came of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;

use super::html::Html;
use super::page::{Refusal, page};
use super::session::Session;
use super::table::{Window, table, with_query};
use super::words::moment;
use crate::server::query;
use crate::server::state::App;
use crate::store::federation::{DeliveryEntry, DeliveryFilter, PeerRecord};

/// Where the page is.
const PLACE: &str = "/console/deliveries";

/// `GET /console/deliveries`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    parts: Parts,
) -> Result<Response, Refusal> {
    let team = &session.key.team;
    let asked = |name| query(&parts, name).pop().filter(|value| !value.is_empty());
    let (peer, event) = (asked("peer"), asked("event"));
    let window = Window::of(&parts);
    let filter = DeliveryFilter {
        peer_id: peer.clone(),
        event_id: event.clone(),
        limit: window.limit(),
        ..DeliveryFilter::default()
    };
    let found = app.store.deliveries(team.clone(), filter).await?;
    let peers = super::peers(&app, team).await?;
    let (peer, event) = (peer.unwrap_or_default(), event.unwrap_or_default());
    let (rows, more) = window.cut(found, PLACE, &[("peer", &peer), ("event", &event)]);
    let listed = match rows.is_empty() {
        true => Html::of(
            "<p>Nothing was tried, as far as this goes back: attempts are kept for three days.</p>",
            &[],
        ),
        false => attempts(&rows, &peers),
    };
    let content = Html::of(
        "<form method=\"get\" action=\"/console/deliveries\" class=\"filter\">{}\
         <label for=\"event\">Event id</label><input id=\"event\" name=\"event\" value=\"{}\" autocomplete=\"off\" \
         spellcheck=\"false\"><button id=\"filter\">Show</button></form>{}{}",
        &[&choice(&peers, &peer), &event, &listed, &more],
    );
    Ok(page(&session, PLACE, "Deliveries", content))
}

/// The field that chooses a peer.
pub(super) fn choice(peers: &HashMap<String, PeerRecord>, chosen: &str) -> Html {
    let mut peers: Vec<&PeerRecord> = peers.values().collect();
    peers.sort_by(|one, other| one.name.cmp(&other.name));
    let options = peers.into_iter().map(|peer| {
        let selected = match peer.id == chosen {
            true => Html::of(" selected", &[]),
            false => Html::default(),
        };
        Html::of(
            "<option value=\"{}\"{}>{}</option>",
            &[&peer.id, &selected, &peer.name],
        )
    });
    Html::of(
        "<label for=\"peer\">Peer</label><select id=\"peer\" name=\"peer\"><option value=\"\">all</option>{}</select>",
        &[&options.collect::<Html>()],
    )
}

/// What a team calls a peer; the id of one that was removed.
pub(super) fn name_of<'a>(peers: &'a HashMap<String, PeerRecord>, id: &'a str) -> &'a str {
    peers.get(id).map_or(id, |peer| &peer.name)
}

/// Attempts as a table.
pub(super) fn attempts(entries: &[DeliveryEntry], peers: &HashMap<String, PeerRecord>) -> Html {
    let row = |entry: &DeliveryEntry| {
        let event = with_query(PLACE, &[("event", &entry.event_id)], 1);
        let latency = entry.latency_ms.map(|millis| format!("{millis} ms"));
        let attempt = match entry.attempt {
            0 => "none".to_owned(),
            attempt => attempt.to_string(),
        };
        vec![
            moment(entry.created_at),
            Html::of("{}", &[&name_of(peers, &entry.peer_id)]),
            Html::of("<a href=\"{}\">{}</a>", &[&event, &entry.event_id]),
            Html::of("{}", &[&attempt]),
            outcome(entry),
            Html::of("{}", &[&latency.unwrap_or_default()]),
        ]
    };
    table(
        "Deliveries",
        &["When (UTC)", "Peer", "Event", "Attempt", "Outcome", "Took"],
        entries.iter().map(row).collect(),
    )
}

fn outcome(entry: &DeliveryEntry) -> Html {
    let error = entry.error.clone().unwrap_or_default();
    match entry.status_code {
        _ if entry.attempt == 0 => Html::of("dropped on purpose: {}", &[&error]),
        Some(code) if (200..300).contains(&code) => Html::of(
            "<span class=\"fine\">taken</span> ({}) {}",
            &[&code, &error],
        ),
        Some(code) => Html::of("<span class=\"failing\">{}</span> {}", &[&code, &error]),
        None => Html::of("<span class=\"failing\">no answer</span> {}", &[&error]),
    }
}
