//! `kite federation`: the other instances that the team's events go to and come from.

mod add;
mod dead_letters;
mod discover;
mod forwards;
mod invite;
mod join;
mod peers;
mod status;
mod tokens;
mod update;

use clap::{Args, Subcommand};

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::{render, text};
use crate::client::{Api, ClientError};
use crate::protocol::federation::Peer;

/// Exchange events with other instances: peers, what is on its way to them, dead letters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation invite --name b
  kite federation join -
  kite federation status
  kite federation dead-letters list

All of it needs an admin key. `kite help federation` explains how two instances are connected.")]
pub(super) struct FederationArgs {
    #[command(subcommand)]
    verb: FederationVerb,
}

#[derive(Debug, Subcommand)]
enum FederationVerb {
    Invite(invite::InviteArgs),
    Join(join::JoinArgs),
    Invites(invite::InvitesArgs),
    Status(status::StatusArgs),
    Peers(peers::PeersArgs),
    Tokens(tokens::TokensArgs),
    Outbox(forwards::OutboxArgs),
    Deliveries(forwards::DeliveriesArgs),
    DeadLetters(dead_letters::DeadLettersArgs),
}

impl FederationArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            FederationVerb::Invite(args) => invite::run(args, context),
            FederationVerb::Join(args) => join::run(args, context),
            FederationVerb::Invites(args) => args.run(context),
            FederationVerb::Status(args) => status::run(args, context),
            FederationVerb::Peers(args) => args.run(context),
            FederationVerb::Tokens(args) => args.run(context),
            FederationVerb::Outbox(args) => args.run(context),
            FederationVerb::Deliveries(args) => args.run(context),
            FederationVerb::DeadLetters(args) => args.run(context),
        }
    }
}

/// The answer of a path that every server with federation has: 404 means that this one has none.
fn offered<T>(answer: Result<T, ClientError>) -> Result<T, CommandError> {
    answer.map_err(|error| match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => CommandError::no_federation(),
        error => error.into(),
    })
}

/// A peer of the team, by its name, the id of its instance, or its own id.
async fn peer(api: &Api, named: &str) -> Result<Peer, CommandError> {
    let mut peers = offered(api.peers().await)?;
    let by: [fn(&Peer) -> &str; 3] = [
        |peer| &peer.id,
        |peer| &peer.name,
        |peer| &peer.peer_instance_id,
    ];
    let at = by
        .iter()
        .find_map(|word| peers.iter().position(|peer| word(peer) == named));
    at.map(|at| peers.swap_remove(at))
        .ok_or_else(|| CommandError::no_peer(named))
}

/// The id of a peer, where one was named.
async fn peer_id(api: &Api, named: Option<&str>) -> Result<Option<String>, CommandError> {
    match named {
        Some(named) => Ok(Some(peer(api, named).await?.id)),
        None => Ok(None),
    }
}

/// What peers are called, so that lists show names where the API has ids. Of one that was removed the id stays.
async fn names(api: &Api, context: &Context) -> Result<Vec<Peer>, CommandError> {
    match context.out.json {
        true => Ok(Vec::new()),
        false => offered(api.peers().await),
    }
}

fn name_of(peers: &[Peer], id: &str) -> String {
    let found = peers.iter().find(|peer| peer.id == id);
    found.map_or(id, |peer| &peer.name).to_owned()
}

/// A cell of a table for something that may be missing.
fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// What a peer is, one line for each.
fn facts(peer: &Peer) -> Vec<(&'static str, String)> {
    let scopes = match peer.scopes.is_empty() {
        true => "none: nothing is sent to it".to_owned(),
        false => peer.scopes.join(", "),
    };
    let identity = match &peer.identity {
        Some(fingerprint) => fingerprint.clone(),
        None => "not proved: it was not connected by an invitation".to_owned(),
    };
    vec![
        ("id", peer.id.clone()),
        ("name", peer.name.clone()),
        ("instance id", peer.peer_instance_id.clone()),
        ("status", peer.status.word().to_owned()),
        ("hook url", peer.peer_hook_url.clone()),
        ("scopes", scopes),
        ("max hops", peer.max_hops.to_string()),
        ("posts a second", peer.rate_limit_per_sec.to_string()),
        ("identity", identity),
        ("discovery", on_or_off(peer.discovery).to_owned()),
    ]
}

fn on_or_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// A peer with what has just been done to it.
fn told(heading: &str, peer: &Peer) -> String {
    let heading = format!("{heading} {}", text::visible(&peer.name));
    render::facts(&heading, &facts(peer))
}
