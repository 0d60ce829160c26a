//! SIGKILL in the middle of the work, again and again: what was acknowledged is there, once, in order (promises 1, 2, 3
//! and 6).
//!
//! `KITE_CRASH_ROUNDS` and `KITE_CRASH_ROUNDS_POSTGRES` set the number of kills, `KITE_CRASH_SEED` repeats a run's choices.
//! `KITE_CRASH_PROXY_KILLS` and `KITE_CRASH_PROXY_EVENTS` are those of a stream that is handed on.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::chance::{Dice, number};
use crate::support::cli::Person;
use crate::support::http::{Access, try_answer};
use crate::support::load::{Listener, Load, Nodes, settle};
use crate::support::postgres::Cluster;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::socket::Socket;

const ROUNDS: u64 = 50;
const ROUNDS_POSTGRES: u64 = 10;
const SENDERS: usize = 4;

/// A kill comes after this many answers at most, so that it meets young servers and busy ones.
const ANSWERS_MAX: u64 = 60;

/// And this much later at most, so that it meets every stage of a commit.
const DELAY_MAX_MICROS: u64 = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_once_and_in_order() {
    kill_again_and_again(Server::start(), number("KITE_CRASH_ROUNDS", ROUNDS)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_of_a_node_on_postgresql() {
    let server = Server::start_on(&Cluster::shared().database());
    let rounds = number("KITE_CRASH_ROUNDS_POSTGRES", ROUNDS_POSTGRES);
    kill_again_and_again(server, rounds).await;
}

async fn kill_again_and_again(mut server: Server, rounds: u64) {
    let mut dice = Dice::new();
    let nodes = Nodes::new(&[&server]);
    // A new client starts at the tail: the listener is to be known before the first message.
    let listener = Listener::start(&nodes, "listener", 0).await;
    let load = Load::start(&nodes, SENDERS, 0);
    for _ in 0..rounds {
        let answers = 1 + usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
        load.acknowledges(answers).await;
        tokio::time::sleep(Duration::from_micros(dice.below(DELAY_MAX_MICROS))).await;
        nodes.kill_and_restart(0, &mut server);
    }
    load.acknowledges(1).await;
    settle(&server.owner(), load, &[&listener]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_a_kill_stores_nothing_twice() {
    retry_after_kills(Server::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_a_kill_stores_nothing_twice_on_postgresql() {
    retry_after_kills(Server::start_on(&Cluster::shared().database())).await;
}

/// Messages that are on their way when the server is killed, all sent again afterwards, whatever became of them.
async fn retry_after_kills(mut server: Server) {
    const KILLS: usize = 5;
    const MESSAGES: usize = 8;
    let mut dice = Dice::new();
    for kill in 0..KILLS {
        let names = (0..MESSAGES).map(|number| format!("k{kill}m{number}"));
        let access = server.owner();
        let first: Vec<_> = names
            .clone()
            .map(|name| tokio::spawn(try_answer(message(&access, &name))))
            .collect();
        tokio::time::sleep(Duration::from_micros(dice.below(2 * DELAY_MAX_MICROS))).await;
        server.kill();
        let mut answers = Vec::new();
        for task in first {
            answers.push(task.await.unwrap());
        }
        server.start_elsewhere();

        let access = server.owner();
        for (name, first) in names.zip(answers) {
            let retry = try_answer(message(&access, &name)).await;
            let retry = retry.expect("it runs").expect(201);
            if let Ok(first) = first {
                assert_eq!(
                    retry["id"],
                    first.expect(201)["id"],
                    "the first answer again"
                );
            }
        }
    }
    let log = server.owner().log().await;
    let bodies: BTreeSet<_> = log
        .iter()
        .map(|listed| listed["event"]["data"]["body"].to_string())
        .collect();
    assert_eq!(bodies.len(), log.len(), "a message stands twice in the log");
    assert_eq!(log.len(), KILLS * MESSAGES);
}

fn message(access: &Access, name: &str) -> RequestBuilder {
    access
        .request(Method::POST, "/api/v1/agents/messages")
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", name)
        .body(json!({"from": "a", "to": "b", "body": name}).to_string())
}

#[tokio::test]
async fn a_drained_server_answers_what_it_has_taken_and_says_goodbye() {
    let mut server = Server::start();
    let access = server.owner();
    let (mut socket, _) = Socket::connect(&access, &["*"], "listener").await;
    access.tell("a", "b", "x").await;
    socket.next_event().await;
    server.stop();
    socket.expect_close(1001).await;
    server.start_elsewhere();
    assert_eq!(server.owner().log().await.len(), 1);
}

/// Few, since a client waits longer after each of them.
const PROXY_KILLS: u64 = 4;
const PROXY_EVENTS: u64 = 3_000;
const PROXY_SENDERS: u64 = 4;

/// How long events may take to come through: a client that lost its connection often waits up to 30 s.
const PROXY_PATIENCE: Duration = Duration::from_secs(90);

/// Sends the events `name-0`, `name-1` and so on, each again until it is answered, wherever the server is.
async fn insist(access: Access, name: String, events: u64) {
    for number in 0..events {
        let event = json!({
            "specversion": "1.0", "id": format!("{name}-{number}"), "source": "s", "type": "com.demo", "data": number,
        });
        loop {
            let request = access.request(Method::POST, "/api/v1/events");
            let request = request.header(CONTENT_TYPE, "application/cloudevents+json");
            match try_answer(request.body(event.to_string())).await {
                Ok(answer) if answer.status < 300 => break,
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// Starts senders of so many events together; they end by themselves.
fn insist_all(access: &Access, events: u64) -> Vec<tokio::task::JoinHandle<()>> {
    let each = events / PROXY_SENDERS;
    let sender = |number| tokio::spawn(insist(access.clone(), format!("s{number}"), each));
    (0..PROXY_SENDERS).map(sender).collect()
}

async fn logged(access: &Access) -> Vec<String> {
    let log = access.log().await;
    let id = |listed: &serde_json::Value| listed["event"]["id"].as_str().unwrap().to_owned();
    log.iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_program_gets_every_event_once_and_in_order_though_the_server_is_killed() {
    let kills = number("KITE_CRASH_PROXY_KILLS", PROXY_KILLS);
    let events = number("KITE_CRASH_PROXY_EVENTS", PROXY_EVENTS);
    let mut dice = Dice::new();
    let mut server = Server::start();
    let person = Person::at(&server);
    let receiver = Receiver::start();
    let _proxy = person.listening(&["proxy", "--target", &receiver.url]);
    let senders = insist_all(&server.owner(), events);
    for kill in 1..=kills {
        let share = events * kill / (kills + 1);
        receiver.wait_within(PROXY_PATIENCE, usize::try_from(share).unwrap());
        tokio::time::sleep(Duration::from_micros(dice.below(20 * DELAY_MAX_MICROS))).await;
        server.kill();
        server.start_again();
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let log = logged(&server.owner()).await;
    assert_eq!(log.len() as u64, events / PROXY_SENDERS * PROXY_SENDERS);
    receiver.wait_within(PROXY_PATIENCE, log.len());
    assert!(receiver.ids() == log, "what came is not the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_program_gets_every_event_in_order_though_the_proxy_is_killed() {
    const EVENTS: u64 = 1_000;
    const KILLS: u64 = 4;
    /// What may be handed on and not acknowledged when the proxy is killed, in its hands and on the way.
    const REPEATED_MAX: usize = 200;
    let mut dice = Dice::new();
    let server = Server::start();
    let person = Person::at(&server);
    let receiver = Receiver::start();
    let command = ["proxy", "--target", &receiver.url];
    let mut proxy = person.listening(&command);
    let senders = insist_all(&server.owner(), EVENTS);
    for kill in 1..=KILLS {
        let share = EVENTS * kill / (KILLS + 1);
        receiver.wait_within(PROXY_PATIENCE, usize::try_from(share).unwrap());
        tokio::time::sleep(Duration::from_micros(dice.below(20 * DELAY_MAX_MICROS))).await;
        proxy.kill();
        proxy = person.listening(&command);
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let log = logged(&server.owner()).await;
    let last = log.last().unwrap().clone();
    crate::support::eventually("the last event came", async || {
        receiver.ids().contains(&last).then_some(())
    })
    .await;
    let came = receiver.ids();
    let mut seen = BTreeSet::new();
    let firsts: Vec<_> = came.iter().filter(|id| seen.insert(*id)).collect();
    assert!(
        firsts.iter().copied().eq(&log),
        "what came first is not the log"
    );
    let repeated = came.len() - log.len();
    let most = usize::try_from(KILLS).unwrap() * REPEATED_MAX;
    assert!(repeated <= most, "{repeated} came twice");
}
