//! `kite openintent`: the servers that speak OpenIntent, what goes to them, and the signatures and tokens of it.

mod agents;
mod callback;
mod discover;
mod dispatch;
mod dispatches;
mod documents;
mod envelope;
mod given;
mod identity;
mod intents;
mod listed;
mod outcome;
mod patience;
mod run;
mod scope;
mod shown;
mod status;
mod trust;
mod ucan;
mod usage;

use clap::{Args, Subcommand};

use super::context::Context;
use super::error::{CommandError, Kind};
use super::exit::Exit;
use crate::client::{ClientError, Refusal};

/// Exchange intents with other servers by OpenIntent, and work on them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent status
  kite openintent discover https://partner.example
  kite openintent trust add https://partner.example
  kite openintent dispatch --to https://partner.example --intent intent_01 --title 'Look at the data'
  kite openintent intents complete fed-0192f0c1 --result '{\"rows\": 7}'
  kite openintent run pipeline.yaml
  kite openintent ucan inspect - < token.txt

`kite help openintent` explains how servers come to take each other's intents.")]
pub(super) struct OpenIntentArgs {
    #[command(subcommand)]
    verb: OpenIntentVerb,
}

#[derive(Debug, Subcommand)]
enum OpenIntentVerb {
    Status(status::StatusArgs),
    Discover(discover::DiscoverArgs),
    Agents(agents::AgentsArgs),
    Dispatch(Box<dispatch::DispatchArgs>),
    Dispatches(dispatches::DispatchesArgs),
    Run(run::RunArgs),
    Intents(intents::IntentsArgs),
    Callback(callback::CallbackArgs),
    Identity(identity::IdentityArgs),
    Ucan(ucan::UcanArgs),
    Envelope(envelope::EnvelopeArgs),
    Trust(trust::TrustArgs),
}

impl OpenIntentArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            OpenIntentVerb::Status(args) => status::run(args, context),
            OpenIntentVerb::Discover(args) => discover::run(args, context),
            OpenIntentVerb::Agents(args) => agents::run(args, context),
            OpenIntentVerb::Dispatch(args) => dispatch::run(*args, context),
            OpenIntentVerb::Dispatches(args) => args.run(context),
            OpenIntentVerb::Run(args) => run::run(args, context),
            OpenIntentVerb::Intents(args) => args.run(context),
            OpenIntentVerb::Callback(args) => callback::run(args, context),
            OpenIntentVerb::Identity(args) => args.run(context),
            OpenIntentVerb::Ucan(args) => args.run(context),
            OpenIntentVerb::Envelope(args) => args.run(context),
            OpenIntentVerb::Trust(args) => args.run(context),
        }
    }
}

/// What a server says to what is sent to it while it does not take part (OpenIntent rules, section 13.5).
const SWITCHED_OFF: &str = "Federation not enabled";

/// How a server begins that has it switched off and is asked for what is kept under its own API.
const OFF_HERE: &str = "OpenIntent is off on this server";

/// The answer of a path that every server has that speaks OpenIntent: 404 means that this one does not, or has it
/// switched off; where something is sent to it, 400 with these words does.
fn offered<T>(answer: Result<T, ClientError>) -> Result<T, CommandError> {
    answer.map_err(unoffered)
}

/// Why such a path gave no answer.
fn unoffered(error: ClientError) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.is_unserved() || is_off(&refusal) => {
            let message = "the server does not take part in OpenIntent's federation";
            CommandError::new(Kind::NotFound, message).with_hint(
                "it is switched off there (`kite serve --openintent`, with a `--public-url` that others can call), or the \
                 server does not know it; `--server` names another one",
            )
        }
        error => error.into(),
    }
}

/// Whether a server says that it does not take part.
fn is_off(refusal: &Refusal) -> bool {
    refusal.text == SWITCHED_OFF || refusal.text.starts_with(OFF_HERE)
}

/// The answer of a server that is named by its URL, and not the login's.
fn asked<T>(answer: Result<T, ClientError>) -> Result<T, CommandError> {
    match answer {
        Err(error @ (ClientError::Unreachable { .. } | ClientError::Lost { .. })) => {
            let error = CommandError::from(error);
            Err(error.with_hint("check the URL, and that a server runs there"))
        }
        answer => offered(answer),
    }
}

/// The URL of a server, as it is typed.
fn server_url(text: &str) -> Result<String, String> {
    let rest = text.split_once("://").filter(|(scheme, rest)| {
        !rest.is_empty()
            && ["http", "https"]
                .iter()
                .any(|it| it.eq_ignore_ascii_case(scheme))
    });
    match rest {
        Some(_) => Ok(text.to_owned()),
        None => Err("use the server's URL, such as https://partner.example".to_owned()),
    }
}
