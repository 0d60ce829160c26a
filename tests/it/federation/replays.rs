//! Old requests that somebody has written down and sends again: what peers sign has no time in it.

use kite::store::federation::Ages;
use serde_json::json;

use crate::support::peers::{Peer, forwarded, now};
use crate::support::server::Server;

const DAY: i64 = 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_request_is_known_for_90_days_even_when_its_event_is_gone() {
    let server = Server::start();
    let peer = Peer::create(&server, &server.owner()).await;
    let body = forwarded("e-1").to_string();
    assert_eq!(
        peer.post(body.clone()).await.expect(202)["status"],
        "accepted"
    );
    // 89 days later retention has taken the event, and whatever is known by name alone was forgotten.
    let team = peer.record.team.clone();
    peer.store.prune(team.clone(), 1, 10).await.unwrap();
    peer.store.forget(now() + 89 * DAY, 1000).await.unwrap();
    let ages = |days: i64| Ages {
        deliveries: now() + (days - 3) * DAY,
        letters: now() + (days - 30) * DAY,
        names: now() + (days - 90) * DAY,
        invites: 0,
    };
    while peer.store.prune_federation(ages(89), 1000).await.unwrap() {}
    let again = peer.post(body.clone()).await.expect(200);
    assert_eq!(again["status"], "duplicate_ignored");
    let log = server.owner().get("/api/v1/events").await.expect(200);
    assert_eq!(log["events"], json!([]));
    while peer.store.prune_federation(ages(91), 1000).await.unwrap() {}
    peer.post(body).await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_request_opens_nothing_at_another_team_or_under_another_token() {
    let server = Server::start();
    let (owner, other) = (server.owner(), server.team("other"));
    let peer = Peer::create(&server, &owner).await;
    let elsewhere = Peer::create(&server, &other).await;
    let body = forwarded("e-1").to_string();
    peer.post(body.clone()).await.expect(202);
    // The same bytes with the same headers, at the other team's hook.
    let refused = peer.at(&other).post(body.clone()).await;
    refused.refused(401, "unauthorized");
    // The other team's token with the signature of the first.
    let signature = crate::support::hooks::signature(&peer.token, body.as_bytes());
    let mixed = elsewhere
        .request(&elsewhere.token, &signature)
        .body(body.clone());
    crate::support::http::answer(mixed)
        .await
        .refused(401, "unauthorized");
    for text in [&refused.text] {
        for secret in [owner.team.as_str(), "e-1", &peer.token, &peer.record.name] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert_eq!(other.log().await.len(), 0);
    assert!(elsewhere.drops().await.is_empty());
    // What one team knows is no duplicate to the other.
    elsewhere.post(body).await.expect(202);
}
