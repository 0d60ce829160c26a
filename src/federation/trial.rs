//! A post that tries whether a peer can be reached and knows the token, with an event that it does not keep (spec 14.1).

use serde_json::{Value, json};
use tokio::time::Instant;

use super::delivery::{self, Attempted};
use super::dial::Answer;
use super::hook::Hook;
use super::works::Works;
use crate::base::clock::rfc3339;
use crate::base::random;
use crate::protocol::federation::PeerTest;
use crate::store::federation::PeerRecord;

/// The type of the event.
const TYPE: &str = "kite.federation.test";

/// Posts it to another instance. It counts for nothing: neither for the rate nor for the circuit.
pub(super) async fn run(works: &Works, peer: &PeerRecord) -> PeerTest {
    let hook = match Hook::of(peer, works.dial.outbound(), &works.sealer) {
        Ok(hook) => hook,
        Err(why) => {
            return PeerTest {
                status_code: None,
                latency_ms: 0,
                error: Some(why),
            };
        }
    };
    let post = hook.post(event(works, peer));
    let began = Instant::now();
    let limits = delivery::LIMITS;
    let answer = works
        .dial
        .post(&post.url, &post.headers, post.body, limits)
        .await;
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let error = match hook.judge(answer.as_ref()) {
        Attempted::Delivered => answer
            .as_ref()
            .ok()
            .and_then(|answer| doubt(answer, &peer.instance_id)),
        failed => failed.error().map(str::to_owned),
    };
    PeerTest {
        status_code: answer.ok().map(|answer| answer.status),
        latency_ms,
        error,
    }
}

/// An event that has been at the peer already, by what is known of it.
fn event(works: &Works, peer: &PeerRecord) -> String {
    let own_id = works.instance_id.as_str();
    let chain = json!([peer.instance_id, own_id]).to_string();
    json!({
        "specversion": "1.0",
        "id": random::uuid7(),
        "source": format!("urn:kite:{own_id}"),
        "type": TYPE,
        "time": rfc3339(works.clock.unix_millis()),
        "kitefedorigin": own_id,
        "kitefedchain": chain,
        "kitefedhops": 2,
        "datacontenttype": "application/json",
        "data": {"to": peer.name},
    })
    .to_string()
}

/// What is to be said of a success: a peer that goes by another id than it is known by has not seen a loop.
fn doubt(answer: &Answer, instance_id: &str) -> Option<String> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body["status"].as_str() {
        Some("loop_dropped") => None,
        _ => Some(format!(
            "the peer took the test event and may have stored it: `{instance_id}` is not the id that it puts into \
             chains, so what came from it would be sent back to it; remove the peer, and add it with its real instance id"
        )),
    }
}
