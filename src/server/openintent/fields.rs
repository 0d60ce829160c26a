//! The members of a request, each with its type, and all faults at once (spec 13.1, 13.5, 13.6).

use std::collections::BTreeMap;

use super::answer::{Answer, fault_entry};
use crate::openintent::json::{Json, Object};

/// The longest name or URL, in characters: what senders choose is kept and looked up.
pub(super) const NAME_MAX_CHARS: usize = 2048;

/// How many faults are told: an answer must not be many times the request.
const FAULTS_MAX: usize = 32;

/// The members of an object on their way into a request.
pub(super) struct Fields<'a> {
    object: &'a Object,
    faults: Vec<Json>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(object: &'a Object) -> Self {
        Self {
            object,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, kind: &str, name: &str, why: &str) {
        self.fault_at(kind, &[name], why);
    }

    fn fault_at(&mut self, kind: &str, path: &[&str], why: &str) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault_entry(kind, path, why));
        }
    }

    /// A name or an address that has to be there, by the first of some spellings: not empty, not endless, on one line.
    pub(super) fn name(&mut self, spellings: &[&str]) -> String {
        let name = spellings.first().copied().unwrap_or_default();
        let found = spellings.iter().find_map(|it| self.object.get(*it));
        let text = match found {
            None => {
                self.fault("missing", name, "the member is missing");
                return String::new();
            }
            Some(Json::String(text)) => text,
            Some(other) => {
                let why = format!("it must be a string, and it is {}", other.kind());
                self.fault("string_type", name, &why);
                return String::new();
            }
        };
        if text.is_empty() {
            self.fault("string_too_short", name, "it must not be empty");
        } else if text.chars().count() > NAME_MAX_CHARS {
            let why = format!("it must have at most {NAME_MAX_CHARS} characters");
            self.fault("string_too_long", name, &why);
        } else if text.contains(char::is_control) {
            self.fault("value_error", name, "it must not have control characters");
        }
        text.clone()
    }

    /// A text that has to be there, and may be empty.
    pub(super) fn text(&mut self, name: &str) -> String {
        match self.object.get(name) {
            None => self.fault("missing", name, "the member is missing"),
            Some(Json::String(text)) => return text.clone(),
            Some(other) => {
                let why = format!("it must be a string, and it is {}", other.kind());
                self.fault("string_type", name, &why);
            }
        }
        String::new()
    }

    /// A text that is empty where it is missing. `null` is no text.
    pub(super) fn text_or_empty(&mut self, name: &str) -> String {
        match self.object.contains_key(name) {
            true => self.text(name),
            false => String::new(),
        }
    }

    /// A name that may be missing, null or empty.
    pub(super) fn optional(&mut self, name: &str) -> Option<String> {
        match self.object.get(name) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) if text.is_empty() => None,
            Some(_) => Some(self.name(&[name])),
        }
    }

    /// A text of any length that may be missing, null or empty.
    pub(super) fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.object.get(name) {
            None | Some(Json::Null) => None,
            Some(_) => Some(self.text(name)).filter(|text| !text.is_empty()),
        }
    }

    /// An object that is empty where it is missing. `null` is no object.
    pub(super) fn object_or_empty(&mut self, name: &str) -> Object {
        match self.object.get(name) {
            None => Object::new(),
            Some(Json::Object(object)) => object.clone(),
            Some(other) => {
                let why = format!("it must be an object, and it is {}", other.kind());
                self.fault("dict_type", name, &why);
                Object::new()
            }
        }
    }

    /// An object that is empty where it is missing or null.
    pub(super) fn optional_object(&mut self, name: &str) -> Object {
        match self.object.get(name) {
            Some(Json::Null) => Object::new(),
            _ => self.object_or_empty(name),
        }
    }

    /// What is so only where it is said.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.object.get(name) {
            None | Some(Json::Null) => false,
            Some(Json::Bool(it)) => *it,
            Some(other) => {
                let why = format!("it must be a boolean, and it is {}", other.kind());
                self.fault("bool_type", name, &why);
                false
            }
        }
    }

    /// Takes note that a member cannot be used.
    pub(super) fn wrong(&mut self, name: &str, why: &str) {
        self.fault("value_error", name, why);
    }

    /// A model that may be missing, null or an empty object.
    pub(super) fn model<T, F: ToString>(
        &mut self,
        name: &str,
        read: fn(&Json) -> Result<T, F>,
    ) -> Option<T> {
        let value = match self.object.get(name) {
            None | Some(Json::Null) => return None,
            Some(Json::Object(object)) if object.is_empty() => return None,
            Some(value) => value,
        };
        match read(value) {
            Ok(model) => Some(model),
            Err(fault) => {
                self.fault("value_error", name, &fault.to_string());
                None
            }
        }
    }

    /// An object of texts that may be missing, null or empty.
    pub(super) fn texts(&mut self, name: &str) -> Option<BTreeMap<String, String>> {
        let object = match self.object.get(name) {
            None | Some(Json::Null) => return None,
            Some(Json::Object(object)) => object,
            Some(other) => {
                let why = format!("it must be an object, and it is {}", other.kind());
                self.fault("dict_type", name, &why);
                return None;
            }
        };
        let mut texts = BTreeMap::new();
        for (member, value) in object {
            match value.as_str() {
                Some(text) => drop(texts.insert(member.clone(), text.to_owned())),
                None => self.fault_at(
                    "string_type",
                    &[name, member],
                    &format!("it must be a string, and it is {}", value.kind()),
                ),
            }
        }
        (!texts.is_empty()).then_some(texts)
    }

    /// What was read, unless something was wrong.
    pub(super) fn done(self) -> Result<(), Answer> {
        match self.faults.is_empty() {
            true => Ok(()),
            false => Err(Answer::fields(self.faults)),
        }
    }
}
