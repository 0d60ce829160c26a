//! Requests that are malformed, too large, or for somebody else.

use reqwest::Method;
use serde_json::{Value, json};

use crate::clients::endpoint;
use crate::support::http::{Access, answer};
use crate::support::server::Server;

const BODY_MAX_BYTES: usize = 262_144;

/// A message whose JSON text has exactly this many bytes.
fn message_of(bytes: usize) -> String {
    let frame = r#"{"from":"a","to":"b","body":""}"#.len();
    format!(
        r#"{{"from":"a","to":"b","body":"{}"}}"#,
        "x".repeat(bytes - frame)
    )
}

#[tokio::test]
async fn malformed_messages_are_refused_by_name_and_change_nothing() {
    let server = Server::start();
    let owner = server.owner();
    for (body, named) in [
        ("", "JSON"),
        ("{", "JSON"),
        ("null", "object"),
        ("[]", "object"),
        (r#""from""#, "object"),
        (r#"{"from":"a","to":"b","body":"x"} more"#, "JSON"),
        (r#"{"to":"b","body":"x"}"#, "`from`"),
        (r#"{"from":"a","body":"x"}"#, "`to`"),
        (r#"{"from":"a","to":"b"}"#, "`body`"),
        (r#"{"from":null,"to":"b","body":"x"}"#, "`from`"),
        (r#"{"from":7,"to":"b","body":"x"}"#, "string"),
        (r#"{"from":"a","to":["b"],"body":"x"}"#, "string"),
        (r#"{"from":"a","to":"b","body":{}}"#, "string"),
        (
            r#"{"from":"a","to":"b","body":"x","thread_id":7}"#,
            "string",
        ),
        (r#"{"from":"","to":"b","body":"x"}"#, "`from`"),
        (r#"{"from":"a","to":"","body":"x"}"#, "`to`"),
        (r#"{"from":"a\u0000","to":"b","body":"x"}"#, "control"),
        (r#"{"from":"a","to":"b\n","body":"x"}"#, "control"),
        (r#"{"from":"a","to":"b","body":"\ud800"}"#, "surrogate"),
        (
            r#"{"from":"a","to":"b","to_agent_id":"c","body":"x"}"#,
            "`to_agent_id`",
        ),
    ] {
        let answer = owner.message(body).await;
        answer.refused(400, "bad_request");
        let sentence = answer.json["error"].as_str().unwrap();
        assert!(
            sentence.contains(named),
            "{body}: `{sentence}` does not name {named}"
        );
    }
    let long = json!({"from": "a".repeat(257), "to": "b", "body": "x"}).to_string();
    owner.message(long).await.refused(400, "bad_request");
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let server = Server::start();
    let owner = server.owner();
    let request = owner.request(Method::POST, "/api/v1/agents/messages");
    let bytes = b"{\"from\":\"a\",\"to\":\"b\",\"body\":\"\xff\"}".to_vec();
    let refused = answer(
        request
            .header("content-type", "application/json")
            .body(bytes),
    )
    .await;
    refused.refused(400, "bad_request");
    assert!(refused.text.contains("UTF-8"), "{refused:#?}");
}

#[tokio::test]
async fn bodies_of_the_limit_pass_and_one_byte_more_does_not() {
    let server = Server::start();
    let owner = server.owner();
    owner.message(message_of(BODY_MAX_BYTES)).await.expect(201);
    let too_large = owner.message(message_of(BODY_MAX_BYTES + 1)).await;
    too_large.refused(413, "too_large");
    assert_eq!(too_large.json["max_bytes"], BODY_MAX_BYTES);

    let (path, token) = endpoint(&owner, "my-app").await;
    let event = |bytes: usize| {
        let frame = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data":""}"#;
        frame.replace(
            r#""""#,
            &format!(r#""{}""#, "x".repeat(bytes - frame.len())),
        )
    };
    let hook = owner.with_key(&token);
    hook.post_event(&path, event(BODY_MAX_BYTES))
        .await
        .expect(202);
    hook.post_event(&path, event(BODY_MAX_BYTES + 1))
        .await
        .refused(413, "too_large");
    assert_eq!(owner.log().await.len(), 2);
}

#[tokio::test]
async fn malformed_events_are_refused_by_name_and_change_nothing() {
    let server = Server::start();
    let owner = server.owner();
    let good = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t"});
    let with = |member: &str, value: Value| {
        let mut event = good.clone();
        event[member] = value;
        event
    };
    for (event, named) in [
        (json!([]), "object"),
        (
            json!({"id": "1", "source": "s", "type": "t"}),
            "`specversion`",
        ),
        (with("specversion", json!("0.3")), "`specversion`"),
        (with("type", json!("")), "`type`"),
        (with("type", json!(7)), "`type`"),
        (with("id", json!("a\u{7}")), "`id`"),
        (with("source", json!("s".repeat(4097))), "`source`"),
        (with("time", json!("yesterday")), "`time`"),
        (with("data_base64", json!("***")), "`data_base64`"),
        (with("weight", json!(1.5)), "`weight`"),
        (with("Upper", json!("x")), "`Upper`"),
    ] {
        let answer = owner.post_event("/api/v1/events", event.to_string()).await;
        answer.refused(400, "bad_request");
        let sentence = answer.json["error"].as_str().unwrap();
        assert!(
            sentence.contains(named),
            "{event}: `{sentence}` does not name {named}"
        );
    }
    let reserved = with("type", json!("com.kite.agent.message")).to_string();
    owner
        .post_event("/api/v1/events", reserved)
        .await
        .refused(403, "forbidden");
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn unknown_paths_methods_and_scopes_have_their_own_errors() {
    let server = Server::start();
    let owner = server.owner();
    let not_offered = owner.get("/api/v1/bootstrap/x402").await;
    not_offered.refused(404, "not_supported");
    owner.get("/api/v1/nothing").await.refused(404, "not_found");
    owner.get("/nothing").await.refused(404, "not_found");
    owner
        .get("/api/v1/agents/messages")
        .await
        .refused(405, "method_not_allowed");
    owner
        .get("/hooks/default/my-app")
        .await
        .refused(405, "method_not_allowed");
    for query in [
        "scope=github",
        "scope=foo:x",
        "scope=source:",
        "after_seq=-1",
        "after_seq=x",
        "limit=x",
    ] {
        owner
            .get(&format!("/api/v1/events?{query}"))
            .await
            .refused(400, "bad_request");
    }
}

#[tokio::test]
async fn what_is_not_the_callers_is_refused() {
    let server = Server::start();
    let owner = server.owner();
    let reader = server.key(&owner.team, "read");
    let message = r#"{"from":"a","to":"b","body":"x"}"#;
    let event = json!({"type": "t", "source": "s"});

    reader.get("/api/v1/events").await.expect(200);
    reader.message(message).await.refused(403, "forbidden");
    reader.emit(&event).await.refused(403, "forbidden");
    for key in [
        "",
        "kite_",
        "kite_deadbeef_00000000000000000000000000000000",
        "khk_deadbeef_00000000000000000000000000000000",
        &"k".repeat(9000),
    ] {
        let stranger = owner.with_key(key);
        stranger.message(message).await.refused(401, "unauthorized");
        stranger
            .get("/api/v1/events")
            .await
            .refused(401, "unauthorized");
    }
    let without = answer(owner.bare(Method::GET, "/api/v1/events")).await;
    without.refused(401, "unauthorized");
    for team in ["no-such-team", "%00", "a%2Fb"] {
        let path = format!("/api/v1/agents/messages?team_id={team}");
        let refused = owner.post(&path, message).await;
        assert!(matches!(refused.status, 400 | 403), "{team}: {refused:#?}");
    }
    assert_eq!(owner.log().await.len(), 0);
}

#[tokio::test]
async fn names_and_bodies_keep_every_script_and_bodies_every_control_character() {
    let server = Server::start();
    let owner = server.owner();
    let body = "\u{0}\u{1b}[31m\u{7f}\u{85} é 日本 🙂 \u{202e}";
    owner.tell("zoë 日本", "агент/7", body).await;
    let event = &owner.log().await[0]["event"];
    assert_eq!(
        event["data"],
        json!({"from": "zoë 日本", "to": "агент/7", "body": body})
    );
    assert_eq!(
        event["source"],
        "https://getkite.sh/agents/zo%C3%AB%20%E6%97%A5%E6%9C%AC"
    );
    let summary = event["kitesummary"].as_str().unwrap();
    assert!(!summary.chars().any(char::is_control), "{summary:?}");
}

#[tokio::test]
async fn the_health_of_a_server_needs_no_key() {
    let server = Server::start();
    for path in ["/health", "/healthz", "/readyz"] {
        let access: Access = server.owner();
        answer(access.bare(Method::GET, path)).await.expect(200);
    }
    let health = answer(server.owner().bare(Method::GET, "/health"))
        .await
        .expect(200);
    assert_eq!(
        health,
        json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})
    );
}
