//! Servers that are peers of each other, and what became of each event at each of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kite::store::federation::{DeliveryEntry, DeliveryFilter};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::account::{Entry, check_log};
use super::copy::check_copy;
use super::http::{Access, answer};
use super::load::{Load, Nodes};
use super::peers::fresh_token;
use super::relay::{Fate, Relay};
use super::server::Server;
use super::{GLANCE, eventually};

const PEERS: &str = "/api/federation/peers";

/// A rate that nothing here reaches.
pub(crate) const UNLIMITED: u32 = 100_000;

/// How long nothing may come while something is on its way: a circuit stays open for 32 s at first, and the claim of a node
/// that died stands for 20 s.
const STALL_MAX: Duration = Duration::from_secs(45);

/// An instance: a server with a name, and an address that it keeps when it starts elsewhere.
pub(crate) struct Instance {
    /// The id that it puts into chains.
    pub(crate) name: String,
    /// The server.
    pub(crate) server: Server,
    /// The address that its peers post to.
    pub(crate) relay: Relay,
    /// Where its senders find it.
    pub(crate) nodes: Nodes,
}

impl Instance {
    /// Starts one that keeps its data where the tests' settings say.
    pub(crate) async fn start(name: &str) -> Self {
        Self::of(name, Server::start_with(&flags(name)), |_| Fate::Passed).await
    }

    /// Starts one whose address does something else with posts.
    pub(crate) async fn start_behind(
        name: &str,
        decide: impl Fn(&str) -> Fate + Send + Sync + 'static,
    ) -> Self {
        Self::of(name, Server::start_with(&flags(name)), decide).await
    }

    /// Starts one on an empty database of PostgreSQL.
    pub(crate) async fn start_on(name: &str, database: &str) -> Self {
        let server = Server::start_on_with(database, &flags(name));
        Self::of(name, server, |_| Fate::Passed).await
    }

    /// Starts one that keeps its data in files.
    pub(crate) async fn start_on_files(name: &str) -> Self {
        Self::of(name, Server::start_on_files(&flags(name)), |_| Fate::Passed).await
    }

    async fn of(
        name: &str,
        server: Server,
        decide: impl Fn(&str) -> Fate + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.to_owned(),
            relay: Relay::to(server.url(), decide).await,
            nodes: Nodes::new(&[&server]),
            server,
        }
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        // What is under way meets the kill; nobody else is to knock where another test's server may be next.
        self.relay.cut();
        self.nodes.withdraw(0);
        self.server.kill();
    }

    /// Starts it again.
    pub(crate) fn revive(&mut self) {
        self.server.start_elsewhere();
        self.nodes.announce(0, &self.server);
        self.relay.lead_to(self.server.url());
    }

    /// Ends it as a power cut would and starts it again.
    pub(crate) fn kill_and_revive(&mut self) {
        self.kill();
        self.revive();
    }

    /// Gives a peer another status.
    pub(crate) async fn set_status(&self, peer: &str, status: &str) {
        self.change(peer, &json!({"status": status})).await;
    }

    /// Changes what stands for a peer.
    pub(crate) async fn change(&self, peer: &str, change: &Value) {
        let owner = self.server.owner();
        let request = owner.request(Method::PATCH, &format!("{PEERS}/{peer}"));
        let request = request.header(CONTENT_TYPE, "application/json");
        answer(request.body(change.to_string())).await.expect(200);
    }

    /// Its log.
    pub(crate) async fn log(&self) -> Vec<Entry> {
        let log = self.server.owner().log().await;
        log.iter().map(Entry::read).collect()
    }

    /// Waits until its log has so many events more than it began with, as long as it grows.
    pub(crate) async fn has(&self, events: usize) {
        let access = self.server.owner();
        let (mut last, mut grew_at) = (0, Instant::now());
        loop {
            let now = last_seq(&access).await;
            if now >= events as u64 {
                return;
            }
            if now > last {
                (last, grew_at) = (now, Instant::now());
            }
            let name = &self.name;
            assert!(
                grew_at.elapsed() < STALL_MAX,
                "{name} stays at {now} of {events}"
            );
            sleep(GLANCE).await;
        }
    }

    /// Waits until nothing is on its way from here, as long as what goes next changes.
    pub(crate) async fn is_drained(&self) {
        let access = self.server.owner();
        let (mut last, mut changed_at) = (Value::Null, Instant::now());
        loop {
            let path = "/api/federation/outbox?status=pending&limit=5";
            let rows = access.get(path).await.expect(200);
            if rows == json!([]) {
                return;
            }
            if rows != last {
                (last, changed_at) = (rows, Instant::now());
            }
            let is_stuck = changed_at.elapsed() >= STALL_MAX;
            assert!(!is_stuck, "{} still has {last}", self.name);
            sleep(GLANCE).await;
        }
    }

    /// Waits until only so many forwards are on their way from here.
    pub(crate) async fn is_drained_but_for(&self, rows: usize) {
        let access = self.server.owner();
        let path = "/api/federation/outbox?status=pending&limit=1000";
        eventually("the rest is delivered", async || {
            let pending = access.get(path).await.expect(200);
            (pending.as_array().unwrap().len() == rows).then_some(())
        })
        .await;
    }

    /// Checks that another instance has each event of this log once, and that this one has written that down.
    pub(crate) async fn is_copied_to(&self, copy: &Instance, log: &[Entry]) {
        check_copy(&copy.log().await, &[log]).unwrap();
        self.has_delivered_each_once(1).await;
        let (posts, again) = (copy.relay.posts().len(), copy.relay.answered(200));
        eprintln!("{posts} posts, {again} of them known");
    }

    /// Asks a peer whether it is there, until it is: then what waits for it goes out.
    pub(crate) async fn reaches(&self, peer: &str) {
        let path = format!("{PEERS}/{peer}/test");
        let access = self.server.owner();
        eventually("the peer is there", async || {
            let test = access.post(&path, "").await.expect(200);
            (test["status_code"] == 200).then_some(())
        })
        .await;
    }

    /// Every attempt, and what was dropped on purpose.
    pub(crate) async fn deliveries(&self) -> Vec<DeliveryEntry> {
        let filter = DeliveryFilter {
            limit: 1_000_000,
            ..DeliveryFilter::default()
        };
        let team = self.server.owner().team.parse().unwrap();
        self.server
            .store()
            .await
            .deliveries(team, filter)
            .await
            .unwrap()
    }

    /// Checks that each event of the log went to each of so many peers once, or was kept from it on purpose; how many were.
    pub(crate) async fn has_delivered_each_once(&self, peers: usize) -> usize {
        let mut ends: BTreeMap<(u64, String), usize> = BTreeMap::new();
        let mut drops = 0;
        for entry in self.deliveries().await {
            let taken = entry.status_code.is_some_and(|it| (200..300).contains(&it));
            // What was dropped on its way in has no number.
            if let Some(seq) = entry.seq.filter(|_| taken || entry.attempt == 0) {
                *ends.entry((seq, entry.peer_id)).or_default() += 1;
                drops += usize::from(entry.attempt == 0);
            }
        }
        let twice = ends.iter().find(|(_, count)| **count != 1);
        assert_eq!(twice, None, "{} wrote it down twice", self.name);
        assert_eq!(ends.len(), self.log().await.len() * peers, "{}", self.name);
        drops
    }

    /// Stores so many events at once, all of them accepted.
    pub(crate) async fn take(&self, prefix: &str, events: usize) {
        const BATCH: usize = 100;
        let access = self.server.owner();
        let event = |number| {
            let id = format!("{prefix}-{number}");
            json!({"specversion": "1.0", "type": "com.demo", "source": "s", "id": id, "data": {"body": id}})
        };
        for start in (0..events).step_by(BATCH) {
            let batch: Vec<Value> = (start..events.min(start + BATCH)).map(event).collect();
            let request = access.request(Method::POST, "/api/v1/events");
            let request = request.header(CONTENT_TYPE, "application/cloudevents-batch+json");
            answer(request.body(Value::from(batch).to_string()))
                .await
                .expect(202);
        }
    }
}

