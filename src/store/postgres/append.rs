//! The batch: dedup, numbers, events and usage in one transaction and one round trip.
//!
//! The teams' rows are locked first, always in the same order, and everything after that is a statement of its own: so it
//! sees all that the holder of the lock before it has committed. Numbers come from the locked row. Nothing is left to a
//! node between the lock and the commit: it has sent the whole transaction before the first answer comes, and one that
//! stands still keeps nobody waiting.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::{column, signed, unsigned};
use crate::protocol::id::{Seq, TeamId};
use crate::store::Result;
use crate::store::record::{
    Appended, Batch, CursorMove, Dedup, Hold, Millis, NewEvent, Outcome, QuotaTurn,
};

const LOCK: &str = "
    SELECT id, CASE WHEN usage_month >= $2 THEN events_used ELSE 0 END
    FROM teams WHERE id = ANY ($1) ORDER BY number FOR NO KEY UPDATE";

const INSERT: &str = "
    WITH input AS (
        SELECT teams.number, teams.last_seq, teams.quota_told,
               CASE WHEN teams.usage_month >= $11 THEN teams.events_used ELSE 0 END AS used, given.*
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                    $9::bytea[], $10::bytea[], $12::boolean[])
             WITH ORDINALITY AS given (team, id, type, source, kitesource, agent_to, created_at, text, key, fingerprint,
                                       turn, place)
        JOIN teams ON teams.id = given.team
    ), known AS (
        SELECT input.place, dedup.event_id, dedup.created_at, dedup.fingerprint
        FROM input JOIN dedup ON dedup.team = input.number AND dedup.key = input.key
    ), unknown AS (
        SELECT input.*, turn IS NOT NULL OR $13::bigint IS NULL OR
               used + count(*) FILTER (WHERE turn IS NULL) OVER (PARTITION BY number ORDER BY place) <= $13 AS fits
        FROM input
        WHERE NOT EXISTS (SELECT FROM known WHERE known.place = input.place) AND (turn IS NULL OR turn <> quota_told)
    ), fresh AS (
        SELECT unknown.*, last_seq + row_number() OVER (PARTITION BY number ORDER BY place) AS seq
        FROM unknown WHERE fits
    ), stored AS (
        INSERT INTO events (team, seq, id, type, source, kitesource, agent_to, created_at, text)
        SELECT number, seq, id, type, source, kitesource, agent_to, created_at, text FROM fresh
    ), remembered AS (
        INSERT INTO dedup (team, key, event_id, created_at, fingerprint)
        SELECT number, key, id, created_at, fingerprint FROM fresh WHERE key IS NOT NULL
    ), counted AS (
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
    SELECT place, seq, NULL, NULL, NULL FROM fresh
    UNION ALL
    SELECT place, NULL, event_id, created_at, fingerprint FROM known
    UNION ALL
    SELECT place, NULL, NULL, NULL, NULL FROM unknown WHERE NOT fits
    UNION ALL
    SELECT place, NULL, NULL, NULL, NULL FROM input WHERE turn = quota_told";

/// Stores a batch; see [`crate::store::Store::append`].
pub(super) async fn append(client: &Object, batch: &Batch) -> Result<Vec<Appended>> {
    let (first, repeated) = within_batch(batch);
    let events = |place: &usize| &batch.events[*place];
    let teams: HashSet<&str> = first
        .iter()
        .map(|place| events(place).team.as_str())
        .collect();
    let teams: Vec<&str> = teams.into_iter().collect();
    let texts = |of: fn(&NewEvent) -> &str| -> Vec<&str> {
        first.iter().map(|place| of(events(place))).collect()
    };
    let options = |of: fn(&NewEvent) -> Option<&str>| -> Vec<Option<&str>> {
        first.iter().map(|place| of(events(place))).collect()
    };
    let digests = |of: fn(&Dedup) -> Option<&[u8]>| -> Vec<Option<&[u8]>> {
        let digest = |place| events(place).dedup.as_ref().and_then(of);
        first.iter().map(digest).collect()
    };
    let (of_teams, ids) = (texts(|event| event.team.as_str()), texts(|event| &event.id));
    let (kinds, sources) = (texts(|event| &event.kind), texts(|event| &event.source));
    let kitesources = options(|event| event.kitesource.as_deref());
    let agents_to = options(|event| event.agent_to.as_deref());
    let times: Vec<i64> = first.iter().map(|place| events(place).created_at).collect();
    let bodies = texts(|event| &event.text);
    let keys = digests(|dedup| Some(&dedup.key));
    let fingerprints = digests(|dedup| dedup.fingerprint.as_ref().map(|digest| &digest[..]));

    let turns: Vec<Option<bool>> = first
        .iter()
        .map(|place| events(place).turn.map(|turn| turn == QuotaTurn::Exhausted))
        .collect();
    let events_limit = batch.events_limit.map(signed);

    let lock = client.prepare_cached(LOCK).await?;
    let insert = client.prepare_cached(INSERT).await?;
    let to_lock: [&(dyn ToSql + Sync); 2] = [&teams, &batch.month];
    let to_insert: [&(dyn ToSql + Sync); 13] = [
        &of_teams,
        &ids,
        &kinds,
        &sources,
        &kitesources,
        &agents_to,
        &times,
        &bodies,
        &keys,
        &fingerprints,
        &batch.month,
        &turns,
        &events_limit,
    ];
    // Polled in this order, and each sends what it has before it waits: one round trip.
    let (begun, locked, inserted, committed) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.query(&lock, &to_lock),
        client.query(&insert, &to_insert),
        client.batch_execute("COMMIT"),
    );
    // A connection that broke leaves the outcome open, whichever answer is missing: the commit was sent with the rest. A
    // statement that was refused does not: the rest of the transaction was refused with it.
    begun.map_err(super::outcome)?;
    let locked = locked.map_err(super::outcome)?;
    let inserted = inserted.map_err(super::outcome)?;
    committed.map_err(super::outcome)?;

    let mut used: HashMap<&str, u64> = HashMap::with_capacity(locked.len());
    for row in &locked {
        used.insert(column(row, 0)?, unsigned(column(row, 1)?));
    }
    let mut found: HashMap<usize, Found> = HashMap::with_capacity(inserted.len());
    for row in &inserted {
        let place = usize::try_from(column::<i64>(row, 0)? - 1).ok();
        if let Some(place) = place.and_then(|at| first.get(at)) {
            found.insert(*place, Found::in_row(row)?);
        }
    }
    let appended = |(place, event): (usize, &NewEvent)| {
        let outcome = match repeated.get(&place) {
            Some(original) => match found.get(original) {
                Some(Found::Stored(_)) => Found::of(&batch.events[*original]).outcome(event),
                known => known.map_or(Outcome::NoTeam, |known| known.outcome(event)),
            },
            None => found
                .get(&place)
                .map_or(Outcome::NoTeam, |found| found.outcome(event)),
        };
        let events_used = used.get_mut(event.team.as_str()).map_or(0, |used| {
            let is_counted = event.turn.is_none() && matches!(outcome, Outcome::Stored(_));
            *used += u64::from(is_counted);
            *used
        });
        Appended {
            outcome,
            events_used,
            forwards: Vec::new(),
        }
    };
    Ok(batch.events.iter().enumerate().map(appended).collect())
}

