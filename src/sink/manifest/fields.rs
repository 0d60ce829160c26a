//! An object of the manifest while it is read: each field is asked for by its name, and what nobody asked for is a
//! fault. Reading goes on behind a fault, so that one look finds all of them.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;

use super::faults::{Faults, Wrong, shown};
use super::near::near;
use crate::base::duration;
use crate::protocol::json::{self, Object};

/// How many entries a list may have.
const ENTRIES_MAX: usize = 1000;

/// How much of a name is shown, in characters.
const NAME_MAX_CHARS: usize = 64;

const TEXT: &str = "a text";
const FILLED: &str = "a text that is not empty";
const FLAG: &str = "`true` or `false`";
const OBJECT: &str = "an object";
const LIST: &str = "a list";
const DURATION: &str = "a time such as 30s, 5m, 24h or 7d";
const LIMIT: &str = "a time of at least a second, such as 30s, 5m or 24h";

/// An object's fields. One that is null counts as absent.
pub(super) struct Fields<'a, 'f> {
    path: String,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    known: Vec<&'static str>,
    /// What an older form stands for, so that it is not missed.
    excused: Vec<&'static str>,
    faults: &'f mut Faults,
}

/// Reads an object: its fields by `read`, then what that left over.
pub(super) fn object<'a, T>(
    path: String,
    text: &'a str,
    faults: &mut Faults,
    read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
) -> Option<T> {
    let Some(Object(members)) = Object::parse(text) else {
        faults.add_value(path, text, OBJECT);
        return None;
    };
    let mut fields = Fields {
        path,
        members,
        known: Vec::new(),
        excused: Vec::new(),
        faults,
    };
    fields.refuse_twins();
    let value = read(&mut fields);
    fields.refuse_unknown();
    value
}

