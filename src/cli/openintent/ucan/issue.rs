//! `kite openintent ucan issue`: the first token of a chain.

use std::time::Duration;

use clap::Args;

use super::super::super::context::Context;
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::given;
use super::scope::ScopeArgs;
use crate::base::duration;
use crate::openintent::model::DelegationScope;
use crate::openintent::ucan::UCANToken;

/// Make a token that stands on nothing but its issuer's word.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent ucan issue --key a.key --issuer did:web:a.example --audience did:web:b.example \\
    --permission state.patch,events.log --depth 2 --ttl 1h
  kite openintent ucan issue --key a.key --issuer did:web:a.example --audience did:web:b.example --json

The key file holds 32 raw bytes or a PKCS#8 key in PEM. --depth is how often the token may be passed
on; without it once.")]
pub(super) struct IssueArgs {
    /// The issuer's key file.
    #[arg(long, value_name = "FILE")]
    key: String,
    /// Whose word it is.
    #[arg(long, value_name = "DID", value_parser = super::did)]
    issuer: String,
    /// For whom.
    #[arg(long, value_name = "DID", value_parser = super::did)]
    audience: String,
    #[command(flatten)]
    scope: ScopeArgs,
    /// How long it holds.
    #[arg(long, value_name = "DUR", default_value = "1h", value_parser = duration::parse_some)]
    ttl: Duration,
}

pub(super) fn run(args: IssueArgs, context: &Context) -> Result<Exit, CommandError> {
    let key = given::key(&args.key)?;
    let scope = args.scope.over(DelegationScope::default())?;
    let now = super::now_unix();
    let mut token = UCANToken::new(args.issuer, args.audience, scope, now, super::nonce());
    let ttl = i64::try_from(args.ttl.as_secs()).unwrap_or(i64::MAX);
    token.exp = now.saturating_add(ttl);
    super::show(token.encode(&key), context)
}
