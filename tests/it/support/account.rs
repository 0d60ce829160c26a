//! The account of a run: what senders tried and were answered, what listeners heard, and whether the log agrees. No IO.
//!
//! A value whose answer was a refusal or never came may be in the log or not, but not twice. Everything else is certain.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// What senders did. A value is a sender's name and a number that it counts up; it travels as the text `name-number`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    senders: BTreeMap<String, Sender>,
    /// How often a value was refused for the moment.
    refused: u64,
    /// What the last refusal said.
    last_refusal: String,
    /// Answers that nobody should get.
    wrong: Vec<String>,
}

#[derive(Debug, Clone, Default)]
struct Sender {
    /// How many values it tried: all the numbers below this.
    tried: u64,
    /// Numbers and event ids, in the order of sending.
    acknowledged: Vec<(u64, String)>,
}

impl Book {
    /// A sender is about to try its next value; the value's number.
    pub(crate) fn try_next(&mut self, sender: &str) -> u64 {
        let sender = self.senders.entry(sender.to_owned()).or_default();
        sender.tried += 1;
        sender.tried - 1
    }

    /// A value was acknowledged under an event id.
    pub(crate) fn acknowledge(&mut self, sender: &str, number: u64, id: &str) {
        let sender = self.senders.entry(sender.to_owned()).or_default();
        sender.acknowledged.push((number, id.to_owned()));
    }

    /// A value was refused for the moment.
    pub(crate) fn refuse(&mut self, why: &str) {
        self.refused += 1;
        why.clone_into(&mut self.last_refusal);
    }

    /// An answer was none that a sender may get.
    pub(crate) fn blame(&mut self, answer: String) {
        self.wrong.push(answer);
    }

    /// How many values were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let senders = self.senders.values();
        senders.map(|sender| sender.acknowledged.len()).sum()
    }

    /// The ids of the events that were acknowledged.
    pub(crate) fn acknowledged_ids(&self) -> Vec<String> {
        let senders = self.senders.values();
        let entries = senders.flat_map(|sender| &sender.acknowledged);
        entries.map(|(_, id)| id.clone()).collect()
    }

    /// How often a value was refused for the moment.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// What the last refusal said.
    pub(crate) fn last_refusal(&self) -> &str {
        &self.last_refusal
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried: u64 = self.senders.values().map(|sender| sender.tried).sum();
        let (acknowledged, refused) = (self.acknowledged(), self.refused);
        write!(
            f,
            "{tried} tried, {acknowledged} acknowledged, {refused} refusals"
        )?;
        match self.wrong.first() {
            Some(wrong) => write!(f, ", wrong: {wrong}"),
            None => Ok(()),
        }
    }
}

/// An event as the log lists it or a listener hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place in the log.
    pub(crate) seq: u64,
    /// Its event's id.
    pub(crate) id: String,
    /// The value's text.
    pub(crate) value: String,
}

impl Entry {
    /// Reads a line of a listing or an `event` frame of a message: both have `seq` and `event`.
    pub(crate) fn read(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        Self {
            seq: object["seq"].as_u64().expect("a number"),
            id: text(&object["event"]["id"]),
            value: text(&object["event"]["data"]["body"]),
        }
    }
}

/// What one connection of a listener to everything heard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hearing {
    /// Where it began: `last_seq` of its `connected` frame.
    pub(crate) resumed: u64,
    /// What came, in the order of coming.
    pub(crate) heard: Vec<Entry>,
    /// The highest ack that it sent, or tried to; 0 for none.
    pub(crate) acked: u64,
}

impl Hearing {
    /// A connection that heard nothing yet.
    pub(crate) fn begin(resumed: u64) -> Self {
        Self {
            resumed,
            ..Self::default()
        }
    }

    /// The last number that came, or where it began.
    pub(crate) fn end(&self) -> u64 {
        self.heard.last().map_or(self.resumed, |entry| entry.seq)
    }
}

