//! `kite bench fanout` and `kite bench latency`: from the post to the frames at listeners.

use std::time::Duration;

use clap::Args;

use super::sides::{On, Sides};
use super::words::{LoadShown, Shown, table};
use super::{Amount, Machine, conclude};
use crate::bench::Load;
use crate::bench::fanout::{self, Crowd};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// How long latencies are taken where nothing else was said: at a low rate it takes a while until there are enough.
const LATENCY_DURATION_DEFAULT: Duration = Duration::from_secs(10);

/// Measure the way of a message: from its post to the frame at a listener.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite bench latency --floor
  kite bench latency --rate 1000 --json")]
pub(super) struct LatencyArgs {
    /// Messages a second.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: u32,
    /// How many connections messages are posted on.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    publishers: u32,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    machine: Machine,
}

/// Measure what reaches many listeners.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite bench fanout --listeners 1000
  kite bench fanout --listeners 1000 --addressed --floor
  kite bench fanout --listeners 100 --rate 500 --json

Without `--rate` a publisher posts its next message when the last one has reached all it is for.")]
pub(super) struct FanoutArgs {
    /// How many listen.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=999_999))]
    listeners: u32,
    /// Send each message to one listener, in turn; otherwise all get everything.
    #[arg(long)]
    addressed: bool,
    /// Messages a second [default: as fast as they arrive].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// How many publish at the same time, each over its own connection.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    publishers: u32,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    machine: Machine,
}

pub(super) fn latency(mut args: LatencyArgs, context: &Context) -> Result<Exit, CommandError> {
    args.amount.duration.get_or_insert(LATENCY_DURATION_DEFAULT);
    let crowd = Crowd {
        listeners: 1,
        addressed: true,
    };
    let load = args.amount.load(Some(args.rate), args.publishers);
    args.machine.measure(show(
        "latency",
        &load,
        crowd,
        &args.on,
        &args.machine,
        context,
    ))
}

pub(super) fn run(args: FanoutArgs, context: &Context) -> Result<Exit, CommandError> {
    let crowd = Crowd {
        listeners: args.listeners as usize,
        addressed: args.addressed,
    };
    let load = args.amount.load(args.rate, args.publishers);
    args.machine.measure(show(
        "fanout",
        &load,
        crowd,
        &args.on,
        &args.machine,
        context,
    ))
}

async fn show(
    verb: &'static str,
    load: &Load,
    crowd: Crowd,
    on: &On,
    machine: &Machine,
    context: &Context,
) -> Result<Exit, CommandError> {
    let sides = Sides::ready(on, machine, context).await?;
    let measure = async |target: &_| fanout::measure(target, load, crowd).await;
    let report = sides.measure(context, load, "delivering", measure).await?;
    let shown = Shown {
        verb,
        server: &sides.name,
        load: LoadShown::of(load).crowd(crowd),
        report: &report,
    };
    context.out.show(&shown, |shown| table(shown))?;
    conclude(shown.fault().into_iter().collect())
}
