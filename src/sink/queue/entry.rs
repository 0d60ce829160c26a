//! What the queue holds.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::super::Item;
use super::super::scoring::Importance;
use crate::base::clock::rfc3339;
use crate::protocol::event::EventFault;
use crate::protocol::id::{Seq, TeamId};

/// Whose entries: a server's team, and who listens to it on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The origin of the server.
    pub server: String,
    /// The team.
    pub team: TeamId,
    /// The command and what tells its consumers apart, as in the name of its cursor.
    pub name: String,
    /// The sink as a manifest writes it, in JSON: a replay makes it again. It holds no secret.
    pub sink: String,
}

/// How far an event has come (spec 18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Stored, nothing done.
    Pending,
    /// A hook is running.
    Enriching,
    /// To be delivered.
    Ready,
    /// Accepted by the sink.
    Delivered,
    /// Given up.
    Failed,
    /// Dropped by a filter, as a repetition, or as not important enough.
    Filtered,
}

impl Status {
    /// All of them, in the order of an event's life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Enriching,
        Self::Ready,
        Self::Delivered,
        Self::Failed,
        Self::Filtered,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Enriching => "enriching",
            Self::Ready => "ready",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Filtered => "filtered",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| {
            format!("`{text}` is no status: use pending, enriching, ready, delivered, failed or filtered")
        })
    }
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its sink took it.
    Delivered,
    /// Its sink took it, and remembers it no longer than this process lives.
    DeliveredHere,
    /// It waits for the end of a window, to be judged then.
    Held {
        /// When, in Unix milliseconds.
        due_at: i64,
    },
    /// It was not meant to be handed on, for this reason.
    Filtered(String),
    /// It is tried again.
    Again {
        /// How often it was tried.
        attempts: u32,
        /// When, in Unix milliseconds.
        due_at: i64,
        /// Why it was not taken.
        why: String,
    },
    /// It was given up, for this reason.
    Failed(String),
}

impl Verdict {
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Delivered | Self::DeliveredHere => Status::Delivered,
            Self::Held { .. } => Status::Pending,
            Self::Filtered(_) => Status::Filtered,
            Self::Again { .. } => Status::Ready,
            Self::Failed(_) => Status::Failed,
        }
    }

    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Delivered | Self::DeliveredHere | Self::Held { .. } => None,
            Self::Filtered(why) | Self::Again { why, .. } | Self::Failed(why) => Some(why),
        }
    }

    pub(super) fn due_at(&self) -> Option<i64> {
        match self {
            Self::Again { due_at, .. } | Self::Held { due_at } => Some(*due_at),
            _ => None,
        }
    }

    /// Whether nobody else has the event, so that a power cut must not take it.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self, Self::Delivered | Self::Filtered(_))
    }
}

/// An event, and what became of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its place in the log.
    pub seq: Seq,
    /// The event's id; empty for what cannot be read.
    pub event_id: String,
    /// The name of where it came in.
    pub source: String,
    /// Its type.
    pub event_type: String,
    /// The CloudEvent as it came.
    pub raw: String,
    /// What enrichment made of it.
    pub enriched: Option<String>,
    /// How important it is.
    pub importance: Importance,
    /// What became of it.
    pub verdict: Verdict,
}

impl Entry {
    /// An entry for an event.
    pub fn of(item: &Item, verdict: Verdict) -> Self {
        Self {
            seq: item.seq,
            event_id: item.event.id.clone(),
            source: item.source_name(),
            event_type: item.event.kind.clone(),
            raw: item.raw.clone(),
            enriched: item.enriched.clone(),
            importance: item.importance,
            verdict,
        }
    }

    /// An entry for what came and cannot be read, for this reason: it is failed.
    pub fn unreadable(seq: Seq, raw: String, why: String) -> Self {
        Self {
            seq,
            event_id: String::new(),
            source: "unknown".to_owned(),
            event_type: String::new(),
            raw,
            enriched: None,
            importance: Importance::default(),
            verdict: Verdict::Failed(why),
        }
    }
}

/// An entry that this process works on.
#[derive(Debug, Clone)]
pub struct Claim {
    pub(super) rowid: i64,
    /// Until when, in Unix milliseconds; also what tells it from a later claim.
    pub(super) until: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// The entry.
    pub row: Row,
}

impl Claim {
    /// The event.
    ///
    /// # Errors
    ///
    /// Why the text is no CloudEvent.
    pub fn item(&self) -> Result<Item, EventFault> {
        self.row.item()
    }
}

/// What came of claiming an entry.
#[derive(Debug, Clone)]
pub enum Claiming {
    /// This process works on it now.
    Claimed(Box<Claim>),
    /// Another process works on it.
    Busy,
    /// It is not what it was any more.
    Over,
}

/// An entry as it is stored. Times are Unix seconds, and are written as the wire does.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    #[serde(skip)]
    pub(super) id: i64,
    /// The origin of the server; empty where an older kite did not write it down.
    pub server: String,
    /// The team.
    pub team_id: String,
    /// Who listened.
    pub consumer: String,
    /// The event's place in the log.
    pub seq: Seq,
    /// The event's id.
    pub event_id: String,
    /// The name of where it came in.
    pub source: String,
    /// Its type.
    pub event_type: String,
    /// How important it is.
    pub importance: String,
    /// How far it has come.
    pub status: Status,
    /// Why it is there.
    pub failure_reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it came.
    #[serde(serialize_with = "write_time")]
    pub created_at: i64,
    /// When enrichment was done.
    #[serde(serialize_with = "write_time_if_any")]
    pub enriched_at: Option<i64>,
    /// When its sink took it.
    #[serde(serialize_with = "write_time_if_any")]
    pub delivered_at: Option<i64>,
    /// The sink, as a manifest writes it.
    #[serde(skip)]
    pub sink: Option<String>,
    /// The CloudEvent as it came.
    #[serde(skip)]
    pub raw_payload: String,
    /// What enrichment made of it.
    #[serde(skip)]
    pub enriched_payload: Option<String>,
}

fn write_time<S: Serializer>(secs: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*secs))
}

fn write_time_if_any<S: Serializer>(secs: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    secs.map(time).serialize(serializer)
}

/// A time of an entry as the wire writes it.
pub fn time(unix_secs: i64) -> String {
    rfc3339(unix_secs.saturating_mul(1000))
}

impl Row {
    /// Where it stands in the order of coming.
    pub(crate) fn place(&self) -> (i64, i64) {
        (self.created_at, self.id)
    }

    /// The event, as its sink gets it.
    ///
    /// # Errors
    ///
    /// Why the text is no CloudEvent.
    pub fn item(&self) -> Result<Item, EventFault> {
        let item = Item::read(self.seq, self.team_id.clone(), self.raw_payload.clone())?;
        Ok(match &self.enriched_payload {
            Some(json) => item.enriched_by(json.clone()),
            None => item,
        })
    }
}
