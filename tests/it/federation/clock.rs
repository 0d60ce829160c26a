//! A clock that is an hour off, and is set right: rows neither die nor starve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kite::base::clock::Clock;
use kite::federation::Dial;
use kite::protocol::federation::OutboxStatus;
use kite::protocol::outbound::Outbound;

use super::hook::Reply;
use super::library::Home;
use super::site::Site;

const HOUR: i64 = 3_600_000;

fn outbound() -> Outbound {
    Outbound {
        allow_insecure_peers: true,
        ..Outbound::default()
    }
}

/// What was stored and failed by a clock that is so much off, and is sent by one that is right.
async fn set_right(home: Home, off_by: i64) {
    let site = Site::new();
    let is_mended = Arc::<AtomicBool>::default();
    let looked = is_mended.clone();
    let hook = site
        .hook(move |_, _, _| match looked.load(Ordering::SeqCst) {
            true => Reply::status(202),
            false => Reply::status(503),
        })
        .await;
    let dial = || Dial::new(outbound(), Some(&site.ca_file())).unwrap();
    let now = Clock::system().unix_millis();
    let wrong = home.start(Clock::following(now + off_by), dial()).await;
    wrong.add(&hook.url("t")).await;
    for nth in 0..10 {
        wrong.emit(&format!("e-{nth}")).await;
    }
    wrong
        .until("it is left alone", |it| it.state.failures >= 5)
        .await;
    let home = wrong.end().await;
    is_mended.store(true, Ordering::SeqCst);
    // A minute later: whoever is left alone by a right clock is asked again by then.
    let right = home.start(Clock::following(now + 60_000), dial()).await;
    right.until("all have arrived", |it| it.backlog == 0).await;
    let rows = right.rows().await;
    assert_eq!(rows.len(), 10);
    assert!(
        rows.iter().all(|row| row.status == OutboxStatus::Delivered),
        "{rows:?}"
    );
    assert_eq!(hook.counts("t").len(), 10);
    right.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_by_a_clock_that_is_right_is_tried_a_minute_later() {
    set_right(Home::new().await, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_by_a_clock_that_was_an_hour_slow_is_tried_when_it_is_set_right() {
    set_right(Home::new().await, -HOUR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_by_a_clock_that_was_an_hour_fast_is_tried_when_it_is_set_right() {
    set_right(Home::new().await, HOUR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_by_a_clock_that_was_a_day_fast_is_tried_when_it_is_set_right() {
    set_right(Home::new().await, 24 * HOUR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_by_a_clock_that_was_an_hour_fast_is_tried_when_it_is_set_right_on_postgres() {
    set_right(Home::on_postgres().await, HOUR).await;
}
