//! Reads golden files, runs their cases and counts.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A golden file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    kind: String,
    #[expect(dead_code, reason = "for people: the section of the specification")]
    spec: String,
    cases: Vec<Map<String, Value>>,
}

/// A case's name and what it says, or why it cannot be read.
pub(super) type Case<C> = (String, Result<C, String>);

/// Where the project keeps its own set.
pub(super) fn own_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/kite")
}

fn dir() -> PathBuf {
    setting("KITE_VECTORS_DIR").map_or_else(own_dir, PathBuf::from)
}

/// An environment variable; empty counts as unset.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The kinds that `KITE_VECTORS_KINDS` names.
pub(super) fn kinds_asked_for() -> BTreeSet<String> {
    let names = setting("KITE_VECTORS_KINDS").unwrap_or_default();
    let names = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// The kinds that the set has files of.
pub(super) fn kinds_in_the_set() -> BTreeSet<String> {
    kinds_in(&dir())
}

pub(super) fn kinds_in(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// The cases of a kind; none when the kind was not asked for, or another set lacks it.
pub(super) fn cases<C: DeserializeOwned>(kind: &str) -> Vec<Case<C>> {
    let asked_for = kinds_asked_for();
    if !asked_for.is_empty() && !asked_for.contains(kind) {
        return Vec::new();
    }
    let dir = dir();
    let path = dir.join(format!("{kind}.json"));
    if dir != own_dir() && !path.exists() {
        return Vec::new();
    }
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden: Golden =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(golden.kind, kind, "{} is of another kind", path.display());
    let cases: Vec<Case<C>> = golden.cases.into_iter().map(read_case).collect();
    let names: BTreeSet<&str> = cases.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names.len(),
        cases.len(),
        "{}: a name stands twice",
        path.display()
    );
    assert!(!cases.is_empty(), "{} holds no case", path.display());
    cases
}

/// Takes the name and the note off a case; what is left must be exactly what its kind knows.
fn read_case<C: DeserializeOwned>(mut case: Map<String, Value>) -> Case<C> {
    let name = case.remove("name");
    let name = name
        .as_ref()
        .and_then(Value::as_str)
        .expect("a case has a name")
        .to_owned();
    case.remove("note");
    let read = serde_json::from_value(Value::Object(case)).map_err(|error| error.to_string());
    (name, read)
}

/// Runs a kind. A case fails by panicking.
pub(super) fn run<C: DeserializeOwned>(kind: &str, check: impl Fn(C)) {
    let outcomes = cases(kind).into_iter().map(|(name, case)| {
        let outcome = case.and_then(|case| {
            catch_unwind(AssertUnwindSafe(|| check(case))).map_err(|panic| words(&*panic))
        });
        (name, outcome)
    });
    finish(kind, &outcomes.collect::<Vec<_>>());
}

/// Runs cases that talk to a server, one after the other.
pub(super) async fn run_live<C, F>(kind: &str, cases: Vec<Case<C>>, check: impl Fn(C) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut outcomes = Vec::new();
    for (name, case) in cases {
        let outcome = match case {
            Ok(case) => tokio::spawn(check(case))
                .await
                .map_err(|failed| words(&*failed.into_panic())),
            Err(fault) => Err(fault),
        };
        outcomes.push((name, outcome));
    }
    finish(kind, &outcomes);
}

/// Prints the count and fails when a case failed.
fn finish(kind: &str, outcomes: &[(String, Result<(), String>)]) {
    if outcomes.is_empty() {
        return;
    }
    let failures: Vec<String> = outcomes
        .iter()
        .filter_map(|(name, outcome)| Some(format!("  {name}: {}", outcome.as_ref().err()?)))
        .collect();
    let passed = outcomes.len() - failures.len();
    say(&format!(
        "vectors {kind}\n{passed} passed, {} failed",
        failures.len()
    ));
    assert!(
        failures.is_empty(),
        "vectors {kind}:\n{}",
        failures.join("\n")
    );
}

/// Prints past the test harness, which shows a passing test's output to nobody. In one piece, and beginning on a line
/// of its own: the harness may be in the middle of one.
fn say(text: &str) {
    std::io::stdout()
        .write_all(format!("\n{text}\n").as_bytes())
        .unwrap();
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Known {
        input: String,
    }

    fn read(case: Value) -> Result<Known, String> {
        read_case(case.as_object().unwrap().clone()).1
    }

    #[test]
    fn a_vector_with_an_unknown_member_fails() {
        assert!(read(json!({"name": "a", "input": "x"})).is_ok());
        assert!(read(json!({"name": "a", "note": "why", "input": "x"})).is_ok());
        let fault = read(json!({"name": "a", "input": "x", "output": "y"})).unwrap_err();
        assert!(fault.contains("output"), "{fault}");
    }
}
