//! `docs/asyncapi.yaml` is held against the frames: those of the golden files, and those that a server really sends.

mod document;
mod session;
mod vectors;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::schemas::Schemas;

/// The JSON Schema that AsyncAPI 3.0 builds on.
const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text() -> String {
    fs::read_to_string(root().join("docs/asyncapi.yaml")).unwrap()
}

/// The document.
fn document() -> Value {
    let mut documents = YamlLoader::load_from_str(&text()).unwrap();
    assert_eq!(documents.len(), 1);
    json_of(&documents.remove(0))
}

fn json_of(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Boolean(it) => (*it).into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::Real(_) => yaml.as_f64().into(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Array(items) => items.iter().map(json_of).collect(),
        Yaml::Hash(members) => {
            let members = members.iter();
            let member = |(name, value): (&Yaml, &Yaml)| {
                let name = name.as_str().expect("members have names");
                (name.to_owned(), json_of(value))
            };
            Value::Object(members.map(member).collect::<Map<_, _>>())
        }
        Yaml::Alias(_) | Yaml::BadValue => panic!("the document has {yaml:?}"),
    }
}

fn schemas() -> Schemas {
    Schemas::of(document(), DRAFT_7)
}

/// Where the document says what a message carries.
fn payload_of(message: &str) -> String {
    format!("/components/messages/{message}/payload")
}

/// The message that calls a method.
fn message_of(method: &str) -> String {
    method.replace('.', "_")
}

/// What a client may send, and what a server sends.
const CLIENT_FRAME: &str = "/components/schemas/ClientFrame";
const SERVER_FRAME: &str = "/components/schemas/ServerFrame";
