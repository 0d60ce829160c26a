//! JSON-RPC 2.0, as far as the Model Context Protocol uses it: a line in, at most one line out. Pure.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{LINE_MAX_BYTES, tools};
use crate::protocol::json::{self, Object};
use crate::sink::Item;

/// The versions of the protocol whose methods are these.
const VERSIONS: [&str; 3] = ["2024-11-05", "2025-03-26", "2025-06-18"];

const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
pub(super) const INVALID_PARAMS: i32 = -32602;
/// What the Model Context Protocol says of a resource that is not there.
const RESOURCE_NOT_FOUND: i32 = -32002;

/// The one resource.
const RECENT: &str = "kite://events/recent";

/// How many events it has (spec 17).
const RECENT_COUNT: usize = 50;

/// Why a request gets no result.
#[derive(Debug)]
pub(super) struct Fault {
    code: i32,
    message: String,
}

impl Fault {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }

    fn invalid(message: &str) -> Self {
        Self::new(INVALID_REQUEST, message)
    }
}

/// Answers a line, from these events, the newest first. Notifications and answers get no answer.
pub(super) fn answer(line: &[u8], items: &[Arc<Item>]) -> Option<String> {
    let text = match json::text(line).and_then(json::check) {
        Ok(text) => text.get(),
        Err(fault) => return Some(refusal("null", &Fault::new(PARSE_ERROR, fault.to_string()))),
    };
    let request = match Request::read(text) {
        Ok(request) => request?,
        Err(fault) => return Some(refusal("null", &fault)),
    };
    let id = request.id?;
    Some(match call(&request, items) {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err(fault) => refusal(id, &fault),
    })
}

/// The answer to a line that is not read.
pub(super) fn too_long() -> String {
    let message = format!("a request may have {LINE_MAX_BYTES} bytes");
    refusal("null", &Fault::invalid(&message))
}

fn refusal(id: &str, fault: &Fault) -> String {
    let error = json!({"code": fault.code, "message": fault.message});
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// A request, or a notification where it has no id.
struct Request<'a> {
    /// The id's own text, so that it goes back as it came.
    id: Option<&'a str>,
    method: String,
    params: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Reads a JSON text; `None` where it is an answer, to which nothing is to be said.
    fn read(text: &'a str) -> Result<Option<Self>, Fault> {
        if text.starts_with('[') {
            return Err(Fault::invalid("batches are not taken"));
        }
        let members = Object::parse(text).ok_or(Fault::invalid("a request is an object"))?;
        let id = member(&members, "id");
        if id.is_some_and(|id| id.starts_with(['{', '[', 't', 'f'])) {
            return Err(Fault::invalid("`id` must be a text or a number"));
        }
        if string(&members, "jsonrpc").as_deref() != Some("2.0") {
            return Err(Fault::invalid("`jsonrpc` must be `2.0`"));
        }
        let is_answer = member(&members, "result").or(member(&members, "error"));
        if is_answer.is_some() && member(&members, "method").is_none() {
            return Ok(None);
        }
        let method = string(&members, "method").ok_or(Fault::invalid("`method` must be a text"))?;
        let params = member(&members, "params");
        Ok(Some(Self { id, method, params }))
    }

    /// A member of the parameters that must be a text.
    fn param(&self, name: &str) -> Result<String, Fault> {
        let params = Object::parse(self.params.unwrap_or("{}")).unwrap_or_default();
        let text = string(&params, name);
        text.ok_or_else(|| Fault::new(INVALID_PARAMS, format!("`{name}` must be a text")))
    }
}

/// The text of a member; the last one counts, as for other parsers.
fn member<'a>(Object(members): &Object<'a>, name: &str) -> Option<&'a str> {
    let mut members = members.iter().rev();
    members
        .find(|(member, _)| member == name)
        .map(|(_, value)| value.get())
}

fn string(members: &Object<'_>, name: &str) -> Option<String> {
    serde_json::from_str(member(members, name)?).ok()
}

fn call(request: &Request<'_>, items: &[Arc<Item>]) -> Result<Value, Fault> {
    match request.method.as_str() {
        "initialize" => Ok(initialize(request.param("protocolVersion").ok())),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(tools::list()),
        "tools/call" => {
            let params = Object::parse(request.params.unwrap_or("{}")).unwrap_or_default();
            tools::call(&request.param("name")?, member(&params, "arguments"), items)
        }
        "resources/list" => Ok(resources()),
        "resources/read" => read(&request.param("uri")?, items),
        method => {
            let message = format!("there is no method `{method}`");
            Err(Fault::new(METHOD_NOT_FOUND, message))
        }
    }
}

/// The version that the client asks for, where it is a known one.
fn initialize(asked: Option<String>) -> Value {
    let known = VERSIONS.into_iter();
    let version = known.clone().find(|known| asked.as_deref() == Some(known));
    json!({
        "protocolVersion": version.unwrap_or(VERSIONS[0]),
        "capabilities": {"tools": {}, "resources": {}},
        "serverInfo": {"name": "kite", "version": env!("CARGO_PKG_VERSION")},
        "instructions": "Events that kite received, as CloudEvents. What is in them was written by others.",
    })
}

fn resources() -> Value {
    json!({"resources": [{
        "uri": RECENT,
        "name": "Recent events",
        "description": format!("The last {RECENT_COUNT} events, the newest first"),
        "mimeType": "application/json",
    }]})
}

fn read(uri: &str, items: &[Arc<Item>]) -> Result<Value, Fault> {
    if uri != RECENT {
        let message = format!("there is no resource `{uri}`");
        return Err(Fault::new(RESOURCE_NOT_FOUND, message));
    }
    let text = tools::array(items.iter().take(RECENT_COUNT));
    Ok(json!({"contents": [{"uri": RECENT, "mimeType": "application/json", "text": text}]}))
}
