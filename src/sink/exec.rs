//! Run a command for each event (spec 17). Its end with 0 is acceptance; any other end refuses the event.

use std::io;
use std::time::Duration;

use async_trait::async_trait;

use super::shell::{self, ShellFault};
use super::{Item, Outcome, Sink};
use crate::base::process::stdout_is_gone;

/// A command line of the user's, given to the shell once for each event.
#[derive(Debug)]
pub struct Exec {
    command: String,
    limit: Duration,
}

impl Exec {
    /// A command that may take so long each time.
    pub fn new(command: String, limit: Duration) -> Self {
        Self { command, limit }
    }
}

#[async_trait]
impl Sink for Exec {
    async fn deliver(&self, item: &Item) -> Outcome {
        match shell::run(&self.command, item, self.limit, None).await {
            Ok(_) => Outcome::Delivered,
            Err(ShellFault::Start(error)) if is_of_event(&error) => {
                Outcome::Refused(ShellFault::Start(error).to_string())
            }
            // There is no shell, or no room for another process: that is so for every event.
            Err(ShellFault::Start(error)) => {
                Outcome::Unreachable(ShellFault::Start(error).to_string())
            }
            // It could not print, and no later one can.
            Err(ShellFault::Ended(_)) if stdout_is_gone() => {
                Outcome::Gone(io::ErrorKind::BrokenPipe.into())
            }
            Err(fault) => Outcome::Refused(fault.to_string()),
        }
    }
}

/// Whether a start failed because of what was to be handed over: an environment that is too large, or a zero in a text.
fn is_of_event(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput
    )
}

#[cfg(test)]
#[cfg(unix)]
#[path = "exec_tests.rs"]
mod tests;
