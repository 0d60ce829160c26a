//! Members on their way into a model, and out of it (spec 3: reading and writing rules).

use std::collections::BTreeMap;

use super::fault::ModelFault;
use crate::openintent::json::{Json, Object};

/// The members of an object that is read.
pub(in crate::openintent) struct Members<'j> {
    object: &'j Object,
    /// Where the object is: empty, or a name and a dot.
    within: String,
}

impl<'j> Members<'j> {
    /// The members of the whole.
    pub(in crate::openintent) fn of(value: &'j Json) -> Result<Self, ModelFault> {
        let object = value.as_object();
        let object = object.ok_or(ModelFault::NoObject(value.kind()))?;
        Ok(Self {
            object,
            within: String::new(),
        })
    }

    /// Where a member is.
    pub(in crate::openintent) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.within)
    }

    /// A member; null is none.
    pub(in crate::openintent) fn get(&self, name: &str) -> Option<&'j Json> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A member that some reading takes, none when it is missing.
    fn read<T>(
        &self,
        name: &str,
        wanted: &'static str,
        read: impl FnOnce(&'j Json) -> Option<T>,
    ) -> Result<Option<T>, ModelFault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.kind(name, wanted, value))
    }

    /// The fault of a member that is of another kind.
    pub(in crate::openintent) fn kind(
        &self,
        name: &str,
        wanted: &'static str,
        found: &Json,
    ) -> ModelFault {
        ModelFault::Kind {
            path: self.path(name),
            wanted,
            found: found.kind(),
        }
    }

    /// A text, or the default.
    pub(in crate::openintent) fn text(
        &self,
        name: &str,
        default: &str,
    ) -> Result<String, ModelFault> {
        let text = self.read(name, "a string", Json::as_str)?;
        Ok(text.unwrap_or(default).to_owned())
    }

    /// A text that is none when it is empty.
    pub(in crate::openintent) fn optional(&self, name: &str) -> Result<Option<String>, ModelFault> {
        let text = self.text(name, "")?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// An integer of at most 64 bits, or the default.
    pub(in crate::openintent) fn integer(
        &self,
        name: &str,
        default: i64,
    ) -> Result<i64, ModelFault> {
        let integer = self.read(name, "an integer of 64 bits", Json::as_i64)?;
        Ok(integer.unwrap_or(default))
    }

    /// `true` or `false`, or the default.
    pub(in crate::openintent) fn bool(
        &self,
        name: &str,
        default: bool,
    ) -> Result<bool, ModelFault> {
        let bool = self.read(name, "a boolean", Json::as_bool)?;
        Ok(bool.unwrap_or(default))
    }

    /// A list of texts, or the default.
    pub(in crate::openintent) fn texts(
        &self,
        name: &str,
        default: &[&str],
    ) -> Result<Vec<String>, ModelFault> {
        let texts = self.read(name, "a list of strings", texts)?;
        Ok(texts.unwrap_or_else(|| default.iter().map(|&text| text.to_owned()).collect()))
    }

    /// An object whose members are texts.
    pub(in crate::openintent) fn texts_by_name(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, String>, ModelFault> {
        let texts = self.read(name, "an object of strings", |value| {
            let members = value.as_object()?.iter();
            members
                .map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
                .collect()
        })?;
        Ok(texts.unwrap_or_default())
    }

    /// An object of any form.
    pub(in crate::openintent) fn object(&self, name: &str) -> Result<Object, ModelFault> {
        let object = self.read(name, "an object", Json::as_object)?;
        Ok(object.cloned().unwrap_or_default())
    }

    /// A list whose items some reading takes; empty when it is missing.
    pub(in crate::openintent) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Json) -> Option<T>,
    ) -> Result<Vec<T>, ModelFault> {
        let items = self.read(name, "a list of such things", |value| {
            value.as_array()?.iter().map(read).collect()
        })?;
        Ok(items.unwrap_or_default())
    }

    /// A model; an empty object is none.
    pub(in crate::openintent) fn nested<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Members<'j>) -> Result<T, ModelFault>,
    ) -> Result<Option<T>, ModelFault> {
        let Some(object) = self.read(name, "an object", Json::as_object)? else {
            return Ok(None);
        };
        if object.is_empty() {
            return Ok(None);
        }
        let members = Members {
            object,
            within: format!("{}{name}.", self.within),
        };
        read(&members).map(Some)
    }

    /// A word, or the default. Null is no word.
    pub(in crate::openintent) fn word<T: Default>(
        &self,
        name: &str,
        wanted: &'static str,
        of: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ModelFault> {
        let Some(value) = self.object.get(name) else {
            return Ok(T::default());
        };
        let word = value.as_str().and_then(of);
        word.ok_or_else(|| ModelFault::Word {
            path: self.path(name),
            wanted,
        })
    }
}

/// A list of nothing but texts.
fn texts(value: &Json) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

/// The members of an object that is written.
#[derive(Default)]
pub(in crate::openintent) struct Writer(Object);

impl Writer {
    /// A member that is always there.
    pub(in crate::openintent) fn put(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A member that is left out when it is none or empty.
    pub(in crate::openintent) fn put_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(text) if !text.is_empty() => self.put(name, text),
            _ => self,
        }
    }

    /// A model that is left out when there is none.
    pub(in crate::openintent) fn put_nested(self, name: &str, value: Option<Json>) -> Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// The object.
    pub(in crate::openintent) fn end(self) -> Json {
        self.0.into()
    }
}

/// An object whose members are texts.
pub(in crate::openintent) fn object_of(texts: &BTreeMap<String, String>) -> Object {
    let texts = texts.iter();
    texts
        .map(|(name, text)| (name.clone(), text.as_str().into()))
        .collect()
}
