//! `kite openintent ucan`: delegation tokens, made, narrowed, read and verified. Offline, but for the keys of issuers.

mod attenuate;
mod inspect;
mod issue;
mod verify;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::context::Context;
use super::super::error::CommandError;
use super::super::exit::Exit;
use super::{documents, given, scope};
use crate::base::clock::{Clock, rfc3339};
use crate::base::random;
use crate::openintent::json::Json;
use crate::openintent::ucan::{UCANToken, UcanFault};

/// Make, narrow, read and verify delegation tokens.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent ucan issue --key a.key --issuer did:web:a.example --audience did:web:b.example
  kite openintent ucan attenuate --key b.key --audience did:web:c.example --token - < token.txt
  kite openintent ucan inspect - < token.txt
  kite openintent ucan verify - --audience did:web:c.example --root did:web:a.example < token.txt")]
pub(super) struct UcanArgs {
    #[command(subcommand)]
    verb: UcanVerb,
}

#[derive(Debug, Subcommand)]
enum UcanVerb {
    Issue(issue::IssueArgs),
    Attenuate(attenuate::AttenuateArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
}

impl UcanArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            UcanVerb::Issue(args) => issue::run(args, context),
            UcanVerb::Attenuate(args) => attenuate::run(args, context),
            UcanVerb::Inspect(args) => inspect::run(&args, context),
            UcanVerb::Verify(args) => verify::run(args, context),
        }
    }
}

/// A token with what it says.
#[derive(Serialize)]
struct Made {
    token: String,
    iss: String,
    aud: String,
    nbf: i64,
    exp: i64,
    scope: Box<RawValue>,
}

/// Prints a token that was made: itself on stdout, until when it holds on stderr.
fn show(text: String, context: &Context) -> Result<Exit, CommandError> {
    let token = UCANToken::decode(&text).map_err(refused)?;
    let made = Made {
        scope: raw(&token.scope.to_json())?,
        token: text,
        iss: token.iss,
        aud: token.aud,
        nbf: token.nbf,
        exp: token.exp,
    };
    context.out.show(&made, |made| made.token.clone())?;
    context.out.note(&format!(
        "from {} for {}, until {}",
        made.iss,
        made.aud,
        time(made.exp)
    ));
    Ok(Exit::Done)
}

/// JSON with its numbers as they stand.
fn raw(json: &Json) -> Result<Box<RawValue>, CommandError> {
    RawValue::from_string(json.to_string()).map_err(|fault| CommandError::failed(fault.to_string()))
}

/// A token or a chain that is not good.
fn refused(fault: UcanFault) -> CommandError {
    CommandError::failed(fault.to_string())
}

/// A DID, as far as a flag can tell.
fn did(text: &str) -> Result<String, String> {
    match text.starts_with("did:") && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("use a DID, such as did:web:kite.example".to_owned()),
    }
}

/// 16 random bytes in base64, as the SDK has it.
fn nonce() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    STANDARD.encode(random::bytes::<16>())
}

fn now_unix() -> i64 {
    Clock::system().unix_millis() / 1000
}

/// A Unix time for people.
fn time(unix: i64) -> String {
    rfc3339(unix.saturating_mul(1000))
}
