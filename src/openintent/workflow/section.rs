//! A mapping of the file on its way into a value: each key is read as what it must be, and what is wrong is told.

use super::fault::{Findings, Position};
use super::spelling::nearest;
use super::yaml::{Entry, Node, Value, object};
use crate::openintent::json::{Json, Object};

/// A mapping, and what it is called.
pub(super) struct Section<'n> {
    /// Where its key is.
    pub(super) at: Position,
    path: String,
    entries: &'n [Entry],
}

/// Something that was read, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found<T> {
    /// Where.
    pub(super) at: Position,
    /// What.
    pub(super) value: T,
}

impl<'n> Section<'n> {
    /// The whole file.
    pub(super) fn whole(node: &'n Node, findings: &mut Findings) -> Option<Self> {
        Self::new(String::new(), node.at, node, findings)
    }

    fn new(path: String, at: Position, node: &'n Node, findings: &mut Findings) -> Option<Self> {
        let Some(entries) = node.entries() else {
            let what = match path.is_empty() {
                true => "the file".to_owned(),
                false => format!("`{path}`"),
            };
            let message = format!(
                "{what} must be a mapping, not {}: write `key: value` lines",
                node.kind()
            );
            findings.fault(at, message);
            return None;
        };
        Some(Self { at, path, entries })
    }

    /// What a key is called in words to people.
    pub(super) fn path(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    /// The entries in their order.
    pub(super) fn entries(&self) -> &'n [Entry] {
        self.entries
    }

    /// The entry of a key; one without a value is none.
    pub(super) fn get(&self, key: &str) -> Option<&'n Entry> {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        entry.filter(|entry| !entry.node.is_null())
    }

    /// Tells of keys that do not exist, and of those that kite does nothing about.
    pub(super) fn check_keys(&self, known: &[&str], idle: &[&str], findings: &mut Findings) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            let path = self.path(key);
            if idle.contains(&key) {
                let message = format!("`{path}` is read over: kite does nothing about it");
                findings.warn(entry.at, message);
                continue;
            }
            let hint = match nearest(key, known.iter().chain(idle).copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are {}", listed(known)),
            };
            findings.fault(entry.at, format!("there is no key `{path}`: {hint}"));
        }
    }

    /// The mapping of a key.
    pub(super) fn section(&self, key: &str, findings: &mut Findings) -> Option<Self> {
        let entry = self.get(key)?;
        Self::new(self.path(key), entry.at, &entry.node, findings)
    }

    /// The mapping of an entry of this one.
    pub(super) fn below(&self, entry: &'n Entry, findings: &mut Findings) -> Option<Self> {
        Self::new(self.path(&entry.key), entry.at, &entry.node, findings)
    }

    /// The mapping of an item of a list.
    pub(super) fn item(&self, key: &str, node: &'n Node, findings: &mut Findings) -> Option<Self> {
        Self::new(self.path(key), node.at, node, findings)
    }

    /// A text, not an empty one.
    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Option<Found<String>> {
        let entry = self.get(key)?;
        let text = entry.node.as_text().filter(|text| !text.trim().is_empty());
        self.found(
            entry,
            text.map(|text| text.into_owned()),
            "a text",
            findings,
        )
    }

    /// A number that is not below zero, as it was written.
    pub(super) fn number(&self, key: &str, findings: &mut Findings) -> Option<Found<Json>> {
        let entry = self.get(key)?;
        let number = match &entry.node.value {
            Value::Scalar(number) if number.as_f64().is_some_and(|it| it >= 0.0) => {
                Some(number.clone())
            }
            _ => None,
        };
        self.found(entry, number, "a number that is not below zero", findings)
    }

    /// A whole number between two others.
    pub(super) fn integer(
        &self,
        key: &str,
        (least, most): (i64, i64),
        findings: &mut Findings,
    ) -> Option<Found<i64>> {
        let entry = self.get(key)?;
        let number = match &entry.node.value {
            Value::Scalar(number) => number.as_i64(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        let wanted = format!("a whole number from {least} to {most}");
        self.found(entry, number, &wanted, findings)
    }

    /// One of some words.
    pub(super) fn word<T>(
        &self,
        key: &str,
        wanted: &str,
        of: impl FnOnce(&str) -> Option<T>,
        findings: &mut Findings,
    ) -> Option<Found<T>> {
        let entry = self.get(key)?;
        let word = entry.node.as_text().and_then(|text| of(&text));
        self.found(entry, word, wanted, findings)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &str, findings: &mut Findings) -> Option<bool> {
        let entry = self.get(key)?;
        let flag = match &entry.node.value {
            Value::Scalar(flag) => flag.as_bool(),
            _ => None,
        };
        let found = self.found(entry, flag, "true or false", findings)?;
        Some(found.value)
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str, findings: &mut Findings) -> Vec<Found<String>> {
        let Some(entry) = self.get(key) else {
            return Vec::new();
        };
        let Value::List(items) = &entry.node.value else {
            let hint = entry.node.as_text().map(|text| format!(": `[{text}]`"));
            let message = format!(
                "`{}` must be a list, not {}{}",
                self.path(key),
                entry.node.kind(),
                hint.unwrap_or_default()
            );
            findings.fault(entry.node.at, message);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in items {
            match item.as_text() {
                Some(text) => texts.push(Found {
                    at: item.at,
                    value: text.into_owned(),
                }),
                None => {
                    let path = self.path(key);
                    let kind = item.kind();
                    findings.fault(item.at, format!("`{path}` must hold texts, not {kind}"));
                }
            }
        }
        texts
    }

    /// A mapping of any form.
    pub(super) fn object(&self, key: &str, findings: &mut Findings) -> Option<Found<Object>> {
        let entry = self.get(key)?;
        let members = entry.node.entries().map(object);
        self.found(entry, members, "a mapping", findings)
    }

    /// What was read of an entry, or what is wrong with it.
    fn found<T>(
        &self,
        entry: &Entry,
        value: Option<T>,
        wanted: &str,
        findings: &mut Findings,
    ) -> Option<Found<T>> {
        let at = entry.node.at;
        let Some(value) = value else {
            let shown = match &entry.node.value {
                Value::Scalar(Json::String(text)) => format!("`{text}`"),
                Value::Scalar(scalar) => format!("`{scalar}`"),
                _ => entry.node.kind().to_owned(),
            };
            let path = self.path(&entry.key);
            findings.fault(at, format!("`{path}` must be {wanted}, not {shown}"));
            return None;
        };
        Some(Found { at, value })
    }
}

/// Names in backticks, with commas between.
pub(super) fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
