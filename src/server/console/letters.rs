//! `/console/dead-letters`: what was given up, why, and what becomes of it now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;

use super::deliveries::{attempts, choice, name_of};
use super::html::Html;
use super::overview::conflict;
use super::page::{Refusal, page, redirect, said, token};
use super::payload;
use super::session::{Act, Session};
use super::table::{Window, table, with_query};
use super::words::moment;
use crate::protocol::federation::OutboxStatus;
use crate::server::error::ApiError;
use crate::server::outbox::{letter, wake};
use crate::server::path::Path;
use crate::server::state::App;
use crate::server::{peers, query};
use crate::store::federation::{DeliveryFilter, Letters, OutboxEntry, OutboxFilter, OutboxId};

/// Where the page is.
const PLACE: &str = "/console/dead-letters";

/// How many attempts at an event are shown with its letter.
const ATTEMPTS_MAX: usize = 100;

/// `GET /console/dead-letters`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    session: Session,
    parts: Parts,
) -> Result<Response, Refusal> {
    let team = &session.key.team;
    let asked = |name| query(&parts, name).pop().unwrap_or_default();
    let peer = asked("peer");
    let window = Window::of(&parts);
    let filter = OutboxFilter {
        status: Some(OutboxStatus::Dead),
        peer_id: Some(peer.clone()).filter(|peer| !peer.is_empty()),
        limit: window.limit(),
        ..OutboxFilter::default()
    };
    let found = app.store.outbox(team.clone(), filter).await?;
    let peers = super::peers(&app, team).await?;
    let (rows, more) = window.cut(found, PLACE, &[("peer", &peer)]);
    let done = done(&asked("done"), &asked("count"));
    let listed = match rows.is_empty() {
        true => Html::of("<p>No dead letters.</p>", &[]),
        false => Html::of(
            "{}{}",
            &[
                &replay_all_form(&session, &peer, name_of(&peers, &peer)),
                &table(
                    "Dead letters",
                    &["Event", "Peer", "Reason", "Attempts", "Stored (UTC)"],
                    rows.iter()
                        .map(|entry| row(entry, name_of(&peers, &entry.id.peer_id)))
                        .collect(),
                ),
            ],
        ),
    };
    let content = Html::of(
        "{}<form method=\"get\" action=\"/console/dead-letters\" class=\"filter\">{}<button id=\"filter\">Show</button></form>{}{}",
        &[&done, &choice(&peers, &peer), &listed, &more],
    );
    Ok(page(&session, PLACE, "Dead letters", content))
}

/// What was just done, as the address of the page says.
fn done(what: &str, count: &str) -> Html {
    match (what, count.parse().unwrap_or(1)) {
        ("replayed", 1_u64) => said("Replayed: one event is on its way again."),
        ("replayed", count) => said(&format!("Replayed: {count} events are on their way again.")),
        ("discarded", _) => said("Discarded: that event goes to that peer no more."),
        _ => Html::default(),
    }
}

fn row(entry: &OutboxEntry, peer: &str) -> Vec<Html> {
    let id = entry.id.to_string();
    vec![
        Html::of(
            "<a href=\"/console/dead-letters/{}\">{}</a> <small>{}</small>",
            &[&id, &entry.kind, &entry.event_id],
        ),
        Html::of("{}", &[&peer]),
        Html::of("{}", &[&reason(entry)]),
        Html::of("{}", &[&entry.attempts]),
        moment(entry.created_at),
    ]
}

fn reason(entry: &OutboxEntry) -> String {
    entry.last_error.clone().unwrap_or("not known".to_owned())
}

fn replay_all_form(session: &Session, peer: &str, name: &str) -> Html {
    let whose = match peer.is_empty() {
        true => "Replay all".to_owned(),
        false => format!("Replay all to {name}"),
    };
    Html::of(
        "<form method=\"post\" action=\"/console/dead-letters/replay\">{}<input type=\"hidden\" name=\"peer\" value=\"{}\">\
         <button id=\"replay-all\" class=\"quiet\">{}</button></form>",
        &[&token(session), &peer, &whose],
    )
}

/// `GET /console/dead-letters/{id}`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    session: Session,
) -> Result<Response, Refusal> {
    let team = &session.key.team;
    let (outbox_id, entry, event) = letter(&app, team, &id).await?;
    let filter = DeliveryFilter {
        peer_id: Some(outbox_id.peer_id.clone()),
        event_id: Some(entry.event_id.clone()),
        limit: ATTEMPTS_MAX,
        ..DeliveryFilter::default()
    };
    let mut tried = app.store.deliveries(team.clone(), filter).await?;
    // Another event may have the same id.
    tried.retain(|one| one.seq == Some(outbox_id.seq));
    let peers = super::peers(&app, team).await?;
    let tried = match tried.is_empty() {
        true => Html::of("<p>No attempt is kept: they go after three days.</p>", &[]),
        false => attempts(&tried, &peers),
    };
    let event = match event.is_empty() {
        true => Html::of("<p>The event is gone.</p>", &[]),
        false => payload::shown(&event),
    };
    let content = Html::of(
        "{}<div class=\"acts\"><form method=\"post\" action=\"/console/dead-letters/{}/replay\">{}\
         <button id=\"replay\">Replay</button></form>\
         <a id=\"discard\" class=\"button quiet\" href=\"/console/dead-letters/{}/discard\">Discard…</a></div>\
         <h2>Attempts</h2>{}<h2>Event</h2>{}",
        &[
            &about(&entry, name_of(&peers, &outbox_id.peer_id)),
            &id,
            &token(&session),
            &id,
            &tried,
            &event,
        ],
    );
    Ok(page(&session, PLACE, "Dead letter", content))
}

