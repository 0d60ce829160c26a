//! `kite logs`: what the team's log holds.

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, RangedU64ValueParser};
use serde_json::value::RawValue;

use super::context::{Context, block_on_call, team};
use super::error::CommandError;
use super::exit::Exit;
use super::filter::Filter;
use super::listening::{self, ListeningArgs, Role, Taken, Taker};
use super::output::Output;
use super::render;
use super::since::Since;
use super::trace;
use crate::base::clock::{Clock, rfc3339};
use crate::client::history::{History, Start};
use crate::client::{Api, Delivery};
use crate::config::Settings;
use crate::protocol::api::ListedEvent;

/// How many events are shown without `--since`.
const DEFAULT_LIMIT: u64 = 100;

/// Show stored events, oldest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite logs --limit 20
  kite logs --since 24h --source github --json
  kite logs --follow
  kite logs --trace 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f

Without --since these are the newest --limit events, 100 unless given. With it they are all events
from there on, or the first --limit of them. With --follow the events that come afterwards are
printed as they come, without a gap, until interrupted.

With --trace it is the way of one event: where it came from, and every attempt at every peer. That
needs an admin key. Of other instances only the event's own time is known: ask each of them.")]
pub(super) struct LogsArgs {
    /// At most this many, up to 1000 without --since.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    filter: Filter,
    /// Begin with the oldest, with event number SEQ, or a time ago (30s, 5m, 24h, 7d).
    #[arg(long, value_name = "all|SEQ|DUR")]
    since: Option<Since>,
    /// Go on with what comes.
    #[arg(short, long)]
    follow: bool,
    /// Show where the event with this id came from and where it went, hop by hop.
    #[arg(long, value_name = "EVENT", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["limit", "source", "kind", "since", "follow"])]
    trace: Option<String>,
}

pub(super) fn run(args: LogsArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    if let Some(event_id) = &args.trace {
        return trace::run(event_id, context, &settings);
    }
    match args.follow {
        true => follow(args, context, &settings),
        false => block_on_call(list(args, context, &settings)),
    }
}

/// Prints a listing.
async fn list(
    args: LogsArgs,
    context: &Context,
    settings: &Settings,
) -> Result<Exit, CommandError> {
    let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
    let (start, most) = match &args.since {
        Some(since) => (since.start(&Clock::system()), args.limit),
        None => (Start::Newest(limit), None),
    };
    let server = context.server(settings)?;
    let api = Api::new(&server, Some(team(settings, &server).await?))?;
    let mut history = History::new(start, args.filter.scopes());
    let printer = Printer::new(args.filter, context.out);
    let mut left = most.unwrap_or(u64::MAX);
    while let Some(page) = history
        .next_page(&api)
        .await
        .map_err(listening::no_history)?
    {
        for event in page {
            if printer.print(&Delivery::listed(event)).await? == Taken::Counted {
                left -= 1;
            }
            if left == 0 {
                return Ok(Exit::Done);
            }
        }
    }
    Ok(Exit::Done)
}

/// Prints a listing and goes on with what comes.
fn follow(args: LogsArgs, context: &Context, settings: &Settings) -> Result<Exit, CommandError> {
    if args.since.is_some() && args.limit.is_some() {
        let message = "`--limit` ends a listing that begins at `--since`: nothing can follow it";
        return Err(CommandError::usage(message).with_hint("leave out one of the two"));
    }
    let role = Role {
        command: "logs",
        subject: args.filter.name(),
        scopes: args.filter.scopes(),
        words: "following the log".to_owned(),
        member: ("scopes", args.filter.name().into()),
        until: None,
    };
    let newest = args.limit.unwrap_or(DEFAULT_LIMIT);
    let wanted = ListeningArgs::after_listing(args.since, newest);
    let printer = Printer::new(args.filter, context.out);
    listening::run(wanted, role, async |_| Ok(printer), context, settings)
}

/// Prints entries of the log.
struct Printer {
    out: Output,
    filter: Filter,
    clock: Clock,
}

impl Printer {
    fn new(filter: Filter, out: Output) -> Self {
        Self {
            out,
            filter,
            clock: Clock::system(),
        }
    }

    async fn print(&self, delivery: &Delivery) -> Result<Taken, CommandError> {
        if !self.filter.admits(&delivery.event) {
            return Ok(Taken::Passed);
        }
        let event = match RawValue::from_string(delivery.text.clone()) {
            Ok(event) => event,
            Err(fault) => return Ok(Taken::Unreadable(fault.to_string())),
        };
        let listed = ListedEvent {
            seq: delivery.seq,
            created_at: self.created_at(delivery),
            event,
        };
        match self.out.json {
            // Plain data of ours always serialises.
            true => {
                let text = serde_json::to_string(&listed).unwrap_or_default();
                self.out.object_aside(text).await?;
            }
            false => {
                let line = render::listed(listed.seq, &listed.created_at, &delivery.event);
                self.out.line_aside(line).await?;
            }
        }
        Ok(Taken::Counted)
    }

    /// When it was stored. What comes live does not say: there the event's own time stands, or else the time it came.
    fn created_at(&self, delivery: &Delivery) -> String {
        let own = || delivery.event.as_ref().ok()?.time.clone();
        let stored = delivery.created_at.clone().or_else(own);
        stored.unwrap_or_else(|| rfc3339(self.clock.unix_millis()))
    }
}

impl Taker for Printer {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        self.print(delivery).await
    }
}
