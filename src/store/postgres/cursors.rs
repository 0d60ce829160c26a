//! How far each client has come, and who holds its cursor.

use std::collections::HashSet;

use deadpool_postgres::Object;

use super::{column, signed, unsigned};
use crate::protocol::id::ClientId;
use crate::store::Result;
use crate::store::record::{Cursor, CursorMove, Hold, Millis};

/// A client's cursor, made when missing; see [`crate::store::Store::open_cursor`].
pub(super) async fn open_cursor(
    client: &Object,
    team: i64,
    name: &ClientId,
    filter: &[u8; 32],
    now: Millis,
) -> Result<(Cursor, u64)> {
    let open = client
        .prepare_cached(
            "INSERT INTO cursors (team, client_id, acked, scanned, filter, hold, updated_at)
             SELECT number, $2, last_seq, last_seq, $3, 1, $4 FROM teams WHERE number = $1
             ON CONFLICT (team, client_id) DO UPDATE SET hold = cursors.hold + 1, updated_at = excluded.updated_at
             RETURNING acked, scanned, filter, hold",
        )
        .await?;
    let row = client
        .query_one(&open, &[&team, &name.as_str(), &&filter[..], &now])
        .await?;
    let filter: &[u8] = column(&row, 2)?;
    let cursor = Cursor {
        acked: unsigned(column(&row, 0)?),
        scanned: unsigned(column(&row, 1)?),
        // A digest of another length is nobody's.
        filter: filter.try_into().unwrap_or_default(),
    };
    Ok((cursor, unsigned(column(&row, 3)?)))
}

/// Which holds are none any more; see [`crate::store::Store::lost_holds`].
pub(super) async fn lost_holds(client: &Object, holds: Vec<Hold>) -> Result<Vec<Hold>> {
    let Columns {
        teams,
        clients,
        numbers,
    } = Columns::of(&holds);
    let select = client
        .prepare_cached(
            "SELECT held.place
             FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS held (team, client, hold, place)
             WHERE NOT EXISTS (
                 SELECT FROM cursors JOIN teams ON teams.number = cursors.team
                 WHERE teams.id = held.team AND cursors.client_id = held.client AND cursors.hold = held.hold)",
        )
        .await?;
    let rows = client.query(&select, &[&teams, &clients, &numbers]).await?;
    let mut lost = Vec::with_capacity(rows.len());
    for row in &rows {
        let place = usize::try_from(column::<i64>(row, 0)? - 1).ok();
        lost.extend(place.and_then(|place| holds.get(place)).cloned());
    }
    Ok(lost)
}

/// Holds, as a statement takes them.
pub(super) struct Columns<'a> {
    pub(super) teams: Vec<&'a str>,
    pub(super) clients: Vec<&'a str>,
    pub(super) numbers: Vec<i64>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(holds: &'a [Hold]) -> Self {
        Self {
            teams: holds.iter().map(|hold| hold.team.as_str()).collect(),
            clients: holds.iter().map(|hold| hold.client.as_str()).collect(),
            numbers: holds.iter().map(|hold| signed(hold.number)).collect(),
        }
    }
}

/// Moves cursors forward; see [`crate::store::Store::move_cursors`]. One statement for all.
pub(super) async fn move_cursors(
    client: &Object,
    moves: Vec<CursorMove>,
    now: Millis,
) -> Result<Vec<Hold>> {
    let holds = || moves.iter().map(|moved| &moved.hold);
    let cursors = || moves.iter().map(|moved| &moved.cursor);
    let teams: Vec<&str> = holds().map(|hold| hold.team.as_str()).collect();
    let clients: Vec<&str> = holds().map(|hold| hold.client.as_str()).collect();
    let numbers: Vec<i64> = holds().map(|hold| signed(hold.number)).collect();
    let acked: Vec<i64> = cursors().map(|cursor| signed(cursor.acked)).collect();
    let scanned: Vec<i64> = cursors().map(|cursor| signed(cursor.scanned)).collect();
    let filters: Vec<&[u8]> = cursors().map(|cursor| &cursor.filter[..]).collect();
    // The scanned position belongs to the filter that it was scanned with: with another one it starts over.
    let update = client
        .prepare_cached(
            "UPDATE cursors
             SET acked = greatest(cursors.acked, moved.acked),
                 scanned = CASE cursors.filter WHEN moved.filter THEN greatest(cursors.scanned, moved.scanned)
                           ELSE moved.scanned END,
                 filter = moved.filter,
                 updated_at = $7
             FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])
                  WITH ORDINALITY AS moved (team, client, hold, acked, scanned, filter, place)
             JOIN teams ON teams.id = moved.team
             WHERE cursors.team = teams.number AND cursors.client_id = moved.client AND cursors.hold = moved.hold
             RETURNING moved.place",
        )
        .await?;
    let rows = client
        .query(
            &update,
            &[&teams, &clients, &numbers, &acked, &scanned, &filters, &now],
        )
        .await?;
    let mut moved = HashSet::with_capacity(rows.len());
    for row in &rows {
        moved.insert(unsigned(column(row, 0)?));
    }
    let lost = (1u64..)
        .zip(moves)
        .filter(|(place, _)| !moved.contains(place));
    Ok(lost.map(|(_, moved)| moved.hold).collect())
}

/// Takes note that holds are in use; see [`crate::store::Store::renew_holds`].
pub(super) async fn renew_holds(client: &Object, holds: &[Hold], now: Millis) -> Result<()> {
    let Columns {
        teams,
        clients,
        numbers,
    } = Columns::of(holds);
    let renew = client
        .prepare_cached(
            "UPDATE cursors SET updated_at = $4
             FROM unnest($1::text[], $2::text[], $3::bigint[]) AS held (team, client, hold)
             JOIN teams ON teams.id = held.team
             WHERE cursors.team = teams.number AND client_id = held.client AND cursors.hold = held.hold",
        )
        .await?;
    client
        .execute(&renew, &[&teams, &clients, &numbers, &now])
        .await?;
    Ok(())
}

/// Drops unused cursors; see [`crate::store::Store::drop_cursors`].
pub(super) async fn drop_cursors(client: &Object, before: Millis) -> Result<usize> {
    let drop = client
        .prepare_cached("DELETE FROM cursors WHERE updated_at < $1")
        .await?;
    let dropped = client.execute(&drop, &[&before]).await?;
    Ok(usize::try_from(dropped).unwrap_or(usize::MAX))
}
