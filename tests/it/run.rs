//! `kite run` as people use it: every sink of a manifest, what is wrong with one, windows, and how a run ends.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::cli::{Kite, Person};
use crate::support::http::Access;
use crate::support::process::{Ended, Process};
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::{GLANCE, PATIENCE, eventually};

/// A server, somebody who has a manifest, and their way into the log.
struct Desk {
    _server: Server,
    access: Access,
    person: Person,
}

impl Desk {
    /// A manifest to this sink, with more members where they are given.
    fn new(sink: &Value, more: &Value) -> Self {
        let server = Server::start();
        let access = server.owner();
        let person = Person::with(&access);
        let desk = Self {
            _server: server,
            access,
            person,
        };
        desk.write(sink, more);
        desk
    }

    fn write(&self, sink: &Value, more: &Value) {
        let mut manifest = json!({"name": "desk", "sink": sink});
        for (name, value) in more.as_object().unwrap() {
            manifest[name] = value.clone();
        }
        fs::write(self.path("kite.json"), manifest.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.person.home().join(name)
    }

    /// Puts events with these ids into the log, all of one `data.ref`.
    async fn emit(&self, ids: &[&str]) {
        for id in ids {
            let data = json!({"ref": "main", "actor": id});
            let event = json!({"id": id, "source": "/test", "type": "com.acme.made", "data": data});
            self.access.emit(&event).await.expect(202);
        }
    }

    /// A run that is connected.
    fn run(&self, more: &[&str]) -> Process {
        self.person.listening(&[&["run"], more].concat())
    }

    /// A run over all that is stored, until so many were handed on.
    fn run_past(&self, count: &str, more: &[&str]) -> Kite {
        let past = ["--since", "all", "--count", count, "--timeout", "20s"];
        self.person.kite(&[&["run"], &past[..], more].concat())
    }

    fn stats(&self) -> Value {
        let stats = self.person.kite(&["queue", "stats", "--json"]);
        stats.succeeds().json()
    }

    /// How many entries have each of these statuses.
    fn counts<const N: usize>(&self, statuses: [&str; N]) -> [u64; N] {
        let stats = self.stats();
        statuses.map(|status| stats[status].as_u64().unwrap())
    }

    /// Waits until a file has so many lines; all of them.
    async fn lines(&self, name: &str, count: usize) -> Vec<String> {
        eventually("the command has run", async || {
            let text = fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count && text.ends_with('\n')).then_some(lines)
        })
        .await
    }
}

fn exec(command: &str) -> Value {
    json!({"type": "exec", "command": command})
}

fn keeping(strategy: &str, window: &str) -> Value {
    let dedup = json!({"window": window, "key": ["ref"], "strategy": strategy});
    json!({"scoring": {"dedup": dedup}})
}

/// What a run under `--json` said at its end.
fn account(ended: &Ended) -> Value {
    let objects = ended
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut ends = objects.filter(|object: &Value| object["event"] == "end");
    ends.next().unwrap_or_else(|| panic!("{ended:#?}"))
}

