//! Reports at two nodes of one database, through whatever happens to the nodes and to the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kite::store::openintent::ExchangeState;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Pulse, asked, check_attestation, entries, insist_on, public_key, report};
use crate::crash_openintent::{Station, local_id};
use crate::support::door::Door;
use crate::support::eventually;
use crate::support::http::{Access, answer};
use crate::support::load::{Follower, Nodes};
use crate::support::partner::{Partner, is_signed_by};
use crate::support::postgres::Cluster;
use crate::support::server::Server;

/// How many reports of progress there are.
const COUNT: u32 = 30;

/// Something happens after each so many of them.
const EVERY: u32 = 10;

const AGENT: &str = "analyst";

/// Has a partner give a server an intent, of which it wants to hear; its id there.
async fn given(station: &Station, partner: &Partner, id: &str, more: &Value) -> String {
    let mut envelope = partner.envelope(&station.door.url, id);
    envelope["agent_id"] = AGENT.into();
    envelope["callback_url"] = format!("{}/told", partner.url).into();
    let has = envelope.as_object_mut().unwrap();
    has.extend(more.as_object().unwrap().clone());
    local_id(partner.send(&station.access(), &envelope, 1).await)
}

/// Report number so-and-so.
fn part(number: u32) -> Value {
    json!({
        "state_delta": {format!("part-{number}"): number}, "usage": {"tool_calls": 1}, "agent_id": AGENT,
        "idempotency_key": format!("part-{number}"),
    })
}

/// Makes every second report, and then all of the others' once more.
async fn report_all(mut way: Follower, id: String, first: u32, made: Arc<AtomicU32>) {
    let numbers = |from: u32| (from..=COUNT).step_by(2);
    for number in numbers(first) {
        insist_on(&mut way, &id, ("progress", &part(number)), &Pulse::new()).await;
        made.fetch_add(1, Ordering::Relaxed);
    }
    while made.load(Ordering::Relaxed) < COUNT {
        tokio::time::sleep(crate::support::GLANCE).await;
    }
    for number in numbers(3 - first) {
        let ask = |access: &Access| report(access, &id, "progress", &part(number));
        assert_eq!(way.insist(200, ask).await.json["repeated"], true);
    }
}

/// What a partner was told, by number; each says the same however often it came. The acceptance has the number 0.
fn heard(partner: &Partner, public: &[u8; 32]) -> BTreeMap<u32, Value> {
    let mut heard: BTreeMap<u32, Value> = BTreeMap::new();
    for came in partner.came() {
        let mut body = came.body;
        assert!(is_signed_by(&body, public), "{body:#}");
        let key = body["idempotency_key"].as_str().unwrap();
        let number = match key.starts_with("accept-") {
            true => 0,
            false => key.rsplit('-').next().unwrap().parse().unwrap(),
        };
        // Each attempt is stamped and signed anew.
        for of_the_attempt in ["timestamp", "signature"] {
            body.as_object_mut().unwrap().remove(of_the_attempt);
        }
        let before = heard.entry(number).or_insert_with(|| body.clone());
        assert_eq!(*before, body, "number {number} says one thing");
    }
    heard
}

