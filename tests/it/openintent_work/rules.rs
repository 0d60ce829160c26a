//! What is refused, and in which words: bad input, others' teams, what the state, the scope or the policy does not allow.

use kite::openintent::json::Json;
use reqwest::Method;
use serde_json::{Value, json};

use super::{INTENTS, entries, path, received, report, shown};
use crate::support::http::answer;
use crate::support::openintent::Node;
use crate::support::party::Party;

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    let access = node.access();
    let progress = path(&id, "progress");
    for body in [
        "{",
        "[]",
        "7",
        r#"{"state_delta": []}"#,
        r#"{"usage": {"llm_tokens": -1}}"#,
        r#"{"usage": {"llm_tokens": "many"}}"#,
        r#"{"usage": {"llm_tokens": 1e999}}"#,
        r#"{"message": 7}"#,
        r#"{"approve": "yes"}"#,
        r#"{"agent_id": {}}"#,
    ] {
        access
            .post(&progress, body)
            .await
            .refused(400, "bad_request");
    }
    access
        .post(&path(&id, "finish"), "{}")
        .await
        .refused(404, "not_found");
    access
        .post(&path("no-such", "accept"), "{}")
        .await
        .refused(404, "not_found");
    access
        .get(&format!("{INTENTS}/no-such"))
        .await
        .refused(404, "not_found");
    for query in ["status=done", "limit=0", "limit=x", "before=!", "before="] {
        let path = format!("{INTENTS}?{query}");
        access.get(&path).await.refused(400, "bad_request");
    }
    let reader = node.server.key(&access.team, "read");
    reader.post(&progress, "{}").await.refused(403, "forbidden");
    reader.get(&format!("{INTENTS}/{id}")).await.expect(200);
    access
        .with_key("kite_wrong")
        .get(INTENTS)
        .await
        .refused(401, "unauthorized");
    assert_eq!(shown(&node, &id).await["status"], "accepted");
    assert_eq!(entries(&node, &id).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_intent_grows_to_its_limit_and_can_still_be_ended() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let more = json!({"intent_state": {"large": "x".repeat(700_000)}});
    let id = received(&node, &party, "dispatch-1", more).await;
    let delta = json!({"state_delta": {"more": "x".repeat(150_000)}});
    let refused = report(&node, &id, "progress", delta).await;
    refused.refused(413, "too_large");
    report(&node, &id, "complete", json!({})).await.expect(200);
}

#[tokio::test]
async fn teams_are_walls() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    let other = node.server.fresh_team("other");
    other
        .get(&format!("{INTENTS}/{id}"))
        .await
        .refused(404, "not_found");
    for verb in ["accept", "progress", "complete", "fail"] {
        let answer = other.post(&path(&id, verb), "{}").await;
        answer.refused(404, "not_found");
    }
    assert_eq!(other.get(INTENTS).await.expect(200), json!({"intents": []}));
    assert_eq!(shown(&node, &id).await["status"], "accepted");
}

/// A key sees an intent as it sees the message that it is.
#[tokio::test]
async fn a_key_with_narrow_scopes_sees_what_they_match() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    let team = node.access().team;
    let key = |scope: &str| {
        let more = ["--permissions", "read,write", "--scopes", scope];
        node.server.key_with(&team, &more).1
    };
    let (its, others) = (key("agent_to:agent-public"), key("agent_to:somebody"));
    others
        .get(&format!("{INTENTS}/{id}"))
        .await
        .refused(404, "not_found");
    others
        .post(&path(&id, "accept"), "{}")
        .await
        .refused(404, "not_found");
    // Its state would go along.
    let order = json!({"intent_id": id, "target_server": party.url});
    let passed_on = others
        .bare(Method::POST, "/api/v1/federation/dispatch")
        .header("X-API-Key", &others.key);
    answer(passed_on.json(&order)).await.expect(404);
    assert_eq!(
        others.get(INTENTS).await.expect(200),
        json!({"intents": []})
    );
    its.post(&path(&id, "accept"), "{}").await.expect(200);
    let listed = its.get(INTENTS).await.expect(200);
    assert_eq!(listed["intents"][0]["intent_id"], id);
}

