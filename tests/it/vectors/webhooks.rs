//! Vectors of the pure half of webhooks: signatures, the mapping to events, the headers that are kept.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kite::webhook::{self, Headers, Receipt, Request, Taken};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::file::run;
use super::pattern::compare;

/// A case's headers.
pub(super) type HeaderMap = HashMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    source: String,
    /// All that are accepted at present.
    secrets: Vec<String>,
    /// Unix seconds.
    now: i64,
    headers: HeaderMap,
    body: Option<String>,
    body_base64: Option<String>,
    /// What Twilio signs.
    url: Option<String>,
    valid: bool,
}

#[test]
fn vectors_signatures() {
    run("signatures", |case: Signature| {
        let body = body(case.body, case.body_base64);
        let request = Request {
            slug: &case.source,
            headers: &Headers::new(&case.headers),
            body: &body,
            url: case.url.as_deref(),
        };
        let secrets: Vec<&[u8]> = case.secrets.iter().map(String::as_bytes).collect();
        let verified = webhook::verify(&request, &secrets, case.now);
        assert_eq!(verified.is_ok(), case.valid, "validity");
    });
}

fn body(text: Option<String>, base64: Option<String>) -> Vec<u8> {
    match (text, base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => STANDARD.decode(base64).unwrap(),
        _ => panic!("a case has either `body` or `body_base64`"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    source: String,
    headers: HeaderMap,
    body: Option<String>,
    body_base64: Option<String>,
    expect: Option<Expect>,
    status: Option<u16>,
    answer: Option<Value>,
    /// How many events it makes.
    events: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    r#type: String,
    source: String,
    kitesummary: String,
    delivery_id: Option<String>,
    /// Null is something to expect, too.
    #[serde(default, deserialize_with = "present")]
    data: Option<Value>,
    /// The exact text of `data`.
    data_text: Option<String>,
    datacontenttype: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[test]
fn vectors_webhooks() {
    run("webhooks", check_webhook);
}

const EVENT_ID: &str = "0190a0b0-0000-7000-8000-000000000001";

fn check_webhook(case: Webhook) {
    let body = body(case.body, case.body_base64);
    let request = Request {
        slug: &case.source,
        headers: &Headers::new(&case.headers),
        body: &body,
        url: None,
    };
    let receipt = Receipt {
        id: EVENT_ID.to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        hook_token: None,
        is_verified: true,
    };
    let ingested = webhook::ingest(&request, receipt);
    if let Some(events) = case.events {
        let is_event = matches!(ingested, Ok(Taken::Event(_)));
        assert_eq!(usize::from(is_event), events, "how many events");
    }
    let Some(expected) = case.expect else {
        let (status, answer) = match ingested {
            Ok(Taken::Event(event)) => panic!("it makes an event: {event:?}"),
            Ok(Taken::Challenge(challenge)) => (200, json!({"challenge": challenge})),
            Err(fault) => (
                400,
                json!({"error": fault.to_string(), "code": "bad_request"}),
            ),
        };
        assert_eq!(case.status, Some(status));
        if let Some(expected) = case.answer {
            compare(&expected, &answer).unwrap();
        }
        return;
    };
    assert_eq!((case.status, case.answer), (None, None));

    let Ok(Taken::Event(ingested)) = ingested else {
        panic!("it makes no event: {ingested:?}");
    };
    let text = ingested.event.to_text();
    let event: Value = serde_json::from_str(&text).unwrap();
    let mut members = Map::new();
    members.insert("specversion".to_owned(), json!("1.0"));
    members.insert("id".to_owned(), json!(EVENT_ID));
    members.insert("time".to_owned(), json!("2026-01-01T00:00:00Z"));
    members.insert("type".to_owned(), json!(expected.r#type));
    members.insert("source".to_owned(), json!(expected.source));
    members.insert("kitesummary".to_owned(), json!(expected.kitesummary));
    members.insert("kitesource".to_owned(), json!(case.source));
    members.insert("kiteverified".to_owned(), json!(true));
    members.extend(
        expected
            .datacontenttype
            .map(|kind| ("datacontenttype".to_owned(), json!(kind))),
    );
    members.extend(expected.data.map(|data| ("data".to_owned(), data)));
    compare(&Value::Object(members), &event).unwrap();
    if let Some(id) = expected.delivery_id {
        assert_eq!(ingested.delivery_id, Some(id), "the delivery's id");
    }
    if let Some(data) = expected.data_text {
        assert!(text.contains(&format!(r#""data":{data}"#)), "{text}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OriginalHeaders {
    hook_token: String,
    headers: Vec<(String, String)>,
    /// These and no others.
    kept: Value,
}

#[test]
fn vectors_original_headers() {
    run("original_headers", |case: OriginalHeaders| {
        let headers = Headers::new(case.headers);
        let kept: Value = serde_json::from_str(&headers.to_keep(Some(&case.hook_token))).unwrap();
        assert_eq!(kept, case.kept);
    });
}
