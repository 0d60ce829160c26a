//! What is removed when its time has come.

use rusqlite::{Transaction, params};

use super::append::key;
use super::read::bounds;
use super::{letters, signed, team_number};
use crate::protocol::id::{Seq, TeamId};
use crate::store::Result;
use crate::store::record::Millis;

/// Removes the oldest events; see [`crate::store::Store::prune`]. Numbers are dense, so what goes is a range of keys.
pub(super) fn prune(
    transaction: &Transaction<'_>,
    team: &TeamId,
    through: Seq,
    max_events: usize,
) -> Result<Seq> {
    let number = team_number(transaction, team)?;
    let known = bounds(transaction, team)?;
    let through = through
        .min(known.last)
        .min(known.pruned.saturating_add(max_events as Seq));
    if through <= known.pruned {
        return Ok(known.pruned);
    }
    letters::keep_events(transaction, number, known.pruned, through)?;
    transaction
        .prepare_cached("DELETE FROM events WHERE key > ?1 AND key <= ?2")?
        .execute([key(number, known.pruned), key(number, through)])?;
    transaction
        .prepare_cached("UPDATE teams SET pruned_seq = ?2 WHERE number = ?1")?
        .execute(params![number, signed(through)])?;
    Ok(through)
}

/// Forgets what was accepted; see [`crate::store::Store::forget`].
pub(super) fn forget(transaction: &Transaction<'_>, before: Millis, max: usize) -> Result<usize> {
    let forgotten = transaction
        .prepare_cached(
            "DELETE FROM dedup WHERE (team, key) IN
                 (SELECT team, key FROM dedup WHERE created_at < ?1 AND federated = 0 ORDER BY created_at LIMIT ?2)",
        )?
        .execute(params![before, signed(max as Seq)])?;
    Ok(forgotten)
}
