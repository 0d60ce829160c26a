//! Whether values are what a document's schemas say: a validator of JSON Schema judges.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::python::python;

/// The JSON Schema of OpenAPI 3.1.
pub(crate) const DRAFT_2020_12: &str = "https://json-schema.org/draft/2020-12/schema";

/// A document with schemas in it, and the values that are to be judged by them.
pub(crate) struct Schemas {
    dialect: &'static str,
    document: Value,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    at: String,
    value: Value,
    is_wanted: bool,
}

impl Schemas {
    pub(crate) fn of(document: Value, dialect: &'static str) -> Self {
        Self {
            dialect,
            document,
            cases: Vec::new(),
        }
    }

    /// Whether the document has something at a JSON pointer.
    pub(crate) fn has(&self, at: &str) -> bool {
        self.document.pointer(at).is_some()
    }

    /// A value that is what the schema at a JSON pointer says.
    pub(crate) fn is(&mut self, name: &str, at: &str, value: &Value) {
        self.case(name, at, value, true);
    }

    /// A value that is not.
    pub(crate) fn is_not(&mut self, name: &str, at: &str, value: &Value) {
        self.case(name, at, value, false);
    }

    /// A value that is what the schema says, or is not.
    pub(crate) fn case(&mut self, name: &str, at: &str, value: &Value, is_wanted: bool) {
        assert!(self.has(at), "{name}: the document has nothing at {at}");
        self.cases.push(Case {
            name: name.to_owned(),
            at: at.to_owned(),
            value: value.clone(),
            is_wanted,
        });
    }

    /// Judges all of them, says how many there were, and fails when one is not judged as it should be.
    pub(crate) fn judge(&self) -> usize {
        let cases = self.cases.iter();
        let cases: Vec<Value> = cases
            .map(|case| json!({"at": case.at, "value": case.value}))
            .collect();
        let asked = json!({"dialect": self.dialect, "document": self.document, "cases": cases});
        let verdicts = verdicts(&asked);
        assert_eq!(verdicts.len(), self.cases.len());
        let pairs = self.cases.iter().zip(&verdicts);
        let wrong: Vec<String> = pairs
            .filter(|(case, verdict)| case.is_wanted != verdict.is_none())
            .map(|(case, verdict)| {
                let why = verdict
                    .as_deref()
                    .unwrap_or("it is valid, and should not be");
                format!("  {} at {}: {why}\n    {}", case.name, case.at, case.value)
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "{} of {} are judged otherwise:\n{}",
            wrong.len(),
            verdicts.len(),
            wrong.join("\n")
        );
        verdicts.len()
    }
}

fn verdicts(asked: &Value) -> Vec<Option<String>> {
    let home = TempDir::new().unwrap();
    let mut judge = python("schemas", "python/judge.py", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = judge.stdin.take().unwrap();
    // It reads everything before it says anything.
    stdin.write_all(asked.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = judge.wait_with_output().unwrap();
    assert!(output.status.success(), "the judge failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_value_that_a_schema_does_not_allow_is_told() {
    let document = json!({"a/b": {"$ref": "#/c"}, "c": {"type": "string"}});
    let mut schemas = Schemas::of(document, DRAFT_2020_12);
    schemas.is("a text", "/a~1b", &json!("text"));
    schemas.is_not("a number", "/a~1b", &json!(7));
    assert_eq!(schemas.judge(), 2);
    schemas.is("another number", "/a~1b", &json!(7));
    let judged = std::panic::catch_unwind(|| schemas.judge());
    assert!(judged.is_err());
}
