//! `--exec`: a command for each event, in place of a printed line.

use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::filter::Filter;
use super::handing::{self, Handing};
use super::listening::{self, ListeningArgs, Place, Role};

use super::text::visible;
use crate::base::duration;
use crate::config::Settings;
use crate::sink::Recipe;
use crate::sink::manifest::EXEC_TIMEOUT;

/// What the help of a verb says about `--exec`.
macro_rules! help {
    () => {
        "\
--exec runs a command for each event, one after the other. The CloudEvent is on
its stdin; KITE_EVENT_ID, KITE_EVENT_TYPE, KITE_SEQ and KITE_SOURCE are in its
environment, for a message KITE_AGENT_REPLY_TO and KITE_MESSAGE_TYPE too (`kite
help environment` has all), the API key is not: what runs with the words of
others gets no key by itself, and `kite` in it uses the login of the profile.
Its end with 0 acknowledges the
event. Any other end, or none in time, sets the event aside into the local
queue, from where it is tried again beside the stream, up to five times in all;
see `kite queue`. A command that takes too long is ended, with all that it
started. What one that has ended left in the background goes on."
    };
}
pub(super) use help;

/// What a verb takes that can run a command.
#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// Run this shell command for each event, which it finds on its stdin, and print nothing.
    #[arg(long, value_name = "CMD", value_parser = command)]
    exec: Option<String>,
    /// How long the command may take, instead of 60s.
    #[arg(long, value_name = "DUR", value_parser = duration::parse_some, requires = "exec")]
    exec_timeout: Option<Duration>,
}

impl ExecArgs {
    /// The command, where there is one, with what else tells its events apart.
    pub(super) fn command(self, whose: &str) -> Option<Command> {
        let line = self.exec?;
        Some(Command {
            subject: format!("{whose} exec {line}"),
            limit: self.exec_timeout.unwrap_or(EXEC_TIMEOUT),
            line,
        })
    }
}

fn command(text: &str) -> Result<String, &'static str> {
    match text.trim().is_empty() {
        true => Err("use a shell command, such as 'jq -r .type'"),
        false => Ok(text.to_owned()),
    }
}

/// A command to run for each event.
pub(super) struct Command {
    /// What tells its entries in the local queue apart from those of others.
    pub(super) subject: String,
    line: String,
    limit: Duration,
}

/// Listens in a role, and runs the command for what comes.
pub(super) fn run(
    command: Command,
    mut role: Role,
    filter: Filter,
    listening: ListeningArgs,
    context: &Context,
    settings: &Settings,
) -> Result<Exit, CommandError> {
    role.words = format!("{}, each for `{}`", role.words, visible(&command.line));
    let recipe = Recipe::Exec {
        command: command.line,
        timeout_secs: command.limit.as_secs().max(1),
    };
    let (name, subject) = (role.command, command.subject);
    let workshop = handing::workshop(settings);
    let queue = handing::open_queue(settings)?;
    let out = context.out;
    let taker = async |place: &Place| {
        let sink = recipe.make(&workshop)?;
        let consumer = handing::consumer(place, name, &subject, &recipe);
        Ok(Handing::begin(sink, consumer, filter, queue, out))
    };
    listening::run(listening, role, taker, context, settings)
}
