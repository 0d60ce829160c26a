//! Vectors of requests and answers (spec 13), against a running server. Where the reference server's answer is not kite's,
//! a note says so, and what kite does stands here.

use kite::openintent::json::Json;
use reqwest::Method;
use serde_json::{Value, json};

use super::described;
use super::file::{Tally, list, read};
use crate::support::eventually;
use crate::support::http::answer;
use crate::support::openintent::{Node, address, settings};
use crate::support::party::Party;
use crate::support::reference::HOST;

/// The URL of the server that the vectors were made with.
const SERVER: &str = "https://server-a.example.com";

/// The one that it has as its peer. Here a party of the tests stands for it, which sees what is sent.
const PEER: &str = "https://peer.example.com";

/// The API key of the vectors.
const KEY: &str = "test-key";

/// What came of one exchange.
struct Outcome {
    case: Value,
    status: u16,
    body: Value,
    /// What the server sent to its peer because of it, where it should send something.
    sent: Option<Value>,
}

#[tokio::test]
async fn openintent_vectors_http_exchanges() {
    let Some(file) = read("http_exchanges", &["exchanges"]) else {
        return;
    };
    let party = Party::start();
    let text = Json::Array(list(&file, "exchanges").to_vec()).to_string();
    let cases: Vec<Value> = serde_json::from_str(&text.replace(PEER, &party.url)).unwrap();
    let mut profiles: Vec<&str> = Vec::new();
    for case in &cases {
        let profile = case["profile"].as_str().unwrap();
        if !profiles.contains(&profile) {
            profiles.push(profile);
        }
    }
    let mut tally = Tally::of("http_exchanges");
    for profile in profiles {
        let node = node(profile, &party);
        let mut schemas = described::schemas(&node).await;
        let own_key = match profile {
            "disabled" => String::new(),
            _ => node.public_key().await,
        };
        let mut outcomes: Vec<Outcome> = Vec::new();
        for case in cases.iter().filter(|case| case["profile"] == profile) {
            outcomes.push(exchange(case, &node, &party).await);
        }
        let their_key = outcomes
            .iter()
            .find_map(|outcome| outcome.case["response"]["body"]["public_key"].as_str())
            .map(str::to_owned);
        for outcome in &outcomes {
            described::note(&mut schemas, &outcome.case, outcome.status, &outcome.body);
        }
        tally.case(&format!("{profile}, as the document has it"), || {
            assert!(schemas.judge() > 0);
        });
        for outcome in &mut outcomes {
            if let Some(their_key) = &their_key {
                let text = outcome.case.to_string().replace(their_key, &own_key);
                outcome.case = serde_json::from_str(&text).unwrap();
            }
            let name = outcome.case["name"].as_str().unwrap();
            tally.case(&format!("{profile} {name}"), || check(outcome));
        }
    }
    tally.finish();
}

/// A server like the one of a profile: only its peer's address is let through, so that others are refused as they are in
/// earnest.
fn node(profile: &str, party: &Party) -> Node {
    let settings = match profile {
        "disabled" => "enabled = false\n".to_owned(),
        policy => format!("show_peers = true\n{}", settings(policy, &[&party.url])),
    };
    let outbound =
        format!("[outbound]\nallow_private_hosts = [\"{HOST}\"]\nallow_plain_http = true\n");
    let more = ["--public-url", SERVER];
    Node::start_with(
        &address(),
        SERVER,
        &format!("{settings}\n{outbound}"),
        &more,
    )
}

async fn exchange(case: &Value, node: &Node, party: &Party) -> Outcome {
    let request = &case["request"];
    let text = |name: &str| request[name].as_str().unwrap();
    let method: Method = text("method").parse().unwrap();
    let mut call = node.server.owner().bare(method, text("path"));
    for (name, value) in request["headers"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        let key = node.key();
        call = call.header(name, if value == KEY { &key } else { value });
    }
    if let Some(body) = request.get("body") {
        call = call
            .header("Content-Type", "application/json")
            .body(body.to_string());
    } else if let Some(text) = request.get("body_text") {
        call = call.body(text.as_str().unwrap().to_owned());
    }
    let answer = answer(call).await;
    let sent = match case.get("then_sends") {
        Some(sends) => Some(sent(sends, &answer.json["dispatch_id"], party).await),
        None => None,
    };
    Outcome {
        case: case.clone(),
        status: answer.status,
        body: answer.json,
        sent,
    }
}

/// Waits for what the server sends about a dispatch.
async fn sent(sends: &Value, dispatch_id: &Value, party: &Party) -> Value {
    let url = sends["url"].as_str().unwrap();
    let path = url.strip_prefix(&*party.url).unwrap();
    eventually(&format!("{path} is told of {dispatch_id}"), || async {
        let posts = party.posted(path).into_iter();
        let mut bodies = posts.map(|got| serde_json::from_slice::<Value>(&got.body).unwrap());
        bodies.find(|body| body["dispatch_id"] == *dispatch_id)
    })
    .await
}

