//! Many who look on while much waits for a peer.

use futures_util::future::join_all;
use reqwest::Method;

use super::Visitor;
use super::stream::{TEAM_STREAMS_MAX, open, until};
use crate::support::chance::number;
use crate::support::http::answer;
use crate::support::instance::{Instance, UNLIMITED, link};
use crate::support::load::Load;

/// How many events wait.
const WAITING: u64 = 50_000;

/// How many senders put them there.
const SENDERS: usize = 8;

/// How often each stream has to tell something new meanwhile.
const TOLD: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_look_on_at_a_long_backlog_hold_up_no_publisher_and_go_when_they_have_to() {
    let waiting = usize::try_from(number("KITE_CONSOLE_WAITING", WAITING)).unwrap();
    let mut a = Instance::start("a").await;
    let b = Instance::start("b").await;
    let peer = link(&a, &b, UNLIMITED).await;
    a.set_status(&peer, "paused").await;
    let prefixes: Vec<String> = (0..SENDERS).map(|sender| format!("w{sender}")).collect();
    let share = waiting / SENDERS;
    join_all(prefixes.iter().map(|prefix| a.take(prefix, share))).await;

    let owner = a.server.owner();
    let (second_id, second) = a.server.key_with(&owner.team, &["--permissions", "admin"]);
    let (stays, goes) = (
        Visitor::signed_in(&owner).await,
        Visitor::signed_in(&second).await,
    );
    let (mut staying, mut going) = (Vec::new(), Vec::new());
    for _ in 0..TEAM_STREAMS_MAX / 2 {
        staying.push(open(&stays).await);
        going.push(open(&goes).await);
    }
    let load = Load::start(&a.nodes, SENDERS, 0);
    let told = staying.iter_mut().chain(&mut going).map(async |stream| {
        assert_eq!(stream.status(), 200);
        for _ in 0..TOLD {
            until(stream, "event: peers").await.expect("it goes on");
        }
    });
    join_all(told).await;
    let health = owner.get("/api/federation/status").await.expect(200);
    assert!(
        health[0]["backlog"].as_u64() >= Some((share * SENDERS) as u64),
        "{health}"
    );
    stays.sees("/console").await;
    stays.sees("/console/deliveries?status=pending").await;

    let path = format!("/api/v1/keys/{second_id}");
    answer(owner.request(Method::DELETE, &path))
        .await
        .expect(200);
    let ended = going.iter_mut().map(async |stream| {
        until(stream, "event: over")
            .await
            .expect("it says that it is over");
        assert_eq!(until(stream, "nothing more").await, None);
    });
    join_all(ended).await;
    for stream in &mut staying {
        until(stream, "event: peers").await.expect("it goes on");
    }
    load.acknowledges(SENDERS).await;
    // No publisher was turned away, and all that was accepted is in the log.
    let book = load.stop().await;
    assert_eq!(book.refused(), 0, "{}", book.last_refusal());
    assert!(book.acknowledged() > SENDERS, "{book}");
    let log = a.server.owner().log().await;
    assert_eq!(log.len(), share * SENDERS + book.acknowledged());
    a.nodes.withdraw(0);
    a.server.stop();
    let ended = staying.iter_mut().map(async |stream| {
        assert_eq!(until(stream, "nothing more").await, None);
    });
    join_all(ended).await;
}
