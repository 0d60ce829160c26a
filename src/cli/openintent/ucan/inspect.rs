//! `kite openintent ucan inspect`: what a token and all that it stands on say.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::context::Context;
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::super::super::render;
use super::{given, scope, time};
use crate::openintent::ucan::{Chain, UCANToken};

/// Show what a token says, and each one that it stands on. Nothing is verified.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent ucan inspect @token.txt
  kite openintent ucan inspect - --json < token.txt | jq '.links[].scope'

The token itself comes first, the root of the chain last.")]
pub(super) struct InspectArgs {
    /// The token.
    #[arg(value_name = "TOKEN|@FILE|-")]
    token: String,
}

/// A chain, as it is printed.
#[derive(Serialize)]
struct Shown {
    /// Always false: whoever reads it must not take it for more.
    verified: bool,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    link: usize,
    iss: String,
    aud: String,
    nbf: i64,
    exp: i64,
    nonce: String,
    active: bool,
    scope: Box<RawValue>,
}

pub(super) fn run(args: &InspectArgs, context: &Context) -> Result<Exit, CommandError> {
    let text = given::text("the token", &args.token)?;
    let chain = Chain::read(&text).map_err(super::refused)?;
    let now = super::now_unix();
    let links = (1..).zip(chain.links());
    let links = links.map(|(link, token)| {
        Ok(Link {
            link,
            iss: token.iss.clone(),
            aud: token.aud.clone(),
            nbf: token.nbf,
            exp: token.exp,
            nonce: token.nonce.clone(),
            active: token.is_active(now),
            scope: super::raw(&token.scope.to_json())?,
        })
    });
    let shown = Shown {
        verified: false,
        links: links.collect::<Result<_, CommandError>>()?,
    };
    context.out.show(&shown, |_| words(&chain, now))?;
    context
        .out
        .note("nothing of it was verified: `kite openintent ucan verify` does that");
    Ok(Exit::Done)
}

fn words(chain: &Chain, now: i64) -> String {
    let count = chain.link_count();
    let links = (1..).zip(chain.links());
    let links = links.map(|(link, token)| {
        let heading = match (link, link == count) {
            (1, true) => "The token, which stands on its issuer's word alone".to_owned(),
            (1, false) => "The token".to_owned(),
            (link, true) => format!("Link {link}, the root"),
            (link, false) => format!("Link {link}"),
        };
        render::facts(&heading, &facts(token, now))
    });
    links.collect::<Vec<_>>().join("\n")
}

fn facts(token: &UCANToken, now: i64) -> Vec<(&'static str, String)> {
    let state = match (now < token.nbf, token.is_expired(now)) {
        (true, _) => " (not yet valid)",
        (_, true) => " (expired)",
        _ => "",
    };
    let mut facts = vec![
        ("from", token.iss.clone()),
        ("for", token.aud.clone()),
        (
            "valid",
            format!("{} to {}{state}", time(token.nbf), time(token.exp)),
        ),
    ];
    facts.extend(scope::facts(&token.scope));
    facts
}
