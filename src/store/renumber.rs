//! New numbers for a log that is restored: none that was ever given comes to mean another event.
//!
//! Clients have seen numbers that were given after the backup was made. So a restored log goes on behind all of them: its
//! first event gets a number above every number that the database can have given, and the others follow.

use std::collections::HashMap;

use serde::Serialize;

use super::check::Log;
use super::dump::{
    CURSORS, DELIVERIES, EVENTS, INSTANCE, KEPT_EVENTS, LETTERS, OUTBOX, PEER_STATES, PEERS, Row,
    TEAMS,
};
use super::limits::MAX_SEQ;
use super::record::Millis;
use super::{Result, StoreError};
use crate::protocol::id::Seq;

/// 2025-01-01T00:00:00Z: no log is older.
const EPOCH: Millis = 1_735_689_600_000;

/// What the target of a restore had before.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// The highest number given in each log, by the team's id.
    pub(super) heads: HashMap<String, Seq>,
    pub(super) access_version: i64,
    /// Why it could not be read.
    pub(super) unreadable: Option<String>,
}

/// The numbers of a log, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renumbered {
    /// Whose log.
    pub team_id: String,
    /// The first number of the backup; one more than the last where no event is left.
    pub old_first_seq: Seq,
    /// The last one.
    pub old_last_seq: Seq,
    /// The first number now.
    pub first_seq: Seq,
    /// The last one.
    pub last_seq: Seq,
}

/// How the rows of a backup change when they are restored.
#[derive(Debug)]
pub(super) struct Renumbering {
    /// By the number that stands for the team.
    shifts: HashMap<i64, i64>,
    /// By the number that stands for the peer, as far as peers went by.
    peer_shifts: HashMap<i64, i64>,
    access_version: i64,
    pub(super) logs: Vec<Renumbered>,
}

impl Renumbering {
    /// Puts every log behind all that was given: in the backup, in the database that is replaced, and, where that one is
    /// lost, in any that had less than a thousand events a second since 2025.
    pub(super) fn upwards(logs: &[Log], replaced: &Replaced, now: Millis) -> Result<Self> {
        let by_now = Seq::try_from(now.saturating_sub(EPOCH) / 1000 * 1000).unwrap_or(0);
        let start = |log: &Log| {
            let given = replaced.heads.get(&log.team_id).copied().unwrap_or(0);
            let base = log.last.max(given).max(by_now);
            match base + (log.last - log.pruned) < MAX_SEQ {
                true => Ok(base),
                false => Err(StoreError::NumbersSpent(log.team_id.clone())),
            }
        };
        Self::new(logs, replaced, start)
    }

    /// Keeps every number. Refuses to, where the database that is replaced has given higher ones.
    pub(super) fn none(logs: &[Log], replaced: &Replaced) -> Result<Self> {
        if let Some(why) = &replaced.unreadable {
            return Err(StoreError::Failed(format!(
                "which numbers the database there has given cannot be read: {why}"
            )));
        }
        let start = |log: &Log| match replaced.heads.get(&log.team_id) {
            Some(given) if *given > log.last => Err(StoreError::NumbersGiven {
                team: log.team_id.clone(),
                given: *given,
                kept: log.last,
            }),
            _ => Ok(log.pruned),
        };
        Self::new(logs, replaced, start)
    }

    /// `start` says behind which number a log begins.
    fn new(logs: &[Log], replaced: &Replaced, start: impl Fn(&Log) -> Result<Seq>) -> Result<Self> {
        let mut shifts = HashMap::with_capacity(logs.len());
        let mut renumbered = Vec::with_capacity(logs.len());
        for log in logs {
            let shift = start(log)? - log.pruned;
            shifts.insert(log.number, i64::try_from(shift).unwrap_or(i64::MAX));
            renumbered.push(Renumbered {
                team_id: log.team_id.clone(),
                old_first_seq: log.pruned + 1,
                old_last_seq: log.last,
                first_seq: log.pruned + shift + 1,
                last_seq: log.last + shift,
            });
        }
        Ok(Self {
            shifts,
            peer_shifts: HashMap::new(),
            access_version: replaced.access_version,
            logs: renumbered,
        })
    }

