//! How far each client has come, and who holds its cursor.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{signed, team_number, unsigned};
use crate::protocol::id::{ClientId, TeamId};
use crate::store::Result;
use crate::store::record::{Cursor, CursorMove, Hold, Millis};

/// A client's cursor, made when missing; see [`crate::store::Store::open_cursor`].
pub(super) fn open_cursor(
    transaction: &Transaction<'_>,
    team: &TeamId,
    client: &ClientId,
    filter: &[u8; 32],
    now: Millis,
) -> Result<(Cursor, u64)> {
    let number = team_number(transaction, team)?;
    transaction
        .prepare_cached(
            "INSERT INTO cursors (team, client_id, acked, scanned, filter, updated_at, hold)
             SELECT number, ?2, last_seq, last_seq, ?3, ?4, 1 FROM teams WHERE number = ?1
             ON CONFLICT DO UPDATE SET updated_at = ?4, hold = hold + 1",
        )?
        .execute(params![number, client.as_str(), filter, now])?;
    let cursor = transaction
        .prepare_cached(
            "SELECT acked, scanned, filter, hold FROM cursors WHERE team = ?1 AND client_id = ?2",
        )?
        .query_row(params![number, client.as_str()], |row| {
            let cursor = Cursor {
                acked: unsigned(row.get(0)?),
                scanned: unsigned(row.get(1)?),
                filter: row.get(2)?,
            };
            Ok((cursor, unsigned(row.get(3)?)))
        })?;
    Ok(cursor)
}

/// Which holds are none any more; see [`crate::store::Store::lost_holds`].
pub(super) fn lost_holds(connection: &Connection, holds: Vec<Hold>) -> Result<Vec<Hold>> {
    let mut select = connection.prepare_cached(
        "SELECT hold FROM cursors JOIN teams ON teams.number = cursors.team WHERE teams.id = ?1 AND client_id = ?2",
    )?;
    let mut lost = Vec::new();
    for hold in holds {
        let number: Option<i64> = select
            .query_row(params![hold.team.as_str(), hold.client.as_str()], |row| {
                row.get(0)
            })
            .optional()?;
        if number.map(unsigned) != Some(hold.number) {
            lost.push(hold);
        }
    }
    Ok(lost)
}

/// Moves cursors forward; see [`crate::store::Store::move_cursors`].
pub(super) fn move_cursors(
    transaction: &Transaction<'_>,
    moves: Vec<CursorMove>,
    now: Millis,
) -> Result<Vec<Hold>> {
    // The scanned position belongs to the filter that it was scanned with: with another one it starts over.
    let mut update = transaction.prepare_cached(
        "UPDATE cursors
         SET acked = max(acked, ?3),
             scanned = CASE filter WHEN ?5 THEN max(scanned, ?4) ELSE ?4 END,
             filter = ?5,
             updated_at = ?6
         WHERE team = ?1 AND client_id = ?2 AND hold = ?7",
    )?;
    let mut lost = Vec::new();
    for CursorMove { hold, cursor } in moves {
        let moved = update.execute(params![
            team_number(transaction, &hold.team)?,
            hold.client.as_str(),
            signed(cursor.acked),
            signed(cursor.scanned),
            cursor.filter,
            now,
            signed(hold.number)
        ])?;
        if moved == 0 {
            lost.push(hold);
        }
    }
    Ok(lost)
}

/// Takes note that holds are in use; see [`crate::store::Store::renew_holds`].
pub(super) fn renew_holds(
    transaction: &Transaction<'_>,
    holds: &[Hold],
    now: Millis,
) -> Result<()> {
    let mut renew = transaction.prepare_cached(
        "UPDATE cursors SET updated_at = ?4
         WHERE team = (SELECT number FROM teams WHERE id = ?1) AND client_id = ?2 AND hold = ?3",
    )?;
    for hold in holds {
        renew.execute(params![
            hold.team.as_str(),
            hold.client.as_str(),
            signed(hold.number),
            now
        ])?;
    }
    Ok(())
}
