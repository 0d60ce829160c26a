//! `kite openintent envelope`: the signature of an envelope, or of a callback or an attestation, which are signed alike.

mod sign;
mod verify;

use clap::{Args, Subcommand};

use super::super::context::Context;
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::{documents, given};

/// Sign envelopes, and verify their signatures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent envelope sign --key a.key envelope.json > signed.json
  kite openintent envelope verify signed.json --url https://a.example

Callbacks and attestations are signed alike, and are taken as well.")]
pub(super) struct EnvelopeArgs {
    #[command(subcommand)]
    verb: EnvelopeVerb,
}

#[derive(Debug, Subcommand)]
enum EnvelopeVerb {
    Sign(sign::SignArgs),
    Verify(verify::VerifyArgs),
}

impl EnvelopeArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            EnvelopeVerb::Sign(args) => sign::run(&args, context),
            EnvelopeVerb::Verify(args) => verify::run(&args, context),
        }
    }
}
