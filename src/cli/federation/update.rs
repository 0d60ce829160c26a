//! `kite federation peers update`: other limits, another address, new tokens.

use std::time::Duration;

use clap::{ArgGroup, Args};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::add::TokenArgs;
use super::peers::Named;
use super::{peer, told};
use crate::base::duration;
use crate::protocol::federation::PeerChange;

/// Change a peer: what is not given stays.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("change").required(true).multiple(true).args([
        "name", "hook_url", "scopes", "max_hops", "rate", "discovery", "outbound_token", "inbound_token",
    ]),
    override_usage = "kite federation peers update [OPTIONS] <PEER>",
    after_help = "\
Examples:
  kite federation peers update b --scope 'stripe.*' --scope 'github.*'
  kite federation peers update b --discovery on
  kite federation tokens create --label b --json | jq -r .token |
    kite federation peers update b --inbound-token -

A new inbound token leaves the one before valid for ten minutes, or for --overlap; the other side
takes it as its outbound token meanwhile, and nothing is lost. A new outbound token is used from the
next post on. `-` reads a token from stdin, one on a line; of two the outbound token comes first."
)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    named: Named,
    /// What to call it from now on.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where events for it are posted from now on.
    #[arg(long, value_name = "URL")]
    hook_url: Option<String>,
    /// Which types go to it from now on, such as `stripe.*`; may be repeated.
    #[arg(long = "scope", value_name = "GLOB", value_delimiter = ',')]
    scopes: Option<Vec<String>>,
    /// How far an event may come or have come: 1 to 16 instances.
    #[arg(long, value_name = "N")]
    max_hops: Option<u64>,
    /// Posts a second, each way.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Whether the peer is told of the others that have this on, and they of it.
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    discovery: Option<bool>,
    #[command(flatten)]
    tokens: TokenArgs,
    /// How long the inbound token before stays valid (30s, 5m, 24h), a day at most.
    #[arg(long, value_name = "DUR", value_parser = duration::parse, requires = "inbound_token")]
    overlap: Option<Duration>,
}

fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("use `on` or `off`"),
    }
}

pub(super) fn run(args: UpdateArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (outbound_token, inbound_token) = args.tokens.read(context)?;
    let change = PeerChange {
        name: args.name,
        status: None,
        peer_hook_url: args.hook_url,
        scopes: args.scopes,
        max_hops: args.max_hops,
        rate_limit_per_sec: args.rate,
        discovery: args.discovery,
        outbound_token,
        inbound_token,
        overlap_secs: args.overlap.map(|overlap| overlap.as_secs()),
    };
    let answer = block_on_call(async {
        let id = peer(&api, &args.named.peer).await?.id;
        Ok(api.change_peer(&id, &change).await?)
    })?;
    context
        .out
        .answer(&answer, |peer| told("Changed peer", peer))?;
    Ok(Exit::Done)
}
