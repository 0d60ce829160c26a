//! `kite federation peers`: who they are.

use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::text::visible;
use super::{add, discover, offered, peer, told, update};
use crate::client::Api;
use crate::protocol::federation::{Peer, PeerChange, PeerStatus, PeerTest};

/// Add, list and change peers: the instances that events go to and come from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation peers add --instance-id b --hook-url https://b.example/hooks/default/kite
  kite federation peers list
  kite federation peers pause b

PEER is a peer's name, the id of its instance, or its own id.")]
pub(super) struct PeersArgs {
    #[command(subcommand)]
    verb: PeersVerb,
}

#[derive(Debug, Subcommand)]
enum PeersVerb {
    Add(add::AddArgs),
    List(ListArgs),
    Show(ShowArgs),
    Update(update::UpdateArgs),
    Pause(PauseArgs),
    Resume(ResumeArgs),
    Revoke(RevokeArgs),
    Remove(RemoveArgs),
    Test(TestArgs),
    Discover(discover::DiscoverArgs),
}

/// List the team's peers.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation peers list
  kite federation peers list --json")]
struct ListArgs {}

/// The peer that a command is about.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// Its name, the id of its instance, or its own id.
    #[arg(value_name = "PEER")]
    pub(super) peer: String,
}

/// Show a peer. Its tokens are shown to nobody.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kite federation peers show b --json")]
struct ShowArgs {
    #[command(flatten)]
    named: Named,
}

/// Let everything for a peer wait, and take nothing from it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation peers pause b

What is stored meanwhile waits too, for a week at most, and goes out after `resume`.")]
struct PauseArgs {
    #[command(flatten)]
    named: Named,
}

/// Let events go to a peer and come from it again.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation peers resume b

A peer that was revoked gets what is stored from now on; what waited for it was cancelled.")]
struct ResumeArgs {
    #[command(flatten)]
    named: Named,
}

/// Send a peer nothing more, take nothing from it, and cancel what waits for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation peers revoke b

The peer stays in the list, and `resume` takes it up again with the same tokens; `remove` is for good.
What waits for it is cancelled for good: if something does, that takes --yes.")]
struct RevokeArgs {
    #[command(flatten)]
    named: Named,
    /// Revoke it also if events wait for it: they do not go out any more.
    #[arg(long)]
    yes: bool,
}

/// Remove a peer with its tokens, and cancel what waits for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation peers remove b

If events wait for it, that takes --yes: they do not go out any more.")]
struct RemoveArgs {
    #[command(flatten)]
    named: Named,
    /// Remove it also if events wait for it.
    #[arg(long)]
    yes: bool,
}

/// Post something to a peer that it does not keep, and say what it answers.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation peers test b

Exit code 0 means that the peer took it: address, token and signature are right.")]
struct TestArgs {
    #[command(flatten)]
    named: Named,
}

impl PeersArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        let set = |named: Named, status, heading| set(named, status, heading, context);
        match self.verb {
            PeersVerb::Add(args) => add::run(args, context),
            PeersVerb::List(_) => list(context),
            PeersVerb::Show(args) => show(args.named, context),
            PeersVerb::Update(args) => update::run(args, context),
            PeersVerb::Pause(args) => set(args.named, PeerStatus::Paused, "Paused peer"),
            PeersVerb::Resume(args) => set(args.named, PeerStatus::Active, "Resumed peer"),
            PeersVerb::Revoke(args) => revoke(args, context),
            PeersVerb::Remove(args) => remove(args, context),
            PeersVerb::Test(args) => test(args.named, context),
            PeersVerb::Discover(args) => discover::run(args, context),
        }
    }
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let peers = block_on_call(async { offered(api.peers().await) })?;
    if peers.is_empty() {
        let words = "the team has no peers; `kite federation invite` connects one, or `kite federation peers add`";
        context.out.note(words);
    }
    let headings = &["name", "instance id", "status", "scopes", "hook url", "id"];
    // The name is enough for every command.
    let columns = match context.out.is_terminal() {
        true => headings.len() - 1,
        false => headings.len(),
    };
    context.out.fitted(&peers, &headings[..columns], |peer| {
        row(peer).into_iter().take(columns).collect()
    })?;
    Ok(Exit::Done)
}

