//! What a request looks like to others: the counterpart of [`Fields`](super::fields::Fields), member by member.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::fields::NAME_MAX_CHARS;
use crate::openintent::model::shape::{Shape, object, or_null, text, texts_by_name};

/// The members of a request, as they are read.
pub(super) struct FieldsShape<'g>(Shape<'g>);

impl<'g> FieldsShape<'g> {
    pub(super) fn of(generator: &'g mut SchemaGenerator) -> Self {
        Self(Shape::of(generator))
    }

    /// A member that looks like this.
    pub(super) fn put(self, name: &str, about: &str, schema: Value) -> Self {
        Self(self.0.put(name, about, schema))
    }

    /// A name or an address that has to be there.
    pub(super) fn name(self, name: &str, about: &str) -> Self {
        Self(self.0.must(name, about, self::name()))
    }

    /// A text that is empty where it is missing.
    pub(super) fn text_or_empty(self, name: &str, about: &str) -> Self {
        self.put(name, about, text())
    }

    /// A name that may be missing, null or empty.
    pub(super) fn optional(self, name: &str, about: &str) -> Self {
        let mut schema = or_null(self::name());
        schema["minLength"] = 0.into();
        self.put(name, about, schema)
    }

    /// A text of any length that may be missing, null or empty.
    pub(super) fn optional_text(self, name: &str, about: &str) -> Self {
        self.put(name, about, or_null(text()))
    }

    /// An object that is empty where it is missing.
    pub(super) fn object_or_empty(self, name: &str, about: &str) -> Self {
        self.put(name, about, object())
    }

    /// An object that is empty where it is missing or null.
    pub(super) fn optional_object(self, name: &str, about: &str) -> Self {
        self.put(name, about, or_null(object()))
    }

    /// What is so only where it is said.
    pub(super) fn flag(self, name: &str, about: &str) -> Self {
        self.put(name, about, or_null(json!({"type": "boolean"})))
    }

    /// A word. Null is none.
    pub(super) fn word<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        Self(self.0.word::<T>(name, about))
    }

    /// A model that may be missing, null or an empty object.
    pub(super) fn model<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        Self(self.0.perhaps_model::<T>(name, about))
    }

    /// An object of texts that may be missing, null or empty.
    pub(super) fn texts(self, name: &str, about: &str) -> Self {
        self.put(name, about, or_null(texts_by_name()))
    }

    pub(super) fn end(self, about: &str) -> Schema {
        self.0.end(about)
    }
}

/// A name or an address: not empty, not endless, on one line.
pub(super) fn name() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_MAX_CHARS,
        "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
    })
}
