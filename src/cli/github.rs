//! `kite github`: a repository's events into the team's log.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::context::{Context, block_on_call, team};
use super::endpoints_create::absolute;
use super::error::CommandError;
use super::exit::Exit;
use super::github_hooks::{Address, Hook, Repository, Wanted};
use crate::base::secret::Secret;
use crate::client::Server;
use crate::client::rpc::Caller;
use crate::config::Settings;
use crate::protocol::address::{self, is_inside, is_tls};
use crate::protocol::rpc::{InstallPrepared, PrepareInstall};

/// What a hook posts unless its user says otherwise (spec 19.2).
const DEFAULT_EVENTS: &str =
    "push,pull_request,issues,issue_comment,pull_request_review,pull_request_review_comment";

/// GitHub's name for all events.
const ALL_EVENTS: &str = "*";

/// Connect a repository on GitHub.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kite github install --repo octocat/hello-world")]
pub(super) struct GithubArgs {
    #[command(subcommand)]
    verb: GithubVerb,
}

#[derive(Debug, Subcommand)]
enum GithubVerb {
    Install(InstallArgs),
}

/// Let a repository's hook post to this team; run again, it updates that hook.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite github install
  kite github install --repo octocat/hello-world --events push,issues
  kite github install --repo octocat/hello-world --rotate-secret

It goes through `gh`, the GitHub CLI, as whoever that is logged in as; kite gets no token. Other
hooks of the repository stay as they are. GitHub must be able to reach the server: where it is
known there by another address than here, KITE_HOOK_BASE_URL names that.")]
struct InstallArgs {
    /// The repository; otherwise that of the current directory.
    #[arg(long, value_name = "OWNER/REPO", value_parser = str::parse::<Repository>)]
    repo: Option<Repository>,
    /// Which events it posts, separated by commas.
    #[arg(
        long,
        value_name = "LIST",
        value_parser = Events::parse,
        default_value = DEFAULT_EVENTS,
        conflicts_with = "all_events"
    )]
    events: Events,
    /// Have it post all events.
    #[arg(long)]
    all_events: bool,
    /// Sign with a new secret; the old one stays valid for ten minutes.
    #[arg(long)]
    rotate_secret: bool,
}

/// Names of events: at least one, each once, in the order in which they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Events(Vec<String>);

impl Events {
    fn parse(text: &str) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        for name in text.split(',').map(str::trim) {
            let name = name.to_ascii_lowercase();
            let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
            if name != ALL_EVENTS && !name.chars().all(is_plain) {
                return Err(format!(
                    "`{name}` is not an event of GitHub: use a-z, 0-9, `_` and `-`, or `*` for all"
                ));
            }
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        match names.is_empty() {
            true => Err("name at least one event, or use `--all-events`".to_owned()),
            false => Ok(Self(names)),
        }
    }
}

/// What was done.
#[derive(Debug, Serialize)]
struct Installed {
    action: Action,
    repo: String,
    hook_id: u64,
    url: String,
    events: Vec<String>,
    secret_rotated: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Created,
    Updated,
}

impl GithubArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, CommandError> {
        match self.verb {
            GithubVerb::Install(args) => install(args, context),
        }
    }
}

fn install(args: InstallArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    check_reach(&settings.hook_base, context)?;
    let server = context.server(&settings)?;
    let installed = block_on_call(connect(args, &settings, &server))?;
    context.out.show(&installed, words)?;
    context
        .out
        .note("`kite stream --source github` shows what comes");
    Ok(Exit::Done)
}

fn words(installed: &Installed) -> String {
    let done = match installed.action {
        Action::Created => "Installed on",
        Action::Updated => "Updated on",
    };
    let Installed { repo, hook_id, .. } = installed;
    let events = installed.events.join(", ");
    let secret = match installed.secret_rotated {
        true => ", a new secret",
        false => "",
    };
    format!("{done} {repo}: hook {hook_id}, events {events}{secret}")
}

/// Refuses a hook address that GitHub cannot post to.
fn check_reach(hook_base: &str, context: &Context) -> Result<(), CommandError> {
    // Whether it is an address at all.
    let origin = address::origin(hook_base).map_err(|error| {
        CommandError::usage(error.to_string()).with_hint("`KITE_HOOK_BASE_URL` sets it")
    })?;
    if is_inside(hook_base) {
        let hint = "set `KITE_HOOK_BASE_URL` to where the outside finds the server (its `--public-url`), such as https://hooks.example.com";
        return Err(CommandError::usage(format!("GitHub cannot reach {origin}")).with_hint(hint));
    }
    if !is_tls(&origin) {
        let warning = format!("GitHub will post to {origin} in clear text: use https");
        context.out.warn(&warning);
    }
    Ok(())
}

