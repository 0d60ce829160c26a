//! Work that is not passed on.

use serde_json::{Value, json};

use super::{Row, WORKER, arrived, dispatch_as, give, id_of, local_id};
use crate::support::eventually;
use crate::support::openintent::Node;
use crate::support::party::{Party, stamp};

/// A server that works for one party and could pass that on to another.
struct Middle {
    from: Party,
    node: Node,
    to: Party,
}

impl Middle {
    fn start() -> Self {
        let [from, to] = [Party::start(), Party::start()];
        let node = Node::trusting(&[&from.url, &to.url]);
        Self { from, node, to }
    }

    /// What is answered where an intent that came in with this is passed on.
    async fn passes(&self, title: &str, given: &Value, more: &Value) -> (u16, String) {
        let id = give(&self.from, &self.node, title, given).await;
        let mut order = json!({"intent_id": id, "target_server": self.to.url});
        for (name, value) in more.as_object().unwrap() {
            order[name] = value.clone();
        }
        let answer = dispatch_as(&self.node, WORKER, &order).await;
        let detail = &answer.json["detail"];
        let words = detail.as_str().map(str::to_owned);
        (answer.status, words.unwrap_or_else(|| detail.to_string()))
    }
}

#[tokio::test]
async fn work_stays_where_its_terms_say_so() {
    let middle = Middle::start();
    let scope = |member: &str, value: Value| json!({"delegation_scope": {member: value}});
    let policy = |section: &str, member: &str, value: Value| json!({"federation_policy": {section: {member: value}}});
    let token = |depth: u32, more: Value| {
        let scope = json!({"permissions": ["state.patch"], "denied_operations": [], "max_delegation_depth": depth});
        (scope, more)
    };
    let nothing = json!({});
    let cases = [
        (
            "depth",
            scope("max_delegation_depth", 0.into()),
            nothing.clone(),
            400,
            "depth of 0",
        ),
        (
            "denied",
            scope("denied_operations", json!(["intent.delegate"])),
            nothing.clone(),
            403,
            "intent.delegate",
        ),
        (
            "governed",
            policy("governance", "max_delegation_depth", 0.into()),
            nothing.clone(),
            400,
            "depth of 0",
        ),
        (
            "unreadable",
            nothing.clone(),
            json!({"delegation_scope": {"expires_at": "soon"}, "issue_token": true}),
            422,
            "expires_at",
        ),
    ];
    for (title, given, more, status, words) in cases {
        let (answered, said) = middle.passes(title, &given, &more).await;
        assert_eq!(answered, status, "{title}: {said}");
        assert!(said.contains(words), "{title}: {said}");
    }
    let (wide, more) = token(0, json!({}));
    let audience = middle.node.did().await;
    let last = middle.from.token(&audience, &wide, "", &more);
    let (status, said) = middle
        .passes("token", &json!({"ucan": last}), &nothing)
        .await;
    assert_eq!(status, 400, "{said}");
    assert!(middle.to.posted(super::RECEIVE).is_empty());
    let (status, said) = middle.passes("free", &nothing, &nothing).await;
    assert_eq!(status, 200, "{said}");
}

#[tokio::test]
async fn work_whose_time_is_over_is_not_passed_on() {
    let middle = Middle::start();
    let end = stamp(2);
    let given = json!({"delegation_scope": {"expires_at": end}});
    let id = give(&middle.from, &middle.node, "short", &given).await;
    let order = json!({"intent_id": id, "target_server": middle.to.url});
    eventually("the scope has expired", || async {
        let answer = dispatch_as(&middle.node, WORKER, &order).await;
        (answer.status == 403).then_some(answer)
    })
    .await;
}

#[tokio::test]
async fn a_dispatch_that_was_taken_is_the_same_one_again_whatever_has_become_of_its_intent() {
    let middle = Middle::start();
    let given = json!({"delegation_scope": {"expires_at": stamp(2)}});
    let id = give(&middle.from, &middle.node, "short", &given).await;
    let mut order =
        json!({"intent_id": id, "target_server": middle.to.url, "idempotency_key": "once"});
    let first = id_of(dispatch_as(&middle.node, WORKER, &order).await);
    order["idempotency_key"] = Value::Null;
    eventually("the scope has expired", || async {
        let answer = dispatch_as(&middle.node, WORKER, &order).await;
        (answer.status == 403).then_some(())
    })
    .await;
    order["idempotency_key"] = "once".into();
    let again = id_of(dispatch_as(&middle.node, WORKER, &order).await);
    assert_eq!(first, again);
}

#[tokio::test]
async fn a_row_ends_where_its_depth_does() {
    let row = Row::start();
    let [a, b, c] = &row.nodes;
    let scope = json!({"delegation_scope": {"max_delegation_depth": 1}});
    let at_a = row.give("short", &scope).await;
    let to_b = json!({"intent_id": at_a, "target_server": b.url, "agent_id": WORKER});
    id_of(dispatch_as(a, WORKER, &to_b).await);
    let at_b = local_id(&arrived(b, "short").await);
    for more in [
        json!({}),
        json!({"delegation_scope": {"max_delegation_depth": 5}}),
    ] {
        let mut to_c = json!({"intent_id": at_b, "target_server": c.url, "agent_id": WORKER});
        for (name, value) in more.as_object().unwrap() {
            to_c[name] = value.clone();
        }
        let refused = dispatch_as(b, WORKER, &to_c).await.expect(400);
        assert!(
            refused["detail"].as_str().unwrap().contains("depth"),
            "{refused}"
        );
    }
    c.has_nothing().await;
}
