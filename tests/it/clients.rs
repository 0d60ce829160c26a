//! Programs that other people wrote against the protocol: the published types and the CloudEvents SDK.

use cloudevents::{AttributesReader, EventBuilder, EventBuilderV10};
use kite_protocol::agent_message::AgentMessage;
use kite_protocol::{ClientMessage, ServerMessage, get_kiteseq, get_kitesummary};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::http::{Access, answer};
use crate::support::server::Server;
use crate::support::socket::Socket;

async fn send(socket: &mut Socket, message: &ClientMessage) {
    socket
        .send_text(&serde_json::to_string(message).unwrap())
        .await;
}

async fn next(socket: &mut Socket) -> ServerMessage {
    serde_json::from_str(&socket.next_text().await).expect("published clients read every frame")
}

/// Connects as a published client does; where delivery continues from.
async fn connect(access: &Access) -> (Socket, u64) {
    let mut socket = Socket::open(&access.ws_url).await;
    let hello = ClientMessage::Connect {
        version: 1,
        token: access.key.clone(),
        team_id: access.team.clone(),
        scopes: vec!["agent_to:agent-alpha".to_owned()],
        client_id: Some("published".to_owned()),
    };
    send(&mut socket, &hello).await;
    let ServerMessage::Connected {
        last_seq,
        client_id,
    } = next(&mut socket).await
    else {
        panic!("the first frame answers the handshake");
    };
    assert_eq!(client_id, "published");
    let ServerMessage::QuotaSnapshot { .. } = next(&mut socket).await else {
        panic!("the second frame tells the quota");
    };
    (socket, last_seq)
}

