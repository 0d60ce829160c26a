//! Exit codes: what a script learns without reading.

use std::process::ExitCode;

/// How the program ended (design, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line was wrong.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// Not logged in, or not permitted.
    NotPermitted = 4,
    /// The server was not reached.
    Unreachable = 5,
    /// A rate limit or the quota.
    Limited = 6,
    /// Some of several items failed.
    SomeFailed = 7,
    /// It waited and nothing came.
    NothingCame = 8,
    /// It was interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
