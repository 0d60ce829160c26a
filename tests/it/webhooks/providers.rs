//! What each provider posts, from its signature to the event in the stream, and what it is answered.

use serde_json::{Value, json};

use crate::support::hooks::{Endpoint, call};
use crate::support::http::Answer;
use crate::support::providers::{Delivery, Scheme, WHSEC, deliveries, delivery, lines, now};
use crate::support::server::Server;
use crate::support::socket::Socket;

async fn endpoint_for(server: &Server, delivery: &Delivery) -> Endpoint {
    let team = server.fresh_team("team of a provider");
    let params = json!({"source": delivery.slug, "webhook_secret": delivery.secret});
    Endpoint::create(&team, params).await
}

/// Whether an answer is what the provider of a delivery wants to hear.
fn check_answer(delivery: &Delivery, answer: &Answer, status: &str, id: &str) {
    let what = format!("{delivery:?}: {answer:#?}");
    let is_new = status == "accepted";
    let code = match delivery.slug {
        "linear" | "slack" | "twilio" => 200,
        _ if is_new => 202,
        _ => 200,
    };
    assert_eq!(answer.status, code, "{what}");
    assert_eq!(answer.headers["x-kite-event-id"], id, "{what}");
    if delivery.slug == "twilio" {
        assert_eq!(answer.headers["content-type"], "text/xml", "{what}");
        assert!(answer.text.ends_with("<Response></Response>"), "{what}");
        return;
    }
    assert_eq!(answer.json["status"], status, "{what}");
    assert_eq!(answer.json["id"], id, "{what}");
}

#[tokio::test]
async fn what_each_provider_posts_streams_verified_and_is_stored_once() {
    let server = Server::start();
    for (first, other) in deliveries("d-1").into_iter().zip(deliveries("d-2")) {
        let endpoint = endpoint_for(&server, &first).await;
        let scope = format!("source:{}", first.slug);
        let (mut listener, _) = Socket::connect(&endpoint.access, &[&scope], "listener").await;

        let accepted = endpoint.deliver(&first).await;
        let event = listener.next_event().await["event"].clone();
        let id = event["id"].as_str().unwrap().to_owned();
        check_answer(&first, &accepted, "accepted", &id);
        for (member, expected) in [
            ("type", json!(first.kind)),
            ("source", json!(first.source)),
            ("kitesummary", json!(first.summary)),
            ("kitesource", json!(first.slug)),
            ("kiteverified", json!(true)),
            ("datacontenttype", json!("application/json")),
        ] {
            assert_eq!(event[member], expected, "`{member}` of {event}");
        }

        let again = endpoint.deliver(&first).await;
        check_answer(&first, &again, "duplicate_ignored", &id);
        let accepted = endpoint.deliver(&other).await;
        let next = listener.next_event().await;
        assert_eq!(next["seq"], 2, "nothing stands between: {next}");
        let id = next["event"]["id"].as_str().unwrap();
        check_answer(&other, &accepted, "accepted", id);
        assert_eq!(endpoint.access.log().await.len(), 2, "{first:?}");
    }
}

