//! What local servers do, and what that means for an event.

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::super::target::{Reply, Target};
use super::*;
use crate::base::http;

const LIMIT: Duration = Duration::from_secs(10);

/// Posts once, with this limit.
async fn post_within(limit: Duration, url: &reqwest::Url) -> (Outcome, Option<u16>) {
    let client = http::client(false, None, limit).unwrap();
    let (outcome, status) = send(|| client.post(url.clone()).body("hello")).await;
    (outcome, status.map(|status| status.as_u16()))
}

async fn post(target: &Target) -> (Outcome, Option<u16>) {
    post_within(LIMIT, &target.url).await
}

#[track_caller]
fn held(outcome: &Outcome, why: &str) {
    assert!(
        matches!(outcome, Outcome::Unreachable(said) if said.contains(why)),
        "{outcome:?}"
    );
}

#[track_caller]
fn refused(outcome: &Outcome, why: &str) {
    assert!(
        matches!(outcome, Outcome::Refused(said) if said.contains(why)),
        "{outcome:?}"
    );
}

#[track_caller]
fn silent(outcome: &Outcome) {
    assert!(
        matches!(outcome, Outcome::Silent(why) if why.starts_with("no answer: ")),
        "{outcome:?}"
    );
}

#[track_caller]
fn taken(outcome: &Outcome) {
    assert!(matches!(outcome, Outcome::Delivered), "{outcome:?}");
}

#[test]
fn a_status_takes_refuses_or_holds() {
    let word = |status: u16| match judge(StatusCode::from_u16(status).unwrap()) {
        Outcome::Delivered => "taken",
        Outcome::Unreachable(_) => "held",
        _ => "refused",
    };
    for status in [200, 202, 204, 299] {
        assert_eq!(word(status), "taken", "{status}");
    }
    for status in [429, 502, 503, 504] {
        assert_eq!(word(status), "held", "{status}");
    }
    for status in [301, 304, 307, 400, 401, 404, 410, 422, 500, 501, 505, 599] {
        assert_eq!(word(status), "refused", "{status}");
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_holds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (outcome, status) = post_within(LIMIT, &url.parse().unwrap()).await;
    held(&outcome, "cannot connect: ");
    assert_eq!(status, None);
}

#[tokio::test]
async fn a_name_that_nobody_has_holds_and_a_server_without_tls_too() {
    let nobody = "http://nobody.invalid/".parse().unwrap();
    held(&post_within(LIMIT, &nobody).await.0, "cannot connect: ");
    let target = Target::new(&[Reply::status(200)]).await;
    let tls = target.url.as_str().replace("http:", "https:");
    let client = http::client(true, None, Duration::from_secs(2)).unwrap();
    let (outcome, _) = send(|| client.post(&tls)).await;
    assert!(matches!(outcome, Outcome::Unreachable(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_holds_when_the_time_is_over() {
    let limit = Duration::from_millis(100);
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let target = Target::new(&[Reply::Stall(begun.into())]).await;
        let (outcome, _) = post_within(limit, &target.url).await;
        held(&outcome, "did not answer in time");
        assert_eq!(target.heard().len(), 1, "once is enough to know");
    }
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_nobody_follows_it() {
    let elsewhere = Target::new(&[Reply::status(200)]).await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            elsewhere.url
        );
        let target = Target::new(&[Reply::say(&answer)]).await;
        let (outcome, said) = post(&target).await;
        refused(&outcome, "redirects are not followed");
        assert_eq!(said, Some(status));
    }
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn a_status_is_asked_for_once_and_said() {
    for (status, is_held) in [(404, false), (500, false), (429, true), (503, true)] {
        let target = Target::new(&[Reply::status(status)]).await;
        let (outcome, said) = post(&target).await;
        match is_held {
            true => held(&outcome, &status.to_string()),
            false => refused(&outcome, &status.to_string()),
        }
        assert_eq!((said, target.heard().len()), (Some(status), 1));
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_silence() {
    let too_much = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2 << 20));
    let too_many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(5000));
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "\0\0\0\0\0\0\0\0",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        &too_much,
        &too_many,
    ] {
        let target = Target::new(&[Reply::say(answer)]).await;
        let (outcome, status) = post(&target).await;
        silent(&outcome);
        assert_eq!(status, None);
        assert_eq!(target.heard().len(), 2, "{answer:.20}");
    }
}

#[tokio::test]
async fn who_hangs_up_is_asked_once_more_on_a_fresh_connection() {
    let target = Target::new(&[Reply::HangUp]).await;
    silent(&post(&target).await.0);
    assert_eq!(target.heard().len(), 2);

    let target = Target::new(&[Reply::HangUp, Reply::status(204)]).await;
    taken(&post(&target).await.0);
    assert!(target.heard().iter().all(|heard| heard.body == b"hello"));
}

#[tokio::test]
async fn a_connection_that_was_kept_and_is_old_costs_nothing() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let replies = [Reply::Keep(ok.into()), Reply::HangUp, Reply::say(ok)];
    let target = Target::new(&replies).await;
    let client = http::client(false, None, LIMIT).unwrap();
    for _ in 0..2 {
        let (outcome, _) = send(|| client.post(target.url.clone()).body("hello")).await;
        taken(&outcome);
    }
    assert_eq!(target.heard().len(), 3);
}

#[tokio::test]
async fn a_body_without_end_or_haste_does_not_matter_behind_a_status() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let endless = Reply::Endless(head.into(), chunk.into());
    let slow = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx";
    let broken = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx";
    for reply in [endless, Reply::Stall(slow.into()), Reply::say(broken)] {
        let target = Target::new(&[reply]).await;
        let since = Instant::now();
        taken(&post(&target).await.0);
        assert!(since.elapsed() < LIMIT / 2);
        assert_eq!(target.heard().len(), 1);
    }
}

#[tokio::test]
async fn news_before_the_answer_is_not_the_answer() {
    for news in ["100 Continue", "103 Early Hints", "102 Processing"] {
        let answer = format!("HTTP/1.1 {news}\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let target = Target::new(&[Reply::say(&answer)]).await;
        let (outcome, status) = post(&target).await;
        taken(&outcome);
        assert_eq!((status, target.heard().len()), (Some(200), 1), "{news}");
    }
}
