//! The statements of an append.

use super::{changes, exchanges};

pub(super) const LOCK: &str = "
    SELECT id, CASE WHEN usage_month >= $2 THEN events_used ELSE 0 END, peers_version
    FROM teams WHERE id = ANY ($1) ORDER BY number FOR NO KEY UPDATE";

/// The number behind the last parameter of the insertion, without and with peers.
const BEHIND: [usize; 2] = [15, 20];

/// What a batch has to do with exchanges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dealings {
    None,
    /// New ones.
    Exchanges,
    /// Changes, and perhaps new ones.
    Changes,
}

/// The insertion, for batches with peers or without, and for what they have to do with exchanges.
pub(super) fn insertion(has_peers: bool, dealings: Dealings) -> String {
    let behind = BEHIND[usize::from(has_peers)];
    let exchanges::Parts {
        values: exchange_values,
        columns: exchange_columns,
        known: known_exchanges,
        is_repeat,
        and_first,
        kept,
    } = match dealings {
        Dealings::None => exchanges::Parts::default(),
        Dealings::Exchanges | Dealings::Changes => exchanges::Parts::with(behind),
    };
    let changes::Parts {
        values: change_values,
        columns: change_columns,
        leader,
        stale,
        and_not_stale,
        is_second,
        together,
        unseen,
        and_first: and_not_left,
        or_exempt,
        turned,
        found: found_stale,
    } = match dealings {
        Dealings::None | Dealings::Exchanges => changes::Parts::none(),
        Dealings::Changes => changes::Parts::with(behind + exchanges::PARAMETERS),
    };
    let and_first = and_not_left.unwrap_or(and_first);
    let forwarding = |sql: &'static str| if has_peers { sql } else { "" };
    // What else is known of each event: whether a peer brings it, whether its key is its name, the peers that it goes to,
    // and those that it does not go to.
    let values = forwarding(", $15::boolean[], $16::boolean[], $17::text[], $18::text[]");
    let columns = forwarding(", is_brought, is_named, peers, declined");
    // One that a peer brings and that is in the log already, whatever door it came by, began here: its chain lies. The sum
    // keeps the index on ids in use, whatever the statistics say.
    let at_home = forwarding(
        "UNION ALL
         SELECT input.place, input.id, first.created_at, NULL, NULL
         FROM input CROSS JOIN LATERAL (
             SELECT created_at
             FROM (SELECT source, created_at FROM events
                   WHERE events.id = input.id AND events.team + 0 = input.number LIMIT $19) AS namesakes
             WHERE namesakes.source = input.source LIMIT 1
         ) AS first
         WHERE input.is_brought",
    );
    let remembered = match has_peers {
        false => {
            "INSERT INTO dedup (team, key, event_id, created_at, fingerprint)
             SELECT number, key, id, created_at, fingerprint FROM fresh WHERE key IS NOT NULL"
        }
        true => {
            "INSERT INTO dedup (team, key, event_id, created_at, fingerprint, federated)
             SELECT number, key, id, created_at, fingerprint, is_named FROM fresh WHERE key IS NOT NULL"
        }
    };
    let forwards = forwarding(
        ", forwarded AS (
             INSERT INTO outbox (peer, due_at, seq, attempts, created_at)
             SELECT peer, 0, seq, 0, created_at FROM fresh, unnest(fresh.peers::bigint[]) AS peer
         ), dropped AS (
             INSERT INTO deliveries (team, id, peer, seq, event_id, event_type, attempt, error, created_at, queued_at)
             SELECT fresh.number, record.id, record.peer, fresh.seq, fresh.id, fresh.type, 0, record.reason,
                    fresh.created_at, fresh.created_at
             FROM fresh, json_to_recordset(fresh.declined::json) AS record (peer bigint, id text, reason text)
         )",
    );
    format!(
        "WITH input AS (
             SELECT teams.number, teams.last_seq, teams.quota_told,
                    CASE WHEN teams.usage_month >= $11 THEN teams.events_used ELSE 0 END AS used, given.*{leader}
             FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                         $9::bytea[], $10::bytea[], $12::boolean[], $14::bigint[]{values}{exchange_values}{change_values})
                  WITH ORDINALITY AS given (team, id, type, source, kitesource, agent_to, created_at, text, key,
                                            fingerprint, turn, version{columns}{exchange_columns}{change_columns}, place)
             JOIN teams ON teams.id = given.team AND teams.peers_version = given.version
         ), known AS (
             SELECT input.place, dedup.event_id, dedup.created_at, dedup.fingerprint, NULL::boolean AS same
             FROM input JOIN dedup ON dedup.team = input.number AND dedup.key = input.key
             {at_home}{known_exchanges}
         ){stale}, unseen AS (
             SELECT input.*{is_repeat}{is_second}
             FROM input
             WHERE NOT EXISTS (SELECT FROM known WHERE known.place = input.place)
                   AND (turn IS NULL OR turn <> quota_told){and_not_stale}
         ){together}, unknown AS (
             SELECT {unseen}.*, turn IS NOT NULL OR $13::bigint IS NULL{or_exempt} OR
                    used + count(*) FILTER (WHERE turn IS NULL{and_first}) OVER (PARTITION BY number ORDER BY place) <= $13
                    AS fits
             FROM {unseen}
         ), fresh AS (
             SELECT unknown.*, last_seq + row_number() OVER (PARTITION BY number ORDER BY place) AS seq
             FROM unknown WHERE fits{and_first}
         ), stored AS (
             INSERT INTO events (team, seq, id, type, source, kitesource, agent_to, created_at, text)
             SELECT number, seq, id, type, source, kitesource, agent_to, created_at, text FROM fresh
         ), remembered AS (
             {remembered}
         ){forwards}{kept}{turned}, counted AS (
             UPDATE teams
             SET last_seq = teams.last_seq + counts.events,
                 events_used = CASE WHEN usage_month >= $11 THEN events_used ELSE 0 END + counts.counted,
                 usage_month = greatest(usage_month, $11),
                 quota_told = coalesce(counts.told, quota_told)
             FROM (
                 SELECT number, count(*) AS events, count(*) FILTER (WHERE turn IS NULL) AS counted, bool_or(turn) AS told
                 FROM fresh GROUP BY number
             ) AS counts
             WHERE teams.number = counts.number
         )
         SELECT place, seq, NULL, NULL, NULL, NULL FROM fresh
         UNION ALL
         SELECT place, NULL, event_id, created_at, fingerprint, same FROM known
         UNION ALL
         SELECT place, NULL, NULL, NULL, NULL, NULL FROM unknown WHERE NOT fits
         UNION ALL
         SELECT place, NULL, NULL, NULL, NULL, NULL FROM input WHERE turn = quota_told{found_stale}"
    )
}
