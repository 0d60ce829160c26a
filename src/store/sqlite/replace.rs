//! A restored file takes its place, and what was there is moved aside.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::TempPath;

use super::dump::{self, Purpose};
use super::{open, unsigned};
use crate::base::clock::rfc3339;
use crate::store::backup::{Filled, Target};
use crate::store::dump::Rows;
use crate::store::record::Millis;
use crate::store::renumber::Replaced;
use crate::store::{Result, Role, StoreError};

/// What SQLite keeps beside a file while it is open, and takes for that file's whenever it opens one of that name.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why a file is not replaced that is whole.
const IN_USE: &str = "another process has it open";

/// The place of a database file. No server is on it, and none can be as long as this value lives.
pub(in crate::store) struct Place {
    path: PathBuf,
    now: Millis,
    found: Found,
    _lock: Option<File>,
}

/// What is in the place.
enum Found {
    Nothing,
    /// A database without anything in it.
    Empty,
    Data(Replaced),
}

impl Place {
    /// Takes a place, which must be empty unless what is there is to be replaced.
    pub(in crate::store) fn take(path: PathBuf, replaces: bool, now: Millis) -> Result<Self> {
        make_private_dir(dir_of(&path)).map_err(|error| open::unusable(&path, &error))?;
        // It is the file that is replaced, not a link to it.
        let path = path.canonicalize().unwrap_or(path);
        let lock = open::lock(&path, Role::Server)?;
        let found = look(&path)?;
        if matches!(found, Found::Data(_)) && !replaces {
            return Err(StoreError::NotEmpty(path.display().to_string()));
        }
        Ok(Self {
            path,
            now,
            found,
            _lock: lock,
        })
    }

    /// Puts a file in this place, in one step. Says where the file is that was there.
    fn put(&self, file: TempPath) -> Result<Option<PathBuf>> {
        let unusable = |error: &dyn ToString| open::unusable(&self.path, &error.to_string());
        let aside = match &self.found {
            // A database that was lost may have left some of its files.
            Found::Nothing => rest_aside(&self.path, self.now).map_err(|error| unusable(&error))?,
            Found::Empty => {
                fold(&self.path)?;
                rest_aside(&self.path, self.now).map_err(|error| unusable(&error))?
            }
            Found::Data(replaced) => {
                if replaced.unreadable.is_none() {
                    fold(&self.path)?;
                }
                let aside = set_aside(&self.path, self.now).map_err(|error| unusable(&error))?;
                // A file that comes in its place must not find them.
                move_side_files(&self.path, &aside).map_err(|error| unusable(&error))?;
                Some(aside)
            }
        };
        file.persist(&self.path).map_err(|error| unusable(&error))?;
        sync_dir(dir_of(&self.path)).map_err(|error| unusable(&error))?;
        Ok(aside)
    }
}

#[async_trait]
impl Target for Place {
    fn replaced(&self) -> Option<&Replaced> {
        match &self.found {
            Found::Data(replaced) => Some(replaced),
            Found::Nothing | Found::Empty => None,
        }
    }

    async fn fill(self: Box<Self>, mut rows: Rows, expected: u64) -> Result<Filled> {
        // Whoever gives this up takes the draft away.
        let draft = draft_beside(&self.path)?;
        let path = draft.to_path_buf();
        let count = run(move || dump::build(&path, Purpose::Database, &mut rows)).await?;
        if count != expected {
            return Err(StoreError::cut_short(expected, count));
        }
        let set_aside = self.put(draft)?;
        Ok(Filled { set_aside })
    }
}

/// Runs work off the async threads.
pub(in crate::store) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StoreError::Failed("the work panicked".to_owned()))?
}

/// An empty file beside another, for its owner alone. It goes with the value.
pub(in crate::store) fn draft_beside(path: &Path) -> Result<TempPath> {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    let draft = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".part")
        .tempfile_in(dir_of(path));
    let draft = draft.map_err(|error| open::unusable(dir_of(path), &error))?;
    Ok(draft.into_temp_path())
}

