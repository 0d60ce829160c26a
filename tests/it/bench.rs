//! `kite bench`: that what it counts adds up. How fast anything is, is not tested.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cli::{Kite, Person};
use crate::support::eventually;
use crate::support::server::Server;
use crate::support::webdriver::processes_with;

/// Short runs: a test looks at the counts alone.
const SHORT: &[&str] = &["--duration", "300ms", "--warm-up", "100ms"];

/// Somebody who measures, and the only place where something could be left.
struct Bench {
    person: Person,
    scratch: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            person: Person::new(),
            scratch: TempDir::new().unwrap(),
        }
    }

    fn kite(&self, args: &[&str]) -> Kite {
        let scratch = self.scratch.path().to_str().unwrap();
        self.person
            .kite(&[&["bench"], args].concat())
            .env("TMPDIR", scratch)
    }

    /// A short run under `--json`: its objects.
    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let ended = self
            .kite(&[args, SHORT, &["--json"]].concat())
            .stderr_has(r#"{"event":"server","server":"throw-away"}"#)
            .succeeds();
        self.nothing_is_left();
        let lines = ended.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn object(&self, args: &[&str]) -> Value {
        let mut objects = self.objects(args);
        assert_eq!(objects.len(), 1, "{objects:?}");
        objects.remove(0)
    }

    fn nothing_is_left(&self) {
        assert_eq!(fs::read_dir(self.scratch.path()).unwrap().count(), 0);
        let left = processes_with(self.scratch.path().to_str().unwrap());
        assert_eq!(left, [] as [u32; 0]);
    }
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("`{value}` is no number"))
}

/// Whether a side did something, all of it well, and its latencies are in order.
fn is_sound(side: &Value) {
    assert!(number(&side["per_second"]) > 0.0, "{side}");
    assert!(side["count"].as_u64().unwrap() > 0, "{side}");
    assert_eq!((&side["failed"], &side["unsent"]), (&0.into(), &0.into()));
    let names = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
    let latencies = names.map(|name| number(&side[name]));
    assert!(latencies[0] > 0.0 && latencies.is_sorted(), "{side}");
}

/// Whether every message reached all it was for.
fn is_complete(side: &Value, audience: u64) {
    let messages = side["messages"].as_u64().unwrap();
    assert_eq!(
        side["count"].as_u64().unwrap(),
        messages * audience,
        "{side}"
    );
    assert_eq!(side["missing"], 0, "{side}");
}

#[test]
fn the_limits_of_the_machine_are_measured() {
    let bench = Bench::new();
    let ended = bench
        .kite(&[&["limits", "--in-flight", "1,4", "--json"], SHORT].concat())
        .succeeds();
    let shown = ended.json();
    for speed in ["sync", "round_trip"] {
        assert!(number(&shown[speed]["per_second"]) > 0.0, "{shown}");
    }
    for path in ["echo", "commit"] {
        for (at, in_flight) in [1, 4].into_iter().enumerate() {
            assert_eq!(shown[path][at]["in_flight"], in_flight);
            is_sound(&shown[path][at]);
        }
    }
    bench.nothing_is_left();
}

#[test]
fn publishing_is_measured_for_each_number_of_publishers_and_beside_the_floor() {
    let objects = Bench::new().objects(&[
        "publish",
        "--publishers",
        "1,4",
        "--floor",
        "--rounds",
        "2",
        "--size",
        "300",
    ]);
    assert_eq!(objects.len(), 2, "{objects:?}");
    for (shown, publishers) in objects.iter().zip([1, 4]) {
        assert_eq!(shown["verb"], "publish");
        assert_eq!(shown["load"]["publishers"], publishers);
        assert_eq!(shown["load"]["pace"], "closed_loop");
        assert_eq!(shown["load"]["size_bytes"], 300);
        assert_eq!(shown["rounds"], 2);
        is_sound(&shown["kite"]);
        is_sound(&shown["floor"]);
        let ratio = &shown["ratio"]["per_second"];
        let [min, median, max] = ["min", "median", "max"].map(|name| number(&ratio[name]));
        assert!(min > 0.0 && min <= median && median <= max, "{shown}");
    }
}

