//! Many clients at once, and one that stands still: neither is in the way of the others (promises 3 and 8).
//!
//! `KITE_CRASH_STALL_SECS` sets how long the one stands still.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::support::GLANCE;
use crate::support::chance::number;
use crate::support::http::Access;
use crate::support::load::{Listener, Load, Nodes, settle};
use crate::support::postgres::Cluster;
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

const CLIENTS: usize = 2_000;

/// How many files the test program may need to open: its ends of all connections, and what other tests have open.
const FILES: u64 = 8_192;

/// How long it may take until the whole crowd is in.
const CROWD_LIMIT: Duration = Duration::from_secs(60);

/// How long the server waits for a socket that accepts no bytes (spec 5.3).
const WRITE_LIMIT_SECS: u64 = 30;

const STALL_SECS: u64 = 10;

/// How much each value carries while one reader stands still, and how much there is at least: far more than the system
/// keeps for a socket.
const FILLER_BYTES: usize = 16 * 1024;
const STALL_MIN_BYTES: usize = 32 * 1024 * 1024;

/// What a reader that stands still may cost, in memory.
const STALL_MAX_KIB: u64 = 20 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_back_at_once_does_not_stop_delivery_to_others() {
    if ran_with_more_files(
        "crowds::a_crowd_that_comes_back_at_once_does_not_stop_delivery_to_others",
    ) {
        return;
    }
    come_back_at_once(&mut [Server::start()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_back_at_once_does_not_stop_delivery_from_other_nodes() {
    if ran_with_more_files(
        "crowds::a_crowd_that_comes_back_at_once_does_not_stop_delivery_from_other_nodes",
    ) {
        return;
    }
    let first = Server::start_on(&Cluster::shared().database());
    let second = first.another_node();
    come_back_at_once(&mut [first, second]).await;
}

/// A crowd comes back to the first server when that has been killed, while a load and a listener go on.
async fn come_back_at_once(servers: &mut [Server]) {
    let last = servers.len() - 1;
    let nodes = Nodes::new(&servers.iter().collect::<Vec<_>>());
    let listener = Listener::start(&nodes, "listener", last).await;
    let before = gather(servers[0].owner()).await;
    let load = Load::start(&nodes, 2, 0);
    load.acknowledges(1).await;
    nodes.kill_and_restart(0, &mut servers[0]);
    drop(before);

    let since = Instant::now();
    let coming = tokio::spawn(gather(servers[0].owner()));
    let mut delivered = 0;
    while !coming.is_finished() {
        load.acknowledges(1).await;
        listener.hears(listener.end() + 1).await;
        delivered += 1;
    }
    let crowd = coming.await.unwrap();
    assert!(delivered > 0, "nothing was delivered until all were in");
    let secs = since.elapsed().as_secs_f32();
    eprintln!("{delivered} times something new in the {secs} s in which {CLIENTS} came back");
    settle(&servers[last].owner(), load, &[&listener]).await;

    servers[last].owner().tell("a", "crowd", "welcome").await;
    for mut socket in crowd {
        let heard = timeout(CROWD_LIMIT, socket.next_event_or_end()).await;
        let event = heard.expect("a word for all reaches all").unwrap();
        assert_eq!(event["event"]["data"]["body"], "welcome");
    }
}

/// Connects the whole crowd at once.
async fn gather(access: Access) -> Vec<Socket> {
    let coming: JoinSet<Socket> = (0..CLIENTS)
        .map(|number| come(access.clone(), format!("crowd-{number}")))
        .collect();
    timeout(CROWD_LIMIT, coming.join_all())
        .await
        .expect("all of the crowd gets in")
}

/// Knocks until it is let in.
async fn come(access: Access, client_id: String) -> Socket {
    loop {
        if let Some(socket) = try_come(&access, &client_id).await {
            return socket;
        }
        sleep(GLANCE).await;
    }
}

async fn try_come(access: &Access, client_id: &str) -> Option<Socket> {
    let mut socket = Socket::try_open(&access.ws_url).await?;
    let hello = connect_frame(access, &["agent_to:crowd"], client_id).to_string();
    socket.send_message(hello.into()).await.ok()?;
    // What the server says first; in between it may yet find that it is too busy.
    for word in ["connected", "quota_snapshot"] {
        if socket.frame_or_end().await?["type"] != word {
            return None;
        }
    }
    Some(socket)
}

/// Runs the test in a process that may open more files, where this one may not open enough.
fn ran_with_more_files(test: &str) -> bool {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    let soft = soft.expect("a limit of open files");
    if soft == "unlimited" || soft.parse::<u64>().unwrap() >= FILES {
        return false;
    }
    let raised = format!("ulimit -S -n {FILES} && exec \"$@\"");
    let status = Command::new("sh")
        .args(["-c", &raised, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .status()
        .unwrap();
    assert!(
        status.success(),
        "it failed in a process of its own; it needs a hard limit (`ulimit -H -n`) of {FILES} files"
    );
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stands_still_costs_little_memory_and_misses_nothing() {
    let stall = Duration::from_secs(number("KITE_CRASH_STALL_SECS", STALL_SECS));
    let server = Server::start();
    let access = server.owner();
    let nodes = Nodes::new(&[&server]);
    let listener = Listener::start(&nodes, "listener", 0).await;
    let load = Load::start(&nodes, 4, FILLER_BYTES);
    // With as many senders and a reader already: what follows is the cost of the one that stands still.
    load.acknowledges(200).await;
    let before = server.memory_kib();

    let (mut reader, connected) = Socket::connect(&access, &["*"], "reader").await;
    let start = connected["last_seq"].as_u64().unwrap();
    let enough = start + (STALL_MIN_BYTES / FILLER_BYTES) as u64;
    let since = Instant::now();
    let mut most = 0;
    while since.elapsed() < stall || listener.end() < enough {
        load.acknowledges(10).await;
        most = most.max(server.memory_kib());
    }
    let stalled_secs = since.elapsed().as_secs();
    eprintln!("from {before} to at most {most} KiB in {stalled_secs} s");
    assert!(most < before + STALL_MAX_KIB, "{before} to {most} KiB");

    let end = settle(&access, load, &[&listener]).await.len() as u64;
    let mut last = read(&mut reader, start, end).await;
    assert!(
        stalled_secs < WRITE_LIMIT_SECS + 10 || last < end,
        "a reader that stands still for too long is let go"
    );
    if last < end {
        assert!(stalled_secs >= WRITE_LIMIT_SECS, "it was let go at {last}");
        let (mut reader, connected) = Socket::connect(&access, &["*"], "reader").await;
        last = connected["last_seq"].as_u64().unwrap();
        last = read(&mut reader, last, end).await;
    }
    assert_eq!(last, end);
}

/// Reads on from a number until the end or until the server ends the connection, for which there is one reason; how far it
/// came.
async fn read(socket: &mut Socket, mut last: u64, end: u64) -> u64 {
    while last < end {
        let Some(frame) = socket.frame_or_end().await else {
            break;
        };
        if frame["type"] == "event" {
            last += 1;
            assert_eq!(frame["seq"], last);
            // The next read notices that the server has let go.
            socket.try_ack(last).await.ok();
        } else {
            assert_eq!(
                (&frame["type"], &frame["code"]),
                (&"error".into(), &4004.into()),
                "{frame}"
            );
        }
    }
    last
}