#[tokio::test]
async fn no_provider_is_believed_without_its_signature() {
    let server = Server::start();
    for delivery in deliveries("d-1") {
        let endpoint = endpoint_for(&server, &delivery).await;
        let (url, path) = endpoint.address(&delivery);
        let body = delivery.body.as_str();
        let good = delivery.signed(&delivery.secret, &url);
        let post = async |headers: &[(&'static str, String)], body: &str| {
            let answer = endpoint.post(&path, &lines(headers), body).await;
            assert_eq!(answer.status, 401, "{headers:?} {body}: {answer:#?}");
            answer.refused(401, "unauthorized");
        };
        post(&delivery.headers, body).await;
        post(&good, &format!("{body} ")).await;
        for days in [-1, 1] {
            let time = (now() + days * 86_400).to_string();
            let old = delivery.signature(&delivery.secret, &url, &time);
            let tells_time = old.iter().any(|(_, value)| value.contains(&time));
            if tells_time {
                post(&[delivery.headers.clone(), old].concat(), body).await;
            }
        }
        if delivery.scheme != Scheme::StandardKeyPair {
            let other = "whsec_b3RoZXIgb3RoZXIgb3RoZXI=";
            post(&delivery.signed(other, &url), body).await;
        }
        assert_eq!(endpoint.access.log().await.len(), 0, "{delivery:?}");
        let accepted = endpoint.post(&path, &lines(&good), body).await;
        assert!(matches!(accepted.status, 200 | 202), "{accepted:#?}");
        assert_eq!(endpoint.access.log().await.len(), 1, "{delivery:?}");
    }
}

#[tokio::test]
async fn both_secrets_are_good_while_one_replaces_the_other() {
    const NEW: &str = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXc=";
    const OTHER: &str = "whsec_b3RoZXIgb3RoZXIgb3RoZXI=";
    let server = Server::start();
    let standard = |scheme| scheme == Scheme::Standard;
    for first in [
        delivery("stripe", |_| true),
        delivery("my-app", standard),
        delivery("linear", standard),
    ] {
        let endpoint = endpoint_for(&server, &first).await;
        let rotation = json!({"source": first.slug, "webhook_secret": NEW});
        call(&endpoint.access, "hooks.rotate_secret", rotation).await;
        let is_stored = async |secret: &str| {
            let answer = endpoint.deliver_with(&first, secret).await;
            let status = answer.json["status"].as_str().unwrap_or_default();
            (answer.status != 401).then(|| status.to_owned())
        };
        assert_eq!(is_stored(OTHER).await, None);
        assert_eq!(is_stored(WHSEC).await.as_deref(), Some("accepted"));
        assert_eq!(is_stored(NEW).await.as_deref(), Some("duplicate_ignored"));
    }
}

#[tokio::test]
async fn slack_learns_that_the_address_is_ours_and_no_event_comes_of_it() {
    let server = Server::start();
    let question = Delivery {
        body: r#"{"token":"t","challenge":"3eZbrw1a\u00e9","type":"url_verification"}"#.to_owned(),
        ..delivery("slack", |_| true)
    };
    let slack = endpoint_for(&server, &question).await;
    let answer = slack.deliver(&question).await;
    assert_eq!(answer.expect(200), json!({"challenge": "3eZbrw1aé"}));
    let unsigned = slack
        .post(
            &slack.path,
            &lines(&question.headers),
            question.body.as_str(),
        )
        .await;
    unsigned.refused(401, "unauthorized");
    let wrongly = slack.deliver_with(&question, "other").await;
    wrongly.refused(401, "unauthorized");
    assert!(!wrongly.text.contains("3eZbrw1a"), "{wrongly:#?}");
    // The question alone is none: it is an event like any other.
    let no_question = Delivery {
        body: r#"{"type":"url_verification","challenge":1}"#.to_owned(),
        ..question
    };
    slack.deliver(&no_question).await.expect(200);
    let log = slack.access.log().await;
    let kinds: Vec<&Value> = log.iter().map(|listed| &listed["event"]["type"]).collect();
    assert_eq!(kinds, [&json!("com.slack.url_verification")]);
}

#[tokio::test]
async fn twilio_signs_the_public_address_with_or_without_its_port() {
    for (public, good, bad) in [
        (
            "https://hooks.example",
            ["https://hooks.example", "https://hooks.example:443"],
            ["http://hooks.example", "https://hooks.example:8443"],
        ),
        (
            "http://hooks.example/kite/",
            ["http://hooks.example/kite", "http://hooks.example:80/kite"],
            ["http://hooks.example", "http://hooks.example:443/kite"],
        ),
        (
            "https://hooks.example:8443",
            ["https://hooks.example:8443"; 2],
            ["https://hooks.example", "https://hooks.example:443"],
        ),
    ] {
        let server = Server::start_with(&["--public-url", public]);
        let form = |scheme| matches!(scheme, Scheme::TwilioForm(_));
        let message = delivery("twilio", form);
        let call = delivery("twilio", |scheme| scheme == Scheme::TwilioJson);
        let twilio = endpoint_for(&server, &message).await;
        let post = async |delivery: &Delivery, base: &str, path: &str| {
            let headers = delivery.signed(&twilio.secret, &format!("{base}{path}"));
            let answer = twilio
                .post(path, &lines(&headers), delivery.body.as_str())
                .await;
            answer.status
        };
        let with_token = twilio.path_with_token();
        let paths = [
            (&message, twilio.path.clone()),
            (&message, with_token.clone()),
            (&message, format!("{}?a=1&b=%20+x", twilio.path)),
            (&call, format!("{}{}", twilio.path, call.query())),
            (&call, format!("{with_token}{}&a=1", call.query())),
        ];
        for (delivery, path) in &paths {
            for base in good {
                assert_eq!(post(delivery, base, path).await, 200, "{base}{path}");
            }
            for base in bad {
                assert_eq!(post(delivery, base, path).await, 401, "{base}{path}");
            }
        }
        // The digest in the address is that of another body.
        let changed = Delivery {
            body: format!("{} ", call.body),
            ..call.clone()
        };
        let path = format!("{}{}", twilio.path, call.query());
        assert_eq!(post(&changed, good[0], &path).await, 401);
        assert_eq!(post(&call, good[0], &twilio.path).await, 401, "no digest");
    }
}

#[tokio::test]
async fn without_a_public_address_the_request_says_which_one_twilio_called() {
    let server = Server::start();
    let call = delivery("twilio", |scheme| scheme == Scheme::TwilioJson);
    let twilio = endpoint_for(&server, &call).await;
    let path = format!("{}{}", twilio.path, call.query());
    let rest = server.url().strip_prefix("http").unwrap();
    for (signed, forwarded, status) in [
        ("http", None, 200),
        ("https", Some("https"), 200),
        ("https", None, 401),
        ("http", Some("https"), 401),
    ] {
        let headers = call.signed(&twilio.secret, &format!("{signed}{rest}{path}"));
        let mut headers = lines(&headers);
        headers.extend(forwarded.map(|scheme| ("X-Forwarded-Proto", scheme)));
        // What makes it another delivery.
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("i-twilio-idempotency-token"));
        let answer = twilio.post(&path, &headers, call.body.as_str()).await;
        assert_eq!(answer.status, status, "{signed} {forwarded:?}");
    }
}
