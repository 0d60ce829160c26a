//! Work on intents through kills: each dispatch is worked on once and ends with the whole of what was done, what was used
//! counts once, and whoever dispatched it is told each thing once (promises 1 and 6; spec openintent 13.7 and 14).

mod kills;
mod nodes;
mod restore;
mod row;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kite::openintent::did::public_of_base64;
use kite::openintent::work::log::merkle_root;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{STALL_MAX, Station, with_key};
use crate::support::GLANCE;
use crate::support::chance::Dice;
use crate::support::http::{Access, answer, escaped};
use crate::support::load::Follower;
use crate::support::partner::is_signed_by;

/// The agent that dispatches, and is told what becomes of it.
const BOSS: &str = "boss";

/// A kill comes after this many answers at most.
const ANSWERS_MAX: u64 = 10;

/// And this much later at most, so that it meets every stage of the work.
const DELAY_MAX_MICROS: u64 = 20_000;

/// How many dispatches may be worked on at once, for each agent.
const OPEN_MAX: usize = 2;

/// A request of an agent.
fn asked(to: &Access, method: Method, path: &str, body: &Value) -> RequestBuilder {
    let request = to.request(method, path);
    request
        .header("content-type", "application/json")
        .body(body.to_string())
}

/// A dispatch in the name of an agent, with more to say.
fn order(from: &Access, by: &str, key: &str, more: &Value) -> RequestBuilder {
    let mut order = json!({"idempotency_key": key, "intent_title": key});
    let order_has = order.as_object_mut().unwrap();
    order_has.extend(more.as_object().unwrap().clone());
    with_key(from, Method::POST, "/api/v1/federation/dispatch")
        .header("X-Agent-ID", by)
        .header("content-type", "application/json")
        .body(order.to_string())
}

/// A report on an intent.
fn report(to: &Access, intent: &str, verb: &str, body: &Value) -> RequestBuilder {
    let path = format!("/api/openintent/intents/{}/{verb}", escaped(intent));
    asked(to, Method::POST, &path, body)
}

/// What an agent reports of a dispatch, in order.
type Reports = fn(&str) -> Vec<(&'static str, Value)>;

/// What is reported of work that is done; the script of the kills says the same.
fn reports(dispatch: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("accept", json!({})),
        (
            "progress",
            json!({"state_delta": {"step": 1, "by": dispatch, "draft": true}, "usage": {"llm_tokens": 50}}),
        ),
        (
            "progress",
            json!({"state_delta": {"step": 2, "draft": null}, "usage": {"llm_tokens": 35}}),
        ),
        (
            "complete",
            json!({"state_delta": {"sum": dispatch}, "usage": {"llm_tokens": 5, "cost_usd": 0.25}}),
        ),
    ]
}

/// The kinds of the callbacks that come of these where a hundred tokens are the limit; the acceptance is before them.
const KINDS: [&str; 6] = [
    "status_changed",
    "state_delta",
    "state_delta",
    "budget_warning",
    "attestation",
    "completed",
];

/// What everybody who works tells whoever kills: how many answers there were, and when it is over.
#[derive(Clone)]
struct Pulse {
    answers: Arc<AtomicUsize>,
    over: watch::Sender<bool>,
}

impl Pulse {
    fn new() -> Self {
        Self {
            answers: Arc::default(),
            over: watch::Sender::new(false),
        }
    }

    fn beat(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    fn end(&self) {
        self.over.send_replace(true);
    }

    /// Some moment while there is work.
    async fn some_moment(&self, dice: &mut Dice) {
        let (before, began) = (self.answers.load(Ordering::Relaxed), Instant::now());
        let more = 1 + usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
        while self.answers.load(Ordering::Relaxed) < before + more {
            assert!(began.elapsed() < STALL_MAX, "nothing is answered");
            sleep(Duration::from_micros(200)).await;
        }
        sleep(Duration::from_micros(dice.below(DELAY_MAX_MICROS))).await;
    }
}

/// A file in which each agent writes down what it has done.
#[derive(Clone)]
struct Diary(PathBuf);

impl Diary {
    fn in_dir(dir: &Path) -> Self {
        Self(dir.join("done"))
    }

    fn note(&self, dispatch: &str) {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.0);
        let mut file = file.unwrap();
        writeln!(file, "{dispatch}").unwrap();
    }

    /// How often each dispatch was done.
    fn times(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for line in fs::read_to_string(&self.0).unwrap_or_default().lines() {
            *times.entry(line.to_owned()).or_default() += 1;
        }
        times
    }

