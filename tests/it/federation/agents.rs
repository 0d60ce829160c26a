//! Agents of one instance that talk to agents of another, at the terminal.

use serde_json::json;

use crate::support::cli::{Person, split};
use crate::support::instance::{Instance, befriend};
use crate::support::peers::fresh_token;

/// Makes two instances peers who call each other by names that are not their ids; the id of the second at the first.
async fn acquaint(one: &Instance, other: &Instance, names: [&str; 2]) -> String {
    let [there, back] = [fresh_token(), fresh_token()];
    let add = async |at: &Instance, peer: &Instance, name: &str, tokens: [&str; 2]| {
        let hook = format!("{}/hooks/{}/kite", peer.relay.url, peer.server.owner().team);
        let body = json!({
            "name": name,
            "peer_instance_id": peer.name,
            "peer_hook_url": hook,
            "outbound_token": tokens[0],
            "inbound_token": tokens[1],
        });
        let owner = at.server.owner();
        let made = owner.post("/api/federation/peers", body.to_string()).await;
        made.expect(201)["id"].as_str().unwrap().to_owned()
    };
    let id = add(one, other, names[1], [&there, &back]).await;
    add(other, one, names[0], [&back, &there]).await;
    id
}

fn agent(at: &Instance, name: &str) -> Person {
    Person::agent(&at.server.owner(), name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_at_one_instance_is_answered_from_another() {
    let (a, b) = (
        Instance::start("kite-a").await,
        Instance::start("kite-b").await,
    );
    acquaint(&a, &b, ["headquarters", "partner"]).await;
    // Both are called the same, as agents often are.
    let (asker, other) = (agent(&a, "helper"), agent(&b, "helper"));
    let waiting = asker
        .kite(&[
            "agent",
            "send",
            "--to",
            "helper@partner",
            "--wait=25s",
            "ping",
        ])
        .start();
    let heard = other
        .kite(&["agent", "listen", "--count", "1", "--timeout", "25s"])
        .succeeds();
    let (id, message) = split(heard.stdout.trim_end());
    assert!(
        message.starts_with("helper@kite-a → helper thread="),
        "{message}"
    );
    assert!(message.ends_with(": ping"), "{message}");
    other
        .kite(&["agent", "send", "--reply-to", id, "pong"])
        .stdout_has("to: helper@kite-a")
        .stderr_lacks("warning")
        .succeeds();
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(!ended.stderr.contains("warning"), "{ended:#?}");
    let answer = ended.stdout.lines().last().unwrap();
    let (_, answer) = split(answer);
    assert!(
        answer.starts_with("helper@kite-b → helper thread="),
        "{answer}"
    );
    assert!(
        answer.ends_with(&format!(" reply_to={id}: pong")),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_in_the_conversation_is_an_answer_too_also_of_a_namesake() {
    let (a, b) = (
        Instance::start("kite-a").await,
        Instance::start("kite-b").await,
    );
    befriend(&a, &b).await;
    let (asker, other) = (agent(&a, "helper"), agent(&b, "helper"));
    let ask = [
        "agent",
        "send",
        "--to",
        "helper@kite-b",
        "--thread",
        "t-1",
        "--wait=25s",
        "ping",
    ];
    let waiting = asker.kite(&ask).start();
    other
        .kite(&["agent", "listen", "--count", "1", "--timeout", "25s"])
        .succeeds();
    other
        .kite(&[
            "agent",
            "send",
            "--to",
            "helper@kite-a",
            "--thread",
            "t-1",
            "pong",
        ])
        .succeeds();
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(ended.stdout.trim_end().ends_with(": pong"), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_answers_whoever_asks_wherever_that_is() {
    let (a, b) = (
        Instance::start("kite-a").await,
        Instance::start("kite-b").await,
    );
    acquaint(&a, &b, ["headquarters", "partner"]).await;
    let (far, near) = (agent(&a, "far"), agent(&b, "near"));
    let script = agent(&b, "script");
    let answer = "kite agent listen --count 2 --timeout 25s --exec \
                  'jq -r .data.body | kite agent send --to=\"$KITE_AGENT_REPLY_TO\" --reply-to=\"$KITE_EVENT_ID\" -'";
    let answering = script.shell(answer).start();
    for (person, to, from) in [
        (&far, "script@partner", "script@kite-b → far"),
        (&near, "script", "script → near"),
    ] {
        person
            .kite(&["agent", "send", "--to", to, "--wait=25s", "echo this"])
            .stdout_has(from)
            .stdout_has(": echo this")
            .succeeds();
    }
    let ended = answering.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_instance_does_not_get_what_is_for_the_second() {
    let (a, b, c) = (
        Instance::start("kite-a").await,
        Instance::start("kite-b").await,
        Instance::start("kite-c").await,
    );
    befriend(&a, &b).await;
    befriend(&a, &c).await;
    let owner = a.server.owner();
    let second_form =
        json!({"from_agent_id": "alice", "to_agent_id": "bob@kite-b", "payload": {"n": 1.0}});
    let private = owner.message(second_form.to_string()).await.expect(201);
    let public = owner
        .tell("alice", "bob", "for whoever is called bob")
        .await;
    a.is_drained().await;
    let ids = |log: Vec<crate::support::account::Entry>| {
        let ids = log.into_iter().map(|entry| entry.id);
        ids.collect::<Vec<String>>()
    };
    let private_id = private["id"].as_str().unwrap();
    assert_eq!(ids(b.log().await), [private_id, &public]);
    assert_eq!(ids(c.log().await), [public]);
    let there = b.server.owner();
    let shown = there.get(&format!("/api/v1/events/{private_id}")).await;
    let event = shown.expect(200)["event"].clone();
    assert_eq!(event["data"]["to"], "bob");
    assert_eq!(event["data"]["payload"], json!({"n": 1.0}));
    assert_eq!(event.get("kitetoinstance"), None);
    assert_eq!(event["kitefedchain"], r#"["kite-a"]"#);
    let found = there.get("/api/v1/events?scope=agent_to:bob").await;
    assert_eq!(found.expect(200)["events"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_was_away_still_gets_its_message_and_the_answer_comes_back() {
    let a = Instance::start("kite-a").await;
    let mut b = Instance::start_on_files("kite-b").await;
    let id_of_b = acquaint(&a, &b, ["headquarters", "partner"]).await;
    let (alice, bob) = (agent(&a, "alice"), agent(&b, "bob"));
    b.kill();
    alice
        .kite(&["agent", "send", "--to", "bob@partner", "are you there?"])
        .stdout_has("to: bob@partner")
        .succeeds();
    b.revive();
    a.reaches(&id_of_b).await;
    // It was started elsewhere.
    bob.log_in(&b.server.owner());
    let heard = bob
        .kite(&[
            "agent",
            "listen",
            "--count",
            "1",
            "--timeout",
            "25s",
            "--since",
            "all",
            "--json",
        ])
        .succeeds()
        .json();
    assert_eq!(heard["data"]["body"], "are you there?");
    let mut listener = alice.listen();
    let id = heard["id"].as_str().unwrap();
    bob.kite(&["agent", "send", "--reply-to", id, "now I am"])
        .succeeds();
    let line = listener.line();
    assert_eq!(
        split(&line).1,
        format!("bob@kite-b → alice reply_to={id}: now I am")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_means_a_peer_that_is_not_there_is_warned() {
    let a = Instance::start("kite-a").await;
    let alice = agent(&a, "alice");
    alice
        .kite(&["agent", "send", "--to", "bob@nowhere", "hi"])
        .stderr_has("warning: the server knows no peer `nowhere`")
        .stderr_has("called `bob@nowhere`")
        .stderr_has("kite federation peers list")
        .stderr_has("kite federation invite")
        .succeeds();
    let told = alice
        .kite(&["agent", "send", "--json", "--to", "bob@nowhere", "hi"])
        .stderr_has("knows no peer")
        .succeeds();
    assert_eq!(told.json()["to"], "bob@nowhere");
    for to in ["bob", "bob@kite-a"] {
        alice
            .kite(&["agent", "send", "--to", to, "hi"])
            .stderr_lacks("warning")
            .succeeds();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_a_peer_would_never_get_is_not_sent() {
    let (a, b) = (
        Instance::start("kite-a").await,
        Instance::start("kite-b").await,
    );
    let b_at_a = acquaint(&a, &b, ["headquarters", "partner"]).await;
    a.set_status(&b_at_a, "revoked").await;
    agent(&a, "alice")
        .kite(&["agent", "send", "--to", "bob@partner", "--wait", "hi"])
        .stdout("")
        .stderr_has("error: send failed (422): the peer `partner` is revoked")
        .stderr_has("kite federation peers resume partner")
        .exits(1);
    assert!(a.log().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_nothing_says_what_to_do() {
    let a = Instance::start("kite-a").await;
    let owner = a.server.owner();
    let alice = agent(&a, "alice");
    let reply = |id: &str| alice.kite(&["agent", "send", "--reply-to", id, "yes"]);
    reply("no-such-event")
        .stderr_has("there is no event `no-such-event`")
        .stderr_has("hint: `kite logs`")
        .exits(3);
    let event = json!({"specversion": "1.0", "type": "com.demo", "source": "s", "id": "e-1"});
    owner.emit(&event).await.expect(202);
    reply("e-1")
        .stderr_has("the event `e-1` is no message that could be answered: its type is `com.demo`")
        .stderr_has("hint: `--to`")
        .exits(1);
    alice
        .kite(&["agent", "send", "yes"])
        .stderr_has("--to <ID>")
        .exits(2);
    // A key that may not see the message learns nothing of it.
    let asked = owner.tell("carol", "dave", "secret").await;
    let (_, narrow) = a.server.key_with(
        &owner.team,
        &["--permissions", "read,write", "--scopes", "agent_to:alice"],
    );
    let other = Person::agent(&narrow, "alice");
    other
        .kite(&["agent", "send", "--reply-to", &asked, "yes"])
        .stderr_has("there is no event")
        .exits(3);
    // With an explicit receiver nothing is looked up.
    other
        .kite(&["agent", "send", "--to", "dave", "--reply-to", &asked, "yes"])
        .succeeds();
}
