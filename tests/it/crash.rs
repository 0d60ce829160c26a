//! SIGKILL in the middle of the work, again and again: what was acknowledged is there, once, in order (promises 1, 2, 3
//! and 6).
//!
//! `KITE_CRASH_ROUNDS` sets the number of kills (default 50), `KITE_CRASH_SEED` repeats a run's choices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::http::{Access, Answer};
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};
use crate::support::{PATIENCE, eventually};

const ROUNDS: u64 = 50;
const SENDERS: u32 = 4;

/// A kill comes after this many answers at most, so that it meets young servers and busy ones.
const ANSWERS_MAX: u64 = 60;

/// And this much later at most, so that it meets every stage of a commit.
const DELAY_MAX_MICROS: u64 = 3_000;

fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is `{text}` and should be a number")),
    )
}

/// Repeatable chance (SplitMix64).
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = number_from_environment("KITE_CRASH_SEED")
            .unwrap_or_else(|| u64::from_le_bytes(kite::base::random::bytes()));
        eprintln!("KITE_CRASH_SEED={seed} repeats this run's choices");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Sends messages with bodies that nobody else sends, until the server is gone. Each answered one is reported.
fn sender(
    access: Access,
    name: String,
    answered: mpsc::UnboundedSender<(String, String)>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        for count in 0.. {
            let body = format!("{name}-{count}");
            let message = json!({"from": name, "to": "agent-alpha", "body": body}).to_string();
            match try_send(&access, message, None).await {
                Some(answer) => {
                    let id = answer.expect(201)["id"].as_str().unwrap().to_owned();
                    answered.send((body, id)).ok();
                }
                None => return,
            }
        }
    })
}

/// A send whose answer may never come.
async fn try_send(
    access: &Access,
    message: String,
    idempotency_key: Option<&str>,
) -> Option<Answer> {
    let mut request = access.request(Method::POST, "/api/v1/agents/messages");
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let response = request
        .header("content-type", "application/json")
        .body(message)
        .send()
        .await
        .ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.ok()?;
    let json = serde_json::from_str(&text).ok()?;
    Some(Answer {
        status,
        headers,
        text,
        json,
    })
}

/// What a listener has heard: event ids by seq.
type Heard = Arc<Mutex<BTreeMap<u64, String>>>;