    /// Gives a row its new numbers. Connections that held a cursor, claims on peers, and what a server remembered of keys,
    /// are of the past.
    pub(super) fn apply(&mut self, row: &mut Row) {
        let of_team = self.shifts.get(&row.integer("team")).copied().unwrap_or(0);
        let table = row.table;
        if table.is(&TEAMS) {
            let shift = self.shifts.get(&row.integer("number")).copied();
            let shift = shift.unwrap_or(0);
            raise(row, "last_seq", shift);
            raise(row, "pruned_seq", shift);
        } else if table.is(&PEERS) {
            self.peer_shifts.insert(row.integer("number"), of_team);
        } else if table.is(&PEER_STATES) {
            row.put("claimed_until", 0);
        } else if table.is(&EVENTS) || table.is(&KEPT_EVENTS) {
            raise(row, "seq", of_team);
        } else if table.is(&OUTBOX) || table.is(&LETTERS) {
            let shift = self.peer_shifts.get(&row.integer("peer")).copied();
            raise(row, "seq", shift.unwrap_or(0));
        } else if table.is(&DELIVERIES) {
            // What was dropped on its way in has none.
            if row.integer("seq") > 0 {
                raise(row, "seq", of_team);
            }
        } else if table.is(&CURSORS) {
            raise(row, "acked", of_team);
            raise(row, "scanned", of_team);
            raise(row, "hold", 1);
        } else if table.is(&INSTANCE) {
            let known = row.integer("access_version").max(self.access_version);
            row.put("access_version", known + 1);
        }
    }
}

fn raise(row: &mut Row, column: &str, by: i64) {
    let raised = row.integer(column).saturating_add(by);
    row.put(column, raised);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = EPOCH + 5_999;

    fn log(pruned: Seq, last: Seq) -> Log {
        Log {
            number: 7,
            team_id: "acme".to_owned(),
            pruned,
            last,
        }
    }

    fn given(last: Seq) -> Replaced {
        Replaced {
            heads: HashMap::from([("acme".to_owned(), last)]),
            ..Replaced::default()
        }
    }

    fn upwards(log: &Log, replaced: &Replaced) -> (Seq, Seq) {
        let logs = std::slice::from_ref(log);
        let new = Renumbering::upwards(logs, replaced, NOW).unwrap();
        (new.logs[0].first_seq, new.logs[0].last_seq)
    }

    #[test]
    fn a_log_goes_on_behind_everything_that_was_given() {
        let none = Replaced::default();
        assert_eq!(upwards(&log(0, 3), &none), (5001, 5003));
        assert_eq!(upwards(&log(10, 13), &none), (5001, 5003));
        assert_eq!(upwards(&log(0, 0), &none), (5001, 5000));
        assert_eq!(upwards(&log(0, 9000), &none), (9001, 18_000));
        assert_eq!(upwards(&log(8990, 9000), &none), (9001, 9010));
        assert_eq!(upwards(&log(0, 3), &given(6000)), (6001, 6003));
    }

    #[test]
    fn numbers_that_would_not_fit_are_refused() {
        let full = [log(0, MAX_SEQ / 2 + 1)];
        let refused = Renumbering::upwards(&full, &Replaced::default(), NOW);
        assert!(matches!(refused, Err(StoreError::NumbersSpent(_))));
    }

    #[test]
    fn numbers_are_kept_only_where_none_was_given_since() {
        let logs = [log(2, 9)];
        let kept = Renumbering::none(&logs, &given(9)).unwrap();
        assert_eq!((kept.logs[0].first_seq, kept.logs[0].last_seq), (3, 9));
        let refused = Renumbering::none(&logs, &given(10));
        assert!(matches!(refused, Err(StoreError::NumbersGiven { .. })));
        let unknown = Replaced {
            unreadable: Some("torn".to_owned()),
            ..Replaced::default()
        };
        assert!(Renumbering::none(&logs, &unknown).is_err());
    }
}
