//! What a listening verb says about its connection, and how its end becomes an exit code.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::output::Output;
use super::text::visible;
use crate::client::{End, Notice};

/// Why a listener was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Interrupted,
    TimedOut,
    /// What it handed events to has ended.
    Finished,
}

/// How listening ended.
pub(super) type Ended = End<CommandError, Stop>;

/// When to end, and how far it came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// How many to wait for.
    pub(super) count: Option<u64>,
    /// How long to wait at most.
    pub(super) timeout: Option<Duration>,
    /// How many came.
    pub(super) received: u64,
}

impl Tally {
    /// Whether there were enough.
    pub(super) fn is_full(&self) -> bool {
        self.count.is_some_and(|count| self.received >= count)
    }

    /// Says how it ended, and turns that into the result of the command.
    pub(super) fn finish(
        &self,
        ended: Ended,
        account: &[(&str, Value)],
        out: Output,
    ) -> Result<Exit, CommandError> {
        if out.json {
            let own = [
                ("reason", reason(&ended).into()),
                ("received", self.received.into()),
            ];
            out.event("end", "", &[&own, account].concat());
        }
        match ended {
            End::Enough => Ok(Exit::Done),
            End::Stopped(Stop::Interrupted) => Ok(Exit::Interrupted),
            End::Stopped(Stop::Finished) => Ok(Exit::Done),
            End::Stopped(Stop::TimedOut) => self.out_of_time(),
            End::Receiver(error) => Err(error),
            End::Replaced => Err(CommandError::replaced()),
            End::Denied(message) => Err(CommandError::denied(&message)),
            End::Rejected(message) => Err(CommandError::rejected(&message)),
        }
    }

    fn out_of_time(&self) -> Result<Exit, CommandError> {
        let secs = self.timeout.unwrap_or_default().as_secs();
        let message = match (self.received, self.count) {
            (0, _) => format!("nothing came within {secs} s"),
            (received, Some(count)) => format!("{received} of {count} came within {secs} s"),
            (_, None) => return Ok(Exit::Done),
        };
        Err(CommandError::new(Kind::NothingCame, message))
    }
}

/// The end of a run that did not come to listening.
pub(super) fn stopped_early(why: Stop) -> Result<Exit, CommandError> {
    match why {
        Stop::Interrupted => Ok(Exit::Interrupted),
        Stop::Finished => Ok(Exit::Done),
        Stop::TimedOut => Err(CommandError::new(
            Kind::NothingCame,
            "the server did not answer in time",
        )),
    }
}

fn reason(ended: &Ended) -> &'static str {
    match ended {
        End::Enough => "count",
        End::Stopped(Stop::Interrupted) => "interrupted",
        End::Stopped(Stop::TimedOut) => "timeout",
        End::Stopped(Stop::Finished) => "finished",
        End::Receiver(_) => "output",
        End::Replaced => "replaced",
        End::Denied(_) => "denied",
        End::Rejected(_) => "rejected",
    }
}

/// Says what happened to the connection. That it stands is for the verb to say.
pub(super) fn say(notice: &Notice, out: Output) {
    match notice {
        Notice::Ready { .. } => {}
        Notice::Reconnecting { why, wait } => {
            let why = visible(why);
            let secs = wait.as_secs_f32();
            let words = format!("not connected: {why}; trying again in {secs:.1} s");
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let members = [("reason", why.as_ref().into()), ("wait_ms", millis.into())];
            out.event("reconnecting", &words, &members);
        }
        Notice::Gap { from, to } => {
            let members = [("from", (*from).into()), ("to", (*to).into())];
            out.event("gap", &gap_words(*from, *to), &members);
        }
        Notice::Blocked { reason } => {
            let reason = visible(reason);
            let words = format!("the server takes no new events: {reason}");
            out.event("blocked", &words, &[("reason", reason.as_ref().into())]);
        }
        Notice::Unreadable { why, text } => unreadable(why, text, out),
    }
}

fn gap_words(from: Option<u64>, to: u64) -> String {
    match from {
        Some(from) => format!("the server no longer has events {from} to {to}"),
        None => format!("the server no longer has events up to {to}"),
    }
}

/// Reports what came and cannot be handed on.
pub(super) fn unreadable(why: &str, text: &str, out: Output) {
    let (why, text) = (visible(why), visible(text));
    out.warn(&format!(
        "something came that cannot be read: {why}: {text}"
    ));
}

/// Makes the file that says that the subscription stands.
pub(super) fn make_ready_file(path: &Path, out: Output) {
    if let Err(error) = fs::write(path, "ready\n") {
        let path = path.display();
        out.warn(&format!("cannot make the ready file `{path}`: {error}"));
    }
}

/// Removes the file of an earlier run.
pub(super) fn clear_ready_file(path: &Path) -> Result<(), CommandError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CommandError::failed(
            format!("cannot remove the old `{}`: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::ColorChoice;
    use crate::config::Environment;

    fn exit(tally: Tally, ended: Ended) -> Exit {
        let quiet = Output::new(false, true, ColorChoice::Never, &Environment::default());
        match tally.finish(ended, &[], quiet) {
            Ok(exit) => exit,
            Err(error) => error.exit(),
        }
    }

    #[test]
    fn the_end_of_a_listener_is_an_exit_code() {
        let tally = |received, count| Tally {
            count,
            timeout: Some(Duration::from_secs(1)),
            received,
        };
        let timed_out = || End::Stopped(Stop::TimedOut);
        assert_eq!(exit(tally(0, None), timed_out()), Exit::NothingCame);
        assert_eq!(exit(tally(1, Some(2)), timed_out()), Exit::NothingCame);
        assert_eq!(exit(tally(1, None), timed_out()), Exit::Done);
        assert_eq!(exit(tally(2, Some(2)), End::Enough), Exit::Done);
        let interrupted = End::Stopped(Stop::Interrupted);
        assert_eq!(exit(tally(0, None), interrupted), Exit::Interrupted);
        let denied = End::Denied("revoked".to_owned());
        assert_eq!(exit(tally(1, None), denied), Exit::NotPermitted);
        assert_eq!(exit(tally(1, None), End::Replaced), Exit::Failed);
    }

    #[test]
    fn a_gap_names_its_range() {
        assert!(gap_words(Some(3), 9).ends_with("events 3 to 9"));
        assert!(gap_words(None, 9).ends_with("up to 9"));
    }
}
