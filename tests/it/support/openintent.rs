//! A kite server that federates with OpenIntent servers.

use std::fs;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::free_port;
use super::http::{Answer, answer};
use super::party::{CALLBACK, RECEIVE};
use super::reference::HOST;
use super::server::Server;

/// The server.
pub(crate) struct Node {
    pub(crate) server: Server,
    /// Its URL, which its peers know before it starts.
    pub(crate) url: String,
    _settings: TempDir,
}

/// An address for a server that is not there yet.
pub(crate) fn address() -> String {
    format!("{HOST}:{}", free_port(HOST))
}

impl Node {
    /// Starts one with this below `[openintent]`.
    pub(crate) fn start(settings: &str) -> Self {
        Self::start_at(&address(), settings)
    }

    /// Starts one at an address that others know already.
    pub(crate) fn start_at(address: &str, settings: &str) -> Self {
        let url = format!("http://{address}");
        let more = ["--public-url", &url, "--allow-insecure-peers"];
        Self::start_with(address, &url, settings, &more)
    }

    /// Starts one at an address, known by this URL, with more to say on its command line.
    pub(crate) fn start_with(address: &str, url: &str, settings: &str, more: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("kite.toml");
        fs::write(&file, format!("[openintent]\n{settings}")).unwrap();
        let flags = [more, &["--config", file.to_str().unwrap()]].concat();
        Self {
            server: Server::start_at(address, &flags),
            url: url.to_owned(),
            _settings: dir,
        }
    }

    /// Starts one that trusts these and nobody else.
    pub(crate) fn trusting(urls: &[&str]) -> Self {
        Self::start(&settings("allowlist", urls))
    }

    /// Its API key.
    pub(crate) fn key(&self) -> String {
        self.server.owner().key
    }

    /// Asks for something with its API key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.server.owner().bare(Method::GET, path);
        answer(request.header("X-API-Key", self.key())).await
    }

    /// Posts something with its API key.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.server.owner().bare(Method::POST, path);
        let request = request.header("X-API-Key", self.key());
        let request = request.header("Content-Type", "application/json");
        answer(request.body(body.to_string())).await
    }

    /// Posts something that only its signature speaks for.
    pub(crate) async fn post_keyless(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.server.owner().bare(Method::POST, path);
        let request = request.header("Content-Type", "application/json");
        answer(request.body(body.into())).await
    }

    /// Sends it a signed intent.
    pub(crate) async fn receive(&self, envelope: impl Into<String>) -> Answer {
        self.post_keyless(RECEIVE, envelope).await
    }

    /// Sends it a signed callback.
    pub(crate) async fn call_back(&self, callback: impl Into<String>) -> Answer {
        self.post_keyless(CALLBACK, callback).await
    }

    /// What it says of itself.
    pub(crate) async fn status(&self) -> Value {
        self.get("/api/v1/federation/status").await.expect(200)
    }

    /// Its manifest.
    pub(crate) async fn manifest(&self) -> Value {
        let path = "/.well-known/openintent-federation.json";
        self.get(path).await.expect(200)
    }

    /// The public key that it signs with, as base64.
    pub(crate) async fn public_key(&self) -> String {
        let manifest = self.manifest().await;
        manifest["public_key"].as_str().unwrap().to_owned()
    }

    /// The events in its log.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let log = self.server.owner().log().await.into_iter();
        log.map(|mut listed| listed["event"].take()).collect()
    }

    /// Nothing came of what was sent to it: no event, nothing counted.
    pub(crate) async fn has_nothing(&self) {
        assert_eq!(self.events().await, Vec::<Value>::new());
        assert_eq!(self.status().await["total_received"], 0);
    }
}

/// Settings of a server that trusts these, and lists three agents.
pub(crate) fn settings(policy: &str, urls: &[&str]) -> String {
    let mut text = format!("enabled = true\ntrust_policy = \"{policy}\"\n");
    for url in urls {
        text += &format!("[[openintent.peers]]\nurl = \"{url}\"\n");
    }
    text + AGENTS
}

/// The agents that a server of the tests lists, or does not.
pub(crate) const AGENTS: &str = r#"
[[openintent.agents]]
id = "agent-public"
visibility = "public"
capabilities = ["research"]
[[openintent.agents]]
id = "agent-unlisted"
visibility = "unlisted"
[[openintent.agents]]
id = "agent-private"
visibility = "private"
"#;
