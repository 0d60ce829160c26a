//! Backups, restores and checks: one stream of rows between any two databases.
//!
//! A backup is a file of SQLite, whatever database it came from, and can be restored into either kind.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::check::judge;
pub use super::check::{Counts, Depth, Finding, Grade, Report, Subject};
use super::dump::Rows;
use super::record::Millis;
pub use super::renumber::Renumbered;
use super::renumber::{Renumbering, Replaced};
use super::sqlite::dump::{Origin, Purpose, build, export};
use super::sqlite::replace::{Place, dir_of, draft_beside, left_beside, run, side_files, sync_dir};
use super::{Address, Result, StoreError, postgres, sqlite};

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// How large the file is.
    pub bytes: u64,
    /// What is in it.
    pub counts: Counts,
    /// Whose it is, if a server has run on the database.
    pub instance_id: Option<String>,
}

/// How to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restoring {
    /// Replace what is in the target.
    pub replaces: bool,
    /// Give the events the numbers that they had.
    pub keeps_numbers: bool,
    /// The present time.
    pub now: Millis,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How much.
    pub counts: Counts,
    /// Whose it is.
    pub instance_id: Option<String>,
    /// The numbers of each log.
    pub logs: Vec<Renumbered>,
    /// Where the file is that was replaced.
    pub set_aside: Option<PathBuf>,
    /// Teams of the replaced database that the backup does not have.
    pub gone_teams: Vec<String>,
    /// Why the replaced database could not be read.
    pub unreadable: Option<String>,
    /// Faults of the backup that a restore leaves as they are.
    pub findings: Vec<Finding>,
}

/// A database that is about to be filled. Nobody else is at work on it.
#[async_trait]
pub(super) trait Target: Send {
    /// What it has now, unless it is empty.
    fn replaced(&self) -> Option<&Replaced>;

    /// Fills it with so many rows, all or nothing.
    async fn fill(self: Box<Self>, rows: Rows, expected: u64) -> Result<Filled>;
}

/// A database that was filled.
pub(super) struct Filled {
    /// Where the file is that was there before.
    pub(super) set_aside: Option<PathBuf>,
}

/// Checks a database, also while servers run on it, or a backup.
pub async fn check(address: &Address, depth: Depth) -> Result<Report> {
    judge(read(address, Some(depth)).await?, depth).await
}

/// Makes a backup, also while servers run on the database. A file that is there is replaced only if that is wanted.
pub async fn back_up(address: &Address, file: &Path, overwrites: bool) -> Result<Backup> {
    is_another(file, address)?;
    if !overwrites && file.exists() {
        return Err(StoreError::Exists(format!("`{}`", file.display())));
    }
    if let Some(left) = left_beside(file) {
        // SQLite would take it for the backup's own. A database that is in use has such files too.
        let why = format!("`{}` belongs to another database", left.display());
        return Err(unusable(file, &why));
    }
    let draft = draft_beside(file)?;
    let mut rows = read(address, None).await?;
    // Whoever gives this up takes the draft away.
    let path = draft.to_path_buf();
    let written = run(move || build(&path, Purpose::Backup, &mut rows)).await?;
    let report = verified(&draft, Depth::Quick, address).await?;
    if report.rows != written {
        return Err(StoreError::cut_short(written, report.rows));
    }
    let size = std::fs::metadata(&draft).map(|file| file.len());
    let bytes = size.map_err(|error| unusable(file, &error))?;
    match overwrites {
        true => draft.persist(file),
        false => draft.persist_noclobber(file),
    }
    .map_err(|error| unusable(file, &error))?;
    sync_dir(dir_of(file)).map_err(|error| unusable(file, &error))?;
    Ok(Backup {
        bytes,
        counts: report.counts,
        instance_id: report.instance_id,
    })
}

/// Fills a database from a backup, or from the file of a stopped server. Nobody may be at work on the database; what is
/// in it is replaced only if that is wanted.
pub async fn restore(file: &Path, address: &Address, how: Restoring) -> Result<Restored> {
    is_another(file, address)?;
    let report = verified(file, Depth::Full, &file.display()).await?;
    let target: Box<dyn Target> = match address {
        Address::Sqlite(path) => Box::new(Place::take(path.clone(), how.replaces, how.now)?),
        Address::Postgres(address) => {
            Box::new(postgres::dump::Place::take(address, how.replaces).await?)
        }
    };
    let nothing = Replaced::default();
    let replaced = target.replaced().unwrap_or(&nothing);
    let mut renumbering = match how.keeps_numbers {
        true => Renumbering::none(&report.logs, replaced)?,
        false => Renumbering::upwards(&report.logs, replaced, how.now)?,
    };
    let is_kept = |id: &&String| report.logs.iter().any(|log| log.team_id == **id);
    let mut gone_teams: Vec<String> = replaced
        .heads
        .keys()
        .filter(|id| !is_kept(id))
        .cloned()
        .collect();
    gone_teams.sort();
    let unreadable = replaced.unreadable.clone();
    let logs = renumbering.logs.clone();

    let rows = export(file.to_owned(), Origin::Backup, None);
    let rows = rows.changed(move |row| renumbering.apply(row));
    let filled = target.fill(rows, report.rows).await?;
    Ok(Restored {
        counts: report.counts,
        instance_id: report.instance_id,
        logs,
        set_aside: filled.set_aside,
        gone_teams,
        unreadable,
        findings: report.findings,
    })
}

/// Everything in a database.
async fn read(address: &Address, depth: Option<Depth>) -> Result<Rows> {
    match address {
        Address::Sqlite(path) => Ok(sqlite::dump::export(path.clone(), Origin::Database, depth)),
        Address::Postgres(address) => postgres::dump::export(address, depth).await,
    }
}

/// Judges a file that is to be a copy, and refuses one that is none.
async fn verified(file: &Path, depth: Depth, place: &dyn ToString) -> Result<Report> {
    let rows = export(file.to_owned(), Origin::Backup, Some(depth));
    let report = judge(rows, depth).await?;
    match report.spoiling {
        Some(why) => Err(StoreError::Damaged {
            place: place.to_string(),
            why,
        }),
        None => Ok(report),
    }
}

/// Refuses a file that is the database or a part of it.
fn is_another(file: &Path, address: &Address) -> Result<()> {
    let Address::Sqlite(path) = address else {
        return Ok(());
    };
    let (Ok(path), Ok(file)) = (path.canonicalize(), file.canonicalize()) else {
        return Ok(());
    };
    match file == path || side_files(&path).contains(&file) {
        true => Err(unusable(&file, &"it is the database itself")),
        false => Ok(()),
    }
}

fn unusable(file: &Path, why: &dyn ToString) -> StoreError {
    StoreError::Unusable {
        place: file.display().to_string(),
        why: why.to_string(),
    }
}