fn row(peer: &Peer) -> Vec<String> {
    vec![
        peer.name.clone(),
        peer.peer_instance_id.clone(),
        peer.status.word().to_owned(),
        peer.scopes.join(","),
        peer.peer_hook_url.clone(),
        peer.id.clone(),
    ]
}

fn show(named: Named, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let peer = block_on_call(peer(&api, &named.peer))?;
    context.out.show(&peer, |peer| told("Peer", peer))?;
    Ok(Exit::Done)
}

fn set(
    named: Named,
    status: PeerStatus,
    heading: &str,
    context: &Context,
) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async {
        let id = peer(&api, &named.peer).await?.id;
        Ok(api.change_peer(&id, &to(status)).await?)
    })?;
    context.out.answer(&answer, |peer| told(heading, peer))?;
    Ok(Exit::Done)
}

fn to(status: PeerStatus) -> PeerChange {
    PeerChange {
        status: Some(status),
        ..PeerChange::default()
    }
}

fn revoke(args: RevokeArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async {
        let peer = let_go(&api, &args.named, args.yes).await?;
        Ok(api.change_peer(&peer.id, &to(PeerStatus::Revoked)).await?)
    })?;
    context
        .out
        .answer(&answer, |peer| told("Revoked peer", peer))?;
    Ok(Exit::Done)
}

/// The peer that is to get nothing any more. Where events wait for it, that has to be said: nothing brings them back.
async fn let_go(api: &Api, named: &Named, is_sure: bool) -> Result<Peer, CommandError> {
    let peer = peer(api, &named.peer).await?;
    if is_sure {
        return Ok(peer);
    }
    let health = offered(api.federation_status().await)?;
    let waiting = health.iter().find(|it| it.peer_id == peer.id);
    match waiting.map_or(0, |health| health.backlog) {
        0 => Ok(peer),
        waiting => Err(CommandError::usage(format!(
            "{waiting} events wait for `{}` and would never go out",
            visible(&peer.name)
        ))
        .with_hint(
            "`kite federation outbox list --peer PEER` shows them, `pause` keeps them, `--yes` lets them go",
        )),
    }
}

fn remove(args: RemoveArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async {
        let peer = let_go(&api, &args.named, args.yes).await?;
        Ok(api.remove_peer(&peer.id).await?)
    })?;
    context
        .out
        .answer(&answer, |peer| told("Removed peer", peer))?;
    Ok(Exit::Done)
}

fn test(named: Named, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let answer = block_on_call(async {
        let id = peer(&api, &named.peer).await?.id;
        Ok(api.test_peer(&id).await?)
    })?;
    context
        .out
        .answer(&answer, |outcome| words(&named.peer, outcome))?;
    Ok(match answer.value.is_taken() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn words(named: &str, outcome: &PeerTest) -> String {
    let heading = match outcome.is_taken() {
        true => format!("Peer {named} took it"),
        false => format!("Peer {named} did not take it"),
    };
    let status = outcome.status_code.map(|status| status.to_string());
    let facts = [
        ("status", status),
        ("latency", Some(format!("{} ms", outcome.latency_ms))),
        ("reason", outcome.error.clone()),
    ];
    let facts: Vec<_> = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    render::facts(&heading, &facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_stores_what_it_is_tested_with_has_taken_it_and_says_so() {
        let outcome = |status_code, error: Option<&str>| PeerTest {
            status_code,
            latency_ms: 7,
            error: error.map(str::to_owned),
        };
        let stored = outcome(Some(202), Some("it may have stored it"));
        assert!(stored.is_taken());
        let text = words("b", &stored);
        assert!(text.contains("took it"), "{text}");
        assert!(text.contains("may have stored"), "{text}");
        let refused = outcome(Some(401), None);
        assert!(!refused.is_taken());
        assert!(words("b", &refused).contains("did not"));
        assert!(!outcome(None, Some("no connection")).is_taken());
    }
}
