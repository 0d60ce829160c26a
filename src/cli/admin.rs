//! `kite admin`: teams, keys and backups, straight on the database, also while a server runs on it.

mod backup;
mod check;
mod restore;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::context::{Context, block_on};
use super::error::CommandError;
use super::exit::Exit;
use super::output::Output;
use super::serve::place;
use crate::base::clock::{Clock, rfc3339};
use crate::protocol::id::TeamId;
use crate::protocol::permission::{Permission, Permissions};
use crate::protocol::scope::{Scope, Scopes};
use crate::server::{KEY_FILE, new_key};
use crate::store::{Address, Role, Store, open};

const EXAMPLES: &str = "\
Examples:
  kite admin teams create acme
  kite admin keys create --team acme --name ci --permissions read,write
  kite admin backup kite-backup.db";

/// Manage teams, keys and backups, straight on the database
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AdminArgs {
    /// The database: `sqlite:PATH` or `postgres://…` [default: sqlite:kite.db in the data directory]
    #[arg(long, value_name = "URL", env = "KITE_DATABASE_URL", global = true)]
    database: Option<String>,

    /// Where the server keeps its files
    #[arg(long, value_name = "DIR", env = "KITE_DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,

    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Teams: make and list them
    #[command(
        subcommand,
        after_help = "Examples:\n  kite admin teams create acme\n  kite admin teams list --json"
    )]
    Teams(TeamsCommand),
    /// API keys: make and revoke them
    #[command(
        subcommand,
        after_help = "Examples:\n  kite admin keys create --team acme --name ci --permissions read,write\n  kite admin keys revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f"
    )]
    Keys(KeysCommand),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Check(check::CheckArgs),
}

#[derive(Debug, Subcommand)]
enum TeamsCommand {
    /// Make a team and its first admin key
    #[command(after_help = "Example:\n  kite admin teams create acme")]
    Create {
        /// The team's id
        name: TeamId,
    },
    /// List the teams
    #[command(after_help = "Example:\n  kite admin teams list --json")]
    List,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make a key; it is shown this once
    Create(KeyArgs),
    /// Revoke a key by its id; its connections end within two seconds
    #[command(
        after_help = "Example:\n  kite admin keys revoke 0192f0c1-2a3b-7c4d-8e5f-6a7b8c9d0e1f"
    )]
    Revoke {
        /// The key's id, as it was shown when the key was made
        id: String,
    },
    /// Remove the file that keeps the first key
    #[command(after_help = "Example:\n  kite admin keys forget-bootstrap --data-dir ./data")]
    ForgetBootstrap,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite admin keys create --team acme --name ci --permissions read,write
  kite admin keys create --scopes source:github --expires-at 2027-01-31T00:00:00Z")]
struct KeyArgs {
    /// What to call it
    #[arg(long)]
    name: Option<String>,
    /// What it may do: read, write, admin
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "read", value_parser = permission)]
    permissions: Vec<String>,
    /// Which events it may see
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "*")]
    scopes: Vec<Scope>,
    /// When it stops working, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
}

fn permission(word: &str) -> Result<String, String> {
    Permission::parse(word)
        .map(|permission| permission.word().to_owned())
        .ok_or_else(|| "use read, write or admin".to_owned())
}

#[derive(Serialize)]
struct MadeTeam {
    team_id: TeamId,
    api_key: String,
}

#[derive(Serialize)]
struct ListedTeam {
    team_id: TeamId,
    created_at: String,
    last_seq: u64,
}

