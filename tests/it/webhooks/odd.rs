//! Payloads and headers that nobody expects: each makes a lawful event or is refused.

use kite::protocol::event::Event;
use kite::webhook::{Headers, Receipt, Request, Taken, ingest};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::support::hooks::Endpoint;
use crate::support::providers::{Scheme, deliveries, lines};
use crate::support::server::Server;
use crate::support::socket::Socket;

const SLUGS: &[&str] = &[
    "github",
    "linear",
    "my-app",
    "pagerduty",
    "shopify",
    "slack",
    "stripe",
    "twilio",
];

/// Headers that an event is made of.
const HEADERS: &[&str] = &[
    "idempotency-key",
    "linear-delivery",
    "webhook-id",
    "x-github-delivery",
    "x-github-event",
    "x-other",
    "x-shopify-shop-domain",
    "x-shopify-topic",
];

/// Members that an event is made of.
const MEMBERS: &[&str] = &[
    "action",
    "CallSid",
    "CallStatus",
    "challenge",
    "channel",
    "command",
    "commits",
    "conclusion",
    "data",
    "deleted",
    "event",
    "event_id",
    "event_type",
    "From",
    "full_name",
    "html_url",
    "id",
    "identifier",
    "issue",
    "login",
    "merged",
    "MessageSid",
    "MessageStatus",
    "name",
    "number",
    "object",
    "payload",
    "pull_request",
    "pusher",
    "ref",
    "ref_type",
    "repository",
    "sender",
    "SmsSid",
    "team",
    "team_id",
    "title",
    "To",
    "trigger_id",
    "type",
    "user",
    "workflow_run",
];

const EVENTS: &[&str] = &[
    "push",
    "pull_request",
    "issues",
    "issue_comment",
    "create",
    "release",
    "workflow_run",
    "ping",
    "event_callback",
    "url_verification",
    "closed",
    "http://h.example/\u{1b}[2J",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(EVENTS).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => "\\PC{0,20}",
        1 => Just("\u{1b}]0;x\u{7}\u{9b}31m\r\n\t\u{0}\u{7f}\u{2028}".to_owned()),
        1 => Just("é\u{202e}".repeat(3000)),
        1 => Just(" ".to_owned()),
    ]
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 60, 10, |inner| {
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => vec((select(MEMBERS), inner), 0..12).prop_map(|members| {
                let named = |(name, value): (&str, Value)| (name.to_owned(), value);
                Value::Object(members.into_iter().map(named).collect())
            }),
        ]
    })
}

