//! `kite bench`: loads on a server, beside what the machine allows.

mod bare;
mod fanout;
mod federation;
mod idle;
mod limits;
mod proxy;
mod publish;
mod replay;
mod sides;
mod words;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::context::{Context, block_on_threads};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::signal::Interrupt;
use crate::base::duration;
use crate::bench::Load;
use crate::bench::pace::Pace;

/// How large a request's body is where nothing else was said: about what an agent's message has.
const SIZE_DEFAULT: u32 = 512;

/// How long a load counts where nothing else was said.
const DURATION_DEFAULT: Duration = Duration::from_secs(5);

/// How long nothing counts yet.
const WARM_UP_DEFAULT: Duration = Duration::from_secs(1);

/// How often kite and the bare server have their turn.
const ROUNDS_DEFAULT: u32 = 3;

/// Measure a server under load, beside what this machine allows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite bench limits
  kite bench publish --floor
  kite bench latency --floor
  kite bench fanout --listeners 1000 --addressed

The server is a throw-away one, as that of `kite demo`; with `--live` it is the one of your login, which keeps what
is sent. With `--floor` the same load runs on a bare server too, in turns: it stores and passes on bytes and does
nothing else. At a fixed rate (`--rate`) a latency counts from when the request was due, so a server that stands still
is seen by all that would have asked meanwhile; without one it goes as fast as answers come, a closed loop.")]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    verb: BenchVerb,
}

#[derive(Debug, Subcommand)]
enum BenchVerb {
    Limits(limits::LimitsArgs),
    Publish(publish::PublishArgs),
    Latency(fanout::LatencyArgs),
    Fanout(fanout::FanoutArgs),
    Idle(idle::IdleArgs),
    Replay(replay::ReplayArgs),
    Proxy(proxy::ProxyArgs),
    Federation(federation::FederationArgs),
    #[command(hide = true)]
    Bare(bare::BareArgs),
}

impl BenchArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            BenchVerb::Limits(args) => limits::run(args, context),
            BenchVerb::Publish(args) => publish::run(args, context),
            BenchVerb::Latency(args) => fanout::latency(args, context),
            BenchVerb::Fanout(args) => fanout::run(args, context),
            BenchVerb::Idle(args) => idle::run(args, context),
            BenchVerb::Replay(args) => replay::run(args, context),
            BenchVerb::Proxy(args) => proxy::run(args, context),
            BenchVerb::Federation(args) => federation::run(args, context),
            BenchVerb::Bare(args) => bare::run(args, context),
        }
    }
}

/// The machine's share of a measurement.
#[derive(Debug, Args)]
struct Machine {
    /// How many threads make the load [default: half of the cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Where throw-away servers keep their files, in a directory that goes away [default: the system's for such files].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// How long something is measured, and how large its requests are.
#[derive(Debug, Args)]
struct Amount {
    /// How long it counts, such as 5s or 500ms.
    #[arg(long, value_name = "DUR", value_parser = span_above_zero)]
    duration: Option<Duration>,
    /// How long nothing counts yet [default: 1s].
    #[arg(long, value_name = "DUR", value_parser = span)]
    warm_up: Option<Duration>,
    /// How large a request's body is, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = SIZE_DEFAULT)]
    size: u32,
}

impl Amount {
    fn load(&self, rate: Option<u32>, publishers: u32) -> Load {
        Load {
            pace: rate.map_or(Pace::Closed, Pace::Rate),
            publishers: publishers as usize,
            size: self.size as usize,
            warm_up: self.warm_up.unwrap_or(WARM_UP_DEFAULT),
            duration: self.duration.unwrap_or(DURATION_DEFAULT),
        }
    }
}

impl Machine {
    /// Runs a measurement on a runtime of its own. An interrupt ends it, and the servers with it.
    fn measure<T>(
        &self,
        measurement: impl Future<Output = Result<T, CommandError>>,
    ) -> Result<T, CommandError> {
        let half = || thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        let threads = self.threads.map_or_else(half, |threads| threads as usize);
        block_on_threads(threads, async {
            let mut interrupt = Interrupt::new()?;
            tokio::select! {
                result = measurement => result,
                () = interrupt.wait() => {
                    let message = "interrupted; nothing is left of the measurement";
                    Err(CommandError::new(Kind::Interrupted, message))
                }
            }
        })
    }
}

/// A duration as everywhere, and milliseconds.
fn span(text: &str) -> Result<Duration, String> {
    let span = match text.strip_suffix("ms") {
        Some(millis) => millis.parse().ok().map(Duration::from_millis),
        None => duration::parse(text).ok(),
    };
    // Longer is a typo, and would be no benchmark.
    span.filter(|span| *span <= Duration::from_secs(24 * 3600))
        .ok_or_else(|| "use a whole number and ms, s, m or h, up to a day".to_owned())
}

/// As [`span`], for what must take some time.
fn span_above_zero(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("nothing can be measured in no time".to_owned()),
        span => Ok(span),
    }
}

/// What went wrong in a measurement that is shown all the same.
fn conclude(faults: Vec<String>) -> Result<Exit, CommandError> {
    match faults.is_empty() {
        true => Ok(Exit::Done),
        false => Err(CommandError::failed(faults.join("; "))),
    }
}
