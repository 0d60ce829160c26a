//! What the store keeps for OpenIntent: whom a team trusts, the instance's signing keys, and what was exchanged with other
//! servers.
//!
//! An *exchange* is a dispatch that went out, an intent that came in or a callback that came in. It is written in the
//! transaction that stores its event, and makes that event the same one again: by its own key, which says who sent it and
//! what they call it, or by an alias, which stands for an idempotency key.

use async_trait::async_trait;

use super::record::{Millis, Outcome};
use super::{Result, StoreError};
use crate::protocol::id::TeamId;

/// What was exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// An intent that goes to another server.
    Dispatch,
    /// An intent that came from another server.
    Intent,
    /// What another server said of a dispatch.
    Callback,
}

impl ExchangeKind {
    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dispatch => "dispatch",
            Self::Intent => "intent",
            Self::Callback => "callback",
        }
    }

    /// The kind of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Dispatch, Self::Intent, Self::Callback]
            .into_iter()
            .find(|kind| kind.word() == word)
    }

    /// As [`ExchangeKind::of`], of a word that was stored.
    pub(super) fn stored(word: String) -> Result<Self> {
        Self::of(&word).ok_or_else(|| broken("kind", &word))
    }
}

fn broken(what: &str, word: &str) -> StoreError {
    StoreError::Failed(format!("`{word}` is no {what} of an exchange"))
}

/// How an exchange stands (spec 14.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExchangeState {
    /// A dispatch that the outbox has.
    Queued,
    /// A dispatch that is a dead letter. A replay may still deliver it.
    Undelivered,
    /// A dispatch that the other server has accepted.
    Delivered,
    /// A dispatch that the other server does not want.
    Rejected,
    /// An intent that was not taken.
    Declined,
    /// An intent that was taken; a callback that was applied.
    Accepted,
    /// An intent that is worked on.
    Running,
    /// Done.
    Completed,
    /// It will not be done.
    Failed,
}

impl ExchangeState {
    const ALL: [Self; 9] = [
        Self::Queued,
        Self::Undelivered,
        Self::Delivered,
        Self::Rejected,
        Self::Declined,
        Self::Accepted,
        Self::Running,
        Self::Completed,
        Self::Failed,
    ];

    /// The stored word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Declined => "declined",
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The state of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// As [`ExchangeState::of`], of a word that was stored.
    pub(super) fn stored(word: String) -> Result<Self> {
        Self::of(&word).ok_or_else(|| broken("state", &word))
    }

    /// Whether nothing changes it any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::Declined | Self::Completed | Self::Failed
        )
    }

    /// Whether another state may follow: nothing does after a final one, and what was delivered is not on its way again.
    pub(super) fn may_become(self, next: Self) -> bool {
        let is_on_its_way = |state| matches!(state, Self::Queued | Self::Undelivered);
        !self.is_final() && (is_on_its_way(self) || !is_on_its_way(next))
    }

    /// The stored words of the states that it may follow.
    pub(super) fn may_follow(self) -> Vec<&'static str> {
        let may = Self::ALL.into_iter().filter(|from| from.may_become(self));
        may.map(Self::word).collect()
    }
}

/// By what an exchange is known again. Digests, since what others choose has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeKeys {
    /// Of its kind, of who sent it and of what they call it.
    pub own: [u8; 32],
    /// Of its kind, of who sent it and of the idempotency key that they gave it.
    pub alias: Option<[u8; 32]>,
}

/// An exchange on its way into the store, alone or with its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExchange {
    /// What it is.
    pub kind: ExchangeKind,
    /// By what it is known again.
    pub keys: ExchangeKeys,
    /// A digest of what was sent: the same keys for something else are a mistake.
    pub digest: [u8; 32],
    /// The other server's, or for a callback its dispatch's. Empty for an intent that the team has given itself.
    pub dispatch_id: String,
    /// The other server's URL, normalised.
    pub party: String,
    /// What it is called here. Of a dispatch and a taken intent: the id of its event. One of its team and
    /// kind should have it: where two do, either is found.
    pub local_id: String,
    /// How it begins.
    pub state: ExchangeState,
    /// Whose it is among the team's agents: of an intent who does it, of a dispatch who sent it.
    pub agent: Option<String>,
    /// What was answered, where that is not said by the state.
    pub message: Option<String>,
    /// What else is to be known of it, as a JSON object.
    pub record: String,
    /// When it came.
    pub now: Millis,
}