fn form(fields: &[(&str, String)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

/// A body, and what it may be declared as.
fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let json = |body: String| ("application/json".to_owned(), body.into_bytes());
    let as_form = |body: String| (FORM.to_owned(), body.into_bytes());
    prop_oneof![
        4 => payload().prop_map(move |payload| json(payload.to_string())),
        2 => payload().prop_map(move |payload| as_form(form(&[("payload", payload.to_string())]))),
        2 => vec((select(MEMBERS), text()), 0..9).prop_map(move |fields| as_form(form(&fields))),
        1 => (text(), vec(any::<u8>(), 0..60)),
        1 => vec(any::<u8>(), 0..60).prop_map(|body| (FORM.to_owned(), body)),
        1 => vec(any::<u8>(), 0..9).prop_map(|body| ("application/json".to_owned(), body)),
        1 => (0..200_usize).prop_map(move |depth| json("[".repeat(depth) + &"]".repeat(depth))),
    ]
}

/// Whether an event is one that every receiver can read and show.
fn check(event: &Event) -> Result<(), TestCaseError> {
    let read = Event::parse(&event.to_text());
    prop_assert!(read.is_ok(), "{read:?} of {event:?}");
    let is_part = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    prop_assert!(event.kind.starts_with("com."), "{}", event.kind);
    prop_assert!(event.kind.chars().all(is_part), "{}", event.kind);
    prop_assert!(event.kind.len() <= 300, "{}", event.kind);
    let source = &event.source;
    prop_assert!(source.starts_with("http"), "{source}");
    prop_assert!(!source.contains(char::is_control), "{source:?}");
    prop_assert!(source.len() <= 300, "{source}");
    let summary = event.extension("kitesummary").unwrap_or_default();
    prop_assert!(!summary.is_empty());
    prop_assert!(summary.chars().count() <= 200, "{summary}");
    prop_assert!(!summary.contains(char::is_control), "{summary:?}");
    Ok(())
}

proptest! {
    #[test]
    fn whatever_is_posted_makes_a_lawful_event_or_is_refused(
        slug in select(SLUGS),
        headers in vec((select(HEADERS), text()), 0..6),
        (content_type, body) in body(),
        is_declared in prop::bool::weighted(0.9),
    ) {
        let declared = is_declared.then_some(("content-type", content_type));
        let request = Request {
            slug,
            headers: &Headers::new(headers.into_iter().chain(declared)),
            body: &body,
            url: None,
        };
        let receipt = Receipt {
            id: "0190a0b0-0000-7000-8000-000000000001".to_owned(),
            time: "2026-01-01T00:00:00Z".to_owned(),
            hook_token: None,
            is_verified: true,
        };
        match ingest(&request, receipt) {
            Ok(Taken::Event(ingested)) => check(&ingested.event)?,
            Ok(Taken::Challenge(_)) => prop_assert_eq!(slug, "slack"),
            Err(_) => prop_assert!(is_declared, "only what is declared is refused"),
        }
    }
}

#[tokio::test]
async fn payloads_of_the_wrong_shape_are_events_at_every_provider() {
    let server = Server::start();
    for mut delivery in deliveries("d-1") {
        let params = json!({"source": delivery.slug, "webhook_secret": delivery.secret});
        let team = server.fresh_team("team of odd payloads");
        let endpoint = Endpoint::create(&team, params).await;
        delivery.headers = vec![("Content-Type", "application/json".to_owned())];
        if matches!(delivery.scheme, Scheme::TwilioForm(_)) {
            delivery.scheme = Scheme::TwilioJson;
        }
        let odd = [
            "null",
            "[]",
            "\"text\"",
            "{}",
            "",
            "1e308",
            r#"{"event":[],"type":{},"data":null}"#,
            r#"{"type":"\u001b[2J\u0000\n","event_type":"\ud83d\ude00","id":7,"team_id":"a/../b"}"#,
        ];
        for (number, body) in odd.iter().enumerate() {
            delivery.headers.truncate(1);
            delivery.headers.push(("webhook-id", number.to_string()));
            delivery.body = (*body).to_owned();
            let answer = endpoint.deliver(&delivery).await;
            assert!(
                matches!(answer.status, 200 | 202),
                "{delivery:?}: {answer:#?}"
            );
        }
        delivery.body = "{".to_owned();
        let broken = endpoint.deliver(&delivery).await;
        broken.refused(400, "bad_request");
        let log = team.log().await;
        assert_eq!(log.len(), odd.len(), "{delivery:?}");
        let sources: Vec<_> = log
            .iter()
            .map(|listed| &listed["event"]["source"])
            .collect();
        assert!(
            sources
                .iter()
                .all(|source| !source.to_string().contains("..")),
            "{sources:?}"
        );
    }
}

#[tokio::test]
async fn json_is_kept_as_it_was_spelled() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let (mut listener, _) = Socket::connect(&owner, &["*"], "listener").await;
    let bodies = [
        r#"{"a":1,"a":2,"b":{"c":[],"c":{}}}"#,
        r#"[12345678901234567890123, -0, 1.0, 1E+2, 1e-400]"#,
        r#"{"\u0061":"\u0000\ud83d\ude00\/", "a" : null}"#,
    ];
    for body in bodies {
        for headers in [&[("Content-Type", "application/json")][..], &[]] {
            app.post_with_token(headers, body).await.expect(202);
            let frame = listener.next_text().await;
            assert!(frame.contains(&format!(r#""data":{body}"#)), "{frame}");
        }
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    app.post_with_token(&form, "b=1&a=x+y&b=&b=1&c")
        .await
        .expect(202);
    let data = listener.next_event().await["event"]["data"].clone();
    assert_eq!(data, json!({"b": ["1", "", "1"], "a": "x y", "c": ""}));
    // JSON that is not declared, and is none, is text.
    app.post_with_token(&[], "{\"a\":").await.expect(202);
    let data = listener.next_event().await["event"]["data"].clone();
    assert_eq!(data, "{\"a\":");
}

#[tokio::test]
async fn a_content_type_that_no_attribute_can_hold_is_left_out() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let long = format!("text/plain; x={}", "x".repeat(20_000));
    for kind in ["text/plain;\tx=1", &long, ""] {
        let headers = vec![("Content-Type", kind.to_owned())];
        let answer = app.post_with_token(&lines(&headers), "hello").await;
        let id = answer.expect(202)["id"].as_str().unwrap().to_owned();
        let found = owner.get(&format!("/api/v1/events/{id}")).await.expect(200);
        assert_eq!(found["event"]["data"], "hello");
        assert_eq!(found["event"].get("datacontenttype"), None);
    }
}

#[tokio::test]
async fn a_hook_token_is_in_no_member_of_the_event() {
    let server = Server::start_with(&["-vv"]);
    let owner = server.owner();
    for slug in ["github", "shopify", "my-app"] {
        let params = json!({"source": slug, "webhook_secret": "a secret"});
        let endpoint = Endpoint::create(&owner, params).await;
        let mut delivery = deliveries("d-1")
            .into_iter()
            .find(|delivery| delivery.slug == slug)
            .unwrap();
        let kind = format!("text/plain; t={}", endpoint.token);
        delivery.headers = vec![("Content-Type", kind)];
        for name in HEADERS.iter().filter(|name| !name.starts_with("webhook")) {
            delivery
                .headers
                .push((name, format!("a/{}", endpoint.token)));
        }
        let signature = delivery.signed("a secret", "");
        let path = format!("{}?token={}", endpoint.path, endpoint.token);
        for path in [path, endpoint.path_with_token()] {
            let headers = lines(&signature);
            let answer = endpoint.post(&path, &headers, delivery.body.as_str()).await;
            answer.expect(202);
        }
        let listed = owner.get("/api/v1/events?limit=2").await.text;
        assert!(
            listed.contains(&format!("\"kitesource\":\"{slug}\"")),
            "{listed}"
        );
        assert!(!listed.contains(&endpoint.token), "{listed}");
        assert!(!server.log().contains(&endpoint.token), "{}", server.log());
    }
}

#[tokio::test]
async fn a_hook_token_that_a_payload_speaks_of_is_in_its_data_alone() {
    let server = Server::start();
    let owner = server.owner();
    let endpoint = Endpoint::create(&owner, json!({"source": "pagerduty"})).await;
    let title = format!("POST {} failed", endpoint.path_with_token());
    let alert = json!({"event": {"event_type": endpoint.token, "data": {"title": title}}});
    let headers = [("Content-Type", "application/json")];
    let posted = endpoint.post_with_token(&headers, alert.to_string()).await;
    posted.expect(202);
    let mut event = owner.log().await.pop().unwrap()["event"].clone();
    assert_eq!(event["data"], alert);
    event.as_object_mut().unwrap().remove("data");
    assert!(!event.to_string().contains(&endpoint.token), "{event}");
    assert_eq!(event["type"], "com.pagerduty.hook_token");
}
