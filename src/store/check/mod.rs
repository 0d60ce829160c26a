//! Whether what is stored keeps the promises (2, 3 and 6): a judge who is shown every row once, the same for all databases.

mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;

pub(super) use self::report::Log;
pub use self::report::{Counts, Depth, Finding, Grade, Report, Subject};

use super::dump::{
    AGENTS, CURSORS, DAMAGE, DEDUP, DELIVERIES, ENDPOINTS, EVENTS, INSTANCE, KEPT_EVENTS, KEYS,
    LETTERS, ORPHANS, OUTBOX, PEER_STATES, PEERS, REPEATS, Row, Rows, SIGNING_KEYS, TABLES, TEAMS,
};
use super::record::Millis;
use super::{Result, StoreError};
use crate::protocol::event::dedup_key;
use crate::protocol::id::Seq;

/// How many events that share their name with an earlier one are compared with what was accepted. Names that the
/// sender chooses may be anything, also the same each time, where nothing is to be recognised.
const REPEATS_MAX: usize = 100_000;

/// How far the clocks of nodes may differ, and requests overtake each other on their way into the log.
const CLOCK_SLACK: Millis = 60_000;

/// Judges a stream of rows. A database that cannot be read to its end is a finding; one that is away is an error.
pub(super) async fn judge(mut rows: Rows, depth: Depth) -> Result<Report> {
    let mut judge = Judge::new(depth);
    loop {
        match rows.next().await {
            Ok(Some(page)) => page.iter().for_each(|row| judge.look(row)),
            Ok(None) => return Ok(judge.end()),
            Err(StoreError::Failed(why)) => {
                let words = format!("it cannot be read any further: {why}");
                let report = &mut judge.report;
                report.find(Grade::Fault, Subject::Damage, None, words);
                return Ok(judge.report);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What is known of a log while its events go by.
struct Progress {
    log: Log,
    /// The number that comes next.
    next: Seq,
    /// How many events have numbers that the log does not have, and one of them.
    outside: (u64, Seq),
    /// When the oldest event came, and the latest so far.
    oldest: Option<Millis>,
    latest: Millis,
    /// By how much a time stepped back at most, and where.
    step_back: (Millis, Seq),
}

/// Two events of the same name.
struct Pair {
    seq: Seq,
    later: Seq,
    /// When the earlier one came.
    created_at: Millis,
}

struct Judge {
    depth: Depth,
    report: Report,
    teams: BTreeMap<i64, Progress>,
    /// The team of each peer.
    peers: HashMap<i64, i64>,
    /// Events that are kept for forwards, by their team and their number.
    kept: BTreeSet<(i64, Seq)>,
    /// Numbers of teams that are not there.
    strangers: BTreeSet<i64>,
    /// The latest pair of each name.
    repeats: HashMap<(i64, [u8; 32]), Pair>,
    repeats_left: u64,
}

/// The part of an event's text that has columns of its own.
#[derive(Deserialize)]
struct Attributes {
    id: String,
    source: String,
    r#type: String,
}

impl Judge {
    fn new(depth: Depth) -> Self {
        Self {
            depth,
            report: Report::default(),
            teams: BTreeMap::new(),
            peers: HashMap::new(),
            kept: BTreeSet::new(),
            strangers: BTreeSet::new(),
            repeats: HashMap::new(),
            repeats_left: 0,
        }
    }

    fn look(&mut self, row: &Row) {
        let table = row.table;
        let counts = &mut self.report.counts;
        let counted = [
            (&TEAMS, &mut counts.teams),
            (&EVENTS, &mut counts.events),
            (&DEDUP, &mut counts.accepted),
            (&CURSORS, &mut counts.cursors),
            (&KEYS, &mut counts.keys),
            (&ENDPOINTS, &mut counts.endpoints),
            (&AGENTS, &mut counts.agents),
            (&PEERS, &mut counts.peers),
            (&OUTBOX, &mut counts.forwards),
            (&LETTERS, &mut counts.letters),
        ];
        for (counted, count) in counted {
            *count += u64::from(table.is(counted));
        }
        // Not the answers to questions.
        self.report.rows += u64::from(TABLES.iter().any(|it| table.is(it)));
        if table.is(&DAMAGE) {
            let words = row.text("words").to_owned();
            self.report.find(Grade::Fault, Subject::Damage, None, words);
        } else if table.is(&INSTANCE) {
            self.report.instance_id = Some(row.text("instance_id").to_owned());
        } else if table.is(&TEAMS) {
            self.team(row);
        } else if table.is(&PEER_STATES) {
            self.peer_of(row);
        } else if table.is(&OUTBOX) || table.is(&LETTERS) {
            self.forward(row);
        } else if table.is(&SIGNING_KEYS) || !self.is_known(row) {
            // The instance's own, or a stranger's.
        } else if table.is(&PEERS) {
            let (number, team) = (row.integer("number"), row.integer("team"));
            self.peers.insert(number, team);
        } else if table.is(&KEPT_EVENTS) {
            let kept = (row.integer("team"), row.number("seq"));
            self.kept.insert(kept);
        } else if table.is(&DELIVERIES) {
            self.peer_of(row);
        } else if table.is(&EVENTS) {
            self.event(row);
        } else if table.is(&REPEATS) {
            self.repeat(row);
        } else if table.is(&DEDUP) {
            self.accepted(row);
        } else if table.is(&ORPHANS) {
            self.orphan(row);
        } else if table.is(&CURSORS) {
            self.cursor(row);
        }
    }

    fn team(&mut self, row: &Row) {
        let log = Log {
            number: row.integer("number"),
            team_id: row.text("id").to_owned(),
            pruned: row.number("pruned_seq"),
            last: row.number("last_seq"),
        };
        if log.pruned > log.last {
            let words = format!(
                "events up to {} are said to be gone, but only {} were ever there",
                log.pruned, log.last
            );
            self.report.fault(Subject::Numbers, &log.team_id, words);
        }
        let progress = Progress {
            next: log.pruned + 1,
            log,
            outside: (0, 0),
            oldest: None,
            latest: Millis::MIN,
            step_back: (0, 0),
        };
        self.teams.insert(progress.log.number, progress);
    }

    /// Whether the row's team is there. Says of each that is not once.
    fn is_known(&mut self, row: &Row) -> bool {
        let number = row.integer("team");
        if self.teams.contains_key(&number) {
            return true;
        }
        if self.strangers.insert(number) {
            let words = format!(
                "`{}` refers to team number {number}, which is not there",
                row.table.name
            );
            self.report
                .find(Grade::Fault, Subject::References, None, words);
        }
        false
    }

    /// The team of the peer that a row refers to. Says so where that peer is not there.
    fn peer_of(&mut self, row: &Row) -> Option<i64> {
        let number = row.integer("peer");
        let team = self.peers.get(&number).copied();
        if team.is_none() {
            let words = format!(
                "`{}` refers to peer number {number}, which is not there",
                row.table.name
            );
            self.report
                .find(Grade::Fault, Subject::References, None, words);
        }
        team
    }

    /// A forward needs its event, in the log or kept. One that is missing in the log is told of already.
    fn forward(&mut self, row: &Row) {
        let Some(number) = self.peer_of(row) else {
            return;
        };
        let (seq, Some(team)) = (row.number("seq"), self.teams.get(&number)) else {
            return;
        };
        let is_in_log = seq > team.log.pruned && seq <= team.log.last;
        if !is_in_log && !self.kept.contains(&(number, seq)) {
            let words = format!(
                "`{}` refers to event {seq}, which is not there",
                row.table.name
            );
            self.report
                .fault(Subject::References, &team.log.team_id, words);
        }
    }

    fn event(&mut self, row: &Row) {
        let Some(team) = self.teams.get_mut(&row.integer("team")) else {
            return;
        };
        let (seq, created_at) = (row.number("seq"), row.integer("created_at"));
        if seq <= team.log.pruned || seq > team.log.last {
            team.outside = (team.outside.0 + 1, seq);
        } else {
            if seq > team.next {
                let words = missing(team.next, seq - 1);
                self.report
                    .fault(Subject::Numbers, &team.log.team_id, words);
            }
            team.next = seq + 1;
        }
        team.oldest.get_or_insert(created_at);
        let back = team.latest.saturating_sub(created_at);
        if team.latest > created_at && back > team.step_back.0 {
            team.step_back = (back, seq);
        }
        team.latest = team.latest.max(created_at);
        if self.depth == Depth::Full
            && let Some(why) = text_fault(row)
        {
            let words = format!("the text of event {seq} {why}");
            self.report.fault(Subject::Text, &team.log.team_id, words);
        }
    }

    fn repeat(&mut self, row: &Row) {
        let key = dedup_key("cloudevent", &[row.text("source"), row.text("id")]);
        let name = (row.integer("team"), key);
        if self.repeats.len() >= REPEATS_MAX && !self.repeats.contains_key(&name) {
            self.repeats_left += 1;
            return;
        }
        let pair = Pair {
            seq: row.number("seq"),
            later: row.number("later"),
            created_at: row.integer("created_at"),
        };
        // Whatever order they come in.
        if self
            .repeats
            .get(&name)
            .is_none_or(|known| known.later < pair.later)
        {
            self.repeats.insert(name, pair);
        }
    }

    /// An event that came under a name after it had been accepted and before it was forgotten is there twice. Names whose
    /// event was forgotten in between have a younger entry.
    fn accepted(&mut self, row: &Row) {
        let Ok(key) = row.bytes("key").try_into() else {
            return;
        };
        let number = row.integer("team");
        if let Some(pair) = self.repeats.get(&(number, key))
            && pair.created_at >= row.integer("created_at")
            && let Some(team) = self.teams.get(&number)
        {
            let words = format!(
                "events {} and {} are the same one, `{}`",
                pair.seq,
                pair.later,
                row.text("event_id")
            );
            self.report
                .fault(Subject::Repeated, &team.log.team_id, words);
        }
    }

    /// What was accepted long after the oldest event that is still there cannot have been taken by retention.
    fn orphan(&mut self, row: &Row) {
        let Some(team) = self.teams.get(&row.integer("team")) else {
            return;
        };
        let created_at = row.integer("created_at");
        if team
            .oldest
            .is_some_and(|oldest| created_at > oldest.saturating_add(CLOCK_SLACK))
        {
            let words = format!(
                "the event `{}` was accepted and is not in the log",
                row.text("event_id")
            );
            self.report.fault(Subject::Lost, &team.log.team_id, words);
        }
    }

    fn cursor(&mut self, row: &Row) {
        let Some(team) = self.teams.get(&row.integer("team")) else {
            return;
        };
        let place = row.number("acked").max(row.number("scanned"));
        if place > team.log.last {
            let words = format!(
                "the cursor `{}` stands at {place}, behind the end of the log at {}",
                row.text("client_id"),
                team.log.last
            );
            self.report.fault(Subject::Cursor, &team.log.team_id, words);
        }
    }

    fn end(mut self) -> Report {
        for team in self.teams.into_values() {
            let (log, report) = (team.log, &mut self.report);
            if team.next <= log.last {
                let words = missing(team.next, log.last);
                report.fault(Subject::Numbers, &log.team_id, words);
            }
            if let (count @ 1.., one) = team.outside {
                let words = format!(
                    "{count} stored with numbers outside {} to {}, such as {one}",
                    log.pruned + 1,
                    log.last
                );
                report.fault(Subject::Numbers, &log.team_id, words);
            }
            if let (back, seq) = team.step_back
                && back > CLOCK_SLACK
            {
                let words = format!(
                    "event {seq} is {} s older than one before it: where the log is looked up by time, that is missed by as much",
                    back / 1000
                );
                report.find(Grade::Warning, Subject::Time, Some(&log.team_id), words);
            }
            report.logs.push(log);
        }
        if self.repeats_left > 0 {
            let words = format!(
                "{} events share their names with others and were not looked at",
                self.repeats_left
            );
            self.report
                .find(Grade::Warning, Subject::Repeated, None, words);
        }
        self.report
    }
}

fn missing(first: Seq, last: Seq) -> String {
    match first == last {
        true => format!("event {first} is missing"),
        false => format!("events {first} to {last} are missing"),
    }
}

/// What is wrong with the text of an event.
fn text_fault(row: &Row) -> Option<String> {
    let found: Attributes = match serde_json::from_str(row.text("text")) {
        Ok(found) => found,
        Err(error) => return Some(format!("is no event: {error}")),
    };
    let attributes = [
        ("id", found.id),
        ("source", found.source),
        ("type", found.r#type),
    ];
    let differs = |(name, value): &(&str, String)| row.text(name) != value;
    let other = attributes.iter().find(|attribute| differs(attribute));
    other.map(|(name, _)| format!("has another `{name}` than the log"))
}

#[cfg(test)]
mod tests {
    use super::report::FINDINGS_MAX;
    use super::*;

    #[test]
    fn what_spoils_a_copy_is_known_behind_any_number_of_other_findings() {
        let mut report = Report::default();
        for _ in 0..=FINDINGS_MAX {
            report.fault(Subject::Lost, "acme", "lost".to_owned());
        }
        assert_eq!(report.spoiling, None);
        report.fault(Subject::Numbers, "acme", missing(7, 9));
        assert_eq!(report.findings.len(), FINDINGS_MAX);
        assert_eq!(report.spoiling, Some(missing(7, 9)));
    }
}