impl NewExchange {
    /// What an append hears where one with its own key, or else with its alias, was there already.
    pub(super) fn repeats(&self, first: &ExchangeRecord) -> Outcome {
        Outcome::Duplicate {
            id: first.local_id.clone(),
            created_at: first.created_at,
            same: first.own_key != self.keys.own || first.digest == self.digest,
        }
    }
}

/// A stored exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRecord {
    /// What it is.
    pub kind: ExchangeKind,
    /// [`NewExchange::digest`].
    pub digest: [u8; 32],
    /// [`ExchangeKeys::own`].
    pub own_key: [u8; 32],
    /// [`NewExchange::dispatch_id`].
    pub dispatch_id: String,
    /// [`NewExchange::party`].
    pub party: String,
    /// [`NewExchange::local_id`].
    pub local_id: String,
    /// How it stands.
    pub state: ExchangeState,
    /// [`NewExchange::agent`].
    pub agent: Option<String>,
    /// What the other server calls it, once that is known.
    pub remote_id: Option<String>,
    /// What was answered last.
    pub message: Option<String>,
    /// [`NewExchange::record`], as the last [`ExchangeChange`] left it.
    pub record: String,
    /// How many changes the record has had.
    pub version: i64,
    /// When it came.
    pub created_at: Millis,
    /// When something was last learnt of it.
    pub updated_at: Millis,
}

/// What is learnt of an exchange. What is `None` stays. Where the state may not follow, the message stays with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExchangeNote {
    /// How it stands. Nothing follows a final state, and what was delivered is not queued again.
    pub state: Option<ExchangeState>,
    /// What the other server calls it. The first word stays.
    pub remote_id: Option<String>,
    /// What was answered.
    pub message: Option<String>,
}

/// What an event changes of an exchange, in its own transaction: the record, and how it stands. It is stored only where
/// nobody has changed the record since; else [`Outcome::Stale`] is what becomes of it.
///
/// Several events may belong to one change. They are submitted together, the first has the record, and all or none of them
/// are stored. What is worked on is told of to its end: a used up quota stops none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeChange {
    /// [`ExchangeRecord::own_key`] of the exchange.
    pub own_key: [u8; 32],
    /// The [`ExchangeRecord::version`] that this was made from.
    pub version: i64,
    /// By what the events of one change are known: a random number.
    pub token: i64,
    /// The new record and state; only the first of several events has them.
    pub to: Option<ExchangeTurn>,
}

/// What an exchange is after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeTurn {
    /// How it stands then. Where that may not follow, it stands as before.
    pub state: Option<ExchangeState>,
    /// What is known of it then, as a JSON object.
    pub record: String,
}

/// Which exchanges are listed: those of one kind, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeFilter {
    /// What they are.
    pub kind: ExchangeKind,
    /// How they stand.
    pub state: Option<ExchangeState>,
    /// [`NewExchange::agent`].
    pub agent: Option<String>,
    /// Only those behind the one that came then and has this local id: where the last list ended.
    pub before: Option<(Millis, String)>,
    /// How many at most.
    pub max: u32,
}

/// How many exchanges a team has had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeCounts {
    /// Dispatches that the outbox has.
    pub active_dispatches: u64,
    /// All dispatches.
    pub total_dispatches: u64,
    /// Intents that were taken.
    pub total_received: u64,
}

impl ExchangeCounts {
    /// Counts exchanges that are alike.
    pub(super) fn count(&mut self, kind: ExchangeKind, state: ExchangeState, count: u64) {
        match (kind, state) {
            (ExchangeKind::Dispatch, _) => {
                self.total_dispatches += count;
                if state == ExchangeState::Queued {
                    self.active_dispatches += count;
                }
            }
            (ExchangeKind::Intent, ExchangeState::Declined) | (ExchangeKind::Callback, _) => {}
            (ExchangeKind::Intent, _) => self.total_received += count,
        }
    }
}

/// A server that a team trusts, as a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRecord {
    /// Whose word it is.
    pub team: TeamId,
    /// The server's URL, normalised: what it is known by.
    pub url: String,
    /// The same as it was given.
    pub given_url: String,
    /// The wire's word for the relationship.
    pub relationship: String,
    /// The wire's word for a policy of its own.
    pub trust_policy: Option<String>,
    /// Its DID, where that does not follow from the URL.
    pub did: Option<String>,
    /// The API key that it is shown, sealed for [`TrustedRecord::place`].
    pub api_key: Option<Vec<u8>>,
    /// When it was said first.
    pub created_at: Millis,
    /// When it was last changed.
    pub updated_at: Millis,
}

impl TrustedRecord {
    /// The place that an API key is sealed for.
    pub fn place(team: &TeamId, url: &str) -> String {
        format!("trusted {team} {url}")
    }
}

