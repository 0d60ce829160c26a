//! `kite admin restore`: a database from a backup, in which no number comes again.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::backup::refuse_stdin;
use crate::base::clock::Clock;
use crate::cli::context::block_on_call;
use crate::cli::error::{CommandError, Kind};
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::render::columns;
use crate::store::Address;
use crate::store::backup::{Renumbered, Restored, Restoring, restore};

const EXAMPLES: &str = "\
Examples:
  kite admin restore kite-backup.db --data-dir /var/lib/kite
  kite admin restore kite-backup.db --replace
  kite admin restore kite.db --keep-numbers --database postgres://kite@db.example/kite

No server may run on the database. Every event gets a new number, above all that were given before, so that no number that
somebody knows comes to mean another event. Cursors move along: a client resumes after its last ack in the backup. Who names
an old number itself, as in `--since 50`, hears the whole log.";

/// Make a database from a backup
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArgs {
    /// The backup, or the database file of a stopped server
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace what is in the database; a file is moved aside, a PostgreSQL database is emptied
    #[arg(long)]
    replace: bool,
    /// Keep the numbers of the events. Only for a move in which nothing is lost: the server was stopped before the backup
    /// was made, and was not started since
    #[arg(long)]
    keep_numbers: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    database: String,
    teams: u64,
    events: u64,
    instance_id: Option<&'a str>,
    /// Where the replaced file is.
    replaced: Option<&'a Path>,
    /// Teams that only the replaced database had.
    gone_teams: &'a [String],
    logs: &'a [Renumbered],
}

pub(super) fn run(
    args: RestoreArgs,
    address: &Address,
    out: &Output,
) -> Result<Exit, CommandError> {
    refuse_stdin(&args.file)?;
    if !args.file.is_file() {
        let message = format!("there is no file `{}`", args.file.display());
        return Err(
            CommandError::new(Kind::NotFound, message).with_hint("`kite admin backup` makes one")
        );
    }
    let how = Restoring {
        replaces: args.replace,
        keeps_numbers: args.keep_numbers,
        now: Clock::system().unix_millis(),
    };
    let waiting = out.spinner("Restoring");
    let restored = block_on_call(async { Ok(restore(&args.file, address, how).await?) })?;
    drop(waiting);
    warn(&restored, out);
    let told = Told {
        database: address.to_string(),
        teams: restored.counts.teams,
        events: restored.counts.events,
        instance_id: restored.instance_id.as_deref(),
        replaced: restored.set_aside.as_deref(),
        gone_teams: &restored.gone_teams,
        logs: &restored.logs,
    };
    out.show(&told, words)?;
    out.note(
        "The server needs the `KITE_SECRET_KEY`, or the `secret.key`, that the backup's server had",
    );
    Ok(Exit::Done)
}

fn words(told: &Told<'_>) -> String {
    let mut words = format!(
        "Restored {} team(s) with {} events into {}",
        told.teams, told.events, told.database
    );
    if let Some(path) = told.replaced {
        words += &format!("\nWhat was there is now {}", path.display());
    }
    let heading = ["TEAM", "NUMBERS IN THE BACKUP", "NUMBERS NOW"].map(str::to_owned);
    let row = |log: &Renumbered| {
        vec![
            log.team_id.clone(),
            range(log.old_first_seq, log.old_last_seq),
            range(log.first_seq, log.last_seq),
        ]
    };
    let mut rows = vec![heading.to_vec()];
    rows.extend(told.logs.iter().map(row));
    format!("{words}\n{}", columns(&rows))
}

fn range(first: u64, last: u64) -> String {
    match first > last {
        true => format!("none, next {first}"),
        false => format!("{first}-{last}"),
    }
}

fn warn(restored: &Restored, out: &Output) {
    if let Some(why) = &restored.unreadable {
        out.warn(&format!(
            "the replaced database could not be read ({why}): the new numbers were chosen by the time"
        ));
    }
    for team in &restored.gone_teams {
        out.warn(&format!("the backup has no team `{team}`: it is gone"));
    }
    for finding in &restored.findings {
        out.warn(&finding.message);
    }
}
