//! The batch: dedup, numbers, events and usage in one transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::read::{FIRST_OF, first_in};
use super::{exchanges, peers, signed, unsigned};
use crate::base::random;
use crate::protocol::id::{Seq, TeamId};
use crate::store::federation::{Pass, PeerNumber};
use crate::store::limits::{MAX_SEQ, NAMESAKES_MAX};
use crate::store::openintent::ExchangeChange;
use crate::store::peers::{KnownPeers, Peers};
use crate::store::record::{Appended, Batch, Dedup, NewEvent, Outcome, QuotaTurn};
use crate::store::{Result, StoreError};

/// How many bits of a key hold the seq; the rest hold the team's number.
pub(super) const SEQ_BITS: u32 = 40;

/// The key of an event: its team's number and its seq in one integer.
pub(super) fn key(team: i64, seq: Seq) -> i64 {
    (team << SEQ_BITS) | signed(seq.min(MAX_SEQ))
}

/// The seq in a key.
pub(super) fn seq_of(key: i64) -> Seq {
    unsigned(key & signed(MAX_SEQ))
}

/// A team's row while a batch is written.
struct Counter {
    number: i64,
    last_seq: Seq,
    events_used: u64,
    is_told: bool,
    is_changed: bool,
    peers: Arc<Peers>,
    /// The exchanges that this batch has changed, and the tokens of the changes.
    turned: HashSet<([u8; 32], i64)>,
}

/// Stores a batch; see [`crate::store::Store::append`].
pub(super) fn append(
    transaction: &Transaction<'_>,
    batch: &Batch,
    known: &KnownPeers,
) -> Result<Vec<Appended>> {
    let mut counters: HashMap<&TeamId, Option<Counter>> = HashMap::new();
    let mut statements = Statements::prepare(transaction)?;
    let mut results = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        if !counters.contains_key(&event.team) {
            counters.insert(
                &event.team,
                counter(transaction, &event.team, &batch.month, known)?,
            );
        }
        let appended = match counters.get_mut(&event.team) {
            Some(Some(counter)) => {
                let mut batch = Appending {
                    transaction,
                    statements: &mut statements,
                    counter,
                    events_limit: batch.events_limit,
                    own_id: known.own_id(),
                };
                batch.append(event)?
            }
            _ => Appended {
                outcome: Outcome::NoTeam,
                events_used: 0,
                forwards: Vec::new(),
            },
        };
        results.push(appended);
    }
    let mut update = transaction.prepare_cached(
        "UPDATE teams SET last_seq = ?2, events_used = ?3, usage_month = max(usage_month, ?4), quota_told = ?5 WHERE number = ?1",
    )?;
    // A batch of which nothing was new writes nothing.
    for counter in counters.values().flatten().filter(|it| it.is_changed) {
        update.execute(params![
            counter.number,
            signed(counter.last_seq),
            signed(counter.events_used),
            batch.month,
            counter.is_told
        ])?;
    }
    Ok(results)
}

fn counter(
    connection: &Connection,
    team: &TeamId,
    month: &str,
    known: &KnownPeers,
) -> Result<Option<Counter>> {
    let row = |row: &rusqlite::Row<'_>| {
        let counter = Counter {
            number: row.get(0)?,
            last_seq: unsigned(row.get(1)?),
            events_used: unsigned(row.get(2)?),
            is_told: row.get(3)?,
            is_changed: false,
            peers: Arc::default(),
            turned: HashSet::new(),
        };
        Ok((counter, row.get(4)?))
    };
    let found = connection
        .prepare_cached(
            "SELECT number, last_seq, CASE WHEN usage_month >= ?2 THEN events_used ELSE 0 END, quota_told,
                    peers_version
             FROM teams WHERE id = ?1",
        )?
        .query_row(params![team.as_str(), month], row)
        .optional()?;
    let Some((mut counter, version)) = found else {
        return Ok(None);
    };
    if version != 0 {
        counter.peers = peers::known_peers(connection, team, version, known)?;
    }
    Ok(Some(counter))
}

/// An event on its way into its team's log.
struct Appending<'a, 'c> {
    transaction: &'a Transaction<'c>,
    statements: &'a mut Statements<'c>,
    counter: &'a mut Counter,
    events_limit: Option<u64>,
    own_id: &'a str,
}

impl Appending<'_, '_> {
    fn append(&mut self, event: &NewEvent) -> Result<Appended> {
        match self.refuse(event)? {
            Some(outcome) => Ok(self.appended(outcome, Vec::new())),
            None => self.store(event),
        }
    }

    fn appended(&self, outcome: Outcome, forwards: Vec<PeerNumber>) -> Appended {
        Appended {
            outcome,
            events_used: self.counter.events_used,
            forwards,
        }
    }

    /// Why an event is not stored. The name of one that is, is remembered by this.
    fn refuse(&mut self, event: &NewEvent) -> Result<Option<Outcome>> {
        let counter = &*self.counter;
        let may_enter = |pass: &Pass| counter.peers.admit(pass, event.created_at);
        if !event.pass.as_ref().is_none_or(may_enter) {
            return Ok(Some(Outcome::NotAdmitted));
        }
        if let Some(exchange) = &event.exchange
            && let Some(first) = exchanges::first_of(self.transaction, counter.number, exchange)?
        {
            return Ok(Some(first));
        }
        if let Some(change) = &event.change {
            return Ok(match self.is_stale(change)? {
                true => Some(Outcome::Stale),
                false => None,
            });
        }
        match event.turn {
            Some(turn) if counter.is_told == (turn == QuotaTurn::Exhausted) => {
                return Ok(Some(Outcome::known(event)));
            }
            None if self
                .events_limit
                .is_some_and(|limit| counter.events_used >= limit) =>
            {
                let first = match event.name() {
                    Some(dedup) => self.statements.first(counter.number, dedup)?,
                    None => None,
                };
                return Ok(Some(first.unwrap_or(Outcome::Exhausted)));
            }
            _ => {}
        }
        if event.pass.is_some()
            && let Some(first) = self.statements.at_home(counter.number, event)?
        {
            return Ok(Some(first));
        }
        let Some(dedup) = event.name() else {
            return Ok(None);
        };
        let is_federated = counter.peers.version != 0 && dedup.key == event.name_key();
        self.statements
            .known(counter.number, dedup, event, is_federated)
    }

