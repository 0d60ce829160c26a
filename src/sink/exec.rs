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
    profile: Option<String>,
}

impl Exec {
    /// A command that may take so long each time.
    pub fn new(command: String, limit: Duration) -> Self {
        Self {
            command,
            limit,
            profile: None,
        }
    }

    /// The same, in which kite goes by this profile, whatever was inherited.
    pub fn under(self, profile: &str) -> Self {
        let profile = Some(profile.to_owned());
        Self { profile, ..self }
    }
}

#[async_trait]
impl Sink for Exec {
    async fn deliver(&self, item: &Item) -> Outcome {
        let profile = self.profile.as_deref();
        match shell::run(&self.command, item, profile, self.limit, None).await {
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
