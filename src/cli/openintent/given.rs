//! What is given on the command line: itself, in a file, or on stdin.

use std::fs::File;
use std::io::{self, Read};

use zeroize::Zeroizing;

use super::super::context::Context;
use super::super::error::CommandError;
use super::super::stdin;
use crate::base::secret::Secret;
use crate::openintent::did::public_of_base64;
use crate::openintent::identity::seed_of_file;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::FederationPolicy;
use crate::openintent::ucan::Chain;
use crate::protocol::identity::InstanceKey;

/// The longest file that is read, in bytes: more than a server takes as a body.
const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes of a file; `-` is stdin.
pub(super) fn bytes(what: &str, path: &str) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let failed = |error: io::Error| {
        let from = if path == "-" { "stdin" } else { path };
        CommandError::usage(format!("cannot read {what} from `{from}`: {error}"))
    };
    let source: Box<dyn Read> = match path {
        "-" => Box::new(stdin::open(what)),
        path => Box::new(File::open(path).map_err(failed)?),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let mut limited = source.take(FILE_MAX_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() as u64 > FILE_MAX_BYTES {
        true => Err(CommandError::usage(format!(
            "{what} is longer than {FILE_MAX_BYTES} bytes"
        ))),
        false => Ok(bytes),
    }
}

/// A text that is given itself, as `@FILE`, or as `-` for stdin; without the space around it.
pub(super) fn text(what: &str, given: &str) -> Result<String, CommandError> {
    let path = match given.strip_prefix('@') {
        Some(path) => path,
        None if given == "-" => given,
        None => return Ok(given.trim().to_owned()),
    };
    let bytes = bytes(what, path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| CommandError::usage(format!("{what} is not UTF-8")))?;
    Ok(text.trim().to_owned())
}

/// A delegation token, given as [`text`] is. What it says is for whoever gets it to judge; that it is one is not.
pub(super) fn token(given: &str) -> Result<String, CommandError> {
    let token = text("the token", given)?;
    Chain::read(&token)
        .map_err(|fault| CommandError::usage(format!("`--ucan` cannot be used: {fault}")))?;
    Ok(token)
}

/// An object of JSON, given as [`text`] is.
pub(super) fn object(what: &str, given: &str) -> Result<Object, CommandError> {
    parsed(what, text(what, given)?.as_bytes())
}

/// The conditions of work, given as [`text`] is; all that is said of them, and as they read.
pub(super) fn policy(given: &str) -> Result<(Object, FederationPolicy), CommandError> {
    let policy = object("`--policy`", given)?;
    match FederationPolicy::from_json(&Json::from(policy.clone())) {
        Ok(read) => Ok((policy, read)),
        Err(fault) => Err(CommandError::usage(format!(
            "`--policy` cannot be used: {fault}"
        ))),
    }
}

/// The object in a file; `-` is stdin.
pub(super) fn object_in(what: &str, path: &str) -> Result<Object, CommandError> {
    parsed(what, &bytes(what, path)?)
}

fn parsed(what: &str, bytes: &[u8]) -> Result<Object, CommandError> {
    match Json::read(bytes) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(other) => Err(CommandError::usage(format!(
            "{what} must be a JSON object, not {}",
            other.kind()
        ))),
        Err(fault) => Err(CommandError::usage(format!(
            "{what} cannot be used: {fault}"
        ))),
    }
}

/// The key pair in a key file (OpenIntent rules, section 6.1).
pub(super) fn key(path: &str) -> Result<InstanceKey, CommandError> {
    let bytes = bytes("the key", path)?;
    let seed = seed_of_file(&bytes).map_err(|fault| {
        CommandError::usage(format!("`{path}` cannot be used as a key: {fault}")).with_hint(
            "`kite openintent identity export --output FILE` writes such a file, and so does `openssl genpkey -algorithm \
             ed25519`",
        )
    })?;
    InstanceKey::from_seed(&seed)
        .map_err(|fault| CommandError::usage(format!("`{path}` cannot be used as a key: {fault}")))
}

/// A public key as standard base64.
pub(super) fn public(text: &str) -> Result<[u8; 32], CommandError> {
    public_of_base64(text).ok_or_else(|| {
        CommandError::usage(format!(
            "`{text}` is no public key: use the standard base64 of its 32 bytes"
        ))
        .with_hint("`kite openintent discover URL` and `identity show` tell those of servers")
    })
}

/// A secret that is given itself or, as `-`, on stdin.
pub(super) fn secret(
    what: &str,
    flag: &str,
    given: String,
    context: &Context,
) -> Result<Secret, CommandError> {
    if given != "-" {
        context.out.note(&format!(
            "others can see {what} in the process list; `{flag} -` reads it from stdin"
        ));
        return Ok(Secret::from(given));
    }
    Ok(Secret::from(stdin::secret(what)?.trim().to_owned()))
}
