//! The dispatches of a team, as its keys see them.

use serde_json::{Value, json};

use super::{dispatch_as, id_of, shown};
use crate::support::eventually;
use crate::support::openintent::Node;
use crate::support::party::Party;

async fn listed(node: &Node, query: &str) -> Value {
    let path = format!("/api/openintent/dispatches{query}");
    node.access().get(&path).await.expect(200)
}

fn ids(list: &Value) -> Vec<&str> {
    let list = list["dispatches"].as_array().unwrap().iter();
    list.map(|it| it["dispatch_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn dispatches_are_listed_the_newest_first_page_by_page() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let mut sent = Vec::new();
    for number in 0..5 {
        let agent = if number % 2 == 0 { "planner" } else { "buyer" };
        let order = json!({"intent_id": format!("i-{number}"), "agent_id": "theirs", "target_server": party.url});
        sent.push(id_of(dispatch_as(&node, agent, &order).await));
    }
    let all = listed(&node, "").await;
    assert_eq!(all.get("next"), None);
    let mut expected: Vec<&str> = sent.iter().map(String::as_str).collect();
    let mut found = ids(&all);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    let newest_first: Vec<&str> = all["dispatches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["created_at"].as_str().unwrap())
        .collect();
    assert!(
        newest_first.is_sorted_by(|one, next| one >= next),
        "{newest_first:?}"
    );

    let mut paged = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = listed(&node, &query).await;
        assert!(ids(&page).len() <= 2);
        paged.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page.get("next").and_then(Value::as_str) else {
            break;
        };
        query = format!("?limit=2&before={next}");
    }
    assert_eq!(paged, ids(&all));

    let planners = listed(&node, "?agent=planner").await;
    assert_eq!(ids(&planners).len(), 3);
    eventually("all are delivered", || async {
        let delivered = listed(&node, "?status=delivered").await;
        (ids(&delivered).len() == 5).then_some(())
    })
    .await;
    assert_eq!(ids(&listed(&node, "?status=completed").await).len(), 0);
    let one = shown(&node, &sent[0]).await;
    assert_eq!(one["intent_id"], "i-0");
    assert_eq!(one["agent_id"], "theirs");
    assert_eq!(one["target_server"], party.url);
    assert_eq!(one["state"], json!({}));
    assert_eq!(one["callbacks"], 0);
}

#[tokio::test]
async fn nobody_sees_dispatches_of_others_and_odd_questions_are_refused() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let order = json!({"intent_id": "i", "target_server": party.url});
    let id = id_of(dispatch_as(&node, "planner", &order).await);
    let path = format!("/api/openintent/dispatches/{id}");
    let other = node.server.team("other");
    other.get(&path).await.refused(404, "not_found");
    let theirs = other.get("/api/openintent/dispatches").await.expect(200);
    assert_eq!(theirs, json!({"dispatches": []}));
    let unknown = node.access().get("/api/openintent/dispatches/none").await;
    unknown.refused(404, "not_found");
    for query in ["status=done", "limit=0", "before=yesterday"] {
        let path = format!("/api/openintent/dispatches?{query}");
        node.access().get(&path).await.refused(400, "bad_request");
    }
}
