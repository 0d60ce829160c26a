//! `kite openintent intents assign`: an intent for an agent of the own team.

use std::time::Duration;

use clap::Args;

use super::super::super::context::{Context, block_on_call};
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::super::patience::persist;
use super::super::scope::ScopeArgs;
use super::super::{given, offered, shown};
use crate::base::{duration, random};
use crate::openintent::json::Object;
use crate::openintent::work::Assignment;
use crate::protocol::id::AgentId;

/// Give an intent to an agent of the own team. It is a message to it, as an intent from another server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents assign --agent collector --title 'Collect the data'
  kite openintent intents assign --agent collector --title 'Collect' --from boss \\
    --state @state.json --policy '{\"budget\": {\"max_llm_tokens\": 1000}}'

The agent of --from is told of every report on it by messages of the kind openintent.callback. JSON
is given itself, or as @FILE.")]
pub(super) struct AssignArgs {
    /// The agent that is to do it.
    #[arg(long, value_name = "ID")]
    agent: AgentId,
    /// The intent in a line.
    #[arg(long, value_name = "TEXT")]
    title: String,
    /// The own agent that is told what becomes of it.
    #[arg(long, value_name = "ID")]
    from: Option<AgentId>,
    /// What whoever asks calls it.
    #[arg(long, value_name = "ID")]
    intent: Option<String>,
    /// The intent in full.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What is known so far.
    #[arg(long, value_name = "JSON|@FILE")]
    state: Option<String>,
    /// What is to be kept to.
    #[arg(long, value_name = "JSON|@FILE")]
    constraints: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// The conditions of the work: an object with governance, budget and observability.
    #[arg(long, value_name = "JSON|@FILE")]
    policy: Option<String>,
    /// The id of the trace that it belongs to.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// By what a repeat is known, instead of a key made for this intent.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// How long to try again while the server is away or fails.
    #[arg(long, value_name = "DUR", default_value = "0s", value_parser = duration::parse)]
    retry_for: Duration,
}

pub(super) fn run(args: AssignArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (limit, out) = (args.retry_for, context.out);
    let assignment = assignment(args)?;
    let answer = block_on_call(async {
        let call = async || api.assign(&assignment).await;
        offered(persist(limit, out, call).await)
    })?;
    out.answer(&answer, |intent| shown::outcome("Assigned", intent))?;
    if answer.value.repeated {
        out.note("the server had made it before");
    }
    Ok(Exit::Done)
}

fn assignment(args: AssignArgs) -> Result<Assignment, CommandError> {
    let object = |what: &str, text: Option<String>| match text {
        Some(text) => given::object(what, &text),
        None => Ok(Object::new()),
    };
    let policy = args.policy.as_deref().map(given::policy).transpose()?;
    Ok(Assignment {
        agent_id: args.agent.into(),
        intent_id: args.intent,
        title: args.title,
        description: args.description.unwrap_or_default(),
        state: object("`--state`", args.state)?,
        constraints: object("`--constraints`", args.constraints)?,
        delegation_scope: args.scope.scope()?,
        federation_policy: policy.map(|(_, policy)| policy),
        assigned_by: args.from.map(String::from),
        trace_id: args.trace,
        idempotency_key: Some(args.idempotency_key.unwrap_or_else(random::uuid7)),
    })
}
