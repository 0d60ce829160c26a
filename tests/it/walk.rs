//! The guide's walk, word for word: two agents, one server, one message, and what happens around it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cli::{Person, split};
use crate::support::server::Server;

/// Silence after which a second copy of a message is not expected any more.
const SILENCE: Duration = Duration::from_millis(500);

#[test]
fn two_agents_exchange_a_message_as_the_guide_shows() {
    let server = Server::start();
    let (alpha, beta) = (Person::at(&server), Person::at(&server));
    alpha
        .kite(&["agent", "register", "--name", "agent-alpha"])
        .stdout_has("agent-alpha")
        .succeeds();
    beta.kite(&["agent", "register", "--name", "Agent Beta"])
        .stdout_has("agent-beta")
        .succeeds();
    let mut listener = alpha.listen();

    beta.kite(&["agent", "send", "--to", "agent-alpha", "Numbers are in. ✓"])
        .stdout_has("Sent agent message")
        .stdout_has("agent-alpha")
        .succeeds();

    let line = listener.line();
    let (id, message) = split(&line);
    assert_eq!(message, "agent-beta → agent-alpha: Numbers are in. ✓");
    assert!(
        uuid::Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 7),
        "{id}"
    );
}

#[test]
fn a_server_tells_a_person_what_to_type_next_and_a_pipe_nothing() {
    let person = Person::new();
    let data = person.home().join("server");
    let serving = person
        .kite(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
        ])
        .start();
    serving.wait_to_say("kite login --server http://127.0.0.1:");
    serving.signal("TERM");
    let ended = serving.end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn the_guides_call_answers_with_exactly_its_members() {
    let server = Server::start();
    let owner = server.owner();
    let request = json!({"from": "agent-beta", "to": "agent-alpha", "body": "hi"});
    let path = format!("/api/v1/agents/messages?team_id={}", owner.team);
    let answer = owner.post(&path, request.to_string()).await.expect(201);

    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&answer), ["id", "created_at", "from", "to", "usage"]);
    assert_eq!(
        names(&answer["usage"]),
        ["events_used", "events_limit", "amount_charged_atomic"]
    );
    assert_eq!(answer["usage"]["events_used"], 1);
    assert_eq!(
        (&answer["from"], &answer["to"]),
        (&json!("agent-beta"), &json!("agent-alpha"))
    );
}

#[test]
fn a_read_only_key_is_told_the_way_out() {
    let server = Server::start();
    let reader = Person::with(&server.key(&server.owner().team, "read"));
    reader
        .kite(&["agent", "send", "--from", "a", "--to", "b", "hello"])
        .stdout("")
        .stderr_has("send failed (403)")
        .stderr_has("kite keys create --permissions read,write")
        .exits(4);
}

#[test]
fn listening_without_an_identity_says_how_to_get_one() {
    let server = Server::start();
    let person = Person::at(&server);
    let ended = person.kite(&["agent", "listen"]).stdout("").exits(4);
    let advice = "No agent registered. Run kite agent register first.";
    assert!(ended.stderr.replace('`', "").contains(advice), "{ended:#?}");
    let ended = person
        .kite(&["--json", "agent", "listen"])
        .stdout("")
        .exits(4);
    let error = ended.json_error();
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("No agent registered"),
        "{error}"
    );
    assert!(error["code"].is_string(), "{error}");
}

#[test]
fn what_needs_a_login_says_so() {
    let person = Person::new();
    person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "hello"])
        .stderr_has("kite login")
        .exits(4);
    let server = Server::start();
    person.log_in(&server.owner());
    person.kite(&["logout"]).succeeds();
    person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "hello"])
        .stderr_has("kite login")
        .exits(4);
}

#[test]
fn a_message_sent_before_the_first_listen_is_not_missed() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let beta = Person::agent(&server.owner(), "agent-beta");
    beta.kite(&["agent", "send", "--to", "agent-alpha", "early"])
        .succeeds();
    let ended = alpha
        .kite(&["agent", "listen", "--count", "1", "--timeout", "10s"])
        .succeeds();
    assert_eq!(
        split(ended.stdout.trim_end()).1,
        "agent-beta → agent-alpha: early"
    );
}

#[test]
fn a_message_sent_while_the_listener_is_down_arrives_once_when_it_is_back() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let beta = Person::agent(&server.owner(), "agent-beta");
    let say = |body: &str| {
        beta.kite(&["agent", "send", "--to", "agent-alpha", body])
            .succeeds()
    };

    let mut listener = alpha.listen();
    say("one");
    assert_eq!(split(&listener.line()).1, "agent-beta → agent-alpha: one");
    listener.signal("INT");
    let ended = listener.end();
    assert!(
        matches!(ended.code, Some(0 | 130)),
        "a listener ends cleanly: {ended:#?}"
    );

    say("two");
    let mut listener = alpha.listen();
    assert_eq!(split(&listener.line()).1, "agent-beta → agent-alpha: two");
    assert!(listener.is_silent_for(SILENCE), "{}", listener.said());
    listener.signal("TERM");
    listener.end();

    alpha
        .kite(&["agent", "listen", "--count", "1", "--timeout", "1s"])
        .stdout("")
        .exits(8);
}

#[test]
fn a_listener_comes_back_by_itself_when_the_server_was_killed() {
    let mut server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let beta = Person::agent(&server.owner(), "agent-beta");
    let say = |body: &str| {
        beta.kite(&["agent", "send", "--to", "agent-alpha", body])
            .succeeds()
    };

    let mut listener = alpha.listen();
    say("one");
    assert_eq!(split(&listener.line()).1, "agent-beta → agent-alpha: one");
    server.kill();
    server.start_again();
    say("two");
    assert_eq!(split(&listener.line()).1, "agent-beta → agent-alpha: two");
    assert!(listener.is_silent_for(SILENCE), "{}", listener.said());
}

#[test]
fn a_sender_who_waits_gets_the_reply() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let beta = Person::agent(&server.owner(), "agent-beta");
    let waiting = beta
        .kite(&["agent", "send", "--to", "agent-alpha", "--wait=20s", "ping"])
        .start();

    let ended = alpha
        .kite(&[
            "agent",
            "listen",
            "--json",
            "--count",
            "1",
            "--timeout",
            "10s",
        ])
        .succeeds();
    let question = ended.json();
    assert_eq!(question["data"]["body"], "ping");
    let mut reply = vec!["agent", "send", "--to", "agent-beta", "--reply-to"];
    reply.push(question["id"].as_str().unwrap());
    if let Some(thread) = question["data"]["thread_id"].as_str() {
        reply.extend(["--thread", thread]);
    }
    reply.push("pong");
    alpha.kite(&reply).succeeds();

    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(
        ended.stdout.contains("agent-alpha → agent-beta"),
        "{ended:#?}"
    );
    assert!(ended.stdout.trim_end().ends_with(": pong"), "{ended:#?}");
}

#[test]
fn a_sender_who_waits_in_vain_is_told_so_by_the_exit_code() {
    let server = Server::start();
    let beta = Person::agent(&server.owner(), "agent-beta");
    beta.kite(&["agent", "send", "--to", "nobody", "--wait=1s", "ping"])
        .exits(8);
}