/// Looks at GitHub first, then asks the server, then writes to GitHub: what fails before the end has changed little.
async fn connect(
    args: InstallArgs,
    settings: &Settings,
    server: &Server,
) -> Result<Installed, CommandError> {
    let repository = match args.repo {
        Some(repository) => repository,
        None => Repository::of_this_directory().await?,
    };
    let hooks = repository.hooks().await?;
    let mut caller = Caller::open(server, &team(settings, server).await?).await?;
    let plan = Plan::make(&mut caller, &repository, &hooks, &settings.hook_base);
    let mut plan = plan.await?;
    let rotates = args.rotate_secret && !plan.has_new_secret;
    if rotates {
        plan.rotate(&mut caller).await?;
    }
    caller.close().await;
    let events = match args.all_events {
        true => vec![ALL_EVENTS.to_owned()],
        false => args.events.0,
    };
    let wanted = Wanted {
        url: &plan.url,
        secret: &plan.secret,
        events: &events,
    };
    let written = repository.set(plan.hook, &wanted).await;
    Ok(Installed {
        action: match plan.hook {
            Some(_) => Action::Updated,
            None => Action::Created,
        },
        hook_id: written.map_err(|error| match rotates {
            true => half_rotated(error),
            false => error,
        })?,
        repo: repository.name,
        url: plan.url,
        events,
        secret_rotated: plan.has_new_secret,
    })
}

/// The server has a new secret and GitHub has perhaps not: there is time to mend that.
fn half_rotated(error: CommandError) -> CommandError {
    let first = error.hint().map(|hint| format!("{hint}; then "));
    let hint = format!(
        "{}run this again without `--rotate-secret` within 10 minutes: so long the old secret stays valid",
        first.unwrap_or_default()
    );
    error
        .context("the secret was changed on the kite server, and perhaps not on GitHub")
        .with_hint(hint)
}

/// What is to be written to GitHub.
struct Plan {
    /// The hook that is there already.
    hook: Option<u64>,
    /// The endpoint without its token: with a valid signature none is needed (spec 8), and so none is in GitHub's
    /// settings for others to read. A hook that has one loses it.
    url: String,
    secret: Secret,
    has_new_secret: bool,
}

impl Plan {
    /// Changes nothing but that there is an endpoint afterwards.
    async fn make(
        caller: &mut Caller,
        repository: &Repository,
        hooks: &[Hook],
        hook_base: &str,
    ) -> Result<Self, CommandError> {
        let prepared = prepare(caller, false).await?;
        let url = without_token(&prepared.endpoint_with_token);
        let url = url.map(|path| absolute(hook_base, path));
        let address = url.as_deref().map(Address::parse);
        let (Some(url), Some(Ok(address))) = (url, address) else {
            let message = "the server's answer names no endpoint for GitHub";
            return Err(CommandError::failed(message)
                .with_hint("kite and the server may be of different ages"));
        };
        Ok(Self {
            hook: repository.one_for(&address, hooks)?,
            url,
            secret: Secret::from(prepared.github_webhook_secret),
            has_new_secret: prepared.secret_rotated,
        })
    }

    async fn rotate(&mut self, caller: &mut Caller) -> Result<(), CommandError> {
        let prepared = prepare(caller, true).await?;
        self.secret = Secret::from(prepared.github_webhook_secret);
        self.has_new_secret = prepared.secret_rotated;
        Ok(())
    }
}

async fn prepare(
    caller: &mut Caller,
    rotate_secret: bool,
) -> Result<InstallPrepared, CommandError> {
    let params = PrepareInstall { rotate_secret };
    Ok(caller.prepare_install(&params).await?.value)
}

/// `/hooks/TEAM/github` of `/hooks/TEAM/github/TOKEN`.
fn without_token(endpoint: &str) -> Option<&str> {
    let (path, token) = endpoint.rsplit_once('/')?;
    (path.ends_with("/github") && !token.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Option<Vec<String>> {
        Events::parse(text).ok().map(|events| events.0)
    }

    #[test]
    fn events_are_plain_names_each_once_in_their_order() {
        let names = |text: &str| events(text).map(|names| names.join(" "));
        assert_eq!(names("push"), Some("push".to_owned()));
        let many = " Push, issues ,,PUSH,check-run_2,issues,";
        assert_eq!(names(many), Some("push issues check-run_2".to_owned()));
        assert_eq!(names("*"), Some("*".to_owned()));
        for bad in ["", " ", ",,", "a b", "push,iss*", "a/b", "é", "a\u{1b}"] {
            assert_eq!(events(bad), None, "{bad:?}");
        }
        assert_eq!(events(DEFAULT_EVENTS).map(|names| names.len()), Some(6));
    }

    #[test]
    fn the_token_is_left_out_of_an_endpoint() {
        let found = without_token("/hooks/t/github/khk_1_2");
        assert_eq!(found, Some("/hooks/t/github"));
        for odd in ["/hooks/t/github", "/hooks/t/github/", "github/x", ""] {
            assert_eq!(without_token(odd), None, "{odd}");
        }
    }
}
