//! What is removed when its time has come.

use deadpool_postgres::Object;

use super::{column, signed, unsigned};
use crate::protocol::id::{Seq, TeamId};
use crate::store::record::Millis;
use crate::store::{Result, StoreError};

/// Removes the oldest events, and keeps apart what a forward or a letter still needs; see [`crate::store::Store::prune`].
/// One statement: the team's row is held no longer than that. Of two nodes that prune at once the second finds nothing left to do.
pub(super) async fn prune(
    client: &Object,
    team: &TeamId,
    through: Seq,
    max_events: usize,
) -> Result<Seq> {
    let prune = client
        .prepare_cached(
            "WITH target AS (
                 SELECT number, pruned_seq, greatest(pruned_seq, least(last_seq, $2, pruned_seq + $3)) AS through
                 FROM teams WHERE id = $1 FOR NO KEY UPDATE
             ), kept AS (
                 INSERT INTO kept_events (team, seq, id, type, text)
                 SELECT events.team, events.seq, events.id, events.type, events.text
                 FROM target
                 JOIN peers ON peers.team = target.number
                 CROSS JOIN LATERAL (
                     SELECT seq FROM outbox
                     WHERE peer = peers.number AND due_at = 0 AND seq > target.pruned_seq AND seq <= target.through
                     UNION ALL
                     SELECT seq FROM outbox
                     WHERE peer = peers.number AND due_at > 0 AND seq > target.pruned_seq AND seq <= target.through
                     UNION ALL
                     SELECT seq FROM letters
                     WHERE peer = peers.number AND seq > target.pruned_seq AND seq <= target.through
                 ) AS needed
                 JOIN events ON events.team = target.number AND events.seq = needed.seq
                 ON CONFLICT DO NOTHING
             ), gone AS (
                 DELETE FROM events USING target
                 WHERE events.team = target.number AND seq > target.pruned_seq AND seq <= target.through
             )
             UPDATE teams SET pruned_seq = greatest(teams.pruned_seq, target.through)
             FROM target WHERE teams.number = target.number
             RETURNING teams.pruned_seq",
        )
        .await?;
    let max_events = signed(max_events as Seq);
    let row = client
        .query_opt(&prune, &[&team.as_str(), &signed(through), &max_events])
        .await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("team `{team}`")))?;
    Ok(unsigned(column(&row, 0)?))
}

/// Forgets what was accepted; see [`crate::store::Store::forget`].
pub(super) async fn forget(client: &Object, before: Millis, max: usize) -> Result<usize> {
    let forget = client
        .prepare_cached(
            "DELETE FROM dedup WHERE (team, key) IN
                 (SELECT team, key FROM dedup WHERE created_at < $1 AND NOT federated ORDER BY created_at LIMIT $2)",
        )
        .await?;
    let forgotten = client
        .execute(&forget, &[&before, &signed(max as Seq)])
        .await?;
    Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
}