#[test]
fn at_a_fixed_rate_everything_that_was_due_is_sent() {
    let shown = Bench::new().object(&["publish", "--publishers", "4", "--rate", "50"]);
    assert_eq!(shown["load"]["rate"], 50);
    is_sound(&shown["kite"]);
    // What was due in 300 ms, whatever the machine does meanwhile.
    assert_eq!(shown["kite"]["count"], 15);
    assert_eq!(shown.get("floor"), None);
}

#[test]
fn every_message_reaches_all_listeners_or_the_one_it_is_for() {
    let bench = Bench::new();
    let crowd = ["fanout", "--listeners", "7", "--floor", "--rounds", "1"];
    let all = bench.object(&crowd);
    let addressed = bench.object(&[&crowd[..], &["--addressed"]].concat());
    let paced = bench.object(&[&crowd[..], &["--rate", "40"]].concat());
    for (shown, audience) in [(&all, 7), (&addressed, 1), (&paced, 7)] {
        assert_eq!(shown["load"]["listeners"], 7);
        for side in ["kite", "floor"] {
            is_sound(&shown[side]);
            is_complete(&shown[side], audience);
        }
    }
    assert_eq!(paced["kite"]["messages"], 12);
}

#[test]
fn the_way_of_a_message_is_measured_at_a_rate() {
    let shown = Bench::new().object(&["latency", "--rate", "40"]);
    assert_eq!(
        (&shown["verb"], &shown["load"]["rate"]),
        (&"latency".into(), &40.into())
    );
    is_sound(&shown["kite"]);
    is_complete(&shown["kite"], 1);
    assert_eq!(shown["kite"]["messages"], 12);
}