/// Listens with a stable client id and acknowledges what it hears, until the server is gone.
fn listener(access: Access, heard: Heard) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(mut socket) = Socket::try_open(&access.ws_url).await else {
            return;
        };
        let hello = connect_frame(&access, &["*"], "listener").to_string();
        if socket.send_message(hello.into()).await.is_err() {
            return;
        }
        let mut last = None;
        while let Some(frame) = socket.next_event_or_end().await {
            let seq = frame["seq"].as_u64().unwrap();
            if let Some(last) = last {
                assert_eq!(seq, last + 1, "one connection skipped or repeated an event");
            }
            last = Some(seq);
            let id = frame["event"]["id"].as_str().unwrap().to_owned();
            if let Some(before) = heard.lock().unwrap().insert(seq, id.clone()) {
                assert_eq!(before, id, "two events had the number {seq}");
            }
            let ack = json!({"type": "ack", "seq": seq}).to_string();
            // The next read notices that the server is gone.
            socket.send_message(ack.into()).await.ok();
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill_once_and_in_order() {
    let rounds = number_from_environment("KITE_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let mut dice = Dice::new();
    let mut server = Server::start();
    let (report, mut answered) = mpsc::unbounded_channel();
    let heard = Heard::default();
    let mut acknowledged = BTreeMap::new();
    // A new client starts at the tail: the listener is to be known before the first message.
    Socket::connect(&server.owner(), &["*"], "listener")
        .await
        .0
        .cut();

    for round in 0..rounds {
        let access = server.owner();
        let listening = listener(access.clone(), Arc::clone(&heard));
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| sender(access.clone(), format!("r{round}s{number}"), report.clone()))
            .collect();
        for _ in 0..=dice.below(ANSWERS_MAX) {
            let answer = tokio::time::timeout(PATIENCE, answered.recv()).await;
            let (body, id) = answer
                .unwrap_or_else(|_| panic!("no answers; {}", server.said()))
                .unwrap();
            acknowledged.insert(body, id);
        }
        tokio::time::sleep(Duration::from_micros(dice.below(DELAY_MAX_MICROS))).await;
        server.kill();
        for task in senders.into_iter().chain([listening]) {
            task.await.unwrap();
        }
        while let Ok((body, id)) = answered.try_recv() {
            acknowledged.insert(body, id);
        }
        server.start_elsewhere();
    }

    let access = server.owner();
    let log = access.log().await;
    check_the_log(&log, &acknowledged).unwrap();
    let _listening = listener(access, Arc::clone(&heard));
    eventually("the listener has heard the whole log", || async {
        (heard.lock().unwrap().len() == log.len()).then_some(())
    })
    .await;
    let ids: Vec<_> = log
        .iter()
        .map(|listed| listed["event"]["id"].as_str().unwrap())
        .collect();
    let heard = heard.lock().unwrap();
    assert_eq!(
        heard.values().collect::<Vec<_>>(),
        ids,
        "the listener heard each event"
    );
    eprintln!(
        "{rounds} kills: {} acknowledged, {} in the log",
        acknowledged.len(),
        log.len()
    );
}

/// Whether nothing acknowledged is missing, nothing stands twice, and the numbers are dense.
fn check_the_log(log: &[Value], acknowledged: &BTreeMap<String, String>) -> Result<(), String> {
    let body = |listed: &Value| listed["event"]["data"]["body"].as_str().unwrap().to_owned();
    let id = |listed: &Value| listed["event"]["id"].as_str().unwrap().to_owned();
    let stored: BTreeMap<_, _> = log
        .iter()
        .map(|listed| (body(listed), id(listed)))
        .collect();
    if stored.len() != log.len() {
        return Err("a message stands twice in the log".to_owned());
    }
    let is_lost = |(body, id): &(&String, &String)| stored.get(*body) != Some(*id);
    let lost: Vec<_> = acknowledged.iter().filter(is_lost).collect();
    if !lost.is_empty() {
        return Err(format!("acknowledged and lost: {lost:?}"));
    }
    let seqs = log.iter().map(|listed| listed["seq"].as_u64().unwrap());
    if !seqs.eq(1..=log.len() as u64) {
        return Err("the numbers are not dense".to_owned());
    }
    Ok(())
}

#[test]
fn the_accounting_finds_losses_repetitions_and_holes() {
    let listed =
        |seq: u64, body: &str| json!({"seq": seq, "event": {"id": body, "data": {"body": body}}});
    let acknowledged = BTreeMap::from([("a".to_owned(), "a".to_owned())]);
    let check = |log: &[Value]| check_the_log(log, &acknowledged);
    assert!(check(&[listed(1, "a"), listed(2, "b")]).is_ok());
    assert!(check(&[listed(1, "b")]).unwrap_err().contains("lost"));
    assert!(
        check(&[listed(1, "a"), listed(2, "a")])
            .unwrap_err()
            .contains("twice")
    );
    assert!(
        check(&[listed(1, "a"), listed(3, "b")])
            .unwrap_err()
            .contains("dense")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_a_kill_stores_nothing_twice() {
    const KILLS: u32 = 5;
    const MESSAGES: u32 = 8;
    let mut dice = Dice::new();
    let mut server = Server::start();
    for kill in 0..KILLS {
        let access = server.owner();
        let name = |number: u32| format!("k{kill}m{number}");
        let message = |name: &str| json!({"from": "a", "to": "b", "body": name}).to_string();
        let first: Vec<_> = (0..MESSAGES)
            .map(|number| {
                let (access, name) = (access.clone(), name(number));
                let message = message(&name);
                tokio::spawn(async move { try_send(&access, message, Some(&name)).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(dice.below(2 * DELAY_MAX_MICROS))).await;
        server.kill();
        let mut answers = Vec::new();
        for task in first {
            answers.push(task.await.unwrap());
        }
        server.start_elsewhere();

        let access = server.owner();
        for (number, first) in (0..MESSAGES).zip(answers) {
            let name = name(number);
            let retry = try_send(&access, message(&name), Some(&name))
                .await
                .expect("it runs")
                .expect(201);
            if let Some(first) = first {
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
    assert_eq!(log.len() as u32, KILLS * MESSAGES);
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
