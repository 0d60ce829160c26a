//! Delegation tokens that do not hold.

use serde_json::json;

use super::{Links, Scene, forbidden};
use crate::support::openintent::{Node, settings};
use crate::support::party::{Party, RECEIVE, stamp};

#[tokio::test]
async fn a_link_that_widens_its_parents_scope_is_refused() {
    let scene = Scene::set().await;
    for link in [1, 2] {
        let links = Links::but(link, "permissions", json!(["admin", "state.patch"]));
        let answer = scene.send(&scene.chain(&links, &json!({}))).await;
        scene.refused(answer, "widens the permissions").await;
    }
    let links = Links::but(2, "denied_operations", json!([]));
    let answer = scene.send(&scene.chain(&links, &json!({}))).await;
    scene.refused(answer, "denial of `intent.delete`").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_link_that_is_delegated_further_than_it_may_be_is_refused() {
    let scene = Scene::set().await;
    for (link, depth) in [(1, 3), (2, 2), (0, 0), (1, 0)] {
        let links = Links::but(link, "max_delegation_depth", depth.into());
        let answer = scene.send(&scene.chain(&links, &json!({}))).await;
        scene.refused(answer, "delegation depth").await;
    }
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_token_whose_time_is_over_or_has_not_come_is_refused() {
    let scene = Scene::set().await;
    let now = jiff::Timestamp::now().as_second();
    let times = [
        (json!({"exp": now - 5}), "expired"),
        (json!({"nbf": now + 600}), "not valid before"),
        (json!({"exp": now + 360_000}), "outlives"),
    ];
    for (more, words) in times {
        let answer = scene.send(&scene.chain(&Links::narrowing(), &more)).await;
        scene.refused(answer, words).await;
    }
    let links = Links::but(2, "expires_at", stamp(-5).into());
    let answer = scene.send(&scene.chain(&links, &json!({}))).await;
    scene.refused(answer, "expire").await;
    // A parent whose time is over takes its children along.
    let Links([first, second, third]) = Links::narrowing();
    let old = json!({"nbf": now - 7200, "exp": now - 3600});
    let token = scene.root.token(&scene.middle.did, &first, "", &old);
    let token = scene.middle.token(&scene.source.did, &second, &token, &old);
    let token = scene.source.token(&scene.audience, &third, &token, &old);
    let answer = scene.send(&token).await;
    scene.refused(answer, "expired").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_token_for_somebody_else_is_refused() {
    let scene = Scene::set().await;
    let Links([first, second, third]) = Links::narrowing();
    let elsewhere = "did:web:elsewhere.example.com";
    // The last link names another server.
    let token = scene.root.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene
        .middle
        .token(&scene.source.did, &second, &token, &json!({}));
    let answer = scene
        .send(&scene.source.token(elsewhere, &third, &token, &json!({})))
        .await;
    scene.refused(answer, "another audience").await;
    // A link in the middle does.
    let token = scene.root.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene.middle.token(elsewhere, &second, &token, &json!({}));
    let token = scene
        .source
        .token(&scene.audience, &third, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "another audience").await;
    // The chain is right, but it is the middle's word, and not the sender's.
    let token = scene.root.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene
        .middle
        .token(&scene.audience, &second, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "issue").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_chain_that_nobody_known_began_or_that_another_key_signed_is_refused() {
    let scene = Scene::set().await;
    let Links([first, second, third]) = Links::narrowing();
    let stranger = Party::start();
    let token = stranger.token(&scene.middle.did, &first, "", &json!({}));
    let token = scene
        .middle
        .token(&scene.source.did, &second, &token, &json!({}));
    let token = scene
        .source
        .token(&scene.audience, &third, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "").await;
    assert_eq!(stranger.asked_for_document(), 0, "strangers are not called");
    // A link that claims to be the root's.
    let claims = json!({"iss": scene.root.did});
    let token = stranger.token(&scene.middle.did, &first, "", &claims);
    let token = scene
        .middle
        .token(&scene.source.did, &second, &token, &json!({}));
    let token = scene
        .source
        .token(&scene.audience, &third, &token, &json!({}));
    let answer = scene.send(&token).await;
    scene.refused(answer, "by no key").await;
    scene.takes_the_right_one().await;
}

#[tokio::test]
async fn a_trustless_server_refuses_everybody_unless_it_is_to_verify() {
    let [root, source] = [Party::start(), Party::start()];
    let node = Node::start(&settings("trustless", &[&root.url, &source.url]));
    let intent = source.intent(&node.url, "dispatch-1");
    let words = format!("Source server {} not trusted", source.url);
    forbidden(&node.receive(source.signed(&intent)).await, &words);
    forbidden(&node.post(RECEIVE, &intent).await, &words);
    node.has_nothing().await;

    let verifying = settings("trustless", &[&root.url, &source.url]);
    let node = Node::start(&format!("trustless_mode = \"verify\"\n{verifying}"));
    let audience = node.did().await;
    let mut intent = source.intent(&node.url, "dispatch-1");
    forbidden(&node.receive(source.signed(&intent)).await, "");
    forbidden(&node.post(RECEIVE, &intent).await, "");
    node.has_nothing().await;
    let wide =
        json!({"permissions": ["state.patch"], "denied_operations": [], "max_delegation_depth": 1});
    let narrow =
        json!({"permissions": ["state.patch"], "denied_operations": [], "max_delegation_depth": 0});
    let token = root.token(&source.did, &wide, "", &json!({}));
    intent["ucan"] = source.token(&audience, &narrow, &token, &json!({})).into();
    // The key alone is never enough.
    forbidden(&node.post(RECEIVE, &intent).await, "");
    node.has_nothing().await;
    let taken = node.receive(source.signed(&intent)).await.expect(200);
    assert_eq!(taken["accepted"], true);
}
