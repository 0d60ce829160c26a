//! Keys that were good once.

use std::time::Duration;

use crate::support::eventually;
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

const MESSAGE: &str = r#"{"from":"a","to":"b","body":"x"}"#;

#[tokio::test]
async fn a_revoked_key_opens_nothing_and_its_connections_end() {
    let server = Server::start();
    let owner = server.owner();
    let (id, key) = server.key_with(&owner.team, &["--permissions", "read,write"]);
    key.message(MESSAGE).await.expect(201);
    let (mut socket, _) = Socket::connect(&key, &["*"], "c").await;

    server.admin(&["keys", "revoke", &id]);

    // Another process revoked it: the end of its connection shows that the server knows.
    socket.expect_refusal(4001).await;
    key.message(MESSAGE).await.refused(401, "unauthorized");
    key.get("/api/v1/events").await.refused(401, "unauthorized");
    let mut socket = Socket::open(&key.ws_url).await;
    socket.send(&connect_frame(&key, &["*"], "c")).await;
    socket.expect_refusal(4001).await;
    assert_eq!(owner.log().await.len(), 1);
}

#[tokio::test]
async fn an_expired_key_opens_nothing() {
    let server = Server::start();
    let owner = server.owner();
    let soon = jiff::Timestamp::now() + Duration::from_secs(3);
    let (_, key) = server.key_with(&owner.team, &["--expires-at", &soon.to_string()]);
    key.get("/api/v1/events").await.expect(200);
    let refused = eventually("the key has expired", || async {
        let answer = key.get("/api/v1/events").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.refused(401, "unauthorized");
    let mut socket = Socket::open(&key.ws_url).await;
    socket.send(&connect_frame(&key, &["*"], "c")).await;
    socket.expect_refusal(4001).await;
}

#[tokio::test]
async fn a_key_sees_only_what_its_own_scopes_name() {
    let server = Server::start();
    let owner = server.owner();
    let narrow = [
        "--permissions",
        "read",
        "--scopes",
        "agent_to:agent-alpha,type:demo",
    ];
    let (_, key) = server.key_with(&owner.team, &narrow);
    let (mut socket, _) = Socket::connect(&key, &["*"], "c").await;
    owner.tell("a", "agent-beta", "not for it").await;
    owner.tell("a", "agent-alpha", "for it").await;
    assert_eq!(socket.next_event().await["seq"], 2);
    socket.expect_none().await;
    let page = key.get("/api/v1/events?after_seq=0").await;
    assert!(!page.text.contains("not for it"), "{page:#?}");
}
