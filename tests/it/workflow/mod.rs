//! Workflows as people run them: files that are judged, steps at three servers with scripts as agents, and what becomes of
//! a run when servers or the command itself are killed.

mod crossing;
mod files;
mod local;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::support::cli::{KITE, Kite, Person};
use crate::support::openintent::Node;
use crate::support::process::{Ended, Process};
use crate::support::{GLANCE, PATIENCE};

/// An agent that is a script: it takes each intent on, writes down that it did, waits for leave where it must, and reports.
struct Agent {
    person: Person,
    name: &'static str,
    listening: Option<Process>,
    script: String,
}

impl Agent {
    /// One at a server; `then` ends the work on an intent, with `$kite` for the program and the message in `event`.
    fn start(node: &Node, name: &'static str, then: &str) -> Self {
        let person = Person::with(&node.access());
        let home = person.home().display();
        // What is not about an intent is not for it.
        let script = format!(
            "set -e; test -n \"$KITE_INTENT_ID\" || exit 0; cd {home}; kite={KITE}; cat >event; echo \"$KITE_INTENT_ID\" >>begun; \
             $kite openintent intents accept --quiet >/dev/null; \
             while test -e wait; do sleep 0.02; done; echo \"$KITE_INTENT_ID\" >>done; {then}"
        );
        let mut agent = Self {
            person,
            name,
            listening: None,
            script,
        };
        agent.listen();
        agent
    }

    /// It listens, for the first time or again.
    fn listen(&mut self) {
        let script = self.script.as_str();
        let args = ["agent", "listen", "--as", self.name, "--exec", script];
        self.listening = Some(self.person.listening(&args));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.person.home().join(name)
    }

    /// It is to wait with its work until [`Agent::may_go_on`].
    fn is_to_wait(&self) {
        fs::write(self.file("wait"), "").unwrap();
    }

    fn may_go_on(&self) {
        fs::remove_file(self.file("wait")).unwrap();
    }

    /// The intents that it has begun.
    fn begun(&self) -> Vec<String> {
        lines(&self.file("begun"))
    }

    /// The intents that it has done.
    fn done(&self) -> Vec<String> {
        lines(&self.file("done"))
    }

    /// Waits until it has begun so many.
    fn begins(&self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.begun().len() < count {
            assert!(
                Instant::now() < deadline,
                "`{}` has begun {:?}; {}",
                self.name,
                self.begun(),
                self.listening
                    .as_ref()
                    .map(Process::said)
                    .unwrap_or_default()
            );
            thread::sleep(GLANCE);
        }
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Writes a file into somebody's home.
fn write(person: &Person, text: &str) {
    fs::write(person.home().join("w.yaml"), text).unwrap();
}

/// Runs that file.
fn run(person: &Person, more: &[&str]) -> Kite {
    person.kite(&[&["openintent", "run", "w.yaml", "--json"], more].concat())
}

/// The report of a run, which is the last of its objects.
fn report(ended: &Ended) -> Value {
    let last = ended.stdout.lines().last();
    let last = last.unwrap_or_else(|| panic!("no report: {ended:#?}"));
    let report: Value = serde_json::from_str(last).unwrap();
    assert_eq!(report["event"], "report", "{ended:#?}");
    report
}

/// How each step of a report stands, by name.
fn stages(report: &Value) -> Vec<(&str, &str)> {
    let steps = report["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            (
                step["step"].as_str().unwrap(),
                step["status"].as_str().unwrap(),
            )
        })
        .collect()
}
