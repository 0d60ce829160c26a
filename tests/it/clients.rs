//! Programs that other people wrote against the protocol: the published types and the CloudEvents SDK.

use cloudevents::{AttributesReader, EventBuilder, EventBuilderV10};
use kite::protocol::rpc::Method;
use kite_protocol::agent_message::AgentMessage;
use kite_protocol::{ClientMessage, ServerMessage, get_kiteseq, get_kitesummary};
use serde_json::{Value, json};

use crate::support::eventually;
use crate::support::hooks::Endpoint;
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
async fn connect(access: &Access, scopes: &[&str], name: &str) -> (Socket, u64) {
    let mut socket = Socket::open(&access.ws_url).await;
    let hello = ClientMessage::Connect {
        version: 1,
        token: access.key.clone(),
        team_id: access.team.clone(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        client_id: Some(name.to_owned()),
    };
    send(&mut socket, &hello).await;
    let ServerMessage::Connected {
        last_seq,
        client_id,
    } = next(&mut socket).await
    else {
        panic!("the first frame answers the handshake");
    };
    assert_eq!(client_id, name);
    let ServerMessage::QuotaSnapshot { .. } = next(&mut socket).await else {
        panic!("the second frame tells the quota");
    };
    (socket, last_seq)
}

/// Calls a method as a published client does; the payload of a call that must succeed.
async fn call(socket: &mut Socket, method: &str, params: Value) -> Value {
    let request = ClientMessage::Request {
        id: format!("request of {method}"),
        method: method.to_owned(),
        params,
    };
    send(socket, &request).await;
    let ServerMessage::Response { id, ok, payload } = next(socket).await else {
        panic!("a request is answered");
    };
    assert_eq!(id, format!("request of {method}"));
    assert!(ok, "{method}: {payload}");
    payload
}

#[tokio::test]
async fn a_client_of_the_published_crate_receives_acknowledges_and_resumes() {
    let server = Server::start();
    let owner = server.owner();
    let (mut socket, last_seq) = connect(&owner, &["agent_to:agent-alpha"], "published").await;
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
    // When the ack is stored nobody says; a connection that resumes after it proves it. It must have been read before
    // that one takes over, and frames are read in order.
    call(&mut socket, "dashboard.stats", Value::Null).await;
    drop(socket);
    eventually("the ack is stored", || async {
        let (_, last_seq) = connect(&owner, &["agent_to:agent-alpha"], "published").await;
        (last_seq == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_published_client_subscribes_by_each_scope_and_resumes() {
    let server = Server::start();
    let owner = server.owner();
    let github = Endpoint::github(&owner).await;
    let subscriptions: [(&[&str], &[u64]); 12] = [
        (&["*"], &[1, 2, 3, 4, 5]),
        (&["source:github"], &[1]),
        (&["source:github.com/acme"], &[1]),
        (&["source:shop.example"], &[2]),
        (&["type:push"], &[1]),
        (&["type:com.example.order"], &[2, 3]),
        (&["agent_to:agent-alpha"], &[4]),
        (&["agent_to:team:agent"], &[5]),
        (&["agent_to:agent"], &[]),
        (
            &["type:push", "agent_to:agent-alpha", "source:github"],
            &[1, 4],
        ),
        (&["type:PUSH"], &[]),
        (&[], &[]),
    ];
    let name = |at: usize| format!("subscriber-{at}");
    let mut subscribers = Vec::new();
    for (at, (scopes, _)) in subscriptions.iter().enumerate() {
        subscribers.push(connect(&owner, scopes, &name(at)).await.0);
    }
    let push = r#"{"repository":{"full_name":"acme/app"}}"#;
    github.push("d-1", push).await.expect(202);
    for (kind, source) in [
        ("com.example.order.placed", "https://shop.example/orders"),
        ("com.example.order.paid", "https://till.example"),
    ] {
        let event = json!({"type": kind, "source": source});
        owner.emit(&event).await.expect(202);
    }
    owner.tell("agent-beta", "agent-alpha", "hello").await;
    owner.tell("agent-beta", "team:agent", "hello").await;

    for (subscriber, (scopes, expected)) in subscribers.iter_mut().zip(&subscriptions) {
        let mut received = Vec::new();
        for _ in *expected {
            let ServerMessage::Event { seq, event } = next(subscriber).await else {
                panic!("an event follows");
            };
            let event: cloudevents::Event = serde_json::from_value(event).expect("the SDK reads");
            assert_eq!(get_kiteseq(&event), Some(seq));
            assert!(get_kitesummary(&event).is_some());
            received.push(seq);
        }
        assert_eq!(&received, expected, "{scopes:?}");
    }
    // Nobody gets more: behind a silence, the next frame is the answer to a call.
    subscribers[0].expect_none().await;
    for (subscriber, (scopes, _)) in subscribers.iter_mut().zip(&subscriptions) {
        let payload = call(subscriber, "dashboard.stats", Value::Null).await;
        assert_eq!(payload["webhooks_today"], 5, "{scopes:?}");
    }

    // The first half is acknowledged; the rest comes again.
    let mut all = subscribers.remove(0);
    send(&mut all, &ClientMessage::Ack { seq: 3 }).await;
    call(&mut all, "dashboard.stats", Value::Null).await;
    drop(all);
    let mut resumed = eventually("the ack is stored", || async {
        let (socket, last_seq) = connect(&owner, &["*"], &name(0)).await;
        (last_seq == 3).then_some(socket)
    })
    .await;
    for expected in [4, 5] {
        let ServerMessage::Event { seq, .. } = next(&mut resumed).await else {
            panic!("an event follows");
        };
        assert_eq!(seq, expected);
    }
    resumed.expect_none().await;
}

#[tokio::test]
async fn a_published_client_can_make_every_call() {
    let server = Server::start();
    let owner = server.owner();
    let (mut socket, _) = connect(&owner, &[], "published").await;
    let mut called = Vec::new();
    let mut call = async |method: &'static str, params: Value, members: &[&str]| {
        called.push(method);
        let payload = call(&mut socket, method, params).await;
        for member in members {
            assert!(payload.get(member).is_some(), "{method}: no `{member}`");
        }
        payload
    };
    // What existing clients read (spec 6).
    let stats = [
        "team_id",
        "webhooks_today",
        "active_endpoints",
        "active_api_keys",
        "current_key_permissions",
        "plan_name",
        "active_sources_limit",
    ];
    let payload = call("dashboard.stats", Value::Null, &stats).await;
    assert_eq!(payload["team_id"], owner.team);
    assert_eq!(payload["active_api_keys"], 1);
    let members = [
        "id",
        "team_id",
        "endpoint_with_token",
        "github_webhook_secret",
        "secret_rotated",
    ];
    let params = json!({"rotate_secret": false});
    call("hooks.github.prepare_install", params, &members).await;
    let members = [
        "id",
        "endpoint",
        "hook_token",
        "endpoint_with_token",
        "webhook_secret_configured",
        "github_webhook_secret",
    ];
    let hook = call("hooks.create", json!({"source": "github"}), &members).await;
    let params = json!({"source": "github", "webhook_secret": "s"});
    call("hooks.rotate_secret", params, &["id", "source"]).await;
    let payload = call("hooks.list", json!({}), &["team_id", "hooks"]).await;
    for member in ["id", "source", "active", "webhook_secret_configured"] {
        assert!(payload["hooks"][0].get(member).is_some(), "{payload}");
    }
    let params = json!({"id": hook["id"]});
    call("hooks.deactivate", params, &["id"]).await;
    let params =
        json!({"name": null, "scopes": ["*"], "permissions": ["read"], "expires_at": null});
    let members = ["id", "key_prefix", "api_key"];
    let key = call("keys.create", params, &members).await;
    let payload = call("keys.list", json!({}), &["team_id", "keys"]).await;
    for member in ["id", "name", "key_prefix", "revoked", "created_at"] {
        assert!(payload["keys"][1].get(member).is_some(), "{payload}");
    }
    call("keys.revoke", json!({"id": key["id"]}), &["id"]).await;
    owner.tell("agent-beta", "agent-alpha", "hello").await;
    let payload = call("events.recent", json!({"limit": 10}), &["events"]).await;
    let listed = &payload["events"][0];
    assert_eq!(listed["seq"], 1, "{payload}");
    assert!(listed["created_at"].is_string(), "{payload}");
    let event: cloudevents::Event = serde_json::from_value(listed["event"].clone()).unwrap();
    assert_eq!(AgentMessage::from_event(&event).unwrap().body, "hello");

    called.sort_unstable();
    let published = Method::ALL
        .into_iter()
        .filter(|method| *method != Method::EventsPublish);
    let published: Vec<_> = published.map(Method::name).collect();
    assert_eq!(called, published, "every call that clients know");
}

/// Makes an endpoint; its path and its token.
pub(crate) async fn endpoint(access: &Access, source: &str) -> (String, String) {
    let endpoint = Endpoint::create(access, json!({"source": source})).await;
    (endpoint.path, endpoint.token)
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
        let request = owner.bare(reqwest::Method::POST, &path);
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
