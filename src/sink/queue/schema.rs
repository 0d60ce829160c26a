//! The file of the queue: made, recognised, brought up to date.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::QueueFault;

/// How long a statement waits for another process (spec 18).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The version that this kite writes.
const VERSION: u32 = 1;

/// The entries. One event can have one for each consumer. A server that was set up anew gives numbers again, so the id
/// belongs to what an entry is known by.
const TABLES: &str = "
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    team_id TEXT NOT NULL,
    consumer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    source TEXT NOT NULL,
    event_type TEXT NOT NULL,
    raw_payload TEXT NOT NULL,
    enriched_payload TEXT,
    importance TEXT NOT NULL DEFAULT 'normal',
    status TEXT NOT NULL,
    failure_reason TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    claimed_until INTEGER NOT NULL DEFAULT 0,
    sink TEXT,
    created_at INTEGER NOT NULL,
    enriched_at INTEGER,
    delivered_at INTEGER,
    window_key BLOB,
    UNIQUE (server, team_id, consumer, seq, event_id)
);
CREATE INDEX entries_due ON entries (server, team_id, consumer, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX entries_by_status ON entries (status, created_at);
CREATE INDEX entries_held ON entries (window_key) WHERE status = 'pending';
CREATE TABLE windows (
    server TEXT NOT NULL,
    team_id TEXT NOT NULL,
    consumer TEXT NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    closes_at INTEGER NOT NULL,
    PRIMARY KEY (server, team_id, consumer, key)
) WITHOUT ROWID;
CREATE INDEX windows_by_end ON windows (closes_at);
";

/// Opens the file.
pub(super) fn open(path: &Path) -> Result<Connection, QueueFault> {
    let fault = |why: &dyn ToString| QueueFault::Open {
        path: path.display().to_string(),
        why: why.to_string(),
    };
    make_private(path).map_err(|error| fault(&error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| fault(&error))?;
    configure(&connection).map_err(|error| fault(&error))?;
    let found = migrate(&mut connection).map_err(|error| fault(&error))?;
    match found > VERSION {
        true => Err(QueueFault::Newer {
            path: path.display().to_string(),
        }),
        false => Ok(connection),
    }
}

/// Makes the directory and the file where they are missing, for their owner alone: payloads are in it.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)
}

/// Makes or updates the tables, once, whoever comes first. The version that was found.
fn migrate(connection: &mut Connection) -> rusqlite::Result<u32> {
    let version = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
    };
    let found = version(connection)?;
    if found >= VERSION {
        return Ok(found);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found < VERSION {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(found)
}
