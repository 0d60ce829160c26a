//! Frames that break the protocol end the connection with the right code.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::http::Access;
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

const FRAME_MAX_BYTES: usize = 1024 * 1024;

/// A well-formed request for an unknown method whose text has exactly this many bytes.
fn request_of(bytes: usize) -> String {
    let frame = r#"{"type":"request","id":"r","method":"nope","params":""}"#;
    let padding = "x".repeat(bytes - frame.len());
    frame.replace(r#""""#, &format!(r#""{padding}""#))
}

/// Sends one text as the first frame.
async fn begin_with(access: &Access, text: &str) -> Socket {
    let mut socket = Socket::open(&access.ws_url).await;
    socket.send_text(text).await;
    socket
}

#[tokio::test]
async fn nothing_but_a_connect_may_come_first() {
    let server = Server::start();
    let owner = server.owner();
    for text in [
        "",
        "hello",
        "[]",
        "{}",
        r#"{"type":"ping"}"#,
        r#"{"type":"ack","seq":1}"#,
        r#"{"type":"request","id":"r","method":"dashboard.stats"}"#,
        r#"{"type":"request","id":"r"}"#,
        r#"{"type":"connect"}"#,
        r#"{"type":"connect","version":"1"}"#,
    ] {
        begin_with(&owner, text).await.expect_refusal(4002).await;
    }
}

#[tokio::test]
async fn a_connect_that_asks_for_the_impossible_is_refused() {
    let server = Server::start();
    let owner = server.owner();
    let with = |member: &str, value: serde_json::Value| {
        let mut frame = connect_frame(&owner, &["*"], "c");
        frame[member] = value;
        frame.to_string()
    };
    let many = vec!["*"; 101];
    for text in [
        with("version", json!(2)),
        with("version", json!(0)),
        with("scopes", json!(["github"])),
        with("scopes", json!(["*", "foo:x"])),
        with("scopes", json!(["source:"])),
        with("scopes", json!([format!("type:{}", "x".repeat(508))])),
        with("scopes", json!(many)),
        with("client_id", json!("c".repeat(257))),
        with("client_id", json!("c\n")),
    ] {
        let sentence = begin_with(&owner, &text).await.expect_refusal(4002).await;
        assert!(
            !sentence.contains(&owner.key),
            "the error shows the key: {sentence}"
        );
    }
    for text in [
        with("team_id", json!("no-such-team")),
        with("token", json!("nonsense")),
        with("token", json!("")),
    ] {
        begin_with(&owner, &text).await.expect_refusal(4001).await;
    }
}

#[tokio::test]
async fn a_client_id_that_is_empty_or_missing_is_made_up() {
    let server = Server::start();
    let owner = server.owner();
    for client_id in [json!(""), json!(null)] {
        let mut frame = connect_frame(&owner, &["*"], "");
        frame["client_id"] = client_id;
        let connected = begin_with(&owner, &frame.to_string()).await.next().await;
        let made = connected["client_id"].as_str().unwrap();
        assert!(uuid::Uuid::try_parse(made).is_ok(), "{connected}");
    }
}

#[tokio::test]
async fn a_broken_frame_later_on_ends_the_connection() {
    let server = Server::start();
    let owner = server.owner();
    let second = connect_frame(&owner, &["*"], "other").to_string();
    for text in [
        "hello",
        r#"{"type":"ack","seq":-1}"#,
        r#"{"type":"request","id":7,"method":"m"}"#,
        &second,
    ] {
        let (mut socket, _) = Socket::connect(&owner, &["*"], "c").await;
        socket.send_text(text).await;
        socket.expect_refusal(4002).await;
    }
    let (mut socket, _) = Socket::connect(&owner, &["*"], "c").await;
    socket
        .send_message(Message::binary(vec![1, 2, 3]))
        .await
        .unwrap();
    socket.expect_refusal(4002).await;
}

#[tokio::test]
async fn a_broken_request_is_answered_and_the_connection_stays() {
    let server = Server::start();
    let (mut socket, _) = Socket::connect(&server.owner(), &[], "c").await;
    for (text, code) in [
        (r#"{"type":"request","id":"r"}"#, "bad_params"),
        (r#"{"type":"request","id":"r","method":7}"#, "bad_params"),
        (
            r#"{"type":"request","id":"r","method":"nope"}"#,
            "unknown_method",
        ),
        (
            r#"{"type":"request","id":"r","method":"hooks.create","params":{}}"#,
            "bad_params",
        ),
        (
            r#"{"type":"request","id":"r","method":"hooks.create","params":{"source":"kite"}}"#,
            "bad_params",
        ),
        (
            r#"{"type":"request","id":"r","method":"hooks.create","params":{"source":"a b"}}"#,
            "bad_params",
        ),
        (
            r#"{"type":"request","id":"r","method":"events.recent","params":{"limit":"x"}}"#,
            "bad_params",
        ),
    ] {
        socket.send_text(text).await;
        let response = socket.next().await;
        assert_eq!(
            (&response["type"], &response["id"], &response["ok"]),
            (&json!("response"), &json!("r"), &json!(false)),
            "{text}: {response}"
        );
        assert_eq!(response["payload"]["code"], code, "{text}: {response}");
        assert!(
            response["payload"]["error"].is_string(),
            "{text}: {response}"
        );
    }
    assert_eq!(
        socket.call("dashboard.stats", json!(null)).await["ok"],
        true
    );
}

#[tokio::test]
async fn a_read_key_listens_and_makes_nothing() {
    let server = Server::start();
    let reader = server.key(&server.owner().team, "read");
    let (mut socket, _) = Socket::connect(&reader, &["*"], "c").await;
    let response = socket
        .call("hooks.create", json!({"source": "my-app"}))
        .await;
    assert_eq!(
        (&response["ok"], &response["payload"]["code"]),
        (&json!(false), &json!("forbidden"))
    );
    assert_eq!(
        socket.call("dashboard.stats", json!({})).await["payload"]["active_endpoints"],
        0
    );
}

#[tokio::test]
async fn frames_of_the_limit_pass_and_one_byte_more_does_not() {
    let server = Server::start();
    let owner = server.owner();
    let (mut socket, _) = Socket::connect(&owner, &[], "c").await;
    socket.send_text(&request_of(FRAME_MAX_BYTES)).await;
    let response = socket.next().await;
    assert_eq!(
        (&response["id"], &response["ok"]),
        (&json!("r"), &json!(false)),
        "{response}"
    );

    // The server may stop reading before the whole frame is out.
    let too_large = Message::text(request_of(FRAME_MAX_BYTES + 1));
    socket.send_message(too_large).await.ok();
    socket.expect_refusal(4002).await;
}

#[tokio::test]
async fn an_ack_of_what_was_never_sent_moves_nothing() {
    let server = Server::start();
    let owner = server.owner();
    let (mut socket, _) = Socket::connect(&owner, &["*"], "c").await;
    socket.ack(9_007_199_254_740_991).await;
    owner.tell("a", "b", "x").await;
    let event = socket.next_event().await;
    assert_eq!(event["seq"], 1);
}
