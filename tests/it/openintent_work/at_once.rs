//! Reports that come at the same time: each counts, and each once.

use futures_util::future::join_all;
use serde_json::json;

use super::{entries, hundred_tokens, kinds, received, report, shown, told_to_its_end};
use crate::support::openintent::Node;
use crate::support::party::Party;

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
    statuses.sort();
    assert_eq!(statuses, [200, 409]);
    let told = told_to_its_end(&party, "dispatch-1").await;
    assert_eq!(told.len(), 3);
}
