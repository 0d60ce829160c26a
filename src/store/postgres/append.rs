//! The batch: dedup, numbers, events, usage and forwards in one transaction and one round trip.
//!
//! The teams' rows are locked first, always in the same order, and everything after that is a statement of its own: so it
//! sees all that the holder of the lock before it has committed. Numbers come from the locked row. Nothing is left to a
//! node between the lock and the commit: it has sent the whole transaction before the first answer comes, and one that
//! stands still keeps nobody waiting.
//!
//! Where an event goes is decided before, by the peers that the node remembers. The statement stores nothing of a team
//! whose peers have changed since; the node learns their version from the lock, reads them and comes again with what is
//! left. A team that never had a peer has nothing to remember, and its statement says nothing of forwards. Nor does one
//! say anything of exchanges, or of changes of them, where there are none.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Object;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::append_changes::STALE;
use super::{append_changes, append_exchanges, column, json, peers, signed, unsigned};
use crate::base::random;
use crate::protocol::id::{Seq, TeamId};
use crate::store::federation::{Pass, PeerNumber};
use crate::store::limits::NAMESAKES_MAX;
use crate::store::peers::{Decision, KnownPeers, Peers};
use crate::store::record::{
    Appended, Batch, CursorMove, Dedup, Hold, Millis, NewEvent, Outcome, QuotaTurn,
};
use crate::store::{Result, StoreError};

/// How often what is left of a batch is tried again because peers change meanwhile. A change takes fewer steps than a round
/// and wins each time: whoever changes some peers one after the other must not make an append fail.
const ROUNDS_MAX: usize = 100;

const LOCK: &str = "
    SELECT id, CASE WHEN usage_month >= $2 THEN events_used ELSE 0 END, peers_version
    FROM teams WHERE id = ANY ($1) ORDER BY number FOR NO KEY UPDATE";

/// The number behind the last parameter of the insertion, without and with peers.
const BEHIND: [usize; 2] = [15, 20];

/// What a batch has to do with exchanges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dealings {
    None,
    /// New ones.
    Exchanges,
    /// Changes, and perhaps new ones.
    Changes,
}

/// The insertion, for batches with peers or without, and for what they have to do with exchanges.
fn insertion(has_peers: bool, dealings: Dealings) -> String {
    let behind = BEHIND[usize::from(has_peers)];
    let append_exchanges::Parts {
        values: exchange_values,
        columns: exchange_columns,
        known: known_exchanges,
        is_repeat,
        and_first,
        kept,
    } = match dealings {
        Dealings::None => append_exchanges::Parts::default(),
        Dealings::Exchanges | Dealings::Changes => append_exchanges::Parts::with(behind),
    };
    let append_changes::Parts {
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
        Dealings::None | Dealings::Exchanges => append_changes::Parts::none(),
        Dealings::Changes => append_changes::Parts::with(behind + append_exchanges::PARAMETERS),
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

/// Stores a batch; see [`crate::store::Store::append`].
pub(super) async fn append(
    client: &Object,
    batch: &Batch,
    known: &KnownPeers,
) -> Result<Vec<Appended>> {
    let mut results: Vec<Option<Appended>> = batch.events.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..batch.events.len()).collect();
    let mut is_begun = false;
    for _ in 0..ROUNDS_MAX {
        let round = Round::plan(batch, &left, known);
        let run = round.run(client, batch, &mut results).await;
        let changed = match is_begun {
            true => run.map_err(|error| half_done(&error))?,
            false => run?,
        };
        is_begun = true;
        left.retain(|place| matches!(results.get(*place), Some(None)));
        if left.is_empty() {
            let none = || StoreError::Failed("an event was left out of its batch".to_owned());
            return results.into_iter().map(|it| it.ok_or_else(none)).collect();
        }
        for team in &changed {
            let peers = peers::versioned(client, team).await;
            known.remember(team, &Arc::new(peers.map_err(|error| half_done(&error))?));
        }
    }
    Err(half_done(
        &"the peers are being changed all the time, or too many exchanges share their keys",
    ))
}

/// What was stored before, if anything, is.
fn half_done(why: &dyn ToString) -> StoreError {
    StoreError::Unknown(why.to_string())
}

/// One transaction of an append: what is decided before it is sent.
struct Round<'a> {
    /// The peers that each team's events are decided by.
    teams: HashMap<&'a TeamId, Arc<Peers>>,
    /// The events that are sent.
    sent: Vec<Sent<'a>>,
    /// What happens to each event that is left, by its place in the batch.
    fates: Vec<(usize, Fate)>,
}

