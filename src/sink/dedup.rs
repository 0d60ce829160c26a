//! Which events count as the same within a window (spec 16). The windows themselves are kept elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::facts::Facts;
use crate::base::duration;
use crate::protocol::event::{Event, dedup_key};
use crate::protocol::json;

/// What to do with events that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dedup {
    /// How long after the first one others count as the same.
    #[serde(serialize_with = "duration::serialize")]
    pub window: Duration,
    /// What is compared; never empty.
    pub key: Vec<KeyField>,
    /// Which one goes on.
    pub strategy: Strategy,
}

/// Which one of a window's events goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first, at once.
    KeepFirst,
    /// The last, when the window closes.
    #[default]
    KeepLast,
}

/// A part of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyField {
    /// `source`.
    Source,
    /// `type` or `event_type`.
    Kind,
    /// `id` or `event_id`.
    Id,
    /// `ref` or `git_ref`: `data.ref`.
    Ref,
    /// `actor`, as rules see it.
    Actor,
    /// A member of `data`, by its name.
    Data(String),
}

impl From<String> for KeyField {
    fn from(name: String) -> Self {
        match name.as_str() {
            "source" => Self::Source,
            "type" | "event_type" => Self::Kind,
            "id" | "event_id" => Self::Id,
            "ref" | "git_ref" => Self::Ref,
            "actor" => Self::Actor,
            _ => Self::Data(name),
        }
    }
}

impl KeyField {
    /// The name, one for each.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Source => "source",
            Self::Kind => "type",
            Self::Id => "id",
            Self::Ref => "ref",
            Self::Actor => "actor",
            Self::Data(name) => name,
        }
    }

    /// The field's text; of a member of `data` its JSON. What is missing is empty.
    fn text<'a>(&self, facts: &'a Facts<'_>) -> Cow<'a, str> {
        match self {
            Self::Source => Cow::Borrowed(&facts.event.source),
            Self::Kind => Cow::Borrowed(&facts.event.kind),
            Self::Id => Cow::Borrowed(&facts.event.id),
            Self::Ref => Cow::Borrowed(&facts.git_ref),
            Self::Actor => Cow::Borrowed(&facts.actor),
            Self::Data(name) => Cow::Owned(json::compact(facts.data.get(name).unwrap_or_default())),
        }
    }
}

impl Serialize for KeyField {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Dedup {
    /// A digest that is equal for events that are the same.
    pub fn key(&self, event: &Event) -> [u8; 32] {
        let facts = Facts::of(event);
        let texts: Vec<Cow<'_, str>> = self.key.iter().map(|field| field.text(&facts)).collect();
        let parts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        dedup_key("window", &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::event;
    use super::*;

    fn key(fields: &[&str], event: &Event) -> [u8; 32] {
        let dedup = Dedup {
            window: Duration::from_secs(60),
            key: fields
                .iter()
                .map(|name| KeyField::from((*name).to_owned()))
                .collect(),
            strategy: Strategy::default(),
        };
        dedup.key(event)
    }

    #[test]
    fn each_field_tells_events_apart_and_nothing_else_does() {
        let one = event("com.x", r#"{"ref":"r","actor":"a","n":1}"#);
        let changed = |change: fn(&mut Event)| {
            let mut other = one.clone();
            change(&mut other);
            other
        };
        let with = |data: &str| event("com.x", data);
        let others = [
            ("source", changed(|event| event.source.push('x'))),
            ("type", changed(|event| event.kind.push('x'))),
            ("id", changed(|event| event.id.push('x'))),
            ("ref", with(r#"{"ref":"R","actor":"a","n":1}"#)),
            ("actor", with(r#"{"ref":"r","actor":"A","n":1}"#)),
            ("n", with(r#"{"ref":"r","actor":"a","n":2}"#)),
        ];
        for (changed, other) in &others {
            for (field, _) in &others {
                let differs = key(&[field], &one) != key(&[field], other);
                assert_eq!(differs, field == changed, "{field}, {changed} changed");
            }
        }
    }

    #[test]
    fn a_field_may_have_two_names() {
        let event = event("com.x", r#"{"ref":"r","event_type":"other"}"#);
        for (name, other) in [
            ("type", "event_type"),
            ("id", "event_id"),
            ("ref", "git_ref"),
        ] {
            assert_eq!(key(&[name], &event), key(&[other], &event));
        }
    }

    #[test]
    fn a_missing_field_counts_as_empty() {
        let (none, empty) = (
            event("com.x", "null"),
            event("com.x", r#"{"ref":"","actor":""}"#),
        );
        assert_eq!(
            key(&["ref", "actor", "n"], &none),
            key(&["ref", "actor", "n"], &empty)
        );
    }

    #[test]
    fn white_space_in_a_member_does_not_matter() {
        let (one, other) = (
            event("com.x", r#"{"n":[1, {"a" : 2}]}"#),
            event("com.x", r#"{"n":[1,{"a":2}]}"#),
        );
        assert_eq!(key(&["n"], &one), key(&["n"], &other));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let of = |actor: &str, git_ref: &str| {
            event(
                "com.x",
                &format!(r#"{{"actor":"{actor}","ref":"{git_ref}"}}"#),
            )
        };
        assert_ne!(
            key(&["actor", "ref"], &of("ab", "c")),
            key(&["actor", "ref"], &of("a", "bc"))
        );
    }
}
