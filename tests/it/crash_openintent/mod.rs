//! OpenIntent through kills, outages and other servers that misbehave: what was answered stands, each intent is there once,
//! and what repeats hears what was said at first (promises 1 and 6; spec openintent 13.6 and 14).
//!
//! `KITE_CRASH_OPENINTENT_ROUNDS` sets the number of kills, `KITE_CRASH_OPENINTENT_WORK` how many there are while agents work,
//! `KITE_CRASH_OPENINTENT_REPEATS` how often two nodes get the same envelope at the same time.

mod answers;
mod callbacks;
mod kills;
mod nodes;
mod repeats;
mod restore;
mod rotation;
mod work;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kite::store::openintent::{ExchangeKind, ExchangeRecord, ExchangeState};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::door::Door;
use crate::support::http::{Access, Answer, answer};
use crate::support::load::Nodes;
use crate::support::server::Server;
use crate::support::{GLANCE, eventually};

const DISPATCHED: &str = "com.openintent.intent.dispatched";
const RECEIVED: &str = "com.openintent.intent.received";
const ANSWERED: &str = "com.openintent.callback.received";

/// How long nothing may happen while something is on its way: the claim of a node that died stands for 20 s.
const STALL_MAX: Duration = Duration::from_secs(45);

/// A server of OpenIntent that keeps its address when it starts elsewhere.
struct Station {
    server: Server,
    door: Door,
    /// Where its senders find it.
    nodes: Nodes,
    dir: TempDir,
}

impl Station {
    /// Starts one behind an address that trusts the servers at these.
    async fn behind(door: Door, trusted: &[&str], database: Option<&str>) -> Self {
        Self::of(door, &file(trusted, ""), database).await
    }

    /// Starts one whose file says this.
    async fn of(door: Door, toml: &str, database: Option<&str>) -> Self {
        match database {
            Some(database) => {
                let start = |flags: &[&str]| Server::start_on_with(database, flags);
                Self::started(door, toml, start).await
            }
            None => Self::started(door, toml, Server::start_with).await,
        }
    }

