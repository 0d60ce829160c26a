//! Three servers in a row: the one in the middle does a part, passes the rest on, and is killed when it will.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    BOSS, Diary, Pulse, asked, check, dispatched, insist_on, intents, is_completed, open, order,
    reports, send, told, work,
};
use crate::crash_openintent::Station;
use crate::support::GLANCE;
use crate::support::chance::{Dice, number};
use crate::support::door::Door;
use crate::support::http::Access;
use crate::support::load::Follower;
use crate::support::postgres::Cluster;

const ROUNDS: u64 = 5;

/// Who works in the middle, and at the end.
const MIDDLE: &str = "middle";
const LAST: &str = "last";

/// An agent that does a part of each intent, passes it on, and is done as soon as the rest is.
async fn pass_on(mut way: Follower, to: String, (pulse, done): (Pulse, Diary)) {
    while !pulse.is_over() {
        for intent in open(&mut way, MIDDLE).await {
            let id = intent["intent_id"].as_str().unwrap();
            let dispatch = intent["dispatch_id"].as_str().unwrap();
            let begun = json!({
                "idempotency_key": "begun", "usage": {"llm_tokens": 10}, "state_delta": {"begun": true},
            });
            insist_on(&mut way, id, ("progress", &begun), &pulse).await;
            let rest = json!({"intent_id": id, "target_server": to, "agent_id": LAST});
            let ask = |access: &Access| order(access, MIDDLE, id, &rest);
            let onwards = way.insist(200, ask).await.json["dispatch_id"].clone();
            let onwards = onwards.as_str().unwrap();
            let path = format!("/api/openintent/dispatches/{onwards}");
            let known = loop {
                let ask = |access: &Access| asked(access, Method::GET, &path, &Value::Null);
                let known = way.insist(200, ask).await.json;
                match known["status"].as_str().unwrap() {
                    "completed" => break known,
                    "queued" | "delivered" => sleep(GLANCE / 10).await,
                    other => panic!("{other}: {known:#}"),
                }
            };
            // At once: whatever is counted has been counted by now.
            let end = json!({
                "idempotency_key": "end", "state_delta": {"rest": known["state"]["sum"], "on": onwards},
            });
            insist_on(&mut way, id, ("complete", &end), &pulse).await;
            done.note(dispatch);
        }
        sleep(GLANCE).await;
    }
}

async fn the_middle_is_killed(database: Option<&str>) {
    let mut dice = Dice::new();
    let doors = [
        Door::open(None).await,
        Door::open(None).await,
        Door::open(None).await,
    ];
    let urls = doors.each_ref().map(|door| door.url.clone());
    let [at_a, at_b, at_c] = doors;
    let a = Station::behind(at_a, &[&urls[1]], None).await;
    let mut b = Station::behind(at_b, &[&urls[0], &urls[2]], database).await;
    let c = Station::behind(at_c, &[&urls[1]], None).await;
    let (pulse, last) = (Pulse::new(), Diary::in_dir(c.dir.path()));
    let middle = Diary::in_dir(b.dir.path());
    let more = json!({
        "delegation_scope": {"max_delegation_depth": 2},
        "federation_policy": {"budget": {"max_llm_tokens": 1000}},
    });
    let noted = (pulse.clone(), middle.clone());
    let sender = send(a.nodes.follow(), urls[1].clone(), vec![MIDDLE], more, noted);
    let sender = tokio::spawn(sender);
    let working = Pulse {
        answers: pulse.answers.clone(),
        ..Pulse::new()
    };
    let in_the_middle = pass_on(
        b.nodes.follow(),
        urls[2].clone(),
        (working.clone(), middle.clone()),
    );
    let in_the_middle = tokio::spawn(in_the_middle);
    let at_the_end = work(
        c.nodes.follow(),
        LAST,
        reports,
        (working.clone(), last.clone()),
    );
    let at_the_end = tokio::spawn(at_the_end);
    // From here on each has a peer that stands for the next.
    middle.has(1).await;
    for _ in 0..number("KITE_CRASH_OPENINTENT_WORK", ROUNDS) {
        pulse.some_moment(&mut dice).await;
        b.kill();
        b.forget_claims();
        b.revive();
    }
    pulse.some_moment(&mut dice).await;
    pulse.end();
    let ids = sender.await.unwrap();
    middle.has(ids.len()).await;
    working.end();
    in_the_middle.await.unwrap();
    at_the_end.await.unwrap();
    for station in [&c, &b, &a] {
        station.is_drained().await;
    }
    b.kill_and_revive();

    let of_b = intents(&b).await;
    let onwards = |id: &String| of_b[id]["state"]["on"].as_str().unwrap().to_owned();
    let passed: Vec<String> = ids.iter().map(onwards).collect();
    assert_eq!(last.times().len(), passed.len());
    for times in [last.times(), middle.times()] {
        assert!(times.values().all(|count| *count == 1), "{times:?}");
    }
    for (id, onwards) in ids.iter().zip(&passed) {
        let known = dispatched(&b, onwards).await;
        is_completed(&known, 90);
        // What each did itself, and what was done for it.
        let dispatch = dispatched(&a, id).await;
        is_completed(&dispatch, 100);
        let expected =
            json!({"begun": true, "rest": onwards, "on": onwards, "status": "completed"});
        assert_eq!(dispatch["state"], expected);
    }
    let of_middle = told(&b, MIDDLE).await;
    assert_eq!(of_middle.len(), passed.len(), "{of_middle:#?}");
    for (of, all) in of_middle.iter().chain(&told(&a, BOSS).await) {
        let mut once = all.clone();
        once.dedup();
        assert_eq!(&once, all, "{of} is told of each thing once");
    }
    counts_before_it_is_told(&b, &passed).await;
    check(&a, &b, &ids).await;
    assert_eq!(b.counts().await, [0, ids.len() as u64, ids.len() as u64]);
    eprintln!("{} dispatches were passed on", ids.len());
}

/// Checks that what was used for each of these had been counted when its end was told: whoever hears of that may end its own
/// part at once, and nothing counts after that.
async fn counts_before_it_is_told(b: &Station, passed: &[String]) {
    let log = b.access().log().await;
    let place = |is_it: &dyn Fn(&Value) -> bool| {
        let mut places = log
            .iter()
            .filter(|listed| is_it(&listed["event"]["data"]))
            .map(|listed| listed["seq"].as_u64().unwrap());
        (places.next().unwrap(), places.count())
    };
    let intents = intents(b).await;
    for onwards in passed {
        let of = |intent: &&Value| intent["state"]["on"] == **onwards;
        let id = &intents.values().find(of).unwrap()["intent_id"];
        let counted =
            place(&|data| data["event_type"] == "account" && data["local_intent_id"] == *id);
        let told = place(&|data| {
            let callback = &data["payload"];
            callback["event_type"] == "completed" && callback["dispatch_id"] == **onwards
        });
        assert_eq!((counted.1, told.1), (0, 0), "each is there once");
        assert!(counted.0 < told.0, "{onwards} is told before it counts");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_was_passed_on_counts_once_though_the_middle_is_killed() {
    the_middle_is_killed(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_was_passed_on_counts_once_though_the_middle_on_postgresql_is_killed() {
    the_middle_is_killed(Some(&Cluster::shared().database())).await;
}
