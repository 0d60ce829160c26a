//! What the store keeps, as plain values.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::federation::{Pass, PeerNumber};
use super::openintent::{ExchangeChange, NewExchange};
use crate::protocol::event::{Event, Header, name_key};
use crate::protocol::forward::Transit;
use crate::protocol::id::{AgentId, ClientId, Seq, SourceSlug, TeamId};
use crate::protocol::permission::Permissions;
use crate::protocol::scope::{Filter, Scopes};
use crate::protocol::token::Token;

/// A stored time: milliseconds since the Unix epoch.
pub type Millis = i64;

/// An event on its way into the log.
#[derive(Debug)]
pub struct NewEvent {
    /// Whose log.
    pub team: TeamId,
    /// The CloudEvent's id.
    pub id: String,
    /// `type`.
    pub kind: String,
    /// `source`.
    pub source: String,
    /// The slug of the endpoint it came by.
    pub kitesource: Option<String>,
    /// The agent a message is for.
    pub agent_to: Option<String>,
    /// When it was received.
    pub created_at: Millis,
    /// The CloudEvent as JSON text, without `kiteseq`.
    pub text: String,
    /// What makes it the same one again; none for events that are always new.
    pub dedup: Option<Dedup>,
    /// Set for the server's own word that ingest stopped or goes on. It counts in no quota, and is stored only where it
    /// changes what was said last.
    pub turn: Option<QuotaTurn>,
    /// How it travels between instances.
    pub transit: Transit,
    /// By what right it is stored, where it came from a peer.
    pub pass: Option<Pass>,
    /// What it is to OpenIntent: kept together with it, and what it is known again by. Beside it `dedup` counts for
    /// nothing.
    pub exchange: Option<Arc<NewExchange>>,
    /// What it changes of an exchange. Beside it `dedup` counts for nothing.
    pub change: Option<Arc<ExchangeChange>>,
    /// By what way it came in. It is counted and not kept.
    pub origin: Origin,
}

/// By what way an event came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// A program that has an API key posted it.
    #[default]
    Api,
    /// It was posted to an endpoint, or stands for such a post.
    Webhook,
    /// It is a message for an agent.
    Message,
    /// Another instance forwarded it.
    Peer,
    /// It belongs to OpenIntent's federation.
    OpenIntent,
    /// The server itself has to say it.
    Server,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Api,
        Self::Webhook,
        Self::Message,
        Self::Peer,
        Self::OpenIntent,
        Self::Server,
    ];

    /// Its word in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Webhook => "webhook",
            Self::Message => "message",
            Self::Peer => "peer",
            Self::OpenIntent => "openintent",
            Self::Server => "server",
        }
    }
}

/// A change of whether a team's events are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaTurn {
    /// The quota was used up.
    Exhausted,
    /// There is room again.
    Restored,
}

/// A team that has used up its quota, or of which that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaStanding {
    /// The team.
    pub team: TeamId,
    /// Events accepted in the month.
    pub events_used: u64,
    /// Whether the last [`QuotaTurn`] in its log says that it was used up.
    pub is_told: bool,
}

/// What makes an event the same one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedup {
    /// A digest of the producer and its name for the event.
    pub key: [u8; 32],
    /// A digest of the content, where the same name for another content is a mistake that the sender should hear of.
    pub fingerprint: Option<[u8; 32]>,
}

impl NewEvent {
    /// An event with an id, a type and a source, and a text that has them: nothing else is known of it.
    pub fn bare(
        team: TeamId,
        [id, kind, source]: [impl Into<String>; 3],
        created_at: Millis,
        text: String,
    ) -> Self {
        Self {
            team,
            id: id.into(),
            kind: kind.into(),
            source: source.into(),
            kitesource: None,
            agent_to: None,
            created_at,
            text,
            dedup: None,
            turn: None,
            transit: Transit::default(),
            pass: None,
            exchange: None,
            change: None,
            origin: Origin::default(),
        }
    }

