//! What is no request, what does not fit, and how it ends.

use serde_json::{Value, json};

use super::Client;
use crate::support::cli::Person;
use crate::support::server::Server;

#[test]
fn what_is_no_request_is_told_why_and_the_next_one_is_answered() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "a");
    let mut client = Client::start(&person, "");
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"{}"}}"#,
        "x".repeat(5_000_000)
    );
    for (line, id, code, why) in [
        ("{", Value::Null, -32700, ""),
        ("\u{fffd}", Value::Null, -32700, ""),
        ("[]", Value::Null, -32600, "batches"),
        (
            r#"{"id":"a","method":"ping"}"#,
            json!("a"),
            -32600,
            "`jsonrpc`",
        ),
        (r#"{"jsonrpc":"2.0","id":4}"#, json!(4), -32600, "`method`"),
        (&long, Value::Null, -32600, "may have"),
        (
            r#"{"jsonrpc":"2.0","id":5,"method":"nope"}"#,
            json!(5),
            -32601,
            "`nope`",
        ),
        (
            r#"{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"arguments":{}}}"#,
            json!(6),
            -32602,
            "`tools/call`",
        ),
        (
            r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"inbox","arguments":[]}}"#,
            json!(8),
            -32602,
            "`tools/call`",
        ),
        (
            r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"shout"}}"#,
            json!(9),
            -32602,
            "`shout`",
        ),
        (
            r#"{"jsonrpc":"2.0","id":10,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}"#,
            json!(10),
            -32002,
            "/etc/passwd",
        ),
        (
            r#"{"jsonrpc":"2.0","id":11,"method":"resources/subscribe","params":{"uri":"kite://events/x"}}"#,
            json!(11),
            -32602,
            "`kite://inbox`",
        ),
    ] {
        let shown = &line[..line.len().min(100)];
        client.write(line);
        let answer = client.hear();
        assert_eq!(answer["id"], id, "{shown}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        let said = answer["error"]["message"].as_str().unwrap();
        assert!(said.contains(why), "{shown}: {answer}");
    }
    client.write("");
    assert_eq!(client.ask("ping", json!({}))["result"], json!({}));
    assert_eq!(client.leave().code, Some(0));
}

#[test]
fn arguments_that_do_not_fit_are_named() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "a");
    let mut client = Client::start(&person, "");
    for (tool, arguments, why) in [
        ("send_message", json!({"to": "b"}), "missing field `body`"),
        (
            "send_message",
            json!({"to": "b", "body": 5}),
            "`body`: invalid type",
        ),
        ("send_message", json!({"to": "", "body": "x"}), "`to`"),
        ("send_message", json!({"to": "b\n", "body": "x"}), "`to`"),
        ("send_message", json!({"body": "x"}), "`reply_to_id`"),
        (
            "send_message",
            json!({"to": "b", "body": "x", "wait": 3}),
            "`wait`: unknown field",
        ),
        (
            "send_message",
            json!({"to": "b", "body": "x", "wait_secs": 9999}),
            "from 0 to 300",
        ),
        (
            "send_message",
            json!({"reply_to_id": "none", "body": "x"}),
            "`none`",
        ),
        ("inbox", json!({"limit": 1000}), "from 1 to 100"),
        ("inbox", json!({"limit": "7"}), "`limit`: invalid type"),
        ("ack", json!({"seq": "all"}), "`seq`: invalid type"),
        ("ack", json!({"seq": 0}), "`seq`"),
        ("list_events", json!({"since": "yesterday"}), "`since`"),
        (
            "list_events",
            json!({"since": "1h", "after_seq": 1}),
            "`after_seq`",
        ),
        ("read_event", json!({}), "missing field `event_id`"),
        ("wait_for_reply", json!({"event_id": "none"}), "`none`"),
    ] {
        let said = client.refuses(tool, arguments.clone());
        assert!(said.contains(why), "{tool} {arguments}: {said}");
        assert!(said.contains("\nhint: "), "{tool} {arguments}: {said}");
    }
    // Nothing was sent.
    assert_eq!(client.gives("list_events", json!({}))["last_seq"], 0);
}

#[test]
fn an_end_in_the_middle_of_a_line_is_an_end() {
    let person = Person::new();
    let begin = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    for (input, answers) in [
        (String::new(), 0),
        (begin[..40].to_owned(), 0),
        (format!("{begin}\n"), 1),
        (
            format!("{begin}\n{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"pi"),
            1,
        ),
    ] {
        let ended = person.kite(&["mcp"]).stdin(input.clone()).succeeds();
        assert_eq!(ended.stdout.lines().count(), answers, "{input}: {ended:#?}");
    }
    person
        .kite(&["mcp"])
        .stdin("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
        .stdout("")
        .stderr_has("kite help mcp")
        .exits(1);
}

#[test]
fn a_signal_ends_it_also_while_a_call_waits() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "a");
    let mut client = Client::start(&person, "");
    let arguments = json!({"name": "inbox", "arguments": {"wait_secs": 300}});
    client.send("tools/call", arguments);
    assert_eq!(client.ask("ping", json!({}))["result"], json!({}));
    client.run.signal("TERM");
    // Stdin is still open.
    assert_eq!(client.run.end().code, Some(0));
}

#[test]
fn nothing_but_the_protocol_is_on_stdout_and_the_key_is_nowhere() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::agent(&access, "a");
    let mut client = Client::start(&person, "-vv");
    client.gives("send_message", json!({"to": "a", "body": "to myself"}));
    client.gives("inbox", json!({}));
    client.gives("list_agents", json!({}));
    let ended = client.leave();
    assert_eq!(ended.code, Some(0));
    for line in ended.stdout.lines() {
        let message: Value = serde_json::from_str(line).expect("nothing but JSON-RPC");
        assert_eq!(message["jsonrpc"], "2.0");
    }
    assert!(!ended.stderr.is_empty(), "-vv says something");
    for said in [&ended.stdout, &ended.stderr] {
        assert!(!said.contains(&access.key));
    }
}
