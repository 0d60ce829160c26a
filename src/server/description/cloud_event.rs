//! CloudEvents, as bodies hold them.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::operation::described;
use crate::protocol::schema::CloudEvent;
use crate::webhook::cloudevents::BATCH_MAX_EVENTS;

/// One.
pub(in crate::server) fn cloud_event(generator: &mut SchemaGenerator) -> Schema {
    described::<CloudEvent>(generator)
}

/// A batch of them.
pub(in crate::server) fn cloud_events(generator: &mut SchemaGenerator) -> Schema {
    let event = cloud_event(generator);
    json_schema!({"type": "array", "items": event, "minItems": 1, "maxItems": BATCH_MAX_EVENTS})
}
