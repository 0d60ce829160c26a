//! `kite login` and `kite logout`: keys come and go.

use std::io::IsTerminal;

use clap::Args;
use serde::Serialize;

use super::context::{Context, block_on, block_on_call};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::output::Output;
use super::signal::Interrupt;
use super::stdin;
use super::text::visible;
use crate::client::login::DeviceLogin;
use crate::client::{Api, ClientError, Server};
use crate::config::credentials::Store;
use crate::config::login as profile_login;
use crate::config::{Flags, Login, Settings, settings};
use crate::protocol::id::{IdError, TeamId};
use crate::protocol::login::DeviceCode;

/// The server of a login that names none.
const HOSTED_SERVER: &str = "https://getkite.sh";

/// Log in to a server: on its page in a browser, or with a key.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite login --server http://localhost:7700
  kite login --no-browser --server https://kite.example.com
  kite login --with-token --server http://localhost:7700 < key.txt
  kite --profile work login --with-token --server https://kite.example.com < key.txt

Without --server (or KITE_SERVER) the key is for https://getkite.sh. It is sent to this server and to no other.")]
pub(super) struct LoginArgs {
    /// Read the API key from stdin.
    #[arg(long)]
    with_token: bool,
    /// Open no browser; the address and the code are printed in any case.
    #[arg(long, conflicts_with = "with_token")]
    no_browser: bool,
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
    let settings = login_settings(context)?;
    settings.check_plain_http()?;
    let login = match args.with_token {
        true => with_token(&settings, context)?,
        false => block_on(on_page(&settings, !args.no_browser, context))?,
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

/// A key from stdin, which the server has to accept.
fn with_token(settings: &Settings, context: &Context) -> Result<Login, CommandError> {
    let text = stdin::secret("the API key")?;
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
    let team = block_on_call(team_of_key(&server, given_team(&context.flags)?))?;
    Ok(Login {
        http_base: server.http_base,
        ws_url: server.ws_url,
        team,
        key,
    })
}

/// A key that a person grants on the server's page.
async fn on_page(
    settings: &Settings,
    browser: bool,
    context: &Context,
) -> Result<Login, CommandError> {
    let mut interrupt = Interrupt::new()?;
    let device = DeviceLogin::new(&settings.http_base, settings.ca_file.as_deref())?;
    let code = device.begin().await.map_err(no_device_login)?;
    tell_code(&code, &context.out);
    if browser && std::io::stderr().is_terminal() {
        open_page(&code.verification_url);
    }
    let spinner = context.out.spinner("waiting for the decision on that page");
    let granted = tokio::select! {
        granted = device.wait(&code) => granted?,
        () = interrupt.wait() => {
            return Err(CommandError::new(Kind::Interrupted, "interrupted; nothing was stored"));
        }
    };
    drop(spinner);
    let unreadable = |why: String| {
        CommandError::failed(format!("the server granted what cannot be used: {why}"))
    };
    Ok(Login {
        http_base: settings.http_base.clone(),
        ws_url: code.ws_url.unwrap_or_else(|| settings.ws_url.clone()),
        team: granted
            .team_id
            .parse()
            .map_err(|error: IdError| unreadable(error.to_string()))?,
        key: settings::api_key(&granted.api_key, "the answer".to_owned())
            .map_err(|error| unreadable(error.to_string()))?,
    })
}

fn tell_code(code: &DeviceCode, out: &Output) {
    let (url, user_code) = (visible(&code.verification_url), visible(&code.user_code));
    let minutes = code.expires_in.div_ceil(60);
    let words = format!(
        "Open {url}\nand check that it shows the code {user_code} (it lives {minutes} minutes)"
    );
    let members = [
        ("verification_url", code.verification_url.as_str().into()),
        ("user_code", code.user_code.as_str().into()),
        ("expires_in", code.expires_in.into()),
    ];
    // Said even under --quiet: without it nobody can go on.
    out.loud().event("login", &words, &members);
}

/// Opens the page in the person's browser. A server may name any address: only web pages are opened.
fn open_page(address: &str) {
    let is_web = url::Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_web && let Err(error) = open::that_detached(address) {
        tracing::debug!(%error, "no browser could be opened");
    }
}

fn no_device_login(error: ClientError) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => {
            CommandError::failed("the server offers no login page")
                .with_hint("`kite login --with-token` reads an API key from stdin")
        }
        error => error.into(),
    }
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
