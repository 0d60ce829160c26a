//! The posts to other servers of OpenIntent: an event of the outbox into a signed request, and what the answer means
//! (spec 7, 13.5, 13.7, 14.2).

use std::sync::Arc;
use std::time::Duration;

use super::callback::CALLBACK_SENT;
use super::dispatch::{INTENT_DISPATCHED, origin_of};
use super::{OpenIntent, TrustedServer};
use crate::federation::delivery::{Attempted, Request, Unposted, excerpt, said};
use crate::federation::dial::{Answer, Dial, DialFault, Limits};
use crate::openintent::did::key_id;
use crate::openintent::http_signature;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::ReceiveResult;
use crate::openintent::trust::normalize;
use crate::openintent::{signature, stamp};
use crate::protocol::event::{Data, Event};
use crate::protocol::id::TeamId;
use crate::protocol::peer_url::PeerUrl;
use crate::store::StoreError;
use crate::store::openintent::{ExchangeNote, ExchangeState};
use crate::store::record::Millis;

/// What one post may take, and how much of the answer is read: as long as the reference waits.
const LIMITS: Limits = Limits {
    whole: Duration::from_secs(30),
    body_max_bytes: 64 * 1024,
};

/// For how long a delivery is tried (spec 14.2).
pub(super) const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Another server of OpenIntent, as the outbox posts to it.
pub(in crate::federation) struct ErrandTarget {
    node: Arc<OpenIntent>,
    team: TeamId,
}

/// A dispatch that is posted: what the answer says is kept with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::federation) struct Errand {
    /// The dispatch's id.
    pub(in crate::federation) dispatch_id: String,
}

impl std::fmt::Debug for ErrandTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrandTarget").finish_non_exhaustive()
    }
}

impl ErrandTarget {
    pub(in crate::federation) fn new(node: Arc<OpenIntent>, team: TeamId) -> Self {
        Self { node, team }
    }

    pub(in crate::federation) fn limits(&self) -> Limits {
        LIMITS
    }

    pub(in crate::federation) fn age_max(&self) -> Duration {
        AGE_MAX
    }

    pub(in crate::federation) fn dial(&self) -> &Dial {
        &self.node.dial
    }