/// What happens to an event in a round.
enum Fate {
    /// It is sent, at this place.
    Sent(usize),
    /// It has the key of the one that is sent at this place.
    Repeats(usize),
    /// The peer that it came from may not send any more.
    Refused,
}

/// An event that is sent.
struct Sent<'a> {
    event: &'a NewEvent,
    /// The version of the peers that it was decided by.
    version: i64,
    decisions: Vec<Decision>,
}

/// A peer that an event does not go to, as the statement takes it.
#[derive(Serialize)]
struct Declined<'a> {
    peer: PeerNumber,
    id: String,
    reason: &'a str,
}

impl Sent<'_> {
    /// The peers that it goes to.
    fn forwards(&self) -> Vec<PeerNumber> {
        let goes = |decision: &&Decision| decision.declined.is_none();
        let peers = self.decisions.iter().filter(goes);
        peers.map(|decision| decision.peer).collect()
    }

    /// The same as an array of PostgreSQL.
    fn forwards_text(&self) -> Option<String> {
        let peers: Vec<String> = self.forwards().iter().map(i64::to_string).collect();
        (!peers.is_empty()).then(|| format!("{{{}}}", peers.join(",")))
    }

    /// The peers that it does not go to, as JSON.
    fn declined_text(&self) -> Result<Option<String>> {
        let declined = self.decisions.iter().filter_map(|decision| {
            Some(Declined {
                peer: decision.peer,
                id: random::uuid7(),
                reason: decision.declined.as_deref()?,
            })
        });
        let declined: Vec<Declined<'_>> = declined.collect();
        match declined.is_empty() {
            true => Ok(None),
            false => json(&declined).map(Some),
        }
    }
}

impl<'a> Round<'a> {
    fn plan(batch: &'a Batch, left: &[usize], known: &KnownPeers) -> Self {
        let mut round = Self {
            teams: HashMap::new(),
            sent: Vec::with_capacity(left.len()),
            fates: Vec::with_capacity(left.len()),
        };
        let mut keys: HashMap<(&TeamId, [u8; 32]), usize> = HashMap::new();
        for place in left {
            let Some(event) = batch.events.get(*place) else {
                continue;
            };
            let remembered = || known.of(&event.team).unwrap_or_default();
            let peers = round.teams.entry(&event.team).or_insert_with(remembered);
            let may_enter = |pass: &Pass| peers.admit(pass, event.created_at);
            if !event.pass.as_ref().is_none_or(may_enter) {
                round.fates.push((*place, Fate::Refused));
                continue;
            }
            let at = round.sent.len();
            let key = event.name().map(|dedup| (&event.team, dedup.key));
            let original = key.map_or(at, |key| *keys.entry(key).or_insert(at));
            if original != at {
                round.fates.push((*place, Fate::Repeats(original)));
                continue;
            }
            round.fates.push((*place, Fate::Sent(at)));
            round.sent.push(Sent {
                event,
                version: peers.version,
                decisions: peers.decide(event, known.own_id()),
            });
        }
        round
    }

