//! The tools: look through the newest events, get one of them. Pure.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::rpc::{Fault, INVALID_PARAMS};
use crate::protocol::scope::Scope;
use crate::sink::Item;

/// How many events are listed unless told otherwise, and at most (spec 17).
const LIMIT: usize = 20;
const LIMIT_MAX: usize = 100;

#[derive(Deserialize)]
struct ListArguments {
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct GetArguments {
    id: String,
}

/// The answer to `tools/list`.
pub(super) fn list() -> Value {
    json!({"tools": [
        {
            "name": "list_events",
            "description": "The newest events, the newest first, as an array of CloudEvents",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "source": {
                        "type": "string",
                        "description": "Only events whose source contains this, such as github",
                    },
                    "type": {
                        "type": "string",
                        "description": "Only events whose type contains this, such as push",
                    },
                    "limit": {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": LIMIT_MAX,
                        "default": LIMIT,
                        "description": "How many at most",
                    },
                },
            },
        },
        {
            "name": "get_event",
            "description": "One of the newest events, as a CloudEvent",
            "inputSchema": {
                "type": "object",
                "properties": {"id": {"type": "string", "description": "The event's id"}},
                "required": ["id"],
            },
        },
    ]})
}

/// The answer to `tools/call`. What is wrong with the arguments is for the model to read, so it is a result too.
pub(super) fn call(
    name: &str,
    arguments: Option<&str>,
    items: &[Arc<Item>],
) -> Result<Value, Fault> {
    let arguments = match arguments {
        None | Some("null") => "{}",
        Some(text) if text.starts_with('{') => text,
        Some(_) => {
            let message = "`arguments` must be an object";
            return Err(Fault::new(INVALID_PARAMS, message));
        }
    };
    let result = match name {
        "list_events" => list_events(arguments, items),
        "get_event" => get_event(arguments, items),
        name => {
            let message = format!("there is no tool `{name}`");
            return Err(Fault::new(INVALID_PARAMS, message));
        }
    };
    let is_error = result.is_err();
    let text = result.unwrap_or_else(|why| why);
    Ok(json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
}

fn list_events(arguments: &str, items: &[Arc<Item>]) -> Result<String, String> {
    let arguments: ListArguments = read(arguments)?;
    let limit = match arguments.limit {
        Some(0) => return Err(format!("`limit` must be from 1 to {LIMIT_MAX}")),
        Some(limit) => usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX),
        None => LIMIT,
    };
    // The same meaning as everywhere else; an empty text is contained in all.
    let scopes = [
        arguments.source.map(Scope::Source),
        arguments.kind.map(Scope::Type),
    ];
    let is_wanted = |item: &&Arc<Item>| {
        let header = item.event.header();
        scopes.iter().flatten().all(|scope| scope.matches(&header))
    };
    Ok(array(items.iter().filter(is_wanted).take(limit)))
}

fn get_event(arguments: &str, items: &[Arc<Item>]) -> Result<String, String> {
    let GetArguments { id } = read(arguments)?;
    let found = items.iter().find(|item| item.event.id == id);
    let found = found.ok_or_else(|| format!("none of the newest events has the id `{id}`"))?;
    Ok(found.text().to_owned())
}

fn read<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, String> {
    serde_json::from_str(arguments).map_err(|error| format!("the arguments do not fit: {error}"))
}

/// Events as a JSON array, each as it came.
pub(super) fn array<'a>(items: impl Iterator<Item = &'a Arc<Item>>) -> String {
    let texts: Vec<&str> = items.map(|item| item.text()).collect();
    format!("[{}]", texts.join(","))
}
