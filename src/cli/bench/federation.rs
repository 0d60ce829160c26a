//! `kite bench federation`: how fast a server catches up with another one, and what peers cost.

use clap::Args;
use serde::Serialize;

use super::Machine;
use crate::bench::federation::{self, Enqueueing, Forwarding};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::throwaway::Throwaway;

/// What the servers are told beside the usual: they are on one machine.
const MORE: &[&str] = &["--allow-insecure-peers"];

/// Measure forwarding between two throw-away servers, and what peers cost a server that stores.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite bench federation --events 100000")]
pub(super) struct FederationArgs {
    /// How many events are forwarded.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=100_000_000))]
    events: u32,
    /// How many peers get every event when storing is measured; they cannot be reached.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=256))]
    peers: u32,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Serialize)]
struct Shown {
    verb: &'static str,
    forwarding: Forwarding,
    enqueueing: Enqueueing,
}

pub(super) fn run(args: FederationArgs, context: &Context) -> Result<Exit, CommandError> {
    args.machine.measure(async {
        let events = args.events as usize;
        let spinner = context.out.spinner("forwarding between two servers");
        let team = "default".parse()?;
        let (from, to) = (start(&args.machine)?, start(&args.machine)?);
        let ids = (from.instance_id.as_str(), to.instance_id.as_str());
        let forwarding = federation::catch_up(&from.server, &to.server, ids, &team, events).await?;
        drop((spinner, from, to));
        let _spinner = context.out.spinner("storing with peers and without");
        let alone = start(&args.machine)?;
        let enqueueing = federation::enqueue(&alone.server, &team, args.peers, events).await?;
        let shown = Shown {
            verb: "federation",
            forwarding,
            enqueueing,
        };
        context.out.show(&shown, |shown| {
            let (forwarding, enqueueing) = (&shown.forwarding, &shown.enqueueing);
            format!(
                "catching up: {} events, stored at {:.0}/s, came to the other server at {:.0}/s\n\
                 storing: {:.0}/s without a peer, {:.0}/s with {} peers: ratio {:.2}",
                forwarding.events,
                forwarding.stored_per_second,
                forwarding.forwarded_per_second,
                enqueueing.alone_per_second,
                enqueueing.per_second,
                enqueueing.peers,
                enqueueing.ratio
            )
        })?;
        Ok(Exit::Done)
    })
}

fn start(machine: &Machine) -> Result<Throwaway, CommandError> {
    Throwaway::start_with(machine.data_dir.as_deref(), None, MORE)
}
