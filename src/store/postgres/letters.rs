//! What became of forwards: dead letters, how peers do, and what is removed in time.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::forwards::state_in;
use super::listings::{entry_columns, entry_in, event_of};
use super::peers::{COLUMNS, COLUMNS_COUNT, peer_in};
use super::storable;
use super::{column, exchanges, signed, unsigned};
use crate::protocol::federation::OutboxStatus;
use crate::protocol::id::{Seq, TeamId};
use crate::store::Result;
use crate::store::federation::{
    Ages, Letters, OutboxEntry, OutboxId, PeerNumber, PeerStanding, REPLAY_MAX, least_uuid7,
};
use crate::store::openintent::ExchangeState;
use crate::store::record::Millis;

/// One dead letter; see [`crate::store::federation::FederationStore::dead_letter`].
pub(super) async fn dead(
    client: &Object,
    team: i64,
    id: &OutboxId,
) -> Result<Option<(OutboxEntry, String)>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {}, coalesce(events.text, kept_events.text, '')
             FROM letters JOIN peers ON peers.number = letters.peer {}
             WHERE peers.team = $1 AND peers.id = $2 AND letters.seq = $3 AND letters.status = 'dead'",
            entry_columns("letters"),
            event_of("letters")
        ))
        .await?;
    let row = client
        .query_opt(&select, &[&team, &storable(&id.peer_id), &signed(id.seq)])
        .await?;
    let letter = |row: Row| Ok((entry_in(&row, OutboxStatus::Dead, None)?, column(&row, 7)?));
    row.map(letter).transpose()
}

/// Makes the first dead letters behind a peer and a number due again. Answers them, in any order.
pub(super) async fn replay(
    client: &Object,
    team: i64,
    which: &Letters,
    after: (PeerNumber, Seq),
    now: Millis,
) -> Result<Vec<(PeerNumber, Seq)>> {
    let (peer_id, seq) = match which {
        Letters::One(id) => (Some(&id.peer_id), Some(signed(id.seq))),
        Letters::Peer(id) => (Some(id), None),
        Letters::All => (None, None),
    };
    let replayed = (ExchangeState::Undelivered, ExchangeState::Queued);
    let queued = exchanges::turn("gone", replayed, "NULL", "$4::bigint");
    // Its age counts from now: it would be dead again at once.
    let replay = client
        .prepare_cached(&format!(
            "WITH found AS (
                 SELECT letters.peer, letters.seq FROM letters JOIN peers ON letters.peer = number
                 WHERE letters.status = 'dead' AND ($3::bigint IS NULL OR seq = $3)
                       AND team = $1 AND ($2::text IS NULL OR peers.id = $2) AND peers.status IN ('active', 'paused')
                       AND (letters.peer, letters.seq) > ($5::bigint, $6::bigint)
                 ORDER BY letters.peer, letters.seq LIMIT $7 FOR UPDATE OF letters
             ), gone AS (
                 DELETE FROM letters USING found
                 WHERE letters.peer = found.peer AND letters.seq = found.seq RETURNING letters.peer, letters.seq
             ), queued AS (
                 {queued}
             )
             INSERT INTO outbox (peer, due_at, seq, attempts, created_at) SELECT peer, 1, seq, 0, $4::bigint FROM gone
             ON CONFLICT (peer, due_at, seq) DO UPDATE
             SET attempts = 0, last_error = NULL, created_at = excluded.created_at
             RETURNING peer, seq"
        ))
        .await?;
    let (after_seq, max) = (signed(after.1), signed(REPLAY_MAX as u64));
    let values: [&(dyn ToSql + Sync); 7] =
        [&team, &peer_id, &seq, &now, &after.0, &after_seq, &max];
    let rows = client.query(&replay, &values).await?;
    let found = |row: &Row| Ok((column(row, 0)?, unsigned(column(row, 1)?)));
    rows.iter().map(found).collect()
}

/// Drops a dead letter; see [`crate::store::federation::FederationStore::discard`].
pub(super) async fn discard(
    client: &Object,
    team: i64,
    id: &OutboxId,
    now: Millis,
) -> Result<Option<OutboxEntry>> {
    let Some((mut entry, _)) = dead(client, team, id).await? else {
        return Ok(None);
    };
    let discard = client
        .prepare_cached(
            "UPDATE letters SET status = 'discarded', settled_at = $4 FROM peers
             WHERE letters.peer = number AND team = $1 AND peers.id = $2 AND seq = $3 AND letters.status = 'dead'",
        )
        .await?;
    let discarded = client
        .execute(&discard, &[&team, &id.peer_id, &signed(id.seq), &now])
        .await?;
    entry.status = OutboxStatus::Discarded;
    // Somebody may have replayed it since it was looked at.
    Ok((discarded > 0).then_some(entry))
}

