//! The bare server and the loads on it, in one process.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::bare::{ECHO_PATH, Server};
use super::fanout::{self, Crowd};
use super::pace::Pace;
use super::publish::{self, Via};
use super::{Load, Target};

/// A bare server that ends with this value.
struct Running {
    target: Target,
    dir: TempDir,
    _serving: JoinSet<()>,
}

async fn start() -> Running {
    let dir = TempDir::new().unwrap();
    let server = Server::start("127.0.0.1:0".parse().unwrap(), dir.path())
        .await
        .unwrap();
    let target = Target::Bare(format!("http://{}", server.address().unwrap()));
    let mut serving = JoinSet::new();
    serving.spawn(async {
        server.serve().await;
    });
    Running {
        target,
        dir,
        _serving: serving,
    }
}

/// All of it counts, so that counts can be compared.
fn load(pace: Pace) -> Load {
    Load {
        pace,
        publishers: 3,
        size: 200,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(200),
    }
}

fn rows(dir: &Path) -> u64 {
    let connection = Connection::open(dir.join("bare.db")).unwrap();
    let count = "SELECT count(*) FROM events";
    let rows: i64 = connection.query_row(count, [], |row| row.get(0)).unwrap();
    u64::try_from(rows).unwrap()
}

#[tokio::test]
async fn what_was_posted_was_kept_and_what_was_echoed_was_not() {
    let bare = start().await;
    let load = load(Pace::Rate(200));
    let echoed = publish::over_http(&bare.target, ECHO_PATH, &load).await;
    assert_eq!(echoed.unwrap().figures().count, 40);
    assert_eq!(rows(bare.dir.path()), 0);
    let posted = publish::measure(&bare.target, &load, Via::Http).await;
    assert_eq!(posted.unwrap().figures().count, 40);
    assert_eq!(rows(bare.dir.path()), 40);
}

#[tokio::test]
async fn calls_are_kept_whole_and_counted_by_their_events() {
    let bare = start().await;
    let via = Via::Rpc {
        batch: 5,
        in_flight: 4,
    };
    let made = publish::measure(&bare.target, &load(Pace::Closed), via).await;
    let figures = made.unwrap().figures();
    assert!(
        figures.count > 0 && figures.fault().is_none(),
        "{figures:?}"
    );
    assert_eq!(figures.count, rows(bare.dir.path()) * 5);
}

#[tokio::test]
async fn frames_reach_all_or_the_one_they_are_for() {
    let bare = start().await;
    for (addressed, audience) in [(false, 4), (true, 1)] {
        let crowd = Crowd {
            listeners: 4,
            addressed,
        };
        let made = fanout::measure(&bare.target, &load(Pace::Closed), crowd).await;
        let figures = made.unwrap().figures();
        assert_eq!(figures.missing, Some(0));
        assert_eq!(Some(figures.count), figures.messages.map(|n| n * audience));
    }
}

#[tokio::test]
async fn a_path_that_is_none_fails_every_request_with_its_status() {
    let bare = start().await;
    let made = publish::over_http(&bare.target, "/nowhere", &load(Pace::Closed)).await;
    let why = made.err().unwrap().to_string();
    assert!(why.contains("404"), "{why}");
}
