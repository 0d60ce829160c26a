//! `kite openintent envelope sign`.

use clap::Args;

use super::super::super::context::Context;
use super::super::super::error::CommandError;
use super::super::super::exit::Exit;
use super::given;
use crate::base::clock::Clock;
use crate::openintent::json::Json;
use crate::openintent::signature::sign;
use crate::openintent::stamp;

/// When an envelope was made.
const CREATED_AT: &str = "created_at";

/// Sign an envelope: print it with its signature, in the place of one that it has.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite openintent envelope sign --key a.key envelope.json > signed.json
  kite openintent envelope sign --key a.key --as-is - < callback.json

A created_at that is missing is set to now, since servers take no signature without: --as-is leaves
that out, as callbacks need it, which have a timestamp instead. All members are kept, and numbers as
they are.")]
pub(super) struct SignArgs {
    /// The key file of the server that sends it.
    #[arg(long, value_name = "FILE")]
    key: String,
    /// Set no created_at.
    #[arg(long)]
    as_is: bool,
    /// The envelope, a JSON object; `-` reads it from stdin.
    #[arg(value_name = "FILE|-", default_value = "-")]
    envelope: String,
}

pub(super) fn run(args: &SignArgs, context: &Context) -> Result<Exit, CommandError> {
    if args.key == "-" && args.envelope == "-" {
        return Err(CommandError::usage(
            "only one of key and envelope can come from stdin",
        ));
    }
    let key = given::key(&args.key)?;
    let mut envelope = given::object_in("the envelope", &args.envelope)?;
    if !args.as_is && envelope.get(CREATED_AT).is_none_or(Json::is_null) {
        let now = stamp::write(Clock::system().unix_millis());
        envelope.insert(CREATED_AT.to_owned(), now.into());
    }
    sign(&mut envelope, &key);
    context.out.object(&Json::from(envelope).to_string())?;
    Ok(Exit::Done)
}
