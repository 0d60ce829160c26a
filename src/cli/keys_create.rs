//! `kite keys create`: a key, shown this once.

use std::time::Duration;

use clap::Args;

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::render;
use crate::base::clock::{Clock, rfc3339};
use crate::base::duration;
use crate::protocol::event::is_rfc3339;
use crate::protocol::permission::Permission;
use crate::protocol::rpc::{KeyCreated, KeysCreate};
use crate::protocol::scope::Scope;

/// Make an API key. It is shown this once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite keys create --name ci --permissions read,write
  kite keys create --name watcher --scopes source:github,type:push --expires-in 30d
  kite keys create --name agent --permissions read,write --json

`admin` includes `write`, `write` includes `read`. Scopes say which events the key may see.")]
pub(super) struct CreateArgs {
    /// What to call it.
    #[arg(long)]
    name: Option<String>,
    /// Which events it may see: `*`, `source:TEXT`, `type:TEXT`, `agent_to:ID`.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "*",
        hide_default_value = true
    )]
    scopes: Vec<Scope>,
    /// What it may do: read, write, admin.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "read", value_parser = permission)]
    permissions: Vec<String>,
    /// When it stops working, as 2027-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "expires_in")]
    expires_at: Option<String>,
    /// After how long it stops working (30s, 5m, 24h, 7d).
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    expires_in: Option<Duration>,
}

fn permission(word: &str) -> Result<String, String> {
    match Permission::parse(word.trim()) {
        Some(permission) => Ok(permission.word().to_owned()),
        None => Err("use `read`, `write` or `admin`".to_owned()),
    }
}

fn time(text: &str) -> Result<String, String> {
    match is_rfc3339(text) {
        true => Ok(text.to_owned()),
        false => Err("use a time such as 2027-01-31T00:00:00Z".to_owned()),
    }
}

impl CreateArgs {
    fn params(self, clock: &Clock) -> KeysCreate {
        let later = self.expires_in.map(|wait| {
            let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            rfc3339(clock.unix_millis().saturating_add(millis))
        });
        KeysCreate {
            name: self.name,
            scopes: Some(self.scopes.iter().map(Scope::to_string).collect()),
            permissions: Some(self.permissions),
            expires_at: self.expires_at.or(later),
        }
    }
}

pub(super) fn run(args: CreateArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let params = args.params(&Clock::system());
    let answer = context.call(&settings, async |caller| {
        Ok(caller.create_key(&params).await?)
    })?;
    context.out.answer(&answer, words)?;
    context.out.note("the key is shown only now: keep it");
    Ok(Exit::Done)
}

fn words(key: &KeyCreated) -> String {
    let never = || "never".to_owned();
    let facts = [
        ("id", key.id.clone()),
        ("name", key.name.clone().unwrap_or_else(|| "-".to_owned())),
        ("permissions", key.permissions.join(", ")),
        ("scopes", key.scopes.join(", ")),
        ("expires", key.expires_at.clone().unwrap_or_else(never)),
        ("key", key.api_key.clone()),
    ];
    render::facts("Created API key", &facts)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: CreateArgs,
    }

    fn params(args: &[&str]) -> Result<KeysCreate, clap::Error> {
        let line = Line::try_parse_from([&["kite"], args].concat())?;
        Ok(line.args.params(&Clock::fixed(1_000)))
    }

    #[test]
    fn a_key_without_wishes_reads_everything_and_lasts() {
        let expected = KeysCreate {
            name: None,
            scopes: Some(vec!["*".to_owned()]),
            permissions: Some(vec!["read".to_owned()]),
            expires_at: None,
        };
        assert_eq!(params(&[]).unwrap(), expected);
    }

    #[test]
    fn lists_are_separated_by_commas_and_an_end_can_be_a_wait() {
        let wishes = ["--permissions", "read,WRITE", "--expires-in", "1m"];
        let made = params(&[&wishes[..], &["--scopes", "source:a,type:b"]].concat()).unwrap();
        assert_eq!(made.permissions.unwrap(), ["read", "write"]);
        assert_eq!(made.scopes.unwrap(), ["source:a", "type:b"]);
        assert_eq!(made.expires_at.unwrap(), "1970-01-01T00:01:01.000Z");
    }

    #[test]
    fn what_no_server_takes_is_refused_before_it_is_sent() {
        for wrong in [
            ["--permissions", "root"],
            ["--scopes", "github"],
            ["--expires-at", "tomorrow"],
            ["--expires-in", "soon"],
        ] {
            let error = params(&wrong).unwrap_err().to_string();
            assert!(error.contains(wrong[1]), "{error}");
        }
    }
}
