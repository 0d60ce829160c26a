//! The files of a run: the workflow that comes in, the report that goes out, and what is given on the command line.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::super::super::error::CommandError;
use super::super::super::stdin;
use crate::openintent::json::{Json, Object};
use crate::openintent::workflow::{FAULTS_MAX, FILE_MAX_BYTES, Fault};

/// Whether a workflow comes on stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What a workflow is called where its faults are told.
pub(super) fn name(path: &Path) -> String {
    match is_stdin(path) {
        true => "stdin".to_owned(),
        false => path.display().to_string(),
    }
}

/// The text of a workflow.
pub(super) fn read(path: &Path) -> Result<String, CommandError> {
    let shown = name(path);
    let failed = |error| CommandError::usage(format!("cannot read `{shown}`: {error}"));
    let source: Box<dyn Read> = match is_stdin(path) {
        true => Box::new(stdin::open("the workflow")),
        false => Box::new(File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    let mut limited = source.take(FILE_MAX_BYTES as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > FILE_MAX_BYTES {
        let message = format!("`{shown}` is longer than {FILE_MAX_BYTES} bytes");
        return Err(CommandError::usage(message).with_hint("make several workflows of it"));
    }
    let no_text = |_| {
        let message = format!("`{shown}` is not UTF-8");
        CommandError::usage(message).with_hint("save it as UTF-8")
    };
    String::from_utf8(bytes).map_err(no_text)
}

/// All that is wrong with a file, one line each, as editors read it.
pub(super) fn unusable(name: &str, faults: &[Fault]) -> CommandError {
    let lines: Vec<String> = faults.iter().map(|it| format!("{name}:{it}")).collect();
    let error = CommandError::usage(lines.join("\n"));
    match faults.len() >= FAULTS_MAX {
        true => error.with_hint("there may be more: mend these first"),
        false => error.with_hint("`kite help workflows` explains the file"),
    }
}

/// Reads NAME=VALUE.
pub(super) fn input(text: &str) -> Result<(String, Json), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("use NAME=VALUE, such as day=2027-01-31")?;
    // What is no JSON is meant as it stands.
    let value = value.parse().unwrap_or_else(|_| Json::from(value));
    Ok((name.to_owned(), value))
}

/// All values by their names, each of which can be given once.
pub(super) fn inputs(inputs: Vec<(String, Json)>) -> Result<Object, CommandError> {
    let mut all = Object::new();
    for (name, value) in inputs {
        if all.contains_key(&name) {
            return Err(CommandError::usage(format!(
                "`--input {name}` is given twice"
            )));
        }
        all.insert(name, value);
    }
    Ok(all)
}

/// Writes the report.
pub(super) fn write(path: &Path, report: &Json) -> Result<(), CommandError> {
    let failed = CommandError::unwritten("the report");
    fs::write(path, format!("{report}\n")).map_err(failed)
}
