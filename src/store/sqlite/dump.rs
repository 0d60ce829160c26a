//! A database file as a stream of rows, and a stream of rows as a new file.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, Transaction, params_from_iter};
use tempfile::TempDir;

use super::append::SEQ_BITS;
use super::{open, signed};
use crate::store::check::Depth;
use crate::store::dump::{
    DAMAGE, DEDUP, EVENTS, Inlet, ORPHANS, REPEATS, Row, Rows, TABLES, Table, Value, stream,
};
use crate::store::limits::MAX_SEQ;
use crate::store::{Result, Role, StoreError};

/// How much of a file that is being made is kept in memory, in KiB: its indexes are written in no order.
const CACHE_KIB: i64 = 64 * 1024;

/// Which databases are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Origin {
    /// One that is in use: it is brought up to date like for every command.
    Database,
    /// A file that is left exactly as it is.
    Backup,
}

/// Everything durable in a file, as of one moment. With a depth also what only the database can tell of its soundness.
pub(in crate::store) fn export(path: PathBuf, origin: Origin, depth: Option<Depth>) -> Rows {
    let (mut inlet, rows) = stream();
    tokio::task::spawn_blocking(move || {
        let made = Source::open(&path, origin).and_then(|source| source.tell(depth, &mut inlet));
        inlet.end_blocking(made);
    });
    rows
}

/// Whether a file is a backup. One that cannot be read is none.
pub(in crate::store) fn is_backup(path: &Path) -> bool {
    let id = read_only(path).and_then(|connection| Ok(open::application_id(&connection)?));
    id.is_ok_and(|id| id == open::BACKUP_ID)
}

/// A file to read.
struct Source {
    connection: Connection,
    /// Where it is, if it had to be copied.
    _copy: Option<TempDir>,
}

impl Source {
    fn open(path: &Path, origin: Origin) -> Result<Self> {
        if origin == Origin::Database && !is_backup(path) {
            let mut connection = open::connect(path, Role::Visitor)?;
            open::migrate(&mut connection, path, Role::Visitor)?;
            return Ok(Self {
                connection,
                _copy: None,
            });
        }
        let connection = read_only(path)?;
        let id = open::application_id(&connection)?;
        if id != open::APPLICATION_ID && id != open::BACKUP_ID {
            return Err(StoreError::NotKite(path.display().to_string()));
        }
        match open::version(&connection, path)? {
            found if found == open::newest() => Ok(Self {
                connection,
                _copy: None,
            }),
            found => Self::upgraded_copy(&connection, found, id),
        }
    }

    /// An older file is brought up to date in a copy.
    fn upgraded_copy(connection: &Connection, found: u32, id: i32) -> Result<Self> {
        let dir =
            tempfile::tempdir().map_err(|error| open::unusable(Path::new("TMPDIR"), &error))?;
        let path = dir.path().join("copy.db");
        connection.execute("VACUUM INTO ?1", [path.to_string_lossy()])?;
        let mut copy = Connection::open(&path)?;
        let transaction = copy.transaction()?;
        open::upgrade(&transaction, found, id)?;
        transaction.commit()?;
        Ok(Self {
            connection: copy,
            _copy: Some(dir),
        })
    }

    fn tell(mut self, depth: Option<Depth>, inlet: &mut Inlet) -> Result<()> {
        // One view of everything, which holds no writer up.
        let view = self.connection.transaction()?;
        if let Some(depth) = depth {
            let check = match depth {
                Depth::Quick => "quick_check",
                Depth::Full => "integrity_check",
            };
            // It stops at a hundred.
            let sql = format!("SELECT * FROM pragma_{check} WHERE {check} <> 'ok'");
            select(&view, &DAMAGE, &sql, inlet)?;
        }
        for table in TABLES {
            if table.is(&DEDUP) && depth == Some(Depth::Full) {
                select(&view, &REPEATS, &repeats(), inlet)?;
                select(&view, &ORPHANS, &orphans(), inlet)?;
            }
            let sql = format!(
                "SELECT {} FROM {} ORDER BY {}",
                expressions(table),
                table.name,
                order(table)
            );
            select(&view, table, &sql, inlet)?;
        }
        Ok(())
    }
}

fn read_only(path: &Path) -> Result<Connection> {
    if !path.exists() {
        return Err(StoreError::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::NotKite(path.display().to_string()),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged {
            place: path.display().to_string(),
            why: error.to_string(),
        },
        _ => open::unusable(path, &error),
    })
}

/// The columns of a table as they are stored: the key of an event is its team and its seq.
fn expressions(table: &Table) -> String {
    match table.is(&EVENTS) {
        true => table.names().replacen(
            "team, seq",
            &format!("key >> {SEQ_BITS}, key & {MAX_SEQ}"),
            1,
        ),
        false => table.names(),
    }
}

fn order(table: &Table) -> &'static str {
    match table.is(&EVENTS) {
        true => "key",
        false => table.order,
    }
}

fn repeats() -> String {
    format!(
        "SELECT * FROM (
             SELECT key >> {SEQ_BITS} AS team, key & {MAX_SEQ} AS seq,
                    lead(key & {MAX_SEQ}) OVER (PARTITION BY key >> {SEQ_BITS}, source, id, kitesource ORDER BY key) AS later,
                    source, id, created_at
             FROM events WHERE id IN (SELECT id FROM events GROUP BY id HAVING count(*) > 1))
         WHERE later IS NOT NULL"
    )
}

