//! `kite openintent dispatch --wait`: what is said meanwhile, and how it ends.

use serde_json::{Value, json};

use super::other::at;
use super::servers::Pretender;
use crate::support::cli::{Kite, Person};

/// A dispatch as a server shows it.
fn shown(status: &str, more: &Value) -> Value {
    let mut shown = json!({"dispatch_id": "d-1", "status": status, "intent_id": "i", "target_server": "https://b.example",
        "state": {}, "usage": {}, "callbacks": 0, "created_at": "t0", "updated_at": "t1"});
    let more = more.as_object().unwrap().clone();
    shown.as_object_mut().unwrap().extend(more);
    shown
}

fn dispatch(server: &Pretender, person: &Person, more: &[&str]) -> Kite {
    let args = ["dispatch", "--to", "https://b.example", "--intent", "i"];
    at(server, person, &[&args[..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_news_is_said_and_the_end_is_printed() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    let working =
        json!({"remote_intent_id": "fed-1", "message": "half of it", "state": {"rows": 3}});
    let ended = json!({"state": {"rows": 7}, "usage": {"llm_tokens": 9}});
    server.answers(&[
        (200, shown("queued", &json!({}))),
        (503, json!({"error": "ending"})),
        (200, shown("delivered", &working)),
        (200, shown("completed", &ended)),
    ]);
    let answer = dispatch(&server, &person, &["--wait", "--json"])
        .stderr_has(r#"{"event":"dispatched","dispatch_id":"d-1"}"#)
        .stderr_has(r#""event":"away""#)
        .stderr_has(r#"{"event":"status","dispatch_id":"d-1","status":"delivered"}"#)
        .stderr_has(r#"{"event":"state","dispatch_id":"d-1","state":{"rows":3}}"#)
        .stderr_has(r#""usage":{"llm_tokens":9}"#)
        .succeeds()
        .json();
    assert_eq!(answer["state"]["rows"], 7);
    assert_eq!(answer["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_dispatch_ends_is_the_exit_code() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    for (status, why) in [
        ("failed", "failed: no data"),
        ("rejected", "was not wanted: no data"),
    ] {
        server.answers(&[(200, shown(status, &json!({"message": "no data"})))]);
        dispatch(&server, &person, &["--wait=1m"])
            .stdout_has(&format!("Dispatch d-1\n  status: {status}"))
            .stderr_has(why)
            .exits(1);
    }
    server.answers(&[(
        200,
        shown("undelivered", &json!({"message": "not trusted"})),
    )]);
    dispatch(&server, &person, &["--wait=0s"])
        .stderr_has("has not taken it: not trusted; `kite federation dead-letters replay`")
        .exits(8);
    server.answers(&[(200, shown("delivered", &json!({})))]);
    dispatch(&server, &person, &["--wait=0s"])
        .stdout_has("status: delivered")
        .stderr_has("has not ended within 0s")
        .stderr_has("`kite openintent dispatches show d-1`")
        .exits(8);
    // A server that cannot tell says so, and which dispatch it is.
    server.answers(&[]);
    dispatch(&server, &person, &["--wait=1m"])
        .stderr_has("the server tells of no dispatch `d-1`")
        .exits(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_names_its_agent_and_is_repeated_only_under_a_key() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    dispatch(&server, &person, &["--from", "boss", "--issue-token"]).succeeds();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.header("x-agent-id"), Some("boss"));
    assert_eq!(asked.body["issue_token"], true);
    assert_eq!(asked.body["idempotency_key"], Value::Null);
    dispatch(&server, &person, &["--retry-for", "1m"]).succeeds();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.header("x-agent-id"), None);
    assert!(asked.body["idempotency_key"].is_string());
    dispatch(&server, &person, &["--issue-token", "--ucan", "-"]).exits(2);
}