/// Reports at two nodes, or twice at one, while something happens to them now and then; all count once, and are told.
async fn all_count(
    mut station: Station,
    other: Option<Server>,
    mut happens: impl FnMut(&mut Station),
) {
    let partner = Partner::start(1);
    let servers = "/api/openintent/trust/servers";
    let trusted = json!({"url": partner.url});
    station.access().put(servers, &trusted).await.expect(200);
    let elsewhere = other.as_ref().map(|other| Nodes::new(&[other]));
    let second = elsewhere.as_ref().unwrap_or(&station.nodes).follow();
    let more = json!({"federation_policy": {"budget": {"max_tool_calls": COUNT}}});
    let id = given(&station, &partner, "d-1", &more).await;
    let made = Arc::new(AtomicU32::new(0));
    let ways = [(station.nodes.follow(), 1), (second, 2)];
    let reporters =
        ways.map(|(way, first)| tokio::spawn(report_all(way, id.clone(), first, made.clone())));
    for time in 1..COUNT / EVERY {
        eventually("it is time for something", async || {
            (made.load(Ordering::Relaxed) >= time * EVERY).then_some(())
        })
        .await;
        happens(&mut station);
    }
    for reporter in reporters {
        reporter.await.unwrap();
    }
    let complete = json!({"idempotency_key": "end", "state_delta": {"done": true}});
    let way = &mut station.nodes.follow();
    insist_on(way, &id, ("complete", &complete), &Pulse::new()).await;
    station.is_drained().await;

    let parts = (1..=COUNT).map(|number| (format!("part-{number}"), json!(number)));
    let mut state: Map<String, Value> = parts.chain([("done".to_owned(), json!(true))]).collect();
    let path = format!("/api/openintent/intents/{id}");
    let reader = other
        .as_ref()
        .map_or_else(|| station.access(), Server::owner);
    let shown = answer(asked(&reader, Method::GET, &path, &Value::Null));
    let shown = shown.await.expect(200);
    let mut with_theirs = state.clone();
    with_theirs.insert("n".to_owned(), json!(1));
    assert_eq!(shown["state"], Value::Object(with_theirs));
    assert_eq!(shown["usage"]["tool_calls"], COUNT);
    let public = public_key(&station).await;
    let heard = heard(&partner, &public);
    // Begun, each part, a warning, the end and what is attested of it.
    let last = COUNT + 4;
    assert!(heard.keys().copied().eq(0..=last), "{:?}", heard.keys());
    let kinds = |kind: &str| heard.values().filter(|it| it["event_type"] == kind).count();
    assert_eq!(kinds("state_delta"), 1 + COUNT as usize);
    for once in [
        "status_changed",
        "budget_warning",
        "attestation",
        "completed",
    ] {
        assert_eq!(kinds(once), 1, "{once}");
    }
    state.insert("status".to_owned(), json!("completed"));
    assert_eq!(heard[&last]["state_delta"], Value::Object(state));
    let entries = &entries(&station).await[&id];
    assert_eq!(entries.len(), COUNT as usize + 1);
    let attestation = &heard[&last]["attestation"];
    assert_eq!(attestation["usage"], shown["usage"]);
    check_attestation(attestation, &public, entries);
}

fn killed(station: &mut Station) {
    station.kill();
    station.forget_claims();
    station.revive();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_at_the_same_time_count_once_though_their_server_is_killed() {
    let station = Station::behind(Door::open(None).await, &[], None).await;
    all_count(station, None, killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_at_two_nodes_count_once_though_one_is_killed() {
    let database = Cluster::shared().database();
    let station = Station::behind(Door::open(None).await, &[], Some(&database)).await;
    let other = station.server.another_node();
    all_count(station, Some(other), killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_at_two_nodes_count_once_though_their_database_crashes() {
    let mut cluster = Cluster::start();
    let database = cluster.database();
    let station = Station::behind(Door::open(None).await, &[], Some(&database)).await;
    let other = station.server.another_node();
    let crashed = |_: &mut Station| {
        cluster.kill();
        cluster.start_again();
    };
    all_count(station, Some(other), crashed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_while_the_database_is_away_is_not_half_made() {
    let mut cluster = Cluster::start();
    let database = cluster.database();
    let partner = Partner::start(1);
    let door = Door::open(None).await;
    let station = Station::behind(door, &[&partner.url], Some(&database)).await;
    let id = given(&station, &partner, "d-1", &json!({})).await;
    let to = station.access();
    answer(report(&to, &id, "progress", &part(1)))
        .await
        .expect(200);
    cluster.stop();
    for verb in ["progress", "complete"] {
        let away = answer(report(&to, &id, verb, &part(2))).await;
        away.refused(503, "unavailable");
    }
    cluster.start_again();
    let made = eventually("the database is back", async || {
        let made = answer(report(&to, &id, "progress", &part(2))).await;
        assert!([200, 503].contains(&made.status), "{made:?}");
        (made.status == 200).then_some(made.json)
    })
    .await;
    let again = answer(report(&to, &id, "progress", &part(2)))
        .await
        .expect(200);
    assert_eq!(again["repeated"], true);
    for shown in [made, again] {
        assert_eq!(shown["status"], "running");
        assert_eq!(shown["usage"]["tool_calls"], 2);
        assert_eq!(shown["state"], json!({"n": 1, "part-1": 1, "part-2": 2}));
    }
    let kept = station.received(&id).await.unwrap();
    assert_eq!(kept.state, ExchangeState::Running);
    station.is_drained().await;
    let public = public_key(&station).await;
    assert!(heard(&partner, &public).keys().copied().eq(0..=3));
}