    /// Takes an event apart into what the log keeps.
    pub fn new(team: TeamId, event: &Event, created_at: Millis, dedup: Option<Dedup>) -> Self {
        let header = event.header();
        Self {
            team,
            id: event.id.clone(),
            kind: header.kind.into_owned(),
            source: header.source.into_owned(),
            kitesource: header.kitesource.map(Cow::into_owned),
            agent_to: header.agent_to.map(Cow::into_owned),
            created_at,
            text: event.to_text(),
            dedup,
            turn: None,
            transit: Transit::of(event),
            pass: None,
            exchange: None,
            change: None,
            origin: Origin::default(),
        }
    }

    /// Says by what way it came in.
    pub fn by(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// What makes it the same one again wherever it comes back from.
    pub(super) fn name_key(&self) -> [u8; 32] {
        name_key(&self.source, &self.id)
    }

    /// What it is known again by, where it has nothing to do with an exchange.
    pub(super) fn name(&self) -> Option<&Dedup> {
        match (&self.exchange, &self.change) {
            (None, None) => self.dedup.as_ref(),
            _ => None,
        }
    }

    /// What scopes look at.
    pub fn header(&self) -> Header<'_> {
        Header {
            kind: Cow::Borrowed(&self.kind),
            source: Cow::Borrowed(&self.source),
            kitesource: self.kitesource.as_deref().map(Cow::Borrowed),
            agent_to: self.agent_to.as_deref().map(Cow::Borrowed),
        }
    }
}

/// Events that are stored together, in one transaction.
#[derive(Debug)]
pub struct Batch {
    /// The events, in the order in which they get their numbers.
    pub events: Vec<NewEvent>,
    /// The calendar month (UTC) that they count in, as `2026-11`.
    pub month: String,
    /// How many events of a team are accepted in a month.
    pub events_limit: Option<u64>,
}

/// What became of one event of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Stored, or known already.
    pub outcome: Outcome,
    /// Events that the team had accepted in the month, after this one.
    pub events_used: u64,
    /// The peers that it is forwarded to.
    pub forwards: Vec<PeerNumber>,
}

/// Whether an event was new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was stored under this number.
    Stored(Seq),
    /// It had been stored before.
    Duplicate {
        /// The id of the first.
        id: String,
        /// When the first was stored.
        created_at: Millis,
        /// Whether the fingerprints agree; true where there are none.
        same: bool,
    },
    /// What it changes of an exchange was changed by another meanwhile: nothing was stored. Only events with a change hear this.
    Stale,
    /// The team's quota is used up.
    Exhausted,
    /// The peer that it came from may not send any more, or not with this token.
    NotAdmitted,
    /// The team is gone.
    NoTeam,
}

impl Outcome {
    /// That an event says nothing new.
    pub(super) fn known(event: &NewEvent) -> Self {
        Self::Duplicate {
            id: event.id.clone(),
            created_at: event.created_at,
            same: true,
        }
    }
}

/// An event read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place.
    pub seq: Seq,
    /// When it was stored.
    pub created_at: Millis,
    /// The CloudEvent as JSON text, without `kiteseq`.
    pub text: String,
}

/// A stretch of a log to read, in ascending order.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Whose log.
    pub team: TeamId,
    /// Begin behind this number.
    pub after: Seq,
    /// End with this number.
    pub through: Seq,
    /// Which events to return.
    pub filter: Arc<Filter>,
    /// How many events to return at most.
    pub max_events: usize,
}

/// Part of a stretch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The matching events, ascending.
    pub events: Vec<StoredEvent>,
    /// Up to here everything was looked at; the next page begins behind it.
    pub scanned_to: Seq,
    /// The highest number that retention had taken: what a page begins below was not there any more.
    pub pruned: Seq,
}

/// The ends of a team's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The highest number that retention has taken; 0 when nothing was.
    pub pruned: Seq,
    /// The highest number given.
    pub last: Seq,
}

/// A client's place in the log (spec 5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Everything up to here was acknowledged.
    pub acked: Seq,
    /// Up to here every matching event was acknowledged.
    pub scanned: Seq,
    /// [`Filter::digest`] of the filter that `scanned` speaks of.
    pub filter: [u8; 32],
}

