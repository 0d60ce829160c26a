//! `kite demo`: what it shows, and that nothing is left of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::cli::{Kite, Person};
use crate::support::webdriver::processes_with;

/// How long it may take.
const BOUND: Duration = Duration::from_secs(10);

/// The demo, and the only place where it can leave something.
fn demo(more: &[&str]) -> (Kite, Person, TempDir) {
    let (person, scratch) = (Person::new(), TempDir::new().unwrap());
    let kite = person
        .kite(&[&["demo"], more].concat())
        .env("TMPDIR", scratch.path().to_str().unwrap());
    (kite, person, scratch)
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// No directory, and no process that was told of one.
fn nothing_is_left_in(scratch: &TempDir) {
    assert_eq!(files_in(scratch.path()), [] as [PathBuf; 0]);
    let left = processes_with(scratch.path().to_str().unwrap());
    assert_eq!(left, [] as [u32; 0]);
}

#[test]
fn the_demo_tells_its_story_in_order_and_leaves_nothing() {
    let (kite, person, scratch) = demo(&[]);
    let began = Instant::now();
    let ended = kite.succeeds();
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    let mut rest = ended.stdout.as_str();
    for part in [
        "✓ a throw-away server runs on http://127.0.0.1:",
        "✓ agent-alpha and agent-beta listen\n",
        "✓ agent-beta → agent-alpha: Numbers are in. Shall I publish?",
        "✓ agent-alpha → agent-beta: Yes, go ahead.",
        "✓ com.github.push: ",
        "its signature was checked",
        "✓ the server was killed after 9 of 20 messages",
        "✓ … and started again: all 20 arrived, in order, none lost, none twice\n",
        "✓ the log holds 23 events, numbered 1 to 23 without a gap\n",
        "kite serve",
        "kite login --server URL",
        "kite agent register --name NAME",
        "kite endpoints create --source github",
    ] {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("no `{part}` in its place: {ended:#?}");
        };
        rest = after;
    }
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains('\u{1b}'), "{ended:#?}");
    assert!(!ended.stdout.contains("kite_"), "no key: {ended:#?}");
    nothing_is_left_in(&scratch);
    assert_eq!(files_in(person.home()), [] as [PathBuf; 0]);
}

#[test]
fn under_json_the_demo_is_one_object() {
    let (kite, _person, scratch) = demo(&["--json"]);
    let ended = kite.succeeds();
    let shown = ended.json();
    for (name, count) in [("events", 23), ("lost", 0), ("twice", 0), ("kills", 1)] {
        assert_eq!(shown[name], count, "{shown}");
    }
    assert!(shown["elapsed_ms"].is_u64(), "{shown}");
    assert_eq!(
        (ended.stdout.lines().count(), ended.stderr.as_str()),
        (1, "")
    );
    nothing_is_left_in(&scratch);
}

#[test]
fn nothing_that_is_set_up_here_is_used_or_changed() {
    let (kite, person, scratch) = demo(&[]);
    person.write_config("this is = no configuration [");
    let data = person.home().join("data");
    fs::write(&data, "no directory").unwrap();
    let mut kite = kite;
    for (name, value) in [
        ("KITE_API_KEY", "nonsense"),
        ("KITE_SERVER", "nonsense://"),
        ("KITE_WS_URL", "nonsense"),
        ("KITE_HOOK_BASE_URL", "nonsense"),
        ("KITE_PROFILE", "../../nonsense"),
        ("KITE_TEAM_ID", "not a team!"),
        ("KITE_CA_FILE", "/nonexistent"),
        ("KITE_SECRET_KEY", "too short"),
        ("KITE_HOOK_SECRET_CIPHER_KEY", "too short"),
        ("KITE_INSECURE", "nonsense"),
    ] {
        kite = kite.env(name, value);
    }
    kite.stdout_has("the log holds 23 events").succeeds();
    nothing_is_left_in(&scratch);
    let config = fs::read_to_string(person.config_file()).unwrap();
    assert_eq!(config, "this is = no configuration [");
    assert_eq!(fs::read_to_string(data).unwrap(), "no directory");
    assert_eq!(files_in(person.home()).len(), 2);
    assert_eq!(files_in(&person.home().join("config")).len(), 1);
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    let (kite, _person, scratch) = demo(&[]);
    let mut process = kite.start();
    let line = process.line();
    assert!(line.contains("a throw-away server runs"), "{line}");
    process.signal("INT");
    let ended = process.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    nothing_is_left_in(&scratch);
}
