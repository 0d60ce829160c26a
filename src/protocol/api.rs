//! The bodies of the REST API (spec 7).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::id::Seq;

/// How much of the quota is used, in every answer that accepted something (spec 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Events accepted in the current month.
    pub events_used: u64,
    /// How many may be; [`super::UNLIMITED`] when there is no limit.
    pub events_limit: u64,
    /// What this call cost; kite charges nothing.
    #[serde(default)]
    pub amount_charged_atomic: u64,
}

/// The answer to a message (spec 13.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MessageAccepted {
    /// The event's id.
    pub id: String,
    /// When it was stored, RFC 3339.
    pub created_at: String,
    /// The sender.
    pub from: String,
    /// The receiver.
    pub to: String,
    /// The id of the instance that the receiver is on, where the sender named one (`agent@peer`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_instance: Option<String>,
    /// The quota after it.
    pub usage: Usage,
}

/// The answer to an event (spec 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum EventAnswer {
    /// 202: it was stored.
    Accepted {
        /// The event's id.
        id: String,
        /// When it was stored, RFC 3339.
        created_at: String,
        /// The quota after it.
        usage: Usage,
    },
    /// 200: it was stored before.
    DuplicateIgnored {
        /// The id of the first.
        id: String,
    },
}

/// Whether an event was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PublishStatus {
    /// It was.
    Accepted,
    /// It had been before.
    DuplicateIgnored,
    /// It was not, since the quota came to its end before it.
    QuotaExhausted,
}

/// The answer to a sample that was asked for (spec 7.3; its members are kite's).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Triggered {
    /// Whether it was stored, or had been: `data` may give a sample the id of a delivery that came before.
    pub status: PublishStatus,
    /// The event's id.
    pub id: String,
    /// The endpoint's slug.
    pub source: String,
    /// Which sample it was.
    pub event: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it was signed, and the signature checked.
    pub verified: bool,
    /// Whether the endpoint was made for it.
    pub endpoint_created: bool,
}

/// One stored event in a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedEvent {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was stored, RFC 3339.
    pub created_at: String,
    /// The CloudEvent, as text.
    #[cfg_attr(feature = "schema", schemars(with = "super::schema::CloudEvent"))]
    pub event: Box<RawValue>,
}

/// The answer of `GET /api/v1/events` (spec 7.3).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsPage {
    /// Ascending when the call named `after_seq` or `since`, else newest first.
    pub events: Vec<ListedEvent>,
    /// The first seq that is still stored; `last_seq` + 1 when nothing is.
    pub oldest_available_seq: Seq,
    /// The highest seq of the team.
    pub last_seq: Seq,
    /// Up to here the log was searched: `after_seq` of the next call. Only in an ascending listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after_seq: Option<Seq>,
}

/// An entry of the team's register of agents (spec 7.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Agent {
    /// What messages are addressed to.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// When it was first registered, RFC 3339.
    pub created_at: String,
    /// When it last registered, RFC 3339.
    pub last_seen_at: Option<String>,
}

/// The answer of `GET /api/v1/agents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentList {
    /// The agents by id.
    pub agents: Vec<Agent>,
}

/// The longest name of an agent, in characters.
pub const AGENT_NAME_MAX_CHARS: usize = 256;

/// The body of `PUT /api/v1/agents/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentUpdate {
    /// What people call it.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<super::schema::Line<AGENT_NAME_MAX_CHARS>>")
    )]
    pub name: Option<String>,
}

/// The answer of `GET /health` (spec 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Health {
    /// `ok`, or what is wrong.
    pub status: String,
    /// The server's version.
    pub version: String,
}
