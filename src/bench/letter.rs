//! What is sent: a message that says when it was due and who sent it, padded to its size.

use std::time::Duration;

use super::BenchError;

/// What stands before the time that a message was due at.
const MARK: &[u8] = b"~kite-bench:";

/// Digits of that time, in nanoseconds since the run began.
const DUE_DIGITS: usize = 16;

/// Digits of the publisher's number, and of a listener's in its name.
const NUMBER_DIGITS: usize = 6;

const STAMP_BYTES: usize = MARK.len() + DUE_DIGITS + 1 + NUMBER_DIGITS;

/// How far from its place in the last frame a mark may be found without looking through all of the frame.
const NEAR_BYTES: usize = 8;

/// Who sent a message, and when it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Since the run began.
    pub(super) due: Duration,
    /// The publisher's number.
    pub(super) publisher: usize,
}

/// A message with room for its addressee and its stamp.
#[derive(Clone)]
pub(super) struct Form {
    text: Vec<u8>,
    to: usize,
    stamp: usize,
}

/// The name of the listener of this number.
pub(super) fn name(listener: usize) -> String {
    format!("bench-{listener:0NUMBER_DIGITS$}")
}

impl Form {
    /// The body of a message to an agent, of this size.
    pub(super) fn message(size: usize) -> Result<Self, BenchError> {
        Self::of(
            r#"{"from":"bench","to":"bench-"#,
            r#"","body":""#,
            r#""}"#,
            size,
        )
    }

    /// An event for the call that publishes, of this size.
    pub(super) fn event(size: usize) -> Result<Self, BenchError> {
        let head =
            r#"{"specversion":"1.0","type":"com.kite.bench","source":"bench","data":{"to":"bench-"#;
        Self::of(head, r#"","body":""#, r#""}}"#, size)
    }

    /// A delivery of GitHub's behind an open head: its id with the stamp, then the body.
    pub(super) fn delivery(body: &str) -> Self {
        let (head, middle) = ("X-GitHub-Delivery: bench-", "-");
        let tail = format!("\r\n\r\n{body}");
        let size = head.len() + NUMBER_DIGITS + middle.len() + STAMP_BYTES + tail.len();
        Self::filled(head, middle, &tail, size)
    }

    fn of(head: &str, middle: &str, tail: &str, size: usize) -> Result<Self, BenchError> {
        let stamp = head.len() + NUMBER_DIGITS + middle.len();
        let needed = stamp + STAMP_BYTES + tail.len();
        match size < needed {
            true => Err(BenchError::Size(needed)),
            false => Ok(Self::filled(head, middle, tail, size)),
        }
    }

    /// A text of this size, which is large enough.
    fn filled(head: &str, middle: &str, tail: &str, size: usize) -> Self {
        let stamp = head.len() + NUMBER_DIGITS + middle.len();
        let mut text = Vec::with_capacity(size);
        text.extend_from_slice(head.as_bytes());
        text.resize(text.len() + NUMBER_DIGITS, b'0');
        text.extend_from_slice(middle.as_bytes());
        text.extend_from_slice(MARK);
        text.resize(text.len() + DUE_DIGITS, b'0');
        text.push(b':');
        text.resize(size - tail.len(), b'x');
        text.extend_from_slice(tail.as_bytes());
        Self {
            text,
            to: head.len(),
            stamp: stamp + MARK.len(),
        }
    }

    /// Fills in a message.
    pub(super) fn fill(&mut self, to: usize, stamp: Stamp) -> &[u8] {
        let due = u64::try_from(stamp.due.as_nanos()).unwrap_or(u64::MAX);
        write_digits(&mut self.text[self.to..][..NUMBER_DIGITS], to as u64);
        let rest = &mut self.text[self.stamp..];
        write_digits(&mut rest[..DUE_DIGITS], due);
        write_digits(
            &mut rest[DUE_DIGITS + 1..][..NUMBER_DIGITS],
            stamp.publisher as u64,
        );
        &self.text
    }
}

/// The addressee that a message of ours names.
pub(super) fn addressee(message: &[u8]) -> Option<&str> {
    quoted_after(message, br#""to":""#)
}

/// The id of a call, or of its answer.
pub(super) fn call_id(frame: &str) -> Option<&str> {
    quoted_after(frame.as_bytes(), br#""id":""#)
}

fn quoted_after<'a>(text: &'a [u8], before: &[u8]) -> Option<&'a str> {
    let rest = &text[find(text, before)? + before.len()..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

fn read_digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |number: u64, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Finds stamps in frames. Frames are alike, so it begins where the last one had its own.
#[derive(Default)]
pub(super) struct Finder(usize);

impl Finder {
    /// The stamp in a frame.
    pub(super) fn find(&mut self, frame: &[u8]) -> Option<Stamp> {
        let start = self.0.saturating_sub(NEAR_BYTES);
        let near = frame.get(start..frame.len().min(self.0 + NEAR_BYTES + MARK.len()));
        let at = near
            .and_then(|near| find(near, MARK))
            .map(|at| start + at)
            .or_else(|| find(frame, MARK))?;
        self.0 = at;
        let stamp = frame.get(at + MARK.len()..)?;
        let due = read_digits(stamp.get(..DUE_DIGITS)?)?;
        let publisher = read_digits(stamp.get(DUE_DIGITS + 1..)?.get(..NUMBER_DIGITS)?)?;
        Some(Stamp {
            due: Duration::from_nanos(due),
            publisher: usize::try_from(publisher).ok()?,
        })
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::agent::Message;
    use crate::protocol::event::Event;

    #[test]
    fn a_message_has_its_size_and_says_when_it_was_due() {
        let mut form = Form::message(512).unwrap();
        let mut finder = Finder::default();
        for (to, publisher, nanos) in [(17, 3, 1_234_567_890), (999_999, 0, 0)] {
            let stamp = Stamp {
                due: Duration::from_nanos(nanos),
                publisher,
            };
            let body = form.fill(to, stamp);
            assert_eq!(body.len(), 512);
            let text = std::str::from_utf8(body).unwrap();
            assert_eq!(Message::parse(text).unwrap().to.as_str(), name(to));
            for moved in ["", "abc", "a frame with a much longer head"] {
                let frame = format!("{moved}{text}");
                assert_eq!(finder.find(frame.as_bytes()), Some(stamp));
            }
        }
        assert_eq!(finder.find(b"~kite-bench:12"), None);
        assert_eq!(finder.find(b""), None);
    }

    #[test]
    fn an_event_can_be_read() {
        let mut form = Form::event(300).unwrap();
        let stamp = Stamp {
            due: Duration::from_secs(1),
            publisher: 1,
        };
        let text = form.fill(1, stamp);
        assert_eq!(text.len(), 300);
        // The server gives it an id.
        let text = std::str::from_utf8(text)
            .unwrap()
            .replace('{', r#"{"id":"1","#);
        let text = text.replacen(r#""data":{"id":"1","#, r#""data":{"#, 1);
        assert_eq!(Event::parse(&text).unwrap().kind, "com.kite.bench");
    }

    #[test]
    fn a_message_that_is_too_small_says_how_large_it_must_be() {
        let fault = Form::message(20).err().unwrap().to_string();
        let needed: usize = fault
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .unwrap();
        assert!(Form::message(needed).is_ok() && Form::message(needed - 1).is_err());
    }
}
