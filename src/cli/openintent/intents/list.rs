//! `kite openintent intents list`.

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::super::super::context::{Context, block_on_call};
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::super::listed::{self, Limit};
use super::super::{offered, shown};
use crate::client::openintent::WorkQuery;
use crate::openintent::model::IntentStatus;
use crate::openintent::work::IntentShown;

/// List intents, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents list
  kite openintent intents list --status accepted --agent analyst
  kite openintent intents list --json | jq -r 'select(.status == \"failed\") | .message'")]
pub(super) struct ListArgs {
    /// Those that are declined, accepted, running, completed or failed.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    /// Those of an agent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(IntentStatus::ALL.iter().map(|status| status.word()))
}

pub(super) fn run(args: ListArgs, context: &Context) -> Result<Exit, CommandError> {
    let query = WorkQuery {
        status: args.status.as_deref().and_then(IntentStatus::of),
        agent: args.agent,
        limit: Some(args.limit.limit),
        before: args.limit.before,
    };
    let api = context.api(&context.settings()?)?;
    let page = block_on_call(async { offered(api.intents(&query).await) })?;
    if page.rows.is_empty() {
        context.out.note("there is no such intent");
    }
    let headings = &["id", "status", "agent", "from", "updated", "title"];
    listed::print(&page, headings, row, IntentShown::to_json, context)?;
    Ok(Exit::Done)
}

fn row(intent: &IntentShown) -> Vec<String> {
    vec![
        intent.intent_id.clone(),
        intent.status.word().to_owned(),
        intent.agent_id.clone().unwrap_or_else(|| "-".to_owned()),
        shown::origin(intent),
        intent.updated_at.clone(),
        intent.title.clone(),
    ]
}