#[tokio::test]
async fn stdout_has_lines_for_people_or_events() {
    let desk = Desk::new(&json!({"type": "stdout"}), &json!({}));
    desk.emit(&["a"]).await;
    let ended = desk.run_past("1", &[]).succeeds();
    assert!(ended.stdout.contains("] #1 com.acme.made"), "{ended:#?}");
    let json = json!({"type": "stdout", "json": true});
    let hook = json!({"match": {}, "run": r#"sed 's/{/{\n "extra":"x",/'"#});
    let desk = Desk::new(&json, &json!({"enrichment": [hook]}));
    desk.emit(&["a"]).await;
    let event = desk.run_past("1", &[]).succeeds().json();
    assert_eq!((&event["id"], &event["extra"]), (&json!("a"), &json!("x")));
    assert_eq!(desk.counts(["delivered", "ready"]), [1, 0]);
}

#[tokio::test]
async fn a_proxy_gets_what_kite_proxy_posts_and_only_what_was_subscribed() {
    let receiver = Receiver::start();
    let sink = json!({"type": "proxy", "target": receiver.url});
    let desk = Desk::new(&sink, &json!({"subscriptions": [{"type": "made"}]}));
    let other = json!({"id": "o", "source": "/test", "type": "com.other"});
    desk.access.emit(&other).await.expect(202);
    desk.emit(&["a"]).await;
    let ended = desk.run_past("1", &["--json"]).succeeds();
    let got = receiver.wait(1).remove(0);
    assert_eq!(
        (got.id(), got.body.as_slice()),
        ("a", &br#"{"ref":"main","actor":"a"}"#[..])
    );
    assert_eq!(got.header("x-kite-team-id"), desk.access.team);
    let end = account(&ended);
    assert_eq!(end["reason"], "count");
    assert_eq!(
        [&end["delivered"], &end["skipped"], &end["refused"]],
        [1, 0, 0]
    );
    assert_eq!(desk.stats()["delivered"], 1);
}

#[tokio::test]
async fn a_command_gets_each_event_and_what_it_refuses_steps_aside() {
    let command = r#"cat >>got; test "$KITE_EVENT_ID" != bad"#;
    let desk = Desk::new(&exec(command), &json!({}));
    desk.emit(&["a", "bad", "c"]).await;
    let ended = desk.run_past("3", &["--json"]).exits(7);
    let end = account(&ended);
    assert_eq!([&end["delivered"], &end["refused"]], [2, 1]);
    let lines = desk.lines("got", 3).await;
    let event: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(event["id"], "a");
    assert_eq!(desk.counts(["delivered", "ready"]), [2, 1]);
}

#[tokio::test]
async fn a_socket_holds_the_run_until_somebody_reads() {
    let desk = Desk::new(&json!({"type": "socket", "path": "sock"}), &json!({}));
    let run = desk.run(&[]);
    desk.emit(&["a"]).await;
    run.wait_to_say("held: no reader");
    let stream = UnixStream::connect(desk.path("sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["id"], "a");
    run.wait_to_say("taken, going on");
}

#[tokio::test]
async fn paperclip_is_called_with_its_own_key_and_never_with_that_of_kite() {
    let receiver = Receiver::start();
    let base = receiver.url.strip_suffix("/hook").unwrap();
    let sink = json!({"type": "paperclip", "api_url": base, "company_id": "co", "agent_id": "ag"});
    let desk = Desk::new(&sink, &json!({}));
    desk.emit(&["a"]).await;
    desk.run_past("1", &[])
        .stderr_has("PAPERCLIP_API_KEY")
        .stderr_lacks(&desk.access.key)
        .exits(4);
    assert_eq!(receiver.got().len(), 0);

    let with_key = desk.run_past("1", &[]).env("PAPERCLIP_API_KEY", "pk-1");
    with_key.env("KITE_API_KEY", &desk.access.key).succeeds();
    let got = receiver.wait(1).remove(0);
    assert_eq!(got.path, "/api/companies/co/agents/ag/webhooks/kite");
    for (name, value) in [
        ("authorization", "Bearer pk-1"),
        ("x-kite-event-id", "a"),
        ("x-kite-event-type", "com.acme.made"),
        ("x-kite-wake-reason", "webhook_event"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(body["event_type"], "com.acme.made");
    assert_eq!(body["data"]["ref"], "main");
    assert!(!format!("{got:?}").contains(&desk.access.key));
}

/// A program that asks a run over its stdin and stdout.
struct Client {
    run: Process,
    input: File,
}

impl Client {
    fn start(desk: &Desk) -> Self {
        let pipe = desk.path("in");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let run = desk.person.shell("exec kite run <in").start();
        // This waits until the other side is open.
        let input = File::options().write(true).open(&pipe).unwrap();
        fs::remove_file(pipe).unwrap();
        run.wait_to_say("running `desk`");
        Self { run, input }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(self.input, "{request}").unwrap();
        let answer: Value = serde_json::from_str(&self.run.line()).unwrap();
        assert_eq!(
            (&answer["jsonrpc"], &answer["id"]),
            (&json!("2.0"), &json!(1))
        );
        answer["result"].clone()
    }

    /// The ids of the events that it has, the newest first.
    fn ids(&mut self) -> Vec<String> {
        let read = json!({"uri": "kite://events/recent"});
        let result = self.ask("resources/read", &read);
        let text = result["contents"][0]["text"].as_str().unwrap();
        let events: Vec<Value> = serde_json::from_str(text).unwrap();
        let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
        events.iter().map(id).collect()
    }

    /// Waits until it has these.
    fn has(&mut self, ids: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.ids();
            if found == ids {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?}");
            thread::sleep(GLANCE);
        }
    }

    /// Closes stdin.
    fn leave(self) -> Ended {
        drop(self.input);
        self.run.end()
    }
}

#[tokio::test]
async fn a_client_of_the_model_context_protocol_finds_the_events_of_earlier_runs_too() {
    let sink = json!({"type": "mcp_server", "buffer_size": 3});
    let desk = Desk::new(&sink, &json!({}));
    let mut first = Client::start(&desk);
    let version = json!({"protocolVersion": "2024-11-05", "capabilities": {}});
    let initialized = first.ask("initialize", &version);
    assert_eq!(initialized["protocolVersion"], "2024-11-05");
    desk.emit(&["a", "b", "c", "d"]).await;
    first.has(&["d", "c", "b"]);
    let ended = first.leave();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for line in ended.stdout.lines() {
        serde_json::from_str::<Value>(line).expect("nothing but JSON-RPC");
    }

    let mut second = Client::start(&desk);
    second.has(&["d", "c", "b"]);
    desk.emit(&["e"]).await;
    second.has(&["e", "d", "c"]);
    second.run.signal("TERM");
    // Stdin is still open.
    assert_eq!(second.run.end().code, Some(130));
}

#[test]
fn a_check_says_whether_a_manifest_is_good_and_what_it_means() {
    let person = Person::new();
    let text =
        r#"{"name": "a", "subscriptions": [{"source": "github"}], "sink": {"type": "stdout"}}"#;
    fs::write(person.home().join("kite.json"), text).unwrap();
    person
        .kite(&["run", "--check"])
        .stdout_has("The manifest `a` is good")
        .stdout_has("source:github")
        .succeeds();
    let whole = person.kite(&["run", "--check", "--json"]).succeeds().json();
    assert_eq!(whole["sink"], json!({"type": "stdout", "json": false}));
    assert_eq!(whole["queue"]["retention"], "7d");
    // What is written out is a manifest again.
    fs::write(person.home().join("other.json"), whole.to_string()).unwrap();
    let other = ["run", "--check", "--json", "--manifest", "other.json"];
    assert_eq!(person.kite(&other).succeeds().json(), whole);
}

#[test]
fn whatever_is_wrong_with_a_manifest_is_named_and_nothing_is_connected() {
    let person = Person::new();
    let path = person.home().join("kite.json");
    let stdout = r#""name": "n", "sink": {"type": "stdout"}"#;
    let with = |more: &str| format!("{{{stdout}, {more}}}");
    for (text, named) in [
        ("{".to_owned(), "kite.json"),
        ("[]".to_owned(), "expected an object"),
        ("{}".to_owned(), "`name` is required\n`sink` is required"),
        (
            r#"{"name": " ", "sink": {"type": "stdout"}}"#.to_owned(),
            "`name` is",
        ),
        (
            r#"{"name": "n", "sink": {"type": "mail"}}"#.to_owned(),
            "`sink.type`",
        ),
        (
            r#"{"name": "n", "sink": {"type": "proxy", "target": "ftp://x"}}"#.to_owned(),
            "`sink.target`",
        ),
        (
            r#"{"name": "n", "sink": {"type": "exec"}}"#.to_owned(),
            "`sink.command` is required",
        ),
        (
            r#"{"name": "n", "sink": {"type": "http", "url": "x"}}"#.to_owned(),
            "use `proxy`",
        ),
        (with(r#""subscription": []"#), "`subscriptions` is near"),
        (with(r#""sources": ["github"]"#), "use `subscriptions`"),
        (with(r#""source": "github""#), "use `subscriptions`"),
        (with(r#""sinks": []"#), "use `sink`"),
        (
            with(r#""routes": []"#),
            "a manifest of its own for each sink",
        ),
        (with(r#""filters": []"#), "use an object"),
        (
            with(r#""filters": {"drop": [{"typ": "x"}]}"#),
            "`filters.drop[0].typ`",
        ),
        (
            with(r#""enrichment": [{"match": {}, "script": "x"}]"#),
            "use `run`",
        ),
        (
            with(r#""enrichment": [{"match": {}, "run": "x", "timeout": "0s"}]"#),
            "`enrichment[0].timeout`",
        ),
        (
            with(r#""scoring": {"dedup": {"window": "1m", "key": []}}"#),
            "`scoring.dedup.key`",
        ),
        (
            with(r#""scoring": {"dedup": {"window": "soon", "key": ["id"]}}"#),
            "`scoring.dedup.window`",
        ),
        (
            with(r#""scoring": {"rules": [{"match": {}, "importance": "urgent"}]}"#),
            "`scoring.rules[0].importance`",
        ),
        (with(r#""queue": {"max_size": -1}"#), "`queue.max_size`"),
        (with(r#""name": "twice""#), "`name` is given twice"),
    ] {
        fs::write(&path, &text).unwrap();
        for args in [&["run"][..], &["run", "--check"]] {
            person.kite(args).stdout("").stderr_has(named).exits(2);
        }
    }
    fs::write(&path, b"\xff").unwrap();
    person.kite(&["run"]).stderr_has("not UTF-8").exits(2);
    fs::remove_file(&path).unwrap();
    let missing = person.kite(&["run", "--json"]).exits(2);
    let error = missing.json_error();
    assert_eq!(error["code"], "usage");
    assert!(
        error["message"].as_str().unwrap().contains("`kite.json`"),
        "{error}"
    );
}

#[tokio::test]
async fn of_a_window_one_event_goes_on_and_ends_a_run_that_waits_for_one() {
    let desk = Desk::new(&exec("cat >>got"), &keeping("keep_last", "2s"));
    desk.emit(&["a", "b", "c"]).await;
    let ended = desk.run_past("1", &["--json"]).succeeds();
    let end = account(&ended);
    assert_eq!(
        (&end["received"], &end["delivered"]),
        (&json!(1), &json!(1))
    );
    let lines = desk.lines("got", 1).await;
    assert!(
        lines.len() == 1 && lines[0].contains(r#""id":"c""#),
        "{lines:?}"
    );
    assert_eq!(desk.counts(["delivered", "filtered", "pending"]), [1, 2, 0]);
}

#[tokio::test]
async fn what_is_filtered_does_not_count_as_handed_on() {
    let filters = json!({"filters": {"drop": [{"actor": "*[bot]"}]}});
    let desk = Desk::new(&exec("cat >>got"), &filters);
    desk.emit(&["dependabot[bot]", "ann"]).await;
    let ended = desk.run_past("1", &["--json"]).succeeds();
    let end = account(&ended);
    assert_eq!(
        [&end["received"], &end["delivered"], &end["skipped"]],
        [1, 1, 1]
    );
    assert_eq!(desk.lines("got", 1).await.len(), 1);
    let list = desk
        .person
        .kite(&["queue", "list", "--status", "filtered", "--json"]);
    let entry = list.succeeds().json();
    assert_eq!(entry["failure_reason"], "left out by `filters.drop[0]`");
}

#[tokio::test]
async fn what_is_refused_when_its_window_closes_shows_in_the_exit_code() {
    let desk = Desk::new(&exec("exit 3"), &keeping("keep_last", "1s"));
    desk.emit(&["a"]).await;
    let refused = desk.run_past("1", &[]);
    refused.stderr_has("refused: it ended with 3").exits(1);
    assert_eq!(desk.counts(["ready", "failed"]), [1, 0]);
}

#[tokio::test]
async fn an_interrupt_in_a_window_costs_no_event() {
    let desk = Desk::new(&exec("cat >>got"), &keeping("keep_last", "2s"));
    let run = desk.run(&[]);
    desk.emit(&["a"]).await;
    eventually("it is held", async || {
        (desk.stats()["pending"] == 1).then_some(())
    })
    .await;
    run.signal("TERM");
    assert_eq!(run.end().code, Some(130));
    assert!(!desk.path("got").exists());
    let _again = desk.run(&[]);
    assert!(desk.lines("got", 1).await[0].contains(r#""id":"a""#));
}

#[tokio::test]
async fn after_a_kill_every_event_was_handed_on_and_what_was_delivered_not_twice() {
    let ids: Vec<String> = (0..40).map(|number| format!("e{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let desk = Desk::new(&exec(r#"echo "$KITE_EVENT_ID" >>got"#), &json!({}));
    let run = desk.run(&[]);
    desk.emit(&ids).await;
    desk.lines("got", 10).await;
    run.kill();
    let delivered = desk.counts(["delivered"])[0];
    let _again = desk.run(&[]);
    eventually("all are delivered", async || {
        (desk.stats()["delivered"] == ids.len()).then_some(())
    })
    .await;
    let got = desk.lines("got", ids.len()).await;
    assert!(ids.iter().all(|id| got.iter().any(|line| line == id)));
    // At most the one that was in hand.
    assert!(
        got.len() <= ids.len() + 1,
        "{delivered} were delivered: {got:?}"
    );
}

#[tokio::test]
async fn two_runs_of_one_manifest_lose_nothing() {
    let desk = Desk::new(&exec(r#"echo "$KITE_EVENT_ID" >>got"#), &json!({}));
    let _first = desk.run(&[]);
    let second = desk.run(&[]);
    second.wait_to_say("another process listens for the same here");
    desk.emit(&["a", "b", "c"]).await;
    let all = async || (desk.stats()["delivered"] == 3).then_some(());
    eventually("all are delivered", all).await;
    let mut got = desk.lines("got", 3).await;
    got.sort();
    got.dedup();
    assert_eq!(got, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_a_run_quietly() {
    let stdout = json!({"type": "stdout", "json": true});
    let run = r#"kite run --since all | head -c 1; echo " ${PIPESTATUS[0]}""#;
    // Longer than a pipe, so that nobody writes it to the end before the reader is gone.
    let data = "x".repeat(200_000);
    let long = json!({"id": "a", "source": "/test", "type": "com.acme.made", "data": data});
    for more in [json!({}), keeping("keep_last", "1s")] {
        let desk = Desk::new(&stdout, &more);
        desk.access.emit(&long).await.expect(202);
        let ended = desk.person.shell(run).stdout("{ 0\n");
        ended.stderr_lacks("error").succeeds();
    }
}

#[tokio::test]
async fn the_queue_keeps_as_many_as_the_manifest_says() {
    let desk = Desk::new(&exec("cat >>got"), &json!({"queue": {"max_size": 2}}));
    desk.emit(&["a", "b", "c", "d"]).await;
    desk.run_past("4", &[]).succeeds();
    // Whatever opens the queue next tidies up.
    assert_eq!(desk.stats()["delivered"], 2);
    desk.write(&exec("cat >>got"), &json!({"queue": {"retention": "0s"}}));
    let run = desk.run(&[]);
    desk.emit(&["e"]).await;
    desk.lines("got", 5).await;
    run.signal("INT");
    run.end();
    let is_empty = async || (desk.stats()["delivered"] == 0).then_some(());
    eventually("what is over has gone", is_empty).await;
}

#[tokio::test]
async fn a_hook_that_adds_nothing_is_named_and_the_event_goes_on() {
    let hook = json!({"match": {}, "run": "echo oops >&2; exit 2"});
    let desk = Desk::new(&exec("cat >>got"), &json!({"enrichment": [hook]}));
    desk.emit(&["a"]).await;
    let ended = desk.run_past("1", &["--json"]).succeeds();
    let said = ended
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let said: Vec<Value> = said
        .filter(|line: &Value| line["event"] == "unenriched")
        .collect();
    assert_eq!(said.len(), 1);
    assert_eq!(
        (&said[0]["seq"], &said[0]["reason"]),
        (&json!(1), &json!("it ended with 2: oops"))
    );
    assert_eq!(desk.lines("got", 1).await.len(), 1);
}
