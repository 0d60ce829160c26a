//! Opening a database file: the lock, the settings, the migrations.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::store::{Result, Role, StoreError};

/// `kite` in ASCII: how a kite database says what it is (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x6b69_7465;

/// `kitb`: how a backup says that it is one. It is a kite database, but to run on it would give its numbers again.
pub(super) const BACKUP_ID: i32 = 0x6b69_7462;

/// The steps from an empty file to the newest schema. A step never changes once it was released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/sqlite/0001_first.sql"),
    include_str!("../migrations/sqlite/0002_secrets.sql"),
    include_str!("../migrations/sqlite/0003_logins.sql"),
    include_str!("../migrations/sqlite/0004_holds.sql"),
    include_str!("../migrations/sqlite/0005_retention.sql"),
    include_str!("../migrations/sqlite/0006_quota.sql"),
    include_str!("../migrations/sqlite/0007_federation.sql"),
    include_str!("../migrations/sqlite/0008_identity.sql"),
    include_str!("../migrations/sqlite/0009_connecting.sql"),
    include_str!("../migrations/sqlite/0010_openintent.sql"),
    include_str!("../migrations/sqlite/0011_work.sql"),
];

/// What is left of a write-ahead log that grew while a reader held it back, in bytes.
const JOURNAL_MAX_BYTES: i64 = 64 * 1024 * 1024;

/// After how many pages a commit folds the write-ahead log into the database itself, since [`super::checkpoint`] has not
/// caught up with it.
const CHECKPOINT_PAGES: i64 = 16_000;

/// How long a write waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn unusable(path: &Path, why: &impl ToString) -> StoreError {
    StoreError::Unusable {
        place: path.display().to_string(),
        why: why.to_string(),
    }
}

/// Takes the lock that keeps a second server away. The file stays; the lock ends with the process.
pub(super) fn lock(path: &Path, role: Role) -> Result<Option<File>> {
    if role == Role::Visitor {
        return Ok(None);
    }
    // Whoever comes by a link takes the lock of the file.
    let file = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = file.into_os_string();
    name.push(".lock");
    let lock_path = Path::new(&name);
    let file = make_private(lock_path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(lock_path, &error)),
    }
}

/// Opens a file for writing; a new one is for its owner alone. SQLite gives its own files beside it the same mode.
fn make_private(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| unusable(path, &error))
}

/// Opens a connection with the settings that the promises rest on.
pub(super) fn connect(path: &Path, role: Role) -> Result<Connection> {
    if role == Role::Server {
        drop(make_private(path)?);
    } else if !path.exists() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| unusable(path, &error))?;
    configure(&connection).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotKite(path.display().to_string()),
        _ => unusable(path, &error),
    })?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Reading anything finds out whether the file is a database, before anything is written to it.
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let foreign = application_id(connection)? != APPLICATION_ID && tables > 0;
    if !foreign {
        connection.pragma_update(None, "journal_mode", "WAL")?;
    }
    // Plans do not depend on the values that are bound: those that might were made anew with each of them.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_MAX_BYTES)?;
    connection.pragma_update(None, "foreign_keys", true)
}

pub(super) fn application_id(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Brings the schema up to date, once, in one transaction; refuses what is no kite database or a newer one.
pub(super) fn migrate(connection: &mut Connection, path: &Path, role: Role) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application_id = application_id(&transaction)?;
    if application_id == BACKUP_ID {
        return Err(StoreError::IsBackup(path.to_owned()));
    }
    if application_id != APPLICATION_ID && (tables > 0 || role == Role::Visitor) {
        return Err(StoreError::NotKite(path.display().to_string()));
    }
    let found = version(&transaction, path)?;
    upgrade(&transaction, found, APPLICATION_ID)?;
    transaction.commit()?;
    Ok(())
}

/// The version of a schema, which must be a known one.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<u32> {
    let known = newest();
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found > known {
        true => Err(StoreError::Newer {
            place: path.display().to_string(),
            found,
            known,
        }),
        false => Ok(found),
    }
}

/// The version that [`upgrade`] leads to.
pub(super) fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The steps from a version to the newest.
pub(super) fn upgrade(connection: &Connection, found: u32, application_id: i32) -> Result<()> {
    for step in MIGRATIONS.iter().skip(found as usize) {
        connection.execute_batch(step)?;
    }
    connection.pragma_update(None, "application_id", application_id)?;
    connection.pragma_update(None, "user_version", newest())?;
    Ok(())
}