/// Whether the log holds everything that was acknowledged, nothing twice and nothing of its own, with dense numbers, and each
/// sender's values in the order of sending.
pub(crate) fn check_log(book: &Book, log: &[Entry]) -> Result<(), String> {
    check_answers(book)?;
    let dense = log.iter().zip(1..).find(|(entry, seq)| entry.seq != *seq);
    if let Some((entry, seq)) = dense {
        return Err(format!(
            "the numbers are not dense: {entry:?} stands at {seq}"
        ));
    }
    let mut stored = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for entry in log {
        if let Some(first) = stored.insert(entry.value.as_str(), entry) {
            return Err(format!("stored twice: {first:?} and {entry:?}"));
        }
        if !ids.insert(&entry.id) {
            return Err(format!("an id stands twice: {entry:?}"));
        }
        if !was_tried(book, &entry.value) {
            return Err(format!("nobody sent {entry:?}"));
        }
    }
    for (name, sender) in &book.senders {
        check_sender(name, sender, &stored)?;
    }
    Ok(())
}

fn check_answers(book: &Book) -> Result<(), String> {
    match book.wrong.as_slice() {
        [] => Ok(()),
        [first, rest @ ..] => Err(format!("wrong answer: {first} (and {} more)", rest.len())),
    }
}

fn was_tried(book: &Book, value: &str) -> bool {
    let tried = || {
        let (name, number) = value.rsplit_once('-')?;
        let number: u64 = number.parse().ok()?;
        Some(number < book.senders.get(name)?.tried)
    };
    tried() == Some(true)
}

fn check_sender(
    name: &str,
    sender: &Sender,
    stored: &BTreeMap<&str, &Entry>,
) -> Result<(), String> {
    let mut before: Option<&Entry> = None;
    for (number, id) in &sender.acknowledged {
        let value = format!("{name}-{number}");
        let Some(entry) = stored.get(value.as_str()) else {
            return Err(format!("acknowledged and lost: {value} as {id}"));
        };
        if entry.id != *id {
            return Err(format!("acknowledged as {id} and stored as {entry:?}"));
        }
        if let Some(before) = before.filter(|before| before.seq > entry.seq) {
            return Err(format!(
                "sent after {before:?} and stored before: {entry:?}"
            ));
        }
        before = Some(entry);
    }
    Ok(())
}

/// Whether a listener heard the log: each connection goes on right behind an ack and without a gap, none begins before an
/// earlier one did, the last one reaches the end, and what they heard is what the log has.
pub(crate) fn check_hearings(hearings: &[Hearing], log: &[Entry]) -> Result<(), String> {
    let Some(first) = hearings.first() else {
        return Err("it never listened".to_owned());
    };
    let (mut least, mut most, mut end) = (first.resumed, first.resumed, first.resumed);
    for (hearing, number) in hearings.iter().zip(1..) {
        let resumed = hearing.resumed;
        if resumed < least {
            return Err(format!(
                "connection {number} went back to {resumed}, before {least}"
            ));
        }
        if resumed > most {
            return Err(format!(
                "connection {number} went on from {resumed}; only {most} was acknowledged"
            ));
        }
        check_hearing(hearing, log).map_err(|fault| format!("connection {number}: {fault}"))?;
        end = end.max(hearing.end());
        least = resumed;
        most = most.max(hearing.acked);
    }
    match log.len() as u64 {
        all if end == all => Ok(()),
        all => Err(format!("it heard up to {end} of {all}")),
    }
}

