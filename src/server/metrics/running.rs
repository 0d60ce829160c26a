//! What this node has done since it started, all teams together. `docs/operations.md` has the table of the names.

use std::sync::Arc;

use super::page::Page;
use crate::base::meter::Counter;
use crate::server::request::Requests;
use crate::server::state::App;
use crate::store::faults;
use crate::store::record::Millis;

/// Microseconds in a second.
const MICROS: f64 = 1e6;

/// The numbers of the server's own; the log and federation have theirs.
pub struct Meters {
    started_at: Millis,
    /// Requests by route.
    pub(in crate::server) requests: Arc<Requests>,
    /// Sessions that were let in.
    pub(in crate::server) sessions: Counter,
    /// Events sent to sessions as they came.
    pub(in crate::server) sent_live: Counter,
    /// Events sent to sessions that read the log.
    pub(in crate::server) sent_from_log: Counter,
    /// Pages of the log that sessions have read.
    pub(in crate::server) replay_reads: Counter,
}

impl Meters {
    /// Nothing was done yet.
    pub(in crate::server) fn new(started_at: Millis) -> Self {
        Self {
            started_at,
            requests: Arc::default(),
            sessions: Counter::default(),
            sent_live: Counter::default(),
            sent_from_log: Counter::default(),
            replay_reads: Counter::default(),
        }
    }
}

/// All of it.
pub(super) fn tell(page: &mut Page, app: &App) {
    let name = "process_start_time_seconds";
    page.family(name, "gauge", "When this node started, in Unix time.");
    page.sample(name, &[], app.meters.started_at as f64 / 1000.0);
    requests(page, &app.meters.requests);
    sessions(page, &app.meters);
    log(page, app);
    let name = "kite_federation_deliveries_total";
    page.family(name, "counter", "Attempts to deliver to peers, by outcome.");
    for (outcome, count) in app.federation.meters().ended() {
        page.sample(name, &[("outcome", outcome)], count);
    }
    database(page, app);
}

fn requests(page: &mut Page, requests: &Requests) {
    let name = "kite_http_requests_total";
    page.family(name, "counter", "Requests that were answered.");
    requests.each(|route, method, answers| {
        for (class, count) in answers.classes() {
            let labels = [("route", route), ("method", method), ("status", class)];
            page.sample(name, &labels, count);
        }
    });
    let name = "kite_http_request_duration_seconds";
    page.family(
        name,
        "histogram",
        "How long it took until the answer began.",
    );
    requests.each(|route, method, answers| {
        let labels = [("route", route), ("method", method)];
        page.spread(name, &labels, MICROS, &answers.micros.read());
    });
}

fn sessions(page: &mut Page, meters: &Meters) {
    let name = "kite_sessions_total";
    page.family(name, "counter", "WebSocket sessions that were let in.");
    page.sample(name, &[], meters.sessions.get());
    let name = "kite_session_events_total";
    page.family(name, "counter", "Events that were sent to sessions.");
    page.sample(name, &[("from", "live")], meters.sent_live.get());
    page.sample(name, &[("from", "log")], meters.sent_from_log.get());
    let name = "kite_replay_reads_total";
    page.family(name, "counter", "Pages of the log that sessions have read.");
    page.sample(name, &[], meters.replay_reads.get());
}

fn log(page: &mut Page, app: &App) {
    let meters = app.log.meters();
    let name = "kite_events_total";
    page.family(name, "counter", "Events that were stored, by their way in.");
    for (origin, count) in meters.stored() {
        page.sample(name, &[("origin", origin)], count);
    }
    let name = "kite_events_declined_total";
    page.family(
        name,
        "counter",
        "Events that were not stored, by the reason.",
    );
    for (reason, count) in meters.declined() {
        page.sample(name, &[("reason", reason)], count);
    }
    let name = "kite_commit_events";
    page.family(name, "histogram", "Events of a commit.");
    page.spread(name, &[], 1.0, &meters.commit_events.read());
    let name = "kite_commit_duration_seconds";
    page.family(name, "histogram", "How long commits took.");
    page.spread(name, &[], MICROS, &meters.commit_micros.read());
    let name = "kite_commits_failed_total";
    page.family(name, "counter", "Commits that failed.");
    page.sample(name, &[], meters.failed_commits.get());
}

fn database(page: &mut Page, app: &App) {
    let name = "kite_database_errors_total";
    page.family(name, "counter", "Operations of the database that failed.");
    for (kind, count) in faults::counts() {
        page.sample(name, &[("kind", kind)], count);
    }
    let connections = app.store.connections();
    let name = "kite_database_connections";
    page.family(name, "gauge", "Connections to PostgreSQL, by their state.");
    if let Some(it) = connections {
        page.sample(name, &[("state", "used")], it.used);
        page.sample(name, &[("state", "idle")], it.idle);
    }
    let name = "kite_database_connections_max";
    page.family(name, "gauge", "How many connections there can be.");
    if let Some(it) = connections {
        page.sample(name, &[], it.max);
    }
    let name = "kite_database_waiting";
    page.family(name, "gauge", "Operations that wait for a connection.");
    if let Some(it) = connections {
        page.sample(name, &[], it.waiting);
    }
}