pub(in crate::store) fn dir_of(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Puts the names in a directory on stable storage.
pub(in crate::store) fn sync_dir(dir: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(dir)?.sync_all(),
        false => Ok(()),
    }
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// What is in a place. A database of somebody else or of a newer kite is not ours to replace.
fn look(path: &Path) -> Result<Found> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(open::unusable(path, &error)),
        Ok(file) if file.len() == 0 => return Ok(Found::Empty),
        Ok(_) => {}
    }
    let looked = open::connect(path, Role::Visitor).and_then(|connection| {
        match open::application_id(&connection)? {
            open::APPLICATION_ID => {}
            open::BACKUP_ID => return Err(StoreError::IsBackup(path.to_owned())),
            _ => return Err(StoreError::NotKite(path.display().to_string())),
        }
        open::version(&connection, path)?;
        contents(&connection)
    });
    match looked {
        Ok((true, _)) => Ok(Found::Empty),
        Ok((false, replaced)) => Ok(Found::Data(replaced)),
        Err(StoreError::Failed(why) | StoreError::Unusable { why, .. }) => match hindrance(path) {
            Some(hindrance) => Err(open::unusable(path, &hindrance)),
            // A database that is broken is one more reason to replace it.
            None => Ok(Found::Data(Replaced {
                unreadable: Some(why),
                ..Replaced::default()
            })),
        },
        Err(error) => Err(error),
    }
}

/// Why a file that may be whole cannot be read now.
fn hindrance(path: &Path) -> Option<String> {
    if let Err(error) = File::open(path) {
        return Some(error.to_string());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(Duration::ZERO)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
    });
    match read.err()?.sqlite_error_code()? {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(IN_USE.to_owned()),
        _ => None,
    }
}

/// Whether a database is empty, and what it has given.
fn contents(connection: &Connection) -> Result<(bool, Replaced)> {
    let mut teams = connection.prepare("SELECT id, last_seq FROM teams")?;
    let heads = teams.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    let heads = heads.collect::<rusqlite::Result<_>>()?;
    let mut replaced = Replaced {
        heads,
        ..Replaced::default()
    };
    let mut instance = connection.prepare("SELECT access_version FROM instance")?;
    let mut found = instance.query([])?;
    let mut is_empty = replaced.heads.is_empty();
    if let Some(row) = found.next()? {
        replaced.access_version = row.get(0)?;
        is_empty = false;
    }
    Ok((is_empty, replaced))
}

/// Folds the write-ahead log into the file, so that the one file is all there is.
fn fold(path: &Path) -> Result<()> {
    if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Ok(());
    }
    let connection = open::connect(path, Role::Visitor)?;
    let mode = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| {
        row.get::<_, String>(0)
    });
    match mode {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(_) => Err(open::unusable(path, &IN_USE)),
        Err(error) => Err(open::unusable(path, &error)),
    }
}

/// Names for what is moved aside, which tell what became of it.
fn names_aside(path: &Path, now: Millis) -> impl Iterator<Item = PathBuf> {
    let mut time = rfc3339(now).replace(['-', ':'], "");
    time.truncate("20260131T120000".len());
    (1u64..).map(move |attempt| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".replaced-{time}Z"));
        if attempt > 1 {
            name.push(format!("-{attempt}"));
        }
        PathBuf::from(name)
    })
}

/// Gives a file a second name. The first one stays until another file takes it, so that there is a database at any moment.
fn set_aside(path: &Path, now: Millis) -> io::Result<PathBuf> {
    for aside in names_aside(path, now) {
        match fs::hard_link(path, &aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // Some file systems know no second names.
            Err(_) if !aside.exists() => {
                fs::rename(path, &aside)?;
                return Ok(aside);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Moves aside what is beside a file that is gone. SQLite would put it into the file that comes.
fn rest_aside(path: &Path, now: Millis) -> io::Result<Option<PathBuf>> {
    if left_beside(path).is_none() {
        return Ok(None);
    }
    let mut names = names_aside(path, now);
    let free = names.find(|name| !name.exists() && left_beside(name).is_none());
    let aside = free.ok_or(io::ErrorKind::AlreadyExists)?;
    move_side_files(path, &aside)?;
    Ok(left_beside(&aside))
}

/// A file that SQLite has left beside another, or keeps there.
pub(in crate::store) fn left_beside(path: &Path) -> Option<PathBuf> {
    side_files(path).into_iter().find(|file| file.exists())
}

/// The names of what SQLite keeps beside a file.
pub(in crate::store) fn side_files(path: &Path) -> [PathBuf; 3] {
    SIDE_FILES.map(|side| beside(path, side))
}

fn beside(path: &Path, side: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(side);
    PathBuf::from(name)
}

fn move_side_files(path: &Path, aside: &Path) -> io::Result<()> {
    for side in SIDE_FILES {
        match fs::rename(beside(path, side), beside(aside, side)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