/// Whether one connection heard the log from where it began.
fn check_hearing(hearing: &Hearing, log: &[Entry]) -> Result<(), String> {
    let mut last = hearing.resumed;
    for heard in &hearing.heard {
        if heard.seq != last + 1 {
            return Err(format!("{heard:?} came behind {last}"));
        }
        last = heard.seq;
        let listed = usize::try_from(last - 1).ok().and_then(|at| log.get(at));
        if listed != Some(heard) {
            return Err(format!("it heard {heard:?} and the log has {listed:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, value: &str) -> Entry {
        Entry {
            seq,
            id: format!("id of {value}"),
            value: value.to_owned(),
        }
    }

    fn log(values: &[&str]) -> Vec<Entry> {
        (1..)
            .zip(values)
            .map(|(seq, value)| entry(seq, value))
            .collect()
    }

    /// Senders that tried three values each, of which these were acknowledged.
    fn book(acknowledged: &[(&str, u64)]) -> Book {
        let mut book = Book::default();
        for name in ["a", "b"] {
            for _ in 0..3 {
                book.try_next(name);
            }
        }
        for (name, number) in acknowledged {
            book.acknowledge(name, *number, &format!("id of {name}-{number}"));
        }
        book
    }

    #[track_caller]
    fn refuses(result: Result<(), String>, why: &str) {
        let fault = result.unwrap_err();
        assert!(fault.contains(why), "{fault}");
    }

    #[test]
    fn a_log_with_all_that_was_acknowledged_is_fine() {
        let book = book(&[("a", 0), ("a", 2), ("b", 1)]);
        assert_eq!(check_log(&book, &log(&["a-0", "b-1", "a-2"])), Ok(()));
        // Without an answer, either is fine, and so is the order.
        assert_eq!(
            check_log(&book, &log(&["a-0", "b-1", "a-2", "a-1", "b-0"])),
            Ok(())
        );
        assert_eq!((book.acknowledged(), book.refused()), (3, 0));
    }

    #[test]
    fn losses_repetitions_holes_inventions_and_swaps_are_found() {
        let book = book(&[("a", 0), ("a", 2)]);
        let check = |log: &[Entry]| check_log(&book, log);
        refuses(check(&log(&["a-0"])), "lost: a-2");
        refuses(check(&log(&["a-0", "a-2", "a-0"])), "stored twice");
        refuses(check(&[entry(1, "a-0"), entry(3, "a-2")]), "dense");
        refuses(check(&[entry(2, "a-0"), entry(1, "a-2")]), "dense");
        refuses(check(&log(&["a-0", "a-2", "a-3"])), "nobody sent");
        refuses(check(&log(&["a-0", "a-2", "c-0"])), "nobody sent");
        refuses(check(&log(&["a-2", "a-0"])), "stored before");
        let renamed = |seq: u64, value: &str, id: &str| Entry {
            id: id.to_owned(),
            ..entry(seq, value)
        };
        let swapped = [entry(1, "a-0"), renamed(2, "a-2", "other")];
        refuses(check(&swapped), "acknowledged as");
        let shared = [entry(1, "a-0"), renamed(2, "b-0", "id of a-0")];
        refuses(check(&shared), "an id stands twice");
    }

    #[test]
    fn a_wrong_answer_spoils_the_account() {
        let mut book = book(&[]);
        book.refuse("full");
        assert_eq!(check_log(&book, &[]), Ok(()));
        assert_eq!((book.refused(), book.last_refusal()), (1, "full"));
        book.blame("500".to_owned());
        refuses(check_log(&book, &[]), "wrong answer: 500");
    }

    fn hearing(resumed: u64, heard: &[Entry], acked: u64) -> Hearing {
        Hearing {
            resumed,
            heard: heard.to_vec(),
            acked,
        }
    }

    #[test]
    fn a_listener_may_hear_again_what_it_acknowledged_last() {
        let log = log(&["a-0", "a-1", "b-0", "b-1"]);
        let hearings = [hearing(0, &log[..3], 2), hearing(1, &log[1..], 4)];
        assert_eq!(check_hearings(&hearings, &log), Ok(()));
        let unsaid = [hearing(0, &[], 0), hearing(0, &log, 4), hearing(4, &[], 0)];
        assert_eq!(check_hearings(&unsaid, &log), Ok(()));
    }

    #[test]
    fn gaps_repetitions_and_cursors_out_of_place_are_found() {
        let log = log(&["a-0", "a-1", "b-0", "b-1"]);
        let check = |hearings: &[Hearing]| check_hearings(hearings, &log);
        refuses(check(&[]), "never listened");
        refuses(check(&[hearing(0, &log[..3], 3)]), "up to 3 of 4");
        refuses(check(&[hearing(0, &log[1..], 4)]), "came behind 0");
        let repeated = [&log[..2], &log[1..]].concat();
        refuses(check(&[hearing(0, &repeated, 4)]), "came behind 2");
        let other = [&log[..3], &[entry(4, "a-2")]].concat();
        refuses(check(&[hearing(0, &other, 4)]), "the log has");
        let ahead = [hearing(0, &log[..3], 2), hearing(3, &log[3..], 4)];
        refuses(check(&ahead), "only 2 was acknowledged");
        let back = [
            hearing(0, &log[..3], 3),
            hearing(2, &log[2..], 4),
            hearing(1, &log[1..], 4),
        ];
        refuses(check(&back), "went back to 1");
    }
}
