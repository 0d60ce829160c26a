//! `kite emit --batch`: a CloudEvent from each line of a file or of stdin into the team's log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::thread;

use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

use super::context::{Context, block_on, team};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::output::{Output, Spinner};
use super::signal::Interrupt;
use super::stdin;
use super::text::visible;
use crate::base::clock::{Clock, rfc3339};
use crate::base::random;
use crate::client::publisher::{EVENT_MAX_BYTES, Ending, Fate, Line, News, Parcel, Publisher};
use crate::protocol::event::{EventDraft, EventFault, is_reserved_type};
use crate::protocol::json;

/// How much is read at a time.
const READ_BYTES: usize = 256 * 1024;

/// How many lines are handed over together. Several such bundles may wait, each of at most this and one buffer.
const BUNDLE_MAX_LINES: usize = 500;

/// How many bytes of events.
const BUNDLE_MAX_BYTES: usize = 256 * 1024;

/// In UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What lines may leave out.
pub(super) struct Defaults {
    /// `type`.
    pub(super) kind: Option<String>,
    /// `source`.
    pub(super) source: String,
}

/// How reading ended, once it has.
type End = oneshot::Receiver<io::Result<()>>;

/// What became of the lines of a run: together as many as were taken and not blank.
#[derive(Debug, Default, Serialize)]
struct Account {
    #[serde(skip)]
    taken: u64,
    accepted: u64,
    duplicate: u64,
    refused: u64,
    /// Not known to be stored, though perhaps on their way: only where the run ended early.
    #[serde(skip_serializing_if = "is_zero")]
    unanswered: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Account {
    fn count(&mut self, fate: &Fate) {
        match fate {
            Fate::Accepted => self.accepted += 1,
            Fate::Duplicate => self.duplicate += 1,
            Fate::Refused(_) => self.refused += 1,
        }
    }

    fn close(mut self) -> Self {
        self.unanswered = self.taken - self.accepted - self.duplicate - self.refused;
        self
    }

    fn words(&self) -> String {
        let Self {
            accepted,
            duplicate,
            refused,
            unanswered,
            ..
        } = self;
        let mut words =
            format!("Accepted {accepted}, already stored {duplicate}, refused {refused}");
        if *unanswered > 0 {
            words.push_str(&format!(", unanswered {unanswered}"));
        }
        words
    }

    fn exit(&self) -> Exit {
        match (self.refused, self.accepted + self.duplicate) {
            (0, _) => Exit::Done,
            (_, 0) => Exit::Failed,
            _ => Exit::SomeFailed,
        }
    }
}

pub(super) fn run(
    path: &Path,
    defaults: Defaults,
    context: &Context,
) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let server = context.server(&settings)?;
    let input = open(path)?;
    block_on(async {
        let mut interrupt = Interrupt::new()?;
        let team = tokio::select! {
            team = team(&settings, &server) => match team {
                Ok(team) => Some(team),
                // The server does not say; posts need not name it.
                Err(error) if error.kind() == Kind::Usage => None,
                Err(error) => return Err(error),
            },
            () = interrupt.wait() => return Ok(Exit::Interrupted),
        };
        let (lines, end) = read_aside(input, defaults)?;
        let mut account = Account::default();
        // What somebody types is not drawn over.
        let spinner = match path.as_os_str() == "-" && stdin::is_terminal() {
            true => Spinner::hidden(),
            false => context.out.spinner("Sending events"),
        };
        let news = |news| tell(news, &mut account, &spinner, context.out);
        let publisher = Publisher::new(&server, team, news)?;
        let ending = publisher.run(lines, interrupt.wait()).await;
        drop(spinner);
        finish(account.close(), ending, end, context.out)
    })
}

fn open(path: &Path) -> Result<Box<dyn Read + Send>, CommandError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(stdin::open("the events")));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => {
            let path = path.display();
            Err(CommandError::usage(format!(
                "cannot read `{path}`: {error}"
            )))
        }
    }
}

fn tell(news: News, account: &mut Account, spinner: &Spinner, out: Output) {
    match news {
        News::Taken => account.taken += 1,
        News::Settled(line, fate) => {
            account.count(&fate);
            if let Fate::Refused(why) = &fate {
                refused(line, why, out);
            }
            spinner.say(|| account.words());
        }
        News::Waiting { why, wait } => {
            let why = visible(&why).into_owned();
            let words = format!("waiting {:.1} s: {why}", wait.as_secs_f64());
            let members = [
                ("reason", why.into()),
                ("wait_secs", wait.as_secs_f64().into()),
            ];
            out.event("waiting", &words, &members);
        }
    }
}

