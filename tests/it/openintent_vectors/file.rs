//! Reads golden files of OpenIntent, runs their cases and counts.
//!
//! They are read as the program reads what servers send, so that `2` and `2.0` stay apart.

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use kite::openintent::json::Json;

/// The form of all files.
const FORMAT: &str = "kite-openintent-vectors/1";

/// What stands in every file beside its cases.
const COMMON: [&str; 4] = ["format", "file", "about", "reference"];

/// Where the project keeps its own set.
pub(super) fn own_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/openintent")
}

fn dir() -> PathBuf {
    let other = std::env::var("KITE_OPENINTENT_VECTORS").ok();
    let other = other.filter(|dir| !dir.is_empty());
    other.map_or_else(own_dir, PathBuf::from)
}

/// Whether it is the project's own set that is run.
pub(super) fn is_own_set() -> bool {
    dir() == own_dir()
}

/// The names of the files of the set, without their ending.
pub(super) fn names_in_the_set() -> BTreeSet<String> {
    names_in(&dir())
}

pub(super) fn names_in(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// A file's content, none when another set lacks it. `known` are its members, beside the common ones.
pub(super) fn read(name: &str, known: &[&str]) -> Option<Json> {
    let dir = dir();
    let path = dir.join(format!("{name}.json"));
    if !is_own_set() && !path.exists() {
        return None;
    }
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = Json::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text_of(&file, "format"), FORMAT, "{}", path.display());
    assert_eq!(text_of(&file, "file"), format!("{name}.json"));
    for member in file.as_object().unwrap().keys() {
        let is_known = known.contains(&member.as_str()) || COMMON.contains(&member.as_str());
        assert!(
            is_known,
            "{}: nothing here knows `{member}`",
            path.display()
        );
    }
    Some(file)
}

/// A list of a file: there is one, and something is in it.
pub(super) fn list<'j>(file: &'j Json, name: &str) -> &'j [Json] {
    let list = file.get(name).and_then(Json::as_array).unwrap_or_default();
    assert!(!list.is_empty(), "`{name}` holds no case");
    list
}

/// A member that must be there.
pub(super) fn member<'j>(value: &'j Json, name: &str) -> &'j Json {
    let member = value.get(name);
    member.unwrap_or_else(|| panic!("there is no `{name}`"))
}

/// A text that must be there.
pub(super) fn text_of<'j>(value: &'j Json, name: &str) -> &'j str {
    let text = member(value, name).as_str();
    text.unwrap_or_else(|| panic!("`{name}` is no text"))
}

/// A yes or no that must be there.
pub(super) fn bool_of(value: &Json, name: &str) -> bool {
    let bool = member(value, name).as_bool();
    bool.unwrap_or_else(|| panic!("`{name}` is neither true nor false"))
}

/// The cases of a subject as they are run, and how they ended.
pub(super) struct Tally {
    subject: &'static str,
    passed: usize,
    failures: Vec<String>,
}

impl Tally {
    pub(super) fn of(subject: &'static str) -> Self {
        Self {
            subject,
            passed: 0,
            failures: Vec::new(),
        }
    }

    /// Runs each of some cases. A case fails by panicking.
    pub(super) fn run(&mut self, list: &str, cases: &[Json], check: impl Fn(&Json)) {
        for (at, case) in cases.iter().enumerate() {
            let name = ["name", "url", "address", "model"]
                .into_iter()
                .find_map(|member| case.get(member)?.as_str());
            let name = format!("{list} {at}: {}", name.unwrap_or_default());
            self.case(&name, || check(case));
        }
    }

    /// Runs one case.
    pub(super) fn case(&mut self, name: &str, check: impl FnOnce()) {
        match catch_unwind(AssertUnwindSafe(check)) {
            Ok(()) => self.passed += 1,
            Err(panic) => self.failures.push(format!("  {name}: {}", words(&*panic))),
        }
    }

    /// Prints the count and fails when a case failed.
    pub(super) fn finish(self) {
        let failed = self.failures.len();
        let text = format!(
            "vectors openintent {}\n{} passed, {failed} failed",
            self.subject, self.passed
        );
        // Past the test harness, which shows a passing test's output to nobody; in one piece, on lines of its own.
        let mut out = std::io::stdout();
        out.write_all(format!("\n{text}\n").as_bytes()).unwrap();
        assert!(failed == 0, "{text}\n{}", self.failures.join("\n"));
        assert!(self.passed > 0, "no case was run");
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
        .to_owned()
}

#[test]
fn an_openintent_vector_that_fails_is_counted() {
    let mut tally = Tally::of("itself");
    let cases = [Json::from("a"), Json::from("b")];
    tally.run("cases", &cases, |case| assert_eq!(case.as_str(), Some("a")));
    assert_eq!(tally.passed, 1);
    assert!(matches!(tally.failures.as_slice(), [told] if told.contains("cases 1")));
}
