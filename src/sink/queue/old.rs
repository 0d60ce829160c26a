//! The queue of the client before this one (spec 18), found by its columns: it knew no servers, no consumers and no
//! attempts, and its key was the event's number alone.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction, named_params};

/// The columns that tell its table from others.
const COLUMNS: [&str; 7] = [
    "seq",
    "event_id",
    "team_id",
    "source",
    "event_type",
    "raw_payload",
    "status",
];

/// What the table is called while its entries move over.
const ASIDE: &str = "old_queue";

/// Why an entry is failed that was still to be handed on: nobody is left who would do it.
const UNDONE: &str = "an older kite had not handed it on";

/// The name of the table, where there is one.
pub(super) fn table(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names {
        let name = name?;
        let columns = columns(connection, &name)?;
        if COLUMNS.iter().all(|column| columns.contains(*column)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<BTreeSet<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

/// Gives the table another name, as its own may be one of ours.
pub(super) fn set_aside(transaction: &Transaction<'_>, table: &str) -> rusqlite::Result<()> {
    let quoted = table.replace('"', "\"\"");
    transaction.execute_batch(&format!("ALTER TABLE \"{quoted}\" RENAME TO {ASIDE}"))
}

/// Moves the entries to the new table and drops the old one. They are of every server.
pub(super) fn move_over(transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
    let columns = columns(transaction, ASIDE)?;
    let of = |name: &'static str, otherwise: &'static str| match columns.contains(name) {
        true => name,
        false => otherwise,
    };
    let (importance, why) = (of("importance", "NULL"), of("failure_reason", "NULL"));
    let (enriched, enriched_at) = (of("enriched_payload", "NULL"), of("enriched_at", "NULL"));
    let (created_at, delivered_at) = (of("created_at", ":now"), of("delivered_at", "NULL"));
    let sql = format!(
        "INSERT OR IGNORE INTO entries (server, team_id, consumer, seq, event_id, source, event_type, raw_payload,
             enriched_payload, importance, status, failure_reason, created_at, enriched_at, delivered_at, settled_at)
         SELECT '', coalesce(team_id, ''), '', max(0, CAST(coalesce(seq, 0) AS INTEGER)), coalesce(event_id, ''),
             lower(coalesce(source, 'unknown')), coalesce(event_type, ''), CAST(coalesce(raw_payload, '') AS TEXT),
             CAST({enriched} AS TEXT), coalesce({importance}, 'normal'),
             CASE WHEN status IN ('delivered', 'filtered') THEN status ELSE 'failed' END,
             CASE WHEN status IN ('delivered', 'filtered', 'failed') THEN {why} ELSE :undone END,
             CAST(coalesce({created_at}, :now) AS INTEGER), CAST({enriched_at} AS INTEGER),
             CAST({delivered_at} AS INTEGER), :now
         FROM {ASIDE} ORDER BY rowid"
    );
    transaction.execute(&sql, named_params! { ":undone": UNDONE, ":now": now })?;
    transaction.execute_batch(&format!("DROP TABLE {ASIDE}"))
}