/// What came in is shown, stored and sent on within other objects: that must be no deeper than readers read.
#[tokio::test]
async fn what_is_nested_as_deep_as_it_may_be_is_read_by_everybody() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let send = async |levels: usize, id: &str| {
        let mut intent = party.intent(&node.url, id);
        let state = format!(
            "{{\"a\":{}{}}}",
            "[".repeat(levels - 2),
            "]".repeat(levels - 2)
        );
        intent["agent_id"] = "agent-public".into();
        intent["intent_state"] = serde_json::from_str(&state).unwrap();
        node.receive(party.signed(&intent)).await
    };
    let refused = send(121, "dispatch-1").await.expect(422);
    assert!(refused.to_string().contains("120 levels"), "{refused}");
    let taken = send(120, "dispatch-2").await.expect(200);
    let id = taken["local_intent_id"].as_str().unwrap();
    report(&node, id, "accept", json!({})).await.expect(200);
    let listed = node.access().get(INTENTS).await;
    let text = listed.expect(200).to_string();
    assert!(text.parse::<Json>().is_ok(), "the command line reads it");
    assert_eq!(node.events().await.len(), 2);
}

#[tokio::test]
async fn what_has_ended_or_was_declined_is_not_worked_on() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let id = received(&node, &party, "dispatch-1", json!({})).await;
    report(&node, &id, "complete", json!({})).await.expect(200);
    for verb in ["accept", "progress", "complete", "fail"] {
        let answer = report(&node, &id, verb, json!({})).await;
        answer.refused(409, "conflict");
        let why = answer.json["error"].as_str().unwrap();
        assert!(why.contains("completed"), "{why}");
    }
    let mut intent = party.intent(&node.url, "dispatch-2");
    intent["agent_id"] = "agent-private".into();
    let declined = node.receive(party.signed(&intent)).await.expect(200);
    assert_eq!(declined["accepted"], false);
    let path = format!("{INTENTS}?status=declined");
    let listed = node.access().get(&path).await.expect(200);
    let declined = &listed["intents"][0];
    assert_eq!(declined["message"], "Rejected: the agent takes no intents");
    let id = declined["intent_id"].as_str().unwrap();
    let answer = report(&node, id, "accept", json!({})).await;
    answer.refused(409, "conflict");
}

#[tokio::test]
async fn scope_and_agent_of_an_intent_bind_whoever_reports() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let more = json!({"delegation_scope": {
        "permissions": ["events.log"], "denied_operations": ["cost.report"], "max_delegation_depth": 0,
    }});
    let id = received(&node, &party, "dispatch-1", more).await;
    for body in [
        json!({"state_delta": {"rooms": 3}}),
        json!({"usage": {"llm_tokens": 1}}),
        json!({"agent_id": "agent-unlisted"}),
    ] {
        let answer = report(&node, &id, "progress", body).await;
        answer.refused(403, "forbidden");
    }
    let word = json!({"agent_id": "agent-public", "message": "half"});
    report(&node, &id, "progress", word).await.expect(200);
    let other = json!({"agent_id": "agent-unlisted"});
    let taken = report(&node, &id, "accept", other).await;
    taken.refused(409, "conflict");
}

#[tokio::test]
async fn a_person_agrees_with_an_admin_key_and_an_agent_with_none() {
    let party = Party::start();
    let node = Node::trusting(&[&party.url]);
    let more = json!({"federation_policy": {"governance": {"require_approval": true}}});
    let id = received(&node, &party, "dispatch-1", more).await;
    let agent = node.server.key(&node.access().team, "write");
    let accept = path(&id, "accept");
    for body in ["{}", r#"{"approve": true}"#] {
        let answer = agent.post(&accept, body).await;
        answer.refused(403, "forbidden");
        let why = answer.json["error"].as_str().unwrap();
        assert!(why.contains("admin key"), "{why}");
    }
    report(&node, &id, "accept", json!({"approve": true}))
        .await
        .expect(200);
    let again = agent.post(&accept, "{}").await.expect(200);
    assert_eq!(again["repeated"], true);
    agent.post(&path(&id, "complete"), "{}").await.expect(200);
}