impl<'a> Fields<'a, '_> {
    /// Refuses a field of the older documentation, if what it holds is of the older form. `now` is the field of today.
    pub(super) fn older(
        &mut self,
        name: &str,
        now: &'static str,
        is_older: impl Fn(&str) -> bool,
        instead: &'static str,
    ) {
        self.refuse(name, now, is_older, Wrong::Older(instead));
    }

    /// Refuses a field that holds JSON of some form, and excuses what its absence would be blamed for.
    pub(super) fn refuse(
        &mut self,
        name: &str,
        now: &'static str,
        is_so: impl Fn(&str) -> bool,
        wrong: Wrong,
    ) {
        if self.holds(name, is_so) {
            self.members.retain(|(member, _)| member != name);
            self.excused.push(now);
            self.faults.add(self.inner(name), wrong);
        }
    }

    /// Whether a field is there and holds JSON of some form.
    pub(super) fn holds(&self, name: &str, is_so: impl Fn(&str) -> bool) -> bool {
        self.given(name).is_some_and(is_so)
    }

    /// Says what must be there.
    pub(super) fn require(&mut self, names: &[&'static str]) {
        for name in names {
            if !self.excused.contains(name) && self.given(name).is_none() {
                self.faults.add(self.inner(name), Wrong::Missing);
            }
        }
    }

    /// Reads a field, given as its JSON.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.ask(name)?;
        let value = parse(text);
        if value.is_none() {
            self.faults.add_value(self.inner(name), text, expected);
        }
        value
    }

    /// Reads a field that holds a text of some form.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(String) -> Option<T>,
    ) -> Option<T> {
        self.read(name, expected, |json| parse(text(json)?))
    }

    /// Reads any text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.parsed(name, TEXT, Some)
    }

    /// Reads a text that says something.
    pub(super) fn filled(&mut self, name: &'static str) -> Option<String> {
        self.parsed(name, FILLED, filled)
    }

    /// Reads a flag; absent, it is false.
    pub(super) fn flag(&mut self, name: &'static str) -> bool {
        let flag = self.read(name, FLAG, |text| serde_json::from_str(text).ok());
        flag.unwrap_or_default()
    }

    /// Reads a duration.
    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.parsed(name, DURATION, |text| duration::parse(&text).ok())
    }

    /// Reads how long something may take.
    pub(super) fn limit(&mut self, name: &'static str) -> Option<Duration> {
        let limit = |text: String| duration::parse(&text).ok().filter(|limit| !limit.is_zero());
        self.parsed(name, LIMIT, limit)
    }

    /// Reads a count: an integer, or a text of digits with `_` between them.
    pub(super) fn count(
        &mut self,
        name: &'static str,
        expected: &'static str,
        max: u64,
    ) -> Option<u64> {
        self.read(name, expected, |json| count(json).filter(|n| *n <= max))
    }

    /// Reads an object.
    pub(super) fn object<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Option<T> {
        let text = self.ask(name)?;
        object(self.inner(name), text, self.faults, read)
    }

    /// Reads a list of objects; absent, it is empty.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Fields<'a, '_>) -> Option<T>,
    ) -> Vec<T> {
        self.list(name, |path, text, faults| object(path, text, faults, &read))
    }

    /// Reads a list of texts of some form; absent, it is empty.
    pub(super) fn texts<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        parse: impl Fn(String) -> Option<T>,
    ) -> Vec<T> {
        self.list(name, |path, json, faults| {
            let value = text(json).and_then(&parse);
            if value.is_none() {
                faults.add_value(path, json, expected);
            }
            value
        })
    }

    /// Says that there are too many of a field.
    pub(super) fn too_many(&mut self, name: &str, count: usize, max: usize) {
        let path = self.inner(name);
        self.faults.add(path, Wrong::TooMany { count, max });
    }

    /// Leaves what was not asked for alone: what is known here depends on a field that is wrong.
    pub(super) fn ignore_rest(&mut self) {
        self.members.clear();
    }

    fn list<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(String, &'a str, &mut Faults) -> Option<T>,
    ) -> Vec<T> {
        let Some(text) = self.ask(name) else {
            return Vec::new();
        };
        let path = self.inner(name);
        let Ok((entries, count)) = json::elements(text, ENTRIES_MAX) else {
            self.faults.add_value(path, text, LIST);
            return Vec::new();
        };
        if count > ENTRIES_MAX {
            self.too_many(name, count, ENTRIES_MAX);
        }
        let entries = entries.iter().enumerate();
        let read = |(at, entry): (usize, &&'a RawValue)| {
            read(format!("{path}[{at}]"), entry.get(), self.faults)
        };
        entries.filter_map(read).collect()
    }

    fn ask(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        self.given(name)
    }

    fn given(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.members.iter().find(|(member, _)| member == name)?;
        Some(value.get()).filter(|text| *text != "null")
    }

    fn inner(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    fn refuse_twins(&mut self) {
        let mut names: Vec<&str> = self.members.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        let twins = names.windows(2).filter(|pair| pair[0] == pair[1]);
        let twins: Vec<String> = twins.map(|pair| shown(pair[0], NAME_MAX_CHARS)).collect();
        for name in twins {
            self.faults.add(self.inner(&name), Wrong::Twice);
        }
    }

    fn refuse_unknown(&mut self) {
        for (name, _) in &self.members {
            let name = name.as_ref();
            if !name.starts_with("x-") && !self.known.contains(&name) {
                let path = self.inner(&shown(name, NAME_MAX_CHARS));
                let near = near(name, &self.known);
                self.faults.add(path, Wrong::Unknown(near));
            }
        }
    }
}

fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// A text that says something. No command, path or name may hold a NUL.
pub(super) fn filled(text: String) -> Option<String> {
    let is_filled = !text.trim().is_empty() && !text.contains('\0');
    is_filled.then_some(text)
}

fn count(json: &str) -> Option<u64> {
    let Some(text) = text(json) else {
        return serde_json::from_str(json).ok();
    };
    let is_digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let is_count = is_digits && !text.starts_with('_') && !text.ends_with('_');
    is_count.then(|| text.replace('_', "").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_an_integer_or_digits_with_bars_between_them() {
        for (json, expected) in [("7", 7), ("\"7\"", 7), ("\"1_500\"", 1500), ("0", 0)] {
            assert_eq!(count(json), Some(expected), "{json}");
        }
        for json in [
            "-1", "1.5", "\"\"", "\"_1\"", "\"1_\"", "\"1k\"", "\"+1\"", "true", "[]",
        ] {
            assert_eq!(count(json), None, "{json}");
        }
        assert_eq!(count("\"99999999999999999999\""), None);
    }
}
