//! `kite agent`: identities, and messages between them.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::{Context, block_on_call};
use super::error::CommandError;
use super::exit::Exit;
use super::text::visible;
use super::{agent_listen, agent_register, agent_send};
use crate::config::{Identity, Settings};
use crate::protocol::id::AgentId;

/// Send and receive messages between agents.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite agent register --name Reviewer
  kite agent listen
  kite agent send --to reviewer --wait 'is #12 ready?'")]
pub(super) struct AgentArgs {
    #[command(subcommand)]
    verb: AgentVerb,
}

#[derive(Debug, Subcommand)]
enum AgentVerb {
    Register(agent_register::RegisterArgs),
    List(ListArgs),
    Show(ShowArgs),
    Send(agent_send::SendArgs),
    Listen(agent_listen::ListenArgs),
}

/// List the agents that the team's server knows.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite agent list --json")]
struct ListArgs {}

/// Show the identity of this profile.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite agent show --json")]
struct ShowArgs {}

/// An identity as it is printed.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(identity: &'a Identity) -> Self {
        Self {
            id: identity.id.as_str(),
            name: identity.name.as_deref(),
        }
    }

    /// Name and id, one a line.
    pub(super) fn words(&self) -> String {
        match self.name {
            Some(name) => format!("  name: {}\n  id: {}", visible(name), visible(self.id)),
            None => format!("  id: {}", visible(self.id)),
        }
    }
}

impl AgentArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            AgentVerb::Register(args) => agent_register::run(args, context),
            AgentVerb::List(_) => list(context),
            AgentVerb::Show(_) => show(context),
            AgentVerb::Send(args) => agent_send::run(args, context),
            AgentVerb::Listen(args) => agent_listen::run(args, context),
        }
    }
}

/// The agent that a command acts as: the one that was named, else that of the environment or the profile.
pub(super) fn acting(given: Option<AgentId>, settings: &Settings) -> Result<AgentId, CommandError> {
    let own = || settings.acting.clone();
    given.or_else(own).ok_or_else(CommandError::no_agent)
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    let listed = block_on_call(async { Ok(api.agents().await?) })?;
    for agent in &listed.agents {
        context.out.show(agent, |agent| {
            let seen = agent.last_seen_at.as_deref().unwrap_or("never seen");
            let name = agent.name.as_deref().unwrap_or("-");
            format!(
                "{}  {}  {}",
                visible(&agent.id),
                visible(name),
                visible(seen)
            )
        })?;
    }
    if listed.agents.is_empty() {
        context.out.note("the team has no registered agents");
    }
    Ok(Exit::Done)
}

fn show(context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let identity = settings.identity.ok_or_else(CommandError::no_agent)?;
    let words = |shown: &Shown<'_>| format!("Agent\n{}", shown.words());
    context.out.show(&Shown::new(&identity), words)?;
    Ok(Exit::Done)
}
