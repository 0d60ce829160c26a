//! `kite bench replay`: what a long log costs its server and its readers.

use clap::Args;
use serde::Serialize;

use super::Machine;
use super::sides::throw_away;
use super::words::bytes;
use crate::bench::replay::{self, Replay};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// Measure reading a long log from its beginning, and resuming at its end, on a throw-away server.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite bench replay --events 1000000")]
pub(super) struct ReplayArgs {
    /// How many events the log gets.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(2000..=100_000_000))]
    events: u32,
    /// The server's database, such as `postgres://…`; it must be empty [default: SQLite].
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Serialize)]
struct Shown {
    verb: &'static str,
    #[serde(flatten)]
    measured: Replay,
}

pub(super) fn run(args: ReplayArgs, context: &Context) -> Result<Exit, CommandError> {
    args.machine.measure(async {
        let (target, server) = throw_away(&args.machine, args.database.as_deref())?;
        let spinner = context.out.spinner("filling and reading a log");
        let measured = replay::measure(&target, server.pid(), args.events as usize).await?;
        drop(spinner);
        let shown = Shown {
            verb: "replay",
            measured,
        };
        context.out.show(&shown, |shown| {
            let it = &shown.measured;
            format!(
                "replay: {} events at {:.0}/s to one reader; the server went from {} to {} at most\n\
                 resume: {} µs in a log of 1000 events, {} µs in this one: ratio {:.2}",
                it.events,
                it.per_second,
                bytes(it.before_bytes),
                bytes(it.most_bytes),
                it.resume_short_us,
                it.resume_long_us,
                it.resume_ratio
            )
        })?;
        Ok(Exit::Done)
    })
}
