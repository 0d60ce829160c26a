//! Which entries somebody asks for.

use rusqlite::types::Value;

use super::super::scoring::Importance;
use super::Status;
use super::file::number;
use crate::protocol::id::Seq;

/// What an entry must have to be looked at; what is not given does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The origin of its server. Entries of an older kite, which did not write it down, are of every server.
    pub server: Option<String>,
    /// Its team; likewise.
    pub team: Option<String>,
    /// Who listened.
    pub consumer: Option<String>,
    /// How far it has come.
    pub status: Option<Status>,
    /// The name of where it came in, in lower case.
    pub source: Option<String>,
    /// How important it is at least.
    pub importance: Option<Importance>,
    /// When it came at the earliest, in Unix seconds.
    pub since: Option<i64>,
    /// Its event's place in the log.
    pub seq: Option<Seq>,
}

/// The condition, over [`Filter::values`].
pub(super) const MATCHING: &str = "
    (:server IS NULL OR server IN ('', :server)) AND (:team IS NULL OR team_id IN ('', :team))
    AND (:consumer IS NULL OR consumer = :consumer) AND (:status IS NULL OR status = :status) AND (:source IS NULL OR source = :source)
    AND (:rank IS NULL OR :rank <=
        CASE importance WHEN 'low' THEN 0 WHEN 'high' THEN 2 WHEN 'critical' THEN 3 ELSE 1 END)
    AND (:since IS NULL OR created_at >= :since) AND (:seq IS NULL OR seq = :seq)";

/// A statement's parameters by name.
pub(super) type Values = Vec<(&'static str, Value)>;

impl Filter {
    /// The parameters of [`MATCHING`], and more.
    pub(super) fn values(&self, more: &[(&'static str, i64)]) -> Values {
        let text = |text: &Option<String>| text.clone().into();
        let status = self.status.map(|status| status.as_str().to_owned());
        let own = [
            (":server", text(&self.server)),
            (":team", text(&self.team)),
            (":consumer", text(&self.consumer)),
            (":status", status.into()),
            (":source", text(&self.source)),
            (":rank", self.importance.map(rank).into()),
            (":since", self.since.into()),
            (":seq", self.seq.map(number).into()),
        ];
        let more = more.iter().map(|(name, number)| (*name, (*number).into()));
        own.into_iter().chain(more).collect()
    }
}

fn rank(importance: Importance) -> i64 {
    match importance {
        Importance::Low => 0,
        Importance::Normal => 1,
        Importance::High => 2,
        Importance::Critical => 3,
    }
}
