//! Another OpenIntent server, by code of the tests' own: it publishes whatever document a test wants, signs whatever a
//! test wants signed, and writes down what comes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kite::base::random;
use kite::openintent::json::Json;
use kite::openintent::signature;
use kite::protocol::identity::InstanceKey;
use serde_json::{Value, json};

use super::receiver::{Got, Receiver};
use super::reference::HOST;

/// Where every server takes intents.
pub(crate) const RECEIVE: &str = "/api/v1/federation/receive";

/// Where kite takes callbacks.
pub(crate) const CALLBACK: &str = "/api/v1/federation/callback";

/// What it says of itself.
const DOCUMENT: &str = "/.well-known/did.json";

/// The server. It ends with this value.
pub(crate) struct Party {
    /// Its URL.
    pub(crate) url: String,
    /// Its DID, as did:web has it.
    pub(crate) did: String,
    /// Its secret key, in hex digits.
    pub(crate) seed: String,
    key: InstanceKey,
    document: Arc<Mutex<Value>>,
    receiver: Receiver,
}

impl Party {
    /// Starts one that takes every intent and every callback.
    pub(crate) fn start() -> Self {
        Self::answering(|got| {
            let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
            let answer = json!({
                "dispatch_id": body["dispatch_id"],
                "accepted": true,
                "local_intent_id": "theirs-1",
                "message": "taken",
            });
            (200, answer.to_string())
        })
    }

    /// Starts one that answers posts like this.
    pub(crate) fn answering(
        answers: impl Fn(&Got) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let document = Arc::new(Mutex::new(Value::Null));
        let published = Arc::clone(&document);
        let address: SocketAddr = format!("{HOST}:0").parse().unwrap();
        let receiver = Receiver::replying(address, move |got| {
            Some(match got.path.as_str() {
                DOCUMENT => (200, published.lock().unwrap().to_string()),
                _ => answers(got),
            })
        });
        let url = receiver.url.strip_suffix("/hook").unwrap().to_owned();
        let did = format!("did:web:{}", url.replace("http://", "").replace(':', "%3A"));
        let seed = random::bytes();
        let key = InstanceKey::from_seed(&seed).unwrap();
        let party = Self {
            url,
            did,
            seed: seed.iter().map(|byte| format!("{byte:02x}")).collect(),
            key,
            document,
            receiver,
        };
        party.publish(&party.did, &party.key.public());
        party
    }

    /// Its public key.
    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.public()
    }

    /// The key that it signs with.
    pub(crate) fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// Publishes a document with this id and this key.
    pub(crate) fn publish(&self, id: &str, public: &[u8; 32]) {
        *self.document.lock().unwrap() = json!({
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": id,
            "verificationMethod": [{
                "id": format!("{id}#key-1"),
                "type": "Ed25519VerificationKey2020",
                "controller": id,
                "publicKeyBase64": STANDARD.encode(public),
            }],
            "authentication": [format!("{id}#key-1")],
        });
    }

    /// Publishes this instead.
    pub(crate) fn publish_text(&self, document: Value) {
        *self.document.lock().unwrap() = document;
    }

    /// How often somebody asked for its document.
    pub(crate) fn asked_for_document(&self) -> usize {
        let got = self.receiver.got();
        got.iter().filter(|got| got.path == DOCUMENT).count()
    }

    /// What was posted to a path so far.
    pub(crate) fn posted(&self, path: &str) -> Vec<Got> {
        let mut got = self.receiver.got();
        got.retain(|got| got.path == path);
        got
    }

    /// An intent for a server, not signed yet.
    pub(crate) fn intent(&self, target: &str, dispatch_id: &str) -> Value {
        json!({
            "dispatch_id": dispatch_id,
            "source_server": self.url,
            "target_server": target,
            "intent_id": "intent-1",
            "intent_title": "Plan the move",
            "intent_description": "Zimmer für zwei",
            "intent_state": {"rooms": 2, "price": 1.0},
            "intent_constraints": {},
            "idempotency_key": format!("key-{dispatch_id}"),
            "created_at": now(),
        })
    }

    /// The text of an object with this server's signature in it.
    pub(crate) fn signed(&self, object: &Value) -> String {
        let Json::Object(mut object) = object.to_string().parse().unwrap() else {
            panic!("only objects are signed: {object}");
        };
        signature::sign(&mut object, &self.key);
        Json::Object(object).to_string()
    }

    /// A token that this server issues, valid for an hour: `more` replaces or adds members.
    pub(crate) fn token(
        &self,
        audience: &str,
        scope: &Value,
        parent: &str,
        more: &Value,
    ) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut payload = json!({
            "iss": self.did,
            "aud": audience,
            "scope": scope,
            "nbf": now - 10,
            "exp": now + 3600,
            "nonce": STANDARD.encode(random::bytes::<16>()),
            "prf": if parent.is_empty() { json!([]) } else { json!([parent]) },
        });
        for (name, value) in more.as_object().unwrap() {
            payload[name] = value.clone();
        }
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg": "EdDSA", "typ": "UCAN"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload.to_string()));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The present time, as a stamp.
pub(crate) fn now() -> String {
    stamp(0)
}

/// A time so many seconds from now, as a stamp.
pub(crate) fn stamp(seconds: i64) -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    time.to_string()
}
