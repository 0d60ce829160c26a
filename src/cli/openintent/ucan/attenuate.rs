//! `kite openintent ucan attenuate`: a part of a token, for somebody further on.

use clap::Args;

use super::super::super::context::Context;
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::given;
use super::scope::ScopeArgs;
use crate::openintent::ucan::UCANToken;

/// Make a token of a token: for somebody further on, with no more than the first has.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent ucan attenuate --key b.key --audience did:web:c.example --token @token.txt
  kite openintent ucan attenuate --key b.key --audience did:web:c.example \\
    --permission events.log --token - < token.txt

The key is that of the token's audience, who passes it on. What is not said of the scope stays as
the token has it, with one hop less; what it does not have is not added.")]
pub(super) struct AttenuateArgs {
    /// The key file of the token's audience.
    #[arg(long, value_name = "FILE")]
    key: String,
    /// For whom.
    #[arg(long, value_name = "DID", value_parser = super::did)]
    audience: String,
    /// The token that is passed on.
    #[arg(long, value_name = "TOKEN|@FILE|-")]
    token: String,
    #[command(flatten)]
    scope: ScopeArgs,
    /// List all tokens that it stands on, as the SDK does, and not the last alone.
    #[arg(long)]
    list_all: bool,
}

pub(super) fn run(args: AttenuateArgs, context: &Context) -> Result<Exit, CommandError> {
    let key = given::key(&args.key)?;
    let parent = given::text("the token", &args.token)?;
    let token = UCANToken::decode(&parent).map_err(super::refused)?;
    let wanted = args.scope.over(token.scope)?;
    let (now, nonce) = (super::now_unix(), super::nonce());
    let child = UCANToken::attenuate(
        &parent,
        &args.audience,
        &wanted,
        now,
        &nonce,
        &key,
        args.list_all,
    );
    super::show(child.map_err(super::refused)?, context)
}