#[cfg(target_os = "linux")]
#[test]
fn idle_listeners_are_weighed() {
    let bench = Bench::new();
    let shown = bench
        .kite(&["idle", "--listeners", "50", "--json"])
        .succeeds()
        .json();
    assert_eq!(shown["listeners"], 45);
    assert!(shown["before_bytes"].as_u64().unwrap() > 1024 * 1024);
    bench.nothing_is_left();
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_is_read_from_its_beginning_and_resumed_at_its_end() {
    let bench = Bench::new();
    let shown = bench
        .kite(&["replay", "--events", "3000", "--json"])
        .succeeds()
        .json();
    assert!(shown["events"].as_u64().unwrap() >= 3000, "{shown}");
    assert!(shown["resume_long_us"].as_u64().unwrap() > 0, "{shown}");
    assert!(shown["most_bytes"].as_u64() >= shown["before_bytes"].as_u64());
    bench.nothing_is_left();
}

#[test]
fn events_are_published_by_calls_too() {
    let bench = Bench::new();
    let call = ["publish", "--via", "rpc", "--batch", "50", "--json"];
    let shown = bench
        .kite(&[&call[..], &["--publishers", "2"], SHORT].concat())
        .succeeds()
        .json();
    assert!(
        shown["kite"]["per_second"].as_f64().unwrap() > 0.0,
        "{shown}"
    );
    bench.nothing_is_left();
}

#[test]
fn people_read_lines_and_learn_which_server_it_was() {
    let bench = Bench::new();
    bench
        .kite(
            &[
                &["publish", "--publishers", "2", "--floor", "--rounds", "1"],
                SHORT,
            ]
            .concat(),
        )
        .stdout_has("publish: 2 publishers, over http, closed loop, 512 bytes\n")
        .stdout_has("\n  kite  ")
        .stdout_has("\n  floor  ")
        .stdout_has("\n  kite / floor  ")
        .stderr_has("the load runs on a throw-away server\n")
        .succeeds();
}

#[test]
fn the_server_of_the_login_is_loaded_only_when_that_is_asked_for() {
    let server = Server::start();
    let person = Person::at(&server);
    let publish = |more: &[&str]| {
        let args = [
            &["bench", "publish", "--publishers", "1", "--json"],
            SHORT,
            more,
        ]
        .concat();
        person.kite(&args).succeeds().json()
    };
    let logged = || person.kite(&["logs", "--json"]).succeeds().stdout;
    assert_eq!(publish(&[])["server"], "throw-away");
    assert_eq!(logged(), "");
    let shown = publish(&["--live"]);
    assert_eq!(shown["server"], server.owner().url.as_str());
    assert!(logged().contains("~kite-bench:"));
}

#[test]
fn a_measurement_that_is_interrupted_leaves_nothing() {
    let bench = Bench::new();
    let process = bench
        .kite(&[
            "publish",
            "--publishers",
            "1,2",
            "--duration",
            "1s",
            "--floor",
            "--rounds",
            "1",
        ])
        .start();
    let mut process = process;
    let line = process.line();
    assert!(line.starts_with("publish: 1 publisher"), "{line}");
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    bench.nothing_is_left();
}

#[tokio::test]
async fn servers_do_not_outlive_a_measurement_that_is_killed() {
    let bench = Bench::new();
    let mut process = bench
        .kite(&[&["publish", "--publishers", "1,2", "--floor"], SHORT].concat())
        .start();
    process.line();
    let scratch = bench.scratch.path().to_str().unwrap();
    assert!(!processes_with(scratch).is_empty());
    process.kill();
    eventually("its servers have ended", async || {
        processes_with(scratch).is_empty().then_some(())
    })
    .await;
}

#[test]
fn a_wrong_command_line_is_refused_with_a_precise_message() {
    let bench = Bench::new();
    for (args, words) in [
        (
            &["publish", "--publishers", "0"][..],
            "use a whole number from 1 to ",
        ),
        (
            &["publish", "--duration", "soon"],
            "use a whole number and ms, s, m or h",
        ),
        (
            &["publish", "--duration", "0s"],
            "nothing can be measured in no time",
        ),
        (&["publish", "--size", "10"], "a message needs at least "),
        (
            &["publish", "--batch", "10"],
            "are for calls over a WebSocket",
        ),
        (
            &[
                "publish", "--via", "rpc", "--batch", "1000", "--size", "2000",
            ],
            "1000 events of 2000 bytes are too many for a call",
        ),
        (&["publish", "--live", "--floor"], "cannot be used with"),
        (
            &["publish", "--live", "--database", "postgres://x"],
            "cannot be used with",
        ),
        (
            &["fanout", "--listeners", "0"],
            "use a whole number from 1 to ",
        ),
        (&["latency", "--rate", "0"], "use a whole number from 1 to "),
        (&["limits", "--in-flight", "many"], "invalid value 'many'"),
    ] {
        bench.kite(args).stdout("").stderr_has(words).exits(2);
        bench.nothing_is_left();
    }
}

#[test]
fn more_listeners_than_open_files_are_refused_with_the_number_needed() {
    let bench = Bench::new();
    bench
        .person
        .shell("ulimit -n 128; kite bench fanout --listeners 500 --duration 1s")
        .stderr_has("564 open files are needed and this process may have 128")
        .stderr_has("`ulimit -n 564`")
        .exits(1);
}

#[test]
fn requests_that_are_refused_are_counted_and_said() {
    let server = Server::start_with(&["--team-rate-limit", "20", "--rate-window-secs", "3600"]);
    let person = Person::at(&server);
    let args = ["bench", "publish", "--live", "--publishers", "2", "--json"];
    let ended = person
        .kite(&[&args[..], &["--duration", "300ms", "--warm-up", "0ms"]].concat())
        .exits(1);
    let shown: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(shown["kite"]["count"], 20);
    let failed = shown["kite"]["failed"].as_u64().unwrap();
    assert!(failed > 0, "{shown}");
    let message = ended.json_error()["message"].as_str().unwrap().to_owned();
    let expected = format!("{failed} requests failed: 429: ");
    assert!(message.starts_with(&expected), "{message}");
}
