//! Operations written down as OpenAPI 3.1.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Content, Given, Operation, Parameter, Place, Shows};

/// Where the document keeps its schemas.
const SCHEMAS: &str = "/components/schemas";

/// The groups, with what they are about.
const TAGS: [(&str, &str); 13] = [
    (
        "server",
        "The server itself: whether it is well, what it counts, and its WebSocket.",
    ),
    (
        "login",
        "How a program gets a key when a person agrees (RFC 8628).",
    ),
    ("keys", "API keys."),
    ("events", "CloudEvents in, and the log out."),
    ("agents", "Agents: their messages and their register."),
    (
        "endpoints",
        "Endpoints: where webhooks come in, and samples of what they send.",
    ),
    ("hooks", "Webhooks: what others post to an endpoint."),
    (
        "peers",
        "Other instances that events are forwarded to and taken from.",
    ),
    ("invitations", "How two instances connect with one code."),
    (
        "forwarding",
        "What is on its way to peers, what was tried, and dead letters.",
    ),
    ("federation", "What other instances post to this one."),
    (
        "openintent",
        "Work that goes to other servers and comes from them, as OpenIntent has it.",
    ),
    (
        "hosted",
        "What the hosted service has and this server has not.",
    ),
];

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
    let mut document = json!({
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
    });
    sharpen(&mut document);
    document
}

/// Says in schemas what names and formats imply: a text whose name ends in `_at` is a time, and a number of so many bits
/// has an end.
fn sharpen(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                let times = properties
                    .iter_mut()
                    .filter(|(name, _)| name.ends_with("_at"));
                times.for_each(|(_, schema)| sharpen_time(schema));
            }
            let max = match members.get("format").and_then(Value::as_str) {
                Some("uint64" | "uint") => Some(json!(u64::MAX)),
                Some("uint32") => Some(json!(u32::MAX)),
                _ => None,
            };
            if let Some(max) = max {
                members.entry("maximum").or_insert(max);
            }
            if let Some(words) = words(members.get("oneOf")) {
                members.remove("oneOf");
                members.insert("type".to_owned(), json!("string"));
                members.insert("enum".to_owned(), words);
            }
            members.values_mut().for_each(sharpen);
        }
        Value::Array(items) => items.iter_mut().for_each(sharpen),
        _ => {}
    }
}

/// The words of a choice that is nothing else: generators of clients make more of a list than of a choice of constants.
fn words(choices: Option<&Value>) -> Option<Value> {
    let mut words = Vec::new();
    for choice in choices?.as_array()? {
        match (choice.get("const"), choice.get("enum")) {
            (Some(word @ Value::String(_)), None) => words.push(word.clone()),
            (None, Some(Value::Array(more))) => words.extend(more.iter().cloned()),
            _ => return None,
        }
    }
    Some(Value::Array(words))
}

fn sharpen_time(schema: &mut Value) {
    let is_text = schema["type"] == json!("string") || schema["type"] == json!(["string", "null"]);
    if is_text && let Some(schema) = schema.as_object_mut() {
        schema.entry("format").or_insert(json!("date-time"));
    }
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
    let (security, permission) = match &operation.shows {
        Shows::Nothing => (json!([]), None),
        Shows::Key(permission) => (json!([{"key": []}]), Some(permission)),
        Shows::PerhapsKey(permission) => (json!([{}, {"key": []}]), Some(permission)),
        Shows::Schemes(schemes) => {
            let one = |scheme: &&str| json!({*scheme: []});
            (
                schemes.iter().map(one).collect(),
                operation.allowed.as_ref(),
            )
        }
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
    let schema = match parameter.max_values {
        Some(max) => json!({"type": "array", "items": one, "maxItems": max}),
        None => one,
    };
    json!({
        "name": parameter.name,
        "in": place,
        "description": parameter.about,
        "required": parameter.is_required,
        "schema": schema,
    })
}

fn content(content: &Content, generator: &mut SchemaGenerator) -> (String, Value) {
    let schema = (content.schema)(generator).to_value();
    (content.media_type.to_owned(), json!({"schema": schema}))
}

fn answers(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for answers in operation
        .answers()
        .chunk_by(|one, next| one.status == next.status)
    {
        let status = answers[0].status;
        let mut said = json!({"description": told(answers)});
        let mut contents: Map<String, Value> = Map::new();
        for (media_type, said) in answers
            .iter()
            .filter_map(|it| it.content.as_ref())
            .map(|it| content(it, generator))
        {
            match contents.get_mut(&media_type) {
                Some(before) => also(before, said),
                None => drop(contents.insert(media_type, said)),
            }
        }
        if !contents.is_empty() {
            said["content"] = Value::Object(contents);
        }
        if let Some(headers) = headers(status) {
            said["headers"] = headers;
        }
        responses.insert(status.as_str().to_owned(), said);
    }
    Value::Object(responses)
}

/// What is said of answers with the same status.
fn told(answers: &[Given]) -> String {
    let texts: Vec<&str> = answers.iter().map(|answer| answer.about).collect();
    texts.join(" ")
}

/// A content that may be another one as well.
fn also(content: &mut Value, other: Value) {
    let (before, other) = (content["schema"].take(), other["schema"].clone());
    content["schema"] = match before {
        before if before == other => other,
        Value::Object(mut before) => match before.get_mut("anyOf").and_then(Value::as_array_mut) {
            Some(choices) => {
                choices.push(other);
                Value::Object(before)
            }
            None => json!({"anyOf": [before, other]}),
        },
        before => json!({"anyOf": [before, other]}),
    };
}

/// The headers that answers of a status have, whatever was asked.
fn headers(status: StatusCode) -> Option<Value> {
    let secs = json!({"type": "integer", "minimum": 1});
    match status {
        StatusCode::UNAUTHORIZED => Some(json!({"WWW-Authenticate": {
            "description": "How to show credentials.", "schema": {"type": "string"},
        }})),
        StatusCode::TOO_MANY_REQUESTS => Some(json!({"Retry-After": {
            "description": "When to ask again, in seconds.", "required": true, "schema": secs,
        }})),
        StatusCode::SERVICE_UNAVAILABLE => Some(json!({"Retry-After": {
            "description": "When to ask again, in seconds.", "schema": secs,
        }})),
        _ => None,
    }
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
        "openintent_key": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "An API key (`kite_…`), where OpenIntent's clients show it.",
        },
        "message_signature": {
            "type": "apiKey",
            "in": "header",
            "name": "Signature",
            "description": "A signature of the whole request by a server that the team trusts (RFC 9421), with \
                `Signature-Input`; `X-Source-Server` says which server that is.",
        },
        "hook_token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of an endpoint (`khk_…`), shown when the endpoint is made. It can stand in the path instead.",
        },
        "webhook_signature": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Kite-Signature",
            "description": "`sha256=` and the HMAC-SHA256 of the body in hex, with the endpoint's secret as its key; or \
                the provider's own header, such as `X-Hub-Signature-256`, `Stripe-Signature` or `webhook-signature`.",
        },
        "peer_token": {
            "type": "http",
            "scheme": "bearer",
            "description": "What a peer was told to show (`kfd_…`).",
        },
    })
}
