//! What goes on by itself: the stream that the page listens to.

use reqwest::{Method, Response};

use super::{Site, Visitor, note};
use crate::support::http::answer;
use crate::support::server::Server;

/// How many of a team may look on: what the server says.
pub(super) const TEAM_STREAMS_MAX: usize = 16;

pub(super) async fn open(visitor: &Visitor) -> Response {
    let request = visitor.request(Method::GET, "/console/live");
    request.send().await.unwrap()
}

/// Reads until this stands in what came, all of which is the answer; `None` when the stream ends before.
pub(super) async fn until(stream: &mut Response, part: &str) -> Option<String> {
    let mut read = String::new();
    while !read.contains(part) {
        let chunk = stream.chunk().await.unwrap()?;
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    Some(read)
}

#[tokio::test]
async fn whoever_looks_on_is_told_what_changes_of_their_team() {
    let site = Site::start();
    let owner = &site.owner;
    let mut rivals = open(&Visitor::signed_in(&site.server.team("rival")).await).await;
    let visitor = Visitor::signed_in(owner).await;
    let mut stream = open(&visitor).await;
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    until(&mut stream, "No peers yet").await.unwrap();
    site.peer(owner, "b").await;
    let shown = until(&mut stream, "Ready: nothing was delivered yet")
        .await
        .unwrap();
    assert!(!shown.contains(&visitor.token), "it is for all of the team");
    site.letter(owner, &note("e-1")).await;
    until(&mut stream, "<strong>1</strong> dead letter<")
        .await
        .unwrap();
    // The other team has heard of none of it; its own peer it hears of.
    site.peer(&site.server.team("third"), "c").await;
    let heard = until(&mut rivals, "No peers yet").await.unwrap();
    assert!(!heard.contains("<article"), "{heard}");
}

#[tokio::test]
async fn only_so_many_look_on_and_a_place_comes_back() {
    let server = Server::start();
    let (owner, rival) = (server.owner(), server.team("rival"));
    let visitor = Visitor::signed_in(&owner).await;
    let mut streams = Vec::new();
    for _ in 0..TEAM_STREAMS_MAX {
        let mut stream = open(&visitor).await;
        assert_eq!(stream.status(), 200);
        until(&mut stream, "event: peers").await.unwrap();
        streams.push(stream);
    }
    assert_eq!(open(&visitor).await.status(), 503);
    assert_eq!(open(&Visitor::signed_in(&rival).await).await.status(), 200);
    drop(streams.pop());
    crate::support::eventually("there is a place again", async || {
        (open(&visitor).await.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_the_server() {
    let mut server = Server::start();
    let owner = server.owner();
    let (id, second) = server.key_with(&owner.team, &["--permissions", "admin"]);
    let mut stays = open(&Visitor::signed_in(&owner).await).await;
    let mut ends = open(&Visitor::signed_in(&second).await).await;
    until(&mut ends, "event: peers").await.unwrap();
    let path = format!("/api/v1/keys/{id}");
    answer(owner.request(Method::DELETE, &path))
        .await
        .expect(200);
    until(&mut ends, "event: over").await.unwrap();
    assert_eq!(until(&mut ends, "nothing more").await, None);
    until(&mut stays, "event: peers").await.unwrap();
    // A server that drains waits for nobody who looks on, and goes in peace.
    server.stop();
    assert_eq!(until(&mut stays, "nothing more").await, None);
}

#[tokio::test]
async fn whoever_is_not_signed_in_hears_nothing() {
    let server = Server::start();
    let stranger = open(&Visitor::of(&server.owner())).await;
    assert_eq!(stranger.status(), 401);
    let with_key = server.owner().get("/console/live").await;
    assert_eq!(with_key.status, 401, "a key is for the API");
}