    /// The post of an event: stamped and signed now.
    pub(in crate::federation) async fn request(&self, event: &Event) -> Result<Request, Unposted> {
        let nothing = || "it holds nothing to send".to_owned();
        let Some(Data::Json(data)) = &event.data else {
            return Err(nothing().into());
        };
        let data: Json = data.get().parse().map_err(|fault| format!("{fault}"))?;
        let url = data.get("url").and_then(Json::as_str).unwrap_or_default();
        let (member, time) = match event.kind.as_str() {
            INTENT_DISPATCHED => ("envelope", "created_at"),
            CALLBACK_SENT => ("callback", "timestamp"),
            _ => return Err("it is nothing of OpenIntent".to_owned().into()),
        };
        let body = data.get(member).and_then(Json::as_object);
        let mut body = body.ok_or_else(nothing)?.clone();
        let url = self.node.callable(url).map_err(|fault| fault.0)?;
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("x-source-server", self.node.server_url.clone()),
        ];
        let key = self.api_key(url.as_str()).await;
        // The store is away: the event is as good as it was.
        if let Some(key) = key.map_err(|error| Unposted::Now(error.to_string()))? {
            headers.push((API_KEY, key));
        }
        // Behind all that may have to wait.
        let now = self.node.clock.unix_millis();
        body.insert(time.to_owned(), Json::from(stamp::write(now)));
        let keys = self.node.ring.keys();
        signature::sign(&mut body, &keys.signing(now).key);
        let errand = self.errand(event, &body);
        let text = Json::Object(body).to_string();
        headers.extend(self.signed(&url, &text, now));
        Ok(Request {
            url,
            headers,
            body: text.into(),
            message: None,
            errand,
        })
    }

    fn errand(&self, event: &Event, body: &Object) -> Option<Errand> {
        let dispatch_id = body.get("dispatch_id").and_then(Json::as_str)?;
        (event.kind == INTENT_DISPATCHED).then(|| Errand {
            dispatch_id: dispatch_id.to_owned(),
        })
    }

    /// The key of the server that a URL is of. Nobody else is ever shown it.
    async fn api_key(&self, url: &str) -> Result<Option<String>, StoreError> {
        let trust = self.node.trust.of(&self.team).await?;
        let server = server_of(&trust.servers, &normalize(url));
        let key = server.and_then(|server| server.api_key.as_ref());
        Ok(key.map(|key| key.reveal().to_owned()))
    }

    /// The headers that sign a request (spec 7).
    fn signed(&self, url: &PeerUrl, body: &str, now: Millis) -> Vec<(&'static str, String)> {
        let keys = self.node.ring.keys();
        let signing = keys.signing(now);
        let request = http_signature::Request {
            method: "POST",
            target_uri: url.as_str(),
            content_type: Some(CONTENT_TYPE),
            body: body.as_bytes(),
        };
        let keyid = key_id(&self.node.did, signing.number);
        let params = http_signature::Params::new(now.div_euclid(1000), &keyid);
        // The body says who it is from as well: without these headers it is still believed.
        let Ok(signed) = http_signature::sign(&request, &params, &signing.key) else {
            return Vec::new();
        };
        let digest = signed.content_digest.map(|it| ("content-digest", it));
        let others = [
            ("signature-input", signed.signature_input),
            ("signature", signed.signature),
        ];
        digest.into_iter().chain(others).collect()
    }

    /// What an answer, or the lack of one, means: 2xx is a success, what passes is tried again, all else ends it (spec
    /// 14.2).
    pub(in crate::federation) fn judge(
        &self,
        answer: Result<&Answer, &DialFault>,
        key: &str,
    ) -> Attempted {
        let answer = match answer {
            Ok(answer) => answer,
            Err(fault) => return Attempted::failed(fault.to_string()),
        };
        let status = answer.status;
        let error = format!("{} ({status}){}", words(status), excerpt(&answer.body, key));
        match status {
            200..=299 => Attempted::Delivered,
            408 | 425 | 429 | 500..=599 => Attempted::PeerFailed {
                error,
                asked: answer.retry_after,
            },
            _ => Attempted::EventRefused(error),
        }
    }
}

const CONTENT_TYPE: &str = "application/json";

const API_KEY: &str = "x-api-key";

/// The longest word that another server may have for an intent, and how much of what it says is kept, in characters.
const REMOTE_ID_MAX_CHARS: usize = 2048;
const MESSAGE_MAX_CHARS: usize = 500;

