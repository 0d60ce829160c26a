//! `kite openintent discover`: what a server says of itself, and whether its DID document proves it.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::{asked, documents, server_url};
use crate::client::openintent::Stranger;
use crate::openintent::did::{DidDocument, public_of_base64};
use crate::openintent::model::FederationManifest;

/// Show what a server says of itself, and whether its DID document proves its key. No key goes there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent discover https://partner.example
  kite openintent discover https://partner.example --json | jq .manifest.public_key

The document proves the key when its DID is that of the URL, and the key is among those in it.
Whoever is then trusted (`kite openintent trust add URL`) is known by that.")]
pub(super) struct DiscoverArgs {
    /// The server.
    #[arg(value_name = "URL", value_parser = server_url)]
    url: String,
}

/// What was found, as it is printed.
#[derive(Serialize)]
struct Found<'a> {
    url: &'a str,
    manifest: &'a RawValue,
    document: Option<&'a RawValue>,
    proved: bool,
    reason: Option<String>,
}

pub(super) fn run(args: DiscoverArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let server = Stranger::new(&args.url, settings.ca_file.as_deref())?;
    let (manifest, document) = block_on_call(async {
        let manifest = asked(server.manifest().await)?;
        Ok((manifest, server.document().await))
    })?;
    let (text, verdict) = match &document {
        Ok(document) => (
            Some(document.text.as_str()),
            verdict(server.url(), &manifest.value, &document.value),
        ),
        Err(error) => (None, Err(format!("it cannot be had: {error}"))),
    };
    let raw = |text| serde_json::from_str::<&RawValue>(text);
    let found = Found {
        url: server.url(),
        manifest: raw(&manifest.text).map_err(unreadable)?,
        document: text.map(raw).transpose().map_err(unreadable)?,
        proved: verdict.is_ok(),
        reason: verdict.err(),
    };
    context
        .out
        .show(&found, |found| words(found, &manifest.value))?;
    Ok(Exit::Done)
}

fn unreadable(error: serde_json::Error) -> CommandError {
    CommandError::failed(format!("the answer cannot be read: {error}"))
}

/// Whether a document proves the key of a manifest; why not.
fn verdict(url: &str, manifest: &FederationManifest, document: &DidDocument) -> Result<(), String> {
    if !documents::is_of(url, document) {
        return Err(format!("it is that of `{}`", document.id));
    }
    if manifest.server_did != document.id {
        return Err(format!(
            "the manifest names another DID, `{}`",
            manifest.server_did
        ));
    }
    let Some(key) = &manifest.public_key else {
        return Err("the manifest names no key".to_owned());
    };
    match public_of_base64(key) {
        Some(key) if document.public_keys().contains(&key) => Ok(()),
        Some(_) => Err("the manifest's key is not among its keys".to_owned()),
        None => Err("the manifest's key is none".to_owned()),
    }
}

fn words(found: &Found<'_>, manifest: &FederationManifest) -> String {
    let document = match &found.reason {
        None => "proves the key".to_owned(),
        Some(why) => format!("proves nothing: {why}"),
    };
    let or_none = |text: String| {
        if text.is_empty() {
            "none".to_owned()
        } else {
            text
        }
    };
    let facts = [
        ("URL it goes by", or_none(manifest.server_url.clone())),
        ("DID", or_none(manifest.server_did.clone())),
        (
            "public key",
            or_none(manifest.public_key.clone().unwrap_or_default()),
        ),
        ("DID document", document),
        ("trust policy", manifest.trust_policy.word().to_owned()),
        (
            "agents by default",
            manifest.visibility_default.word().to_owned(),
        ),
        ("protocol", manifest.protocol_version.clone()),
        ("supports", or_none(manifest.supported_rfcs.join(", "))),
        ("servers it knows", or_none(manifest.peers.join(", "))),
    ];
    render::facts(
        &format!("Found {}", super::super::text::visible(found.url)),
        &facts,
    )
}
