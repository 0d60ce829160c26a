//! The mailbox of an agent, and servers and logins that are not there.

use serde_json::json;

use super::Client;
use crate::support::cli::Person;
use crate::support::server::Server;

#[test]
fn a_server_that_is_away_is_told_of_and_found_when_it_is_back() {
    let mut server = Server::start();
    let access = server.owner();
    let person = Person::agent(&access, "a");
    let other = Person::agent(&access, "b");
    server.stop();
    let mut client = Client::start(&person, "");
    for (tool, arguments) in [
        ("inbox", json!({})),
        ("send_message", json!({"to": "b", "body": "x"})),
        (
            "send_message",
            json!({"to": "b", "body": "x", "wait_secs": 1}),
        ),
        ("list_events", json!({})),
    ] {
        let said = client.refuses(tool, arguments);
        assert!(
            said.contains("cannot reach") && said.contains("hint: "),
            "{tool}: {said}"
        );
    }
    let listed = client.ask("resources/list", json!({}));
    assert!(
        listed["error"]["message"]
            .as_str()
            .unwrap()
            .contains("cannot reach"),
        "{listed}"
    );
    server.start_again();
    other
        .kite(&["agent", "send", "--to", "a", "hello"])
        .succeeds();
    let inbox = client.gives("inbox", json!({"wait_secs": 30}));
    assert_eq!(inbox["messages"][0]["body"], "hello", "{inbox}");
}

#[test]
fn whoever_logs_in_later_need_not_start_it_anew() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::new();
    let mut client = Client::start(&person, "");
    let said = client.refuses("list_events", json!({}));
    assert!(said.contains("kite login"), "{said}");
    person.log_in(&access);
    client.gives("list_events", json!({}));
    let said = client.refuses("inbox", json!({}));
    assert!(said.contains("kite agent register"), "{said}");
    person
        .kite(&["agent", "register", "--name", "late"])
        .succeeds();
    assert_eq!(client.gives("inbox", json!({}))["agent"], "late");
}

#[test]
fn what_was_sent_before_the_first_look_is_there_and_what_is_long_is_given_in_pieces() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::agent(&access, "a");
    let sender = Person::agent(&access, "b");
    let long = "ä".repeat(30_000);
    sender
        .kite(&["agent", "send", "--to", "a", "-"])
        .stdin(long.clone())
        .succeeds();
    for n in 1..=3 {
        sender
            .kite(&["agent", "send", "--to", "a", &format!("m{n}")])
            .succeeds();
    }
    let mut client = Client::start(&person, "");
    let page = client.gives("inbox", json!({"limit": 2}));
    let messages = page["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2);
    let cut = messages[0]["cut"].as_str().unwrap();
    assert!(
        cut.contains("30000 characters") && cut.contains("read_event"),
        "{cut}"
    );
    let next = client.gives("inbox", json!({"after_seq": page["next_after_seq"]}));
    assert_eq!(next["messages"][0]["body"], "m2", "{next}");
    assert!(next["next_after_seq"].is_null(), "{next}");

    let mut text = String::new();
    let mut offset = json!(0);
    while !offset.is_null() {
        let piece = client.gives(
            "read_event",
            json!({"event_id": messages[0]["id"], "offset": offset}),
        );
        text.push_str(piece["text"].as_str().unwrap());
        offset = piece["next_offset"].clone();
    }
    let event: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(event["data"]["body"], long);

    client.gives("ack", json!({"seq": messages[1]["seq"]}));
    let left = client.gives("inbox", json!({}));
    assert_eq!(left["messages"].as_array().unwrap().len(), 2, "{left}");
    assert_eq!(client.leave().code, Some(0));
    // The cursor is that of `kite agent listen`.
    person
        .kite(&["agent", "listen", "--count", "2", "--timeout", "30s"])
        .stdout_has(": m2")
        .stdout_lacks(": m1")
        .succeeds();
}

#[test]
fn two_servers_of_one_agent_say_that_they_are_two() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "a");
    let mut first = Client::start(&person, "");
    assert!(first.gives("inbox", json!({}))["note"].is_null());
    let mut second = Client::start(&person, "");
    let note = second.gives("inbox", json!({}))["note"].to_string();
    assert!(note.contains("another process"), "{note}");
    let mut third = Client::start(&person, "--as-id other");
    assert_eq!(third.gives("inbox", json!({}))["agent"], "other");
    third.gives("send_message", json!({"to": "a", "body": "to both"}));
    for client in [&mut first, &mut second] {
        let inbox = client.gives("inbox", json!({"wait_secs": 30}));
        assert_eq!(inbox["messages"][0]["body"], "to both", "{inbox}");
    }
}
