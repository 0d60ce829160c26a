//! `kite openintent intents accept`, `progress`, `complete` and `fail`: what an agent says of its work.

use std::time::Duration;

use clap::Args;

use super::super::super::context::{Context, block_on_call};
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::super::patience::persist;
use super::super::usage::{Used, sum, used};
use super::super::{given, shown};
use super::{known, meant};
use crate::base::{duration, random};
use crate::config::Settings;
use crate::openintent::json::Object;
use crate::openintent::work::{IntentShown, Verb, WorkReport};
use crate::protocol::id::AgentId;

/// Take an intent on: an agent works on it from now on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents accept fed-0192f0c1
  kite openintent intents accept fed-0192f0c1 --as-id analyst --approve

The same agent may accept it again, as after a restart; another one may not. --approve is asked for
where the intent's conditions want a person to agree, and takes an admin key.")]
pub(super) struct AcceptArgs {
    #[command(flatten)]
    pub(super) report: ReportArgs,
    /// Say that a person agrees to the work.
    #[arg(long)]
    pub(super) approve: bool,
}

/// Say how far an intent is: what has changed of its state, what was used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents progress --state '{\"rows\": 7}' --usage llm_tokens=120,cost_usd=0.02
  kite openintent intents progress fed-0192f0c1 --message 'half of it is read'

The state is a JSON merge patch: members replace those of the same name, null removes one. What was
used since the last report is added to what was used before. Without an id it is the intent of
KITE_INTENT_ID, as a command of --exec finds it. A report that the server does not take because it is
away is sent again, and counts once.")]
pub(super) struct ProgressArgs {
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Finish an intent: the work is done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents complete --result '{\"rows\": 7}'
  ./analyse.sh | kite openintent intents complete fed-0192f0c1 --result - --usage llm_tokens=120

The result becomes a part of the intent's state, by the same rules as that of progress. The server
that dispatched the intent gets all that has changed, with an attestation of what was used.")]
pub(super) struct CompleteArgs {
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// Give an intent up: the work will not be done.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite openintent intents fail fed-0192f0c1 --reason 'the source has no data for May'")]
pub(super) struct FailArgs {
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// What every report takes.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The intent; otherwise that of KITE_INTENT_ID.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// The agent that says it; otherwise that of KITE_AGENT_ID or of this profile.
    #[arg(long, visible_alias = "as", value_name = "AGENT")]
    as_id: Option<AgentId>,
    /// What has changed of the intent's state, or came of it.
    #[arg(long, visible_alias = "result", value_name = "JSON|@FILE|-")]
    state: Option<String>,
    /// What was used since the last report; may be repeated.
    #[arg(long, value_name = "NAME=NUMBER", value_delimiter = ',', value_parser = used)]
    usage: Vec<Used>,
    /// A word to people: what was done, or why it failed.
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    message: Option<String>,
    /// By what a repeat is known, instead of a key made for this report.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// How long to try again while the server is away or fails; 0s: not at all.
    #[arg(long, value_name = "DUR", default_value = "5m", value_parser = duration::parse)]
    retry_for: Duration,
}

pub(super) fn run(
    verb: Verb,
    heading: &str,
    args: ReportArgs,
    approve: bool,
    context: &Context,
) -> Result<Exit, CommandError> {
    let id = meant(args.id.clone(), context)?;
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    let (limit, out) = (args.retry_for, context.out);
    let report = WorkReport {
        approve,
        ..report(args, &settings)?
    };
    let answer = block_on_call(async {
        let call = async || api.report(&id, verb, &report).await;
        known(&id, persist(limit, out, call).await)
    })?;
    out.answer(&answer, |intent: &IntentShown| {
        shown::outcome(heading, intent)
    })?;
    if answer.value.repeated {
        out.note("the server had heard this before");
    }
    Ok(Exit::Done)
}

/// The report, with a key that is made once: however often it is sent, it counts once.
fn report(args: ReportArgs, settings: &Settings) -> Result<WorkReport, CommandError> {
    let state = args.state.map(|text| given::object("`--state`", &text));
    let agent = args.as_id.or_else(|| settings.acting.clone());
    let usage = sum(args.usage);
    Ok(WorkReport {
        agent_id: agent.map(String::from),
        state_delta: state.transpose()?.unwrap_or_else(Object::new),
        usage: usage
            .map_err(|why| CommandError::usage(format!("`--usage` cannot be used: {why}")))?,
        message: args.message,
        approve: false,
        idempotency_key: Some(args.idempotency_key.unwrap_or_else(random::uuid7)),
    })
}
