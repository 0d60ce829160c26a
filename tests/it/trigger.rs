//! `kite trigger`: samples that are like the real thing, and nothing sent by mistake.

use std::fs;

use serde_json::{Value, json};

use crate::support::cli::{Kite, Person};
use crate::support::hooks::{Endpoint, call};
use crate::support::http::{Access, Answer};
use crate::support::postgres::Cluster;
use crate::support::providers::{deliveries, delivery, lines, public_key};
use crate::support::scripted::{Reply, Scripted};
use crate::support::server::Server;

/// Triggers by the call that the command makes.
async fn trigger(access: &Access, source: &str, asked: Value) -> Answer {
    let path = format!("/api/v1/hooks/{source}/trigger");
    access.post(&path, asked.to_string()).await
}

async fn endpoints(access: &Access) -> Vec<Value> {
    let listed = call(access, "hooks.list", json!({})).await;
    listed["hooks"].as_array().unwrap().clone()
}

/// The newest event.
async fn newest(access: &Access) -> Value {
    access.log().await.pop().unwrap()["event"].clone()
}

#[tokio::test]
async fn a_sample_shows_up_in_the_stream_of_its_source() {
    let server = Server::start();
    let person = Person::at(&server);
    let mut stream = person.listening(&["--json", "stream", "--source", "stripe"]);
    let said = person
        .kite(&["trigger", "stripe.payment_intent.succeeded"])
        .stdout_has("com.stripe.payment_intent.succeeded")
        .stderr_has("made an endpoint for `stripe`")
        .succeeds();
    let line = stream.line();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["type"], "com.stripe.payment_intent.succeeded");
    assert_eq!(event["kiteverified"], true);
    assert!(line.contains("stripe-signature"), "as from Stripe: {line}");
    let id = event["id"].as_str().unwrap();
    assert!(said.stdout.contains(id), "{said:#?}");
    // The second time there is nothing to say about the endpoint, and the event is another one.
    person
        .kite(&["trigger", "stripe.payment_intent.succeeded"])
        .stderr_lacks("endpoint")
        .stdout_lacks(id)
        .succeeds();
}

#[tokio::test]
async fn every_sample_of_the_list_is_verified_and_what_it_is_named_after() {
    let server = Server::start();
    let owner = server.owner();
    let listed = Person::new()
        .kite(&["trigger", "--list", "--json"])
        .succeeds();
    let samples: Vec<Value> = listed
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(samples.len() > 30, "{samples:?}");
    for sample in &samples {
        let (source, event) = (
            sample["source"].as_str().unwrap(),
            sample["event"].as_str().unwrap(),
        );
        let sent = trigger(&owner, source, json!({"event": event})).await;
        let sent = sent.expect(202);
        assert_eq!(sent["type"], format!("com.{source}.{event}"), "{sent}");
        assert_eq!(sent["verified"], true, "{sent}");
        let stored = newest(&owner).await;
        assert_eq!(stored["id"], sent["id"]);
        assert_eq!(stored["type"], sent["type"]);
        assert_eq!(stored["kiteverified"], true);
        assert_eq!(stored["kitesource"], source);
    }
    let mut sources: Vec<_> = samples.iter().map(|sample| &sample["source"]).collect();
    sources.dedup();
    assert_eq!(owner.log().await.len(), samples.len());
    assert_eq!(endpoints(&owner).await.len(), sources.len());
}

