//! Durable state: one trait in the words of the product, an implementation per database.
//!
//! Every method is one transaction. What a method has answered is on stable storage. The SQL is written by hand for each
//! database; the contract is the conformance suite that runs against all of them.

pub mod backup;
mod check;
mod dump;
pub mod error;
pub mod faults;
pub mod federation;
pub mod invites;
mod limits;
pub mod openintent;
mod peers;
pub mod postgres;
pub mod record;
mod renumber;
pub mod seal;
pub mod sqlite;
pub mod trace;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::protocol::id::{AgentId, ClientId, Seq, SourceSlug, TeamId};
use crate::protocol::scope::Filter;
pub use error::StoreError;
use federation::FederationStore;
use openintent::OpenIntentStore;
pub use postgres::PostgresAddress;
use record::{
    AgentRecord, Appended, Batch, Bounds, Counts, Cursor, CursorMove, Dedup, EndpointDraft,
    EndpointRecord, Grant, Hold, Identity, KeyHash, KeyRecord, Millis, NewEvent, News, Outcome,
    Page, PendingLogin, Poll, QuotaStanding, StoredEvent, Stretch, TeamRecord,
};

/// What every method answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How the connections to a database are used at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// How many there are at most.
    pub max: usize,
    /// How many are in use.
    pub used: usize,
    /// How many are kept for what comes.
    pub idle: usize,
    /// How many operations wait for one.
    pub waiting: usize,
}

/// The durable state of an instance.
#[async_trait]
pub trait Store: FederationStore + OpenIntentStore {
    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;

    /// The instance's id. A new database takes the identity that is given; one that has another is an error.
    async fn instance(&self, identity: Identity) -> Result<String>;

    /// The instance's sealed identity key. The fresh one is kept where there is none yet: of several nodes that start
    /// together, one gives the key of all.
    async fn identity_key(&self, fresh: Vec<u8>) -> Result<Vec<u8>>;

    /// Stores a batch: dedup, numbers, events, usage, all or nothing. One outcome per event, in order. It may block the
    /// thread that calls it.
    async fn append(&self, batch: Arc<Batch>) -> Result<Vec<Appended>>;

    /// Reads part of a stretch of a log. A page ends early when it is large or looked at many events.
    async fn read(&self, stretch: Stretch) -> Result<Page>;

    /// Removes the oldest events up to a number, at most so many at a time. Answers the highest number that is gone now.
    async fn prune(&self, team: TeamId, through: Seq, max_events: usize) -> Result<Seq>;

    /// Forgets what was accepted before a time, at most so much at a time: the same event again is a new one then. Says
    /// how much it was. What peers know is kept for longer: see [`FederationStore::prune_federation`].
    async fn forget(&self, before: Millis, max: usize) -> Result<usize>;

