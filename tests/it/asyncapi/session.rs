//! What a server really sends: every frame of some sessions, with each kind of frame and the answer to each method.

use std::collections::BTreeSet;

use kite::protocol::rpc::Method;
use serde_json::{Value, json};

use super::{SERVER_FRAME, message_of, payload_of, schemas};
use crate::support::hooks::Endpoint;
use crate::support::http::Access;
use crate::support::schemas::Schemas;
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

/// What came, each by the message that it has to be.
#[derive(Default)]
struct Record(Vec<(String, Value)>);

impl Record {
    /// Notes a frame, which is the message that its `type` names, or the answer to a call.
    fn note(&mut self, frame: Value) {
        let kind = frame["type"].as_str().unwrap();
        let message = match (kind, frame["ok"].as_bool()) {
            ("response", Some(true)) => {
                format!("{}_done", message_of(frame["id"].as_str().unwrap()))
            }
            ("response", _) => "failed".to_owned(),
            _ => kind.to_owned(),
        };
        self.0.push((message, frame));
    }

    /// Connects, and notes the handshake's answer and the snapshot that follows it.
    async fn connect(&mut self, access: &Access, scopes: &[&str], client: &str) -> Socket {
        let mut socket = Socket::open(&access.ws_url).await;
        socket.send(&connect_frame(access, scopes, client)).await;
        self.next(&mut socket, "connected").await;
        self.next(&mut socket, "quota_snapshot").await;
        socket
    }

    /// Notes the next frame.
    async fn next(&mut self, socket: &mut Socket, kind: &str) -> Value {
        let frame = socket.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
        self.note(frame.clone());
        frame
    }

    /// Calls a method whose answer is the next frame, and notes both.
    async fn call(&mut self, socket: &mut Socket, method: &str, params: Value) -> Value {
        let request = json!({"type": "request", "id": method, "method": method, "params": params});
        socket.send(&request).await;
        if Method::parse(method).is_some() {
            self.0.push((message_of(method), request));
        }
        self.next(socket, "response").await["payload"].clone()
    }

    fn judge(&self, schemas: &mut Schemas) -> BTreeSet<&str> {
        for (message, frame) in &self.0 {
            schemas.is("recorded", &payload_of(message), frame);
            if frame["type"] != "request" {
                schemas.is("recorded", SERVER_FRAME, frame);
            }
        }
        schemas.judge();
        self.0.iter().map(|(message, _)| message.as_str()).collect()
    }
}

async fn calls(record: &mut Record, access: &Access) {
    let mut socket = record.connect(access, &[], "caller").await;
    let event = json!({"specversion": "1.0", "type": "com.acme.note", "data": [1.5]});
    for (method, params) in [
        ("dashboard.stats", Value::Null),
        (
            "events.publish",
            json!({"events": [event], "source": "desk"}),
        ),
        ("events.recent", json!({"limit": 5})),
        ("hooks.create", json!({"source": "github"})),
        (
            "hooks.create",
            json!({"source": "My-App", "max_body_bytes": 1000}),
        ),
        (
            "hooks.rotate_secret",
            json!({"source": "my-app", "webhook_secret": "s"}),
        ),
        (
            "hooks.github.prepare_install",
            json!({"rotate_secret": true}),
        ),
        ("hooks.list", json!({})),
        ("keys.list", json!({})),
    ] {
        let payload = record.call(&mut socket, method, params).await;
        assert!(payload["error"].is_null(), "{method}: {payload}");
    }
    let hooks = record.call(&mut socket, "hooks.list", json!({})).await;
    let hook = &hooks["hooks"][0]["id"];
    record
        .call(&mut socket, "hooks.deactivate", json!({"id": hook}))
        .await;
    let new = json!({"name": "CI", "scopes": ["source:x"], "permissions": ["read"], "expires_at": "2199-01-01T00:00:00Z"});
    let key = record.call(&mut socket, "keys.create", new).await;
    record
        .call(&mut socket, "keys.revoke", json!({"id": key["id"]}))
        .await;
    record.call(&mut socket, "keys.list", json!({})).await;

    // Failures: each code that a caller can bring about.
    let mut codes = BTreeSet::new();
    for (method, params) in [
        ("nope", json!({})),
        ("keys.revoke", json!({"id": "nobody"})),
    ] {
        let failure = record.call(&mut socket, method, params).await;
        codes.insert(failure["code"].as_str().unwrap().to_owned());
    }
    // What cannot be read is told under its id.
    socket
        .send(&json!({"type": "request", "id": "r", "method": 7}))
        .await;
    let malformed = record.next(&mut socket, "response").await;
    codes.insert(malformed["payload"]["code"].as_str().unwrap().to_owned());
    assert_eq!(
        codes.into_iter().collect::<Vec<_>>(),
        ["bad_params", "not_found", "unknown_method"]
    );
}

