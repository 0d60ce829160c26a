//! Help, suggestions, completions and the manual: all made from one definition, and what is checked in is what it makes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::cli::{KITE, Person, clean};
use crate::support::process::Process;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a directory by name.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_completions_and_the_manual_in_the_repository_are_fresh() {
    let copy = TempDir::new().unwrap();
    fs::create_dir(copy.path().join("scripts")).unwrap();
    let script = copy.path().join("scripts/generate.sh");
    fs::copy(root().join("scripts/generate.sh"), &script).unwrap();
    let mut command = clean("bash", copy.path());
    // What the person who generates them has set must not get into them.
    command
        .arg(&script)
        .env("KITE_BIN", KITE)
        .env("KITE_SERVER", "http://secret.example")
        .env("COLUMNS", "40");
    let ended = Process::start("generate.sh", command, None).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for dir in ["completions", "man"] {
        let (ours, fresh) = (files(&root().join(dir)), files(&copy.path().join(dir)));
        let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&fresh), "run scripts/generate.sh");
        for (name, text) in &fresh {
            assert!(
                text == &ours[name],
                "{dir}/{name} is stale: run scripts/generate.sh"
            );
            assert!(
                !text.contains("secret.example"),
                "{dir}/{name} shows a variable's value"
            );
        }
    }
}

#[test]
fn hidden_flags_stay_hidden() {
    for (name, text) in files(&root().join("man")) {
        assert!(!text.contains("KITE_HOST"), "{name}");
    }
    Person::new()
        .kite(&["serve", "--help"])
        .stdout_has("--listen")
        .stdout_lacks("--host")
        .succeeds();
}

#[test]
fn a_page_can_be_printed_and_completions_are_json_too() {
    let person = Person::new();
    person
        .kite(&["man"])
        .stdout_has(".SH \"EXIT STATUS\"")
        .stdout_has(".SH \"ENVIRONMENT\"")
        .stdout_has(".SH \"EXAMPLES\"")
        .succeeds();
    let written = person.kite(&["man", "pages", "--json"]).succeeds().json();
    assert_eq!(written["dir"], "pages");
    assert!(person.home().join("pages/kite-agent-send.1").exists());
    let script = person
        .kite(&["completions", "fish", "--json"])
        .succeeds()
        .json();
    let text = script["script"].as_str().unwrap();
    assert_eq!(
        format!("{text}\n"),
        files(&root().join("completions"))["kite.fish"]
    );
}

#[test]
fn topics_and_verbs_have_help() {
    let person = Person::new();
    for (topic, part) in [
        ("delivery", "kite queue replay"),
        ("environment", "KITE_PROFILE"),
        ("exit-codes", "130  interrupted"),
        ("federation", "kite federation peers add"),
        ("scopes", "agent_to:ID"),
        ("output", "--json"),
    ] {
        person.kite(&["help", topic]).stdout_has(part).succeeds();
    }
    let long = person.kite(&["agent", "send", "--help"]).succeeds().stdout;
    person
        .kite(&["help", "agent", "send"])
        .stdout(&long)
        .succeeds();
    let all = person.kite(&["--help"]).succeeds().stdout;
    person.kite(&["help"]).stdout(&all).succeeds();
    let topic = person.kite(&["help", "scopes", "--json"]).succeeds().json();
    assert_eq!(topic["topic"], "scopes");
}

#[test]
fn a_typo_is_a_wrong_usage_with_a_suggestion_as_the_hint() {
    let person = Person::new();
    let cases: [(&[&str], &str); 6] = [
        (&["strem"], "'stream'"),
        (&["agent", "lisen"], "'listen'"),
        (&["agent", "send", "--thred", "t"], "'--thread'"),
        (&["status", "--color", "alwys"], "'always'"),
        (&["help", "scops"], "'scopes'"),
        (&["help", "agent", "sned"], "'send'"),
    ];
    for (args, suggestion) in cases {
        let ended = person.kite(args).exits(2);
        let hint = ended
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("hint: "));
        assert!(
            hint.is_some_and(|hint| hint.contains(suggestion)),
            "{ended:#?}"
        );
        let error = person
            .kite(&[args, &["--json"]].concat())
            .exits(2)
            .json_error();
        assert_eq!(error["code"], "usage");
        assert!(
            error["hint"].as_str().unwrap().contains(suggestion),
            "{error}"
        );
    }
    person
        .kite(&["agent", "send"])
        .stderr_has("hint: usage: `kite agent send --to <ID> <BODY>`; `kite agent send --help`")
        .exits(2);
    person.kite(&["agent"]).stderr_has("register").exits(2);
}
