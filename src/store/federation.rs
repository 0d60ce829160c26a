//! What the store keeps of other instances: peers, what is on its way to them, what became of it.
//!
//! A forward is a row of the outbox, written in the transaction that stores the event. Rows of a peer are worked by one
//! node at a time, which holds a *claim* on the peer: so its rate and its circuit are counted in one place, and a row
//! needs no lease of its own. A claim has a number; what is settled under an old one changes nothing. A claim that is not
//! renewed is over after [`CLAIM_TERM`], by the database's clock.

use std::time::Duration;

use async_trait::async_trait;

use super::Result;
use super::invites::{InviteRecord, InviteRefusal, Joiner};
use super::record::Millis;
use crate::protocol::federation::{OutboxStatus, PeerKind, PeerStatus};
use crate::protocol::forward::{Destination, TypeScopes};
use crate::protocol::id::{Seq, TeamId};
use crate::protocol::identity::IDENTITY_KEY_LEN;

/// How long a claim lasts unless it is renewed. A node that died leaves its peers to others after that.
pub const CLAIM_TERM: Duration = Duration::from_secs(20);

/// How many peers a team has at most: what each of its events is compared with.
pub const PEERS_MAX: usize = 256;

/// How many dead letters are made due again in one transaction: what is appended meanwhile waits for it.
pub(super) const REPLAY_MAX: usize = 1000;

/// The number that stands for a peer in other tables, for good.
pub type PeerNumber = i64;

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRecord {
    /// What stands for it in other tables.
    pub number: PeerNumber,
    /// A version 7 UUID.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// What the team calls it.
    pub name: String,
    /// The id that it puts into chains.
    pub instance_id: String,
    /// How it stands.
    pub status: PeerStatus,
    /// Where events for it are posted.
    pub hook_url: String,
    /// Which types go to it.
    pub scopes: TypeScopes,
    /// How far an event may have come.
    pub max_hops: u64,
    /// Posts a second, each way.
    pub rate_limit_per_sec: u32,
    /// The token that it is shown, sealed for [`PeerRecord::place`].
    pub outbound_token: Vec<u8>,
    /// The token that it has to show.
    pub inbound: InboundToken,
    /// The one before it, and until when it is valid.
    pub old_inbound: Option<(InboundToken, Millis)>,
    /// When it was made.
    pub created_at: Millis,
    /// When it was last changed.
    pub updated_at: Millis,
    /// The Ed25519 key that it proved to have when it was connected by an invitation.
    pub identity_key: Option<[u8; IDENTITY_KEY_LEN]>,
    /// What it is.
    pub kind: PeerKind,
    /// Whether it takes part in discovery.
    pub discovery: bool,
}

impl PeerRecord {
    /// The place that a peer's outbound token is sealed for.
    pub fn place(id: &str) -> String {
        format!("peer {id}")
    }

    /// What it is to a forward.
    pub fn destination(&self) -> Destination<'_> {
        Destination {
            instance_id: &self.instance_id,
            scopes: &self.scopes,
            max_hops: self.max_hops,
        }
    }

    /// The token with this digest, if it opens the peer's door at a time.
    pub fn inbound_at(&self, index: &[u8; 32], now: Millis) -> Option<&InboundToken> {
        let old = self.old_inbound.as_ref();
        let old = old.filter(|(_, until)| now < *until).map(|(old, _)| old);
        [Some(&self.inbound), old]
            .into_iter()
            .flatten()
            .find(|token| token.index == *index)
    }
}

impl PeerRecord {
    /// Takes over what changes. A deleted peer has no tokens any more.
    pub(super) fn apply(&mut self, update: PeerUpdate, now: Millis) {
        let replace = |old: &mut String, new: Option<String>| {
            if let Some(new) = new {
                *old = new;
            }
        };
        replace(&mut self.name, update.name);
        replace(&mut self.hook_url, update.hook_url);
        self.status = update.status.unwrap_or(self.status);
        self.max_hops = update.max_hops.unwrap_or(self.max_hops);
        self.rate_limit_per_sec = update.rate_limit_per_sec.unwrap_or(self.rate_limit_per_sec);
        self.discovery = update.discovery.unwrap_or(self.discovery);
        if let Some(scopes) = update.scopes {
            self.scopes = scopes;
        }
        if let Some(token) = update.outbound_token {
            self.outbound_token = token;
        }
        if let Some((token, old_until)) = update.inbound {
            let old = std::mem::replace(&mut self.inbound, token);
            self.old_inbound = (now < old_until).then_some((old, old_until));
        }
        if self.status == PeerStatus::Deleted {
            self.outbound_token = Vec::new();
            self.old_inbound = None;
            self.inbound = InboundToken {
                index: [0; 32],
                hash: String::new(),
            };
        }
        self.updated_at = now;
    }
}

