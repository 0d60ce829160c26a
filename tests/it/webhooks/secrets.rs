//! Nothing secret leaves by a list, a log or the disk.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::PUSH;
use crate::support::hooks::{Endpoint, call, signature};
use crate::support::http::answer;
use crate::support::server::Server;
use crate::support::socket::Socket;

fn holds(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    bytes.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn the_headers_that_are_kept_hold_no_credentials() {
    let server = Server::start();
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let (mut listener, _) = Socket::connect(&owner, &["*"], "listener").await;
    let bearer = format!("Bearer {}", app.token);
    let callback = format!("https://kite.example{}", app.path_with_token());
    let long = "y".repeat(20_000);
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Proxy-Authorization", "Basic hunter2"),
        ("Cookie", "session=hunter2"),
        ("X-Api-Key", "hunter2"),
        ("X-APIKEY", "hunter2"),
        ("X-Auth-Token", "hunter2"),
        ("X-Client-Secret", "hunter2"),
        ("X-Forwarded-For", "10.9.8.7"),
        ("Forwarded", "for=10.9.8.7"),
        ("X-Real-IP", "10.9.8.7"),
        ("CF-Connecting-IP", "10.9.8.7"),
        ("X-Callback", callback.as_str()),
        ("X-Long", long.as_str()),
        ("X-Tag", "a"),
        ("X-Tag", "b"),
        ("X-Kite-Signature", "sha256=00"),
        ("Content-Type", "text/plain"),
    ];
    app.post(&app.path, &headers, "x").await.expect(202);

    let frame = listener.next_text().await;
    for secret in [app.token.as_str(), "hunter2", "10.9.8.7", long.as_str()] {
        assert!(!frame.contains(secret), "`{secret}` is in {frame}");
    }
    let frame: Value = serde_json::from_str(&frame).unwrap();
    let kept = frame["event"]["kiteoriginalheaders"].as_str().unwrap();
    let mut kept: Value = serde_json::from_str(kept).unwrap();
    // What the client itself adds.
    kept.as_object_mut().unwrap().remove("accept");
    assert_eq!(
        kept,
        json!({"content-type": "text/plain", "x-kite-signature": "sha256=00", "x-tag": "a, b"})
    );
}

#[tokio::test]
async fn a_hook_token_in_a_header_is_dropped_also_where_the_signature_was_the_proof() {
    let server = Server::start();
    let owner = server.owner();
    let params = json!({"source": "my-app", "webhook_secret": "s3cret"});
    for endpoint in [
        Endpoint::create(&owner, params).await,
        Endpoint::github(&owner).await,
    ] {
        let callback = format!("https://kite.example{}", endpoint.path_with_token());
        let signature = signature(&endpoint.secret, b"{}");
        let headers = [
            ("X-Hub-Signature-256", signature.as_str()),
            ("X-Callback", &callback),
            ("Content-Type", "application/json"),
        ];
        endpoint
            .post(&endpoint.path, &headers, "{}")
            .await
            .expect(202);
        let listed = owner.get("/api/v1/events?limit=1").await.text;
        assert!(listed.contains("x-hub-signature-256"), "{listed}");
        assert!(!listed.contains(&endpoint.token), "{listed}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_list_in_no_log_and_not_in_the_database() {
    let mut server = Server::start_on_files(&["-vv"]);
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    let app = Endpoint::create(
        &owner,
        json!({"source": "my-app", "webhook_secret": "a-secret-of-my-app"}),
    )
    .await;
    let plain = Endpoint::create(&owner, json!({"source": "plain"})).await;
    let rotated = json!({"source": "my-app", "webhook_secret": "the-rotated-secret"});
    call(&owner, "hooks.rotate_secret", rotated).await;
    let made = call(
        &owner,
        "keys.create",
        json!({"name": "CI", "permissions": ["write"]}),
    )
    .await;
    let key = owner.with_key(made["api_key"].as_str().unwrap());
    let by_rest = owner
        .post("/api/v1/keys", json!({"name": "rest"}).to_string())
        .await
        .expect(201);
    let prepared = call(
        &owner,
        "hooks.github.prepare_install",
        json!({"rotate_secret": true}),
    )
    .await;

    // All ways in, right and wrong.
    github.push("d-1", PUSH).await.expect(202);
    let of_app = signature(&app.secret, b"x");
    let signed = [("X-Kite-Signature", of_app.as_str())];
    app.post_with_token(&signed, "x").await.expect(202);
    app.post_with_token(&[], "x").await.expect(401);
    plain.post_with_token(&[], "x").await.expect(202);
    let bearer = format!("Bearer {}", plain.token);
    plain
        .post(&plain.path, &[("Authorization", &bearer)], "x")
        .await
        .expect(202);
    let crossed = format!("{}/{}", plain.path, app.token);
    plain.post(&crossed, &[], "x").await.expect(401);
    let json_header = [("Content-Type", "application/json")];
    plain.post_with_token(&json_header, "{").await.expect(400);
    answer(owner.bare(Method::GET, &plain.path_with_token()))
        .await
        .expect(405);
    key.tell("a", "b", "hello").await;
    key.get(&format!("/api/v1/events/{}", key.key))
        .await
        .expect(404);
    Socket::connect(&key, &["*"], "c").await.0.cut();

    let secrets: Vec<String> = [
        &owner.key,
        &key.key,
        &github.token,
        &github.secret,
        &app.token,
        &app.secret,
        &plain.token,
        "the-rotated-secret",
        by_rest["api_key"].as_str().unwrap(),
        prepared["github_webhook_secret"].as_str().unwrap(),
    ]
    .iter()
    .map(|secret| {
        // Of a token, the part that is secret.
        let parts: Vec<&str> = secret.splitn(3, '_').collect();
        parts.last().unwrap().to_string()
    })
    .collect();
    let clean = |place: &str, bytes: &[u8]| {
        for secret in &secrets {
            assert!(!holds(bytes, secret), "{place} holds `{secret}`");
        }
    };

    for path in [
        "/api/v1/hooks",
        "/api/v1/keys",
        "/api/v1/stats",
        "/api/v1/agents",
        "/api/v1/events",
        "/api/v1/events?after_seq=0",
    ] {
        let listed = owner.get(path).await;
        assert_eq!(listed.status, 200, "{listed:#?}");
        clean(path, listed.text.as_bytes());
    }
    for method in [
        "hooks.list",
        "keys.list",
        "dashboard.stats",
        "events.recent",
    ] {
        let payload = call(&owner, method, json!({})).await;
        clean(method, payload.to_string().as_bytes());
    }
    let log = server.log();
    assert!(!log.is_empty(), "with -vv a server says something");
    clean("the log", log.as_bytes());
    let data_dir = server.data_dir();
    let database = || {
        let read = |name: &str| fs::read(data_dir.join(name)).unwrap_or_default();
        [read("kite.db"), read("kite.db-wal")].concat()
    };
    let running = database();
    assert!(holds(&running, "my-app"), "what is no secret is there");
    clean("the database", &running);
    server.stop();
    clean("the database of a stopped server", &database());
}
