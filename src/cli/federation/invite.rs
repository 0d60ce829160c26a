//! `kite federation invite` and `invites`: the code with which another instance connects itself, and what became of those
//! that were made.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::super::text::visible;
use super::{name_of, names, offered, or_dash};
use crate::base::duration;
use crate::protocol::address::{is_inside, is_loopback};
use crate::protocol::invite::{
    INVITE_SECS_MAX, INVITE_SECS_MIN, Invite, InviteCreated, InviteDraft, InviteShown,
};

/// Make an invitation: the code with which another instance connects itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation invite
  kite federation invite --name b --scope 'stripe.*,github.*' --expires 1h
  kite federation invite --quiet | ssh b.example kite federation join -

The code is all that is on stdout. Whoever has it can connect one instance, once, until it expires:
send it as you would a password. The other side types `kite federation join -` and puts it in.")]
pub(super) struct InviteArgs {
    /// What to call the peer that comes of it; otherwise its instance id.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which types go over the connection, both ways, such as `stripe.*`; may be repeated [default: *].
    #[arg(
        long = "scope",
        visible_alias = "scopes",
        value_name = "GLOB",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new()
    )]
    scopes: Option<Vec<String>>,
    /// For how long it can be used (1m, 15m, 24h), a week at most [default: 15m].
    #[arg(long, value_name = "DUR", value_parser = validity)]
    expires: Option<Duration>,
}

/// List invitations and take them back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite federation invites list
  kite federation invites revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f")]
pub(super) struct InvitesArgs {
    #[command(subcommand)]
    verb: InvitesVerb,
}

#[derive(Debug, Subcommand)]
enum InvitesVerb {
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// List the invitations that were made lately, and what became of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation invites list --json

An invitation is listed until a day after it expires. Its code was shown once, and is not kept.")]
struct ListArgs {}

/// Take an invitation back: nobody can use it any more.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite federation invites revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f

A peer that has come of it stays: `kite federation peers remove` removes it.")]
struct RevokeArgs {
    /// The invitation's id.
    #[arg(value_name = "ID")]
    invite: String,
}

/// For how long an invitation can be used: what the server takes.
fn validity(text: &str) -> Result<Duration, String> {
    let validity = duration::parse(text).map_err(|fault| fault.to_string())?;
    match (INVITE_SECS_MIN..=INVITE_SECS_MAX).contains(&validity.as_secs()) {
        true => Ok(validity),
        false => Err("it must be from 1m to 7d".to_owned()),
    }
}

pub(super) fn run(args: InviteArgs, context: &Context) -> Result<Exit, CommandError> {
    let draft = InviteDraft {
        scopes: args.scopes,
        expires_in_secs: args.expires.map(|expires| expires.as_secs()),
        name: args.name,
    };
    let api = context.api(&context.settings()?)?;
    let made = block_on_call(async { offered(api.invite(&draft).await) })?;
    context.out.answer(&made, |made| made.code.clone())?;
    context.out.note(&next_step(&made.value));
    if let Some(doubt) = doubt(&made.value.code) {
        context.out.warn(&doubt);
    }
    Ok(Exit::Done)
}

fn next_step(made: &InviteCreated) -> String {
    format!(
        "on the other instance, until {}: kite federation join -\n\
         it asks for this code, which is good once and shown only now; {} goes over the connection, both ways",
        made.expires_at,
        words(&made.scopes)
    )
}

/// What to think of before the code is passed on.
fn doubt(code: &str) -> Option<String> {
    let invite = Invite::parse(code).ok()?;
    let base = invite.base();
    let remedy = "`kite serve --public-url https://…` says where others find this server";
    let reach = match is_loopback(base) {
        true => "only this machine",
        false => "only its own network",
    };
    is_inside(base).then(|| format!("this code carries {base}, which {reach} can reach: {remedy}"))
}

fn words(scopes: &[String]) -> String {
    match scopes {
        [] => "nothing".to_owned(),
        [all] if all == "*" => "everything".to_owned(),
        scopes => scopes.join(", "),
    }
}

impl InvitesArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            InvitesVerb::List(_) => list(context),
            InvitesVerb::Revoke(args) => revoke(args, context),
        }
    }
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let (invites, peers) = block_on_call(async {
        let invites = offered(api.invites().await)?;
        Ok((invites, names(&api, context).await?))
    })?;
    if invites.is_empty() {
        let words = "there are no invitations; `kite federation invite` makes one";
        context.out.note(words);
    }
    let headings = &["id", "name", "scopes", "expires", "redeemed", "peer"];
    context.out.list(&invites, headings, |invite| {
        let peer = invite.peer_id.as_ref().map(|id| name_of(&peers, id));
        vec![
            invite.id.clone(),
            or_dash(invite.name.as_ref()),
            invite.scopes.join(","),
            invite.expires_at.clone(),
            or_dash(invite.redeemed_at.as_ref()),
            or_dash(peer),
        ]
    })?;
    Ok(Exit::Done)
}

fn revoke(args: RevokeArgs, context: &Context) -> Result<Exit, CommandError> {
    let api = context.api(&context.settings()?)?;
    let gone = block_on_call(async { Ok(api.revoke_invite(&args.invite).await?) })
        .map_err(|error| error.listed_by("kite federation invites list"))?;
    context.out.answer(&gone, told)?;
    if gone.value.peer_id.is_some() {
        context
            .out
            .note("the peer that has come of it stays: `kite federation peers remove` removes it");
    }
    Ok(Exit::Done)
}

fn told(invite: &InviteShown) -> String {
    let facts = [
        ("name", or_dash(invite.name.as_ref())),
        ("scopes", invite.scopes.join(", ")),
        ("redeemed", or_dash(invite.redeemed_at.as_ref())),
    ];
    let heading = format!("Took back invitation {}", visible(&invite.id));
    render::facts(&heading, &facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::invite::{InviteSecret, base};

    fn code(url: &str) -> String {
        let invite = Invite {
            url: base(url).unwrap(),
            instance_id: "a".parse().unwrap(),
            fingerprint: "SHA256:a".to_owned(),
            secret: InviteSecret::of([7; 32]),
        };
        invite.to_code().to_string()
    }

    #[test]
    fn an_invitation_is_good_for_a_minute_to_a_week() {
        for good in ["1m", "60s", "7d"] {
            assert!(validity(good).is_ok(), "{good}");
        }
        for bad in ["59s", "8d", "0s", "x", "", "99999999999999d"] {
            assert!(validity(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_code_that_leads_nowhere_for_others_is_doubted() {
        let told = doubt(&code("http://127.0.0.1:7700")).unwrap();
        assert!(told.contains("http://127.0.0.1:7700,"), "{told}");
        assert!(told.contains("--public-url"), "{told}");
        let told = doubt(&code("http://10.0.0.7")).unwrap();
        assert!(told.contains("only its own network"), "{told}");
        assert_eq!(doubt(&code("https://kite.example")), None);
        assert_eq!(doubt("of another form"), None);
    }

    #[test]
    fn scopes_are_said_in_words() {
        let all = ["*".to_owned()];
        assert_eq!(words(&all), "everything");
        assert_eq!(words(&[]), "nothing");
        assert_eq!(words(&["a".to_owned(), "b".to_owned()]), "a, b");
    }
}
