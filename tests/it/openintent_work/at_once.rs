//! Reports that come at the same time: each counts, and each once.

use futures_util::future::join_all;
use serde_json::json;

use super::{
    INTENTS, entries, hundred_tokens, kinds, path, received, report, shown, told_to_its_end,
};
use crate::support::openintent::Node;
use crate::support::party::Party;
use crate::support::postgres::Cluster;
use crate::support::server::Server;

/// How many come at once.
const COUNT: usize = 12;

#[tokio::test]
async fn reports_at_the_same_time_all_count() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let more = json!({"federation_policy": hundred_tokens()});
    let id = received(&node, &party, "dispatch-1", more).await;
    let reports = (0..COUNT).map(|at| {
        let body = json!({"state_delta": {format!("part-{at}"): at}, "usage": {"llm_tokens": 7}});
        report(&node, &id, "progress", body)
    });
    for answer in join_all(reports).await {
        answer.expect(200);
    }
    let stands = shown(&node, &id).await;
    assert_eq!(stands["usage"]["llm_tokens"], 7 * COUNT);
    for at in 0..COUNT {
        assert_eq!(stands["state"][format!("part-{at}")], at);
    }
    let entries = entries(&node, &id).await;
    for (at, entry) in entries.iter().enumerate() {
        assert_eq!(entry["sequence"], at + 1);
        let before = at.checked_sub(1).map(|at| &entries[at]["event_hash"]);
        assert_eq!(
            Some(&entry["previous_event_hash"]),
            before.or(Some(&json!(null)))
        );
    }
    assert_eq!(entries.len(), COUNT);
    report(&node, &id, "complete", json!({})).await.expect(200);
    let told = told_to_its_end(&party, "dispatch-1").await;
    // It begins once, and is warned of once.
    for once in [
        "status_changed",
        "budget_warning",
        "attestation",
        "completed",
    ] {
        let count = kinds(&told).iter().filter(|kind| **kind == once).count();
        assert_eq!(count, 1, "{once}");
    }
}

/// Also at two nodes, which know of each other by the database alone.
#[tokio::test]
async fn reports_at_two_nodes_all_count_and_repeats_once() {
    let first = Server::start_on(&Cluster::shared().database());
    let servers = [first.another_node(), first];
    let nodes = servers.each_ref().map(Server::owner);
    let assignment = json!({"agent_id": "analyst", "assigned_by": "boss"}).to_string();
    let made = nodes[0].post(INTENTS, assignment).await.expect(201);
    let id = made["intent_id"].as_str().unwrap();
    let progress = path(id, "progress");
    let reports = (0..COUNT).map(|at| {
        let part = format!("part-{}", at / 2);
        let body = json!({
            "state_delta": {&part: at}, "usage": {"llm_tokens": 7}, "idempotency_key": part,
        });
        nodes[at % 2].post(&progress, body.to_string())
    });
    let answers = join_all(reports).await.into_iter();
    let repeated = answers.filter(|answer| answer.clone().expect(200)["repeated"] == true);
    assert_eq!(repeated.count(), COUNT / 2);
    let complete = path(id, "complete");
    let ends = nodes.each_ref().map(|node| node.post(&complete, "{}"));
    let mut statuses: Vec<u16> = join_all(ends).await.iter().map(|it| it.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let intent = nodes[1].get(&format!("{INTENTS}/{id}")).await.expect(200);
    assert_eq!(intent["status"], "completed");
    assert_eq!(intent["usage"]["llm_tokens"], 7 * COUNT / 2);
    // All that is told is in the log of both, once and in its order.
    let log = nodes[0].log().await.into_iter();
    let told: Vec<String> = log
        .map(|mut listed| listed["event"]["data"]["payload"]["idempotency_key"].take())
        .filter_map(|key| key.as_str().map(str::to_owned))
        .collect();
    let numbers = told
        .iter()
        .map(|key| key.rsplit('-').next().unwrap().parse().unwrap());
    let numbers: Vec<usize> = numbers.collect();
    assert_eq!(numbers, (1..=COUNT / 2 + 3).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_report_that_comes_many_times_at_once_counts_once() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    let body = json!({"usage": {"llm_tokens": 7}, "idempotency_key": "k"});
    let reports = (0..COUNT).map(|_| report(&node, &id, "progress", body.clone()));
    let answers = join_all(reports).await.into_iter();
    let answers: Vec<_> = answers.map(|answer| answer.expect(200)).collect();
    let first = answers.iter().filter(|answer| answer["repeated"] != true);
    assert_eq!(first.count(), 1);
    assert_eq!(shown(&node, &id).await["usage"]["llm_tokens"], 7);
}

#[tokio::test]
async fn of_two_ends_at_once_one_is_the_end() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    let ends = ["complete", "fail"].map(|verb| report(&node, &id, verb, json!({})));
    let mut statuses: Vec<u16> = join_all(ends).await.iter().map(|it| it.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let told = told_to_its_end(&party, "dispatch-1").await;
    assert_eq!(told.len(), 3);
}
