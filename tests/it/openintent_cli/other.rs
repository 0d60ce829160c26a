//! Other servers: what they say of themselves, and what goes to them. The key goes to the own one alone.

use kite::protocol::token::{Token, TokenKind};
use serde_json::json;

use super::servers::Pretender;
use super::{keep_key, public};
use crate::support::cli::{Kite, Person};
use crate::support::scripted::{Reply, Scripted};

fn key() -> String {
    let token = Token::mint(TokenKind::ApiKey, &[7; 20]);
    token.reveal().to_owned()
}

/// `kite openintent` of somebody whose own server is this one.
pub(super) fn at(server: &Pretender, person: &Person, args: &[&str]) -> Kite {
    person
        .kite(&[&["openintent"], args].concat())
        .env("KITE_SERVER", &server.url)
        .env("KITE_API_KEY", &key())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_shown_with_what_its_document_proves() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    let discover =
        |url: &str, more: &[&str]| person.kite(&[&["openintent", "discover", url], more].concat());
    discover(&server.url, &[])
        .stdout_has("DID document: proves the key")
        .stdout_has(&public(1))
        .succeeds();
    let found = discover(&server.url, &["--json"]).succeeds().json();
    assert_eq!(
        (&found["proved"], &found["reason"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(found["manifest"]["public_key"], public(1));
    assert_eq!(found["document"]["id"], found["manifest"]["server_did"]);

    let other_key = Pretender::start(2).await;
    discover(&other_key.url, &[])
        .stdout_has("proves nothing: the manifest's key is not among its keys")
        .succeeds();
    let other_name = Pretender::named("did:web:x.example", 1).await;
    let found = discover(&other_name.url, &["--json"]).succeeds().json();
    assert_eq!(found["proved"], false);
    assert_eq!(found["reason"], "it is that of `did:web:x.example`");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_goes_to_the_own_server_and_to_no_other() {
    let person = Person::new();
    let (own, other) = (
        Pretender::that_wants_a_key(1).await,
        Pretender::that_wants_a_key(1).await,
    );
    at(&own, &person, &["discover", &other.url]).succeeds();
    at(&own, &person, &["agents", &other.url])
        .stdout("")
        .stderr_has("an API key of its own")
        .exits(4);
    for asked in other.asked() {
        assert_eq!(asked.header("x-api-key"), None, "{asked:?}");
        assert_eq!(asked.header("authorization"), None, "{asked:?}");
    }
    assert_eq!(other.asked().len(), 4);
    // Its own URL, however it is written, is the own server.
    let same = format!("{}/", own.url.to_uppercase().replace("HTTP", "http"));
    at(
        &own,
        &person,
        &["agents", &same, "--source", "https://s.example"],
    )
    .stdout_has("analyst")
    .succeeds();
    let asked = own.asked().pop().unwrap();
    assert_eq!(asked.path, "GET /api/v1/federation/agents");
    assert_eq!(asked.header("x-api-key"), Some(&*key()));
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(asked.header("x-source-server"), Some("https://s.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_rows_and_lines() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    at(&server, &person, &["agents"])
        .stdout_has("agent    visibility  status  capabilities  server")
        .succeeds();
    let line = at(&server, &person, &["agents", "--json"])
        .succeeds()
        .json();
    assert_eq!(line["agent_id"], "analyst");
    // Another server that wants no key tells all the same.
    let other = Pretender::start(1).await;
    at(&server, &person, &["agents", &other.url])
        .stdout_has("charts")
        .succeeds();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_told_in_both_forms() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    at(&server, &person, &["status"])
        .stdout_has("servers trusted: 3")
        .stdout_has("intents received: 4")
        .succeeds();
    let json = at(&server, &person, &["status", "--json"])
        .succeeds()
        .json();
    assert_eq!(json["active_dispatches"], 1);
    at(&server, &person, &["identity", "show"])
        .stdout_has("did:web:127.0.0.1%3A")
        .stdout_has(&public(1))
        .succeeds();
    let document = at(&server, &person, &["identity", "show", "--json"]).succeeds();
    assert!(document.json()["verificationMethod"].is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_says_what_was_said_and_nothing_more() {
    let person = Person::new();
    std::fs::write(person.home().join("state.json"), r#"{"n": 1.0}"#).unwrap();
    let server = Pretender::start(1).await;
    let short = ["dispatch", "--to", "https://b.example", "--intent", "i-1"];
    at(&server, &person, &short)
        .stdout_has("dispatch: d-1")
        .succeeds();
    let least = json!({"target_server": "https://b.example", "intent_id": "i-1"});
    assert_eq!(server.asked().pop().unwrap().body, least);

    keep_key(person.home(), "a.key", 1);
    let (issuer, audience) = ("did:web:a.example", "did:web:b.example");
    let issue = [
        "ucan",
        "issue",
        "--key",
        "a.key",
        "--issuer",
        issuer,
        "--audience",
        audience,
    ];
    let token = at(&server, &person, &issue).succeeds().stdout;
    let more = [
        "--agent",
        "analyst",
        "--title",
        "t",
        "--description",
        "d",
        "--state",
        "@state.json",
        "--constraints",
        "{}",
        "--permission",
        "state.patch",
        "--deny",
        "x",
        "--depth",
        "0",
        "--expires",
        "2099-01-01T00:00:00Z",
        "--policy",
        r#"{"budget":{"max_llm_tokens":5}}"#,
        "--callback",
        "https://a.example/cb",
        "--trace",
        "t-1",
        "--idempotency-key",
        "k",
        "--ucan",
        "-",
        "--json",
    ];
    let answer = at(&server, &person, &[&short[..], &more].concat())
        .stdin(token.clone())
        .succeeds()
        .json();
    assert_eq!(answer["status"], "accepted");
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.header("x-api-key"), Some(&*key()));
    assert_eq!(
        asked.body,
        json!({
            "target_server": "https://b.example", "intent_id": "i-1", "agent_id": "analyst",
            "intent_title": "t", "intent_description": "d", "intent_state": {"n": 1.0},
            "intent_constraints": {}, "callback_url": "https://a.example/cb",
            "delegation_scope": {"permissions": ["state.patch"], "denied_operations": ["x"],
                "max_delegation_depth": 0, "expires_at": "2099-01-01T00:00:00.000000+00:00"},
            "federation_policy": {"budget": {"max_llm_tokens": 5}},
            "trace_context": {"trace_id": "t-1"}, "idempotency_key": "k", "ucan": token.trim(),
        })
    );
    for (flag, bad) in [
        ("--state", "[1]"),
        ("--state", "@nowhere.json"),
        ("--policy", r#"{"budget": 1}"#),
        ("--expires", "tomorrow"),
        ("--depth", "-1"),
        ("--ucan", ""),
        ("--ucan", "-"),
        ("--ucan", "a.b.c"),
        ("--to", "b.example"),
    ] {
        let asked = server.asked().len();
        let ended = at(&server, &person, &[&short[..], &[flag, bad]].concat())
            .start()
            .end();
        assert!(matches!(ended.code, Some(1 | 2)), "{flag} {bad}: {ended:?}");
        assert_eq!(server.asked().len(), asked);
    }
}

#[test]
fn what_a_server_refuses_is_told_in_its_words() {
    let person = Person::new();
    let dispatch = |status, body: &'static str| {
        let server = Scripted::start(&[Reply::With(status, body)]);
        let args = [
            "openintent",
            "dispatch",
            "--to",
            "https://x.example",
            "--intent",
            "i",
        ];
        person
            .kite(&args)
            .env("KITE_SERVER", &server.url)
            .env("KITE_API_KEY", &key())
    };
    dispatch(
        400,
        r#"{"detail":"Invalid target server URL: blocked by SSRF protection"}"#,
    )
    .stderr_has("blocked by SSRF protection (400)")
    .exits(2);
    dispatch(401, r#"{"detail":"Invalid or missing API key"}"#).exits(4);
    dispatch(404, "").stderr_has("does not take part").exits(3);
    let member =
        r#"{"detail":[{"type":"x","loc":["body","intent_id"],"msg":"Field required","input":{}}]}"#;
    dispatch(422, member)
        .stderr_has("`intent_id`: Field required")
        .exits(1);
    dispatch(200, "[]").stderr_has("cannot be read").exits(1);
}