/// The places of the events that are the first with their name in the batch, and for each other one the place of that
/// first.
fn within_batch(batch: &Batch) -> (Vec<usize>, HashMap<usize, usize>) {
    let mut names: HashMap<(&TeamId, &[u8; 32]), usize> = HashMap::new();
    let mut first = Vec::with_capacity(batch.events.len());
    let mut repeated = HashMap::new();
    for (place, event) in batch.events.iter().enumerate() {
        let original = match &event.dedup {
            Some(dedup) => *names.entry((&event.team, &dedup.key)).or_insert(place),
            None => place,
        };
        if original == place {
            first.push(place);
        } else {
            repeated.insert(place, original);
        }
    }
    (first, repeated)
}

/// What the database says of an event.
enum Found {
    Stored(Seq),
    Refused,
    Known {
        id: String,
        created_at: Millis,
        fingerprint: Option<Vec<u8>>,
    },
}

impl Found {
    fn in_row(row: &Row) -> Result<Self> {
        if let Some(seq) = column::<Option<i64>>(row, 1)? {
            return Ok(Self::Stored(unsigned(seq)));
        }
        let Some(id) = column(row, 2)? else {
            return Ok(Self::Refused);
        };
        Ok(Self::Known {
            id,
            created_at: column(row, 3)?,
            fingerprint: column(row, 4)?,
        })
    }

    /// How an event is known that was stored just now.
    fn of(event: &NewEvent) -> Self {
        let fingerprint = event.dedup.as_ref().and_then(|dedup| dedup.fingerprint);
        Self::Known {
            id: event.id.clone(),
            created_at: event.created_at,
            fingerprint: fingerprint.map(|digest| digest.to_vec()),
        }
    }

    fn outcome(&self, event: &NewEvent) -> Outcome {
        match self {
            Self::Stored(seq) => Outcome::Stored(*seq),
            Self::Refused if event.turn.is_some() => Outcome::known(event),
            Self::Refused => Outcome::Exhausted,
            Self::Known {
                id,
                created_at,
                fingerprint,
            } => {
                let given = event.dedup.as_ref().and_then(|dedup| dedup.fingerprint);
                Outcome::Duplicate {
                    id: id.clone(),
                    created_at: *created_at,
                    same: fingerprint.as_deref() == given.as_ref().map(|digest| &digest[..]),
                }
            }
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
