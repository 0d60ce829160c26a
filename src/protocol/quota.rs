//! What a team's log says of its quota (spec 15).

use serde::Serialize;

use super::event::Event;

/// The type of the event that says that a quota is used up.
pub const EXHAUSTED: &str = "kite.subscription.quota_exhausted";

/// The type of the event that says that events are taken again.
pub const RESTORED: &str = "kite.subscription.quota_restored";

/// Where these events come from.
const SOURCE: &str = "kite://subscription";

/// Where a team stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Standing {
    /// Events accepted in the current month.
    pub events_used: u64,
    /// How many may be.
    pub events_limit: u64,
    /// When the month ends, RFC 3339.
    pub resets_at: String,
}

/// The event of a type of this file.
pub fn event(kind: &str, id: String, time: String, standing: &Standing) -> Event {
    let summary = match kind {
        EXHAUSTED => format!(
            "the quota of {} events is used up until {}",
            standing.events_limit, standing.resets_at
        ),
        _ => "events are taken again".to_owned(),
    };
    Event::own((SOURCE, kind, id), time, &summary, standing)
}
