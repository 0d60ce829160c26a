//! Servers that are none: they vanish, hang, or answer whatever comes to their mind.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::support::cli::{Kite, Person};

const KEY: &str = "kite_deadbeef_00000000000000000000000000000000";

/// Longer than any stream here may last.
const FOREVER: Duration = Duration::from_secs(60);

/// What a server does with a connection.
type Manner = fn(TcpStream);

/// A server that does this with every connection; its address.
fn server(answer: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the tests.
    thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            thread::spawn(move || answer(connection));
        }
    });
    address.to_string()
}

/// A stream of somebody who was told that a server is there.
fn stream(person: &Person, address: &str, more: &[&str]) -> Kite {
    person
        .kite(&[&["stream", "--ephemeral", "--timeout", "2s"], more].concat())
        .env("KITE_SERVER", &format!("http://{address}"))
        .env("KITE_API_KEY", KEY)
        .env("KITE_TEAM_ID", "default")
}

/// Reads the head of a request and answers with these bytes.
fn answer(mut connection: TcpStream, bytes: &[u8]) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    connection.write_all(bytes).ok();
}

/// Whether somebody wants to open a WebSocket here, and not something else.
fn wants_socket(connection: &TcpStream) -> bool {
    let mut head = [0; "GET /ws".len()];
    while connection.peek(&mut head).unwrap() < head.len() {}
    &head == b"GET /ws"
}

/// Opens the WebSocket as it should be and reads `connect`. Whoever wants something else gets no answer.
fn upgrade(connection: TcpStream) -> WebSocket<TcpStream> {
    if !wants_socket(&connection) {
        thread::sleep(FOREVER);
    }
    let mut socket = tungstenite::accept(connection).unwrap();
    socket.read().unwrap();
    socket
}

/// Does all that a server does before the first event.
fn stand(connection: TcpStream) -> WebSocket<TcpStream> {
    let mut socket = upgrade(connection);
    let connected = json!({"type": "connected", "version": 1, "last_seq": 0, "client_id": "c"});
    socket.send(Message::text(connected.to_string())).unwrap();
    socket
}

/// Says this after the handshake and then nothing more.
fn say(connection: TcpStream, text: &str) {
    let mut socket = stand(connection);
    socket.send(Message::text(text)).unwrap();
    thread::sleep(FOREVER);
}