/// What a letter is.
fn about(entry: &OutboxEntry, peer: &str) -> Html {
    Html::of(
        "<dl class=\"facts\"><div><dt>Reason</dt><dd class=\"failing\">{}</dd></div><div><dt>Type</dt><dd>{}</dd></div>\
         <div><dt>Event</dt><dd>{}</dd></div><div><dt>Peer</dt><dd>{}</dd></div>\
         <div><dt>Attempts</dt><dd>{}</dd></div><div><dt>Stored (UTC)</dt><dd>{}</dd></div>\
         <div><dt>Id</dt><dd><code>{}</code></dd></div></dl>",
        &[
            &reason(entry),
            &entry.kind,
            &entry.event_id,
            &peer,
            &entry.attempts,
            &moment(entry.created_at),
            &entry.id.to_string(),
        ],
    )
}

/// `POST /console/dead-letters/{id}/replay`.
pub(super) async fn replay(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    act: Act,
) -> Result<Response, Refusal> {
    let team = &act.session.key.team;
    let (outbox_id, _, _) = letter(&app, team, &id).await?;
    let peer = outbox_id.peer_id.clone();
    replay_some(&app, &act, Letters::One(outbox_id), Some(&peer)).await
}

/// `POST /console/dead-letters/replay`: all to a peer, or all of the team.
pub(super) async fn replay_all(State(app): State<Arc<App>>, act: Act) -> Result<Response, Refusal> {
    let team = &act.session.key.team;
    match act.field("peer") {
        "" => replay_some(&app, &act, Letters::All, None).await,
        id => {
            let id = peers::find(&app, team, id).await?.id;
            replay_some(&app, &act, Letters::Peer(id.clone()), Some(&id)).await
        }
    }
}

async fn replay_some(
    app: &App,
    act: &Act,
    letters: Letters,
    peer: Option<&str>,
) -> Result<Response, Refusal> {
    let team = &act.session.key.team;
    let now = app.clock.unix_millis();
    let replayed = app.store.replay(team.clone(), letters, now).await?;
    if replayed == 0 {
        let text = "nothing was replayed: the peer is revoked or removed, or it was done at the same moment";
        return Err(conflict(text.to_owned()).into());
    }
    wake(app, team, peer).await?;
    let count = replayed.to_string();
    let done = [
        ("peer", peer.unwrap_or_default()),
        ("done", "replayed"),
        ("count", &count),
    ];
    Ok(redirect(&with_query(PLACE, &done, 1)))
}

/// `GET /console/dead-letters/{id}/discard`: asks once more.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    session: Session,
) -> Result<Response, Refusal> {
    let team = &session.key.team;
    let (outbox_id, entry, _) = letter(&app, team, &id).await?;
    let peers = super::peers(&app, team).await?;
    let content = Html::of(
        "<p>The event stays in the log here, and will never go to this peer. This cannot be undone.</p>{}\
         <div class=\"acts\"><form method=\"post\" action=\"/console/dead-letters/{}/discard\">{}\
         <button id=\"discard\" class=\"danger\">Discard it for good</button></form>\
         <a id=\"keep\" class=\"button quiet\" href=\"/console/dead-letters/{}\">Keep it</a></div>",
        &[
            &about(&entry, name_of(&peers, &outbox_id.peer_id)),
            &id,
            &token(&session),
            &id,
        ],
    );
    Ok(page(&session, PLACE, "Discard a dead letter?", content))
}

/// `POST /console/dead-letters/{id}/discard`.
pub(super) async fn discard(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    act: Act,
) -> Result<Response, Refusal> {
    let missing = || ApiError::not_found(format!("there is no dead letter `{id}`"));
    let outbox_id = OutboxId::parse(&id).ok_or_else(missing)?;
    let team = act.session.key.team.clone();
    let (peer, now) = (outbox_id.peer_id.clone(), app.clock.unix_millis());
    let discarded = app.store.discard(team, outbox_id, now).await?;
    discarded.ok_or_else(missing)?;
    Ok(redirect(&with_query(
        PLACE,
        &[("peer", &peer), ("done", "discarded")],
        1,
    )))
}