    /// Waits until so many were done, as long as there is progress.
    async fn has(&self, count: usize) {
        let (mut last, mut changed_at) = (0, Instant::now());
        loop {
            let now = self.times().len();
            if now >= count {
                return;
            }
            if now != last {
                (last, changed_at) = (now, Instant::now());
            }
            assert!(
                changed_at.elapsed() < STALL_MAX,
                "{now} of {count} were done"
            );
            sleep(GLANCE).await;
        }
    }
}

/// Dispatches to agents in turn until it is over, a few at a time; the ids. Each is asked for twice.
async fn send(
    mut way: Follower,
    to: String,
    agents: Vec<&'static str>,
    more: Value,
    (pulse, done): (Pulse, Diary),
) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    while !pulse.is_over() {
        if ids.len() >= done.times().len() + OPEN_MAX * agents.len() {
            sleep(GLANCE).await;
            continue;
        }
        let key = format!("key-{}", ids.len());
        let mut order_of_it = more.clone();
        order_of_it["target_server"] = to.clone().into();
        order_of_it["agent_id"] = agents[ids.len() % agents.len()].into();
        order_of_it["intent_id"] = key.clone().into();
        let ask = |access: &Access| order(access, BOSS, &key, &order_of_it);
        let first = way.insist(200, ask).await.json["dispatch_id"].clone();
        pulse.beat();
        let again = way.insist(200, ask).await.json["dispatch_id"].clone();
        assert_eq!(first, again, "a repeat is the same dispatch");
        ids.push(first.as_str().unwrap().to_owned());
    }
    ids
}

/// The intents of an agent that are open, those that it works on first.
async fn open(way: &mut Follower, agent: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for status in ["running", "accepted"] {
        let path = format!("/api/openintent/intents?status={status}&agent={agent}&limit=20");
        let ask = |access: &Access| access.request(Method::GET, &path);
        let mut page = way.insist(200, ask).await.json;
        all.append(page["intents"].as_array_mut().unwrap());
    }
    all
}

/// Makes a report until it is answered, and then once more, which changes nothing.
async fn insist_on(way: &mut Follower, intent: &str, (verb, body): (&str, &Value), pulse: &Pulse) {
    let ask = |access: &Access| report(access, intent, verb, body);
    way.insist(200, ask).await;
    pulse.beat();
    let again = way.insist(200, ask).await.json;
    assert_eq!(again["repeated"], true, "{verb} {again}");
}

/// An agent that works on whatever is open, until it is over.
async fn work(
    mut way: Follower,
    agent: &'static str,
    reports: Reports,
    (pulse, done): (Pulse, Diary),
) {
    while !pulse.is_over() {
        for intent in open(&mut way, agent).await {
            let id = intent["intent_id"].as_str().unwrap();
            let dispatch = intent["dispatch_id"].as_str().unwrap();
            for (step, (verb, mut body)) in reports(dispatch).into_iter().enumerate() {
                body["agent_id"] = agent.into();
                body["idempotency_key"] = format!("step-{step}").into();
                insist_on(&mut way, id, (verb, &body), &pulse).await;
            }
            done.note(dispatch);
        }
        sleep(GLANCE).await;
    }
}

/// A dispatch as its server shows it.
async fn dispatched(at: &Station, id: &str) -> Value {
    let path = format!("/api/openintent/dispatches/{id}");
    at.access().get(&path).await.expect(200)
}

/// All intents of a server by the dispatches that brought them.
async fn intents(at: &Station) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let mut query = "?limit=100".to_owned();
    loop {
        let path = format!("/api/openintent/intents{query}");
        let page = at.access().get(&path).await.expect(200);
        for intent in page["intents"].as_array().unwrap() {
            let dispatch = intent["dispatch_id"].as_str().unwrap().to_owned();
            let twin = all.insert(dispatch, intent.clone());
            assert_eq!(twin, None, "a dispatch is one intent");
        }
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=100&before={next}"),
            None => return all,
        }
    }
}

/// What an agent was told of its dispatches: by dispatch, the key and the kind of each callback in order of their keys.
async fn told(at: &Station, agent: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut told: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for event in at.log_of("com.kite.agent.message").await {
        let data = &event["data"];
        if data["to"] != agent || data["message_type"] != "openintent.callback" {
            continue;
        }
        let text = |name: &str| data["payload"][name].as_str().unwrap().to_owned();
        let one = (text("idempotency_key"), text("event_type"));
        told.entry(text("dispatch_id")).or_default().push(one);
    }
    told.values_mut().for_each(|all| all.sort());
    told
}

