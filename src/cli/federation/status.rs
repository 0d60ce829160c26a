//! `kite federation status`: how each peer does.

use clap::Args;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::{offered, or_dash};
use crate::protocol::federation::PeerHealth;

/// Show how each peer does: what waits for it, and whether it takes it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation status
  kite federation status --json | jq 'select(.failures > 0)'")]
pub(super) struct StatusArgs {}

pub(super) fn run(_: StatusArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let peers = block_on_call(async { offered(api.federation_status().await) })?;
    if peers.is_empty() {
        let words = "the team has no peers; `kite federation peers add` makes one";
        context.out.note(words);
    }
    let headings = &[
        "peer",
        "status",
        "backlog",
        "oldest",
        "dead",
        "last success",
        "failures",
        "next attempt",
        "last error",
    ];
    context.out.list(&peers, headings, row)?;
    Ok(Exit::Done)
}

fn row(peer: &PeerHealth) -> Vec<String> {
    // What once went wrong is no news of a peer that does well.
    let error = peer.last_error.as_ref().filter(|_| peer.failures > 0);
    vec![
        peer.peer.clone(),
        peer.status.word().to_owned(),
        peer.backlog.to_string(),
        or_dash(peer.oldest_secs.map(|secs| format!("{secs}s"))),
        peer.dead_letters.to_string(),
        or_dash(peer.last_success_at.as_ref()),
        peer.failures.to_string(),
        or_dash(peer.next_attempt_at.as_ref()),
        or_dash(error),
    ]
}
