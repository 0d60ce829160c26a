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

mod changes;
mod exchanges;
mod found;
mod sent;
mod statement;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::found::Found;
use self::sent::{Columns, Sent};
use self::statement::LOCK;
use super::{column, peers, unsigned};
use crate::protocol::id::TeamId;
use crate::store::federation::Pass;
use crate::store::peers::{KnownPeers, Peers};
use crate::store::record::{Appended, Batch, NewEvent, Outcome};
use crate::store::{Result, StoreError};

/// How often what is left of a batch is tried again because peers change meanwhile. A change takes fewer steps than a round
/// and wins each time: whoever changes some peers one after the other must not make an append fail.
const ROUNDS_MAX: usize = 100;

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
        let teams: Vec<&str> = self.teams.keys().map(|team| team.as_str()).collect();
        let columns = Columns::of(&self.sent, batch)?;
        let lock = client.prepare_cached(LOCK).await?;
        let insert = client.prepare_cached(&columns.insertion()).await?;
        let to_lock: [&(dyn ToSql + Sync); 2] = [&teams, &batch.month];
        let to_insert = columns.values();
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
