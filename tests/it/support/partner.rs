//! A server of OpenIntent that is none of kite's: it publishes keys, signs what it sends and answers as a test wants.

use std::sync::{Arc, Mutex};

use kite::openintent::did::{did_document, did_of_url};
use kite::openintent::json::Json;
use kite::openintent::{signature, stamp};
use kite::protocol::identity::InstanceKey;
use serde_json::{Value, json};

use super::http::{Access, Answer, answer};
use super::peers::now;
pub(crate) use super::receiver::Says;
use super::receiver::{Got, Receiver};

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
    _receiver: Receiver,
}

/// A key pair of the seed that is this byte over and over.
pub(crate) fn key(byte: u8) -> InstanceKey {
    InstanceKey::from_seed(&[byte; 32]).unwrap()
}

impl Partner {
    /// One that publishes the key of this byte and takes everything.
    pub(crate) fn start(byte: u8) -> Self {
        let shared = Arc::new(Shared {
            keys: Mutex::new(vec![(1, key(byte).public())]),
            fetches: Mutex::default(),
            lost_fetches: Mutex::default(),
            came: Mutex::default(),
            answers: Mutex::new(Arc::new(|_, came| taken(&came.body, "theirs"))),
        });
        let own = Arc::clone(&shared);
        let receiver = Receiver::saying("127.0.0.1:0".parse().unwrap(), move |got| own.answer(got));
        Self {
            url: receiver.url.strip_suffix("/hook").unwrap().to_owned(),
            shared,
            _receiver: receiver,
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

/// What a server that takes an intent says.
pub(crate) fn taken(post: &Value, local_intent_id: &str) -> Says {
    let body = json!({"dispatch_id": post["dispatch_id"], "accepted": true,
        "local_intent_id": local_intent_id, "message": "taken"});
    Says::with(200, &body.to_string())
}

impl Shared {
    fn answer(&self, got: &Got) -> Says {
        if got.path == "/.well-known/did.json" {
            return self.document(&format!("http://{}", got.header("host")));
        }
        let signature_input = got
            .headers
            .iter()
            .find(|(name, _)| name == "signature-input");
        let came = Came {
            path: got.path.clone(),
            signature_input: signature_input.map(|(_, value)| value.clone()),
            body: serde_json::from_slice(&got.body).unwrap_or(Value::Null),
        };
        let number = {
            let mut all = self.came.lock().unwrap();
            all.push(came.clone());
            all.len() - 1
        };
        let answers = self.answers.lock().unwrap().clone();
        answers(number, &came)
    }

    fn document(&self, url: &str) -> Says {
        let number = {
            let mut fetches = self.fetches.lock().unwrap();
            *fetches += 1;
            *fetches
        };
        if number <= *self.lost_fetches.lock().unwrap() {
            return Says::Farewell;
        }
        let keys = self.keys.lock().unwrap().clone();
        let document = did_document(&did_of_url(url).unwrap(), url, &keys);
        Says::with(200, &document.to_string())
    }
}
