//! What the server stands on fails for a while and comes back: a full disk, a database that restarts (promises 1 to 3).
//!
//! `KITE_CRASH_AWAY_SECS` sets how long the database stays away.

use std::time::Duration;

use reqwest::Method;

use crate::support::account::Entry;
use crate::support::chance::{Dice, number};
use crate::support::eventually;
use crate::support::http::{Access, answer};
use crate::support::load::{Listener, Load, Nodes, settle};
use crate::support::postgres::Cluster;
use crate::support::server::Server;

const AWAY_SECS: u64 = 3;
const SENDERS: usize = 4;

/// A crash comes after this many answers at most.
const ANSWERS_MAX: u64 = 60;

/// How often senders are refused on a full disk before the test goes on: enough that every gap has been filled.
const REFUSALS: u64 = 20;

/// How often the database crashes where it does so again and again.
const CRASHES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_senders_until_there_is_room_and_loses_nothing() {
    let mut server = Server::start_on_small_disk(4 * 1024);
    let nodes = Nodes::new(&[&server]);
    let access = server.owner();
    let listener = Listener::start(&nodes, "listener", 0).await;
    let load = Load::start(&nodes, SENDERS, 8 * 1024);
    let why = load.is_refused(REFUSALS).await;
    assert!(why.contains("cannot write to its database"), "{why}");
    let readable = access.log().await.len();
    assert!(readable > 0, "the log is read from a full disk");
    listener.hears(readable as u64).await;
    assert_eq!(health(&access, "/healthz").await, 200);

    server.make_room();
    load.acknowledges(SENDERS * 5).await;
    let log = settle(&access, load, &[&listener]).await;
    assert_eq!(listener.hearings().len(), 1, "its connection stood");
    server.stop();
    let database = rusqlite::Connection::open(server.data_dir().join("kite.db")).unwrap();
    let judged: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(judged, "ok");
    drop(database);
    server.start_elsewhere();
    let again = server.owner().log().await;
    assert!(again.iter().map(Entry::read).eq(log), "a restart kept it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_on_a_full_disk_loses_nothing() {
    let mut server = Server::start_on_small_disk(4 * 1024);
    let nodes = Nodes::new(&[&server]);
    let listener = Listener::start(&nodes, "listener", 0).await;
    let load = Load::start(&nodes, SENDERS, 8 * 1024);
    load.is_refused(REFUSALS).await;
    server.make_room();
    nodes.kill_and_restart(0, &mut server);
    load.acknowledges(SENDERS * 5).await;
    settle(&server.owner(), load, &[&listener]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgresql_is_ridden_out() {
    ride_out(Cluster::stop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_postgresql_is_ridden_out() {
    ride_out(Cluster::kill).await;
}

/// Senders are refused while the database is away; listeners keep their connections; then all goes on by itself.
async fn ride_out(end: impl Fn(&mut Cluster)) {
    let away = Duration::from_secs(number("KITE_CRASH_AWAY_SECS", AWAY_SECS));
    let mut cluster = Cluster::start();
    let server = Server::start_on(&cluster.database());
    let nodes = Nodes::new(&[&server]);
    let access = server.owner();
    let listener = Listener::start(&nodes, "listener", 0).await;
    let load = Load::start(&nodes, SENDERS, 0);
    load.acknowledges(SENDERS * 10).await;

    end(&mut cluster);
    let why = load.is_refused(1).await;
    assert!(why.contains("database"), "{why}");
    becomes(&access, 503).await;
    let unready = access.get("/readyz").await;
    assert_eq!(unready.json["status"], "the database cannot be reached");
    tokio::time::sleep(away).await;
    assert_eq!(health(&access, "/healthz").await, 200);
    cluster.start_again();
    becomes(&access, 200).await;
    load.acknowledges(SENDERS * 10).await;

    settle(&access, load, &[&listener]).await;
    assert_eq!(listener.hearings().len(), 1, "its connection stood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_crashes_again_and_again_leaves_nodes_in_agreement() {
    let mut dice = Dice::new();
    let mut cluster = Cluster::start();
    let first = Server::start_on(&cluster.database());
    let second = first.another_node();
    let nodes = Nodes::new(&[&first, &second]);
    let listeners = [
        Listener::start(&nodes, "first", 0).await,
        Listener::start(&nodes, "second", 1).await,
    ];
    let load = Load::start(&nodes, 2 * SENDERS, 0);
    for _ in 0..CRASHES {
        let answers = usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
        load.acknowledges(answers).await;
        cluster.kill();
        cluster.start_again();
    }
    load.acknowledges(SENDERS * 10).await;
    settle(&second.owner(), load, &[&listeners[0], &listeners[1]]).await;
    for listener in &listeners {
        assert_eq!(listener.hearings().len(), 1, "its connection stood");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_stands_still_is_waited_for() {
    let away = Duration::from_secs(number("KITE_CRASH_AWAY_SECS", AWAY_SECS));
    let mut cluster = Cluster::start();
    let server = Server::start_on(&cluster.database());
    let nodes = Nodes::new(&[&server]);
    let access = server.owner();
    let listener = Listener::start(&nodes, "listener", 0).await;
    let load = Load::start(&nodes, SENDERS, 0);
    load.acknowledges(SENDERS * 10).await;

    cluster.freeze();
    becomes(&access, 503).await;
    tokio::time::sleep(away).await;
    assert_eq!(health(&access, "/healthz").await, 200);
    cluster.thaw();
    becomes(&access, 200).await;
    load.acknowledges(SENDERS * 10).await;

    settle(&access, load, &[&listener]).await;
    assert_eq!(listener.hearings().len(), 1, "its connection stood");
}

async fn becomes(access: &Access, status: u16) {
    eventually(&format!("`/readyz` says {status}"), || async {
        (health(access, "/readyz").await == status).then_some(())
    })
    .await;
}

async fn health(access: &Access, path: &str) -> u16 {
    answer(access.bare(Method::GET, path)).await.status
}
