//! What an object looks like to others, as JSON Schema: the counterpart of reading its members and of writing them.
//!
//! One description says both (spec 3): what is read may be left out or null; what is written has every member that is
//! always written.

use schemars::generate::Contract;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// An object that is described member by member.
pub(crate) struct Shape<'g> {
    generator: &'g mut SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl<'g> Shape<'g> {
    /// No member yet.
    pub(crate) fn of(generator: &'g mut SchemaGenerator) -> Self {
        Self {
            generator,
            properties: Map::new(),
            required: Vec::new(),
        }
    }

    fn is_written(&self) -> bool {
        matches!(self.generator.contract(), Contract::Serialize)
    }

    /// A member that looks like this.
    pub(crate) fn put(mut self, name: &str, about: &str, mut schema: Value) -> Self {
        schema["description"] = about.into();
        self.properties.insert(name.to_owned(), schema);
        self
    }

    /// A member that looks like this and has to be there.
    pub(crate) fn must(mut self, name: &str, about: &str, schema: Value) -> Self {
        self.required.push(name.into());
        self.put(name, about, schema)
    }

    /// A member that is always written; read, it may be missing or null.
    pub(crate) fn always(self, name: &str, about: &str, schema: Value) -> Self {
        match self.is_written() {
            true => self.must(name, about, schema),
            false => self.put(name, about, or_null(schema)),
        }
    }

    /// A member that is written where there is something to write; read, it may be missing or null.
    pub(crate) fn perhaps(self, name: &str, about: &str, schema: Value) -> Self {
        match self.is_written() {
            true => self.put(name, about, schema),
            false => self.put(name, about, or_null(schema)),
        }
    }

    /// A text.
    pub(crate) fn text(self, name: &str, about: &str) -> Self {
        self.always(name, about, text())
    }

    /// A text that is left out where it is empty.
    pub(crate) fn optional(self, name: &str, about: &str) -> Self {
        self.perhaps(name, about, text())
    }

    /// An integer of 64 bits.
    pub(crate) fn integer(self, name: &str, about: &str) -> Self {
        let schema =
            json!({"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX});
        self.always(name, about, schema)
    }

    /// `true` or `false`.
    pub(crate) fn bool(self, name: &str, about: &str) -> Self {
        self.always(name, about, json!({"type": "boolean"}))
    }

    /// A list of texts.
    pub(crate) fn texts(self, name: &str, about: &str) -> Self {
        self.always(name, about, json!({"type": "array", "items": text()}))
    }

    /// An object whose members are texts.
    pub(crate) fn texts_by_name(self, name: &str, about: &str) -> Self {
        self.always(name, about, texts_by_name())
    }

    /// An object of any form.
    pub(crate) fn object(self, name: &str, about: &str) -> Self {
        self.always(name, about, object())
    }

    /// A word. Null is none.
    pub(crate) fn word<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        match self.is_written() {
            true => self.must(name, about, schema),
            false => self.put(name, about, schema),
        }
    }

    /// A model.
    pub(crate) fn model<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        self.always(name, about, schema)
    }

    /// A model that is left out where there is none.
    pub(crate) fn perhaps_model<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        self.perhaps(name, about, schema)
    }

    /// A name of some type that is left out where there is none; read, it may be empty, too.
    pub(crate) fn perhaps_name<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        match self.is_written() {
            true => self.put(name, about, schema),
            false => self.put(
                name,
                about,
                json!({"anyOf": [schema, {"enum": ["", null]}]}),
            ),
        }
    }

    /// A model that has to be there.
    pub(crate) fn must_model<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        let schema = self.generator.subschema_for::<T>().to_value();
        self.must(name, about, schema)
    }

    /// A list of models.
    pub(crate) fn models<T: JsonSchema>(self, name: &str, about: &str) -> Self {
        let item = self.generator.subschema_for::<T>().to_value();
        self.always(name, about, json!({"type": "array", "items": item}))
    }

    /// The schema.
    pub(crate) fn end(self, about: &str) -> Schema {
        let mut schema = Map::from_iter([
            ("description".to_owned(), about.into()),
            ("type".to_owned(), "object".into()),
            ("properties".to_owned(), self.properties.into()),
        ]);
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), self.required.into());
        }
        schema.into()
    }
}

/// A text.
pub(crate) fn text() -> Value {
    json!({"type": "string"})
}

/// An object of any form.
pub(crate) fn object() -> Value {
    json!({"type": "object"})
}

/// An object whose members are texts.
pub(crate) fn texts_by_name() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

/// That, or null.
pub(crate) fn or_null(mut schema: Value) -> Value {
    match schema.get("type") {
        Some(Value::String(kind)) => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}
