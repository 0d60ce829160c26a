//! Three servers that give each other's work on: they publish their keys, and what they sign is prepared here.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use kite::openintent::did::{did_document, did_of_url};
use kite::openintent::json::{Json, Object};
use kite::openintent::model::DelegationScope;
use kite::openintent::signature::sign;
use kite::openintent::ucan::UCANToken;
use kite::protocol::identity::InstanceKey;

/// Which chains intents come with.
#[derive(Debug, Clone, Copy)]
pub enum Chains {
    /// All with the same one.
    Shared,
    /// Each with one of its own.
    Own,
}

struct Party {
    url: String,
    did: String,
    key: InstanceKey,
}

pub struct Parties([Party; 3]);

impl Parties {
    pub fn start() -> Self {
        Self([1, 2, 3].map(Party::start))
    }

    /// The one that sends.
    pub fn source(&self) -> &str {
        &self.0[2].url
    }

    pub fn urls(&self) -> [&str; 3] {
        self.0.each_ref().map(|party| &*party.url)
    }

    /// The text of an intent that nobody has signed.
    pub fn plain(&self, number: u64) -> String {
        Json::Object(self.intent(number, None)).to_string()
    }

    /// Signed intents for a server, each with a chain of three tokens. Made by all processors, since that takes longer
    /// than reading them.
    pub fn signed(&self, target: &str, chains: Chains, count: usize) -> Vec<String> {
        let workers = thread::available_parallelism().unwrap().get();
        let shared = self.chain(target, "shared");
        let make = |number: usize| {
            let mut intent = self.intent(number as u64, Some(target));
            let token = match chains {
                Chains::Shared => shared.clone(),
                Chains::Own => self.chain(target, &number.to_string()),
            };
            intent.insert("ucan".to_owned(), token.into());
            sign(&mut intent, &self.0[2].key);
            Json::Object(intent).to_string()
        };
        let make = &make;
        let part = move |worker: usize| -> Vec<String> {
            (worker..count).step_by(workers).map(make).collect()
        };
        thread::scope(|scope| {
            let parts: Vec<_> = (0..workers)
                .map(|worker| scope.spawn(move || part(worker)))
                .collect();
            let parts = parts.into_iter().map(|part| part.join().unwrap());
            parts.flatten().collect()
        })
    }

    fn chain(&self, target: &str, nonce: &str) -> String {
        let [root, middle, source] = &self.0;
        let now = jiff::Timestamp::now().as_second();
        let scope = |permissions: &[&str], depth| DelegationScope {
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
            max_delegation_depth: depth,
            ..DelegationScope::default()
        };
        let wide = scope(&["events.log", "intent.create", "state.patch"], 3);
        let token = UCANToken::new(&*root.did, &*middle.did, wide, now, nonce).encode(&root.key);
        let narrow = scope(&["events.log", "state.patch"], 2);
        let token =
            UCANToken::attenuate(&token, &source.did, &narrow, now, nonce, &middle.key, false)
                .unwrap();
        let audience = did_of_url(target).unwrap();
        let last = scope(&["state.patch"], 1);
        UCANToken::attenuate(&token, &audience, &last, now, nonce, &source.key, false).unwrap()
    }

    fn intent(&self, number: u64, target: Option<&str>) -> Object {
        let mut state = Object::new();
        state.insert("rooms".to_owned(), 2_i64.into());
        let mut intent = Object::new();
        let mut put = |name: &str, value: Json| intent.insert(name.to_owned(), value);
        put("dispatch_id", format!("dispatch-{number}").into());
        put("source_server", self.source().into());
        put("intent_id", "intent-1".into());
        put("intent_title", "Plan the move".into());
        put(
            "intent_description",
            "Rooms for two, near the station".into(),
        );
        put("intent_state", Json::Object(state));
        if let Some(target) = target {
            put("target_server", target.into());
            put("created_at", jiff::Timestamp::now().to_string().into());
        }
        intent
    }
}

impl Party {
    fn start(number: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let did = did_of_url(&url).unwrap();
        let key = InstanceKey::from_seed(&[number; 32]).unwrap();
        let document = did_document(&did, &url, &[(1, key.public())]).to_string();
        thread::spawn(move || {
            for stream in listener.incoming() {
                publish(stream.unwrap(), &document);
            }
        });
        Self { url, did, key }
    }
}

/// Answers one request, whatever it is.
fn publish(mut stream: TcpStream, document: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 0 && line != "\r\n" {
        line.clear();
    }
    let length = document.len();
    // Who has asked may be gone.
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{document}"
    )
    .ok();
}
