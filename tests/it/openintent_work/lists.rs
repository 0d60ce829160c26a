//! Lists of intents: filtered, page by page, and no larger than a server can hold.

use serde_json::{Value, json};

use super::{INTENTS, received, report};
use crate::support::openintent::Node;
use crate::support::party::Party;

async fn listed(node: &Node, query: &str) -> Value {
    let path = format!("{INTENTS}{query}");
    node.access().get(&path).await.expect(200)
}

fn ids(page: &Value) -> Vec<&str> {
    let intents = page["intents"].as_array().unwrap().iter();
    intents
        .map(|it| it["intent_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn intents_are_listed_page_by_page_the_newest_first() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let mut all = Vec::new();
    for at in 0..5 {
        all.push(received(&node, &party, &format!("dispatch-{at}"), json!({})).await);
    }
    all.reverse();
    let mut pages: Vec<String> = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = listed(&node, &query).await;
        assert!(ids(&page).len() <= 2);
        pages.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=2&before={next}"),
            None => break,
        }
    }
    // Those of one millisecond are in the order of their ids.
    let (mut listed_ids, mut sent) = (pages.clone(), all.clone());
    listed_ids.sort();
    sent.sort();
    assert_eq!(listed_ids, sent, "each is there once");

    report(&node, &all[0], "complete", json!({}))
        .await
        .expect(200);
    let done = listed(&node, "?status=completed").await;
    assert_eq!(ids(&done), [&*all[0]]);
    assert_eq!(ids(&listed(&node, "?status=accepted").await).len(), 4);
    assert_eq!(ids(&listed(&node, "?agent=agent-public").await).len(), 5);
    assert_eq!(ids(&listed(&node, "?agent=somebody").await), [""; 0]);
}

#[tokio::test]
async fn large_intents_make_short_pages_and_none_is_lost() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let large = "x".repeat(900_000);
    for at in 0..6 {
        let more = json!({"intent_state": {"large": large}});
        received(&node, &party, &format!("dispatch-{at}"), more).await;
    }
    let first = listed(&node, "").await;
    let next = first["next"].as_str().expect("there is more");
    let second = listed(&node, &format!("?before={next}")).await;
    assert_eq!(ids(&first).len() + ids(&second).len(), 6);
    assert!(ids(&first).len() < 6);
}
