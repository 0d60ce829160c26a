//! `kite openintent status`: what the server says of its federation.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::offered;
use crate::openintent::model::FederationStatus;

/// Show how the server takes part in the federation: its DID, its trust policy, its counters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent status
  kite openintent status --json | jq .active_dispatches")]
pub(super) struct StatusArgs {}

pub(super) fn run(_: StatusArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async { offered(api.openintent_status().await) })?;
    context.out.answer(&answer, words)?;
    Ok(Exit::Done)
}

fn words(status: &FederationStatus) -> String {
    if !status.enabled {
        return "OpenIntent's federation is switched off".to_owned();
    }
    let did = status.server_did.clone();
    let facts = [
        ("DID", did.unwrap_or_else(|| "unknown".to_owned())),
        ("trust policy", status.trust_policy.word().to_owned()),
        ("servers trusted", status.peer_count.to_string()),
        ("dispatches under way", status.active_dispatches.to_string()),
        ("dispatches in all", status.total_dispatches.to_string()),
        ("intents received", status.total_received.to_string()),
    ];
    render::facts("OpenIntent's federation is on", &facts)
}