/// A stored inbound token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundToken {
    /// Its HMAC under the server's key: tokens that people choose have no public part to be found by.
    pub index: [u8; 32],
    /// Its bcrypt hash.
    pub hash: String,
}

/// What makes a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPeer {
    /// A version 7 UUID.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// What the team calls it.
    pub name: String,
    /// The id that it puts into chains.
    pub instance_id: String,
    /// Where events for it are posted.
    pub hook_url: String,
    /// Which types go to it.
    pub scopes: TypeScopes,
    /// How far an event may have come.
    pub max_hops: u64,
    /// Posts a second, each way.
    pub rate_limit_per_sec: u32,
    /// The token that it is shown, sealed.
    pub outbound_token: Vec<u8>,
    /// The token that it has to show.
    pub inbound: InboundToken,
    /// The key that it proved to have.
    pub identity_key: Option<[u8; IDENTITY_KEY_LEN]>,
    /// What it is.
    pub kind: PeerKind,
    /// Whether it takes part in discovery.
    pub discovery: bool,
    /// The present time.
    pub now: Millis,
}

/// What changes of a peer. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another status. A revoked peer can be made active again; [`PeerStatus::Deleted`] wipes its tokens and is final.
    pub status: Option<PeerStatus>,
    /// Another address.
    pub hook_url: Option<String>,
    /// Other types.
    pub scopes: Option<TypeScopes>,
    /// Another limit.
    pub max_hops: Option<u64>,
    /// Another rate.
    pub rate_limit_per_sec: Option<u32>,
    /// A new token to show, sealed.
    pub outbound_token: Option<Vec<u8>>,
    /// A new token that it has to show, and until when the one before stays valid.
    pub inbound: Option<(InboundToken, Millis)>,
    /// Whether it takes part in discovery.
    pub discovery: Option<bool>,
}

/// By what right an event of a peer is stored. It is judged again in the transaction that stores it: once a token was
/// replaced or a peer revoked, nothing more is taken that was let in before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The peer that showed the token.
    pub peer: PeerNumber,
    /// [`InboundToken::index`] of the token.
    pub index: [u8; 32],
}

/// How a peer does. Kept apart from the peer, since it changes with every delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerState {
    /// How many attempts in a row have failed because of the peer or the way to it.
    pub failures: u32,
    /// While it fails: when it is tried next.
    pub retry_at: Option<Millis>,
    /// When it last took an event.
    pub last_success_at: Option<Millis>,
    /// What the last failure was.
    pub last_error: Option<String>,
    /// How long the last attempt took, in milliseconds.
    pub latency_ms: Option<u64>,
}

/// The right to work a peer's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimId {
    /// The peer.
    pub peer: PeerNumber,
    /// Goes up with every claim.
    pub number: u64,
}

/// A forward that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The event's place in the log; with the peer it names the row.
    pub seq: Seq,
    /// When it was due: 0 for one that was never tried.
    pub due_at: Millis,
    /// How often it was tried.
    pub attempts: u32,
    /// When the event was stored.
    pub created_at: Millis,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// The event as JSON text; `None` when it is gone, which nothing but damage can do.
    pub text: Option<String>,
}

/// Which rows to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueQuery {
    /// The claim that they are worked under.
    pub claim: ClaimId,
    /// Rows that were never tried: those behind this number.
    pub after: Seq,
    /// How many of those at most.
    pub fresh_max: usize,
    /// How many that wait for another attempt at most, the longest due first.
    pub retries_max: usize,
    /// The present time.
    pub now: Millis,
}

/// What a claimed peer has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The peer as it is now.
    pub peer: PeerRecord,
    /// How it does.
    pub state: PeerState,
    /// Rows that were never tried, by `seq`. Their text is at most a few MiB together, one row at least.
    pub fresh: Vec<Due>,
    /// Rows that are due again.
    pub retries: Vec<Due>,
}

/// What an attempt ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The peer has it.
    Delivered,
    /// It is tried again at a time.
    Waits(Millis),
    /// It is a dead letter.
    Dead,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Under which claim it was made.
    pub claim: ClaimId,
    /// The row: [`Due::seq`].
    pub seq: Seq,
    /// [`Due::due_at`].
    pub due_at: Millis,
    /// What it ended with.
    pub settled: Settled,
    /// Counts from 1.
    pub attempt: u32,
    /// What the peer answered.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// When it ended.
    pub at: Millis,
    /// How the peer does after it.
    pub state: PeerState,
    /// Whether the circuit was closed by it: then everything that waits is due.
    pub wakes: bool,
}

/// An event that was dropped on purpose on its way in (loop, hop limit).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The peer that sent it.
    pub peer: PeerNumber,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Millis,
}

