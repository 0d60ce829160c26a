//! What an operator limits, and what those who meet a limit are told (spec 15).

use reqwest::Method;
use serde_json::json;

use crate::support::cli::Person;
use crate::support::hooks::Endpoint;
use crate::support::http::answer;
use crate::support::server::Server;

#[tokio::test]
async fn a_team_over_its_rate_is_refused_and_others_are_not() {
    let server = Server::start_with(&["--team-rate-limit", "3", "--rate-window-secs", "3600"]);
    let owner = server.owner();
    let hook = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    owner.tell("a", "b", "one").await;
    owner
        .emit(&json!({"type": "com.acme.note"}))
        .await
        .expect(202);
    hook.post_with_token(&[], "{}").await.expect(202);

    let message = json!({"from": "a", "to": "b", "body": "late"}).to_string();
    let refused = owner.message(message).await;
    refused.refused(429, "rate_limited");
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    hook.post_with_token(&[], "{}")
        .await
        .refused(429, "rate_limited");
    assert_eq!(
        owner.log().await.len(),
        3,
        "reading goes on, nothing was stored"
    );
    server.fresh_team("other").tell("a", "b", "in peace").await;
}

#[tokio::test]
async fn a_command_that_meets_a_limit_exits_6() {
    let server = Server::start_with(&["--key-rate-limit", "1", "--rate-window-secs", "3600"]);
    let person = Person::at(&server);
    let emit = ["emit", "--type", "com.acme.note"];
    person.kite(&emit).succeeds();
    person.kite(&emit).stderr_has("this API key").exits(6);
}

#[tokio::test]
async fn limits_per_address_go_by_what_a_trusted_proxy_says_and_by_nobody_else() {
    let limit = ["--address-rate-limit", "1", "--rate-window-secs", "3600"];
    let trusting =
        Server::start_with(&[&limit[..], &["--trusted-proxies", "10.0.0.0/8,127.0.0.1"]].concat());
    let wary = Server::start_with(&limit);
    let send = async |server: &Server, client: &str| {
        let request = server
            .owner()
            .request(Method::POST, "/api/v1/agents/messages")
            .header("content-type", "application/json")
            .header("x-forwarded-for", client)
            .body(r#"{"from":"a","to":"b","body":"x"}"#);
        answer(request).await.status
    };
    let sent = [
        send(&trusting, "198.51.100.7").await,
        send(&trusting, "203.0.113.1, 198.51.100.7").await,
        send(&trusting, "198.51.100.8").await,
        send(&wary, "198.51.100.7").await,
        send(&wary, "198.51.100.8").await,
    ];
    assert_eq!(sent, [201, 429, 201, 201, 429]);
}