/// A key that the instance signs with, or did until lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Counts from 1; the highest one signs.
    pub number: u32,
    /// The seed, sealed for [`SigningKeyRecord::place`].
    pub seed: Vec<u8>,
    /// When it was made.
    pub created_at: Millis,
    /// Until when it is still published, once there is a newer one.
    pub retires_at: Option<Millis>,
}

impl SigningKeyRecord {
    /// The place that a seed is sealed for.
    pub fn place(number: u32) -> String {
        format!("openintent key {number}")
    }
}

/// What OpenIntent asks of the store.
#[async_trait]
pub trait OpenIntentStore: Send + Sync + 'static {
    /// The instance's signing keys that are not retired at a time, by number.
    async fn signing_keys(&self, now: Millis) -> Result<Vec<SigningKeyRecord>>;

    /// Makes a key the one that signs; the one before is published until a time, and what was retired by `created_at` is
    /// wiped. Where there is a key with its number or a higher one already, nothing changes: of several nodes that make
    /// the next one, one does. Raises the access version. Answers what [`OpenIntentStore::signing_keys`] does.
    async fn add_signing_key(
        &self,
        key: SigningKeyRecord,
        old_until: Millis,
    ) -> Result<Vec<SigningKeyRecord>>;

    /// Whom a team trusts, by URL, as far as commands said so.
    async fn trusted_servers(&self, team: TeamId) -> Result<Vec<TrustedRecord>>;

    /// Adds a server, or replaces what was said of it (its `created_at` stays). Raises the access version.
    async fn put_trusted_server(&self, server: TrustedRecord) -> Result<()>;

    /// Forgets a server; says whether there was one. Raises the access version.
    async fn remove_trusted_server(&self, team: TeamId, url: String) -> Result<bool>;

    /// The teams that trust a server, the one that did so first first.
    async fn teams_trusting(&self, url: String) -> Result<Vec<TeamId>>;

    /// A team's own trust policy, by the wire's word, where a command has set one.
    async fn trust_policy(&self, team: TeamId) -> Result<Option<String>>;

    /// Sets a team's own trust policy, or goes back to the configured one. Raises the access version.
    async fn put_trust_policy(&self, team: TeamId, policy: Option<String>) -> Result<()>;

    /// The exchange that keys stand for, the own key before the alias.
    async fn find_exchange(
        &self,
        team: TeamId,
        keys: ExchangeKeys,
    ) -> Result<Option<ExchangeRecord>>;

    /// The exchange with a local id.
    async fn exchange(
        &self,
        team: TeamId,
        kind: ExchangeKind,
        local_id: String,
    ) -> Result<Option<ExchangeRecord>>;

    /// The dispatch with an id, whichever team's it is: ids of dispatches are random.
    async fn find_dispatch(&self, id: String) -> Result<Option<(TeamId, ExchangeRecord)>>;

    /// Keeps an exchange that has no event. Answers the one that its keys stood for already, if any: then nothing changes.
    async fn enter_exchange(
        &self,
        team: TeamId,
        exchange: NewExchange,
    ) -> Result<Option<ExchangeRecord>>;

    /// Takes note of what is learnt of an exchange; says whether there is one.
    async fn note_exchange(
        &self,
        team: TeamId,
        kind: ExchangeKind,
        local_id: String,
        note: ExchangeNote,
        now: Millis,
    ) -> Result<bool>;

    /// Exchanges of a team, the one that came last first; of those that came at once the one with the highest local id.
    async fn exchanges(&self, team: TeamId, filter: ExchangeFilter) -> Result<Vec<ExchangeRecord>>;

    /// How many exchanges a team has had with other servers: what no dispatch brought is none.
    async fn exchange_counts(&self, team: TeamId) -> Result<ExchangeCounts>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for state in ExchangeState::ALL {
            assert_eq!(ExchangeState::of(state.word()), Some(state));
        }
        for kind in [
            ExchangeKind::Dispatch,
            ExchangeKind::Intent,
            ExchangeKind::Callback,
        ] {
            assert_eq!(ExchangeKind::of(kind.word()), Some(kind));
        }
    }

    #[test]
    fn what_was_delivered_is_not_queued_again_and_an_end_is_an_end() {
        assert_eq!(
            ExchangeState::Queued.may_follow(),
            ["queued", "undelivered"]
        );
        assert_eq!(
            ExchangeState::Completed.may_follow(),
            ["queued", "undelivered", "delivered", "accepted", "running"]
        );
    }
}
