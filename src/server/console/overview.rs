//! `/console`: how each peer does.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;

use super::html::Html;
use super::page::{Refusal, page, redirect, said, token};
use super::session::{Act, Session};
use super::words::{ago, due, length};
use super::{HOME, chart};
use crate::protocol::error::ErrorCode;
use crate::protocol::federation::{PeerKind, PeerStatus};
use crate::protocol::id::TeamId;
use crate::protocol::identity::fingerprint;
use crate::server::error::ApiError;
use crate::server::state::App;
use crate::server::{peers, query};
use crate::store::federation::{PeerNumber, PeerRecord, PeerStanding, PeerState, PeerUpdate};
use crate::store::record::Millis;

/// `GET /console`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    parts: Parts,
) -> Result<Response, Refusal> {
    let team = &session.key.team;
    let done = match query(&parts, "done").pop().as_deref() {
        Some("paused") => said("Paused: what is for the peer waits, and what it sends is refused."),
        Some("resumed") => said("Resumed: what waited is on its way."),
        _ => Html::default(),
    };
    let team_name = team.to_string();
    let cards = cards(&app, team).await?;
    let content = Html::of(
        "{}<dl class=\"facts\"><div><dt>Instance</dt><dd>{}</dd></div><div><dt>Team</dt><dd>{}</dd></div>\
         <div><dt>Fingerprint</dt><dd>{}</dd></div></dl>\
         <form id=\"act\" method=\"post\" action=\"/console/peers\">{}</form>\
         <p id=\"live\" role=\"status\" data-live=\"/console/live\"></p><section id=\"peers\" aria-label=\"Peers\">{}</section>",
        &[
            &done,
            &app.instance_id,
            &team_name,
            &fingerprint(&app.identity.public()),
            &token(&session),
            &cards,
        ],
    );
    Ok(page(&session, HOME, "Peers", content))
}

/// How the peers of a team do, for whoever of the team looks: nothing in it belongs to a session. Peers are read anew, so
/// that a change shows at once; the count is the one that all share.
pub(super) async fn cards(app: &App, team: &TeamId) -> Result<Html, ApiError> {
    let counted = app.standings.ask(&*app.store).await?;
    let counted = counted.iter().filter(|one| one.peer.team == *team);
    let mut counted: HashMap<PeerNumber, PeerStanding> =
        counted.map(|one| (one.peer.number, one.clone())).collect();
    let standings: Vec<PeerStanding> = app
        .store
        .peers(team.clone())
        .await?
        .into_iter()
        .map(|peer| match counted.remove(&peer.number) {
            Some(one) => PeerStanding { peer, ..one },
            None => uncounted(peer),
        })
        .collect();
    if standings.is_empty() {
        return Ok(Html::of(
            "<p>No peers yet. <code>kite federation invite</code> here and <code>kite federation join</code> at the other \
             instance connect the two.</p>",
            &[],
        ));
    }
    let history = &super::console(app)?.history;
    history.peers_seen();
    let now = app.clock.unix_millis();
    let backlog: u64 = standings.iter().map(|one| one.backlog).sum();
    let dead: u64 = standings.iter().map(|one| one.dead).sum();
    let sum = Html::of(
        "<p class=\"sum\"><strong>{}</strong> {} · <strong>{}</strong> waiting · <strong>{}</strong> {}</p>",
        &[
            &standings.len(),
            &if standings.len() == 1 {
                "peer"
            } else {
                "peers"
            },
            &backlog,
            &dead,
            &if dead == 1 {
                "dead letter"
            } else {
                "dead letters"
            },
        ],
    );
    let cards = standings.iter().map(|one| {
        let picture = chart::backlog(&history.of(one.peer.number), now);
        card(one, picture, now)
    });
    Ok(Html::of(
        "{}<div class=\"cards\">{}</div>",
        &[&sum, &cards.collect::<Html>()],
    ))
}

/// A peer that is younger than the count.
fn uncounted(peer: PeerRecord) -> PeerStanding {
    PeerStanding {
        peer,
        state: PeerState::default(),
        backlog: 0,
        oldest_at: None,
        dead: 0,
    }
}

/// How a peer does: a word for the style, and a sentence.
fn health(one: &PeerStanding, now: Millis) -> (&'static str, String) {
    let state = &one.state;
    match one.peer.status {
        PeerStatus::Revoked | PeerStatus::Deleted => {
            ("off", "Revoked: nothing goes or comes".to_owned())
        }
        PeerStatus::Paused => ("off", "Paused: what is for it waits".to_owned()),
        PeerStatus::Active if state.failures > 0 => {
            let since = match state.last_success_at {
                Some(time) => format!("last success {}", ago(time, now)),
                None => "no success yet".to_owned(),
            };
            // Where nothing waits, nothing is tried.
            let next = match state.retry_at.filter(|_| one.backlog > 0) {
                Some(time) => format!(", next try {}", due(time, now)),
                None => String::new(),
            };
            let failures = state.failures;
            (
                "failing",
                format!("Failing: {failures} in a row, {since}{next}"),
            )
        }
        PeerStatus::Active if state.last_success_at.is_none() && one.dead > 0 => {
            let words = "Nothing was delivered yet, and there are dead letters";
            ("failing", words.to_owned())
        }
        PeerStatus::Active if state.last_success_at.is_none() => {
            ("fine", "Ready: nothing was delivered yet".to_owned())
        }
        PeerStatus::Active => ("fine", "Healthy".to_owned()),
    }
}

