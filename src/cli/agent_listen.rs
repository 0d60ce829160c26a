//! `kite agent listen`: the messages of one agent, one after the other.

use clap::Args;

use super::agent::acting;
use super::context::Context;
use super::error::CommandError;
use super::exec::{self, ExecArgs};
use super::exit::Exit;
use super::filter::Filter;
use super::listening::{self, ListeningArgs, Role, Taken, Taker};
use super::output::Output;
use super::render;
use crate::client::{Delivery, Letter};
use crate::protocol::id::AgentId;
use crate::protocol::scope::Scope;

/// The command's name in `[clients]`.
pub(super) const COMMAND: &str = "agent listen";

/// Print the messages that are sent to an agent, as they come, or run a command for each.
#[derive(Debug, Args)]
#[command(after_help = concat!("\
Examples:
  kite agent listen
  kite agent listen --json --count 1 --timeout 5m
  kite agent listen --exec 'jq -r .data.body | ./answer.sh |
    kite agent send --to=\"$KITE_AGENT_REPLY_TO\" --reply-to=\"$KITE_EVENT_ID\" -'

A message is shown as [EVENT] SENDER → AGENT: BODY. SENDER is where an answer
goes: alice@b is alice of the instance b. `kite agent send --reply-to EVENT`
finds it by itself.

What was sent while nobody listened comes first. Each message is acknowledged
after it was printed. The connection is restored by itself; what happens to it
is said on stderr.

", exec::help!()))]
pub(super) struct ListenArgs {
    /// The agent; otherwise that of KITE_AGENT_ID or of this profile.
    #[arg(long, visible_alias = "as", value_name = "AGENT")]
    as_id: Option<AgentId>,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    listening: ListeningArgs,
}

pub(super) fn run(args: ListenArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let agent = acting(args.as_id, &settings)?;
    let role = Role {
        command: COMMAND,
        subject: agent.to_string(),
        scopes: vec![Scope::AgentTo(agent.to_string())],
        words: format!("listening for messages to `{agent}`"),
        member: ("agent", agent.as_str().into()),
        until: None,
    };
    if let Some(command) = args.exec.command(agent.as_str()) {
        // The cursor stays that of the agent: its messages are one mailbox, which begins where it was registered.
        let every = Filter::default();
        return exec::run(command, role, every, args.listening, context, &settings);
    }
    let reader = Reader { out: context.out };
    listening::run(
        args.listening,
        role,
        async |_| Ok(reader),
        context,
        &settings,
    )
}

/// Prints messages.
struct Reader {
    out: Output,
}

impl Taker for Reader {
    async fn take(&mut self, delivery: &Delivery) -> Result<Taken, CommandError> {
        let event = match &delivery.event {
            Ok(event) => event,
            Err(fault) => return Ok(Taken::Unreadable(fault.to_string())),
        };
        if self.out.json {
            self.out.object_aside(delivery.text.clone()).await?;
            return Ok(Taken::Counted);
        }
        match Letter::read(event) {
            Ok(letter) => self.out.line_aside(render::letter(&letter)).await?,
            Err(fault) => return Ok(Taken::Unreadable(fault.to_string())),
        }
        Ok(Taken::Counted)
    }
}