fn refused(line: u64, why: &str, out: Output) {
    let why = visible(why);
    match out.json {
        true => {
            let members = [("line", line.into()), ("reason", why.as_ref().into())];
            out.event("refused", "", &members);
        }
        false => out.warn(&format!("line {line} was refused: {why}")),
    }
}

/// Prints the account, whatever the end was.
fn finish(
    account: Account,
    ending: Ending,
    mut end: End,
    out: Output,
) -> Result<Exit, CommandError> {
    let shown = out.show(&account, Account::words);
    let exit = match (ending, end.try_recv()) {
        (Ending::Stopped, _) => Exit::Interrupted,
        (Ending::Failed(error), _) => return Err(error.into()),
        (Ending::All, Ok(Err(error))) => {
            return Err(CommandError::failed(format!(
                "cannot read the events to their end: {error}"
            )));
        }
        (Ending::All, _) => account.exit(),
    };
    // Nobody who reads the account is no reason to hide that events are missing.
    match exit {
        Exit::Done => shown.map(|()| exit).map_err(CommandError::from),
        _ => Ok(exit),
    }
}

/// Reads in a thread of its own, as far ahead as bundles may wait. What the end was comes last.
fn read_aside(
    input: Box<dyn Read + Send>,
    defaults: Defaults,
) -> Result<(Receiver<Vec<Line>>, End), CommandError> {
    let (sender, lines) = mpsc::channel(2);
    let (told, end) = oneshot::channel();
    let read = move || {
        let input = BufReader::with_capacity(READ_BYTES, input);
        let ended = read_all(input, &defaults, &sender);
        // Nobody is interested in it once the run has ended.
        let _ = told.send(ended);
    };
    thread::Builder::new()
        .spawn(read)
        .map_err(|error| CommandError::failed(format!("cannot start a thread: {error}")))?;
    Ok((lines, end))
}

fn read_all<R: Read>(
    mut input: BufReader<R>,
    defaults: &Defaults,
    sender: &Sender<Vec<Line>>,
) -> io::Result<()> {
    let clock = Clock::system();
    let mut bundle = Bundle::default();
    let mut number = 0;
    loop {
        let text = match read_line(&mut input) {
            Ok(Some(text)) => text,
            ended => {
                bundle.send(sender);
                return ended.map(drop);
            }
        };
        number += 1;
        let text = match (number, text) {
            (1, Some(text)) => Some(without_mark(text)),
            (_, text) => text,
        };
        match text {
            Some(text) if text.trim_ascii().is_empty() => {}
            Some(text) => bundle.push(number, prepare(&text, defaults, &clock)),
            None => bundle.push(number, Err(too_long())),
        }
        // Who writes slowly is not kept waiting for more.
        let is_idle = !input.buffer().contains(&b'\n');
        if (is_idle || bundle.is_full()) && !bundle.send(sender) {
            return Ok(());
        }
    }
}

/// Lines that are handed over together.
#[derive(Default)]
struct Bundle {
    lines: Vec<Line>,
    bytes: usize,
}

impl Bundle {
    fn push(&mut self, line: u64, event: Result<String, String>) {
        self.lines.push(match event {
            Ok(text) => {
                self.bytes += text.len();
                Line::Event(Parcel { line, text })
            }
            Err(why) => Line::Bad(line, why),
        });
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BUNDLE_MAX_LINES || self.bytes >= BUNDLE_MAX_BYTES
    }

    /// Hands over what there is; whether anybody is there to take it.
    fn send(&mut self, sender: &Sender<Vec<Line>>) -> bool {
        let Self { lines, .. } = std::mem::take(self);
        lines.is_empty() || sender.blocking_send(lines).is_ok()
    }
}

/// The first line without the byte order mark that some editors and shells put in front.
fn without_mark(mut line: Vec<u8>) -> Vec<u8> {
    if line.starts_with(BYTE_ORDER_MARK) {
        line.drain(..BYTE_ORDER_MARK.len());
    }
    line
}

fn too_long() -> String {
    format!("it is longer than {EVENT_MAX_BYTES} bytes")
}

