//! Instances that trust one authority, and what a test asks them.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::TOKEN;
use super::hook::{Hook, Reply};
use crate::support::authority::{Authority, Identity};
use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::http::{Access, answer};
use crate::support::server::Server;

/// What the instances of a test have in common.
pub(super) struct Site {
    pub(super) authority: Authority,
    dir: TempDir,
}

impl Site {
    pub(super) fn new() -> Self {
        let (authority, dir) = (Authority::new(), TempDir::new().unwrap());
        authority.write(dir.path());
        Self { authority, dir }
    }

    /// Who everybody here trusts.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// An instance that calls others of this machine.
    pub(super) fn instance(&self, id: &str) -> Instance {
        let ca_file = self.ca_file();
        let flags = flags(id, ca_file.to_str().unwrap());
        Instance::of(id, Server::start_with(&flags), |access| access)
    }

    /// An instance that others reach over TLS, too.
    pub(super) fn secure_instance(&self, id: &str) -> Instance {
        let ca_file = self.ca_file();
        let identity = self.authority.identify("127.0.0.1");
        let (cert, key) = (self.file(id, "cert"), self.file(id, "key"));
        fs::write(&cert, identity.certificate).unwrap();
        fs::write(&key, identity.key).unwrap();
        let mut flags = flags(id, ca_file.to_str().unwrap());
        flags.extend(["--tls-cert", cert.to_str().unwrap()]);
        flags.extend(["--tls-key", key.to_str().unwrap()]);
        Instance::of(id, Server::start_with(&flags), |access| {
            access.trusting(&ca_file)
        })
    }

    fn file(&self, id: &str, kind: &str) -> PathBuf {
        self.dir.path().join(format!("{id}.{kind}.pem"))
    }

    /// A certificate for the hooks of this machine.
    pub(super) fn identity(&self) -> Identity {
        self.authority.identify("localhost")
    }

    /// A hook that everybody here trusts.
    pub(super) async fn hook(
        &self,
        decide: impl Fn(&str, &Value, usize) -> Reply + Send + Sync + 'static,
    ) -> Hook {
        Hook::start(&self.identity(), decide).await
    }
}

fn flags<'a>(id: &'a str, ca_file: &'a str) -> Vec<&'a str> {
    vec![
        "--instance-id",
        id,
        "--allow-insecure-peers",
        "--ca-file",
        ca_file,
    ]
}

/// A running `kite serve`.
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) server: Server,
    /// An admin key of its first team.
    pub(super) owner: Access,
}

impl Instance {
    fn of(id: &str, server: Server, trusting: impl FnOnce(Access) -> Access) -> Self {
        let owner = trusting(server.owner());
        Self {
            id: id.to_owned(),
            server,
            owner,
        }
    }

    /// Where its first team's peers post to.
    pub(super) fn hook_url(&self) -> String {
        format!("{}/hooks/{}/kite", self.owner.url, self.owner.team)
    }

    /// Somebody who has logged in to it.
    pub(super) fn person(&self) -> Person {
        Person::at(&self.server)
    }

    /// Makes a peer that gets everything at this address; as it was answered.
    pub(super) async fn add(&self, name: &str, url: &str) -> Value {
        let body = json!({"name": name, "peer_hook_url": url, "outbound_token": TOKEN,
            "rate_limit_per_sec": 100_000});
        self.add_with(body).await
    }

    /// Makes a peer.
    pub(super) async fn add_with(&self, body: Value) -> Value {
        let made = self.owner.post("/api/federation/peers", body.to_string());
        made.await.expect(201)
    }

    /// Makes it and another instance peers of each other, with a limit of hops.
    pub(super) async fn connect(&self, other: &Self, max_hops: u64) {
        let made = self.add_with(peer(other, max_hops)).await;
        let mut there = peer(self, max_hops);
        // What one shows the other has to see.
        there["outbound_token"] = made["inbound_token"].clone();
        there["inbound_token"] = made["outbound_token"].clone();
        other.add_with(there).await;
    }

    /// Stores an event.
    pub(super) async fn emit(&self, id: &str) {
        let event = json!({"id": id, "source": "https://tests.example", "type": "com.example.note",
            "data": {"n": 1}});
        self.owner.emit(&event).await.expect(202);
    }

    /// What is on its way to a peer, or was.
    pub(super) async fn rows(&self, peer: &Value) -> Vec<Value> {
        self.list("outbox", peer).await
    }

    /// The attempts at a peer, newest first.
    pub(super) async fn attempts(&self, peer: &Value) -> Vec<Value> {
        self.list("deliveries", peer).await
    }

    async fn list(&self, what: &str, peer: &Value) -> Vec<Value> {
        let id = peer["id"].as_str().unwrap();
        let path = format!("/api/federation/{what}?peer_id={id}&limit=1000");
        let listed = self.owner.get(&path).await.expect(200);
        listed.as_array().unwrap().clone()
    }

    /// How a peer does.
    pub(super) async fn health(&self, peer: &str) -> Value {
        let all = self.owner.get("/api/federation/status").await.expect(200);
        let all = all.as_array().unwrap();
        let found = all.iter().find(|health| health["peer"] == peer);
        found.unwrap_or_else(|| panic!("no `{peer}`")).clone()
    }

    /// Waits until a peer does as it should.
    pub(super) async fn until(
        &self,
        peer: &str,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let look = async || Some(self.health(peer).await).filter(&is_so);
        eventually(&format!("`{peer}` {what}"), look).await
    }

    /// A call to the API of federation.
    pub(super) async fn call(&self, method: Method, path: &str) -> Value {
        let request = self
            .owner
            .request(method, &format!("/api/federation/{path}"));
        answer(request).await.expect(200)
    }

    /// The ids of the events in its log, in their order.
    pub(super) async fn ids(&self) -> Vec<String> {
        let id = |listed: &Value| listed["event"]["id"].as_str().unwrap().to_owned();
        self.owner.log().await.iter().map(id).collect()
    }

    /// Waits until so many events are in its log; all their ids.
    pub(super) async fn has(&self, count: usize) -> Vec<String> {
        let look = async || Some(self.ids().await).filter(|ids| ids.len() >= count);
        eventually(&format!("{count} events are there"), look).await
    }
}

/// The body that makes a peer of an instance.
fn peer(of: &Instance, max_hops: u64) -> Value {
    json!({
        "peer_instance_id": of.id,
        "peer_hook_url": of.hook_url(),
        "max_hops": max_hops,
        "rate_limit_per_sec": 100_000,
    })
}
