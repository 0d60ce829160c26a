//! `/console/live`: how a team's peers do, sent on as it changes (server-sent events).
//!
//! What is sent is made once for all of a team who look on, when one of them asks for the next. Nothing is kept for a reader
//! that is slow: it asks later, and gets what is true then.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::console;
use super::overview::cards;
use super::page::{Refusal, guarded};
use super::session::Session;
use crate::protocol::id::TeamId;
use crate::server::error::ApiError;
use crate::server::listen;
use crate::server::state::App;

/// How long lies between two looks.
const TICK: Duration = Duration::from_secs(2);

/// How long a stream lasts. The browser comes back by itself, and whoever does not is gone.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// How often something is sent at least, so that what lies between does not take the stream for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How many may look on of a team, and in all: each costs a connection.
const TEAM_STREAMS_MAX: usize = 16;
const STREAMS_MAX: usize = 128;

/// How soon a browser comes back.
const RETRY: &str = "retry: 2000\n\n";

/// Said at the end of a session: the page asks anew, and is led to where one signs in.
const OVER: &str = "event: over\ndata: over\n\n";

/// Who looks on.
pub(in crate::server) struct Live {
    desks: Mutex<HashMap<TeamId, Desk>>,
    ended: watch::Sender<bool>,
}

/// What all of a team who look on share.
#[derive(Default)]
struct Desk {
    readers: usize,
    latest: Arc<Latest>,
}

/// What was made last, and when.
type Latest = tokio::sync::Mutex<Option<(Instant, Bytes)>>;

impl Default for Live {
    fn default() -> Self {
        Self {
            desks: Mutex::default(),
            ended: watch::Sender::new(false),
        }
    }
}

impl Live {
    fn desks(&self) -> MutexGuard<'_, HashMap<TeamId, Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all streams, and those that come.
    pub(in crate::server) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// A place among those who look on; `None` when all are taken.
    fn seat(self: &Arc<Self>, team: &TeamId) -> Option<Seat> {
        let mut desks = self.desks();
        let all: usize = desks.values().map(|desk| desk.readers).sum();
        let own = desks.get(team).map_or(0, |desk| desk.readers);
        if all >= STREAMS_MAX || own >= TEAM_STREAMS_MAX {
            return None;
        }
        let desk = desks.entry(team.clone()).or_default();
        desk.readers += 1;
        Some(Seat {
            live: self.clone(),
            team: team.clone(),
            latest: desk.latest.clone(),
        })
    }
}

/// A place, given back when it is dropped.
struct Seat {
    live: Arc<Live>,
    team: TeamId,
    latest: Arc<Latest>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut desks = self.live.desks();
        if let Some(desk) = desks.get_mut(&self.team) {
            desk.readers -= 1;
            if desk.readers == 0 {
                desks.remove(&self.team);
            }
        }
    }
}

impl Seat {
    /// How the peers do. Made by the first who asks in a tick; the others wait for it, and take it.
    async fn latest(&self, app: &App) -> Result<Bytes, ApiError> {
        let mut latest = self.latest.lock().await;
        if let Some((made, bytes)) = &*latest
            && made.elapsed() < TICK
        {
            return Ok(bytes.clone());
        }
        let html = cards(app, &self.team).await?.into_text();
        let lines: String = html.lines().map(|line| format!("data: {line}\n")).collect();
        let bytes = Bytes::from(format!("event: peers\n{lines}\n"));
        *latest = Some((Instant::now(), bytes.clone()));
        Ok(bytes)
    }
}

/// Somebody who looks on.
struct Reader {
    app: Arc<App>,
    session: Session,
    seat: Seat,
    ended: watch::Receiver<bool>,
    begun: Instant,
    said: Instant,
    last: Option<Bytes>,
    is_over: bool,
}

impl Reader {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let Some(last) = self.last.clone() else {
            self.last = Some(Bytes::new());
            return Some(Bytes::from_static(RETRY.as_bytes()));
        };
        loop {
            let sent = self.look().await?;
            let is_due = self.said.elapsed() >= HEARTBEAT;
            let sent = match sent {
                Some(sent) if self.is_over || sent != last => sent,
                _ if is_due => {
                    self.said = Instant::now();
                    return Some(Bytes::from_static(b":\n\n"));
                }
                _ => continue,
            };
            self.said = Instant::now();
            self.last = Some(sent.clone());
            return Some(sent);
        }
    }

    /// What is true after a tick; nothing where that is not to be learned. `None` at the end.
    async fn look(&mut self) -> Option<Option<Bytes>> {
        // What somebody opens shows at once what was made while it was loaded.
        let pause = match self.last.as_ref().is_some_and(Bytes::is_empty) {
            true => Duration::ZERO,
            false => TICK,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = listen::ended(&mut self.ended) => return None,
        }
        if self.begun.elapsed() >= LIFE {
            return None;
        }
        match self.session.stands(&self.app).await {
            Ok(true) => Some(self.seat.latest(&self.app).await.ok()),
            Ok(false) => {
                self.is_over = true;
                Some(Some(Bytes::from_static(OVER.as_bytes())))
            }
            // An outage is logged where it begins, and ends no session.
            Err(_) => Some(None),
        }
    }
}

/// `GET /console/live`.
pub(super) async fn stream(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Refusal> {
    let session = Session::find(&app, &parts).await?;
    let session = session.ok_or_else(|| ApiError::unauthorized("nobody is signed in"))?;
    let live = &console(&app)?.live;
    let seat = live
        .seat(&session.key.team)
        .ok_or_else(|| ApiError::unavailable("too many look on already"))?;
    let now = Instant::now();
    let reader = Reader {
        ended: live.ended.subscribe(),
        app: app.clone(),
        session,
        seat,
        begun: now,
        said: now,
        last: None,
        is_over: false,
    };
    let sent = stream::unfold(reader, async |mut reader| {
        let bytes = reader.next().await?;
        Some((Ok::<_, Infallible>(bytes), reader))
    });
    let mut response = guarded(Body::from_stream(sent).into_response(), "text/event-stream");
    // Proxies of that kind would keep it until it is whole.
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_for_a_team_and_in_all_and_come_back() {
        let live = Arc::new(Live::default());
        let team = |number: usize| format!("team-{number}").parse::<TeamId>().unwrap();
        let mut seats: Vec<Seat> = Vec::new();
        for number in 0..STREAMS_MAX / TEAM_STREAMS_MAX {
            for _ in 0..TEAM_STREAMS_MAX {
                seats.push(live.seat(&team(number)).unwrap());
            }
            assert!(live.seat(&team(number)).is_none());
        }
        assert!(live.seat(&team(99)).is_none());
        seats.pop();
        assert!(live.seat(&team(99)).is_some());
        seats.clear();
        assert!(live.desks().is_empty());
    }
}