/// The next line without its end; inner `None` for one that is too long, outer at the end of the input.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    let mut has_begun = false;
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = piece.iter().position(|byte| *byte == b'\n');
        let part = &piece[..end.unwrap_or(piece.len())];
        has_begun |= !piece.is_empty();
        is_too_long |= line.len() + part.len() > EVENT_MAX_BYTES;
        if !is_too_long {
            line.extend_from_slice(part);
        }
        let (is_end, used) = (piece.is_empty(), part.len() + usize::from(end.is_some()));
        input.consume(used);
        if end.is_some() || is_end {
            let text = (!is_too_long).then_some(line);
            return Ok(has_begun.then_some(text));
        }
    }
}

/// The event of a line, complete, so that it is recognised when it is sent again; or why the line is none.
fn prepare(line: &[u8], defaults: &Defaults, clock: &Clock) -> Result<String, String> {
    let text = json::text(line).map_err(|fault| fault.to_string())?.trim();
    let draft = match (EventDraft::parse(text), &defaults.kind) {
        (Err(EventFault::Missing("type")), Some(kind)) => with_type(text, kind),
        (draft, _) => draft,
    };
    let draft = draft.map_err(|fault| fault.to_string())?;
    let mut event = draft.complete(random::uuid7, || defaults.source.clone());
    if is_reserved_type(&event.kind) {
        return Err(EventFault::ReservedType(event.kind).to_string());
    }
    event
        .time
        .get_or_insert_with(|| rfc3339(clock.unix_millis()));
    let text = event.to_text();
    match text.len() > EVENT_MAX_BYTES {
        true => Err(too_long()),
        false => Ok(text),
    }
}

/// Reads an event that has no type as one of this.
fn with_type(text: &str, kind: &str) -> Result<EventDraft, EventFault> {
    let members = text.strip_prefix('{').unwrap_or(text);
    // A string always serialises.
    let kind = serde_json::to_string(kind).unwrap_or_default();
    EventDraft::parse(&format!("{{\"type\":{kind},{members}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::Event;

    fn prepared(line: &str, kind: Option<&str>) -> Result<Event, String> {
        let defaults = Defaults {
            kind: kind.map(str::to_owned),
            source: "kite-cli".to_owned(),
        };
        let text = prepare(line.as_bytes(), &defaults, &Clock::fixed(0))?;
        Ok(Event::parse(&text).unwrap())
    }

    #[test]
    fn what_a_line_leaves_out_is_filled_in_and_its_data_stays() {
        let line = r#" {"specversion":"1.0","type":"t","weight":3,"data":{"b": 1.0, "a":1e2}}"#;
        let event = prepared(line, Some("other")).unwrap();
        assert_eq!(
            (event.kind.as_str(), event.source.as_str()),
            ("t", "kite-cli")
        );
        assert_eq!(event.time.as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert!(!event.id.is_empty());
        let text = event.to_text();
        assert!(text.contains(r#""data":{"b": 1.0, "a":1e2}"#), "{text}");
        let event = prepared(r#"{"specversion":"1.0"}"#, Some("a\"b")).unwrap();
        assert_eq!(event.kind, "a\"b");
    }

    #[test]
    fn a_line_that_is_no_event_says_why() {
        for (line, named) in [
            ("nope", "JSON"),
            ("[]", "object"),
            ("{}", "`specversion`"),
            (r#"{"specversion":"1.0"}"#, "`type`"),
            (
                r#"{"specversion":"1.0","type":"com.kite.agent.message"}"#,
                "reserved",
            ),
        ] {
            let why = prepared(line, None).unwrap_err();
            assert!(why.contains(named), "{line}: {why}");
        }
    }

    #[test]
    fn lines_are_cut_at_their_ends_and_one_that_is_too_long_is_skipped() {
        let long = "x".repeat(EVENT_MAX_BYTES + 1);
        let text = format!("a\r\n\n{long}\nb");
        let mut input = BufReader::with_capacity(7, text.as_bytes());
        let mut read = || read_line(&mut input).unwrap();
        assert_eq!(read(), Some(Some(b"a\r".to_vec())));
        assert_eq!(read(), Some(Some(Vec::new())));
        assert_eq!(read(), Some(None));
        assert_eq!(read(), Some(Some(b"b".to_vec())));
        assert_eq!(read(), None);
    }
}