#[derive(Serialize)]
struct MadeKey {
    id: String,
    team_id: TeamId,
    name: Option<String>,
    key_prefix: String,
    api_key: String,
    scopes: Scopes,
    permissions: Permissions,
    created_at: String,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct RevokedKey {
    id: String,
    revoked: bool,
}

#[derive(Serialize)]
struct ForgottenKey {
    key_file: PathBuf,
    removed: bool,
}

/// The team that a new key opens where `--team` names none.
const TEAM_DEFAULT: &str = "default";

/// Runs a command on the database.
pub(super) fn run(args: AdminArgs, context: &Context) -> Result<Exit, CommandError> {
    let out = &context.out;
    let (address, data_dir) = place(args.database.as_deref(), args.data_dir, context)?;
    match args.command {
        AdminCommand::Teams(command) => block_on(teams(command, &address, out)),
        AdminCommand::Keys(command) => block_on(keys(command, &address, data_dir, context)),
        AdminCommand::Backup(args) => backup::run(args, &address, out),
        AdminCommand::Restore(args) => restore::run(args, &address, out),
        AdminCommand::Check(args) => check::run(args, &address, out),
    }
}

async fn teams(
    command: TeamsCommand,
    address: &Address,
    out: &Output,
) -> Result<Exit, CommandError> {
    let store = open(address, Role::Visitor).await?;
    match command {
        TeamsCommand::Create { name } => create_team(store, name, out).await,
        TeamsCommand::List => list_teams(store, out).await,
    }?;
    Ok(Exit::Done)
}

async fn keys(
    command: KeysCommand,
    address: &Address,
    data_dir: PathBuf,
    context: &Context,
) -> Result<Exit, CommandError> {
    let out = &context.out;
    let store = || open(address, Role::Visitor);
    match command {
        KeysCommand::Create(args) => {
            let team = context.flags.team.as_deref().unwrap_or(TEAM_DEFAULT);
            create_key(store().await?, team.parse()?, args, out).await
        }
        KeysCommand::Revoke { id } => revoke_key(store().await?, id, out).await,
        KeysCommand::ForgetBootstrap => forget_bootstrap(data_dir.join(KEY_FILE), out),
    }?;
    Ok(Exit::Done)
}

async fn create_team(
    store: Arc<dyn Store>,
    team: TeamId,
    out: &Output,
) -> Result<(), CommandError> {
    let admin = Permissions(vec![Permission::Admin.word().to_owned()]);
    let now = Clock::system().unix_millis();
    let (key, record) = new_key(
        team.clone(),
        Some("first".to_owned()),
        admin,
        Scopes::all(),
        now,
    );
    store.create_team(team.clone(), record).await?;
    let made = MadeTeam {
        team_id: team,
        api_key: key.reveal().to_owned(),
    };
    Ok(out.show(&made, |made| {
        format!(
            "Made the team {}\nAdmin key (shown this once): {}",
            made.team_id, made.api_key
        )
    })?)
}

async fn list_teams(store: Arc<dyn Store>, out: &Output) -> Result<(), CommandError> {
    for team in store.teams().await? {
        let team = ListedTeam {
            team_id: team.id,
            created_at: rfc3339(team.created_at),
            last_seq: team.last_seq,
        };
        out.show(&team, |team| {
            format!(
                "{}  made {}  {} events",
                team.team_id, team.created_at, team.last_seq
            )
        })?;
    }
    Ok(())
}

async fn create_key(
    store: Arc<dyn Store>,
    team: TeamId,
    args: KeyArgs,
    out: &Output,
) -> Result<(), CommandError> {
    let now = Clock::system().unix_millis();
    let expires_at = args.expires_at.map(Timestamp::as_millisecond);
    if expires_at.is_some_and(|end| end <= now) {
        return Err(CommandError::usage("`--expires-at` lies in the past"));
    }
    let scopes: Vec<String> = args.scopes.iter().map(Scope::to_string).collect();
    let scopes = Scopes::parse(&scopes).map_err(|error| CommandError::usage(error.to_string()))?;
    let (key, mut record) = new_key(team, args.name, Permissions(args.permissions), scopes, now);
    record.expires_at = expires_at;
    store.create_key(record.clone()).await?;
    let made = MadeKey {
        id: record.id,
        team_id: record.team,
        name: record.name,
        key_prefix: record.prefix,
        api_key: key.reveal().to_owned(),
        scopes: record.scopes,
        permissions: record.permissions,
        created_at: rfc3339(record.created_at),
        expires_at: record.expires_at.map(rfc3339),
    };
    Ok(out.show(&made, |made| {
        format!(
            "Made a key for the team {}\nid: {}\nKey (shown this once): {}",
            made.team_id, made.id, made.api_key
        )
    })?)
}

async fn revoke_key(store: Arc<dyn Store>, id: String, out: &Output) -> Result<(), CommandError> {
    store
        .revoke_key(None, id.clone(), Clock::system().unix_millis())
        .await?;
    let revoked = RevokedKey { id, revoked: true };
    Ok(out.show(&revoked, |key| format!("Revoked the key {}", key.id))?)
}

fn forget_bootstrap(key_file: PathBuf, out: &Output) -> Result<(), CommandError> {
    let removed = match std::fs::remove_file(&key_file) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => {
            let text = format!("cannot remove `{}`: {error}", key_file.display());
            return Err(CommandError::failed(text));
        }
    };
    let forgotten = ForgottenKey { key_file, removed };
    Ok(out.show(&forgotten, |forgotten| match forgotten.removed {
        true => format!(
            "Removed {}. The key itself goes on working",
            forgotten.key_file.display()
        ),
        false => format!("There is no {}", forgotten.key_file.display()),
    })?)
}
