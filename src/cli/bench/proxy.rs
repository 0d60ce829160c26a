//! `kite bench proxy`: from the post to the request at a local program.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::sides::throw_away;
use super::words::{LoadShown, bytes, micros, row};
use super::{Amount, Machine, conclude};
use crate::bench::proxy::{Desk, Proxied};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::throwaway;
use crate::client::Server;

/// How long a proxy may take until its subscription stands.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// Measure `kite proxy`: from the post at a throw-away server to the request at a local program that answers at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite bench proxy
  kite bench proxy --rate 100 --duration 30s

What the proxy adds is the time from the frame at a listener beside it to the
request. Without `--rate` a publisher posts its next message when the last one
has arrived.")]
pub(super) struct ProxyArgs {
    /// Messages a second [default: as fast as they arrive].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rate: Option<u32>,
    /// How many publish at the same time, each over its own connection.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    publishers: u32,
    #[command(flatten)]
    amount: Amount,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Serialize)]
struct Shown {
    verb: &'static str,
    load: LoadShown,
    #[serde(flatten)]
    measured: Proxied,
}

pub(super) fn run(args: ProxyArgs, context: &Context) -> Result<Exit, CommandError> {
    let load = args.amount.load(args.rate, args.publishers);
    args.machine.measure(async {
        let (target, server) = throw_away(&args.machine, None)?;
        let desk = Desk::open().await?;
        let proxy = Started::start(
            &server.server,
            &desk.url(),
            args.machine.data_dir.as_deref(),
        )?;
        proxy.stands().await?;
        let progress = context
            .out
            .progress("handing on", load.warm_up + load.duration);
        let measured = desk.measure(&target, &load, proxy.child.id()).await?;
        drop(progress);
        let shown = Shown {
            verb: "proxy",
            load: LoadShown::of(&load),
            measured,
        };
        context.out.show(&shown, words)?;
        conclude(shown.measured.figures.fault().into_iter().collect())
    })
}

fn words(shown: &Shown) -> String {
    let measured = &shown.measured;
    [
        format!("proxy: {}", shown.load.words()),
        row("  at the program", &measured.figures),
        format!(
            "  added by the proxy: p50 {}   p99 {}   max {}",
            micros(measured.added_p50_us),
            micros(measured.added_p99_us),
            micros(measured.added_max_us)
        ),
        format!(
            "  its memory: {}, then {}",
            bytes(measured.before_bytes),
            bytes(measured.after_bytes)
        ),
    ]
    .join("\n")
}

/// A `kite proxy` that ends with this value, in a directory that goes away.
struct Started {
    child: Child,
    dir: TempDir,
}

impl Started {
    fn start(server: &Server, target: &str, below: Option<&Path>) -> Result<Self, CommandError> {
        let dir = throwaway::directory(below)?;
        let fault = |error: std::io::Error| {
            CommandError::failed(format!("the proxy did not start: {error}"))
        };
        let mut command = Command::new(std::env::current_exe().map_err(fault)?);
        throwaway::without_settings(&mut command);
        let ready = ready_file(dir.path());
        command
            .args(["proxy", "--target", target, "--ready-file"].map(OsStr::new))
            .arg(ready)
            .env("KITE_SERVER", &server.http_base)
            .env("KITE_API_KEY", server.key.reveal())
            .env("KITE_CONFIG_DIR", dir.path())
            .env("KITE_DATA_DIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(fault)?;
        Ok(Self { child, dir })
    }

    /// Waits until its subscription stands.
    async fn stands(&self) -> Result<(), CommandError> {
        let deadline = Instant::now() + READY_LIMIT;
        while !ready_file(self.dir.path()).exists() {
            if Instant::now() > deadline {
                return Err(CommandError::failed("the proxy did not come to listening"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn ready_file(dir: &Path) -> std::path::PathBuf {
    dir.join("ready")
}

impl Drop for Started {
    fn drop(&mut self) {
        // One that has ended by itself is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
