//! `kite federation outbox` and `deliveries`: what goes to peers, and what was tried.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::which::{Limit, Which};
use super::{ago, due, letter, name_of, names, offered, or_dash, short_type};
use crate::base::clock::Clock;
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
  kite federation outbox list --peer b --status pending --json
  kite federation outbox list --type 'stripe.*' --since 1h

--since and --before count from when the event was stored. A terminal shows short ids and the ends
of errors cut off; a pipe and --json get them whole.")]
struct OutboxListArgs {
    /// Those that are pending, delivered, dead, cancelled or discarded.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
}

/// The words of every status.
fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(OutboxStatus::ALL.map(OutboxStatus::word))
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
  kite federation deliveries list --event 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f --json
  kite federation deliveries list --status 503 --since 10m

--since and --before count from the attempt. `kite logs --trace EVENT` tells the way of one event.")]
struct DeliveriesListArgs {
    /// Those that were answered with an HTTP status.
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: Option<u16>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    limit: Limit,
}

impl OutboxArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        let OutboxVerb::List(args) = self.verb;
        let api = context.api(&context.settings()?)?;
        let (rows, peers) = block_on_call(async {
            let query = ForwardsQuery {
                status: args.status.as_deref().and_then(OutboxStatus::of),
                limit: Some(args.limit.limit),
                ..args.which.query(&api).await?
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
    if context.out.is_terminal() {
        let now = Clock::system().unix_millis();
        let headings = &["id", "type", "status", "tries", "age", "next", "error"];
        let cells = |row: &OutboxRow| short_cells(row, peers, now);
        context.out.fitted(rows, headings, cells)?;
        return Ok(Exit::Done);
    }
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

fn short_cells(row: &OutboxRow, peers: &[Peer], now: i64) -> Vec<String> {
    let next = row.next_attempt_at.as_deref().map(|next| due(now, next));
    vec![
        letter::short(peers, &row.id),
        short_type(&row.event_type),
        row.status.word().to_owned(),
        row.attempts.to_string(),
        ago(now, &row.created_at),
        or_dash(next),
        or_dash(row.last_error.as_ref()),
    ]
}

impl DeliveriesArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        let DeliveriesVerb::List(args) = self.verb;
        let api = context.api(&context.settings()?)?;
        let (rows, peers) = block_on_call(async {
            let query = ForwardsQuery {
                status_code: args.status,
                limit: Some(args.limit.limit),
                ..args.which.query(&api).await?
            };
            let rows = offered(api.deliveries(&query).await)?;
            Ok((rows, names(&api, context).await?))
        })?;
        if rows.is_empty() {
            context.out.note("nothing was tried");
        }
        let now = Clock::system().unix_millis();
        let is_terminal = context.out.is_terminal();
        let time = |row: &DeliveryRow| match is_terminal {
            true => ago(now, &row.created_at),
            false => row.created_at.clone(),
        };
        let headings = &["time", "peer", "event", "attempt", "status", "ms", "error"];
        context
            .out
            .fitted(&rows, headings, |row| cells(row, time(row), &peers))?;
        Ok(Exit::Done)
    }
}

fn cells(row: &DeliveryRow, time: String, peers: &[Peer]) -> Vec<String> {
    vec![
        time,
        name_of(peers, &row.peer_id),
        row.event_id.clone(),
        row.attempt.to_string(),
        or_dash(row.status_code),
        or_dash(row.latency_ms),
        or_dash(row.error.as_ref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_fits_a_terminal_but_for_its_error() {
        let row = r#"{"id":"0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f:42","peer_id":"p","event_id":"e",
            "event_type":"com.stripe.charge.succeeded","status":"pending","attempts":12,
            "next_attempt_at":"1970-01-01T00:15:00.000Z","last_error":"x","created_at":"1970-01-01T00:00:00.000Z"}"#;
        let row: OutboxRow = serde_json::from_str(row).unwrap();
        let cells = short_cells(&row, &[], 600_000);
        assert_eq!(cells[4..6], ["10m", "in 5m"]);
        assert_eq!(cells[0], row.id, "nobody's name is known");
    }
}
