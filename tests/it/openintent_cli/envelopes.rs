//! Envelopes: signed with a key file, and verified with a key or with those that a server publishes.

use kite::openintent::json::{Json, Object};
use kite::openintent::signature;

use super::servers::Pretender;
use super::{keep_key, key, public};
use crate::support::cli::{Kite, Person};

const ENVELOPE: &str = r#"{"source_server": "https://a.example", "dispatch_id": "d-1",
    "n": [1.0, 1E2, 100000000000000000000], "text": "grüße"}"#;

fn signer() -> Person {
    let person = Person::new();
    keep_key(person.home(), "a.key", 1);
    person
}

fn envelope(person: &Person, args: &[&str]) -> Kite {
    person.kite(&[&["openintent", "envelope"], args].concat())
}

/// What `sign` makes of an envelope.
fn signed(person: &Person, more: &[&str], text: &str) -> Object {
    let sign = [&["sign", "--key", "a.key"], more].concat();
    let ended = envelope(person, &sign).stdin(text).succeeds();
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    let value: Json = ended.stdout.trim_end().parse().unwrap();
    value.as_object().unwrap().clone()
}

#[test]
fn an_envelope_is_signed_with_all_that_it_has() {
    let person = signer();
    let signed = signed(&person, &[], ENVELOPE);
    assert_eq!(signature::verify(&signed, &[key(1).public()]), Ok(()));
    let numbers = signed["n"].to_string();
    assert_eq!(numbers, "[1.0,100.0,100000000000000000000]");
    assert_eq!(signed["text"].as_str(), Some("grüße"));
    let made = signed["created_at"].as_str().unwrap();
    assert!(made.ends_with("+00:00"), "{made}");
}

#[test]
fn what_is_signed_as_it_is_gets_nothing_but_its_signature() {
    let person = signer();
    let as_is = signed(&person, &["--as-is", "-"], ENVELOPE);
    assert!(!as_is.contains_key("created_at"));
    let made = r#"{"created_at":"2026-01-01T00:00:00Z","signature":"old"}"#;
    let again = signed(&person, &[], made);
    assert_eq!(again["created_at"].as_str(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(signature::verify(&again, &[key(1).public()]), Ok(()));
}

#[test]
fn a_right_signature_is_told_and_a_changed_envelope_is_not_taken() {
    let person = signer();
    let right = Json::from(signed(&person, &[], ENVELOPE)).to_string();
    let key = public(1);
    let verify = |text: &str, more: &[&str]| {
        let verify = [&["verify", "--key", &key], more].concat();
        envelope(&person, &verify).stdin(text)
    };
    let shown = verify(&right, &["--json"]).succeeds().json();
    assert_eq!(shown["verified"], true);
    assert_eq!(shown["dispatch_id"], "d-1");
    verify(&right, &[])
        .stdout_has("The signature is right")
        .succeeds();
    for (from, to) in [("d-1", "d-2"), ("1.0", "1"), ("\"text\"", "\"Text\"")] {
        let changed = right.replacen(from, to, 1);
        assert_ne!(changed, right);
        verify(&changed, &[])
            .stdout("")
            .stderr_has("no key of the signer fits")
            .exits(1);
    }
    verify(ENVELOPE, &[])
        .stderr_has("there is no signature")
        .exits(1);
    verify("[]", &[])
        .stderr_has("must be a JSON object, not a list")
        .exits(2);
    verify("{", &[]).stderr_has("not JSON at byte 1").exits(2);
    let other = public(2);
    envelope(&person, &["verify", "--key", &other])
        .stdin(right.as_str())
        .exits(1);
    envelope(&person, &["verify", "--key", "x"])
        .stdin(right)
        .stderr_has("no public key")
        .exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_server_are_those_of_its_document() {
    let person = signer();
    let server = Pretender::start(1).await;
    let text = Json::from(signed(&person, &[], ENVELOPE)).to_string();
    let verify = |url: &str| envelope(&person, &["verify", "--url", url]).stdin(text.as_str());
    verify(&server.url).succeeds();
    let other = Pretender::start(2).await;
    verify(&other.url)
        .stderr_has("no key of the signer fits")
        .exits(1);
    let false_name = Pretender::named("did:web:somebody.example", 1).await;
    verify(&false_name.url)
        .stdout("")
        .stderr_has("proves nothing: it is that of `did:web:somebody.example`")
        .exits(1);
    verify("http://127.0.0.1:1")
        .stderr_has("cannot be had")
        .exits(5);
}

#[test]
fn an_envelope_does_not_say_whom_to_ask_inside() {
    let person = signer();
    let text = ENVELOPE.replace("https://a.example", "http://127.0.0.1:1");
    let text = Json::from(signed(&person, &[], &text)).to_string();
    envelope(&person, &["verify"])
        .stdin(text)
        .stderr_has("not on the public internet")
        .exits(4);
    envelope(&person, &["verify"])
        .stdin("{}")
        .stderr_has("names no `source_server`")
        .exits(2);
}
