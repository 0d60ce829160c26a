//! The file of the queue: made, recognised, brought up to date.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{QueueFault, old};

/// How long a statement waits for another process (spec 18).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a file is looked at that another process has just opened.
const GLANCE: Duration = Duration::from_millis(10);

/// The version that this kite writes.
const VERSION: u32 = 1;

/// What marks a SQLite file as kite's queue: `kite` in ASCII.
const APPLICATION: u32 = 0x6b69_7465;

/// The entries. One event can have one for each consumer. A server that was set up anew gives numbers again, so the id
/// belongs to what an entry is known by. `settled_at` is when it came to its status: what counts for how long it stays.
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
    settled_at INTEGER NOT NULL,
    window_key BLOB,
    UNIQUE (server, team_id, consumer, seq, event_id)
);
CREATE INDEX entries_due ON entries (server, team_id, consumer, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX entries_by_status ON entries (status, settled_at);
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
CREATE TABLE retentions (
    server TEXT NOT NULL,
    team_id TEXT NOT NULL,
    consumer TEXT NOT NULL,
    done_secs INTEGER NOT NULL,
    failed_secs INTEGER NOT NULL,
    size_max INTEGER,
    PRIMARY KEY (server, team_id, consumer)
) WITHOUT ROWID;
";

/// Opens the file. Nothing is written to what is no queue.
pub(super) fn open(path: &Path, now: i64) -> Result<Connection, QueueFault> {
    let fault = |error: rusqlite::Error| QueueFault::opening_sql(path, &error);
    make_private(path).map_err(|error| QueueFault::opening(path, error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fault)?;
    match Found::look(&connection).map_err(fault)? {
        Found::Queue(version) if version > VERSION => {
            let path = path.display().to_string();
            return Err(QueueFault::Newer { path });
        }
        Found::Other => {
            return Err(QueueFault::foreign(
                path,
                "it is the database of another program",
            ));
        }
        Found::Queue(_) | Found::Nothing | Found::Old(_) => {}
    }
    configure(&connection).map_err(fault)?;
    migrate(&mut connection, now).map_err(fault)?;
    Ok(connection)
}

/// Makes the directory and the file where they are missing, for their owner alone: payloads are in it. A file that is
/// there is not opened here: closing it would end the locks that this process has on it.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory)?;
    }
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    use_log(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)
}

/// Switches to the write-ahead log. Where another process does the same at this moment, SQLite does not wait for it.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        let switched = connection.pragma_update(None, "journal_mode", "WAL");
        match switched {
            Err(error) if is_busy(&error) && waited < BUSY_TIMEOUT => {
                std::thread::sleep(GLANCE);
                waited += GLANCE;
            }
            switched => return switched,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

/// What a file holds.
enum Found {
    /// Nothing yet.
    Nothing,
    /// A queue of this version.
    Queue(u32),
    /// The queue of a client before this one, in this table.
    Old(String),
    /// Something else.
    Other,
}

impl Found {
    /// Looks into a file as it is at one moment: another process may be making the tables.
    fn look(connection: &Connection) -> rusqlite::Result<Self> {
        let moment = connection.unchecked_transaction()?;
        Self::look_within(&moment)
    }

    fn look_within(connection: &Connection) -> rusqlite::Result<Self> {
        let pragma = |name: &str| {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u32>(0))
        };
        if pragma("application_id")? == APPLICATION {
            return pragma("user_version").map(Self::Queue);
        }
        if let Some(table) = old::table(connection)? {
            return Ok(Self::Old(table));
        }
        let count = "SELECT count(*) FROM sqlite_schema";
        let is_empty = connection.query_row(count, [], |row| row.get::<_, u32>(0))? == 0;
        Ok(if is_empty { Self::Nothing } else { Self::Other })
    }
}

/// Makes the tables, once, whoever comes first; the entries of an old one move over.
fn migrate(connection: &mut Connection, now: i64) -> rusqlite::Result<()> {
    if matches!(Found::look(connection)?, Found::Queue(_)) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = Found::look_within(&transaction)?;
    if !matches!(found, Found::Queue(_)) {
        if let Found::Old(table) = &found {
            old::set_aside(&transaction, table)?;
        }
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        if matches!(found, Found::Old(_)) {
            old::move_over(&transaction, now)?;
        }
    }
    transaction.commit()
}