fn card(one: &PeerStanding, picture: Html, now: Millis) -> Html {
    let (peer, state) = (&one.peer, &one.state);
    let (class, words) = health(one, now);
    let oldest = one.oldest_at.map_or_else(String::new, |time| {
        format!("oldest {}", length(now.saturating_sub(time)))
    });
    let kind = match peer.kind {
        PeerKind::Kite => Html::default(),
        PeerKind::Paperclip => Html::of(" <small>Paperclip</small>", &[]),
        PeerKind::OpenIntent => Html::of(" <small>OpenIntent</small>", &[]),
    };
    let identity = peer
        .identity_key
        .as_ref()
        .map_or_else(Html::default, |key| fact("Fingerprint", &fingerprint(key)));
    let last = state.last_success_at;
    let latency = state.latency_ms.map(|millis| format!("{millis} ms"));
    let facts: Html = [
        fact(
            "Last success",
            &last.map_or("never".to_owned(), |time| ago(time, now)),
        ),
        fact("Latency", &latency.unwrap_or("not known".to_owned())),
        fact("Failures", &state.failures.to_string()),
        fact("Dead letters", &one.dead.to_string()),
        fact("Instance", &peer.instance_id),
        identity,
    ]
    .into_iter()
    .collect();
    let error = state.last_error.as_ref().filter(|_| state.failures > 0);
    let error = error.map_or_else(Html::default, |error| {
        Html::of("<p class=\"error\">{}</p>", &[error])
    });
    Html::of(
        "<article id=\"peer-{}\" aria-labelledby=\"name-{}\"><h2 id=\"name-{}\">{}{}</h2>\
         <p class=\"health {}\">{}</p>{}<p class=\"backlog\"><strong>{}</strong> waiting <small>{}</small></p>{}\
         <dl>{}</dl><p class=\"acts\" id=\"acts-{}\">{}</p></article>",
        &[
            &peer.id,
            &peer.id,
            &peer.id,
            &peer.name,
            &kind,
            &class,
            &words,
            &error,
            &one.backlog,
            &oldest,
            &picture,
            &facts,
            &peer.id,
            &acts(one),
        ],
    )
}

fn fact(name: &'static str, value: &str) -> Html {
    Html::of("<div><dt>{}</dt><dd>{}</dd></div>", &[&name, &value])
}

/// Where to go from a peer, and what to do with it. The form stands beside the cards: it belongs to the session.
fn acts(one: &PeerStanding) -> Html {
    let (id, name) = (&one.peer.id, &one.peer.name);
    let button = match one.peer.status {
        PeerStatus::Active => Html::of(
            "<button form=\"act\" id=\"pause-{}\" name=\"pause\" value=\"{}\" class=\"quiet\" aria-label=\"Pause {}\">Pause</button>",
            &[id, id, name],
        ),
        PeerStatus::Paused => Html::of(
            "<button form=\"act\" id=\"resume-{}\" name=\"resume\" value=\"{}\" aria-label=\"Resume {}\">Resume</button>",
            &[id, id, name],
        ),
        PeerStatus::Revoked | PeerStatus::Deleted => Html::default(),
    };
    Html::of(
        "<a id=\"deliveries-{}\" href=\"/console/deliveries?peer={}\" aria-label=\"Deliveries to {}\">Deliveries</a>\
         <a id=\"letters-{}\" href=\"/console/dead-letters?peer={}\" aria-label=\"Dead letters to {}\">Dead letters</a>{}",
        &[id, id, name, id, id, name, &button],
    )
}

/// `POST /console/peers`: pauses a peer, or resumes one.
pub(super) async fn change(State(app): State<Arc<App>>, act: Act) -> Result<Response, Refusal> {
    let (pause, resume) = (act.field("pause"), act.field("resume"));
    let (id, from, to, done) = match (pause, resume) {
        (id, "") => (id, PeerStatus::Active, PeerStatus::Paused, "paused"),
        (_, id) => (id, PeerStatus::Paused, PeerStatus::Active, "resumed"),
    };
    let team = &act.session.key.team;
    let found = peers::find(&app, team, id).await?;
    // The page may be old: a peer that was revoked meanwhile does not come back by this.
    if found.status != from {
        let text = format!(
            "the peer `{}` is {} by now",
            found.name,
            found.status.word()
        );
        return Err(conflict(text).into());
    }
    let update = PeerUpdate {
        status: Some(to),
        ..PeerUpdate::default()
    };
    peers::update(&app, team, found.id, update).await?;
    Ok(redirect(&format!("{HOME}?done={done}")))
}

/// 409.
pub(super) fn conflict(text: String) -> ApiError {
    ApiError::new(axum::http::StatusCode::CONFLICT, ErrorCode::Conflict, text)
}
