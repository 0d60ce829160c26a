//! A server that only says what OpenIntent servers say, and remembers what it was asked. Tests that run the program
//! beside it need a runtime of several threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use kite::openintent::did::{did_document, did_of_url};
use kite::openintent::model::{FederationManifest, TrustPolicy};
use serde_json::Value;

use super::{key, public};

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The server. It ends with the runtime of its test.
pub(super) struct Pretender {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    next: Answers,
}

/// What is answered about work: one after the other, the last again and again.
type Answers = Arc<Mutex<VecDeque<(u16, String)>>>;

#[derive(Clone)]
struct Said {
    manifest: String,
    document: String,
    wants_key: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
    next: Answers,
}

impl Pretender {
    /// One whose document has the key of a seed, under the DID of its URL.
    pub(super) async fn start(seed: u8) -> Self {
        Self::with(None, seed, false).await
    }

    /// One whose document has another name.
    pub(super) async fn named(did: &str, seed: u8) -> Self {
        Self::with(Some(did), seed, false).await
    }

    /// One that wants an API key.
    pub(super) async fn that_wants_a_key(seed: u8) -> Self {
        Self::with(None, seed, true).await
    }

    async fn with(did: Option<&str>, seed: u8, wants_key: bool) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let did = did.map_or_else(|| did_of_url(&url).unwrap(), str::to_owned);
        let mut manifest = FederationManifest::new(did.clone(), url.clone());
        manifest.public_key = Some(public(1));
        manifest.trust_policy = TrustPolicy::Open;
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let next = Answers::default();
        let said = Said {
            manifest: manifest.to_json().to_string(),
            document: did_document(&did, &url, &[(1, key(seed).public())]).to_string(),
            wants_key,
            asked: asked.clone(),
            next: next.clone(),
        };
        let router = Router::new().fallback(answer).with_state(said);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked, next }
    }

    /// Sets what it answers about intents and dispatches.
    pub(super) fn answers(&self, answers: &[(u16, Value)]) {
        let texts = answers
            .iter()
            .map(|(status, body)| (*status, body.to_string()));
        *self.next.lock().unwrap() = texts.collect();
    }

    /// What it was asked.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(said): State<Said>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let has_key = headers.contains_key("x-api-key");
    said.asked.lock().unwrap().push(Asked {
        path: format!("{method} {uri}"),
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let agent = r#"{"agent_id":"analyst","server_url":"https://a.example","capabilities":["charts"],"visibility":"public","server_did":null,"status":"active"}"#;
    let open = match uri.path() {
        "/.well-known/openintent-federation.json" => Some(said.manifest),
        "/.well-known/did.json" => Some(said.document),
        _ => None,
    };
    if let Some(text) = open {
        return (StatusCode::OK, text);
    }
    if said.wants_key && !has_key {
        let text = r#"{"detail":"Invalid or missing API key"}"#;
        return (StatusCode::UNAUTHORIZED, text.to_owned());
    }
    if uri.path().starts_with("/api/openintent/") {
        let mut next = said.next.lock().unwrap();
        let (status, text) = match next.len() {
            0 | 1 => next.front().cloned(),
            _ => next.pop_front(),
        }
        .unwrap_or((
            404,
            r#"{"error":"not found","code":"not_found"}"#.to_owned(),
        ));
        return (StatusCode::from_u16(status).unwrap(), text);
    }
    let text = match uri.path() {
        "/api/v1/federation/callback" | "/callbacks" => r#"{"dispatch_id":"d-1","accepted":true,"message":"heard"}"#.to_owned(),
        "/api/v1/federation/status" => r#"{"enabled":true,"server_did":null,"trust_policy":"open","peer_count":3,"active_dispatches":1,"total_dispatches":2,"total_received":4}"#.to_owned(),
        "/api/v1/federation/agents" => format!(r#"{{"agents":[{agent}]}}"#),
        "/api/v1/federation/dispatch" => r#"{"dispatch_id":"d-1","status":"accepted","target_server":"https://b.example","message":"Dispatch initiated"}"#.to_owned(),
        _ => return (StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#.to_owned()),
    };
    (StatusCode::OK, text)
}
