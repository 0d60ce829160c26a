//! `kite login` and `kite logout`: keys come and go.

use clap::Args;
use serde::Serialize;

use super::context::{Context, block_on, read_stdin};
use super::error::CommandError;
use super::exit::Exit;
use crate::client::{Api, ClientError, Server};
use crate::config::credentials::Store;
use crate::config::login as profile_login;
use crate::config::{Flags, Login, Settings, settings};
use crate::protocol::id::TeamId;

/// The server of a login that names none.
const HOSTED_SERVER: &str = "https://getkite.sh";

/// Store an API key for a server, after the server accepted it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite login --with-token --server http://localhost:7700 < key.txt
  kite --profile work login --with-token --server https://kite.example.com < key.txt

Without --server (or KITE_SERVER) the key is for https://getkite.sh. It is sent to this server and to no other.")]
pub(super) struct LoginArgs {
    /// Read the API key from stdin.
    #[arg(long)]
    with_token: bool,
}

/// Remove the stored key of this profile.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite logout

The key itself stays valid: `kite keys revoke` ends it.")]
pub(super) struct LogoutArgs {}

#[derive(Serialize)]
struct LoggedIn<'a> {
    server: &'a str,
    team_id: &'a str,
    store: &'a str,
}

#[derive(Serialize)]
struct LoggedOut {
    removed: bool,
}

pub(super) fn login(args: LoginArgs, context: &Context) -> Result<Exit, CommandError> {
    if !args.with_token {
        return Err(CommandError::usage("a login needs a key")
            .with_hint("`kite login --with-token` reads an API key from stdin"));
    }
    let settings = login_settings(context)?;
    settings.check_plain_http()?;
    let text = read_stdin("the API key")?;
    if text.trim().is_empty() {
        return Err(CommandError::usage("there is no API key on stdin")
            .with_hint("`kite login --with-token < FILE` reads it from a file"));
    }
    let key = settings::api_key(&text, "stdin".to_owned())
        .map_err(|error| CommandError::usage(error.to_string()))?;
    let server = Server {
        http_base: settings.http_base.clone(),
        ws_url: settings.ws_url.clone(),
        ca_file: settings.ca_file.clone(),
        key: key.clone(),
    };
    let team = block_on(team_of_key(&server, given_team(&context.flags)?))?;
    let login = Login {
        http_base: server.http_base,
        ws_url: server.ws_url,
        team,
        key,
    };
    let store = login.save(&settings.paths, &context.environment, &settings.profile)?;
    if store == Store::File {
        let path = settings.paths.credentials_file();
        let words = format!(
            "there is no keyring here: the key is in `{}`",
            path.display()
        );
        context.out.note(&words);
    }
    let answer = LoggedIn {
        server: &login.http_base,
        team_id: login.team.as_str(),
        store: store.word(),
    };
    context.out.show(&answer, |answer| {
        format!("Logged in to {}\n  team: {}", answer.server, answer.team_id)
    })?;
    Ok(Exit::Done)
}

pub(super) fn logout(_: LogoutArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let removed = profile_login::logout(&settings.paths, &context.environment, &settings.profile)?;
    context
        .out
        .show(&LoggedOut { removed }, |answer| match answer.removed {
            true => format!("Logged out of {}", settings.http_base),
            false => "There was no stored key".to_owned(),
        })?;
    if context.environment.api_key.is_some() {
        context
            .out
            .note("KITE_API_KEY is still set and goes on being used");
    }
    Ok(Exit::Done)
}

fn login_settings(context: &Context) -> Result<Settings, CommandError> {
    let server = context.flags.server.clone();
    let flags = Flags {
        server: server
            .filter(|server| !server.trim().is_empty())
            .or_else(|| Some(HOSTED_SERVER.to_owned())),
        ..context.flags.clone()
    };
    Ok(Settings::resolve(&flags, &context.environment)?)
}

fn given_team(flags: &Flags) -> Result<Option<TeamId>, CommandError> {
    let team = flags.team.clone().filter(|team| !team.trim().is_empty());
    Ok(team.map(TeamId::try_from).transpose()?)
}

/// Shows the key to the server and learns its team; a server that cannot say needs to be told.
async fn team_of_key(server: &Server, given: Option<TeamId>) -> Result<TeamId, CommandError> {
    let api = Api::new(server, given.clone())?;
    match (api.stats().await, given) {
        (Ok(stats), _) => Ok(stats.team_id.parse()?),
        (Err(ClientError::Refused(refusal)), Some(team)) if refusal.is_unserved() => Ok(team),
        (Err(ClientError::Refused(refusal)), None) if refusal.is_unserved() => {
            let message = "the server does not say which team the key belongs to";
            Err(CommandError::usage(message).with_hint("name it with `--team`"))
        }
        (Err(error), _) => Err(error.into()),
    }
}
