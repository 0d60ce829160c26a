//! Two nodes append to the same logs at once, and nobody on either ever sees n + 1 before n (promise 2).
//!
//! `KITE_ORDER_EVENTS` sets the number of events (default 20000; the full form has a million).

use std::sync::Arc;
use std::time::{Duration, Instant};

use kite::base::clock::Clock;
use kite::log::{Limits, Log, Subscription};
use kite::protocol::event::dedup_key;
use kite::protocol::id::{Seq, TeamId};
use kite::protocol::permission::Permissions;
use kite::protocol::scope::{Filter, Scopes};
use kite::server::new_key;
use kite::store::record::{Dedup, Identity, NewEvent, Outcome, Stretch};
use kite::store::{Address, Role, open};
use tokio::task::JoinSet;

use crate::support::postgres::Cluster;
use crate::support::{GLANCE, chance};

const EVENTS: u64 = 20_000;
const TEAMS: [&str; 2] = ["acme", "rival"];

/// How many callers append on each node to each team's log.
const CALLERS: u64 = 16;

/// How long a reader waits for one more event before something must be wrong.
const STANDSTILL: Duration = Duration::from_secs(60);

fn everything() -> Arc<Filter> {
    Arc::new(Filter {
        requested: Scopes::all(),
        allowed: Scopes::all(),
    })
}

async fn node(address: &Address) -> Arc<Log> {
    let store = open(address, Role::Server).await.unwrap();
    let identity = Identity {
        wanted: None,
        fresh: "instance".to_owned(),
        secret_check: [0; 32],
        now: 1,
    };
    store.instance(identity).await.unwrap();
    for team in TEAMS {
        let team: TeamId = team.parse().unwrap();
        let (_, key) = new_key(team.clone(), None, Permissions::default(), Scopes::all(), 1);
        // The first node has made it when the second one comes.
        store.create_team(team, key).await.ok();
    }
    Arc::new(
        Log::start(store, Clock::system(), Limits::default())
            .unwrap()
            .0,
    )
}

fn event(team: &TeamId, name: String) -> NewEvent {
    NewEvent {
        kitesource: Some("api".to_owned()),
        dedup: Some(Dedup {
            key: dedup_key("test", &[&name]),
            fingerprint: None,
        }),
        ..NewEvent::bare(
            team.clone(),
            [name.as_str(), "com.acme.note", "https://acme.example"],
            1,
            format!("{{\"id\":\"{name}\"}}"),
        )
    }
}

/// Appends `count` events one after the other; its own numbers must ascend.
async fn append(log: Arc<Log>, team: TeamId, caller: String, count: u64) {
    let mut last = 0;
    for n in 0..count {
        let event = event(&team, format!("{caller}-{n}"));
        let (outcome, _) = log.append(event).await.unwrap();
        let Outcome::Stored(seq) = outcome else {
            panic!("{caller}-{n}: {outcome:?}");
        };
        assert!(last < seq, "{caller} got {seq} after {last}");
        last = seq;
    }
}

/// Reads the log again and again from where it stopped: it must never skip a number.
async fn poll(log: Arc<Log>, team: TeamId, through: Seq) {
    let (mut seen, mut moved) = (0, Instant::now());
    while seen < through {
        let head = log.head(&team).await.unwrap();
        let stretch = Stretch {
            team: team.clone(),
            after: seen,
            through: head,
            filter: everything(),
            max_events: 256,
        };
        let page = log.read(stretch).await.unwrap();
        for event in &page.events {
            assert_eq!(event.seq, seen + 1, "a reader of {team} skipped");
            (seen, moved) = (event.seq, Instant::now());
        }
        assert_eq!(
            page.scanned_to, seen,
            "an event of {team} was not there in time"
        );
        assert!(moved.elapsed() < STANDSTILL, "{team} stands at {seen}");
        // Again and again, but not so that nobody else gets to work.
        tokio::time::sleep(GLANCE).await;
    }
}

/// Listens, and reads the log where it could not keep up: as a session does.
async fn listen(log: Arc<Log>, team: TeamId, through: Seq) -> u64 {
    let (mut seen, mut live_events) = (0, 0);
    while seen < through {
        let mut live: Subscription = log.subscribe(&team, &everything()).await.unwrap();
        poll_to(&log, &team, &mut seen, live.head).await;
        while seen < through {
            let next = tokio::time::timeout(STANDSTILL, live.next()).await;
            let Some(delivery) = next.unwrap_or_else(|_| panic!("{team} stands at {seen}")) else {
                break;
            };
            if delivery.seq > seen {
                assert_eq!(delivery.seq, seen + 1, "a listener of {team} skipped");
                seen = delivery.seq;
                live_events += 1;
            }
        }
    }
    live_events
}

async fn poll_to(log: &Arc<Log>, team: &TeamId, seen: &mut Seq, through: Seq) {
    while *seen < through {
        let stretch = Stretch {
            team: team.clone(),
            after: *seen,
            through,
            filter: everything(),
            max_events: 256,
        };
        for event in log.read(stretch).await.unwrap().events {
            assert_eq!(event.seq, *seen + 1, "a listener of {team} skipped");
            *seen = event.seq;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_two_nodes_come_in_one_order_without_a_hole() {
    let events = chance::number("KITE_ORDER_EVENTS", EVENTS);
    let each = events / (TEAMS.len() as u64 * 2 * CALLERS);
    let through = each * 2 * CALLERS;
    let address: Address = Cluster::shared().database().parse().unwrap();
    let nodes = [node(&address).await, node(&address).await];

    let begun = Instant::now();
    let (mut writers, mut readers, mut listeners) =
        (JoinSet::new(), JoinSet::new(), JoinSet::new());
    for (number, log) in nodes.iter().enumerate() {
        for team in TEAMS.map(|team| team.parse::<TeamId>().unwrap()) {
            readers.spawn(poll(log.clone(), team.clone(), through));
            listeners.spawn(listen(log.clone(), team.clone(), through));
            for caller in 0..CALLERS {
                let caller = format!("node{number}-{caller}");
                writers.spawn(append(log.clone(), team.clone(), caller, each));
            }
        }
    }
    writers.join_all().await;
    let written = begun.elapsed();
    readers.join_all().await;
    let live: u64 = listeners.join_all().await.into_iter().sum();
    let total = TEAMS.len() as u64 * through;
    eprintln!(
        "{total} events in {written:?} ({:.0}/s); {live} of {} were delivered live",
        total as f64 / written.as_secs_f64(),
        2 * total
    );
    for team in TEAMS {
        let last = nodes[0].head(&team.parse().unwrap()).await.unwrap();
        assert_eq!(last, through, "nothing is stored twice");
    }
}