impl Cursor {
    /// Where a connection with this filter goes on.
    pub fn resume(&self, filter: &[u8; 32]) -> Seq {
        if self.filter == *filter {
            self.acked.max(self.scanned)
        } else {
            self.acked
        }
    }
}

/// One opening of a cursor. The newest one holds it; what an older one still wants to write is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose log.
    pub team: TeamId,
    /// The cursor's name.
    pub client: ClientId,
    /// Goes up with every opening.
    pub number: u64,
}

/// A cursor that moved forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorMove {
    /// Who moves it.
    pub hold: Hold,
    /// Where it is now.
    pub cursor: Cursor,
}

/// What other nodes on the same database have done. May be lost: whoever needs it looks at the database now and then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A team's log has grown to this number.
    Appended(TeamId, Seq),
    /// A cursor was opened.
    Opened(Hold),
    /// Some news were lost.
    Missed,
}

/// A stored hash of a token (spec 2.2).
#[derive(Clone, PartialEq, Eq)]
pub enum KeyHash {
    /// SHA-256 of the whole token: what kite writes.
    Sha256([u8; 32]),
    /// A bcrypt hash, from an import.
    Bcrypt(String),
}

impl KeyHash {
    /// The hash that is stored for a token.
    pub fn of(token: &Token) -> Self {
        Self::Sha256(token.digest())
    }

    /// Whether the token is the hashed one. Compares in constant time. A bcrypt comparison takes a fifth of a second:
    /// keep it off the async threads.
    pub fn matches(&self, token: &Token) -> bool {
        match self {
            Self::Sha256(stored) => bool::from(stored.ct_eq(&token.digest())),
            Self::Bcrypt(stored) => {
                bcrypt::non_truncating_verify(token.reveal(), stored).unwrap_or(false)
            }
        }
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => digest.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Bcrypt(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

impl FromStr for KeyHash {
    type Err = std::convert::Infallible;

    /// Reads a stored hash. What is not 64 hex digits is taken for bcrypt, and matches nothing unless it is.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0u8; 32];
        let is_hex = text.len() == 64
            && text.is_ascii()
            && digest.iter_mut().enumerate().all(|(i, byte)| {
                u8::from_str_radix(&text[2 * i..2 * i + 2], 16).is_ok_and(|value| {
                    *byte = value;
                    true
                })
            });
        Ok(if is_hex {
            Self::Sha256(digest)
        } else {
            Self::Bcrypt(text.to_owned())
        })
    }
}

/// An API key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// A version 7 UUID.
    pub id: String,
    /// The team that it opens.
    pub team: TeamId,
    /// The public part of the key.
    pub prefix: String,
    /// The hash of the whole key.
    pub hash: KeyHash,
    /// What people call it.
    pub name: Option<String>,
    /// Which events it may see.
    pub scopes: Scopes,
    /// What it may do.
    pub permissions: Permissions,
    /// When it was made.
    pub created_at: Millis,
    /// When it stops working.
    pub expires_at: Option<Millis>,
    /// When it was revoked.
    pub revoked_at: Option<Millis>,
    /// When it last opened something, to the minute.
    pub last_used_at: Option<Millis>,
}

impl KeyRecord {
    /// Whether the key works at a time.
    pub fn is_live(&self, now: Millis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamRecord {
    /// Its id.
    pub id: TeamId,
    /// When it was made.
    pub created_at: Millis,
    /// The highest number in its log.
    pub last_seq: Seq,
}

/// An ingest address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRecord {
    /// A version 7 UUID.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// Its slug.
    pub source: SourceSlug,
    /// Whether it takes posts.
    pub active: bool,
    /// The hash of its hook token.
    pub token_hash: KeyHash,
    /// The hook token, sealed, where it has to be shown again.
    pub token: Option<Vec<u8>>,
    /// The secret that posts are signed with, sealed.
    pub secret: Option<Vec<u8>>,
    /// The one before it, and until when it is still accepted.
    pub old_secret: Option<(Vec<u8>, Millis)>,
    /// How large a body may be, where it is not what its source allows.
    pub max_body_bytes: Option<u64>,
    /// When it was made.
    pub created_at: Millis,
}

impl EndpointRecord {
    /// The place that an endpoint's secrets are sealed for.
    pub fn place(team: &TeamId, source: &SourceSlug) -> String {
        format!("endpoint {source} {team}")
    }

