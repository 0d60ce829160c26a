//! Nodes on one PostgreSQL that have one peer: one of them works it, and another one when that one is gone; the database
//! goes away and comes back.

use std::time::Duration;

use super::{SENDERS, settle};
use crate::support::chance::number;
use crate::support::instance::{Instance, UNLIMITED, link, settle_at};
use crate::support::load::{Load, Nodes};
use crate::support::postgres::Cluster;
use crate::support::server::Server;

/// How many nodes are killed: each leaves its claims for 20 s.
const KILLS: u64 = 1;

const AWAY_SECS: u64 = 3;

/// An instance whose first node works its peer, under load, and its second node.
async fn busy(b: &Instance) -> (Instance, Server, Load) {
    let mut a = Instance::start_on("a", &Cluster::shared().database()).await;
    link(&a, b, UNLIMITED).await;
    a.nodes = Nodes::new(&[&a.server, &a.server]);
    a.nodes.withdraw(1);
    let load = Load::start(&a.nodes, SENDERS, 0);
    b.has(10).await;
    let second = a.server.another_node();
    a.nodes.announce(1, &second);
    (a, second, load)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_leaves_its_peer_to_the_other() {
    let b = Instance::start("b").await;
    let (mut a, mut second, load) = busy(&b).await;
    for kill in 0..number("KITE_CRASH_FEDERATION_KILLS", KILLS) {
        load.acknowledges(SENDERS * 10).await;
        // The one that has the peer: it was the only one before.
        let is_first = kill % 2 == 0;
        match is_first {
            true => a.kill(),
            false => {
                a.nodes.withdraw(1);
                second.kill();
            }
        }
        load.acknowledges(SENDERS * 10).await;
        let left = if is_first { &second } else { &a.server };
        let events = left.owner().log().await.len();
        b.has(events).await;
        match is_first {
            true => a.revive(),
            false => {
                second.start_elsewhere();
                a.nodes.announce(1, &second);
            }
        }
    }
    settle(&a, &b, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_sends_nothing_that_another_one_has_taken_over() {
    const RATE: u32 = 100;
    const EVENTS: usize = 1_500;
    /// What was under way when it stood still, and what was being written down.
    const REPEATED_MAX: usize = 128;
    let a = Instance::start_on("a", &Cluster::shared().database()).await;
    let b = Instance::start("b").await;
    link(&a, &b, RATE).await;
    a.take("e", EVENTS).await;
    b.has(EVENTS / 10).await;
    let second = a.server.another_node();
    b.has(EVENTS / 5).await;
    a.server.freeze();
    b.has(EVENTS / 2).await;
    a.server.thaw();
    // There are some left for it, which it must not take.
    b.has(EVENTS).await;
    a.is_drained().await;
    let log = a.log().await;
    assert_eq!(log.len(), EVENTS);
    a.is_copied_to(&b, &log).await;
    let repeated = b.relay.answered(200);
    assert!(repeated <= REPEATED_MAX, "{repeated} were repeated");
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_of_a_peer_is_that_of_all_nodes_together() {
    const RATE: u32 = 40;
    const EVENTS: usize = 240;
    let mut a = Instance::start_on("a", &Cluster::shared().database()).await;
    let second = a.server.another_node();
    a.nodes = Nodes::new(&[&a.server, &second]);
    let b = Instance::start("b").await;
    link(&a, &b, RATE).await;
    let load = Load::start(&a.nodes, SENDERS, 0);
    load.acknowledges(EVENTS).await;
    let log = settle_at(&a, load).await;
    b.has(log.len()).await;
    a.is_drained().await;
    a.is_copied_to(&b, &log).await;
    let posts = b.relay.posts();
    let span = posts[posts.len() - 1].at - posts[0].at;
    // Twice as fast would take half of it.
    let least = Duration::from_secs(log.len() as u64) / RATE * 3 / 4;
    assert!(span >= least, "{} posts in {span:?}", posts.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_while_postgresql_went_away_is_written_down_when_it_is_back() {
    let away = Duration::from_secs(number("KITE_CRASH_AWAY_SECS", AWAY_SECS));
    let mut cluster = Cluster::start();
    let a = Instance::start_on("a", &cluster.database()).await;
    let b = Instance::start_on_files("b").await;
    link(&a, &b, UNLIMITED).await;
    for end in [Cluster::stop, Cluster::kill] {
        let load = Load::start(&a.nodes, SENDERS, 0);
        load.acknowledges(SENDERS * 10).await;
        end(&mut cluster);
        load.is_refused(1).await;
        tokio::time::sleep(away).await;
        cluster.start_again();
        load.acknowledges(SENDERS * 10).await;
        let before = load.stop().await;
        eprintln!("{before}");
    }
    let log = a.log().await;
    b.has(log.len()).await;
    a.is_drained().await;
    a.is_copied_to(&b, &log).await;
    assert_eq!(b.relay.answered(200), 0, "an event was repeated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_goes_on_when_a_postgresql_that_stood_still_does() {
    let away = Duration::from_secs(number("KITE_CRASH_AWAY_SECS", AWAY_SECS));
    let mut cluster = Cluster::start();
    let a = Instance::start_on("a", &cluster.database()).await;
    let b = Instance::start_on_files("b").await;
    link(&a, &b, 500).await;
    a.take("e", 1_000).await;
    b.has(100).await;
    cluster.freeze();
    tokio::time::sleep(away).await;
    cluster.thaw();
    b.has(1_000).await;
    a.is_drained().await;
    let log = a.log().await;
    a.is_copied_to(&b, &log).await;
}