#[tokio::test]
async fn data_replaces_members_wherever_it_comes_from() {
    let server = Server::start();
    let owner = server.owner();
    let person = Person::at(&server);
    let data =
        r#"{"data":{"object":{"amount":1.50,"currency":null}},"new":[12345678901234567890]}"#;
    fs::write(person.home().join("data.json"), data).unwrap();
    let sample = |given: &str| person.kite(&["trigger", "stripe", "--data", given]);
    for run in [sample(data), sample("@data.json"), sample("-").stdin(data)] {
        run.succeeds();
        let listed = owner.get("/api/v1/events?limit=1").await.text;
        assert!(listed.contains(r#""amount":1.50"#), "{listed}");
        assert!(listed.contains("[12345678901234567890]"), "{listed}");
        assert!(!listed.contains(r#""currency""#), "{listed}");
        assert!(listed.contains(r#""kiteverified":true"#), "{listed}");
    }
    let number = json!({"data": {"Body": "50 % & é", "To": null, "N": 1}});
    trigger(&owner, "twilio", number).await.expect(202);
    let stored = newest(&owner).await;
    assert_eq!(stored["data"]["Body"], "50 % & é");
    assert_eq!(stored["data"]["N"], "1");
    assert_eq!(stored["data"].get("To"), None);
    assert_eq!(stored["kiteverified"], true);
}

#[tokio::test]
async fn a_sample_with_the_id_of_one_that_came_before_is_told_to_be_stored_already() {
    let server = Server::start();
    let person = Person::at(&server);
    let data = r#"{"id":"evt_1"}"#;
    for said in ["Triggered", "Already stored"] {
        person
            .kite(&["trigger", "stripe", "--data", data])
            .stdout_has(said)
            .succeeds();
    }
    assert_eq!(server.owner().log().await.len(), 1);
    let again = json!({"data": {"id": "evt_1"}});
    let again = trigger(&server.owner(), "stripe", again).await.expect(200);
    assert_eq!(again["status"], "duplicate_ignored");
}

#[tokio::test]
async fn a_sample_that_there_is_not_is_refused_with_those_that_there_are() {
    let server = Server::start();
    let owner = server.owner();
    let person = Person::at(&server);
    person
        .kite(&["trigger", "linear.issue.explode"])
        .stderr_has("`issue.create`")
        .exits(2);
    for (source, asked) in [
        ("stripe", json!({"event": ""})),
        ("stripe", json!({"event": "a b"})),
        ("stripe", json!({"event": "x".repeat(129)})),
        ("stripe", json!({"event": 7})),
        ("stripe", json!({"data": "text"})),
        ("stripe", json!({"data": []})),
        ("my-app", json!({"event": "\u{1b}[2J"})),
        ("kite", json!({})),
        ("no%20slug", json!({})),
    ] {
        let refused = trigger(&owner, source, asked.clone()).await;
        assert_eq!(refused.status, 400, "{source} {asked}: {refused:#?}");
        refused.refused(400, "bad_request");
    }
    assert_eq!(owner.log().await.len(), 0, "nothing was sent");
    assert_eq!(endpoints(&owner).await.len(), 0, "and no endpoint made");
    // A question that is no event makes none.
    let question = json!({"data": {"type": "url_verification", "challenge": "x"}});
    let refused = trigger(&owner, "slack", question).await;
    refused.refused(400, "bad_request");
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn a_source_of_the_users_own_takes_any_event_and_is_not_signed() {
    let server = Server::start();
    let owner = server.owner();
    let ended = Person::at(&server)
        .kite(&["trigger", "my-app.order/created", "--json"])
        .succeeds();
    let sent = ended.json();
    assert_eq!(
        sent,
        json!({
            "status": "accepted", "id": sent["id"], "source": "my-app", "event": "order/created", "type": "com.my-app.event",
            "verified": false, "endpoint_created": true,
        })
    );
    let stored = newest(&owner).await;
    assert_eq!(stored["id"], sent["id"]);
    assert_eq!(stored["kiteverified"], false);
    assert_eq!(stored["data"]["event"], "order/created");
    trigger(&owner, "my-app", json!({})).await.expect(202);
}

#[tokio::test]
async fn an_endpoint_that_is_there_keeps_its_token_and_its_secret() {
    let server = Server::start();
    for delivery in deliveries("d-1") {
        let team = server.fresh_team("team of samples");
        let params = json!({"source": delivery.slug, "webhook_secret": delivery.secret});
        let endpoint = Endpoint::create(&team, params).await;
        let sent = trigger(&team, delivery.slug, json!({})).await;
        if delivery.secret == public_key() {
            sent.refused(400, "bad_request");
            assert!(sent.text.contains("public key"), "{sent:#?}");
            assert_eq!(team.log().await.len(), 0);
            continue;
        }
        let sent = sent.expect(202);
        assert_eq!(
            (&sent["verified"], &sent["endpoint_created"]),
            (&json!(true), &json!(false))
        );
        // The token is accepted, and a wrong one would not be.
        let (url, path) = endpoint.address(&delivery);
        let with_token = path.replace(&endpoint.path, &endpoint.path_with_token());
        let url = url.replace(&endpoint.path, &endpoint.path_with_token());
        let headers = delivery.signed(&endpoint.secret, &url);
        let headers = lines(&headers);
        let posted = endpoint
            .post(&with_token, &headers, delivery.body.as_str())
            .await;
        assert!(matches!(posted.status, 200 | 202), "{posted:#?}");
        let posted = endpoint.post(&path, &[], delivery.body.as_str()).await;
        posted.refused(401, "unauthorized");
        assert_eq!(team.log().await.len(), 2, "{delivery:?}");
        assert_eq!(endpoints(&team).await[0]["id"], endpoint.id);
    }
}

#[tokio::test]
async fn the_address_of_an_endpoint_made_for_samples_is_closed_until_somebody_asks_for_it() {
    let server = Server::start();
    let owner = server.owner();
    trigger(&owner, "stripe", json!({})).await.expect(202);
    let stripe = delivery("stripe", |_| true);
    let made = Endpoint::create(&owner, json!({"source": "stripe"})).await;
    made.deliver_with(&stripe, "")
        .await
        .refused(401, "unauthorized");
    made.deliver_with(&stripe, &stripe.secret)
        .await
        .refused(401, "unauthorized");
    made.post_with_token(&[], "{}")
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn a_deactivated_endpoint_and_a_key_that_only_reads_send_no_sample() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    call(&owner, "hooks.deactivate", json!({"id": app.id})).await;
    Person::at(&server)
        .kite(&["trigger", "my-app"])
        .stderr_has("was deactivated")
        .stderr_has("kite endpoints create --source my-app")
        .exits(1);
    let reader = server.key(&owner.team, "read");
    Person::with(&reader)
        .kite(&["trigger", "stripe"])
        .stdout("")
        .exits(4);
    assert_eq!(owner.log().await.len(), 0);
    assert_eq!(endpoints(&owner).await.len(), 1, "no endpoint was made");
}

/// Triggers many times at once through these; each must be accepted and verified, and there is one endpoint at last.
async fn crowd(accesses: &[Access]) {
    let sent: Vec<_> = accesses
        .iter()
        .cycle()
        .take(20)
        .map(|access| {
            let access = access.clone();
            tokio::spawn(async move { trigger(&access, "stripe", json!({})).await.expect(202) })
        })
        .collect();
    let count = sent.len();
    let mut made = 0;
    for sent in sent {
        let sent = sent.await.unwrap();
        assert_eq!(sent["verified"], true);
        made += usize::from(sent["endpoint_created"] == true);
    }
    assert_eq!(made, 1, "one of them made the endpoint");
    for access in accesses {
        assert_eq!(access.log().await.len(), count);
        assert_eq!(endpoints(access).await.len(), 1);
    }
}

#[tokio::test]
async fn samples_at_once_make_one_endpoint() {
    let server = Server::start();
    crowd(&[server.owner()]).await;
    let first = Server::start_on(&Cluster::shared().database());
    let second = first.another_node();
    crowd(&[first.owner(), second.owner()]).await;
}

/// A command of somebody with a key for a server that is none.
fn elsewhere(person: &Person, server: &Scripted, args: &[&str]) -> Kite {
    person
        .kite(args)
        .env("KITE_SERVER", &server.url)
        .env(
            "KITE_API_KEY",
            "kite_0a1b2c3d_00112233445566778899aabbccddeeff",
        )
        .env("KITE_TEAM_ID", "acme")
}

#[test]
fn a_command_line_that_is_wrong_sends_nothing() {
    let (person, server) = (Person::new(), Scripted::start(&[]));
    for args in [
        &["trigger"][..],
        &["trigger", ""],
        &["trigger", ".event"],
        &["trigger", "stripe", "--data", "{"],
        &["trigger", "stripe", "--data", "[]"],
        &["trigger", "stripe", "--data", "1"],
        &["trigger", "stripe", "--data", ""],
        &["trigger", "stripe", "--data", r#"{"a":1e400}"#],
        &["trigger", "stripe", "--data", "@no-such-file"],
        &["trigger", "stripe", "--data", "-"],
        &["trigger", "--list", "--data", "{}"],
        &["trigger", "my app.order"],
        &["trigger", "kite"],
        &["trigger", "stripe", "linear"],
    ] {
        elsewhere(&person, &server, args).stdout("").exits(2);
    }
    assert!(server.calls().is_empty(), "{:?}", server.calls());
}

#[test]
fn a_server_without_samples_is_told_of() {
    for reply in [
        Reply::With(404, r#"{"error":"not found","code":"not_found"}"#),
        Reply::With(405, ""),
    ] {
        let (person, server) = (Person::new(), Scripted::start(&[reply]));
        elsewhere(&person, &server, &["trigger", "stripe"])
            .stderr_has("the server has no samples to trigger")
            .stderr_has("`kite serve`")
            .exits(1);
        let calls = server.calls();
        assert!(
            calls[0].1.starts_with("POST /api/v1/hooks/stripe/trigger"),
            "{calls:?}"
        );
    }
}