/// Names a forward to people: the peer's id and the event's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxId {
    /// The peer's UUID.
    pub peer_id: String,
    /// The event's place in the log.
    pub seq: Seq,
}

impl std::fmt::Display for OutboxId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.peer_id, self.seq)
    }
}

impl OutboxId {
    /// Reads one; `None` for a text that names nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let (peer_id, seq) = text.split_once(':')?;
        Some(Self {
            peer_id: peer_id.to_owned(),
            seq: seq.parse().ok()?,
        })
    }
}

/// Which forwards to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutboxFilter {
    /// Those with a status; without one, those of every status.
    pub status: Option<OutboxStatus>,
    /// Those to a peer, by its UUID.
    pub peer_id: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// A forward in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// What it is named by.
    pub id: OutboxId,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// What became of it.
    pub status: OutboxStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again; `None` when it is due now or never again.
    pub next_attempt_at: Option<Millis>,
    /// What the last attempt ended with.
    pub last_error: Option<String>,
    /// When the event was stored.
    pub created_at: Millis,
}

/// Which attempts to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Those at a peer, by its UUID.
    pub peer_id: Option<String>,
    /// Those with an event.
    pub event_id: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// An attempt in a listing, or the record of a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryEntry {
    /// A UUID.
    pub id: String,
    /// The peer's UUID.
    pub peer_id: String,
    /// The event's place in the log; `None` for one that was not taken in.
    pub seq: Option<Seq>,
    /// The event's id.
    pub event_id: String,
    /// Counts from 1; 0 for a drop.
    pub attempt: u32,
    /// What the peer answered.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<u64>,
    /// When.
    pub created_at: Millis,
}

/// Which dead letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letters {
    /// This one.
    One(OutboxId),
    /// Those to a peer, by its UUID.
    Peer(String),
    /// All of the team's.
    All,
}

/// How a peer does, with what is on its way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStanding {
    /// The peer.
    pub peer: PeerRecord,
    /// How it does.
    pub state: PeerState,
    /// How many rows are due or wait.
    pub backlog: u64,
    /// When the event of the oldest of them was stored.
    pub oldest_at: Option<Millis>,
    /// How many dead letters there are.
    pub dead: u64,
}

/// A minted token's label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// A version 7 UUID.
    pub id: String,
    /// Whose it is.
    pub team: TeamId,
    /// What it is for.
    pub label: String,
    /// When it was minted.
    pub created_at: Millis,
}

/// Until when what is kept of federation counts as old. Everything before goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Attempts and drops.
    pub deliveries: Millis,
    /// Dead, cancelled and discarded letters.
    pub letters: Millis,
    /// What was accepted from peers, and what went to them, by name.
    pub names: Millis,
    /// Invitations, by when they end.
    pub invites: Millis,
}