/// What there is to tell of a dispatch, in the same order: each once.
fn all_of(dispatch: &str, kinds: &[&str]) -> Vec<(String, String)> {
    let numbered = (1..).zip(kinds);
    let numbered = numbered.map(|(n, kind)| (format!("{kind}-{dispatch}-{n}"), (*kind).to_owned()));
    let accepted = (format!("accept-{dispatch}"), "state_delta".to_owned());
    let mut all: Vec<_> = numbered.chain([accepted]).collect();
    all.sort();
    all
}

/// The entries of the logs of intents, by what these are called there, in order.
async fn entries(at: &Station) -> BTreeMap<String, Vec<Value>> {
    let mut entries: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for mut event in at.log_of("com.openintent.intent.reported").await {
        let entry = event["data"].take();
        let id = entry["local_intent_id"].as_str().unwrap().to_owned();
        entries.entry(id).or_default().push(entry);
    }
    entries
}

/// Checks that an attestation is signed by the server that did the work, over what its log has.
fn check_attestation(attestation: &Value, public: &[u8; 32], entries: &[Value]) {
    assert!(is_signed_by(attestation, public), "{attestation:#}");
    let mut hashes: Vec<String> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(entry["sequence"], at + 1, "{entries:#?}");
        let before = hashes.last().map(|hash| json!(hash));
        assert_eq!(entry["previous_event_hash"], before.unwrap_or_default());
        hashes.push(entry["event_hash"].as_str().unwrap().to_owned());
    }
    assert_eq!(attestation["merkle_root"], json!(merkle_root(&hashes)));
}

/// The key that a server signs with.
async fn public_key(at: &Station) -> [u8; 32] {
    let access = at.access();
    let request = access.bare(Method::GET, "/.well-known/openintent-federation.json");
    let manifest = answer(request).await.expect(200);
    public_of_base64(manifest["public_key"].as_str().unwrap()).unwrap()
}

/// Checks that a dispatch is completed, and what was used for it beside time.
fn is_completed(dispatch: &Value, llm_tokens: u32) {
    assert_eq!(dispatch["status"], "completed", "{dispatch:#}");
    let mut usage = dispatch["usage"].clone();
    usage.as_object_mut().unwrap().remove("duration_seconds");
    let expected = json!({"llm_tokens": llm_tokens, "cost_usd": 0.25});
    assert_eq!(usage, expected, "{dispatch:#}");
}

/// Checks that nothing is on its way from a server, and nothing was given up.
async fn has_nothing_left(at: &Station) {
    assert_eq!(at.waits().await, json!([]));
    let letters = at.access().get("/api/federation/dead-letters").await;
    assert_eq!(letters.expect(200), json!([]));
}

/// Checks that these dispatches, and no others, came to the second server, and that both know the same of each.
async fn check(from: &Station, to: &Station, ids: &[String]) {
    let public = public_key(to).await;
    let (told, intents, entries) = (told(from, BOSS).await, intents(to).await, entries(to).await);
    let mut sorted = ids.to_vec();
    sorted.sort();
    assert!(intents.keys().eq(&sorted), "{intents:#?}");
    assert!(told.keys().eq(&sorted), "{told:#?}");
    for id in ids {
        let (dispatch, intent) = (dispatched(from, id).await, &intents[id]);
        assert_eq!(dispatch["status"], intent["status"], "{dispatch:#}");
        assert_eq!(dispatch["remote_intent_id"], intent["intent_id"]);
        let mut state = intent["state"].clone();
        state["status"] = intent["status"].clone();
        if intent["status"] == "failed" {
            state["error"] = intent["message"].clone();
        }
        assert_eq!(dispatch["state"], state, "{dispatch:#}\n{intent:#}");
        assert_eq!(dispatch["usage"], intent["usage"]);
        let entries = &entries[intent["intent_id"].as_str().unwrap()];
        check_attestation(&dispatch["attestation"], &public, entries);
        assert_eq!(dispatch["attestation"]["dispatch_id"], **id);
        assert_eq!(dispatch["attestation"]["usage"], dispatch["usage"]);
        assert_eq!(dispatch["callbacks"], told[id].len(), "{dispatch:#}");
    }
    has_nothing_left(from).await;
    has_nothing_left(to).await;
    let counts = (from.counts().await, to.counts().await);
    assert_eq!(counts.0[..2], [0, ids.len() as u64]);
    assert_eq!(counts.1[2], ids.len() as u64);
}
