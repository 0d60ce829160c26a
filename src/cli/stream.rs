//! `kite stream`: the team's events as they come, one line each, or a command for each.

use clap::Args;

use super::context::Context;
use super::error::CommandError;
use super::exec::{self, ExecArgs};
use super::exit::Exit;
use super::filter::Filter;
use super::listening::{self, ListeningArgs, Role, Taken, Taker};
use super::output::Output;
use super::render;
use super::stream_forward::{self, ForwardArgs};
use crate::client::Delivery;
use crate::sink::scoring::Importance;

/// Print the team's events as they come, or run a command for each.
#[derive(Debug, Args)]
#[command(after_help = concat!("\
Examples:
  kite stream --source github
  kite stream --source github --event-type push --compact
  kite stream --json --count 1 --timeout 30s --ready-file ready
  pass kite/acme | kite stream --federation-token - \\
    --federation-target https://kite.acme.example/hooks/TEAM/kite
  kite stream --source github --exec './deploy.sh' --exec-timeout 10m
  kite stream --exec 'jq -r .data.title >> titles.txt'

The first run begins with what comes from then on; later ones print first what
came since the last. Each event is acknowledged after it was printed. --json
prints one CloudEvent per line. The connection is restored by itself; what
happens to it is said on stderr.

With --federation-target each event goes to another instance, signed, and is
acknowledged when that has it; events of one source keep their order. While it
cannot be reached (or answers 429, 502, 503 or 504) the stream waits. What it
refuses otherwise steps aside into the local queue and is tried again beside the
stream; see `kite queue`. An event that was forwarded from here before, or three
times already, is skipped.

", exec::help!()))]
pub(super) struct StreamArgs {
    #[command(flatten)]
    filter: Filter,
    /// Only events that are at least so important, by their attribute `importance`: low, normal (also those that say
    /// nothing), high or critical.
    #[arg(long, value_name = "LEVEL")]
    importance: Option<Importance>,
    /// Print the summary alone, or the type where there is none.
    #[arg(long, conflicts_with = "exec")]
    compact: bool,
    #[command(flatten)]
    forward: ForwardArgs,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    listening: ListeningArgs,
}

pub(super) fn run(mut args: StreamArgs, context: &Context) -> Result<Exit, CommandError> {
    args.filter = args.filter.at_least(args.importance);
    if args.compact && context.out.json {
        let message = "`--compact` and `--json` are two forms of the same line";
        return Err(CommandError::usage(message).with_hint("leave out one of the two"));
    }
    if args.forward.is_wanted() {
        return stream_forward::run(args.forward, args.filter, args.listening, context);
    }
    let settings = context.settings()?;
    let name = args.filter.name();
    let mut role = Role {
        command: "stream",
        scopes: args.filter.scopes(),
        words: match name.as_str() {
            "*" => "listening for events".to_owned(),
            name => format!("listening for events of `{name}`"),
        },
        member: ("scopes", name.as_str().into()),
        until: None,
        subject: name,
    };
    if let Some(command) = args.exec.command(&role.subject) {
        // Another command has another cursor.
        role.subject.clone_from(&command.subject);
        let (filter, listening) = (args.filter, args.listening);
        return exec::run(command, role, filter, listening, context, &settings);
    }
    let printer = Printer {
        out: context.out,
        filter: args.filter,
        is_compact: args.compact,
    };
    listening::run(
        args.listening,
        role,
        async |_| Ok(printer),
        context,
        &settings,
    )
}

/// Prints events.
struct Printer {
    out: Output,
    filter: Filter,
    is_compact: bool,
}

impl Taker for Printer {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        let event = match &delivery.event {
            Ok(event) => event,
            Err(fault) => return Ok(Taken::Unreadable(fault.to_string())),
        };
        if !self.filter.admits(&delivery.event) {
            return Ok(Taken::Passed);
        }
        if self.out.json {
            self.out.object_aside(delivery.text.clone()).await?;
        } else if self.is_compact {
            self.out.line_aside(render::compact(event)).await?;
        } else {
            let line = render::streamed(delivery.seq, event);
            self.out.line_aside(line).await?;
        }
        Ok(Taken::Counted)
    }
}
