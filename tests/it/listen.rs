//! `kite listen` as people use it: who reads the socket has every event, and nothing is lost while nobody does.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::cli::Person;
use crate::support::http::Access;
use crate::support::process::Process;
use crate::support::server::Server;

/// Silence after which an event is not expected any more.
const SILENCE: Duration = Duration::from_millis(300);

/// A program that reads the socket.
struct Reader(BufReader<UnixStream>);

impl Reader {
    fn connect(person: &Person) -> Self {
        let stream = UnixStream::connect(socket(person)).unwrap();
        Self(BufReader::new(stream))
    }

    /// One that has been taken in.
    fn of(person: &Person, listen: &Process, number: usize) -> Self {
        let reader = Self::connect(person);
        listen.wait_to_say(&format!("a reader came; readers: {number}\n"));
        reader
    }

    /// The next line, or what there is before the end; `None` when nothing comes in time.
    fn next(&mut self, limit: Duration) -> Option<String> {
        self.0.get_ref().set_read_timeout(Some(limit)).unwrap();
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) => Some(line),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                None
            }
        }
    }

    /// The id of the next event.
    fn id(&mut self) -> String {
        let line = self.next(PATIENCE).expect("an event comes");
        assert!(
            line.ends_with('\n'),
            "the line is cut: {} bytes",
            line.len()
        );
        let event: Value = serde_json::from_str(&line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }
}

fn socket(person: &Person) -> PathBuf {
    person.home().join("sock")
}

fn listen(person: &Person) -> Process {
    person.listening(&["listen", "--socket", "sock"])
}

async fn emit(access: &Access, id: &str) {
    let event = json!({"id": id, "source": "/test", "type": "com.demo", "data": {"a": 1}});
    access.emit(&event).await.expect(202);
}

#[tokio::test]
async fn without_a_reader_the_stream_holds_and_a_kill_loses_nothing() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let first = listen(&person);
    emit(&access, "1").await;
    emit(&access, "2").await;
    first.wait_to_say("held: no reader");
    first.kill();

    // What the killed one left behind is in nobody's way.
    assert!(socket(&person).exists());
    let second = listen(&person);
    second.wait_to_say("held: no reader");
    let mut reader = Reader::connect(&person);
    assert_eq!((reader.id(), reader.id()), ("1".to_owned(), "2".to_owned()));
    second.wait_to_say("taken, going on");
    second.signal("INT");
    assert_eq!(second.end().code, Some(130));
    assert_eq!(
        reader.next(PATIENCE).as_deref(),
        Some(""),
        "the readers end"
    );
    assert!(!socket(&person).exists());

    // What was taken does not come again.
    let third = listen(&person);
    let mut reader = Reader::of(&person, &third, 1);
    emit(&access, "3").await;
    assert_eq!(reader.id(), "3");
}

