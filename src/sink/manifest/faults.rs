//! What can be wrong with a manifest.

use std::fmt;

use super::MANIFEST_MAX_BYTES;
use crate::protocol::json::{self, JsonFault};

/// How many faults of one manifest are told.
const FAULTS_MAX: usize = 10;

/// How much of a wrong value is shown, in characters.
const SHOWN_MAX_CHARS: usize = 60;

/// Why a text is not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// It is too long.
    #[error("it has {0} bytes; at most {MANIFEST_MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// It is not JSON, or no object.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// Fields are wrong: the first of them, one a line, and how many more there are.
    #[error("{}", lines(.0, *.1))]
    Fields(Vec<FieldFault>, usize),
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FieldFault {
    /// Where it is: `scoring.rules[0].importance`. Empty: the whole.
    pub path: String,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What can be wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// There is no such field; perhaps another one is meant.
    Unknown(Option<&'static str>),
    /// The older documentation has it; what to write today.
    Older(&'static str),
    /// It is an address with a name or a password in it, which is not repeated here.
    UserInfo,
    /// It is required and absent.
    Missing,
    /// It is given more than once.
    Twice,
    /// It holds something else.
    Value {
        /// What it holds, cut.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// There are too many of it.
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str("it")?,
            path => write!(f, "`{path}`")?,
        }
        match &self.wrong {
            Wrong::Unknown(None) => f.write_str(" is not a field of a manifest"),
            Wrong::Unknown(Some(near)) => {
                write!(f, " is not a field of a manifest; `{near}` is near")
            }
            Wrong::Older(instead) => write!(f, " is no longer understood: {instead}"),
            Wrong::UserInfo => {
                f.write_str(" holds a name or a password; leave them out of the address")
            }
            Wrong::Missing => f.write_str(" is required"),
            Wrong::Twice => f.write_str(" is given twice"),
            Wrong::Value { found, expected } => write!(f, " is `{found}`; expected {expected}"),
            Wrong::TooMany { count, max } => write!(f, " has {count} entries; at most {max} fit"),
        }
    }
}

fn lines(faults: &[FieldFault], beyond: usize) -> String {
    let mut lines: Vec<String> = faults.iter().map(FieldFault::to_string).collect();
    if beyond > 0 {
        lines.push(format!("{beyond} more faults are not shown"));
    }
    lines.join("\n")
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    first: Vec<FieldFault>,
    beyond: usize,
}

impl Faults {
    pub(super) fn add(&mut self, path: String, wrong: Wrong) {
        match self.first.len() < FAULTS_MAX {
            true => self.first.push(FieldFault { path, wrong }),
            false => self.beyond += 1,
        }
    }

    /// A value, given as its JSON, that is not what was expected.
    pub(super) fn add_value(&mut self, path: String, text: &str, expected: &'static str) {
        let found = shown(&json::compact(text), SHOWN_MAX_CHARS);
        self.add(path, Wrong::Value { found, expected });
    }

    /// What was read, if nothing was wrong with it.
    pub(super) fn or<T>(self, read: Option<T>) -> Result<T, ManifestFault> {
        match read {
            Some(read) if self.first.is_empty() => Ok(read),
            _ => Err(ManifestFault::Fields(self.first, self.beyond)),
        }
    }
}

/// A text of the file in a sentence: short, and without what could forge a line.
pub(super) fn shown(text: &str, max_chars: usize) -> String {
    let mut kept = text.chars().filter(|c| !c.is_control());
    let mut shown: String = kept.by_ref().take(max_chars).collect();
    if kept.next().is_some() {
        shown.push('…');
    }
    shown
}
