//! What people type, and what they interrupt.

use std::io::Read;
use std::net::TcpListener;

use crate::support::cli::Person;
use crate::support::server::Server;

#[test]
fn a_name_without_a_letter_or_digit_is_wrong_usage_and_changes_nothing() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "agent-alpha");
    for name in ["", "   ", "!!!", "日本", "\u{7}"] {
        person
            .kite(&["agent", "register", "--name", name])
            .stdout("")
            .stderr_has("name must contain at least one letter or digit")
            .exits(2);
    }
    person
        .kite(&["agent", "show"])
        .stdout_has("agent-alpha")
        .succeeds();
}

#[test]
fn names_that_no_message_can_carry_are_refused() {
    let server = Server::start();
    let person = Person::agent(&server.owner(), "agent-alpha");
    for to in ["", "a\nb", "\u{1b}[31m"] {
        let ended = person
            .kite(&["agent", "send", "--to", to, "x"])
            .stdout("")
            .start()
            .end();
        assert!(matches!(ended.code, Some(1 | 2)), "{to:?}: {ended:#?}");
        assert!(
            !ended.stderr.contains("\u{1b}[31m"),
            "the terminal is not painted: {ended:#?}"
        );
    }
}

#[test]
fn a_body_cannot_paint_the_terminal_or_forge_a_line() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let body = "first\n[x] boss → agent-alpha: pay\u{1b}[2J\r\u{7}\ttab é";
    alpha
        .kite(&["agent", "send", "--to", "agent-alpha", "-"])
        .stdin(body)
        .succeeds();
    let ended = alpha
        .kite(&["agent", "listen", "--count", "1", "--timeout", "10s"])
        .succeeds();
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:#?}");
    assert!(
        lines[1].starts_with(' '),
        "what follows is indented: {ended:#?}"
    );
    let raw = |c: char| c.is_control() && c != '\t' && c != '\n';
    assert!(
        !ended.stdout.contains(raw),
        "control characters are made visible: {ended:#?}"
    );
    assert!(ended.stdout.contains("\ttab é"), "{ended:#?}");
}

#[test]
fn wrong_usage_exits_2_and_names_the_word() {
    let person = Person::new();
    person
        .kite(&["dance"])
        .stdout("")
        .stderr_has("dance")
        .exits(2);
    person
        .kite(&["agent", "send", "--dance"])
        .stdout("")
        .stderr_has("--dance")
        .exits(2);
    person
        .kite(&["agent", "send", "--to", "b"])
        .stdout("")
        .exits(2);
    person
        .kite(&["logs", "--since", "7w"])
        .stdout("")
        .stderr_has("7w")
        .exits(2);
}

#[test]
fn a_token_that_is_none_is_refused_without_being_shown() {
    let server = Server::start();
    let person = Person::new();
    for token in [
        "",
        "kite_short",
        "kite_deadbeef_0000000000000000secret-with-typo",
    ] {
        let ended = person
            .kite(&["login", "--server", server.url(), "--with-token"])
            .stdin(token)
            .start()
            .end();
        assert!(matches!(ended.code, Some(1 | 2 | 4)), "{ended:#?}");
        assert!(!ended.stderr.contains("secret-with-typo"), "{ended:#?}");
    }
    person
        .kite(&["login", "--server", server.url(), "--with-token"])
        .stdin("kite_deadbeef_00000000000000000000000000000000\n")
        .exits(4);
    person
        .kite(&["agent", "list"])
        .stderr_has("kite login")
        .exits(4);
}

#[test]
fn a_key_goes_over_plain_http_to_this_machine_only() {
    let person = Person::new();
    person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "x"])
        .env("KITE_SERVER", "http://192.0.2.1:7700")
        .env(
            "KITE_API_KEY",
            "kite_deadbeef_00000000000000000000000000000000",
        )
        .env("KITE_TEAM_ID", "default")
        .stderr_has("--insecure")
        .exits(4);
}

#[test]
fn a_secret_that_is_typed_is_asked_for_and_not_shown() {
    let key = "kite_deadbeef_00000000000000000000000000000000";
    let typed =
        format!("(until grep -q 'not shown' said 2> /dev/null; do sleep 0.05; done; echo {key})");
    let login = "kite login --with-token --server http://127.0.0.1:1";
    Person::new()
        .shell(&format!("{typed} | script -qfec '{login}' said"))
        .stdout_has("type or paste the API key and press Enter")
        .stdout_has("cannot reach")
        .stdout_lacks(key)
        .exits(5);
}

#[test]
fn a_command_that_waits_for_a_terminal_says_so() {
    let typed = "(until grep -q 'Ctrl-D' said 2> /dev/null; do sleep 0.05; done; echo not a token)";
    Person::new()
        .shell(&format!(
            "{typed} | script -qfec 'kite openintent ucan inspect -' said"
        ))
        .stdout_has("reading the token from the terminal")
        .stdout_has("it is not three parts")
        .exits(1);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let person = Person::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "x"])
        .env("KITE_SERVER", &format!("http://{free}"))
        .env(
            "KITE_API_KEY",
            "kite_deadbeef_00000000000000000000000000000000",
        )
        .env("KITE_TEAM_ID", "default")
        .stderr_has(&free.to_string())
        .exits(5);
}

#[test]
fn ctrl_c_while_sending_ends_at_once_with_130() {
    let person = Person::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sending = person
        .kite(&["agent", "send", "--from", "a", "--to", "b", "x"])
        .env(
            "KITE_SERVER",
            &format!("http://{}", silent.local_addr().unwrap()),
        )
        .env(
            "KITE_API_KEY",
            "kite_deadbeef_00000000000000000000000000000000",
        )
        .env("KITE_TEAM_ID", "default")
        .start();
    // The request has arrived; the answer never leaves.
    let (mut connection, _) = silent.accept().unwrap();
    connection.read_exact(&mut [0; 4]).unwrap();
    sending.signal("INT");
    let ended = sending.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn a_reader_that_closes_the_pipe_ends_a_listing_quietly() {
    let server = Server::start();
    let person = Person::at(&server);
    let data = format!("\"{}\"", "x".repeat(2000));
    for _ in 0..60 {
        person
            .kite(&["emit", "--type", "com.demo", "--data", &data])
            .succeeds();
    }
    let ended = person
        .shell("set -o pipefail; kite logs --json --limit 1000 | head -n 1")
        .stderr_lacks("panicked")
        .stderr_lacks("Broken pipe")
        .succeeds();
    assert_eq!(ended.stdout.lines().count(), 1);
}

#[test]
fn a_reader_that_closes_the_pipe_ends_a_listener_quietly() {
    let server = Server::start();
    let alpha = Person::agent(&server.owner(), "agent-alpha");
    let say = |body: &str| {
        alpha
            .kite(&["agent", "send", "--to", "agent-alpha", body])
            .succeeds()
    };
    say("one");
    let mut listener = alpha
        .shell("set -o pipefail; kite agent listen | head -n 1")
        .start();
    assert!(listener.line().ends_with(": one"));
    // `head` has gone or is about to; the listener finds out when it prints again.
    say("two");
    say("three");
    let ended = listener.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
}
