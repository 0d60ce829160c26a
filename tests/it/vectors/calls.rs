//! Vectors of calls over the WebSocket, against the real binary: a fresh team for every case.

use std::sync::Arc;

use kite::base::random::uuid7;
use serde::Deserialize;
use serde_json::Value;

use super::file::{cases, run_live};
use super::pattern::{Stage, compare};
use crate::support::server::Server;
use crate::support::socket::Socket;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    permissions: Vec<String>,
    request: Value,
    response: Value,
}

#[tokio::test]
async fn vectors_rpc() {
    let cases = cases::<Case>("rpc");
    if !cases.is_empty() {
        let server = Arc::new(Server::start());
        run_live("rpc", cases, |case| check(Arc::clone(&server), case)).await;
    }
}

async fn check(server: Arc<Server>, case: Case) {
    let team = server.team(&format!("team-{}", uuid7()));
    let key = server.key(&team.team, &case.permissions.join(","));
    let stage = Stage {
        team: key.team.clone(),
        key: key.key.clone(),
    };
    let (mut socket, _) = Socket::connect(&key, &[], "").await;
    socket.send(&stage.fill(&case.request)).await;
    compare(&stage.fill(&case.response), &socket.next().await).unwrap();
    socket.expect_none().await;
}