/// The key that a post shows; empty where it shows none. Whatever comes back may repeat it.
pub(in crate::federation) fn shown_key<'a>(headers: &'a [(&'static str, String)]) -> &'a str {
    let key = headers.iter().find(|(name, _)| *name == API_KEY);
    key.map_or("", |(_, key)| key)
}

/// The server that a normalised URL is of: the one below whose own URL it is; else the only one at its origin (spec 13.7).
/// Where several share an origin, none of them gets the key of another.
fn server_of<'a>(servers: &'a [TrustedServer], url: &str) -> Option<&'a TrustedServer> {
    let is_below = |server: &&TrustedServer| {
        let rest = url.strip_prefix(server.url.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    let nearest = servers.iter().filter(is_below);
    let nearest = nearest.max_by_key(|server| server.url.len());
    let origin = origin_of(url);
    let mut neighbours = servers
        .iter()
        .filter(|server| origin_of(&server.url) == origin);
    nearest.or_else(|| {
        let first = neighbours.next();
        first.filter(|_| neighbours.next().is_none())
    })
}

/// What is learnt of a dispatch by the answer to its post, which showed this key.
pub(in crate::federation) fn learnt(body: &[u8], key: &str) -> ExchangeNote {
    let body = Json::read(body).ok();
    let accepted = body.as_ref().and_then(|body| body.get("accepted"));
    let state = match accepted.and_then(Json::as_bool) {
        Some(false) => ExchangeState::Rejected,
        // Whoever answers a success and does not say no has taken it.
        _ => ExchangeState::Delivered,
    };
    let result = body.and_then(|body| ReceiveResult::from_json(&body).ok());
    let remote_id = result.as_ref().and_then(|it| it.local_intent_id.clone());
    let is_name = |id: &String| {
        let is_short = id.chars().count() <= REMOTE_ID_MAX_CHARS;
        is_short && (key.is_empty() || !id.contains(key))
    };
    let words = result.map(|it| said(&it.message, &[key], MESSAGE_MAX_CHARS));
    let message = words.and_then(|words| Some(words.strip_prefix(": ")?.to_owned()));
    ExchangeNote {
        state: Some(state),
        remote_id: remote_id.filter(is_name),
        message,
    }
}

fn words(status: u16) -> &'static str {
    match status {
        300..=399 => "the server is at another address, and redirects are not followed",
        400 | 422 => "the server refused it",
        401 => {
            "the server wants an API key, or another one: `kite openintent trust add URL --api-key -` tells it"
        }
        403 => "the server does not trust this one, or its signature",
        404 => "the server has no such path: check its address",
        409 => "the server has another one with this id",
        413 => "it is too large for the server",
        408 => "the server did not get the whole request in time",
        429 => "the server takes no more for now",
        500..=599 => "the server failed",
        _ => "the server gave an unexpected answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::openintent::Source;
    use crate::openintent::model::PeerRelationship;

    fn server(url: &str) -> TrustedServer {
        TrustedServer {
            url: url.to_owned(),
            given_url: url.to_owned(),
            relationship: PeerRelationship::Peer,
            trust_policy: None,
            did: None,
            api_key: None,
            shared_secret: None,
            source: Source::Command,
            created_at: None,
        }
    }

    #[test]
    fn what_a_server_says_never_repeats_the_key_that_it_was_shown() {
        let headers = [
            ("x-source-server", "s".to_owned()),
            (API_KEY, "k3y".to_owned()),
        ];
        assert_eq!(shown_key(&headers), "k3y");
        assert_eq!(shown_key(&headers[..1]), "");
        let body = br#"{"dispatch_id":"d","accepted":true,"local_intent_id":"i","message":"got\u001b k3y"}"#;
        let note = learnt(body, "k3y");
        assert_eq!(note.message.as_deref(), Some("got (token)"));
        assert_eq!(note.remote_id.as_deref(), Some("i"));
        let long = format!(
            r#"{{"accepted":true,"local_intent_id":"{}"}}"#,
            "x".repeat(5000)
        );
        assert_eq!(learnt(long.as_bytes(), "").remote_id, None);
    }

    #[test]
    fn servers_that_share_an_origin_do_not_share_a_key() {
        let servers = [
            "https://b.example",
            "https://c.example/one",
            "https://c.example/two",
        ];
        let servers = servers.map(server);
        let of = |url: &str| server_of(&servers, url).map(|server| server.url.as_str());
        assert_eq!(of("https://b.example/callback"), Some("https://b.example"));
        let two = "https://c.example/two/api/v1/federation/receive";
        assert_eq!(of(two), Some("https://c.example/two"));
        for foreign in [
            "https://c.example/twofold",
            "https://c.example/callback",
            "https://b.example:8443/callback",
            "https://b.example.evil.example",
            "http://b.example/callback",
        ] {
            assert_eq!(of(foreign), None, "{foreign}");
        }
        let alone = [server("https://c.example/one")];
        let found = server_of(&alone, "https://c.example/callback");
        assert!(found.is_some(), "the only one at its origin");
    }
}