#[tokio::test]
async fn every_reader_has_everything_from_when_it_came() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let args = [
        "--json",
        "listen",
        "--socket",
        "sock",
        "--event-type",
        "demo",
    ];
    let listen = person.listening(&args);
    let mut first = Reader::connect(&person);
    listen.wait_to_say(r#"{"event":"reader","change":"came","readers":1}"#);
    emit(&access, "1").await;
    assert_eq!(first.id(), "1");
    let mut second = Reader::connect(&person);
    listen.wait_to_say(r#"{"event":"reader","change":"came","readers":2}"#);
    let other = json!({"id": "no", "source": "/test", "type": "com.other"});
    access.emit(&other).await.expect(202);
    emit(&access, "2").await;
    emit(&access, "3").await;
    for reader in [&mut first, &mut second] {
        assert_eq!((reader.id(), reader.id()), ("2".to_owned(), "3".to_owned()));
        assert_eq!(reader.next(SILENCE), None);
    }
    drop(second);
    listen.wait_to_say(r#"{"event":"reader","change":"left","readers":1}"#);
    listen.signal("TERM");
    let ended = listen.end();
    let last: Value = serde_json::from_str(ended.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["delivered"]),
        (&json!("end"), &json!(3))
    );
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_while_a_fast_one_goes_on() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let listen = listen(&person);
    let mut slow = Reader::of(&person, &listen, 1);
    let mut fast = Reader::of(&person, &listen, 2);
    // More than the buffers between two programs hold.
    let filling = "x".repeat(200_000);
    let ids: Vec<String> = (1..=10).map(|id| id.to_string()).collect();
    for id in &ids {
        let event = json!({"id": id, "source": "/test", "type": "com.demo", "data": filling});
        access.emit(&event).await.expect(202);
    }
    let reading = tokio::task::spawn_blocking(move || {
        let read: Vec<String> = (0..10).map(|_| fast.id()).collect();
        (read, fast)
    });
    let (read, fast) = reading.await.unwrap();
    assert_eq!(read, ids);
    listen.wait_to_say("a reader took no event within 5 s and was cut off; readers: 1");
    let mut last = String::new();
    while let Some(line) = slow.next(PATIENCE).filter(|line| !line.is_empty()) {
        last = line;
    }
    assert!(
        !last.ends_with('\n'),
        "it was cut in the middle of an event"
    );
    drop(fast);
    listen.wait_to_say("a reader left; readers: 0");
}

#[tokio::test]
async fn a_reader_that_comes_while_the_stream_is_held_is_served_at_once() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::with(&access);
    let args = ["listen", "--socket", "sock", "--count", "1"];
    let listen = person.listening(&args);
    emit(&access, "1").await;
    listen.wait_to_say("held: no reader");
    let mut reader = Reader::connect(&person);
    assert_eq!(reader.id(), "1");
    assert_eq!(listen.end().code, Some(0));
    assert!(!socket(&person).exists());
}

#[test]
fn the_socket_is_for_its_owner_alone_and_gone_after_sigterm() {
    let server = Server::start();
    let person = Person::at(&server);
    let listen = listen(&person);
    let metadata = fs::symlink_metadata(socket(&person)).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    listen.signal("TERM");
    assert_eq!(listen.end().code, Some(130));
    let left: Vec<_> = fs::read_dir(person.home()).unwrap().collect();
    let names: Vec<_> = left
        .iter()
        .map(|entry| entry.as_ref().unwrap().file_name())
        .collect();
    assert!(!names.iter().any(|name| name == "sock"), "{names:?}");
    let is_nook = |name: &&std::ffi::OsString| name.to_string_lossy().starts_with(".k");
    assert_eq!(names.iter().filter(is_nook).count(), 0, "{names:?}");
}

#[test]
fn what_stands_in_the_place_of_the_socket_stays() {
    let server = Server::start();
    let person = Person::at(&server);
    let path = socket(&person);
    let refused = |code: i32, part: &str| {
        person
            .kite(&["listen", "--socket", "sock"])
            .stdout("")
            .stderr_has(part)
            .stderr_has(path.to_str().unwrap())
            .exits(code);
        assert!(fs::symlink_metadata(&path).is_ok());
    };
    fs::write(&path, "kept").unwrap();
    refused(2, "is no socket");
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    fs::remove_file(&path).unwrap();

    let target = person.home().join("left-over");
    drop(UnixListener::bind(&target).unwrap());
    symlink(&target, &path).unwrap();
    refused(2, "is no socket");
    assert!(fs::symlink_metadata(&target).is_ok());
    fs::remove_file(&path).unwrap();

    let _live = listen(&person);
    refused(1, "in use");
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_path_that_no_socket_can_have_is_wrong_usage() {
    let server = Server::start();
    let person = Person::at(&server);
    let long = "x".repeat(120);
    person
        .kite(&["listen", "--socket", &long])
        .stderr_has("too long")
        .exits(2);
    person.kite(&["listen", "--socket", ""]).exits(2);
    person.kite(&["listen"]).stderr_has("--socket").exits(2);
    person
        .kite(&["listen", "--socket", "no/where"])
        .stderr_has("no/where")
        .exits(1);
}
