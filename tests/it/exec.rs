//! `--exec` as people use it: a command for each event, what it finds, and what is left of it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

use crate::support::cli::Person;
use crate::support::server::Server;
use crate::support::{GLANCE, PATIENCE};

/// Puts an event of this id into the log.
fn emit(person: &Person, id: &str) {
    person
        .kite(&["emit", "--type", "com.acme.made", "--id", id])
        .succeeds();
}

/// Waits until a command has written this many lines there.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= count && text.ends_with('\n') {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(Instant::now() < deadline, "only {text:?} in {path:?}");
        thread::sleep(GLANCE);
    }
}

/// Waits until none of these processes runs any more.
fn gone(ids: &[String]) {
    let runs = |id: &String| {
        let pid = Pid::from_raw(id.parse().unwrap()).unwrap();
        let state = fs::read_to_string(format!("/proc/{id}/stat"));
        let is_dead = state.is_ok_and(|state| state.contains(") Z"));
        test_kill_process(pid).is_ok() && !is_dead
    };
    let deadline = Instant::now() + PATIENCE;
    while ids.iter().any(runs) {
        assert!(Instant::now() < deadline, "{ids:?} are left");
        thread::sleep(GLANCE);
    }
}

#[test]
fn each_event_is_on_the_stdin_of_a_command_and_comes_once() {
    let server = Server::start();
    let person = Person::at(&server);
    let command = r#"jq -c "[.id, \"$KITE_SEQ\", \"$KITE_EVENT_ID\"]" 2>/dev/null || { cat >/dev/null; echo "[\"$KITE_EVENT_ID\",\"$KITE_SEQ\",\"$KITE_EVENT_ID\"]"; }"#;
    let run = ["stream", "--exec", command];
    let mut stream = person.listening(&run);
    emit(&person, "a");
    assert_eq!(stream.line(), r#"["a","1","a"]"#);
    stream.signal("INT");
    assert_eq!(stream.end().code, Some(130));

    // What came meanwhile comes first; what came before not again.
    emit(&person, "b");
    let again = [&run[..], &["--count", "1", "--timeout", "20s"]].concat();
    let ended = person.kite(&again).succeeds();
    assert_eq!(ended.stdout, "[\"b\",\"2\",\"b\"]\n");
    // Another command is another reader, which begins where it begins.
    let mut other = person.listening(&["stream", "--exec", "cat"]);
    emit(&person, "c");
    let event: Value = serde_json::from_str(&other.line()).unwrap();
    assert_eq!(event["id"], "c");
}

#[test]
fn a_key_is_not_in_the_environment_of_a_command() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::at(&server);
    emit(&person, "a");
    let run = ["stream", "--since", "all", "--count", "1", "--exec", "env"];
    let mut kite = person.kite(&run).env("KITE_API_KEY", &access.key);
    for name in [
        "KITE_FEDERATION_TOKEN",
        "KITE_SECRET_KEY",
        "KITE_DATABASE_URL",
        "PAPERCLIP_API_KEY",
        "KITE_PAPERCLIP_API_KEY",
    ] {
        kite = kite.env(name, "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXM=");
    }
    kite.stdout_has("KITE_EVENT_TYPE=com.acme.made\n")
        .stdout_has("KITE_SEQ=1\n")
        .stdout_has("KITE_SOURCE=api\n")
        .stdout_lacks(&access.key)
        .stdout_lacks("KITE_API_KEY")
        .stdout_lacks("c2VjcmV0")
        .succeeds();
}

#[test]
fn kite_in_a_command_is_who_runs_it() {
    let server = Server::start();
    let access = server.owner();
    let reviewer = Person::agent(&access, "reviewer");
    let path = reviewer.home().join("own.json");
    let login = format!(
        "kite --profile other login --server {} --with-token < {}",
        server.url(),
        server.key_file().display()
    );
    reviewer.shell(&login).succeeds();
    let register = ["--profile", "other", "agent", "register", "--name", "Other"];
    reviewer.kite(&register).succeeds();
    let send = ["agent", "send", "--to", "other", "who are you?"];
    reviewer.kite(&send).succeeds();
    let kite = env!("CARGO_BIN_EXE_kite");
    let answer = format!("{kite} agent show --json > {}", path.display());
    let listen = ["--profile", "other", "agent", "listen", "--count", "1"];
    let run = [&listen[..], &["--timeout", "20s", "--exec", &answer]].concat();
    reviewer.kite(&run).succeeds();
    let own: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(own["id"], "other");
}

