//! `kite openintent ucan verify`: whether a token and all that it stands on hold.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::context::{Context, block_on_call};
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::super::super::render;
use super::{documents, given, scope};
use crate::base::clock::unix_millis;
use crate::openintent::ucan::{Chain, UcanProblem};

/// Verify a token and all that it stands on: signatures, audiences, times, and that no link widens.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent ucan verify - --audience did:web:c.example --root did:web:a.example < token.txt
  kite openintent ucan verify @token.txt --audience did:web:b.example \\
    --key did:web:a.example=A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=

Keys that are not given are fetched: did:web over https, from public addresses alone. Without --root
the issuers whose keys are given are trusted roots. Ends with 0 where the token holds, otherwise
with 1.")]
pub(super) struct VerifyArgs {
    /// The token.
    #[arg(value_name = "TOKEN|@FILE|-")]
    token: String,
    /// Whom it must be for; may be repeated for one who goes by several DIDs.
    #[arg(long, value_name = "DID", required = true, value_parser = super::did)]
    audience: Vec<String>,
    /// The public key of an issuer, in standard base64; may be repeated.
    #[arg(long = "key", value_name = "DID=BASE64", value_parser = named_key)]
    keys: Vec<(String, String)>,
    /// Whose word a chain may begin with; may be repeated.
    #[arg(long = "root", value_name = "DID", value_parser = super::did)]
    roots: Vec<String>,
    /// As of another time, in Unix seconds or as RFC 3339; otherwise now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// What a token that holds permits, as it is printed.
#[derive(Serialize)]
struct Verified {
    verified: bool,
    iss: String,
    root: String,
    links: usize,
    scope: Box<RawValue>,
}

/// The keys of issuers, by their DIDs.
type Keys = BTreeMap<String, Vec<[u8; 32]>>;

fn named_key(text: &str) -> Result<(String, String), String> {
    let named = text.split_once('=');
    let (did, key) = named.ok_or("use DID=BASE64")?;
    Ok((super::did(did)?, key.to_owned()))
}

pub(super) fn run(args: VerifyArgs, context: &Context) -> Result<Exit, CommandError> {
    let now = match &args.at {
        Some(at) => at_time(at)?,
        None => super::now_unix(),
    };
    let mut keys = Keys::new();
    for (did, key) in args.keys {
        keys.entry(did).or_default().push(given::public(&key)?);
    }
    let roots = match args.roots.is_empty() {
        false => args.roots,
        true => keys.keys().cloned().collect(),
    };
    if roots.is_empty() {
        return Err(CommandError::usage("nobody is trusted to begin a chain")
            .with_hint("`--root DID` names whose word counts"));
    }
    let text = given::text("the token", &args.token)?;
    let chain = Chain::read(&text).map_err(super::refused)?;
    fetch(&chain, &mut keys, context)?;
    let keys_of = |did: &str| keys.get(did).cloned().unwrap_or_default();
    let is_root = |did: &str| roots.iter().any(|root| root == did);
    let scope = chain.verify(&args.audience, now, &keys_of, &is_root);
    let scope = scope.map_err(|fault| {
        let hint = match &fault.problem {
            UcanProblem::Root => Some("`--root DID` names whose word counts"),
            UcanProblem::Audience(_) => Some("`--audience DID` says whom it is for"),
            _ => None,
        };
        let error = super::refused(fault);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    })?;
    let root = chain.issuers().last().unwrap_or_default();
    let verified = Verified {
        verified: true,
        iss: chain.leaf().iss.clone(),
        root: root.to_owned(),
        links: chain.link_count(),
        scope: super::raw(&scope.to_json())?,
    };
    context.out.show(&verified, |verified| {
        let mut facts = vec![
            ("from", verified.iss.clone()),
            ("root", verified.root.clone()),
            ("links", verified.links.to_string()),
        ];
        facts.extend(scope::facts(&scope));
        render::facts("The token holds", &facts)
    })?;
    Ok(Exit::Done)
}

/// Fetches the keys of those issuers whose keys were not given.
fn fetch(chain: &Chain, keys: &mut Keys, context: &Context) -> Result<(), CommandError> {
    let is_missing = |did: &&str| !keys.contains_key(*did);
    let missing = chain.issuers().filter(is_missing).map(str::to_owned);
    let missing: BTreeSet<String> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    let settings = context.settings()?;
    block_on_call(async {
        for did in missing {
            let document = documents::of_did(&did, settings.ca_file.as_deref()).await?;
            keys.insert(did, document.public_keys());
        }
        Ok(())
    })
}

fn at_time(text: &str) -> Result<i64, CommandError> {
    let seconds = text.parse().ok();
    let seconds = seconds.or_else(|| Some(unix_millis(text)?.div_euclid(1000)));
    seconds.ok_or_else(|| {
        CommandError::usage(format!(
            "`--at` cannot be used: `{text}` is neither Unix seconds nor a time such as 2027-01-31T00:00:00Z"
        ))
    })
}
