//! `kite openintent intents`: the work that other servers, or own agents, have given to the team's agents.

mod assign;
mod list;
mod report;

use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::{CommandError, Kind};
use super::super::exit::Exit;
use super::{shown, unoffered};
use crate::client::ClientError;
use crate::openintent::work::Verb;

/// Work on intents: list them, take one on, say how far it is, finish it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents list --status accepted
  kite openintent intents accept fed-0192f0c1
  kite openintent intents progress fed-0192f0c1 --state '{\"rows\": 7}' --usage llm_tokens=120
  kite openintent intents complete fed-0192f0c1 --result @result.json

What is said of an intent goes to the server that dispatched it, signed, again and again until it
arrives. `kite help openintent` has an agent as a shell script.")]
pub(super) struct IntentsArgs {
    #[command(subcommand)]
    verb: IntentsVerb,
}

#[derive(Debug, Subcommand)]
enum IntentsVerb {
    List(list::ListArgs),
    Show(ShowArgs),
    Assign(Box<assign::AssignArgs>),
    Accept(report::AcceptArgs),
    Progress(report::ProgressArgs),
    Complete(report::CompleteArgs),
    Fail(report::FailArgs),
}

/// Show an intent: its state, what may be done, what was used.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent intents show fed-0192f0c1
  kite openintent intents show --json | jq .state

Without an id it is the one of KITE_INTENT_ID, as a command of --exec finds it.")]
struct ShowArgs {
    /// The intent; otherwise that of KITE_INTENT_ID.
    #[arg(value_name = "ID")]
    id: Option<String>,
}

impl IntentsArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            IntentsVerb::List(args) => list::run(args, context),
            IntentsVerb::Show(args) => show(args, context),
            IntentsVerb::Assign(args) => assign::run(*args, context),
            IntentsVerb::Accept(args) => {
                let heading = "The agent works on the intent";
                report::run(Verb::Accept, heading, args.report, args.approve, context)
            }
            IntentsVerb::Progress(args) => {
                let heading = "The intent has come further";
                report::run(Verb::Progress, heading, args.report, false, context)
            }
            IntentsVerb::Complete(args) => {
                let heading = "The intent is completed";
                report::run(Verb::Complete, heading, args.report, false, context)
            }
            IntentsVerb::Fail(args) => {
                report::run(Verb::Fail, shown::FAILED, args.report, false, context)
            }
        }
    }
}

fn show(args: ShowArgs, context: &Context) -> Result<Exit, CommandError> {
    let id = meant(args.id, context)?;
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async { known(&id, api.intent(&id).await) })?;
    context.out.answer(&answer, shown::intent)?;
    Ok(Exit::Done)
}

/// The intent that a command is about: the one that was named, else that of the environment.
fn meant(given: Option<String>, context: &Context) -> Result<String, CommandError> {
    let id = given.or_else(|| context.environment.intent_id.clone());
    id.filter(|id| !id.is_empty()).ok_or_else(|| {
        CommandError::usage("no intent is named").with_hint(
            "give its id, or set KITE_INTENT_ID; `kite openintent intents list` shows those there are",
        )
    })
}

/// The answer about one intent.
fn known<T>(id: &str, answer: Result<T, ClientError>) -> Result<T, CommandError> {
    answer.map_err(|error| match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => {
            CommandError::new(Kind::NotFound, format!("there is no intent `{id}`")).with_hint(
                "`kite openintent intents list` shows those there are; `--server` and `--team` say where it looks",
            )
        }
        // Its scope or its conditions forbid it more often than the key.
        ClientError::Refused(refusal) if refusal.status == 403 => {
            CommandError::new(Kind::NotPermitted, refusal.to_string()).with_hint(format!(
                "`kite openintent intents show {id}` shows what may be done; `kite status` what the key may do"
            ))
        }
        error => unoffered(error),
    })
}
