//! `kite endpoints`: the addresses that webhooks are posted to.

use clap::{Args, Subcommand};

use super::context::Context;
use super::endpoints_create::{self, CreateArgs};
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use super::stdin;
use super::text::visible;
use crate::client::rpc::Caller;
use crate::protocol::rpc::{ById, Hook, HookDeactivated, HooksRotateSecret};

/// Make and manage the addresses that webhooks are posted to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite endpoints create --source github
  kite endpoints list
  kite endpoints deactivate --source github")]
pub(super) struct EndpointsArgs {
    #[command(subcommand)]
    verb: EndpointsVerb,
}

#[derive(Debug, Subcommand)]
enum EndpointsVerb {
    Create(CreateArgs),
    List(ListArgs),
    RotateSecret(RotateArgs),
    Deactivate(DeactivateArgs),
}

/// List the team's endpoints.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite endpoints list
  kite endpoints list --json")]
struct ListArgs {}

/// Change the secret that posts are signed with; the address stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite endpoints rotate-secret --source stripe --signing-secret - < secret.txt

A kite server takes the old secret for another ten minutes.")]
struct RotateArgs {
    /// The endpoint's source.
    #[arg(long, value_name = "S")]
    source: String,
    /// The new secret; `-` reads it from stdin.
    #[arg(long, value_name = "-|SECRET", allow_hyphen_values = true)]
    signing_secret: String,
}

/// Let an endpoint take no more posts.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite endpoints deactivate --source github
  kite endpoints deactivate --id 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f

`kite endpoints create` with the same source lets it take posts again, with a new token.")]
struct DeactivateArgs {
    /// The endpoint's id.
    #[arg(long, value_name = "ID", required_unless_present = "source")]
    id: Option<String>,
    /// The endpoint's source.
    #[arg(long, value_name = "S", conflicts_with = "id")]
    source: Option<String>,
}

impl EndpointsArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            EndpointsVerb::Create(args) => endpoints_create::run(args, context),
            EndpointsVerb::List(_) => list(context),
            EndpointsVerb::RotateSecret(args) => rotate(args, context),
            EndpointsVerb::Deactivate(args) => deactivate(args, context),
        }
    }
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let answer = context.call(&settings, async |caller| Ok(caller.hooks().await?))?;
    let hooks = answer.value.hooks;
    if hooks.is_empty() {
        let words = "the team has no endpoints; `kite endpoints create --source S` makes one";
        context.out.note(words);
    }
    let headings = &["id", "source", "state", "signed", "created"];
    context.out.list(&hooks, headings, row)?;
    Ok(Exit::Done)
}

fn row(hook: &Hook) -> Vec<String> {
    let state = if hook.active { "active" } else { "deactivated" };
    let signed = if hook.webhook_secret_configured {
        "yes"
    } else {
        "no"
    };
    vec![
        hook.id.clone(),
        hook.source.clone(),
        state.to_owned(),
        signed.to_owned(),
        hook.created_at.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

fn rotate(args: RotateArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let params = HooksRotateSecret {
        source: args.source,
        webhook_secret: signing_secret(args.signing_secret, context)?,
    };
    let answer = context.call(&settings, async |caller| {
        Ok(caller.rotate_hook_secret(&params).await?)
    })?;
    context.out.answer(&answer, |hook| {
        let facts = [("id", hook.id.clone()), ("source", hook.source.clone())];
        render::facts("Changed the signing secret", &facts)
    })?;
    Ok(Exit::Done)
}

fn deactivate(args: DeactivateArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let answer = context.call(&settings, async |caller| {
        let id = match (args.id, args.source) {
            (None, Some(source)) => id_of(&source, caller).await?,
            // The parser saw to it that there is one.
            (id, _) => id.unwrap_or_default(),
        };
        Ok(caller.deactivate_hook(&ById { id }).await?)
    })?;
    let words = |hook: &HookDeactivated| format!("Deactivated endpoint {}", visible(&hook.id));
    context.out.answer(&answer, words)?;
    Ok(Exit::Done)
}

async fn id_of(source: &str, caller: &mut Caller) -> Result<String, CommandError> {
    let hooks = caller.hooks().await?.value.hooks;
    let found = hooks.into_iter().find(|hook| hook.source == source);
    found
        .map(|hook| hook.id)
        .ok_or_else(|| CommandError::no_endpoint(source))
}

/// A signing secret as it was given: `-` stands for stdin, where one line break at the end is left out.
pub(super) fn signing_secret(given: String, context: &Context) -> Result<String, CommandError> {
    secret_of("--signing-secret", given, context)
}

/// The secret of a flag, likewise.
pub(super) fn secret_of(
    flag: &str,
    given: String,
    context: &Context,
) -> Result<String, CommandError> {
    let secret = if given == "-" {
        without_line_break(&stdin::secret("the secret")?)
    } else {
        context.out.note(&format!(
            "others can see the secret in the process list; `{flag} -` reads it from stdin"
        ));
        given
    };
    match secret.is_empty() {
        true => Err(CommandError::usage("the secret is empty")),
        false => Ok(secret),
    }
}

/// A secret from a file or stdin, where editors and `echo` put a line break at the end.
pub(super) fn without_line_break(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).to_owned()
}