fn check(outcome: &Outcome) {
    let mut case = outcome.case.clone();
    if case["note"]
        .as_str()
        .is_some_and(|note| note.starts_with("kite:"))
    {
        let name = case["name"].as_str().unwrap().to_owned();
        instead(&name, &mut case);
    }
    let response = &case["response"];
    assert_eq!(outcome.status, response["status"], "{}", outcome.body);
    match outcome.status {
        // The wording is a framework's.
        422 => {
            let faults = outcome.body["detail"].as_array();
            let faults = faults.unwrap_or_else(|| panic!("no list of faults: {}", outcome.body));
            assert!(!faults.is_empty(), "{}", outcome.body);
            for fault in faults {
                let is_whole = fault["type"].is_string() && fault["msg"].is_string();
                assert!(is_whole && fault["loc"][0] == "body", "{}", outcome.body);
            }
        }
        _ => compare("body", &response["body"], &outcome.body),
    }
    if let Some(sent) = &outcome.sent {
        compare("sent", &case["then_sends"]["body"], sent);
    }
}

/// What kite does where the note says that it does something else.
fn instead(name: &str, case: &mut Value) {
    let response = &mut case["response"];
    match name {
        "status" => response["body"]["peer_count"] = 1.into(),
        "agents-as-listed-peer" => {
            let agents = response["body"]["agents"].as_array_mut().unwrap();
            let mut unlisted = agents[0].clone();
            unlisted["agent_id"] = "agent-unlisted".into();
            unlisted["visibility"] = "unlisted".into();
            unlisted["capabilities"] = json!([]);
            agents.push(unlisted);
        }
        "dispatch-extra-fields-ignored" => {
            let request = case["request"]["body"].clone();
            let sent = &mut case["then_sends"]["body"];
            for name in ["intent_title", "intent_description"] {
                sent[name] = request[name].clone();
            }
        }
        "receive-same-id-again" | "receive-idempotent-other-dispatch" => {
            response["body"]["local_intent_id"] = "<the first one>".into();
            response["body"]["message"] = "Already processed (idempotent)".into();
        }
        "receive-negative-cost" => {
            response["body"] = json!({
                "dispatch_id": response["body"]["dispatch_id"],
                "accepted": false,
                "message": "Rejected: budget constraints too restrictive",
            });
        }
        "receive-wrong-signature" => {
            *response = json!({"status": 403, "body": {"detail": "<why>"}})
        }
        "receive-no-key" => {}
        // The endpoint is there, and knows no such dispatch.
        "callback-endpoint-absent" => response["body"]["detail"] = "<why>".into(),
        "receive-listed-with-slash" => {
            *response = json!({"status": 200, "body": {
                "accepted": true, "local_intent_id": "<id>", "message": "<why>",
            }});
        }
        other => panic!("nothing here knows what kite does in `{other}`"),
    }
}

/// Everything that is wanted has to be there. kite may say more, in objects and as further contexts of a document.
fn compare(place: &str, wanted: &Value, got: &Value) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (name, wanted) in wanted {
                let member = got.get(name).unwrap_or(&Value::Null);
                match name.as_str() {
                    // Free text, to whoever did not make it.
                    "local_intent_id" if wanted.is_string() => {
                        assert!(
                            member.as_str().is_some_and(|id| !id.is_empty()),
                            "{place}: {got:?}"
                        );
                    }
                    _ => compare(&format!("{place}.{name}"), wanted, member),
                }
            }
        }
        (Value::Array(wanted), Value::Array(got)) => {
            let may_be_more = place.ends_with(".@context") && got.len() > wanted.len();
            assert!(may_be_more || got.len() == wanted.len(), "{place}: {got:?}");
            for (wanted, got) in wanted.iter().zip(got) {
                compare(place, wanted, got);
            }
        }
        (Value::String(wanted), Value::String(got)) => {
            assert!(matches(wanted, got), "{place}: `{got}` and not `{wanted}`");
        }
        _ => assert_eq!(got, wanted, "{place}"),
    }
}

/// Whether a text is like another one, in which `<…>` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('<') else {
        return pattern == text;
    };
    let (_, end) = rest.split_once('>').expect("a wildcard ends");
    let inner = text
        .strip_prefix(start)
        .and_then(|text| text.strip_suffix(end));
    inner.is_some_and(|inner| !inner.is_empty())
}

#[test]
fn an_exchange_that_differs_is_noticed() {
    assert!(matches("fed-<hex8>", "fed-01"));
    assert!(!matches("fed-<hex8>", "fed-"));
    assert!(!matches("a", "b"));
    compare("", &json!({"a": [1]}), &json!({"a": [1], "b": 2}));
    for got in [json!({"a": [1, 2]}), json!({"a": [2]}), json!({})] {
        let is_like = std::panic::catch_unwind(|| compare("", &json!({"a": [1]}), &got));
        assert!(is_like.is_err(), "{got}");
    }
}
