//! The DID documents of servers, and what they prove.

use std::path::Path;

use super::super::error::{CommandError, Kind};
use crate::client::openintent::{Stranger, document_at};
use crate::openintent::callable::validate_ssrf;
use crate::openintent::did::{DidDocument, resolve_did_web, spellings};

/// The document of the server at a URL that somebody has typed: its DID must be that of the URL.
pub(super) async fn of_server(
    url: &str,
    ca_file: Option<&Path>,
) -> Result<DidDocument, CommandError> {
    let document = Stranger::new(url, ca_file)?.document().await;
    let document = document
        .map_err(|error| unavailable(url, error.into()))?
        .value;
    check_is_of(url, &document)?;
    Ok(document)
}

/// As [`of_server`], for a URL that stands in what somebody else has written: none inside is asked.
pub(super) async fn of_claimed_server(
    url: &str,
    ca_file: Option<&Path>,
) -> Result<DidDocument, CommandError> {
    match validate_ssrf(url) {
        true => of_server(url, ca_file).await,
        false => Err(not_asked(url)),
    }
}

/// The document of a DID that stands in what somebody else has written.
pub(super) async fn of_did(did: &str, ca_file: Option<&Path>) -> Result<DidDocument, CommandError> {
    let url = resolve_did_web(did).map_err(|fault| {
        CommandError::failed(format!("the document of `{did}` cannot be found: {fault}"))
            .with_hint(KEY_HINT)
    })?;
    if !validate_ssrf(&url) {
        return Err(not_asked(&url));
    }
    let document = document_at(&url, ca_file).await;
    let document = document.map_err(|error| unavailable(&url, error.into()))?;
    match document.id == did {
        true => Ok(document),
        false => Err(CommandError::failed(format!(
            "the document at `{url}` is that of `{}`, and not of `{did}`",
            document.id
        ))
        .with_hint(KEY_HINT)),
    }
}

const KEY_HINT: &str = "`--key` gives the public key itself";

fn unavailable(url: &str, error: CommandError) -> CommandError {
    let error = error.context(&format!("the DID document of `{url}` cannot be had"));
    error.with_hint(KEY_HINT)
}

fn not_asked(url: &str) -> CommandError {
    CommandError::new(
        Kind::NotPermitted,
        format!("`{url}` is not asked for its keys: it is not on the public internet"),
    )
    .with_hint(KEY_HINT)
}

/// Whether a document is that of the server at a URL (OpenIntent rules, section 6.3).
pub(super) fn is_of(url: &str, document: &DidDocument) -> bool {
    spellings(url).contains(&document.id)
}

fn check_is_of(url: &str, document: &DidDocument) -> Result<(), CommandError> {
    match is_of(url, document) {
        true => Ok(()),
        false => Err(CommandError::failed(format!(
            "the DID document of `{url}` proves nothing: it is that of `{}`",
            document.id
        ))
        .with_hint(
            "is that the URL that the server goes by? `kite openintent discover URL` shows it",
        )),
    }
}