    /// Whether the exchange is another one by now. What goes along with a change is as fresh as that.
    fn is_stale(&self, change: &ExchangeChange) -> Result<bool> {
        if change.to.is_none() {
            let own = (change.own_key, change.token);
            return Ok(!self.counter.turned.contains(&own));
        }
        let version = exchanges::version(self.transaction, self.counter.number, &change.own_key)?;
        Ok(version != Some(change.version))
    }

    fn store(&mut self, event: &NewEvent) -> Result<Appended> {
        let counter = &mut *self.counter;
        let seq = counter.last_seq + 1;
        if seq > MAX_SEQ {
            return Err(StoreError::Failed("the team's log is full".to_owned()));
        }
        self.statements.insert.execute(params![
            key(counter.number, seq),
            event.id,
            event.kind,
            event.source,
            event.kitesource,
            event.agent_to,
            event.created_at,
            event.text
        ])?;
        if let Some(exchange) = &event.exchange {
            exchanges::insert(self.transaction, counter.number, exchange)?;
        }
        if let Some(change) = &event.change
            && let Some(turn) = &change.to
        {
            exchanges::turn_to(
                self.transaction,
                counter.number,
                (change, turn),
                event.created_at,
            )?;
            counter.turned.insert((change.own_key, change.token));
        }
        counter.last_seq = seq;
        counter.is_changed = true;
        match event.turn {
            Some(turn) => counter.is_told = turn == QuotaTurn::Exhausted,
            None => counter.events_used += 1,
        }
        let forwards = self.forward(event, seq)?;
        Ok(self.appended(Outcome::Stored(seq), forwards))
    }

    /// Writes down where a stored event goes.
    fn forward(&mut self, event: &NewEvent, seq: Seq) -> Result<Vec<PeerNumber>> {
        let peers = &self.counter.peers;
        if peers.version == 0 {
            return Ok(Vec::new());
        }
        let mut forwards = Vec::new();
        for decision in peers.decide(event, self.own_id) {
            match decision.declined {
                None => {
                    self.statements.forward.execute(params![
                        decision.peer,
                        signed(seq),
                        event.created_at
                    ])?;
                    forwards.push(decision.peer);
                }
                Some(reason) => {
                    self.statements.decline.execute(params![
                        self.counter.number,
                        random::uuid7(),
                        decision.peer,
                        signed(seq),
                        event.id,
                        event.kind,
                        reason,
                        event.created_at
                    ])?;
                }
            }
        }
        Ok(forwards)
    }
}

/// What is done for each event, looked up once for all of them.
struct Statements<'c> {
    insert: CachedStatement<'c>,
    remember: CachedStatement<'c>,
    recall: CachedStatement<'c>,
    namesakes: CachedStatement<'c>,
    forward: CachedStatement<'c>,
    decline: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Self> {
        Ok(Self {
            insert: connection.prepare_cached(
                "INSERT INTO events (key, id, type, source, kitesource, agent_to, created_at, text)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            remember: connection.prepare_cached(
                "INSERT INTO dedup (team, key, event_id, created_at, fingerprint, federated)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )?,
            recall: connection.prepare_cached(FIRST_OF)?,
            namesakes: connection.prepare_cached(
                "SELECT source, created_at FROM events WHERE id = ?1 AND key > ?2 AND key <= ?3 LIMIT ?4",
            )?,
            forward: connection.prepare_cached(
                "INSERT INTO outbox (peer, due_at, seq, attempts, created_at) VALUES (?1, 0, ?2, 0, ?3)",
            )?,
            decline: connection.prepare_cached(
                "INSERT INTO deliveries (team, id, peer, seq, event_id, event_type, attempt, error, created_at, queued_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?8)",
            )?,
        })
    }

    /// Remembers a dedup key, or says what it was remembered for.
    fn known(
        &mut self,
        team: i64,
        dedup: &Dedup,
        event: &NewEvent,
        is_federated: bool,
    ) -> Result<Option<Outcome>> {
        let new = self.remember.execute(params![
            team,
            dedup.key,
            event.id,
            event.created_at,
            dedup.fingerprint,
            is_federated
        ])?;
        match new {
            1 => Ok(None),
            _ => self.first(team, dedup),
        }
    }

    /// An event of a peer that is in the log already, whatever door it came by: it began here, and its chain lies.
    fn at_home(&mut self, team: i64, event: &NewEvent) -> Result<Option<Outcome>> {
        let mut rows = self.namesakes.query(params![
            event.id,
            key(team, 0),
            key(team, MAX_SEQ),
            NAMESAKES_MAX
        ])?;
        while let Some(row) = rows.next()? {
            let source: String = row.get(0)?;
            if source == event.source {
                return Ok(Some(Outcome::Duplicate {
                    id: event.id.clone(),
                    created_at: row.get(1)?,
                    same: true,
                }));
            }
        }
        Ok(None)
    }

    /// What was stored under a dedup key.
    fn first(&mut self, team: i64, dedup: &Dedup) -> Result<Option<Outcome>> {
        let values = params![team, dedup.key];
        let first = self.recall.query_row(values, |row| first_in(row, dedup));
        Ok(first.optional()?)
    }
}