fn orphans() -> String {
    format!(
        "SELECT team, event_id, created_at FROM (
             SELECT team, event_id, created_at FROM dedup
             UNION ALL
             SELECT team, local_id, created_at FROM exchanges WHERE kind <> 'callback' AND state <> 'declined'
         ) AS accepted
         WHERE NOT EXISTS (
             SELECT 1 FROM events WHERE events.id = accepted.event_id AND key >> {SEQ_BITS} = accepted.team)"
    )
}

/// Puts what a query finds into a stream.
fn select(view: &Connection, table: &'static Table, sql: &str, inlet: &mut Inlet) -> Result<()> {
    let mut statement = view.prepare(sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let values = (0..table.columns.len()).map(|column| value(row.get_ref(column)?, table));
        let values = values.collect::<Result<_>>()?;
        inlet.put_blocking(Row { table, values })?;
    }
    Ok(())
}

fn value(stored: ValueRef<'_>, table: &Table) -> Result<Value> {
    let unlawful = |what: &str| {
        let text = format!("a row of `{}` has {what} in it", table.name);
        Err(StoreError::Failed(text))
    };
    match stored {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Integer(number)),
        ValueRef::Real(_) => unlawful("a fraction"),
        ValueRef::Text(text) => match String::from_utf8(text.to_vec()) {
            Ok(text) => Ok(Value::Text(text)),
            Err(_) => unlawful("text that is not UTF-8"),
        },
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What a new file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Purpose {
    /// A server is to run on it.
    Database,
    /// It is to be kept.
    Backup,
}

/// Fills an empty file, which nobody knows yet, with everything that comes, and puts it on stable storage. Says how many
/// rows came.
pub(in crate::store) fn build(path: &Path, purpose: Purpose, rows: &mut Rows) -> Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(|error| open::unusable(path, &error))?;
    // It is thrown away unless it comes to its end.
    connection.pragma_update(None, "journal_mode", "OFF")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction()?;
    let id = match purpose {
        Purpose::Database => open::APPLICATION_ID,
        Purpose::Backup => open::BACKUP_ID,
    };
    open::upgrade(&transaction, 0, id)?;
    let mut count = 0;
    while let Some(page) = rows.next_blocking()? {
        insert(&transaction, &page)?;
        count += page.len() as u64;
    }
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| open::unusable(path, &error))?;
    Ok(count)
}

fn insert(transaction: &Transaction<'_>, page: &[Row]) -> Result<()> {
    for rows in page.chunk_by(|one, next| one.table.is(next.table)) {
        let Some(table) = rows.first().map(|row| row.table) else {
            continue;
        };
        let mut insert = transaction.prepare_cached(&insertion(table))?;
        for row in rows {
            if table.is(&EVENTS) {
                fits(row)?;
            }
            insert.execute(params_from_iter(&row.values))?;
        }
    }
    Ok(())
}

fn insertion(table: &Table) -> String {
    let places = (1..=table.columns.len()).map(|place| format!("?{place}"));
    let places = places.collect::<Vec<_>>().join(", ");
    let (names, places) = match table.is(&EVENTS) {
        true => (
            table.names().replacen("team, seq", "key", 1),
            places.replacen("?1, ?2", &format!("(?1 << {SEQ_BITS}) | ?2"), 1),
        ),
        false => (table.names(), places),
    };
    format!("INSERT INTO {} ({names}) VALUES ({places})", table.name)
}

/// Refuses what does not fit into an event's key.
fn fits(row: &Row) -> Result<()> {
    let (team, seq) = (row.integer("team"), row.integer("seq"));
    let fits = |number: i64, bits: u32| number >= 0 && number < 1 << bits;
    match fits(team, 63 - SEQ_BITS) && fits(seq, SEQ_BITS) {
        true => Ok(()),
        false => Err(StoreError::Failed(format!(
            "SQLite has no room for event {seq} of team number {team}: numbers end at {}",
            signed(MAX_SEQ)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::dump::Kind;

    fn declared(kind: Kind) -> &'static str {
        match kind {
            Kind::Integer | Kind::Small | Kind::Flag => "INTEGER",
            Kind::Text => "TEXT",
            Kind::Bytes => "BLOB",
        }
    }

    /// A column that is added by a migration has to be added to the list, or it is lost by a backup.
    #[test]
    fn every_column_is_in_the_list() {
        let connection = Connection::open_in_memory().unwrap();
        open::upgrade(&connection, 0, open::APPLICATION_ID).unwrap();
        let mut columns = connection
            .prepare(
                "SELECT tables.name || '.' || columns.name || ' ' || columns.type
                 FROM pragma_table_list AS tables, pragma_table_info(tables.name) AS columns
                 WHERE tables.type = 'table' AND tables.name NOT IN ('logins', 'sqlite_schema', 'sqlite_temp_schema')",
            )
            .unwrap();
        let stored = columns.query_map([], |row| row.get(0)).unwrap();
        let stored: BTreeSet<String> = stored.map(|column| column.unwrap()).collect();
        let listed = TABLES.iter().flat_map(|table| {
            let column =
                |(name, kind): &(&str, Kind)| format!("{}.{name} {}", table.name, declared(*kind));
            table.columns.iter().map(column)
        });
        let listed: BTreeSet<String> = listed
            .filter(|column| column != "events.seq INTEGER")
            .map(|column| match column.as_str() {
                "events.team INTEGER" => "events.key INTEGER".to_owned(),
                _ => column,
            })
            .collect();
        assert_eq!(listed, stored);
    }
}
