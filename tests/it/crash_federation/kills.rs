//! SIGKILL of who sends, of who receives, and of both.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{ANSWERS_MAX, DELAY_MAX_MICROS, SENDERS, settle};
use crate::support::chance::{Dice, number};
use crate::support::instance::{Instance, UNLIMITED, link, settle_at};
use crate::support::load::Load;
use crate::support::postgres::Cluster;
use crate::support::relay::Fate;

const ROUNDS: u64 = 8;
const PENDING: u64 = 3_000;

/// One answer of so many is lost.
const LOST_ONE_IN: u64 = 10;

fn rounds() -> u64 {
    number("KITE_CRASH_FEDERATION_ROUNDS", ROUNDS)
}

/// Waits for some answers, and for some moment after that.
async fn some_moment(load: &Load, dice: &mut Dice) {
    let answers = 1 + usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
    load.acknowledges(answers).await;
    tokio::time::sleep(Duration::from_micros(dice.below(DELAY_MAX_MICROS))).await;
}

async fn sender_is_killed(mut a: Instance) {
    let mut dice = Dice::new();
    let b = Instance::start("b").await;
    link(&a, &b, UNLIMITED).await;
    let load = Load::start(&a.nodes, SENDERS, 0);
    for _ in 0..rounds() {
        some_moment(&load, &mut dice).await;
        a.kill();
        a.revive();
    }
    load.acknowledges(SENDERS).await;
    settle(&a, &b, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_gets_to_the_peer_once_though_its_sender_is_killed() {
    sender_is_killed(Instance::start("a").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_gets_to_the_peer_once_though_its_sender_on_postgresql_is_killed() {
    sender_is_killed(Instance::start_on("a", &Cluster::shared().database()).await).await;
}

/// A receiver whose answers get lost now and then.
async fn forgetful(name: &str) -> Instance {
    let count = AtomicU64::new(0);
    let is_lost = move || count.fetch_add(1, Ordering::Relaxed) % LOST_ONE_IN == LOST_ONE_IN - 1;
    let decide = move |_: &str| {
        if is_lost() {
            Fate::Unanswered
        } else {
            Fate::Passed
        }
    };
    Instance::start_behind(name, decide).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_killed_before_it_answers_has_each_event_once() {
    let mut dice = Dice::new();
    let a = Instance::start("a").await;
    let mut b = forgetful("b").await;
    let peer = link(&a, &b, UNLIMITED).await;
    let load = Load::start(&a.nodes, SENDERS, 0);
    for _ in 0..rounds() {
        some_moment(&load, &mut dice).await;
        b.kill();
        some_moment(&load, &mut dice).await;
        b.revive();
        a.reaches(&peer).await;
    }
    load.acknowledges(SENDERS).await;
    settle(&a, &b, load).await;
    let again = b.relay.answered(200);
    assert!(again > 0, "no event came again: the test shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_are_killed_again_and_again() {
    let mut dice = Dice::new();
    let mut a = Instance::start("a").await;
    let mut b = forgetful("b").await;
    let peer = link(&a, &b, UNLIMITED).await;
    let load = Load::start(&a.nodes, SENDERS, 0);
    for _ in 0..rounds() {
        some_moment(&load, &mut dice).await;
        match dice.below(3) {
            0 => a.kill_and_revive(),
            1 => b.kill_and_revive(),
            _ => {
                b.kill();
                a.kill_and_revive();
                b.revive();
            }
        }
        a.reaches(&peer).await;
    }
    load.acknowledges(SENDERS).await;
    settle(&a, &b, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_while_its_peer_is_down_loses_nothing_and_repeats_nothing() {
    let mut a = Instance::start("a").await;
    let mut b = Instance::start("b").await;
    let peer = link(&a, &b, UNLIMITED).await;
    let load = Load::start(&a.nodes, SENDERS, 0);
    load.acknowledges(SENDERS * 10).await;
    let before = settle_at(&a, load).await;
    b.has(before.len()).await;
    a.is_drained().await;

    b.kill();
    a.take("down", 100).await;
    a.kill_and_revive();
    a.take("still-down", 100).await;
    a.kill();
    b.revive();
    a.revive();
    a.reaches(&peer).await;
    a.take("back", 100).await;

    let log = a.log().await;
    assert_eq!(log.len(), before.len() + 300);
    b.has(log.len()).await;
    a.is_drained().await;
    a.is_copied_to(&b, &log).await;
    assert_eq!(b.relay.answered(202), log.len());
    // The one that asked whether it is there was no event.
    assert_eq!(b.relay.answered(200), 1, "an event was repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_peer_survives_restarts_and_goes_out() {
    let events = usize::try_from(number("KITE_CRASH_FEDERATION_EVENTS", PENDING)).unwrap();
    let mut a = Instance::start("a").await;
    let b = Instance::start("b").await;
    let peer = link(&a, &b, UNLIMITED).await;
    a.set_status(&peer, "paused").await;
    a.take("waits", events).await;
    a.kill_and_revive();
    a.set_status(&peer, "active").await;
    // In the middle of it once more.
    b.has(events / 3).await;
    a.kill_and_revive();
    b.has(events).await;
    a.is_drained().await;
    let log = a.log().await;
    assert_eq!(log.len(), events);
    a.is_copied_to(&b, &log).await;
}
