//! What the types of our own that are a text on the wire look like to others, as JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::base64url::Base64Url;
use super::id::{AgentId, ClientId, InstanceId, SourceSlug, TeamId};

impl<const N: usize> JsonSchema for Base64Url<N> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Base64Url{N}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Without padding: 4 characters for 3 bytes.
        let length = (N * 4).div_ceil(3);
        json_schema!({"type": "string", "pattern": format!("^[A-Za-z0-9_-]{{{length}}}$")})
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
                    "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
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

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"})
    }
}
