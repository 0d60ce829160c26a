//! Vectors of making peers, against the real binary: a fresh team for every case.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::file::{cases, run_live};
use super::pattern::compare;
use crate::support::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    body: Value,
    status: u16,
    /// Null where it does not matter.
    #[serde(deserialize_with = "Option::deserialize")]
    peer: Option<Value>,
    /// The tokens in the answer; null where nothing is made.
    #[serde(deserialize_with = "Option::deserialize")]
    mints: Option<BTreeSet<String>>,
    allow_loopback_http: bool,
    permissions: Vec<String>,
}

#[tokio::test]
async fn vectors_federation_peers() {
    let cases = cases::<Case>("federation_peers");
    if cases.is_empty() {
        return;
    }
    let strict = Arc::new(Server::start());
    let lax = Arc::new(Server::start_with(&["--allow-insecure-peers"]));
    run_live("federation_peers", cases, |case| {
        let server = match case.allow_loopback_http {
            true => &lax,
            false => &strict,
        };
        check(Arc::clone(server), case)
    })
    .await;
}

async fn check(server: Arc<Server>, case: Case) {
    let team = server.fresh_team("team of a peer");
    let key = server.key(&team.team, &case.permissions.join(","));
    let path = "/api/federation/peers";
    let answer = key.post(path, case.body.to_string()).await;
    assert_eq!(answer.status, case.status, "{answer:#?}");
    let expected = case.peer.unwrap_or_else(|| serde_json::json!({}));
    if let Some(mints) = case.mints {
        compare(&expected, &answer.json).unwrap();
        let tokens = ["outbound_token", "inbound_token"];
        let minted = tokens.map(str::to_owned).into_iter();
        let minted = minted.filter(|name| answer.json[name].is_string());
        assert_eq!(minted.collect::<BTreeSet<_>>(), mints, "{answer:#?}");
    }
    let listed = team.get(path).await.expect(200);
    let count = listed.as_array().unwrap().len();
    assert_eq!(count, usize::from(case.status == 201), "what is there");
}