/// The part of the store that federation works on. The rules of [`super::Store`] hold for it.
#[async_trait]
pub trait FederationStore: Send + Sync + 'static {
    /// Makes a peer. [`super::StoreError::Exists`] when the team has one with the same instance id, name or inbound
    /// token, or a second Paperclip; [`super::StoreError::Failed`] when it has [`PEERS_MAX`] instances.
    async fn create_peer(&self, peer: NewPeer) -> Result<PeerRecord>;

    /// A team's peers, oldest first; not the deleted ones.
    async fn peers(&self, team: TeamId) -> Result<Vec<PeerRecord>>;

    /// The Paperclip of each team that has one, by number; not the deleted ones.
    async fn paperclips(&self) -> Result<Vec<PeerRecord>>;

    /// The teams without one, by number.
    async fn teams_without_paperclip(&self) -> Result<Vec<TeamId>>;

    /// One peer of a team, by its UUID; not a deleted one.
    async fn find_peer(&self, team: TeamId, id: String) -> Result<Option<PeerRecord>>;

    /// Changes a peer and answers it. A peer that comes to be revoked or deleted leaves its rows to
    /// [`FederationStore::cancel_rows`].
    async fn update_peer(
        &self,
        team: TeamId,
        id: String,
        update: PeerUpdate,
        now: Millis,
    ) -> Result<PeerRecord>;

    /// The peer of a team whose present inbound token, or the one before, has this [`InboundToken::index`]; whatever
    /// its status, but not a deleted one. Read from the database each time.
    async fn peer_by_token(&self, team: TeamId, index: [u8; 32]) -> Result<Option<PeerRecord>>;

    /// Cancels some of the rows of peers that are revoked or deleted, on whatever node they were. Says how many.
    async fn cancel_rows(&self, now: Millis, max: usize) -> Result<usize>;

    /// Records events that were dropped on their way in.
    async fn note_drops(&self, drops: Vec<Dropped>) -> Result<()>;

    /// Closes a peer's circuit, if it is open: everything that waits is due. Says whether it was open.
    async fn wake_peer(&self, peer: PeerNumber) -> Result<bool>;

    /// Keeps the label of a minted token.
    async fn create_federation_token(&self, token: TokenRecord) -> Result<()>;

    /// The labels of a team's minted tokens, oldest first.
    async fn federation_tokens(&self, team: TeamId) -> Result<Vec<TokenRecord>>;

    /// Forgets one.
    async fn remove_federation_token(&self, team: TeamId, id: String) -> Result<TokenRecord>;

    /// Keeps an invitation, unless [`super::invites::INVITES_MAX`] of the team wait to be redeemed; says whether it did.
    /// Where several are made in the same moment, there may be a few more.
    async fn create_invite(&self, invite: InviteRecord) -> Result<bool>;

    /// A team's invitations, oldest first: also those that were redeemed or have expired, until they are pruned.
    async fn invites(&self, team: TeamId) -> Result<Vec<InviteRecord>>;

    /// Takes an invitation back. A peer that came of it stays.
    async fn remove_invite(&self, team: TeamId, id: String) -> Result<InviteRecord>;

    /// The invitation whose secret has this SHA-256, of whatever team.
    async fn find_invite(&self, digest: [u8; 32]) -> Result<Option<InviteRecord>>;

    /// Redeems an invitation: makes the peer, or gives the one that the joiner is new tokens and another address. What is
    /// on its way to that one stays. All in one transaction, judged by [`InviteRecord::admit`]; fails as
    /// [`FederationStore::create_peer`] and [`FederationStore::update_peer`] do.
    async fn redeem_invite(
        &self,
        joiner: Joiner,
    ) -> Result<std::result::Result<PeerRecord, InviteRefusal>>;

    /// Claims peers that have something to do at a time and are claimed by nobody: active ones with rows that are due,
    /// and no circuit that is still open. Some of them, at most so many.
    async fn claim_peers(&self, now: Millis, max: usize) -> Result<Vec<ClaimId>>;

    /// Renews claims; answers those that were lost.
    async fn renew_claims(&self, claims: Vec<ClaimId>) -> Result<Vec<ClaimId>>;

    /// Gives claims back.
    async fn release_claims(&self, claims: Vec<ClaimId>) -> Result<()>;

    /// What a claimed peer has to do; `None` when the claim was lost. Rows stay where they are until they are settled.
    async fn due(&self, query: DueQuery) -> Result<Option<Work>>;

    /// Settles attempts, all in one transaction, and records each; a row at most once. Answers for each whether its claim
    /// still stood; what was settled under another changes nothing. A row that was woken during its attempt is settled
    /// like any other.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<bool>>;

    /// Makes dead letters of rows whose event was stored before a time, at most so many. Says how many. Rows that are due
    /// later than `latest` (a clock was wrong) come to be due at once, and peers that are tried next after that are tried
    /// now.
    async fn expire_rows(
        &self,
        before: Millis,
        latest: Millis,
        now: Millis,
        max: usize,
    ) -> Result<usize>;

    /// A team's forwards: those that are due or wait by when they are due, others newest first.
    async fn outbox(&self, team: TeamId, filter: OutboxFilter) -> Result<Vec<OutboxEntry>>;

    /// One dead letter, with its event as JSON text.
    async fn dead_letter(
        &self,
        team: TeamId,
        id: OutboxId,
    ) -> Result<Option<(OutboxEntry, String)>>;

    /// Makes dead letters due again, with no attempts counted. Says how many. Those to a revoked peer stay. Some at a
    /// time: where it fails, what was done is done, and the rest are dead letters still.
    async fn replay(&self, team: TeamId, letters: Letters, now: Millis) -> Result<u64>;

    /// Drops a dead letter for good; `None` when there is none.
    async fn discard(&self, team: TeamId, id: OutboxId, now: Millis)
    -> Result<Option<OutboxEntry>>;

    /// A team's attempts, newest first.
    async fn deliveries(&self, team: TeamId, filter: DeliveryFilter) -> Result<Vec<DeliveryEntry>>;

    /// How peers do: a team's, or everybody's, by team and age; not the deleted ones.
    async fn peer_standings(&self, team: Option<TeamId>) -> Result<Vec<PeerStanding>>;

    /// Removes what is old, at most so much of each kind. Says whether there may be more.
    async fn prune_federation(&self, before: Ages, max: usize) -> Result<bool>;
}

/// The least version 7 UUID of a time: what is older has a smaller one.
pub(super) fn least_uuid7(time: Millis) -> String {
    let time = u64::try_from(time).unwrap_or(0);
    format!("{:08x}-{:04x}-7", time >> 16, time & 0xffff)
}
