//! `kite federation tokens`: good random tokens, to put into a peer.

use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::text::visible;
use super::offered;
use crate::protocol::federation::FederationToken;

/// Make tokens for peers. One opens nothing until a peer has it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation tokens create --label b
  kite federation tokens list
  kite federation tokens revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f")]
pub(super) struct TokensArgs {
    #[command(subcommand)]
    verb: TokensVerb,
}

#[derive(Debug, Subcommand)]
enum TokensVerb {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// Make a token. It is shown this once.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation tokens create --label b --json | jq -r .token |
    kite federation peers update b --inbound-token -")]
struct CreateArgs {
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    label: String,
}

/// List the labels of the tokens that were made.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite federation tokens list --json")]
struct ListArgs {}

/// Forget the label of a token.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation tokens revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f

A peer that has the token keeps it: `kite federation peers update` gives it another one.")]
struct RevokeArgs {
    /// The token's id.
    #[arg(value_name = "ID")]
    token: String,
}

impl TokensArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            TokensVerb::Create(args) => create(args, context),
            TokensVerb::List(_) => list(context),
            TokensVerb::Revoke(args) => revoke(args, context),
        }
    }
}

fn create(args: CreateArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let made = block_on_call(async { offered(api.create_federation_token(&args.label).await) })?;
    context.out.answer(&made, words)?;
    context.out.note("the token is shown only now: keep it");
    Ok(Exit::Done)
}

fn words(made: &FederationToken) -> String {
    let facts = [
        ("id", made.id.clone()),
        ("label", made.label.clone()),
        ("token", made.token.clone().unwrap_or_default()),
    ];
    render::facts("Created federation token", &facts)
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let tokens = block_on_call(async { offered(api.federation_tokens().await) })?;
    if tokens.is_empty() {
        context.out.note("no federation token was made");
    }
    context
        .out
        .list(&tokens, &["id", "label", "created"], |token| {
            vec![
                token.id.clone(),
                token.label.clone(),
                token.created_at.clone(),
            ]
        })?;
    Ok(Exit::Done)
}

fn revoke(args: RevokeArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let gone = block_on_call(async { Ok(api.revoke_federation_token(&args.token).await?) })
        .map_err(|error| error.listed_by("kite federation tokens list"))?;
    context.out.answer(&gone, |token| {
        format!("Forgot federation token {}", visible(&token.label))
    })?;
    context
        .out
        .note("peers that have it keep it: `kite federation peers update` gives them another one");
    Ok(Exit::Done)
}