    /// The sealed secrets that are accepted at a time.
    pub fn live_secrets(&self, now: Millis) -> impl Iterator<Item = &[u8]> {
        let old = self
            .old_secret
            .as_ref()
            .filter(move |(_, until)| now < *until);
        self.secret
            .iter()
            .map(Vec::as_slice)
            .chain(old.map(|(secret, _)| secret.as_slice()))
    }
}

/// What makes an endpoint, or renews one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointDraft {
    /// The id of a new one.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// Its slug.
    pub source: SourceSlug,
    /// The hash of the new token.
    pub token_hash: KeyHash,
    /// The new token, sealed, where it has to be shown again.
    pub token: Option<Vec<u8>>,
    /// A new secret, sealed; without one the stored secret stays.
    pub secret: Option<Vec<u8>>,
    /// A new limit; without one the stored limit stays.
    pub max_body_bytes: Option<u64>,
    /// The present time.
    pub now: Millis,
    /// Until when a secret that is replaced stays valid.
    pub old_secret_until: Millis,
    /// What of an endpoint that is there already stays as it is.
    pub keeps: Keeps,
}

/// Which endpoints are left alone when one is put in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// None: each gets the new token, and takes posts again.
    None,
    /// Those that take posts and whose token and secret can be shown again.
    Complete,
    /// Any.
    All,
}

/// Who an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id that it is to have.
    pub wanted: Option<String>,
    /// The id of a new one that is to have no certain one.
    pub fresh: String,
    /// [`super::seal::Sealer::check`] of its key.
    pub secret_check: [u8; 32],
    /// The present time.
    pub now: Millis,
}

/// An entry in the register of agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// What messages are addressed to.
    pub id: AgentId,
    /// What people call it.
    pub name: Option<String>,
    /// When it was first registered.
    pub created_at: Millis,
    /// When it last registered.
    pub last_seen_at: Option<Millis>,
}

/// A device login that waits for somebody's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLogin {
    /// What the person types.
    pub user_code: String,
    /// When it began.
    pub created_at: Millis,
    /// When it ends.
    pub expires_at: Millis,
    /// The address that asks.
    pub peer: String,
    /// The program that asks, as it calls itself.
    pub client: String,
    /// How long to leave between two polls, in seconds.
    pub interval_secs: u64,
}

/// What a device login was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The team that the key opens.
    pub team: TeamId,
    /// What the key may do.
    pub permissions: Permissions,
    /// When the key stops working.
    pub key_expires_at: Option<Millis>,
}

/// What a device learns when it asks whether it was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// No such login, or it has ended.
    Unknown,
    /// Not yet.
    Waits,
    /// Not yet, and asked too soon: the interval is longer now.
    TooFast,
    /// No.
    Denied,
    /// Yes; told this once.
    Granted(Grant),
}

/// Counts for the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Events since the time that was asked for.
    pub events_since: u64,
    /// Endpoints that take posts.
    pub active_endpoints: u64,
    /// Keys that are live.
    pub live_keys: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_hash_reads_back() {
        let hash = KeyHash::Sha256([0xa5; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        let bcrypt = KeyHash::Bcrypt("$2b$12$x".to_owned());
        assert_eq!(bcrypt.to_string().parse(), Ok(bcrypt));
    }

    #[test]
    fn a_scanned_position_counts_only_for_its_own_filter() {
        let cursor = Cursor {
            acked: 5,
            scanned: 90,
            filter: [1; 32],
        };
        assert_eq!(cursor.resume(&[1; 32]), 90);
        assert_eq!(cursor.resume(&[2; 32]), 5);
    }
}
