//! `kite bench limits`: what this machine can do at all.

use clap::Args;
use serde::Serialize;

use super::words::{micros, row};
use super::{Amount, DURATION_DEFAULT, Machine, WARM_UP_DEFAULT, conclude};
use crate::bench::limits::{self, Speed};
use crate::bench::{BenchError, Figures, Target};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::throwaway::{BareServer, directory};

/// Measure what this machine can do: its disk, its loopback network, a server that does next to nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite bench limits
  kite bench limits --in-flight 1,64 --duration 2s --json")]
pub(super) struct LimitsArgs {
    /// How many requests are under way at the same time; each number is measured.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 32, 256],
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: Vec<u32>,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Serialize)]
struct Shown {
    verb: &'static str,
    /// Appending 512 bytes to a file and syncing it.
    sync: Speed,
    /// 512 bytes there and back over TCP.
    round_trip: Speed,
    /// Requests that are answered at once.
    echo: Vec<InFlight>,
    /// Requests that are answered when their body is on disk.
    commit: Vec<InFlight>,
}

#[derive(Serialize)]
struct InFlight {
    in_flight: u32,
    #[serde(flatten)]
    figures: Figures,
}

pub(super) fn run(args: LimitsArgs, context: &Context) -> Result<Exit, CommandError> {
    args.machine.measure(async {
        let count = u32::try_from(args.in_flight.len() * 2).unwrap_or(u32::MAX);
        let duration = args.amount.duration.unwrap_or(DURATION_DEFAULT);
        let warm_up = args.amount.warm_up.unwrap_or(WARM_UP_DEFAULT);
        let takes = duration * 2 + (warm_up + duration).saturating_mul(count);
        let progress = context.out.progress("measuring", takes);
        let below = args.machine.data_dir.as_deref();
        let dir = directory(below)?;
        let path = dir.path().to_owned();
        let sync = aside(move || limits::sync(&path, duration)).await?;
        let round_trip = aside(move || limits::round_trip(duration)).await?;
        let server = BareServer::start(below)?;
        let target = Target::Bare(server.http_base.clone());
        let (mut echo, mut commit) = (Vec::new(), Vec::new());
        for in_flight in args.in_flight.iter().copied() {
            let load = args.amount.load(None, in_flight);
            let figures = limits::echo(&target, &load).await?;
            echo.push(InFlight { in_flight, figures });
            let figures = limits::commit(&target, &load).await?;
            commit.push(InFlight { in_flight, figures });
        }
        drop(progress);
        let shown = Shown {
            verb: "limits",
            sync,
            round_trip,
            echo,
            commit,
        };
        context.out.show(&shown, words)?;
        let all = shown.echo.iter().chain(&shown.commit);
        conclude(all.filter_map(|one| one.figures.fault()).collect())
    })
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BenchError> + Send + 'static,
) -> Result<T, CommandError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| CommandError::failed(error.to_string()))?;
    Ok(done?)
}

fn words(shown: &Shown) -> String {
    let speed = |what: &str, speed: &Speed| {
        format!(
            "{what:<24} {:>9.0}/s   p50 {}   p99 {}",
            speed.per_second,
            micros(speed.p50_us),
            micros(speed.p99_us)
        )
    };
    let mut lines = vec![
        speed("write 512 bytes, sync", &shown.sync),
        speed("loopback, there and back", &shown.round_trip),
    ];
    for (what, all) in [("echo", &shown.echo), ("commit", &shown.commit)] {
        for one in all {
            lines.push(row(
                &format!("{what}, {} in flight", one.in_flight),
                &one.figures,
            ));
        }
    }
    lines.join("\n")
}
