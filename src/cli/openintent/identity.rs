//! `kite openintent identity`: who the server is to others.

#[cfg(feature = "server")]
mod database;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};

use super::super::context::{Context, block_on_call};
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::super::render;
use super::offered;
use crate::client::openintent::Stranger;
use crate::openintent::did::{DidDocument, multibase};

/// Show the server's DID and keys, make it a new key, or export the one that signs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent identity show
  kite openintent identity rotate --overlap 7d
  kite openintent identity export --output openintent.key

rotate and export work straight on the database, as `kite admin` does, also while a server runs.")]
pub(super) struct IdentityArgs {
    #[command(subcommand)]
    verb: IdentityVerb,
}

#[derive(Debug, Subcommand)]
enum IdentityVerb {
    Show(ShowArgs),
    #[cfg(feature = "server")]
    Rotate(database::RotateArgs),
    #[cfg(feature = "server")]
    Export(database::ExportArgs),
}

/// Show the DID document that the server publishes: its DID and its keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent identity show
  kite openintent identity show --json | jq -r .id")]
struct ShowArgs {}

impl IdentityArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            IdentityVerb::Show(_) => show(context),
            #[cfg(feature = "server")]
            IdentityVerb::Rotate(args) => database::rotate(args, context),
            #[cfg(feature = "server")]
            IdentityVerb::Export(args) => database::export(args, context),
        }
    }
}

fn show(context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let server = Stranger::new(&settings.http_base, settings.ca_file.as_deref())?;
    let document = block_on_call(async { offered(server.document().await) })?;
    context.out.answer(&document, words)?;
    Ok(Exit::Done)
}

fn words(document: &DidDocument) -> String {
    let mut facts = vec![("DID", document.id.clone())];
    for key in &document.keys {
        facts.extend(key_facts(key.id.clone(), &key.public));
    }
    render::facts("The server's identity", &facts)
}

/// What people compare of a key.
fn key_facts(id: String, public: &[u8; 32]) -> [(&'static str, String); 3] {
    [
        ("key", id),
        ("public key", STANDARD.encode(public)),
        ("multibase", multibase(public)),
    ]
}
