//! A kite server that federates with OpenIntent servers.

use std::fs;
use std::path::PathBuf;

use kite::protocol::identity::InstanceKey;
use kite::server::open_seed;
use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::authority::Authority;
use super::free_port;
use super::http::{Access, Answer, answer};
use super::party::{CALLBACK, RECEIVE};
use super::peers;
use super::reference::HOST;
use super::server::Server;

/// The server.
pub(crate) struct Node {
    pub(crate) server: Server,
    /// Its URL, which its peers know before it starts.
    pub(crate) url: String,
    /// Whom its callers trust, where it speaks TLS.
    ca_file: Option<PathBuf>,
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
        Self::start_in(TempDir::new().unwrap(), address, url, settings, more)
    }

    fn start_in(dir: TempDir, address: &str, url: &str, settings: &str, more: &[&str]) -> Self {
        let file = dir.path().join("kite.toml");
        fs::write(&file, format!("[openintent]\n{settings}")).unwrap();
        let flags = [more, &["--config", file.to_str().unwrap()]].concat();
        Self {
            server: Server::start_at(address, &flags),
            url: url.to_owned(),
            ca_file: None,
            _settings: dir,
        }
    }

    /// Starts one that speaks TLS, and trusts the same authority as those that call it.
    pub(crate) fn start_with_tls(address: &str, authority: &Authority, settings: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let ca_file = authority.write(dir.path());
        let identity = authority.identify(HOST);
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
        fs::write(&cert, &identity.certificate).unwrap();
        fs::write(&key, &identity.key).unwrap();
        let url = format!("https://{address}");
        let [cert, key, ca] = [&cert, &key, &ca_file].map(|path| path.to_str().unwrap());
        let mut more = vec!["--public-url", &*url, "--allow-insecure-peers"];
        more.extend(["--tls-cert", cert, "--tls-key", key, "--ca-file", ca]);
        Self {
            ca_file: Some(ca_file.clone()),
            ..Self::start_in(dir, address, &url, settings, &more)
        }
    }

    /// Starts one that trusts these and nobody else.
    pub(crate) fn trusting(urls: &[&str]) -> Self {
        Self::start(&settings("allowlist", urls))
    }

    /// Its team's admin key, and where to use it.
    pub(crate) fn access(&self) -> Access {
        let access = self.server.owner();
        match &self.ca_file {
            Some(file) => access.trusting(file),
            None => access,
        }
    }

    /// Its API key.
    pub(crate) fn key(&self) -> String {
        self.server.owner().key
    }

    /// The key that it signs with, taken from its database.
    pub(crate) async fn signing_key(&self) -> InstanceKey {
        let keys = self.server.store().await.signing_keys(peers::now()).await;
        let seed = open_seed(&self.server.sealer(), keys.unwrap().last().unwrap()).unwrap();
        InstanceKey::from_seed(&seed).unwrap()
    }

    /// Its DID.
    pub(crate) async fn did(&self) -> String {
        let status = self.status().await;
        status["server_did"].as_str().unwrap().to_owned()
    }

    /// Asks for something with its API key.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.access().bare(Method::GET, path);
        answer(request.header("X-API-Key", self.key())).await
    }

    /// Posts something with its API key.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.access().bare(Method::POST, path);
        let request = request.header("X-API-Key", self.key());
        let request = request.header("Content-Type", "application/json");
        answer(request.body(body.to_string())).await
    }

    /// Posts something that only its signature speaks for.
    pub(crate) async fn post_keyless(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.access().bare(Method::POST, path);
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
        let log = self.access().log().await.into_iter();
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
