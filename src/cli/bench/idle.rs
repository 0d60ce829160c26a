//! `kite bench idle`: what a listener costs that hears nothing.

use clap::Args;
use serde::Serialize;

use super::Machine;
use super::sides::throw_away;
use super::words::bytes;
use crate::bench::idle::{self, Idle};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// Measure the memory that idle listeners cost a throw-away server.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite bench idle --listeners 10000

Both processes need an open file for each listener; `ulimit -n` shows how many there may be.")]
pub(super) struct IdleArgs {
    /// How many listen.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=999_999))]
    listeners: u32,
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
    measured: Idle,
}

pub(super) fn run(args: IdleArgs, context: &Context) -> Result<Exit, CommandError> {
    args.machine.measure(async {
        let (target, server) = throw_away(&args.machine, args.database.as_deref())?;
        let spinner = context.out.spinner("connecting");
        let measured = idle::measure(&target, server.pid(), args.listeners as usize).await?;
        drop(spinner);
        let shown = Shown {
            verb: "idle",
            measured,
        };
        context.out.show(&shown, |shown| {
            let Idle {
                listeners,
                before_bytes,
                after_bytes,
                per_listener_bytes,
            } = shown.measured;
            format!(
                "idle: {listeners} listeners took the server from {} to {}: {} each",
                bytes(before_bytes),
                bytes(after_bytes),
                bytes(per_listener_bytes)
            )
        })?;
        Ok(Exit::Done)
    })
}