/// How peers do; see [`crate::store::federation::FederationStore::peer_standings`].
pub(super) async fn standings(client: &Object, team: Option<&TeamId>) -> Result<Vec<PeerStanding>> {
    let select = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS}, failures, retry_at, last_success_at, last_error, latency_ms,
                    (SELECT count(*) FROM outbox WHERE outbox.peer = peers.number),
                    least((SELECT created_at FROM outbox WHERE peer = peers.number AND due_at = 0 ORDER BY seq LIMIT 1),
                          (SELECT min(created_at) FROM outbox WHERE peer = peers.number AND due_at > 0)),
                    (SELECT count(*) FROM letters WHERE letters.peer = peers.number AND letters.status = 'dead')
             FROM peers JOIN teams ON teams.number = peers.team JOIN peer_states ON peer = peers.number
             WHERE peers.status <> 'deleted' AND ($1::text IS NULL OR teams.id = $1) ORDER BY teams.id, peers.number"
        ))
        .await?;
    let rows = client.query(&select, &[&team.map(TeamId::as_str)]).await?;
    let standing = |row: &Row| {
        Ok(PeerStanding {
            peer: peer_in(row)?,
            state: state_in(row, COLUMNS_COUNT)?,
            backlog: unsigned(column(row, COLUMNS_COUNT + 5)?),
            oldest_at: column(row, COLUMNS_COUNT + 6)?,
            dead: unsigned(column(row, COLUMNS_COUNT + 7)?),
        })
    };
    rows.iter().map(standing).collect()
}

/// Removes what is old; see [`crate::store::federation::FederationStore::prune_federation`].
pub(super) async fn prune(client: &Object, before: Ages, max: usize) -> Result<bool> {
    let names = "
        DELETE FROM dedup WHERE (team, key) IN
            (SELECT team, key FROM dedup WHERE created_at < $1 AND federated ORDER BY created_at LIMIT $2)";
    let deliveries = "
        DELETE FROM deliveries USING (
            SELECT old.team, old.id FROM teams, LATERAL (
                SELECT team, id FROM deliveries WHERE team = number AND id < $1 ORDER BY id LIMIT $2) AS old
            WHERE peers_version > 0 LIMIT $2) AS old
        WHERE deliveries.team = old.team AND deliveries.id = old.id";
    let letters = "
        DELETE FROM letters WHERE (peer, seq) IN
            (SELECT peer, seq FROM letters WHERE settled_at < $1 ORDER BY settled_at LIMIT $2)";
    // What was tried is looked for apart from what was not, whose numbers are found by the index.
    let kept = "
        DELETE FROM kept_events WHERE (team, seq) IN (
            SELECT team, seq FROM kept_events WHERE NOT EXISTS (
                SELECT FROM peers JOIN letters ON letters.peer = peers.number
                WHERE peers.team = kept_events.team AND letters.seq = kept_events.seq
            ) AND NOT EXISTS (
                SELECT FROM peers JOIN outbox ON outbox.peer = peers.number
                WHERE peers.team = kept_events.team AND due_at = 0 AND outbox.seq = kept_events.seq
            ) AND NOT EXISTS (
                SELECT FROM peers JOIN outbox ON outbox.peer = peers.number
                WHERE peers.team = kept_events.team AND due_at > 0 AND outbox.seq = kept_events.seq
            ) LIMIT $1)";
    let invites = "
        DELETE FROM invites WHERE id IN (SELECT id FROM invites WHERE expires_at < $1 LIMIT $2)";
    let limit = signed(max as u64);
    let oldest = least_uuid7(before.deliveries);
    let steps: [(&str, &[&(dyn ToSql + Sync)]); 5] = [
        (names, &[&before.names, &limit]),
        (deliveries, &[&oldest, &limit]),
        (letters, &[&before.letters, &limit]),
        (invites, &[&before.invites, &limit]),
        (kept, &[&limit]),
    ];
    let mut is_more = false;
    for (sql, values) in steps {
        let statement = client.prepare_cached(sql).await?;
        is_more |= client.execute(&statement, values).await? >= max as u64;
    }
    Ok(is_more)
}
