//! `kite keys`: the API keys of the team.

use clap::{Args, Subcommand};

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::keys_create::{self, CreateArgs};
use super::text::visible;
use crate::protocol::rpc::{ById, Key, KeyRevoked};

/// Make, list and revoke API keys.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite keys create --name ci --permissions read,write
  kite keys list
  kite keys revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f")]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
enum KeysVerb {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// List the team's keys, also those that were revoked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite keys list
  kite keys list --json")]
struct ListArgs {}

/// Revoke a key: it opens nothing any more, and what it opened is closed.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite keys revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f

`kite keys list` shows the ids. The key that this profile itself uses goes only with --yes.")]
struct RevokeArgs {
    /// The key's id.
    #[arg(value_name = "ID", required_unless_present = "id")]
    key: Option<String>,
    /// The key's id.
    #[arg(long, value_name = "ID", conflicts_with = "key")]
    id: Option<String>,
    /// Revoke it also if it is the key of this profile, which is logged out by that.
    #[arg(long)]
    yes: bool,
}

impl KeysArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            KeysVerb::Create(args) => keys_create::run(args, context),
            KeysVerb::List(_) => list(context),
            KeysVerb::Revoke(args) => revoke(args, context),
        }
    }
}

fn list(context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let answer = context.call(&settings, async |caller| Ok(caller.keys().await?))?;
    let keys = answer.value.keys;
    if keys.is_empty() {
        context.out.note("the team has no keys");
    }
    context.out.list(&keys, HEADINGS, row)?;
    Ok(Exit::Done)
}

const HEADINGS: &[&str] = &[
    "id",
    "prefix",
    "name",
    "permissions",
    "scopes",
    "created",
    "expires",
    "revoked",
];

fn row(key: &Key) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let revoked = if key.revoked { "revoked" } else { "-" };
    vec![
        key.id.clone(),
        key.key_prefix.clone(),
        or_dash(&key.name),
        key.permissions.join(","),
        key.scopes.join(","),
        key.created_at.clone(),
        or_dash(&key.expires_at),
        revoked.to_owned(),
    ]
}

fn revoke(args: RevokeArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    // The parser saw to it that there is one.
    let id = args.key.or(args.id).unwrap_or_default();
    let own = settings.key(&context.environment)?;
    let by_id = ById { id };
    let answer = context.call(&settings, async |caller| {
        if !args.yes {
            let keys = caller.keys().await?.value.keys;
            check_other(&keys, &by_id.id, own.prefix())?;
        }
        Ok(caller.revoke_key(&by_id).await?)
    });
    let answer = answer.map_err(|error| error.listed_by("kite keys list"))?;
    let words = |key: &KeyRevoked| format!("Revoked key {}", visible(&key.id));
    context.out.answer(&answer, words)?;
    Ok(Exit::Done)
}

/// Whoever takes away the key that the command itself uses has to say so: with it goes the way to make another.
fn check_other(keys: &[Key], id: &str, own_prefix: &str) -> Result<(), CommandError> {
    let is_own = |key: &Key| key.id == id && key.key_prefix == own_prefix && !key.revoked;
    match keys.iter().any(is_own) {
        true => Err(CommandError::usage(format!(
            "`{}` is the key of this profile: without it nothing opens the server here",
            visible(id)
        ))
        .with_hint(
            "make and log in with another one first, or revoke it all the same with `--yes`",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render;

    #[test]
    fn a_listed_key_says_whether_it_is_revoked_and_hides_nothing_it_was_named() {
        let text = r#"{"id":"k1","key_prefix":"0a1b2c3d","name":"ci\u001b[2J\n","revoked":true,"created_at":"then","scopes":["*"],"permissions":["read","write"]}"#;
        let key: Key = serde_json::from_str(text).unwrap();
        let heading: Vec<String> = HEADINGS.iter().map(|text| (*text).to_owned()).collect();
        let table = render::columns(&[heading, row(&key)]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with("revoked"), "{table}");
        assert!(lines[1].contains("read,write   *"), "{table}");
        assert!(lines[1].contains("ci\\u{1b}[2J\\n"), "{table}");
    }
}
