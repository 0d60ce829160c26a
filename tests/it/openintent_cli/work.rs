//! What agents say of their work, as the server gets it.

use serde_json::{Value, json};

use super::other::at;
use super::servers::Pretender;
use crate::support::cli::{Kite, Person};

/// An intent as a server shows it.
fn shown(id: &str, status: &str) -> Value {
    json!({"intent_id": id, "status": status, "title": "Count\u{1b}", "description": "", "state": {"rows": 7},
        "changes": {}, "constraints": {}, "agent_id": "analyst", "source_server": "https://a.example",
        "source_intent_id": "i", "dispatch_id": "d", "federation_policy": {}, "usage": {"llm_tokens": 80},
        "budget": [{"name": "max_llm_tokens", "limit": 100, "used": 80}], "created_at": "t0", "updated_at": "t1"})
}

fn intents(server: &Pretender, person: &Person, args: &[&str]) -> Kite {
    at(server, person, &[&["intents"], args].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_what_was_said_and_nothing_more() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    server.answers(&[(200, shown("fed-1", "running"))]);
    intents(&server, &person, &["accept", "fed 1/x"])
        .stdout_has("The agent works on the intent\n  id: fed-1\n  status: running")
        .stdout_has("budget: max_llm_tokens 80 of 100 (80 %)")
        .stdout_lacks("\u{1b}")
        .succeeds();
    let asked = server.asked().pop().unwrap();
    assert_eq!(
        asked.path,
        "POST /api/openintent/intents/fed%201%2Fx/accept"
    );
    let mut body = asked.body;
    let key = body.as_object_mut().unwrap().remove("idempotency_key");
    assert!(key.unwrap().as_str().unwrap().len() > 30);
    assert_eq!(body, json!({}));

    std::fs::write(person.home().join("state.json"), r#"{"rows": 7.0}"#).unwrap();
    let more = [
        "complete",
        "fed-1",
        "--as",
        "analyst",
        "--result",
        "@state.json",
        "--usage",
        "llm_tokens=120,cost_usd=0.020",
        "--usage",
        "calls=3",
        "--reason",
        "done",
        "--idempotency-key",
        "k",
        "--json",
    ];
    let answer = intents(&server, &person, &more).succeeds().json();
    assert_eq!(answer["intent_id"], "fed-1");
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.path, "POST /api/openintent/intents/fed-1/complete");
    assert_eq!(
        asked.body,
        json!({"agent_id": "analyst", "state_delta": {"rows": 7.0}, "message": "done", "idempotency_key": "k",
            "usage": {"llm_tokens": 120, "cost_usd": 0.02, "calls": 3}})
    );
    intents(&server, &person, &["accept", "fed-1", "--approve"]).succeeds();
    assert_eq!(server.asked().pop().unwrap().body["approve"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_fails_the_intent_says_so_and_why() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    let mut failed = shown("fed-1", "failed");
    failed["message"] = "the budget is exceeded".into();
    server.answers(&[(200, failed)]);
    intents(&server, &person, &["progress", "fed-1"])
        .stdout_has("The intent has failed\n  id: fed-1\n  status: failed")
        .stdout_has("message: the budget is exceeded")
        .succeeds();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_knows_its_intent_and_its_agent_by_the_environment() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    server.answers(&[(200, shown("fed-1", "running"))]);
    let in_command = |args: &[&str]| {
        intents(&server, &person, args)
            .env("KITE_INTENT_ID", "fed-7")
            .env("KITE_AGENT_ID", "analyst")
    };
    in_command(&["progress", "--state", "-"])
        .stdin(r#"{"rows":1}"#)
        .succeeds();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.path, "POST /api/openintent/intents/fed-7/progress");
    assert_eq!(asked.body["agent_id"], "analyst");
    assert_eq!(asked.body["state_delta"], json!({"rows": 1}));
    in_command(&["show"])
        .stdout_has("title: Count\\u{1b}")
        .succeeds();
    let path = server.asked().pop().unwrap().path;
    assert_eq!(path, "GET /api/openintent/intents/fed-7");
    // What is said on the command line wins.
    in_command(&["fail", "fed-1", "--as-id", "other"]).succeeds();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.path, "POST /api/openintent/intents/fed-1/fail");
    assert_eq!(asked.body["agent_id"], "other");
    intents(&server, &person, &["accept"])
        .stderr_has("no intent is named")
        .exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_sent_again_under_its_key_until_the_server_takes_it() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    let away = (503, json!({"error": "ending", "code": "unavailable"}));
    let mut taken = shown("fed-1", "completed");
    taken["repeated"] = true.into();
    server.answers(&[away.clone(), (500, json!({"error": "x"})), (200, taken)]);
    let ended = intents(&server, &person, &["complete", "fed-1", "--usage", "a=1"])
        .stderr_has("trying again for up to 5m")
        .stderr_has("the server had heard this before")
        .succeeds();
    assert_eq!(ended.stderr.matches("trying again").count(), 1, "{ended:?}");
    let bodies: Vec<Value> = server.asked().into_iter().map(|it| it.body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");

    server.answers(&[away]);
    intents(
        &server,
        &person,
        &["complete", "fed-1", "--retry-for", "0s"],
    )
    .stderr_has("ending (503)")
    .stderr_lacks("trying again")
    .exits(5);
    // What it refuses is not asked for again.
    for (status, exit) in [(409, 1), (403, 4), (404, 3), (413, 1)] {
        server.answers(&[(status, json!({"error": "no, for a reason", "code": "x"}))]);
        let asked = server.asked().len();
        intents(&server, &person, &["complete", "fed-1"]).exits(exit);
        assert_eq!(server.asked().len(), asked + 1, "{status}");
    }
    server.answers(&[(
        403,
        json!({"error": "the scope has no `state.patch`", "code": "forbidden"}),
    )]);
    intents(&server, &person, &["complete", "fed-1"])
        .stderr_has("the scope has no `state.patch`")
        .stderr_has("`kite openintent intents show fed-1` shows what may be done")
        .exits(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_not_sent() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    for bad in [
        ["--usage", "llm_tokens"],
        ["--usage", "llm_tokens=-1"],
        ["--usage", "a=1,a=2"],
        ["--state", "[1]"],
        ["--state", "{"],
        ["--as-id", ""],
        ["--retry-for", "soon"],
    ] {
        let args = [&["progress", "fed-1"][..], &bad].concat();
        intents(&server, &person, &args).exits(2);
    }
    intents(&server, &person, &["list", "--status", "lost"]).exits(2);
    assert!(server.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_rows_and_lines_and_say_where_they_go_on() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    let rows = [shown("fed-2", "running"), shown("fed-1", "accepted")];
    server.answers(&[(200, json!({"intents": rows, "next": "5-fed-1"}))]);
    let some = [
        "list", "--status", "running", "--agent", "analyst", "--limit", "2",
    ];
    intents(&server, &person, &some)
        .stdout_has("id     status    agent    from               updated  title")
        .stdout_has("fed-1  accepted  analyst  https://a.example  t1       Count\\u{1b}")
        .stderr_has("--before 5-fed-1")
        .succeeds();
    let path = server.asked().pop().unwrap().path;
    let query = "GET /api/openintent/intents?status=running&agent=analyst&limit=2";
    assert_eq!(path, query);
    let lines = intents(&server, &person, &["list", "--before", "x", "--json"]).succeeds();
    let ids: Vec<Value> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["intent_id"].clone())
        .collect();
    assert_eq!(ids, ["fed-2", "fed-1"]);
    assert!(
        server
            .asked()
            .pop()
            .unwrap()
            .path
            .ends_with("limit=50&before=x")
    );
    server.answers(&[(200, json!({"dispatches": []}))]);
    at(
        &server,
        &person,
        &["dispatches", "list", "--status", "queued"],
    )
    .stdout("")
    .stderr_has("there is no such dispatch")
    .succeeds();
    let path = server.asked().pop().unwrap().path;
    assert_eq!(
        path,
        "GET /api/openintent/dispatches?status=queued&limit=50"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_agent_is_given_an_intent() {
    let person = Person::new();
    let server = Pretender::start(1).await;
    server.answers(&[(201, shown("own-1", "accepted"))]);
    let args = [
        "assign", "--agent", "analyst", "--title", "Count", "--from", "boss", "--intent", "i",
        "--depth", "0",
    ];
    let more = [
        "--policy",
        r#"{"budget":{"max_llm_tokens":5}}"#,
        "--idempotency-key",
        "k",
    ];
    intents(&server, &person, &[&args[..], &more].concat())
        .stdout_has("Assigned\n  id: own-1")
        .succeeds();
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.path, "POST /api/openintent/intents");
    assert_eq!(asked.body["agent_id"], "analyst");
    assert_eq!(asked.body["assigned_by"], "boss");
    assert_eq!(asked.body["delegation_scope"]["max_delegation_depth"], 0);
    assert_eq!(
        asked.body["federation_policy"]["budget"]["max_llm_tokens"],
        5
    );
    assert_eq!(asked.body["idempotency_key"], "k");
}
