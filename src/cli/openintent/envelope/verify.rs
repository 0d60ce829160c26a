//! `kite openintent envelope verify`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;

use super::super::super::context::{Context, block_on_call};
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::super::super::render;
use super::{documents, given};
use crate::openintent::json::{Json, Object};
use crate::openintent::signature::{SignatureFault, verify};

/// Verify the signature of an envelope: with a key, or with those that its server publishes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent envelope verify signed.json --url https://a.example
  kite openintent envelope verify - --key A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg= < signed.json

Without --key and --url the keys are fetched from the envelope's source_server, if that is on the
public internet. Whether the envelope is fresh, and its server trusted, is not judged. Ends with 0
where the signature is right, otherwise with 1.")]
pub(super) struct VerifyArgs {
    /// The signer's public key, in standard base64.
    #[arg(long, value_name = "BASE64", conflicts_with = "url")]
    key: Option<String>,
    /// The server whose keys are fetched.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The envelope, a JSON object; `-` reads it from stdin.
    #[arg(value_name = "FILE|-", default_value = "-")]
    envelope: String,
}

/// An envelope with a right signature, as it is printed.
#[derive(Serialize)]
struct Verified {
    verified: bool,
    key: String,
    dispatch_id: Option<String>,
    source_server: Option<String>,
    created_at: Option<String>,
}

pub(super) fn run(args: &VerifyArgs, context: &Context) -> Result<Exit, CommandError> {
    let envelope = given::object_in("the envelope", &args.envelope)?;
    let keys = match &args.key {
        Some(key) => vec![given::public(key)?],
        None => fetched(args.url.as_deref(), &envelope, context)?,
    };
    let fits = |key: &&[u8; 32]| verify(&envelope, &[**key]).is_ok();
    let Some(key) = keys.iter().find(fits) else {
        return Err(worded(verify(&envelope, &keys).err()));
    };
    let text = |name: &str| envelope.get(name).and_then(Json::as_str).map(str::to_owned);
    let verified = Verified {
        verified: true,
        key: STANDARD.encode(key),
        dispatch_id: text("dispatch_id"),
        source_server: text("source_server"),
        created_at: text("created_at").or_else(|| text("timestamp")),
    };
    context.out.show(&verified, |verified| {
        let mut facts = vec![("key", verified.key.clone())];
        facts.extend(verified.dispatch_id.clone().map(|id| ("dispatch", id)));
        facts.extend(verified.source_server.clone().map(|url| ("from", url)));
        facts.extend(verified.created_at.clone().map(|time| ("made", time)));
        render::facts("The signature is right", &facts)
    })?;
    Ok(Exit::Done)
}

/// The keys of the server that was named, else of the one that the envelope names.
fn fetched(
    url: Option<&str>,
    envelope: &Object,
    context: &Context,
) -> Result<Vec<[u8; 32]>, CommandError> {
    let settings = context.settings()?;
    let ca_file = settings.ca_file.as_deref();
    let document = match url {
        Some(url) => block_on_call(documents::of_server(url, ca_file)),
        None => {
            let source = envelope.get("source_server").and_then(Json::as_str);
            let source = source.ok_or_else(|| {
                CommandError::usage("the envelope names no `source_server`")
                    .with_hint("`--key` gives the signer's public key, `--url` its server")
            })?;
            block_on_call(documents::of_claimed_server(source, ca_file))
        }
    };
    Ok(document?.public_keys())
}

/// A signature that is not right, and what can be done.
fn worded(fault: Option<SignatureFault>) -> CommandError {
    let fault = fault.unwrap_or(SignatureFault::Wrong);
    let error = CommandError::failed(fault.to_string());
    match fault {
        SignatureFault::Wrong => error.with_hint(
            "the envelope must be what was received: every member, and every number as it was written",
        ),
        SignatureFault::Hmac => error.with_hint(
            "its server has no Ed25519: the Python package `cryptography` is missing there",
        ),
        _ => error,
    }
}
