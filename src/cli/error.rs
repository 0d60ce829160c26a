//! The one place that turns errors into words, a hint and an exit code: here what an error is, below it, by where they
//! come from, the words of all others.

mod client;
mod named;
#[cfg(feature = "server")]
mod server;
mod sink;
mod usage;

#[cfg(feature = "mcp")]
mod mcp;

use serde::Serialize;

use super::exit::Exit;
use super::output::PrintFault;

/// What kind of failure it is. Picks the exit code, and is the `code` under `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// None of the others.
    Failed,
    /// The command line is wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// There is no key or no identity here.
    NotLoggedIn,
    /// The server or the configuration does not allow it.
    NotPermitted,
    /// The server was not reached.
    Unreachable,
    /// Too many requests.
    RateLimited,
    /// The quota is used up.
    QuotaExhausted,
    /// Some of several items failed.
    SomeFailed,
    /// It waited and nothing came.
    NothingCame,
    /// Another connection took over.
    Replaced,
    /// Somebody interrupted it.
    Interrupted,
    /// The reader of stdout has gone, which is no error.
    ClosedPipe,
}

impl Kind {
    /// The word for machines.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::NotLoggedIn => "not_logged_in",
            Self::NotPermitted => "not_permitted",
            Self::Unreachable => "unreachable",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::SomeFailed => "some_failed",
            Self::NothingCame => "nothing_came",
            Self::Replaced => "replaced",
            Self::Interrupted => "interrupted",
            Self::ClosedPipe => "closed_pipe",
        }
    }

    /// The exit code.
    pub fn exit(self) -> Exit {
        match self {
            Self::Failed | Self::Replaced => Exit::Failed,
            Self::Usage => Exit::Usage,
            Self::NotFound => Exit::NotFound,
            Self::NotLoggedIn | Self::NotPermitted => Exit::NotPermitted,
            Self::Unreachable => Exit::Unreachable,
            Self::RateLimited | Self::QuotaExhausted => Exit::Limited,
            Self::SomeFailed => Exit::SomeFailed,
            Self::NothingCame => Exit::NothingCame,
            Self::Interrupted => Exit::Interrupted,
            Self::ClosedPipe => Exit::Done,
        }
    }
}

/// Why a command failed, as its user hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl CommandError {
    /// An error with its message: lower case, no full stop, values in backticks, the cause after a colon.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// An error of no particular kind.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Adds the remedy.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the command that lists what there is, where something was not found and nothing else is said of it.
    pub fn listed_by(self, command: &str) -> Self {
        match (self.kind, &self.hint) {
            (Kind::NotFound, None) => self.with_hint(format!("`{command}` shows those there are")),
            _ => self,
        }
    }

    /// Puts what was being done before the message.
    pub fn context(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The remedy.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        self.kind.exit()
    }

    /// The error as one JSON object on one line.
    pub fn to_json(&self) -> String {
        let error = Shown {
            code: self.kind.code(),
            message: &self.message,
            hint: self.hint.as_deref(),
        };
        // Strings always serialise.
        serde_json::to_string(&Enveloped { error }).unwrap_or_default()
    }

    /// A file or a text that could not be written.
    pub fn unwritten(what: &str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::failed(format!("cannot write {what}: {error}"))
    }
}

/// The JSON form of an error.
#[derive(Serialize)]
struct Enveloped<'a> {
    error: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<&'a str>,
}

impl From<PrintFault> for CommandError {
    fn from(fault: PrintFault) -> Self {
        match fault {
            PrintFault::Closed => Self::new(Kind::ClosedPipe, "stdout is closed"),
            PrintFault::Failed(error) => Self::failed(format!("cannot write to stdout: {error}")),
        }
    }
}

#[cfg(test)]
mod tests;
