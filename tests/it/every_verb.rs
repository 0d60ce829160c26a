//! What holds for every verb at every level, found by walking through the help: nobody has to think of a new one.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::cli::Person;

/// The widest that a line of help may be: the widest that it is wrapped at, and the word `Usage: ` before it.
const WIDTH_MAX: usize = 107;

/// The help of every verb, by its words.
fn all() -> BTreeMap<Vec<String>, String> {
    let person = Person::new();
    let mut found = BTreeMap::new();
    let mut open = vec![Vec::new()];
    while let Some(verb) = open.pop() {
        let words: Vec<&str> = verb.iter().map(String::as_str).collect();
        let ended = person.kite(&[&words[..], &["--help"]].concat()).succeeds();
        assert_eq!(ended.stderr, "", "{words:?}");
        let below = names_below(&ended.stdout);
        open.extend(below.into_iter().map(|name| [&verb[..], &[name]].concat()));
        found.insert(verb, ended.stdout);
    }
    assert!(found.len() > 100, "{:?}", found.keys());
    found
}

/// The verbs that a help lists under `Commands:`.
fn names_below(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.strip_prefix("  ")
                .filter(|line| !line.starts_with(' '))
        })
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn words(verb: &[String]) -> Vec<&str> {
    verb.iter().map(String::as_str).collect()
}

#[test]
fn every_verb_has_one_help_with_an_example_however_it_is_asked_for() {
    let person = Person::new();
    for (verb, help) in all() {
        let typed = words(&verb);
        assert!(help.contains("\nExample"), "no example: {typed:?}");
        assert!(help.contains("\nUsage: kite"), "{typed:?}");
        for line in help.lines() {
            // A default that is one long word cannot be wrapped.
            let is_words = line.trim_start().contains(' ');
            assert!(
                !is_words || line.chars().count() <= WIDTH_MAX,
                "{typed:?}: {line}"
            );
        }
        person
            .kite(&[&typed[..], &["-h"]].concat())
            .stdout(&help)
            .succeeds();
        person
            .kite(&[&["--json"], &typed[..], &["--help"]].concat())
            .stdout(&help)
            .succeeds();
        // These topics have the names of verbs, and explain more than those.
        let topics = [["federation"], ["mcp"], ["openintent"]];
        if !topics.iter().any(|topic| typed == topic) {
            person
                .kite(&[&["help"], &typed[..]].concat())
                .stdout(&help)
                .succeeds();
        }
    }
}

#[test]
fn an_unknown_flag_is_wrong_usage_for_every_verb_and_says_where_the_usage_is_explained() {
    let person = Person::new();
    for (verb, _) in all() {
        let typed = [&words(&verb)[..], &["--no-such-flag"]].concat();
        person
            .kite(&typed)
            .stdout("")
            .stderr_has("--no-such-flag")
            .stderr_has("hint: ")
            .exits(2);
        let ended = person
            .kite(&[&typed[..], &["--json"]].concat())
            .stdout("")
            .exits(2);
        let told: Vec<Value> = ended
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [told] = &told[..] else {
            panic!("one object: {ended:#?}");
        };
        let mut names: Vec<&String> = told["error"].as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["code", "hint", "message"], "{told}");
        assert_eq!(told["error"]["code"], "usage");
        assert!(told["error"]["hint"].is_string(), "{told}");
    }
}

/// Runs every verb that goes without arguments, or with the least that it takes, for somebody who has nothing: no login, no
/// server, no database. Nothing may come of it but one error, or an answer.
#[test]
fn every_verb_says_what_is_missing_as_one_object() {
    let person = Person::new();
    let mut failed = 0;
    for (verb, help) in all() {
        let typed = words(&verb);
        // They serve, measure and show until somebody ends them.
        let goes_on = ["serve", "demo", "bench", "mcp"].contains(typed.first().unwrap_or(&""));
        if goes_on || !names_below(&help).is_empty() {
            continue;
        }
        let started = person
            .kite(&[&typed[..], &["--json"]].concat())
            .stdin("")
            .start();
        let ended = started.end();
        for line in ended.stdout.lines() {
            let value: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{typed:?}: {error}: {ended:#?}"));
            assert!(value.is_object(), "{typed:?}: {line}");
        }
        // What the doctor finds is its answer.
        if ended.code == Some(0) || typed == ["doctor"] {
            continue;
        }
        failed += 1;
        let told = ended.json_error();
        assert!(
            !told["message"].as_str().unwrap().is_empty(),
            "{typed:?}: {told}"
        );
        let codes = [
            "usage",
            "not_logged_in",
            "not_found",
            "unreachable",
            "failed",
            "some_failed",
        ];
        assert!(
            codes.contains(&told["code"].as_str().unwrap()),
            "{typed:?}: {told}"
        );
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    }
    assert!(failed > 50, "{failed}");
}

#[test]
fn a_full_disk_is_an_error_of_help_and_version_too() {
    for line in [
        "kite --help",
        "kite --version",
        "kite help scopes",
        "kite completions zsh",
    ] {
        Person::new()
            .shell(&format!("{line} > /dev/full"))
            .stderr_has("error: cannot write to stdout: ")
            .exits(1);
    }
}

#[test]
fn colours_are_as_they_are_wanted_wherever_they_stand() {
    let person = Person::new();
    let paints = |args: &[&str]| {
        let ended = person.kite(args).start().end();
        format!("{}{}", ended.stdout, ended.stderr).contains('\u{1b}')
    };
    for painted in [
        &["dance", "--color", "always"][..],
        &["--color=always", "agent", "--help"],
        &["agent", "list", "--color", "always"],
        &["--color", "always"],
    ] {
        assert!(paints(painted), "{painted:?}");
    }
    for plain in [
        &["dance"][..],
        &["dance", "--color", "always", "--json"],
        &["agent", "--help"],
        &["dance", "--", "--color", "always"],
    ] {
        assert!(!paints(plain), "{plain:?}");
    }
}

#[test]
fn the_version_is_json_too_and_words_of_other_programs_lead_somewhere() {
    let person = Person::new();
    let version = person.kite(&["--version", "--json"]).succeeds().json();
    assert_eq!(version["name"], "kite");
    for (word, verb) in [("version", "kite --version"), ("whoami", "kite status")] {
        person
            .kite(&[word])
            .stderr_has(&format!("hint: `{verb}`"))
            .exits(2);
    }
    person
        .kite(&["logs", "--limit", "0"])
        .stderr_has("use a whole number of at least 1")
        .exits(2);
    person
        .kite(&["logs", "--limit", "x"])
        .stderr_has("use a whole number")
        .exits(2);
}
