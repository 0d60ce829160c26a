//! `kite agent register`: an identity for this profile, told to the server where that is possible.

use clap::Args;

use super::agent::Shown;
use super::context::{Context, block_on_call, team};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use crate::base::clock::Clock;
use crate::base::random;
use crate::client::{Api, ClientError, Session, Subscription, Timing};
use crate::config::identity::{ClientLease, Consumer};
use crate::config::{Identity, Settings};
use crate::protocol::agent::slug;
use crate::protocol::api::AgentUpdate;
use crate::protocol::id::TeamId;
use crate::protocol::scope::Scope;

/// Give this profile an identity that messages can be addressed to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite agent register --name 'Code Reviewer'     the id becomes code-reviewer
  kite agent register                            the id is a fresh UUID

From then on nothing sent to the agent is missed, also before it listens for the first time.")]
pub(super) struct RegisterArgs {
    /// What people call the agent; its id is made from it.
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn run(args: RegisterArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let identity = identity(args.name)?;
    identity.save(&settings.paths, &settings.profile)?;
    if let Some(old) = settings
        .identity
        .as_ref()
        .filter(|old| old.id != identity.id)
    {
        context
            .out
            .note(&format!("this replaces the identity `{}`", old.id));
    }
    if let Err(error) = block_on_call(announce(&identity, &settings, context)) {
        if error.kind() == Kind::Interrupted {
            return Err(error);
        }
        context.out.note(&format!(
            "the server was not told: {}; messages to `{}` are kept for it from its first `kite agent listen` on",
            error.message(),
            identity.id
        ));
    }
    let words = |shown: &Shown<'_>| format!("Registered agent\n{}", shown.words());
    context.out.show(&Shown::new(&identity), words)?;
    Ok(Exit::Done)
}

fn identity(name: Option<String>) -> Result<Identity, CommandError> {
    let id = match &name {
        Some(name) => slug(name)
            .ok_or_else(|| CommandError::usage("name must contain at least one letter or digit"))?,
        None => random::uuid7(),
    };
    Ok(Identity {
        id: id.parse()?,
        name,
    })
}

/// Enters the agent in the team's register and makes its cursor stand, so that nothing sent from now on is missed.
async fn announce(
    identity: &Identity,
    settings: &Settings,
    context: &Context,
) -> Result<(), CommandError> {
    let server = context.server(settings)?;
    let team = team(settings, &server).await?;
    let update = AgentUpdate {
        name: identity.name.clone(),
    };
    let api = Api::new(&server, Some(team.clone()))?;
    match api.put_agent(&identity.id, &update).await {
        Ok(_) => {}
        // The register is a convenience that other servers lack (spec 7.3).
        Err(ClientError::Refused(refusal)) if refusal.is_unserved() => {}
        Err(error) => return Err(error.into()),
    }
    let lease = lease(identity, settings, &team)?;
    if lease.is_fresh {
        // Somebody here listens already: the cursor stands, and a second connection would end theirs.
        return Ok(());
    }
    let subscription = Subscription {
        team,
        scopes: vec![Scope::AgentTo(identity.id.to_string())],
        client_id: Some(lease.client_id.clone()),
    };
    let mut session = Session::new(&server, subscription, Timing::default(), Clock::system())?;
    session.stand().await?;
    Ok(())
}

fn lease(
    identity: &Identity,
    settings: &Settings,
    team: &TeamId,
) -> Result<ClientLease, CommandError> {
    let origin = settings.origin()?;
    let consumer = Consumer {
        origin: &origin,
        team: team.as_str(),
        command: super::agent_listen::COMMAND,
        subject: identity.id.as_str(),
    };
    Ok(ClientLease::take(
        &settings.paths,
        &settings.profile,
        &consumer,
    )?)
}
