//! What a check has found.

use serde::Serialize;

use crate::protocol::id::Seq;

/// How many findings are told one by one; the rest is counted.
pub(super) const FINDINGS_MAX: usize = 1000;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Numbers, cursors, references, and the database's own quick check.
    Quick,
    /// Also the text of every event, every index, and what was accepted.
    Full,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// A promise is not kept.
    Fault,
    /// Worth knowing; nothing is broken.
    Warning,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The database's files.
    Damage,
    /// The numbers of a log.
    Numbers,
    /// A row that refers to something that is not there: a team, a peer, an event.
    References,
    /// The text of an event.
    Text,
    /// A cursor.
    Cursor,
    /// Something that was accepted twice.
    Repeated,
    /// Something that was accepted and is not in the log.
    Lost,
    /// The times of a log.
    Time,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub grade: Grade,
    /// What it is about.
    pub subject: Subject,
    /// Whose.
    pub team_id: Option<String>,
    /// What it is.
    pub message: String,
}

impl Finding {
    /// Whether a copy of such a database is no good copy. What was accepted twice or got lost happened before.
    fn spoils_copies(&self) -> bool {
        self.grade == Grade::Fault && !matches!(self.subject, Subject::Repeated | Subject::Lost)
    }
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Teams.
    pub teams: u64,
    /// Events.
    pub events: u64,
    /// Names of events that were accepted.
    pub accepted: u64,
    /// Cursors.
    pub cursors: u64,
    /// API keys.
    pub keys: u64,
    /// Endpoints.
    pub endpoints: u64,
    /// Agents.
    pub agents: u64,
    /// Peers.
    pub peers: u64,
    /// Forwards that are due or wait.
    pub forwards: u64,
    /// Forwards that ended without a delivery.
    pub letters: u64,
}

/// The log of a team, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Log {
    /// The number that stands for the team.
    pub(in crate::store) number: i64,
    pub(in crate::store) team_id: String,
    pub(in crate::store) pruned: Seq,
    pub(in crate::store) last: Seq,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// The findings, in the order of the tables.
    pub findings: Vec<Finding>,
    /// How many faults there are, also those that are not among the findings.
    pub faults: u64,
    /// How many warnings.
    pub warnings: u64,
    /// What was looked at.
    pub counts: Counts,
    /// The instance's id, if a server has run.
    pub instance_id: Option<String>,
    /// The first thing that makes a copy of it no good copy, also where it is not among the findings.
    pub(in crate::store) spoiling: Option<String>,
    pub(in crate::store) logs: Vec<Log>,
    /// How many rows there are.
    pub(in crate::store) rows: u64,
}

impl Report {
    /// Whether all promises are kept.
    pub fn is_sound(&self) -> bool {
        self.faults == 0
    }

    pub(super) fn find(
        &mut self,
        grade: Grade,
        subject: Subject,
        team: Option<&str>,
        message: String,
    ) {
        match grade {
            Grade::Fault => self.faults += 1,
            Grade::Warning => self.warnings += 1,
        }
        let finding = Finding {
            grade,
            subject,
            team_id: team.map(str::to_owned),
            message,
        };
        if self.spoiling.is_none() && finding.spoils_copies() {
            self.spoiling = Some(finding.message.clone());
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    pub(super) fn fault(&mut self, subject: Subject, team: &str, message: String) {
        self.find(Grade::Fault, subject, Some(team), message);
    }
}