#[test]
fn a_stream_names_what_is_wrong_with_a_server_and_ends_in_time() {
    let cases: [(&str, Manner, &str); 11] = [
        ("hangs up", drop, "not connected: "),
        (
            "speaks something else",
            |it| answer(it, b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
            "cannot be read",
        ),
        (
            "has a page for everything",
            |it| answer(it, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"),
            "200",
        ),
        (
            "sends away",
            |it| {
                answer(
                    it,
                    b"HTTP/1.1 302 Found\r\nlocation: ws://192.0.2.1/ws\r\ncontent-length: 0\r\n\r\n",
                );
            },
            "302",
        ),
        (
            "paints",
            |it| {
                answer(
                    it,
                    b"HTTP/1.1 502 X\r\ncontent-length: 27\r\n\r\n{\"error\":\"\\u001b[2J\\u0007\"} ",
                );
            },
            "502",
        ),
        (
            "answers no frame",
            |it| {
                let mut socket = upgrade(it);
                socket.send(Message::text("hello?\u{1b}[2J")).unwrap();
                thread::sleep(FOREVER);
            },
            "`connect` cannot be read",
        ),
        (
            "breaks the protocol",
            |it| {
                let mut socket = stand(it);
                socket
                    .get_mut()
                    .write_all(b"\xff\xff\xff\xff not a frame")
                    .unwrap();
                thread::sleep(FOREVER);
            },
            "protocol",
        ),
        (
            "announces a frame without end",
            |it| {
                let mut socket = stand(it);
                let head = b"\x81\x7f\x3f\xff\xff\xff\xff\xff\xff\xff";
                socket.get_mut().write_all(head).unwrap();
                thread::sleep(FOREVER);
            },
            "not connected: ",
        ),
        (
            "vanishes after the handshake",
            |it| drop(stand(it)),
            "not connected: ",
        ),
        (
            "sends what is no frame",
            |it| say(it, "{\"type\":\"event\"}\u{1b}[2J"),
            "cannot be read",
        ),
        (
            "sends what is no event",
            |it| {
                say(
                    it,
                    r#"{"type":"event","seq":1,"event":{"id":"\u001b[2J\n[x] forged"}}"#,
                );
            },
            "cannot be read",
        ),
    ];
    let person = Person::new();
    let running = cases.map(|(what, answer, said)| {
        let process = stream(&person, &server(answer), &[]).start();
        (what, process, said)
    });
    for (what, process, said) in running {
        let ended = process.end();
        assert_eq!(ended.code, Some(8), "a server that {what}: {ended:#?}");
        assert_eq!(ended.stdout, "", "a server that {what}: {ended:#?}");
        let stderr = &ended.stderr;
        assert!(stderr.contains(said), "a server that {what}: {ended:#?}");
        assert!(
            !stderr.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
            "a server that {what}: {ended:#?}"
        );
        assert!(
            !stderr.contains("\n[x]"),
            "a server that {what}: {ended:#?}"
        );
    }
}

#[test]
fn a_stream_ends_in_time_whatever_a_server_does_not_do() {
    let cases: [(&str, Manner, &[&str]); 9] = [
        ("takes the connection alone", hold, &[]),
        ("upgrades and reads nothing", |it| hold(upgrade(it)), &[]),
        ("stands and says nothing", |it| hold(stand(it)), &[]),
        ("never ends its head", |it| trickle(it, b"x: y\r\n"), &[]),
        (
            "takes the connection, with history",
            hold,
            &["--since", "all"],
        ),
        (
            "stands, with history",
            |it| hold(stand(it)),
            &["--since", "1h"],
        ),
        (
            "stands and hangs up on history",
            |it| {
                if wants_socket(&it) {
                    hold(stand(it));
                }
            },
            &["--since", "all"],
        ),
        ("is asked for the team", hold, &["--team", ""]),
        ("is asked for one", |it| hold(stand(it)), &["--count", "1"]),
    ];
    let person = Person::new();
    let running = cases.map(|(what, answer, more)| {
        let address = server(answer);
        let kite = match more {
            ["--team", ""] => person
                .kite(&["stream", "--timeout", "2s"])
                .env("KITE_SERVER", &format!("http://{address}"))
                .env("KITE_API_KEY", KEY),
            more => stream(&person, &address, more),
        };
        (what, kite.start())
    });
    for (what, process) in running {
        let ended = process.end();
        assert_eq!(ended.code, Some(8), "a server that {what}: {ended:#?}");
        assert_eq!(ended.stdout, "", "a server that {what}: {ended:#?}");
        assert!(ended.stderr.contains("2 s") || ended.stderr.contains("in time"));
    }
}

/// Keeps it, whatever it is, and does nothing.
fn hold<T>(it: T) {
    thread::sleep(FOREVER);
    drop(it);
}

/// Answers with a head that never ends.
fn trickle(mut connection: TcpStream, line: &[u8]) {
    connection.write_all(b"HTTP/1.1 101 X\r\n").ok();
    while connection.write_all(line).is_ok() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_interrupt_ends_a_stream_that_waits_for_a_silent_server() {
    let person = Person::new();
    for answer in [hold::<TcpStream> as Manner, |it| hold(stand(it)), drop] {
        let stream = stream(&person, &server(answer), &["--json"]).start();
        thread::sleep(Duration::from_millis(300));
        stream.signal("INT");
        let ended = stream.end();
        assert_eq!(ended.code, Some(130), "{ended:#?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_server_that_has_gone_for_good_is_named_and_waited_for() {
    let person = Person::new();
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let ended = stream(&person, &gone, &["--json"]).stdout("").exits(8);
    let first = ended.stderr.lines().next().unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["event"], "reconnecting", "{ended:#?}");
    assert!(first["reason"].as_str().unwrap().contains(&gone));
    assert_eq!(ended.json_error()["code"], "nothing_came");
}