#[tokio::test]
async fn what_a_server_sends_is_what_the_document_says() {
    let server = Server::start_with(&["--events-limit", "8"]);
    let access = server.owner();
    let mut record = Record::default();
    calls(&mut record, &access).await;

    // Who may only read is told so.
    let reader = server.key(&access.team, "read");
    let mut socket = record.connect(&reader, &[], "").await;
    let refused = record
        .call(&mut socket, "hooks.create", json!({"source": "x"}))
        .await;
    assert_eq!(refused["code"], "forbidden");

    // Events of all kinds, some of them acknowledged, and again for who comes back.
    let mut socket = record.connect(&access, &["*"], "listener").await;
    let hook = Endpoint::create(&access, json!({"source": "text"})).await;
    hook.post_with_token(&[("content-type", "text/plain")], "plain")
        .await
        .expect(202);
    hook.post_with_token(&[("content-type", "application/octet-stream")], "\u{7f}")
        .await
        .expect(202);
    access
        .message(json!({"from": "a", "to": "b", "body": "hello"}).to_string())
        .await
        .expect(201);
    let extended = json!({"type": "com.acme.note", "id": "x", "source": "/a", "subject": "s", "flag": true, "count": -7});
    access.emit(&extended).await.expect(202);
    let mut last = 0;
    for _ in 0..4 {
        last = record.next(&mut socket, "event").await["seq"]
            .as_u64()
            .unwrap();
    }
    socket.ack(last - 1).await;

    // A second connection of the same name takes over.
    let again = record.connect(&access, &["*"], "listener").await;
    let replaced = record.next(&mut socket, "error").await;
    assert_eq!(replaced["message"], kite::protocol::error::REPLACED);
    socket.expect_close(4002).await;

    // What retention takes is told, and what the quota does not allow.
    let store = server.store().await;
    let team = access.team.parse().unwrap();
    access
        .emit(&json!({"type": "com.acme.note"}))
        .await
        .expect(202);
    again.cut();
    store.prune(team, last, usize::MAX).await.unwrap();
    let mut late = Socket::open(&access.ws_url).await;
    late.send(&connect_frame(&access, &["*"], "listener")).await;
    let mut kinds = Vec::new();
    while kinds.last().is_none_or(|kind| kind != "event") {
        let frame = late.next().await;
        kinds.push(frame["type"].as_str().unwrap().to_owned());
        record.note(frame);
    }
    assert_eq!(
        kinds,
        ["connected", "cursor_expired", "quota_snapshot", "event"]
    );
    access.emit(&json!({"type": "com.acme.note"})).await;
    access.emit(&json!({"type": "com.acme.note"})).await;
    access
        .emit(&json!({"type": "com.acme.note"}))
        .await
        .refused(402, "payment_required");
    let mut blocked = record.connect(&access, &[], "").await;
    record.next(&mut blocked, "billing_block").await;

    // Ends.
    for (frame, code) in [
        (
            connect_frame(
                &access.with_key("kite_deadbeef_00000000000000000000000000000000"),
                &[],
                "",
            ),
            4001,
        ),
        (json!({"type": "ack", "seq": 1}), 4002),
    ] {
        let mut socket = Socket::open(&access.ws_url).await;
        socket.send(&frame).await;
        assert_eq!(record.next(&mut socket, "error").await["code"], code);
        socket.expect_close(code).await;
    }

    let mut schemas = schemas();
    let said = record.judge(&mut schemas);
    let mut wanted: BTreeSet<String> = [
        "connected",
        "cursor_expired",
        "quota_snapshot",
        "billing_block",
        "event",
        "error",
        "failed",
    ]
    .map(str::to_owned)
    .into();
    for method in Method::ALL {
        wanted.insert(message_of(method.name()));
        wanted.insert(format!("{}_done", message_of(method.name())));
    }
    assert_eq!(said, wanted.iter().map(String::as_str).collect());
}
