//! SIGKILL of who dispatches, of who receives, and of both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kite::store::openintent::ExchangeState;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{ANSWERED, DISPATCHED, RECEIVED, STALL_MAX, Station, dispatch_request};
use crate::support::GLANCE;
use crate::support::chance::{Dice, number};
use crate::support::door::Door;
use crate::support::http::try_answer;
use crate::support::load::Follower;
use crate::support::postgres::Cluster;

const ROUNDS: u64 = 8;

/// A kill comes after this many answers at most.
const ANSWERS_MAX: u64 = 12;

/// And this much later at most, so that it meets every stage of a dispatch.
const DELAY_MAX_MICROS: u64 = 20_000;

/// Each connection loses its answer of this number.
const LOSES: usize = 15;

const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// What a sender knows.
#[derive(Default)]
struct Book {
    /// The dispatches that were answered.
    ids: BTreeSet<String>,
    /// By idempotency key, which was insisted on.
    keys: BTreeMap<String, String>,
}

/// Dispatches until it is told to end. Every second one has a key and is repeated until there is an answer, and then once
/// more; the others are asked for once.
async fn send(
    mut way: Follower,
    to: String,
    name: &'static str,
    answers: Arc<AtomicUsize>,
    is_over: watch::Receiver<bool>,
) -> Book {
    let mut book = Book::default();
    for number in 0.. {
        if *is_over.borrow() {
            break;
        }
        let key = format!("{name}-{number}");
        let ask = |access: &_| dispatch_request(access, &to, Some(&key));
        let place = way.place().await;
        if number % 2 == 0 {
            let asked = dispatch_request(&place, &to, None).timeout(REQUEST_LIMIT);
            if let Ok(answer) = try_answer(asked).await
                && answer.status == 200
            {
                book.ids.insert(id_of(&answer.json));
                answers.fetch_add(1, Ordering::Relaxed);
            }
        } else {
            let first = id_of(&way.insist(200, ask).await.json);
            answers.fetch_add(1, Ordering::Relaxed);
            let again = id_of(&way.insist(200, ask).await.json);
            assert_eq!(first, again, "a repeat is the same dispatch");
            book.keys.insert(key, first.clone());
            book.ids.insert(first);
        }
        sleep(GLANCE).await;
    }
    book
}

fn id_of(answer: &Value) -> String {
    answer["dispatch_id"].as_str().unwrap().to_owned()
}

/// How often each event has something in its data.
fn times(events: &[Value], pointer: &str) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for event in events {
        let found = event["data"].pointer(pointer).and_then(Value::as_str);
        let found = found.unwrap_or_else(|| panic!("no {pointer} in {event:#}"));
        *times.entry(found.to_owned()).or_default() += 1;
    }
    times
}

/// Checks that every dispatch of one is at the other once, was answered once, and that both say so.
async fn check(from: &Station, to: &Station, book: &Book) {
    let dispatched = from.log_of(DISPATCHED).await;
    let ids = times(&dispatched, "/envelope/dispatch_id");
    assert!(ids.values().all(|count| *count == 1), "{ids:?}");
    for id in &book.ids {
        assert!(ids.contains_key(id), "{id} was answered and is lost");
    }
    let keys = times(&dispatched, "/envelope/idempotency_key");
    for (key, id) in &book.keys {
        assert_eq!(keys.get(key), Some(&1), "{key} of {id}");
    }
    let received = to.log_of(RECEIVED).await;
    assert_eq!(times(&received, "/dispatch_id"), ids, "each arrives once");
    let answered = from.log_of(ANSWERED).await;
    assert_eq!(times(&answered, "/dispatch_id"), ids, "each is told once");
    let accepted = times(&answered, "/state_delta/status");
    assert_eq!(
        accepted,
        BTreeMap::from([("accepted".to_owned(), ids.len())])
    );
    for event in &received {
        let id = event["data"]["dispatch_id"].as_str().unwrap();
        let record = from.dispatched(id).await;
        assert_eq!(record.state, ExchangeState::Delivered, "{record:?}");
        assert_eq!(
            record.remote_id.as_deref(),
            event["id"].as_str(),
            "{record:?}"
        );
    }
    let letters = "/api/federation/dead-letters";
    assert_eq!(from.access().get(letters).await.expect(200), json!([]));
    assert_eq!(from.waits().await, json!([]));
    let count = ids.len() as u64;
    assert_eq!(from.counts().await[..2], [0, count]);
    assert_eq!(to.counts().await[2], count);
    eprintln!("{count} dispatches, {} of them answered", book.ids.len());
}

async fn both_are_killed(a: Option<&str>, b: Option<&str>) {
    let mut dice = Dice::new();
    let doors = [Door::open(Some(LOSES)).await, Door::open(Some(LOSES)).await];
    let urls = doors.each_ref().map(|door| door.url.clone());
    let [at_a, at_b] = doors;
    let mut a = Station::behind(at_a, &[&urls[1]], a).await;
    let mut b = Station::behind(at_b, &[&urls[0]], b).await;
    // From here on each has a peer that stands for the other.
    a.dispatch(&urls[1], None).await;
    b.dispatch(&urls[0], None).await;

    let answers = Arc::new(AtomicUsize::new(0));
    let (over, is_over) = watch::channel(false);
    let sender = |station: &Station, to: usize, name| {
        let way = station.nodes.follow();
        let over = is_over.clone();
        tokio::spawn(send(way, urls[to].clone(), name, answers.clone(), over))
    };
    let senders = [sender(&a, 1, "a"), sender(&b, 0, "b")];
    let some_moment = async |dice: &mut Dice| {
        let (before, began) = (answers.load(Ordering::Relaxed), Instant::now());
        let more = 1 + usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
        while answers.load(Ordering::Relaxed) < before + more {
            assert!(began.elapsed() < STALL_MAX, "nothing is answered");
            sleep(Duration::from_micros(200)).await;
        }
        sleep(Duration::from_micros(dice.below(DELAY_MAX_MICROS))).await;
    };
    for _ in 0..number("KITE_CRASH_OPENINTENT_ROUNDS", ROUNDS) {
        some_moment(&mut dice).await;
        let which = dice.below(3);
        for (station, spared) in [(&mut a, 1), (&mut b, 0)] {
            if which != spared {
                station.kill();
                station.forget_claims();
            }
        }
        for (station, spared) in [(&mut a, 1), (&mut b, 0)] {
            if which != spared {
                station.revive();
            }
        }
    }
    some_moment(&mut dice).await;
    over.send_replace(true);
    let [of_a, of_b] = senders;
    let (of_a, of_b) = (of_a.await.unwrap(), of_b.await.unwrap());
    // What is delivered is answered by a callback: nothing more comes of that.
    for _ in 0..2 {
        a.is_drained().await;
        b.is_drained().await;
    }
    for station in [&mut a, &mut b] {
        station.kill();
        station.revive();
    }
    check(&a, &b, &of_a).await;
    check(&b, &a, &of_b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_dispatched_once_though_both_servers_are_killed() {
    both_are_killed(None, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_dispatched_once_though_both_servers_on_postgresql_are_killed() {
    let databases = [(); 2].map(|()| Cluster::shared().database());
    both_are_killed(Some(&databases[0]), Some(&databases[1])).await;
}
