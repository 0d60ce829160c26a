//! A CloudEvent as others describe it.

use schemars::{Schema, SchemaGenerator, json_schema};

/// A CloudEvent 1.0 in JSON format, with the bounds that kite has (spec 11). It is read by hand, so that the text of `data`
/// stays as it came: so is its schema.
pub(in crate::server) fn cloud_event(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "title": "CloudEvent",
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1},
            "source": {"type": "string", "minLength": 1, "format": "uri-reference"},
            "type": {"type": "string", "minLength": 1},
            "subject": {"type": "string"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string"},
            "dataschema": {"type": "string", "format": "uri"},
            "data": {},
            "data_base64": {"type": "string", "contentEncoding": "base64"},
        },
        "additionalProperties": {"type": ["string", "boolean", "integer"]},
    })
}
