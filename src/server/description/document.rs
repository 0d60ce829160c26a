//! Operations written down as OpenAPI 3.1.

use std::collections::BTreeMap;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Content, Operation, Parameter, Place, Shows};

/// Where the document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";

/// The groups, with what they are about.
const TAGS: [(&str, &str); 1] = [("server", "The server itself.")];

/// The document.
pub(super) fn of(operations: &[Operation]) -> Value {
    // What is read and what is written differ in what may be left out.
    let mut read = generator(SchemaSettings::for_deserialize);
    let mut written = generator(SchemaSettings::for_serialize);
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut asked = Vec::new();
    for operation in operations {
        asked.push(request(operation, &mut read));
    }
    let mut inputs = read.take_definitions(true);
    let mut schemas = Map::new();
    let mut said = Vec::new();
    for operation in operations {
        said.push(answers(operation, &mut written));
    }
    schemas.extend(written.take_definitions(true));
    let apart = names_apart(&inputs, &schemas);
    for (name, schema) in &mut inputs {
        rename(schema, &apart);
        let name = apart.get(name).unwrap_or(name);
        schemas.insert(name.clone(), schema.take());
    }
    for ((operation, mut request), responses) in operations.iter().zip(asked).zip(said) {
        for part in request.values_mut() {
            rename(part, &apart);
        }
        request.insert("responses".to_owned(), responses);
        paths
            .entry(&operation.path)
            .or_default()
            .insert(operation.method.word().to_owned(), Value::Object(request));
    }
    schemas.sort_keys();
    let tags = TAGS.map(|(name, about)| json!({"name": name, "description": about}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "kite",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events between programs: webhooks, and messages between agents, as CloudEvents. \
                What comes over the WebSocket at `/ws` is described by `/asyncapi.yaml`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": schemes()},
    })
}

fn generator(settings: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let base = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = SCHEMAS.into();
        settings.meta_schema = None;
    });
    settings(base).into_generator()
}

/// What a type is called that looks different where it is read: its name with `Request` behind it.
fn names_apart(
    read: &Map<String, Value>,
    written: &Map<String, Value>,
) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    loop {
        let known = names.len();
        for (name, schema) in read {
            // The same text is not the same schema where it refers to one that differs.
            let mut renamed = schema.clone();
            rename(&mut renamed, &names);
            if written.get(name).is_some_and(|other| *other != renamed) {
                names.insert(name.clone(), format!("{name}Request"));
            }
        }
        if names.len() == known {
            return names;
        }
    }
}

/// Makes references follow the names.
fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(to) if key == "$ref" => {
                        let old = to.rsplit('/').next().unwrap_or_default();
                        if let Some(new) = names.get(old) {
                            *to = format!("#{SCHEMAS}/{new}");
                        }
                    }
                    member => rename(member, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

fn request(operation: &Operation, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut said = Map::new();
    said.insert("operationId".to_owned(), json!(operation.id));
    said.insert("summary".to_owned(), json!(operation.about));
    said.insert("tags".to_owned(), json!([operation.tag]));
    let (security, permission) = match operation.shows {
        Shows::Nothing => (json!([]), None),
        Shows::Key(permission) => (json!([{"key": []}]), Some(permission)),
        Shows::PerhapsKey(permission) => (json!([{}, {"key": []}]), Some(permission)),
        Shows::Scheme(scheme) => (json!([{scheme: []}]), None),
    };
    said.insert("security".to_owned(), security);
    if let Some(permission) = permission {
        said.insert("x-kite-permission".to_owned(), json!(permission.word()));
    }
    let parameters = operation.parameters.iter();
    let parameters: Vec<Value> = parameters.map(|one| parameter(one, generator)).collect();
    if !parameters.is_empty() {
        said.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if !operation.body.is_empty() {
        let contents = operation.body.iter();
        let content: Map<String, Value> = contents.map(|one| content(one, generator)).collect();
        let body = json!({"required": !operation.is_body_optional, "content": content});
        said.insert("requestBody".to_owned(), body);
    }
    said
}

fn parameter(parameter: &Parameter, generator: &mut SchemaGenerator) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Header => "header",
    };
    let one = (parameter.schema)(generator).to_value();
    let schema = match parameter.is_list {
        true => json!({"type": "array", "items": one}),
        false => one,
    };
    json!({
        "name": parameter.name,
        "in": place,
        "description": parameter.about,
        "required": parameter.place == Place::Path,
        "schema": schema,
    })
}

fn content(content: &Content, generator: &mut SchemaGenerator) -> (String, Value) {
    let schema = (content.schema)(generator).to_value();
    (content.media_type.to_owned(), json!({"schema": schema}))
}

fn answers(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for answer in operation.answers() {
        let mut said = json!({"description": answer.about});
        if let Some(given) = &answer.content {
            let (media_type, schema) = content(given, generator);
            said["content"] = json!({media_type: schema});
        }
        responses.insert(answer.status.as_str().to_owned(), said);
    }
    Value::Object(responses)
}

/// What can be shown with a request.
fn schemes() -> Value {
    json!({
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`kite_…`), as `kite keys create` makes them. It allows `read`, `write` or `admin`: \
                `x-kite-permission` says what an operation needs.",
        },
    })
}
