//! Callbacks that are told by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kite::openintent::json::Json;
use kite::openintent::signature::verify;
use serde_json::{Value, json};

use super::other::at;
use super::servers::Pretender;
use super::{keep_key, key};
use crate::support::cli::Person;

/// Whether the key of a seed has signed an object.
fn is_signed(object: &Value, seed: u8) -> bool {
    let Json::Object(object) = object.to_string().parse().unwrap() else {
        panic!("{object} is no object")
    };
    verify(&object, &[key(seed).public()]).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_signed_with_the_key_of_its_server_and_shows_no_other() {
    let person = Person::new();
    keep_key(person.home(), "b.key", 2);
    let (own, other) = (Pretender::start(1).await, Pretender::start(1).await);
    let args = [
        "callback",
        "--to",
        &other.url,
        "--dispatch",
        "d-1",
        "--event",
        "completed",
        "--state",
        r#"{"rows": 7.0}"#,
        "--attestation",
        r#"{"usage": {"llm_tokens": 9}, "more": [1]}"#,
        "--trace",
        "t-1",
        "--key",
        "b.key",
    ];
    at(&own, &person, &args)
        .stdout_has("signed: yes")
        .stdout_has("message: heard")
        .succeeds();
    let asked = other.asked().pop().unwrap();
    assert_eq!(asked.path, "POST /api/v1/federation/callback");
    assert_eq!(asked.header("x-api-key"), None);
    assert_eq!(asked.header("authorization"), None);
    let body = asked.body;
    assert!(is_signed(&body, 2) && !is_signed(&body, 3), "{body}");
    assert!(is_signed(&body["attestation"], 2), "{body}");
    assert_eq!(body["attestation"]["dispatch_id"], "d-1");
    assert_eq!(body["attestation"]["more"], json!([1]));
    assert_eq!(body["event_type"], "completed");
    assert_eq!(body["state_delta"], json!({"rows": 7.0}));
    assert_eq!(body["trace_id"], "t-1");
    assert!(body["timestamp"].is_string() && body["idempotency_key"].is_string());
    assert!(own.asked().is_empty());

    // An attestation that is signed already stays as it is.
    let signed = format!(r#"{{"signature":"{}"}}"#, STANDARD.encode([1; 64]));
    let place = format!("{}/callbacks", other.url);
    let mut again = args;
    (again[2], again[10]) = (&place, &signed);
    at(&own, &person, &again).succeeds();
    let asked = other.asked().pop().unwrap();
    assert_eq!(asked.path, "POST /callbacks");
    assert!(is_signed(&asked.body, 2));
    assert_eq!(
        asked.body["attestation"]["signature"],
        STANDARD.encode([1; 64])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_own_server_is_shown_the_key_instead() {
    let person = Person::new();
    let own = Pretender::start(1).await;
    let args = ["callback", "--to", &own.url, "--dispatch", "d-1", "--event"];
    let told = at(
        &own,
        &person,
        &[&args[..], &["state_delta", "--json"]].concat(),
    )
    .succeeds()
    .json();
    assert_eq!(
        (&told["signed"], &told["message"]),
        (&json!(false), &json!("heard"))
    );
    let asked = own.asked().pop().unwrap();
    assert!(asked.header("x-api-key").is_some());
    assert_eq!(asked.body["signature"], Value::Null);
    assert_eq!(asked.body["idempotency_key"], told["idempotency_key"]);
    for bad in [
        &["done"][..],
        &["failed", "--state", "[1]"],
        &["failed", "--attestation", r#"{"usage": 1}"#],
        &["failed", "--key", "nowhere.key"],
    ] {
        let ended = at(&own, &person, &[&args[..], bad].concat()).start().end();
        assert!(matches!(ended.code, Some(1 | 2)), "{bad:?}: {ended:?}");
    }
    assert_eq!(own.asked().len(), 1);
}