    async fn started(door: Door, toml: &str, start: impl FnOnce(&[&str]) -> Server) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("kite.toml");
        fs::write(&path, toml).unwrap();
        let flags = [
            "--allow-insecure-peers",
            "--public-url",
            &door.url,
            "--config",
            path.to_str().unwrap(),
        ];
        let server = start(&flags);
        door.lead_to(server.url());
        Self {
            nodes: Nodes::new(&[&server]),
            server,
            door,
            dir,
        }
    }

    /// Starts one that keeps its data in files, and trusts the servers at these.
    async fn on_files(door: Door, trusted: &[&str]) -> Self {
        Self::started(door, &file(trusted, ""), Server::start_on_files).await
    }

    /// The file that says what it is.
    fn file(&self) -> PathBuf {
        self.dir.path().join("kite.toml")
    }

    /// Starts one that trusts the servers at these, and nobody else.
    async fn trusting(trusted: &[&str]) -> Self {
        Self::behind(Door::open(None).await, trusted, None).await
    }

    /// Ends it as a power cut would.
    fn kill(&mut self) {
        // What is under way meets the kill; nobody else is to knock where another test's server may be next.
        self.door.shut();
        self.nodes.withdraw(0);
        self.server.kill();
    }

    /// Starts it again.
    fn revive(&mut self) {
        self.server.start_elsewhere();
        self.nodes.announce(0, &self.server);
        self.door.lead_to(self.server.url());
    }

    /// Ends it as a power cut would and starts it again.
    fn kill_and_revive(&mut self) {
        self.kill();
        self.revive();
    }

    /// As if the claims of the node that died had run out.
    fn forget_claims(&self) {
        self.server
            .sql("UPDATE peer_states SET claimed_until = 0 RETURNING 'all'");
    }

    fn access(&self) -> Access {
        self.server.owner()
    }

    /// Whether anything is on its way from here.
    async fn waits(&self) -> Value {
        let path = "/api/federation/outbox?status=pending&limit=5";
        self.access().get(path).await.expect(200)
    }

    /// Waits until nothing is on its way from here, as long as what goes next changes.
    async fn is_drained(&self) {
        let (mut last, mut changed_at) = (Value::Null, Instant::now());
        loop {
            let rows = self.waits().await;
            if rows == json!([]) {
                return;
            }
            if rows != last {
                (last, changed_at) = (rows, Instant::now());
            }
            assert!(changed_at.elapsed() < STALL_MAX, "it still has {last:#}");
            sleep(GLANCE).await;
        }
    }

    /// What its log has of a type, in order.
    async fn log_of(&self, kind: &str) -> Vec<Value> {
        let log = self.access().log().await.into_iter();
        let events = log.map(|mut listed| listed["event"].take());
        events.filter(|event| event["type"] == kind).collect()
    }

    /// Stores a dispatch; its id.
    async fn dispatch(&self, to: &str, key: Option<&str>) -> String {
        let dispatched = answer(dispatch_request(&self.access(), to, key)).await;
        let dispatched = dispatched.expect(200);
        dispatched["dispatch_id"].as_str().unwrap().to_owned()
    }

    /// What is known of a dispatch.
    async fn dispatched(&self, id: &str) -> ExchangeRecord {
        let store = self.server.store().await;
        let found = store.find_dispatch(id.to_owned()).await.unwrap();
        found.unwrap_or_else(|| panic!("no dispatch {id}")).1
    }

    /// Waits until a dispatch stands so.
    async fn becomes(&self, id: &str, state: ExchangeState) -> ExchangeRecord {
        eventually(&format!("the dispatch is {}", state.word()), async || {
            let record = self.dispatched(id).await;
            (record.state == state).then_some(record)
        })
        .await
    }

    /// As [`Station::becomes`], though it may have to wait for its next attempt.
    async fn becomes_in_time(&self, id: &str, state: ExchangeState) -> ExchangeRecord {
        let began = Instant::now();
        loop {
            let record = self.dispatched(id).await;
            if record.state == state {
                return record;
            }
            assert!(began.elapsed() < STALL_MAX, "it stays {record:?}");
            sleep(GLANCE).await;
        }
    }

    /// What is known of an intent that came.
    async fn received(&self, local_id: &str) -> Option<ExchangeRecord> {
        let team = self.access().team.parse().unwrap();
        let store = self.server.store().await;
        let found = store.exchange(team, ExchangeKind::Intent, local_id.to_owned());
        found.await.unwrap()
    }

    /// The counters: active, dispatched, received.
    async fn counts(&self) -> [u64; 3] {
        let request = with_key(&self.access(), Method::GET, "/api/v1/federation/status");
        let status = answer(request).await.expect(200);
        ["active_dispatches", "total_dispatches", "total_received"]
            .map(|name| status[name].as_u64().unwrap())
    }
}

/// A file of configuration that trusts the servers at these, with more to say of OpenIntent.
fn file(trusted: &[&str], more: &str) -> String {
    let peers = trusted
        .iter()
        .map(|url| format!("[[openintent.peers]]\nurl = \"{url}\"\n"));
    format!("[openintent]\n{more}\n{}", peers.collect::<String>())
}

/// A request as the SDK makes it.
fn with_key(access: &Access, method: Method, path: &str) -> reqwest::RequestBuilder {
    access.bare(method, path).header("X-API-Key", &access.key)
}

fn dispatch_request(access: &Access, to: &str, key: Option<&str>) -> reqwest::RequestBuilder {
    let mut body = json!({"intent_id": "i-1", "target_server": to, "intent_title": "Look"});
    if let Some(key) = key {
        body["idempotency_key"] = key.into();
    }
    with_key(access, Method::POST, "/api/v1/federation/dispatch")
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// The id that an accepted envelope has here.
fn local_id(answer: Answer) -> String {
    let body = answer.expect(200);
    assert_eq!(body["accepted"], true, "{body}");
    body["local_intent_id"].as_str().unwrap().to_owned()
}