    /// Runs it and fills in the results. Answers the teams whose peers are others by now: nothing was stored of theirs. Left
    /// are also exchanges that share a key with one before them.
    async fn run(
        &self,
        client: &Object,
        batch: &'a Batch,
        results: &mut [Option<Appended>],
    ) -> Result<HashSet<&'a TeamId>> {
        let (locked, inserted) = self.store(client, batch).await?;
        let mut found: HashMap<usize, Found> = HashMap::with_capacity(inserted.len());
        for row in &inserted {
            if let Ok(at) = usize::try_from(column::<i64>(row, 0)? - 1) {
                found.insert(at, Found::in_row(row)?);
            }
        }
        let mut standings: HashMap<&str, (u64, i64)> = HashMap::with_capacity(locked.len());
        for row in &locked {
            let standing = (unsigned(column(row, 1)?), column(row, 2)?);
            standings.insert(column(row, 0)?, standing);
        }
        let is_changed = |(team, peers): &(&&'a TeamId, &Arc<Peers>)| {
            let standing = standings.get(team.as_str());
            standing.is_some_and(|(_, version)| *version != peers.version)
        };
        let changed: HashSet<&TeamId> = self
            .teams
            .iter()
            .filter(is_changed)
            .map(|(team, _)| *team)
            .collect();
        for (place, fate) in &self.fates {
            let (Some(event), Some(result)) = (batch.events.get(*place), results.get_mut(*place))
            else {
                continue;
            };
            if changed.contains(&event.team) {
                continue;
            }
            let mut appended = Appended {
                outcome: Outcome::NoTeam,
                events_used: 0,
                forwards: Vec::new(),
            };
            if let Some((used, _)) = standings.get_mut(event.team.as_str()) {
                if is_left(fate, event, &found) {
                    continue;
                }
                appended.outcome = self.outcome(fate, event, &found);
                if let (Outcome::Stored(_), Fate::Sent(at)) = (&appended.outcome, fate) {
                    *used += u64::from(event.turn.is_none());
                    appended.forwards = self.sent.get(*at).map_or_else(Vec::new, Sent::forwards);
                }
                appended.events_used = *used;
            }
            *result = Some(appended);
        }
        Ok(changed)
    }

    /// What became of an event, by what the database has found of those that were sent.
    fn outcome(&self, fate: &Fate, event: &NewEvent, found: &HashMap<usize, Found>) -> Outcome {
        let known = match fate {
            Fate::Refused => return Outcome::NotAdmitted,
            Fate::Sent(at) => found.get(at).cloned(),
            Fate::Repeats(original) => {
                match (found.get(original).cloned(), self.sent.get(*original)) {
                    (Some(Found::Stored(_)), Some(first)) => {
                        let dedup = first.event.name();
                        Some(Found::again(
                            first.event,
                            dedup.and_then(|dedup| dedup.fingerprint),
                        ))
                    }
                    (known, _) => known,
                }
            }
        };
        known.map_or(Outcome::NoTeam, |known| known.outcome(event))
    }

    /// Sends the transaction. Answers the locked teams, and what was found of each event.
    async fn store(&self, client: &Object, batch: &Batch) -> Result<(Vec<Row>, Vec<Row>)> {
        let events = || self.sent.iter().map(|sent| sent.event);
        let texts = |of: fn(&NewEvent) -> &str| -> Vec<&str> { events().map(of).collect() };
        let options =
            |of: fn(&NewEvent) -> Option<&str>| -> Vec<Option<&str>> { events().map(of).collect() };
        let digests = |of: fn(&Dedup) -> Option<&[u8]>| -> Vec<Option<&[u8]>> {
            events().map(|event| event.name().and_then(of)).collect()
        };
        let teams: Vec<&str> = self.teams.keys().map(|team| team.as_str()).collect();
        let (of_teams, ids) = (texts(|event| event.team.as_str()), texts(|event| &event.id));
        let (kinds, sources) = (texts(|event| &event.kind), texts(|event| &event.source));
        let kitesources = options(|event| event.kitesource.as_deref());
        let agents_to = options(|event| event.agent_to.as_deref());
        let times: Vec<i64> = events().map(|event| event.created_at).collect();
        let bodies = texts(|event| &event.text);
        let keys = digests(|dedup| Some(&dedup.key));
        let fingerprints = digests(|dedup| dedup.fingerprint.as_ref().map(|digest| &digest[..]));
        let turns: Vec<Option<bool>> = events()
            .map(|event| event.turn.map(|turn| turn == QuotaTurn::Exhausted))
            .collect();
        let events_limit = batch.events_limit.map(signed);
        let versions: Vec<i64> = self.sent.iter().map(|sent| sent.version).collect();

        let brought: Vec<bool> = events().map(|event| event.pass.is_some()).collect();
        let is_named = |sent: &Sent<'_>| {
            let key = sent.event.name().map(|dedup| dedup.key);
            sent.version != 0 && key == Some(sent.event.name_key())
        };
        let named: Vec<bool> = self.sent.iter().map(is_named).collect();
        let forwards: Vec<Option<String>> = self.sent.iter().map(Sent::forwards_text).collect();
        let declined: Vec<Option<String>> = self
            .sent
            .iter()
            .map(Sent::declined_text)
            .collect::<Result<_>>()?;

        let changes = append_changes::Columns::of(events());
        let exchanges = append_exchanges::Columns::of(events(), changes.is_some());
        let dealings = match (&changes, &exchanges) {
            (Some(_), _) => Dealings::Changes,
            (None, Some(_)) => Dealings::Exchanges,
            (None, None) => Dealings::None,
        };
        let has_peers = self.sent.iter().any(|sent| sent.version != 0);
        let lock = client.prepare_cached(LOCK).await?;
        let insert = client
            .prepare_cached(&insertion(has_peers, dealings))
            .await?;
        let to_lock: [&(dyn ToSql + Sync); 2] = [&teams, &batch.month];
        let mut to_insert: Vec<&(dyn ToSql + Sync)> = vec![
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
            &versions,
        ];
        if has_peers {
            let of_forwards: [&(dyn ToSql + Sync); 5] =
                [&brought, &named, &forwards, &declined, &NAMESAKES_MAX];
            to_insert.extend(of_forwards);
        }
        if let Some(exchanges) = &exchanges {
            to_insert.extend(exchanges.values());
        }
        if let Some(changes) = &changes {
            to_insert.extend(changes.values());
        }
        // Polled in this order, and each sends what it has before it waits: one round trip.
        let (begun, locked, inserted, committed) = tokio::join!(
            biased;
            client.batch_execute("BEGIN"),
            client.query(&lock, &to_lock),
            client.query(&insert, &to_insert),
            client.batch_execute("COMMIT"),
        );
        // A connection that broke leaves the outcome open, whichever answer is missing: the commit was sent with the rest.
        // A statement that was refused does not: the rest of the transaction was refused with it.
        begun.map_err(super::outcome)?;
        let locked = locked.map_err(super::outcome)?;
        let inserted = inserted.map_err(super::outcome)?;
        committed.map_err(super::outcome)?;
        Ok((locked, inserted))
    }
}

