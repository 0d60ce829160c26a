//! A server of OpenIntent that is none of kite's: it publishes keys, signs what it sends and answers as a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kite::openintent::did::{did_document, did_of_url};
use kite::openintent::json::Json;
use kite::openintent::{signature, stamp};
use kite::protocol::identity::InstanceKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::http::{Access, Answer, answer};
use super::peers::now;

/// What becomes of a post.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// A status, a header and a body.
    This(u16, Option<(&'static str, String)>, String),
    /// Nothing, for longer than anybody waits, on a connection that stays.
    Nothing,
    /// The connection ends.
    Farewell,
}

impl Says {
    /// A status and a body.
    pub(crate) fn with(status: u16, body: &str) -> Self {
        Self::This(status, None, body.to_owned())
    }

    /// What a server that takes an intent says.
    pub(crate) fn taken(post: &Value, local_intent_id: &str) -> Self {
        let body = json!({"dispatch_id": post["dispatch_id"], "accepted": true,
            "local_intent_id": local_intent_id, "message": "taken"});
        Self::with(200, &body.to_string())
    }
}

/// A post as it came: where to, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    /// The path.
    pub(crate) path: String,
    /// The `Signature-Input`, if there was one.
    pub(crate) signature_input: Option<String>,
    /// The body.
    pub(crate) body: Value,
}

type Answers = dyn Fn(usize, &Came) -> Says + Send + Sync;

struct Shared {
    url: String,
    keys: Mutex<Vec<(u32, [u8; 32])>>,
    fetches: Mutex<usize>,
    lost_fetches: Mutex<usize>,
    came: Mutex<Vec<Came>>,
    answers: Mutex<Arc<Answers>>,
}

/// The server. It ends with this value.
pub(crate) struct Partner {
    /// Where it listens, as an HTTP address.
    pub(crate) url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// A key pair of the seed that is this byte over and over.
pub(crate) fn key(byte: u8) -> InstanceKey {
    InstanceKey::from_seed(&[byte; 32]).unwrap()
}

impl Partner {
    /// One that publishes the key of this byte and takes everything.
    pub(crate) async fn start(byte: u8) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            url: url.clone(),
            keys: Mutex::new(vec![(1, key(byte).public())]),
            fetches: Mutex::default(),
            lost_fetches: Mutex::default(),
            came: Mutex::default(),
            answers: Mutex::new(Arc::new(|_, came| Says::taken(&came.body, "theirs"))),
        });
        let serving = tokio::spawn(serve(listener, shared.clone()));
        Self {
            url,
            shared,
            serving,
        }
    }

    /// Publishes the keys of these bytes from now on.
    pub(crate) fn publish(&self, bytes: &[u8]) {
        let keys = (1..)
            .zip(bytes)
            .map(|(number, byte)| (number, key(*byte).public()));
        *self.shared.keys.lock().unwrap() = keys.collect();
    }

    /// Answers posts like this from now on, by their number from 0.
    pub(crate) fn answer(&self, answers: impl Fn(usize, &Came) -> Says + Send + Sync + 'static) {
        *self.shared.answers.lock().unwrap() = Arc::new(answers);
    }

    /// How often its keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        *self.shared.fetches.lock().unwrap()
    }

    /// Says nothing to the first so many who ask for its keys: their connections end.
    pub(crate) fn lose_fetches(&self, count: usize) {
        *self.shared.lost_fetches.lock().unwrap() = count;
    }

    /// All posts that came.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.shared.came.lock().unwrap().clone()
    }

    /// An envelope from here, without a time and a signature.
    pub(crate) fn envelope(&self, to: &str, dispatch_id: &str) -> Value {
        json!({"dispatch_id": dispatch_id, "source_server": self.url, "target_server": to, "intent_id": "i-1",
            "intent_title": "Look at it", "intent_description": "", "intent_state": {"n": 1}, "intent_constraints": {}})
    }

    /// Sends an envelope, stamped now and signed with the key of this byte.
    pub(crate) async fn send(&self, to: &Access, envelope: &Value, byte: u8) -> Answer {
        post(to, &signed(envelope, "created_at", byte)).await
    }
}

/// Stamps and signs something now.
pub(crate) fn signed(body: &Value, time: &str, byte: u8) -> String {
    let Json::Object(mut object) = body.to_string().parse().unwrap() else {
        panic!("{body}");
    };
    object.insert(time.to_owned(), Json::from(stamp::write(now())));
    signature::sign(&mut object, &key(byte));
    Json::Object(object).to_string()
}

/// Whether a body was signed with a key.
pub(crate) fn is_signed_by(body: &Value, public: &[u8; 32]) -> bool {
    let json: Json = body.to_string().parse().unwrap();
    signature::verify(json.as_object().unwrap(), &[*public]).is_ok()
}

/// Posts an envelope without an API key.
pub(crate) async fn post(to: &Access, envelope: &str) -> Answer {
    let request = to.bare(reqwest::Method::POST, "/api/v1/federation/receive");
    let request = request.header("content-type", "application/json");
    answer(request.body(envelope.to_owned())).await
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Connections end with the server.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(|request| {
                let shared = shared.clone();
                async move { shared.answer(request).await.ok_or(Gone) }
            });
            // It ends as the caller wants.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Breaks a connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends")]
struct Gone;

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let path = request.uri().path().to_owned();
        if path == "/.well-known/did.json" {
            let number = {
                let mut fetches = self.fetches.lock().unwrap();
                *fetches += 1;
                *fetches
            };
            if number <= *self.lost_fetches.lock().unwrap() {
                return None;
            }
            let keys = self.keys.lock().unwrap().clone();
            let document = did_document(&did_of_url(&self.url).unwrap(), &self.url, &keys);
            return Some(Response::new(Full::new(document.to_string().into())));
        }
        let header = request.headers().get("signature-input");
        let signature_input = header.map(|it| it.to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.ok()?.to_bytes();
        let came = Came {
            path,
            signature_input,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        let number = {
            let mut all = self.came.lock().unwrap();
            all.push(came.clone());
            all.len() - 1
        };
        let answers = self.answers.lock().unwrap().clone();
        match answers(number, &came) {
            Says::This(status, header, body) => {
                let mut response = Response::builder().status(status);
                if let Some((name, value)) = header {
                    response = response.header(name, value);
                }
                Some(response.body(Full::new(body.into())).unwrap())
            }
            Says::Nothing => {
                sleep(Duration::from_secs(3600)).await;
                None
            }
            Says::Farewell => None,
        }
    }
}
