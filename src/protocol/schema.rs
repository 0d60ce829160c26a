//! What the types of our own that are a text on the wire look like to others, as JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::base64url::Base64Url;
use super::event::ATTRIBUTE_MAX_CHARS;
use super::federation::{PEER_TOKEN_MAX_CHARS, PEER_TOKEN_MIN_CHARS};
use super::glob::GLOB_MAX_CHARS;
use super::id::{AgentId, ClientId, InstanceId, SourceSlug, TeamId};
use super::peer_url::PEER_URL_MAX_BYTES;
use super::scope::MAX_SCOPE_CHARS;

/// No control characters, as [`super::id::check_text`] has it.
const NO_CONTROL: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

impl<const N: usize> JsonSchema for Base64Url<N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Base64Url{N}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Without padding: 4 characters for 3 bytes. Where the last one has bits to spare, they are 0.
        let length = N * 4 / 3;
        let last = match N % 3 {
            0 => "",
            1 => "[AQgw]",
            _ => "[AEIMQUYcgkosw048]",
        };
        json_schema!({"type": "string", "pattern": format!("^[A-Za-z0-9_-]{{{length}}}{last}$")})
    }
}

/// A name is a text of limited length without control characters.
macro_rules! names {
    ($($name:ident)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $name::MAX_CHARS,
                    "pattern": NO_CONTROL,
                })
            }
        }
    )*};
}

names!(AgentId ClientId InstanceId TeamId);

impl JsonSchema for SourceSlug {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SourceSlug".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // As SourceSlug::parse reads one, and as it writes it.
        match generator.contract().is_deserialize() {
            true => json_schema!({
                "type": "string",
                "pattern": "^\\s*[A-Za-z0-9][A-Za-z0-9-]{0,63}\\s*$",
                "not": {"pattern": "^\\s*[Kk][Ii][Tt][Ee]\\s*$"},
            }),
            false => json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"}),
        }
    }
}

/// Defines schemas of texts and of other values that have no type of their own, or one that cannot say what it takes.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident $(<const $max:ident>)? => $schema:tt)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name$(<const $max: usize>)?;

        impl$(<const $max: usize>)? JsonSchema for $name$(<$max>)? {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                let name = stringify!($name).to_owned();
                $(let name = format!("{name}{}", $max);)?
                name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

values! {
    /// A text that is not empty.
    Text => {"type": "string", "minLength": 1}

    /// Behind which dead letter a list begins: `0`, or the id of one.
    AfterLetter => {"type": "string", "pattern": "^(0|[^:]*:[0-9]{1,18})$"}

    /// A text of so many characters at most, none of them a control character ([`super::id::check_text`]).
    Line<const MAX> => {"type": "string", "maxLength": MAX, "pattern": NO_CONTROL}

    /// The same, and not empty ([`super::id::check_name`]).
    Name<const MAX> => {"type": "string", "minLength": 1, "maxLength": MAX, "pattern": NO_CONTROL}

    /// A text that a header can hold, of so many bytes at most.
    Word<const MAX> => {"type": "string", "maxLength": MAX, "pattern": "^[!-~]([ -~]*[!-~])?$"}

    /// A time, RFC 3339.
    Time => {"type": "string", "format": "date-time"}

    /// How many a listing is to have.
    Limit => {"type": "integer", "format": "uint64", "minimum": 1}

    /// A scope of subscriptions ([`super::scope::Scope`]).
    ScopeText => {
        "type": "string",
        "maxLength": MAX_SCOPE_CHARS,
        "pattern": "^(\\*$|(source|type|agent_to):[\\s\\S])",
    }

    /// A pattern of types ([`super::forward::TypeScopes`]).
    TypePattern => {
        "type": "string",
        "maxLength": GLOB_MAX_CHARS,
        "pattern": "^[^:\\u0000-\\u001f\\u007f-\\u009f]*$",
    }

    /// What peers show each other.
    PeerToken => {
        "type": "string",
        "minLength": PEER_TOKEN_MIN_CHARS,
        "maxLength": PEER_TOKEN_MAX_CHARS,
        "pattern": "^[!-~]*$",
    }

    /// An address that is posted to ([`super::peer_url::PeerUrl`]).
    HookUrl => {
        "type": "string",
        "format": "uri",
        "maxLength": PEER_URL_MAX_BYTES,
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-\"$-\\[\\]-~]+$",
    }

    /// What a peer's status can be set to.
    StatusToBe => {"type": "string", "enum": ["active", "paused", "revoked"]}
}

/// A CloudEvent 1.0 in JSON format, with the bounds that kite has (spec 11). It is read by hand, so that the text of `data`
/// stays as it came: so is its schema.
#[derive(Debug)]
pub struct CloudEvent;

impl JsonSchema for CloudEvent {
    fn schema_name() -> Cow<'static, str> {
        "CloudEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        // Where it is read, null is as good as nothing, and what is missing is filled in.
        let (required, attribute, extension) = match generator.contract().is_deserialize() {
            true => (
                json!(["specversion", "type"]),
                json!({"type": ["string", "null"], "maxLength": ATTRIBUTE_MAX_CHARS, "pattern": NO_CONTROL}),
                json!({
                    "type": ["string", "boolean", "integer", "null"],
                    "minimum": i64::MIN,
                    "maximum": i64::MAX,
                    "maxLength": ATTRIBUTE_MAX_CHARS,
                    "pattern": NO_CONTROL,
                }),
            ),
            false => (
                json!(["specversion", "id", "source", "type"]),
                json!({"type": "string"}),
                json!({"type": ["string", "boolean", "integer"]}),
            ),
        };
        let text = |about: &str| {
            let mut schema = attribute.clone();
            schema["description"] = json!(about);
            schema
        };
        let mut kind = text("What happened.");
        (kind["type"], kind["minLength"]) = (json!("string"), json!(1));
        let mut time = text("When it happened, RFC 3339.");
        time["format"] = json!("date-time");
        json_schema!({
            "description": "A CloudEvent 1.0. Members beside these are extensions.",
            "type": "object",
            "required": required,
            "properties": {
                "specversion": {"description": "`1.0`.", "type": "string", "const": "1.0"},
                "id": text("Its id, unique for its source."),
                "source": text("Who produced it, a URI reference."),
                "type": kind,
                "subject": text("What it is about, within the source."),
                "time": time,
                "datacontenttype": text("The media type of `data`."),
                "dataschema": text("Where the schema of `data` is."),
                "kitesummary": {"description": "What happened, on one line.", "type": extension["type"]},
                "data": {"description": "The payload, any JSON."},
                "data_base64": {
                    "description": "A payload of bytes, in base64.",
                    "type": attribute["type"],
                    "contentEncoding": "base64",
                },
            },
            "propertyNames": {"pattern": "^([a-z0-9]{1,64}|data_base64)$"},
            "additionalProperties": extension,
            "not": {
                "required": ["data", "data_base64"],
                "properties": {"data_base64": {"type": "string"}},
            },
        })
    }
}