/// Whether the database has said nothing of an exchange, since it may repeat one before it, or may have been changed by
/// one before it.
fn is_left(fate: &Fate, event: &NewEvent, found: &HashMap<usize, Found>) -> bool {
    match fate {
        Fate::Sent(at) => {
            (event.exchange.is_some() || event.change.is_some()) && !found.contains_key(at)
        }
        Fate::Repeats(_) | Fate::Refused => false,
    }
}

/// What the database says of an event.
#[derive(Clone)]
enum Found {
    Stored(Seq),
    Refused,
    Stale,
    Known {
        id: String,
        created_at: Millis,
        fingerprint: Option<Vec<u8>>,
        /// Whether it is the same one, where the database has compared them.
        same: Option<bool>,
    },
}

impl Found {
    fn in_row(row: &Row) -> Result<Self> {
        match column::<Option<i64>>(row, 1)? {
            Some(STALE) => return Ok(Self::Stale),
            Some(seq) => return Ok(Self::Stored(unsigned(seq))),
            None => {}
        }
        let Some(id) = column(row, 2)? else {
            return Ok(Self::Refused);
        };
        Ok(Self::Known {
            id,
            created_at: column(row, 3)?,
            fingerprint: column(row, 4)?,
            same: column(row, 5)?,
        })
    }

    /// How an event is known that was stored just now.
    fn again(event: &NewEvent, fingerprint: Option<[u8; 32]>) -> Self {
        Self::Known {
            id: event.id.clone(),
            created_at: event.created_at,
            fingerprint: fingerprint.map(|digest| digest.to_vec()),
            same: None,
        }
    }

    fn outcome(&self, event: &NewEvent) -> Outcome {
        match self {
            Self::Stored(seq) => Outcome::Stored(*seq),
            Self::Refused if event.turn.is_some() => Outcome::known(event),
            Self::Refused => Outcome::Exhausted,
            Self::Stale => Outcome::Stale,
            Self::Known {
                id,
                created_at,
                fingerprint,
                same,
            } => {
                let given = event.name().and_then(|dedup| dedup.fingerprint);
                let is_alike = fingerprint.as_deref() == given.as_ref().map(|digest| &digest[..]);
                Outcome::Duplicate {
                    id: id.clone(),
                    created_at: *created_at,
                    same: same.unwrap_or(is_alike),
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
