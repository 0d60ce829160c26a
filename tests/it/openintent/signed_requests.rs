//! A signature of the whole request instead of an API key: what it lets in, and what it does not.

use kite::openintent::http_signature::{Params, Request, sign};
use reqwest::Method;
use serde_json::Value;

use crate::support::http::{Answer, answer};
use crate::support::openintent::Node;
use crate::support::party::{Party, RECEIVE};

const AGENTS_PATH: &str = "/api/v1/federation/agents";

/// Sends what a server has signed as a request to `signed_url`, to the path `path`.
async fn send(
    node: &Node,
    party: &Party,
    method: Method,
    path: &str,
    signed_url: &str,
    body: &str,
) -> Answer {
    let has_body = !body.is_empty();
    let request = Request {
        method: method.as_str(),
        target_uri: signed_url,
        content_type: has_body.then_some("application/json"),
        body: body.as_bytes(),
    };
    let key_id = format!("{}#key-1", party.did);
    let params = Params::new(jiff::Timestamp::now().as_second(), &key_id);
    let signed = sign(&request, &params, party.key()).unwrap();
    let mut request = node
        .access()
        .bare(method, path)
        .header("X-Source-Server", &party.url)
        .header("Signature-Input", signed.signature_input)
        .header("Signature", signed.signature);
    if let Some(digest) = signed.content_digest {
        request = request
            .header("Content-Type", "application/json")
            .header("Content-Digest", digest)
            .body(body.to_owned());
    }
    answer(request).await
}

#[tokio::test]
async fn a_signed_request_needs_neither_a_key_nor_a_signed_envelope() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let intent = party.intent(&node.url, "dispatch-1").to_string();
    let url = format!("{}{RECEIVE}", node.url);
    let taken = send(&node, &party, Method::POST, RECEIVE, &url, &intent).await;
    assert_eq!(taken.expect(200)["accepted"], true);

    let url = format!("{}{AGENTS_PATH}", node.url);
    let told = send(&node, &party, Method::GET, AGENTS_PATH, &url, "").await;
    let told = told.expect(200);
    let agents = told["agents"].as_array().unwrap().iter();
    let agents: Vec<&Value> = agents.map(|agent| &agent["agent_id"]).collect();
    assert_eq!(agents, ["agent-public", "agent-unlisted"]);
}

#[tokio::test]
async fn a_request_that_was_signed_for_another_address_is_nobodys() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let intent = party.intent(&node.url, "dispatch-1").to_string();
    let elsewhere =
        ["/receive", "/api/v1/federation/callback", "/"].map(|it| format!("{}{it}", node.url));
    let strangers = format!("https://stranger.example{RECEIVE}");
    for url in elsewhere.iter().chain([&strangers]) {
        let refused = send(&node, &party, Method::POST, RECEIVE, url, &intent).await;
        assert_eq!(refused.status, 401, "{url}: {refused:#?}");
    }
    assert_eq!(node.events().await, Vec::<Value>::new());
}