#[test]
fn what_a_command_refuses_steps_aside_and_the_rest_goes_on() {
    let server = Server::start();
    let person = Person::at(&server);
    for id in ["a", "bad", "c"] {
        emit(&person, id);
    }
    let command = r#"echo "$KITE_EVENT_ID"; test "$KITE_EVENT_ID" != bad || { echo "I dislike it" >&2; exit 3; }"#;
    let run = [
        "stream", "--since", "all", "--count", "3", "--exec", command,
    ];
    let ended = person
        .kite(&run)
        .stderr_has("I dislike it\n")
        .stderr_has("#2 com.acme.made: refused: it ended with 3: I dislike it; in the local queue")
        .exits(7);
    assert!(ended.stdout.starts_with("a\nbad\nc\n"), "{}", ended.stdout);
}

#[test]
fn a_command_that_never_ends_is_ended_and_its_event_refused() {
    let server = Server::start();
    let person = Person::at(&server);
    emit(&person, "a");
    let pids = person.home().join("pids");
    let command = format!(
        "sleep 300 & echo $! >>{0}; echo $$ >>{0}; wait",
        pids.display()
    );
    let run = [
        "stream",
        "--since",
        "all",
        "--count",
        "1",
        "--exec-timeout",
        "1s",
        "--exec",
        &command,
    ];
    person
        .kite(&run)
        .stderr_has("refused: it did not end within 1 s")
        .exits(1);
    gone(&lines(&pids, 2));
}

#[test]
fn a_kite_that_is_ended_leaves_no_command_behind_and_its_event_comes_again() {
    let server = Server::start();
    let person = Person::at(&server);
    let pids = person.home().join("pids");
    let command = format!(
        "trap '' TERM; sleep 300 & echo $! >>{0}; echo $$ >>{0}; echo $KITE_EVENT_ID; wait",
        pids.display()
    );
    let run = ["stream", "--exec", &command];
    let mut stream = person.listening(&run);
    emit(&person, "a");
    assert_eq!(stream.line(), "a");
    let first = lines(&pids, 2);
    stream.signal("TERM");
    assert_eq!(stream.end().code, Some(130));
    gone(&first);

    let mut again = person.listening(&run);
    assert_eq!(again.line(), "a");
    let second = lines(&pids, 4);
    again.signal("INT");
    assert_eq!(again.end().code, Some(130));
    gone(&second);
}

#[test]
fn nothing_is_left_of_what_is_tried_again_either() {
    let server = Server::start();
    let person = Person::at(&server);
    let pids = person.home().join("pids");
    let command = format!(
        "test -e {0}.first || {{ : >{0}.first; exit 1; }}; sleep 300 & echo $! >>{0}; echo $$ >>{0}; wait",
        pids.display()
    );
    let stream = person.listening(&["stream", "--exec", &command]);
    emit(&person, "a");
    let second = lines(&pids, 2);
    stream.signal("TERM");
    assert_eq!(stream.end().code, Some(130));
    gone(&second);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly_and_costs_no_event() {
    let server = Server::start();
    let person = Person::at(&server);
    for id in ["a", "b", "c"] {
        emit(&person, id);
    }
    // A line that is longer than a pipe, so that nobody writes it to the end before the reader is gone.
    let run = r#"kite stream --since all --exec 'head -c 200000 /dev/zero | tr "\\0" x; echo' | head -c 1; echo " ${PIPESTATUS[0]}""#;
    person
        .shell(run)
        .stdout("x 0\n")
        .stderr_lacks("refused")
        .succeeds();
}

#[test]
fn a_message_is_the_whole_event_to_a_command_and_the_mailbox_is_one() {
    let server = Server::start();
    let access = server.owner();
    let reviewer = Person::agent(&access, "Reviewer");
    let send = |body: &str| {
        let to = ["agent", "send", "--to", "reviewer", body];
        reviewer.kite(&to).succeeds();
    };
    // Sent before anybody listened.
    send("look at $(touch OWNED)");
    let once = ["--count", "1", "--timeout", "20s"];
    let listen = |more: &[&str]| {
        let run = [&["agent", "listen"][..], more, &once[..]].concat();
        reviewer.kite(&run).succeeds()
    };
    let event = listen(&["--exec", "cat"]).json();
    assert_eq!(event["type"], "com.kite.agent.message");
    assert_eq!(event["data"]["body"], "look at $(touch OWNED)");
    assert!(!reviewer.home().join("OWNED").exists());
    send("second");
    let second = listen(&["--exec", "cat; true"]).json();
    assert_eq!(second["data"]["body"], "second");
}

#[test]
fn a_command_and_a_form_of_printing_exclude_one_another() {
    for wrong in [
        &["stream", "--compact", "--exec", "cat"][..],
        &["stream", "--exec-timeout", "3s"],
        &["stream", "--exec", "cat", "--exec-timeout", "0s"],
        &["stream", "--exec", " "],
    ] {
        Person::new()
            .kite(wrong)
            .stdout("")
            .stderr_has("--exec")
            .exits(2);
    }
}
