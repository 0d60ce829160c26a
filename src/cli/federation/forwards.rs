//! `kite federation outbox` and `deliveries`: what goes to peers, and what was tried.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::{name_of, names, offered, or_dash, peer_id};
use crate::client::ForwardsQuery;
use crate::protocol::federation::{DeliveryRow, OutboxRow, OutboxStatus, Peer};

/// Look at the outbox: events on their way to peers, and what became of them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite federation outbox list --status pending")]
pub(super) struct OutboxArgs {
    #[command(subcommand)]
    verb: OutboxVerb,
}

#[derive(Debug, Subcommand)]
enum OutboxVerb {
    List(OutboxListArgs),
}

/// List events on their way to peers: those that wait first, others newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation outbox list
  kite federation outbox list --peer b --status pending --json")]
struct OutboxListArgs {
    /// Those that are pending, delivered, dead, cancelled or discarded.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// The words of every status.
fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(OutboxStatus::ALL.map(OutboxStatus::word))
}

/// What narrows every list.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Those to a peer: its name, the id of its instance, or its own id.
    #[arg(long, value_name = "PEER")]
    pub(super) peer: Option<String>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) limit: u64,
}

/// Look at deliveries: every attempt, and what was dropped on purpose.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite federation deliveries list --peer b")]
pub(super) struct DeliveriesArgs {
    #[command(subcommand)]
    verb: DeliveriesVerb,
}

#[derive(Debug, Subcommand)]
enum DeliveriesVerb {
    List(DeliveriesListArgs),
}

/// List attempts, newest first. Attempt 0 is an event that was dropped on purpose; the error says why.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation deliveries list --peer b
  kite federation deliveries list --event 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f --json")]
struct DeliveriesListArgs {
    /// Those with an event, by its id.
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    #[command(flatten)]
    which: Which,
}

impl OutboxArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        let OutboxVerb::List(args) = self.verb;
        let api = context.api(&context.settings()?)?;
        let (rows, peers) = block_on_call(async {
            let query = ForwardsQuery {
                status: args.status.as_deref().and_then(OutboxStatus::of),
                peer_id: peer_id(&api, args.which.peer.as_deref()).await?,
                event_id: None,
                limit: Some(args.which.limit),
            };
            let rows = offered(api.outbox(&query).await)?;
            Ok((rows, names(&api, context).await?))
        })?;
        if rows.is_empty() {
            context.out.note("there is nothing in the outbox");
        }
        list(&rows, &peers, context)
    }
}

/// Prints forwards with the names of their peers.
pub(super) fn list(
    rows: &[OutboxRow],
    peers: &[Peer],
    context: &Context,
) -> Result<Exit, CommandError> {
    let headings = &[
        "id", "peer", "type", "event", "status", "attempts", "next", "error",
    ];
    context.out.list(rows, headings, |row| {
        vec![
            row.id.clone(),
            name_of(peers, &row.peer_id),
            row.event_type.clone(),
            row.event_id.clone(),
            row.status.word().to_owned(),
            row.attempts.to_string(),
            or_dash(row.next_attempt_at.as_ref()),
            or_dash(row.last_error.as_ref()),
        ]
    })?;
    Ok(Exit::Done)
}

impl DeliveriesArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        let DeliveriesVerb::List(args) = self.verb;
        let api = context.api(&context.settings()?)?;
        let (rows, peers) = block_on_call(async {
            let query = ForwardsQuery {
                status: None,
                peer_id: peer_id(&api, args.which.peer.as_deref()).await?,
                event_id: args.event,
                limit: Some(args.which.limit),
            };
            let rows = offered(api.deliveries(&query).await)?;
            Ok((rows, names(&api, context).await?))
        })?;
        if rows.is_empty() {
            context.out.note("nothing was tried");
        }
        let headings = &["time", "peer", "event", "attempt", "status", "ms", "error"];
        context
            .out
            .list(&rows, headings, |row| cells(row, &peers))?;
        Ok(Exit::Done)
    }
}

fn cells(row: &DeliveryRow, peers: &[Peer]) -> Vec<String> {
    vec![
        row.created_at.clone(),
        name_of(peers, &row.peer_id),
        row.event_id.clone(),
        row.attempt.to_string(),
        or_dash(row.status_code),
        or_dash(row.latency_ms),
        or_dash(row.error.as_ref()),
    ]
}