/// What instances of these tests say on their command lines.
pub(crate) fn flags(name: &str) -> [&str; 3] {
    ["--instance-id", name, "--allow-insecure-peers"]
}

async fn last_seq(access: &Access) -> u64 {
    let page = access.get("/api/v1/events?limit=1").await.expect(200);
    page["last_seq"].as_u64().unwrap()
}

/// Makes two instances peers: everything of the first goes to the second, at this rate, and nothing back. The id of the
/// second at the first.
pub(crate) async fn link(from: &Instance, to: &Instance, rate: u32) -> String {
    connect(from, to, [&["*"], &[]], rate).await[0].clone()
}

/// Makes two instances peers to which everything goes, both ways; the id of each at the other.
pub(crate) async fn befriend(one: &Instance, other: &Instance) -> [String; 2] {
    connect(one, other, [&["*"], &["*"]], UNLIMITED).await
}

async fn connect(one: &Instance, other: &Instance, scopes: [&[&str]; 2], rate: u32) -> [String; 2] {
    let [there, back] = [fresh_token(), fresh_token()];
    let first = add(one, other, scopes[0], [&there, &back], rate).await;
    let second = add(other, one, scopes[1], [&back, &there], rate).await;
    [first, second]
}

async fn add(
    at: &Instance,
    peer: &Instance,
    scopes: &[&str],
    [outbound, inbound]: [&str; 2],
    rate: u32,
) -> String {
    let team = peer.server.owner().team;
    let body = json!({
        "peer_instance_id": peer.name,
        "peer_hook_url": format!("{}/hooks/{team}/kite", peer.relay.url),
        "scopes": scopes,
        "outbound_token": outbound,
        "inbound_token": inbound,
        "rate_limit_per_sec": rate,
    });
    let made = at.server.owner().post(PEERS, body.to_string()).await;
    made.expect(201)["id"].as_str().unwrap().to_owned()
}

/// Ends the load on an instance; its log, which has what was acknowledged.
pub(crate) async fn settle_at(instance: &Instance, load: Load) -> Vec<Entry> {
    let book = load.stop().await;
    let log = instance.log().await;
    check_log(&book, &log).unwrap();
    eprintln!("{}: {book}, {} in the log", instance.name, log.len());
    log
}
