//! `kite openintent dispatch`: an intent for another server.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::scope::ScopeArgs;
use super::{given, offered, server_url};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DispatchResult, FederationPolicy};

/// Send an intent to another server, by the login's server. It answers as soon as the dispatch is stored.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent dispatch --to https://partner.example --intent intent_01 --title 'Look at the data'
  kite openintent dispatch --to https://partner.example --intent intent_01 --agent analyst \\
    --state @state.json --permission state.patch --depth 0 --expires 24h --ucan @token.txt

JSON is given itself, or as @FILE. The server delivers by its outbox and goes on for a day; what the
other server says of the intent comes back as a message or an event. The same --idempotency-key again
is the same dispatch.")]
pub(super) struct DispatchArgs {
    /// The server that is to work, by its URL.
    #[arg(long, value_name = "URL", value_parser = server_url)]
    to: String,
    /// The intent's id here.
    #[arg(long, value_name = "ID")]
    intent: String,
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
}

pub(super) fn run(args: DispatchArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let body = body(args)?;
    let answer = block_on_call(async { offered(api.dispatch(&body, None).await) })?;
    context.out.answer(&answer, words)?;
    Ok(Exit::Done)
}

/// The request (OpenIntent rules, section 13.5).
fn body(args: DispatchArgs) -> Result<Object, CommandError> {
    let object = |what: &str, text: Option<String>| {
        let object = text.map(|text| given::object(what, &text)).transpose()?;
        Ok::<_, CommandError>(object.map(Json::from))
    };
    let policy = object("`--policy`", args.policy)?;
    if let Some(policy) = &policy {
        FederationPolicy::from_json(policy)
            .map_err(|fault| CommandError::usage(format!("`--policy` cannot be used: {fault}")))?;
    }
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
        ("federation_policy", policy),
        ("callback_url", args.callback.map(Json::from)),
        ("trace_context", trace.map(Json::from)),
        ("idempotency_key", args.idempotency_key.map(Json::from)),
        ("ucan", ucan.map(Json::from)),
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
