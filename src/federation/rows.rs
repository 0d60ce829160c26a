//! The rows of one peer that a node has read and not yet done with. Pure.

use std::collections::{HashSet, VecDeque};

use crate::protocol::id::Seq;
use crate::store::federation::{ClaimId, Due, DueQuery, Work};
use crate::store::record::Millis;

/// How many rows that were never tried are held at most.
const FRESH_MAX: usize = 512;

/// How many rows that are due again are looked at, beyond those at work.
const RETRIES_MAX: usize = 64;

/// What is held, and what of it is at work.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Never tried, by their number.
    fresh: VecDeque<Due>,
    /// Due again, the longest due first.
    retries: VecDeque<Due>,
    /// Up to which number the fresh ones were read.
    after: Seq,
    /// Whether there may be more behind that.
    has_more: bool,
    /// Those that were taken and are not settled.
    taken: HashSet<Seq>,
    /// Whether the next one is a retry, where there are both: so that neither holds up the other where the rate is low.
    is_retrys_turn: bool,
}

impl Rows {
    /// What to ask the store for.
    pub(super) fn query(&self, claim: ClaimId, now: Millis) -> DueQuery {
        DueQuery {
            claim,
            after: self.after,
            fresh_max: FRESH_MAX - self.fresh.len().min(FRESH_MAX),
            // Those at work are among the answer.
            retries_max: RETRIES_MAX + self.taken.len(),
            now,
        }
    }

    /// Takes over what the store answered to that. Text beyond so many bytes is not held but read again.
    pub(super) fn refill(&mut self, work: Work, max_bytes: usize) {
        // Where there was no room for any, nothing is known of what there is.
        self.has_more = !work.fresh.is_empty() || self.fresh.len() >= FRESH_MAX;
        if let Some(last) = work.fresh.last() {
            self.after = last.seq;
        }
        self.fresh.extend(work.fresh);
        let taken = &self.taken;
        let retries = work.retries.into_iter();
        self.retries = retries.filter(|row| !taken.contains(&row.seq)).collect();
        self.trim(max_bytes);
    }

    fn trim(&mut self, max_bytes: usize) {
        let mut bytes = 0;
        let fits = |row: &&Due| {
            bytes += size(row);
            bytes <= max_bytes
        };
        let kept = self.fresh.iter().take_while(fits).count().max(1);
        if kept < self.fresh.len() {
            self.fresh.truncate(kept);
            self.after = self.fresh.back().map_or(self.after, |last| last.seq);
        }
        let mut bytes = 0;
        let fits = |row: &&Due| {
            bytes += size(row);
            bytes <= max_bytes
        };
        let kept = self.retries.iter().take_while(fits).count().max(1);
        self.retries.truncate(kept);
    }

    /// Whether more is worth reading: there is some, and not much is held.
    pub(super) fn is_hungry(&self) -> bool {
        self.has_more && self.fresh.len() < FRESH_MAX / 4
    }

    /// Whether none is held that was never tried, as far as is known.
    pub(super) fn is_caught_up(&self) -> bool {
        self.fresh.is_empty() && !self.has_more
    }

    /// Whether nothing is held and nothing at work.
    pub(super) fn is_idle(&self) -> bool {
        self.is_caught_up() && self.retries.is_empty() && self.taken.is_empty()
    }

    /// How many were taken and are not settled.
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// When the event of the first that was never tried was stored.
    pub(super) fn oldest_fresh(&self) -> Option<Millis> {
        self.fresh.front().map(|row| row.created_at)
    }

    /// How large the row is that [`Rows::take`] would give, and whether it was never tried.
    pub(super) fn next(&self, fresh: bool, retries: bool) -> Option<(usize, bool)> {
        let fresh = self.fresh.front().filter(|_| fresh);
        let retry = self.retries.front().filter(|_| retries);
        match (fresh, retry) {
            (Some(_), Some(retry)) if self.is_retrys_turn => Some((size(retry), false)),
            (Some(fresh), _) => Some((size(fresh), true)),
            (None, retry) => retry.map(|retry| (size(retry), false)),
        }
    }