    /// The newest matching events, newest first; fewer than the limit where they are large.
    async fn recent(
        &self,
        team: TeamId,
        filter: Arc<Filter>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>>;

    /// The events of a team with an id, newest first: senders choose ids, and two may choose the same. Where many have,
    /// only the newest are answered, and fewer where they are large.
    async fn find_events(&self, team: TeamId, id: String) -> Result<Vec<StoredEvent>>;

    /// What an append with this dedup key would hear of the event that was stored with it; `None` where none was.
    async fn first_of(&self, team: TeamId, dedup: Dedup) -> Result<Option<Outcome>>;

    /// The ends of a team's log.
    async fn bounds(&self, team: TeamId) -> Result<Bounds>;

    /// The highest number of the events that were stored before a time.
    async fn seq_before(&self, team: TeamId, time: Millis) -> Result<Seq>;

    /// Events accepted in a month.
    async fn usage(&self, team: TeamId, month: String) -> Result<u64>;

    /// The teams that have used up this quota in a month, and those whose log says last that it is used up.
    async fn quota_standings(
        &self,
        month: String,
        events_limit: Option<u64>,
    ) -> Result<Vec<QuotaStanding>>;

    /// Events as they were appended, from behind a number up to another, ascending. Some of them, where they are many.
    async fn follow(&self, team: TeamId, after: Seq, through: Seq) -> Result<Vec<(Seq, NewEvent)>>;

    /// The highest numbers given in some teams' logs.
    async fn heads(&self, teams: Vec<TeamId>) -> Result<Vec<(TeamId, Seq)>>;

    /// A client's cursor, and the number of this opening; a new one is made at the end of the log, with the given
    /// filter.
    async fn open_cursor(
        &self,
        team: TeamId,
        client: ClientId,
        filter: [u8; 32],
        now: Millis,
    ) -> Result<(Cursor, u64)>;

    /// Moves cursors. None of them moves back, and none is made. Answers the holds that are none any more: their
    /// cursors stay.
    async fn move_cursors(&self, moves: Vec<CursorMove>, now: Millis) -> Result<Vec<Hold>>;

    /// Which of some holds are none any more, since the cursor was opened again.
    async fn lost_holds(&self, holds: Vec<Hold>) -> Result<Vec<Hold>>;

    /// Takes note that holds are in use.
    async fn renew_holds(&self, holds: Vec<Hold>, now: Millis) -> Result<()>;

    /// Drops the cursors that nobody has opened, moved or renewed since a time. Says how many.
    async fn drop_cursors(&self, before: Millis) -> Result<usize>;

    /// How its connections are used; `None` where there is no other end.
    fn connections(&self) -> Option<Connections> {
        None
    }

    /// What other nodes do; `None` where there can be no other. Asked for once.
    fn news(&self) -> Option<mpsc::Receiver<News>>;

    /// Makes a team and its first key.
    async fn create_team(&self, team: TeamId, first_key: KeyRecord) -> Result<()>;

    /// All teams by id.
    async fn teams(&self) -> Result<Vec<TeamRecord>>;

    /// Makes a key.
    async fn create_key(&self, key: KeyRecord) -> Result<()>;

    /// The key with a public part.
    async fn find_key(&self, prefix: String) -> Result<Option<KeyRecord>>;

    /// A team's keys, oldest first.
    async fn keys(&self, team: TeamId) -> Result<Vec<KeyRecord>>;

    /// Takes note of when keys, by prefix, were used. Changes no access.
    async fn use_keys(&self, used: Vec<(String, Millis)>) -> Result<()>;

    /// Revokes a key by id; a team narrows the search to its own keys.
    async fn revoke_key(&self, team: Option<TeamId>, id: String, now: Millis) -> Result<()>;

    /// Replaces the hash of a key whose old hash is slow.
    async fn rehash_key(&self, id: String, hash: KeyHash) -> Result<()>;

    /// A number that changes whenever a key or endpoint does, by whatever process.
    async fn access_version(&self) -> Result<u64>;

    /// Makes an endpoint, or gives an existing one the new token and wakes it up, unless the draft says to keep it.
    /// Answers what is stored.
    async fn put_endpoint(&self, draft: EndpointDraft) -> Result<EndpointRecord>;

    /// Replaces an endpoint's secret; the old one stays valid until a time. Answers what is stored.
    async fn rotate_secret(
        &self,
        team: TeamId,
        source: SourceSlug,
        secret: Vec<u8>,
        old_secret_until: Millis,
    ) -> Result<EndpointRecord>;

    /// Makes an endpoint take no more posts.
    async fn deactivate_endpoint(&self, team: TeamId, id: String) -> Result<()>;

    /// A team's endpoints by source.
    async fn endpoints(&self, team: TeamId) -> Result<Vec<EndpointRecord>>;

    /// The endpoint of a team for a source.
    async fn find_endpoint(
        &self,
        team: TeamId,
        source: SourceSlug,
    ) -> Result<Option<EndpointRecord>>;

    /// Registers an agent, or renews its entry. A missing name leaves the old one.
    async fn put_agent(
        &self,
        team: TeamId,
        id: AgentId,
        name: Option<String>,
        now: Millis,
    ) -> Result<AgentRecord>;

    /// A team's agents by id.
    async fn agents(&self, team: TeamId) -> Result<Vec<AgentRecord>>;

    /// One agent of a team.
    async fn find_agent(&self, team: TeamId, id: AgentId) -> Result<Option<AgentRecord>>;

    /// Keeps a new device login under a digest of its device code; false when the code is taken or too many wait.
    async fn begin_login(&self, login: PendingLogin, device_hash: [u8; 32]) -> Result<bool>;

    /// The device login that waits under a user code.
    async fn pending_login(&self, user_code: String, now: Millis) -> Result<Option<PendingLogin>>;

    /// Grants or denies the login that waits under a user code; says whether there was one.
    async fn decide_login(
        &self,
        user_code: String,
        grant: Option<Grant>,
        now: Millis,
    ) -> Result<bool>;

    /// What a device learns when it asks. A grant is given once.
    async fn poll_login(&self, device_hash: [u8; 32], now: Millis) -> Result<Poll>;

    /// Counts for the dashboard; `since` is where the day began.
    async fn counts(&self, team: TeamId, since: Millis, now: Millis) -> Result<Counts>;
}

/// Where a database is: `sqlite:PATH` or `postgres://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server, and what it takes to get in.
    Postgres(Box<PostgresAddress>),
}

impl FromStr for Address {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                // `sqlite:///abs` and `sqlite:rel` are both in use elsewhere.
                let path = path.strip_prefix("//").unwrap_or(path);
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(Box::new(text.parse()?))),
            Some((kind, _)) => Err(StoreError::Address(format!("`{kind}:…` is no database"))),
            None => Err(StoreError::Address(format!("`{text}` is no database"))),
        }
    }
}

/// Who opens a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server: makes the database when it is missing, migrates it and holds it against other servers.
    Server,
    /// A command beside it: takes the database as it is.
    Visitor,
}

/// Opens a database.
pub async fn open(address: &Address, role: Role) -> Result<Arc<dyn Store>> {
    match address.clone() {
        Address::Sqlite(path) => {
            let open = move || sqlite::Sqlite::open(&path, role);
            let store = tokio::task::spawn_blocking(open)
                .await
                .map_err(|_| StoreError::Closed)??;
            Ok(Arc::new(store))
        }
        Address::Postgres(address) => Ok(Arc::new(postgres::Postgres::open(&address, role).await?)),
    }
}

impl fmt::Display for Address {
    /// Where it is, without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_kind_and_a_place() {
        let sqlite = |path: &str| Address::Sqlite(PathBuf::from(path));
        assert_eq!(
            "sqlite:kite.db".parse::<Address>().unwrap(),
            sqlite("kite.db")
        );
        assert_eq!(
            "sqlite:///a/k.db".parse::<Address>().unwrap(),
            sqlite("/a/k.db")
        );
        assert!(matches!(
            "postgresql://kite@db/kite".parse::<Address>(),
            Ok(Address::Postgres(_))
        ));
        for bad in ["", "kite.db", "sqlite:", "mysql://x"] {
            assert!(
                matches!(bad.parse::<Address>(), Err(StoreError::Address(_))),
                "{bad}"
            );
        }
    }
}
