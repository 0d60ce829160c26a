//! `kite admin backup`: everything durable in one file, also while servers run.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::base::clock::{Clock, rfc3339};
use crate::cli::context::block_on_call;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::store::backup::back_up;
use crate::store::{Address, StoreError};

const EXAMPLES: &str = "\
Examples:
  kite admin backup kite-backup.db
  kite admin backup /backups/kite.db --force --database postgres://kite@db.example/kite

The file is a database of SQLite, whatever database it comes from, and `kite admin restore` puts it into either kind.
Signing secrets in it are sealed: keep `KITE_SECRET_KEY`, or `secret.key` of the data directory, as well, and apart from it.
Device logins that wait are not in it.";

/// Back everything up into one file, also while servers run
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupArgs {
    /// The file to make
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    file: &'a Path,
    bytes: u64,
    teams: u64,
    events: u64,
    created_at: String,
    instance_id: Option<String>,
}

pub(super) fn run(args: BackupArgs, address: &Address, out: &Output) -> Result<Exit, CommandError> {
    refuse_stdin(&args.file)?;
    let created_at = rfc3339(Clock::system().unix_millis());
    let waiting = out.spinner("Backing up");
    let backup = block_on_call(async {
        let made = back_up(address, &args.file, args.force).await;
        made.map_err(|error| match error {
            StoreError::Exists(_) => CommandError::from(error).with_hint("`--force` replaces it"),
            error => error.into(),
        })
    })?;
    drop(waiting);
    let made = Made {
        file: &args.file,
        bytes: backup.bytes,
        teams: backup.counts.teams,
        events: backup.counts.events,
        created_at,
        instance_id: backup.instance_id,
    };
    out.show(&made, |made| {
        format!(
            "Backed up {} team(s) with {} events to {} ({} bytes)",
            made.teams,
            made.events,
            made.file.display(),
            made.bytes
        )
    })?;
    out.note(
        "Signing secrets in it are sealed. Keep `KITE_SECRET_KEY`, or `secret.key` of the data directory, apart from it: \
         without that key nobody can read them",
    );
    Ok(Exit::Done)
}

/// A backup is found its way around in, and a stream is not.
pub(super) fn refuse_stdin(file: &Path) -> Result<(), CommandError> {
    match file.as_os_str() == "-" {
        true => Err(
            CommandError::usage("`-` is no place for a backup: name a file")
                .with_hint("a file of that name is `./-`"),
        ),
        false => Ok(()),
    }
}
