//! `kite openintent dispatch`: an intent for another server.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::Notify;

use super::super::context::{Context, block_on_call};
use super::super::error::{CommandError, Kind};
use super::super::exit::Exit;
use super::super::render;
use super::patience::persist;
use super::scope::ScopeArgs;
use super::{given, offered, outcome, server_url, shown};
use crate::base::{duration, random};
use crate::client::Api;
use crate::client::api::Answer;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DispatchResult, DispatchState};
use crate::openintent::work::DispatchShown;
use crate::protocol::id::AgentId;

/// Send an intent to another server, by the login's server. It answers as soon as the dispatch is stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent dispatch --to https://partner.example --intent intent_01 --title 'Look at the data'
  kite openintent dispatch --to https://partner.example --intent intent_01 --agent analyst \\
    --state @state.json --permission state.patch --depth 0 --expires 24h --ucan @token.txt
  kite openintent dispatch --to https://partner.example --intent intent_01 --agent analyst \\
    --from boss --wait=1h --json | jq .state

JSON is given itself, or as @FILE. The server delivers by its outbox and goes on for a day; what the
other server says of the intent comes back as a message to the agent of --from, or as an event. The
same --idempotency-key again is the same dispatch.

--wait says each news on stderr and prints the dispatch when nothing more follows: it ends with 0 for
one that is completed, 1 for one that has failed or was not wanted, and 8 where the time is over; the
dispatch goes on all the same. --retry-for needs a server that knows a dispatch again by its key, as
kite's does.")]
pub(super) struct DispatchArgs {
    /// The server that is to work, by its URL.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    to: String,
    /// The intent's id here.
    #[arg(long, value_name = "ID")]
    intent: String,
    /// The own agent that sends it, and is told what becomes of it.
    #[arg(long, value_name = "ID")]
    from: Option<AgentId>,
    /// The agent there that it is for.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// The intent in a line.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
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
    /// Where the other server tells the outcome.
    #[arg(long, value_name = "URL")]
    callback: Option<String>,
    /// The id of the trace that it belongs to.
    #[arg(long, value_name = "ID")]
    trace: Option<String>,
    /// By what a repeat is known.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A delegation token that goes with it; `-` reads it from stdin.
    #[arg(long, value_name = "TOKEN|@FILE|-", allow_hyphen_values = true)]
    ucan: Option<String>,
    /// Let the server make a delegation token for the other one, where the intent has none. It counts this hop: `--depth 1`
    /// leaves no further one.
    #[arg(long, conflicts_with = "ucan")]
    issue_token: bool,
    /// Wait for the end of the work and print the dispatch.
    #[arg(long, value_name = "DUR", num_args = 0..=1, require_equals = true,
          default_missing_value = "10m", value_parser = duration::parse)]
    wait: Option<Duration>,
    /// How long to try again while the server is away or fails.
    #[arg(long, value_name = "DUR", default_value = "0s", value_parser = duration::parse)]
    retry_for: Duration,
}

pub(super) fn run(mut args: DispatchArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let api = context.api(&settings)?;
    let (from, wait, limit) = (args.from.take(), args.wait, args.retry_for);
    if !limit.is_zero() {
        args.idempotency_key.get_or_insert_with(random::uuid4);
    }
    let body = body(args)?;
    block_on_call(async {
        let call = async || api.dispatch(&body, from.as_ref()).await;
        let sent = offered(persist(limit, context.out, call).await)?;
        let Some(wait) = wait else {
            context.out.answer(&sent, words)?;
            return Ok(Exit::Done);
        };
        let bell = Arc::new(Notify::new());
        let ring = outcome::ring(from.as_ref(), bell.clone(), context, &settings);
        tokio::select! {
            biased;
            never = ring => match never {},
            result = see_through(&sent.value, wait, &api, &bell, context) => result,
        }
    })
}

/// Waits for the end of a dispatch, prints it, and says how it ended.
async fn see_through(
    sent: &DispatchResult,
    limit: Duration,
    api: &Api,
    bell: &Notify,
    context: &Context,
) -> Result<Exit, CommandError> {
    let (id, out) = (&sent.dispatch_id, context.out);
    let words = format!("dispatched as `{id}`");
    out.event("dispatched", &words, &[("dispatch_id", id.as_str().into())]);
    let seen = outcome::end_of(id, limit, api, out, bell).await?;
    if let Some(seen) = &seen {
        out.answer(seen, shown::dispatch)?;
    }
    ended(
        id,
        limit,
        seen.map(|seen: Answer<DispatchShown>| seen.value),
    )
}

/// How it ended, or that it did not.
fn ended(id: &str, limit: Duration, seen: Option<DispatchShown>) -> Result<Exit, CommandError> {
    let state = seen.as_ref().map_or(DispatchState::Queued, |it| it.status);
    let why = seen.and_then(|seen| seen.message);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    match state {
        DispatchState::Completed => Ok(Exit::Done),
        DispatchState::Failed => Err(CommandError::failed(format!("dispatch `{id}` failed{why}"))),
        DispatchState::Rejected => {
            let message = format!("dispatch `{id}` was not wanted{why}");
            Err(CommandError::failed(message))
        }
        DispatchState::Queued | DispatchState::Undelivered | DispatchState::Delivered => {
            let limit = duration::text(limit);
            let message = format!("dispatch `{id}` has not ended within {limit}");
            Err(
                CommandError::new(Kind::NothingCame, message).with_hint(format!(
                    "it goes on; `kite openintent dispatches show {id}` shows how it stands"
                )),
            )
        }
    }
}

/// The request (OpenIntent rules, section 13.5).
fn body(args: DispatchArgs) -> Result<Object, CommandError> {
    let object = |what: &str, text: Option<String>| {
        let object = text.map(|text| given::object(what, &text)).transpose()?;
        Ok::<_, CommandError>(object.map(Json::from))
    };
    let policy = args.policy.as_deref().map(given::policy).transpose()?;
    let trace = args
        .trace
        .map(|id| Object::from([("trace_id".to_owned(), id.into())]));
    let ucan = args.ucan.map(|given| given::token(&given)).transpose()?;
    let members = [
        ("target_server", Some(args.to.into())),
        ("intent_id", Some(args.intent.into())),
        ("agent_id", args.agent.map(Json::from)),
        ("intent_title", args.title.map(Json::from)),
        ("intent_description", args.description.map(Json::from)),
        ("intent_state", object("`--state`", args.state)?),
        (
            "intent_constraints",
            object("`--constraints`", args.constraints)?,
        ),
        (
            "delegation_scope",
            args.scope.scope()?.map(|scope| scope.to_json()),
        ),
        (
            "federation_policy",
            policy.map(|(said, _)| Json::from(said)),
        ),
        ("callback_url", args.callback.map(Json::from)),
        ("trace_context", trace.map(Json::from)),
        ("idempotency_key", args.idempotency_key.map(Json::from)),
        ("ucan", ucan.map(Json::from)),
        ("issue_token", args.issue_token.then_some(Json::Bool(true))),
    ];
    let said = members.into_iter();
    Ok(said
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect())
}

fn words(result: &DispatchResult) -> String {
    let facts = [
        ("dispatch", result.dispatch_id.clone()),
        ("to", result.target_server.clone()),
        ("status", result.status.word().to_owned()),
        ("message", result.message.clone()),
    ];
    render::facts("Dispatched", &facts)
}