#[tokio::test]
async fn a_client_of_the_published_crate_receives_acknowledges_and_resumes() {
    let server = Server::start();
    let owner = server.owner();
    let (mut socket, last_seq) = connect(&owner).await;
    assert_eq!(last_seq, 0);
    let id = owner
        .tell("agent-beta", "agent-alpha", "Numbers are in.")
        .await;

    let ServerMessage::Event { seq, event } = next(&mut socket).await else {
        panic!("an event follows");
    };
    let event: cloudevents::Event = serde_json::from_value(event).expect("the SDK reads it");
    assert_eq!((seq, get_kiteseq(&event)), (1, Some(1)));
    assert_eq!(event.id(), id);
    let summary = get_kitesummary(&event).unwrap();
    assert_eq!(
        summary,
        "[agent msg] agent-beta → agent-alpha: Numbers are in."
    );
    let message = AgentMessage::from_event(&event).expect("it is a message");
    assert_eq!(
        (message.from.as_str(), message.body.as_str()),
        ("agent-beta", "Numbers are in.")
    );
    assert_eq!(event.source(), &AgentMessage::source_for("agent-beta"));

    send(&mut socket, &ClientMessage::Ack { seq }).await;
    // When the ack is stored nobody says; a connection that resumes after it proves it.
    drop(socket);
    eventually("the ack is stored", || async {
        let (_, last_seq) = connect(&owner).await;
        (last_seq == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_published_client_can_call() {
    let server = Server::start();
    let (mut socket, _) = connect(&server.owner()).await;
    let request = ClientMessage::Request {
        id: "r-1".to_owned(),
        method: "dashboard.stats".to_owned(),
        params: Value::Null,
    };
    send(&mut socket, &request).await;
    let ServerMessage::Response { id, ok, payload } = next(&mut socket).await else {
        panic!("a request is answered");
    };
    assert_eq!((id.as_str(), ok), ("r-1", true));
    assert_eq!(payload["team_id"], server.owner().team);
    assert_eq!(payload["active_api_keys"], 1);
}

/// Makes an endpoint; its path and its token.
pub(crate) async fn endpoint(access: &Access, source: &str) -> (String, String) {
    let (mut socket, _) = Socket::connect(access, &[], "").await;
    let response = socket.call("hooks.create", json!({"source": source})).await;
    assert_eq!(response["ok"], true, "{response}");
    let text = |name: &str| response["payload"][name].as_str().unwrap().to_owned();
    (text("endpoint"), text("hook_token"))
}

#[tokio::test]
async fn an_event_of_the_sdk_comes_in_by_an_endpoint_and_goes_out_the_same() {
    let server = Server::start();
    let owner = server.owner();
    let (path, token) = endpoint(&owner, "my-app").await;
    let (mut listener, _) = Socket::connect(&owner, &["source:my-app"], "listener").await;
    let sent = EventBuilderV10::new()
        .id("order-7")
        .source("https://shop.example/orders")
        .ty("com.example.order.placed")
        .subject("7")
        .time("2026-01-31T12:00:00Z")
        .extension("priority", 3)
        .extension("kitesummary", "order 7\nplaced")
        .data("application/json", json!({"total": 12.5, "items": [1, 2]}))
        .build()
        .unwrap();

    let hook = owner.with_key(&token);
    let text = serde_json::to_string(&sent).unwrap();
    let accepted = hook.post_event(&path, text.clone()).await;
    assert_eq!(accepted.headers["x-kite-event-id"], "order-7");
    let accepted = accepted.expect(202);
    assert_eq!(
        (&accepted["id"], &accepted["status"]),
        (&json!("order-7"), &json!("accepted"))
    );

    let frame = listener.next_event().await;
    let received: cloudevents::Event = serde_json::from_value(frame["event"].clone()).unwrap();
    assert_eq!(received.id(), sent.id());
    assert_eq!(received.source(), sent.source());
    assert_eq!(received.ty(), sent.ty());
    assert_eq!(received.subject(), sent.subject());
    assert_eq!(received.time(), sent.time());
    assert_eq!(received.data(), sent.data());
    assert_eq!(received.extension("priority"), sent.extension("priority"));
    assert_eq!(get_kitesummary(&received).unwrap(), "order 7 placed");

    let again = hook.post_event(&path, text).await.expect(200);
    assert_eq!(
        again,
        json!({"status": "duplicate_ignored", "id": "order-7"})
    );
    listener.expect_none().await;
}

#[tokio::test]
async fn an_endpoint_takes_its_token_in_the_path_too_and_no_other() {
    let server = Server::start();
    let owner = server.owner();
    let (path, token) = endpoint(&owner, "my-app").await;
    let event = json!({"specversion": "1.0", "id": "1", "source": "https://x", "type": "t"});
    let post = |path: String| {
        let request = owner.bare(Method::POST, &path);
        answer(
            request
                .header("content-type", "application/cloudevents+json")
                .body(event.to_string()),
        )
    };
    post(format!("{path}/{token}")).await.expect(202);
    post(path.clone()).await.refused(401, "unauthorized");
    post(format!(
        "{path}/khk_00000000_00000000000000000000000000000000"
    ))
    .await
    .refused(401, "unauthorized");
    owner
        .post_event(&path, event.to_string())
        .await
        .refused(401, "unauthorized");
}

#[tokio::test]
async fn the_text_of_data_leaves_as_it_came() {
    let server = Server::start();
    let owner = server.owner();
    let (mut listener, _) = Socket::connect(&owner, &["*"], "listener").await;
    let data = r#"{"z": 1.0, "big": 123456789012345678901234567890, "e": 1E+2,  "a": "\u00e9é\/"}"#;
    let event =
        format!(r#"{{"specversion":"1.0","id":"1","source":"s","type":"t","data":{data}}}"#);
    owner.post_event("/api/v1/events", event).await.expect(202);

    let live = listener.next_text().await;
    assert!(live.contains(data), "live: {live}");
    listener.cut();
    let mut listener = Socket::open(&owner.ws_url).await;
    let hello = crate::support::socket::connect_frame(&owner, &["*"], "listener");
    listener.send(&hello).await;
    let (_, _) = (listener.next().await, listener.next().await);
    let replayed = listener.next_text().await;
    assert_eq!(replayed, live, "a replayed frame is the live one");
    let listed = owner.get("/api/v1/events?after_seq=0").await.text;
    assert!(listed.contains(data), "listed: {listed}");
}
