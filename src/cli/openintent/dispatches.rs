//! `kite openintent dispatches`: the intents that went to other servers, and what became of them.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::{CommandError, Kind};
use super::super::exit::Exit;
use super::listed::{self, Limit};
use super::{offered, shown, unoffered};
use crate::client::ClientError;
use crate::client::openintent::WorkQuery;
use crate::openintent::model::DispatchState;
use crate::openintent::work::DispatchShown;

/// Look at dispatches: the intents that went to other servers, and what those told of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent dispatches list --status delivered
  kite openintent dispatches show 1b4e28ba-2fa1-41d2-883f-0016d3cca427")]
pub(super) struct DispatchesArgs {
    #[command(subcommand)]
    verb: DispatchesVerb,
}

#[derive(Debug, Subcommand)]
enum DispatchesVerb {
    List(ListArgs),
    Show(ShowArgs),
}

/// List dispatches, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent dispatches list
  kite openintent dispatches list --status undelivered --json

undelivered are those whose outbox has given up: `kite federation dead-letters replay` tries again.")]
struct ListArgs {
    /// Those that are queued, undelivered, delivered, rejected, completed or failed.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    status: Option<String>,
    /// Those that an own agent has sent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Show a dispatch: how it stands, the state that the other server told, what was used.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite openintent dispatches show 1b4e28ba-2fa1-41d2-883f-0016d3cca427 --json | jq .state")]
struct ShowArgs {
    /// The dispatch.
    #[arg(value_name = "ID")]
    id: String,
}

impl DispatchesArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            DispatchesVerb::List(args) => list(args, context),
            DispatchesVerb::Show(args) => show(&args.id, context),
        }
    }
}

fn statuses() -> PossibleValuesParser {
    PossibleValuesParser::new(DispatchState::ALL.iter().map(|status| status.word()))
}

fn list(args: ListArgs, context: &Context) -> Result<Exit, CommandError> {
    let query = WorkQuery {
        status: args.status.as_deref().and_then(DispatchState::of),
        agent: args.agent,
        limit: Some(args.limit.limit),
        before: args.limit.before,
    };
    let api = context.api(&context.settings()?)?;
    let page = block_on_call(async { offered(api.dispatches(&query).await) })?;
    if page.rows.is_empty() {
        context.out.note("there is no such dispatch");
    }
    let headings = &["id", "status", "to", "agent", "updated", "message"];
    listed::print(&page, headings, row, DispatchShown::to_json, context)?;
    Ok(Exit::Done)
}

fn row(dispatch: &DispatchShown) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        dispatch.dispatch_id.clone(),
        dispatch.status.word().to_owned(),
        dispatch.target_server.clone(),
        or_dash(&dispatch.agent_id),
        dispatch.updated_at.clone(),
        or_dash(&dispatch.message),
    ]
}

fn show(id: &str, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async { known(id, api.dispatch_shown(id).await) })?;
    context.out.answer(&answer, shown::dispatch)?;
    Ok(Exit::Done)
}

/// The answer about one dispatch.
pub(super) fn known<T>(id: &str, answer: Result<T, ClientError>) -> Result<T, CommandError> {
    answer.map_err(|error| match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => {
            let message = format!("the server tells of no dispatch `{id}`");
            CommandError::new(Kind::NotFound, message).with_hint(
                "`kite openintent dispatches list` shows those there are; `--server` and `--team` say where it looks",
            )
        }
        error => unoffered(error),
    })
}
