//! `kite bench publish`: how many events a server puts on disk.

use clap::{Args, ValueEnum};

use super::sides::{On, Sides};
use super::words::{LoadShown, Shown, table};
use super::{Amount, Machine, conclude};
use crate::bench::publish::{self, Via};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// Measure durable publishing: each request is answered when its events are on disk.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite bench publish --floor
  kite bench publish --publishers 256 --duration 10s --json
  kite bench publish --via rpc --publishers 4 --batch 100 --in-flight 8
  kite bench publish --via webhook --size 4096
  kite bench publish --rate 1000 --publishers 64

Each number of publishers is a measurement of its own: under `--json` one object each.")]
pub(super) struct PublishArgs {
    /// How many publish at the same time, each over its own connection; several numbers are measured one by one.
    #[arg(long, visible_alias = "connections", value_name = "N,…", value_delimiter = ',',
          default_values_t = [1, 32, 256], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    publishers: Vec<u32>,
    /// Requests a second altogether [default: as fast as answers come].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// How events go in.
    #[arg(long, value_enum, default_value_t, value_name = "WAY")]
    via: Way,
    /// Events in a request, with `--via rpc` [default: 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    batch: Option<u32>,
    /// Requests under way on a connection, with `--via rpc` [default: 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    in_flight: Option<u32>,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Way {
    /// One message with each POST.
    #[default]
    Http,
    /// Calls over a WebSocket.
    Rpc,
    /// One signed push of GitHub's with each POST, to an endpoint made for it; throw-away servers only.
    Webhook,
}

impl PublishArgs {
    fn via(&self) -> Result<Via, CommandError> {
        match self.via {
            Way::Rpc => Ok(Via::Rpc {
                batch: self.batch.unwrap_or(1) as usize,
                in_flight: self.in_flight.unwrap_or(1) as usize,
            }),
            Way::Webhook if self.on.live => Err(CommandError::usage(
                "`--via webhook` replaces the endpoint `github`: it does not go with `--live`",
            )),
            Way::Http | Way::Webhook if self.batch.is_some() || self.in_flight.is_some() => {
                let message = "`--batch` and `--in-flight` are for calls over a WebSocket";
                Err(CommandError::usage(message).with_hint("add `--via rpc`"))
            }
            Way::Http => Ok(Via::Http),
            Way::Webhook => Ok(Via::Webhook),
        }
    }
}

pub(super) fn run(args: PublishArgs, context: &Context) -> Result<Exit, CommandError> {
    let via = args.via()?;
    args.machine.measure(async {
        let sides = Sides::ready(&args.on, &args.machine, context).await?;
        let mut faults = Vec::new();
        for publishers in &args.publishers {
            let load = args.amount.load(args.rate, *publishers);
            let measure = async |target: &_| publish::measure(target, &load, via).await;
            let report = sides.measure(context, &load, "publishing", measure).await?;
            let shown = Shown {
                verb: "publish",
                server: &sides.name,
                load: LoadShown::of(&load).via(via),
                report: &report,
            };
            context.out.show(&shown, |shown| table(shown))?;
            faults.extend(shown.fault());
        }
        conclude(faults)
    })
}