    /// Takes the next row, of the kinds that are wanted.
    pub(super) fn take(&mut self, fresh: bool, retries: bool) -> Option<Due> {
        let (_, is_fresh) = self.next(fresh, retries)?;
        self.is_retrys_turn = is_fresh;
        let row = match is_fresh {
            true => self.fresh.pop_front(),
            false => self.retries.pop_front(),
        }?;
        self.taken.insert(row.seq);
        Some(row)
    }

    /// A row that was taken and not tried.
    pub(super) fn put_back(&mut self, row: Due) {
        self.taken.remove(&row.seq);
        match row.due_at {
            0 => {
                let place = self.fresh.partition_point(|other| other.seq < row.seq);
                self.fresh.insert(place, row);
            }
            _ => self.retries.push_front(row),
        }
    }

    /// A row that is done with, for this time.
    pub(super) fn settled(&mut self, seq: Seq) {
        self.taken.remove(&seq);
    }
}

fn size(row: &Due) -> usize {
    row.text.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::fixtures;
    use crate::store::federation::PeerState;

    const CLAIM: ClaimId = ClaimId { peer: 1, number: 1 };

    fn row(seq: Seq, due_at: Millis) -> Due {
        Due {
            seq,
            due_at,
            attempts: 0,
            created_at: 1,
            event_id: "e".to_owned(),
            kind: "t".to_owned(),
            text: Some("x".repeat(10)),
        }
    }

    fn work(fresh: &[Seq], retries: &[Seq]) -> Work {
        Work {
            peer: fixtures::peer("http://127.0.0.1:1/"),
            state: PeerState::default(),
            fresh: fresh.iter().map(|seq| row(*seq, 0)).collect(),
            retries: retries.iter().map(|seq| row(*seq, 9)).collect(),
        }
    }

    fn taken(rows: &mut Rows) -> Vec<Seq> {
        std::iter::from_fn(|| rows.take(true, true))
            .map(|row| row.seq)
            .collect()
    }

    #[test]
    fn first_attempts_come_in_order_and_retries_in_between() {
        let mut rows = Rows::default();
        rows.refill(work(&[5, 6, 7], &[2, 1]), 1000);
        assert_eq!(taken(&mut rows), [5, 2, 6, 1, 7]);
        assert_eq!(rows.query(CLAIM, 0).after, 7);
    }

    #[test]
    fn what_is_at_work_is_not_taken_again_until_it_is_settled() {
        let mut rows = Rows::default();
        rows.refill(work(&[], &[1, 2]), 1000);
        assert_eq!(taken(&mut rows), [1, 2]);
        rows.refill(work(&[], &[1, 2, 3]), 1000);
        assert_eq!(taken(&mut rows), [3]);
        rows.settled(1);
        rows.refill(work(&[], &[1, 2, 3]), 1000);
        assert_eq!(taken(&mut rows), [1]);
    }

    #[test]
    fn what_was_not_tried_goes_back_to_its_place() {
        let mut rows = Rows::default();
        rows.refill(work(&[1, 2, 3], &[]), 1000);
        let first = rows.take(true, true).unwrap();
        let second = rows.take(true, true).unwrap();
        rows.put_back(second);
        rows.put_back(first);
        assert_eq!(taken(&mut rows), [1, 2, 3]);
    }

    #[test]
    fn more_is_read_after_a_look_for_which_there_was_no_room() {
        let mut rows = Rows::default();
        let all: Vec<Seq> = (1..=FRESH_MAX as Seq).collect();
        rows.refill(work(&all, &[]), usize::MAX);
        assert_eq!(rows.query(CLAIM, 0).fresh_max, 0);
        rows.refill(work(&[], &[]), usize::MAX);
        while rows.take(true, true).is_some() {}
        assert!(rows.is_hungry());
    }

    #[test]
    fn what_is_too_much_to_hold_is_read_again() {
        let mut rows = Rows::default();
        rows.refill(work(&[1, 2, 3], &[8, 9]), 25);
        assert_eq!(rows.query(CLAIM, 0).after, 2);
        assert_eq!(taken(&mut rows).len(), 4);
        assert!(rows.is_hungry());
        rows.refill(work(&[3], &[]), 1);
        assert_eq!(taken(&mut rows), [3], "one at least");
        rows.refill(work(&[], &[]), 1);
        assert!(rows.is_caught_up() && !rows.is_idle());
    }
}
