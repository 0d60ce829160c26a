//! The store on SQLite: one thread that writes, in groups, and a few connections that read.
//!
//! WAL with `synchronous=FULL`: what was committed survives a power cut. Every write transaction is immediate, since a
//! deferred one fails at once when another process writes, whatever the busy timeout.

mod access;
mod agents;
mod append;
mod checkpoint;
mod cursors;
pub(super) mod dump;
mod endpoints;
mod exchanges;
mod federation;
mod forwards;
mod group;
mod invites;
mod letters;
mod listings;
mod login;
mod open;
mod openintent;
mod peers;
mod read;
pub(super) mod replace;
mod retention;
mod settling;
mod signing_keys;
mod teams;
mod trust;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use checkpoint::Checkpointer;
use group::Group;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, ffi, params};
use tokio::sync::Semaphore;

use super::faults::noted;
use super::peers::KnownPeers;
use super::record::{
    AgentRecord, Appended, Batch, Bounds, Counts, Cursor, CursorMove, Dedup, EndpointDraft,
    EndpointRecord, Grant, Hold, Identity, KeyHash, KeyRecord, Millis, NewEvent, News, Outcome,
    Page, PendingLogin, Poll, QuotaStanding, StoredEvent, Stretch, TeamRecord,
};
use super::{Result, Role, Store, StoreError};
use crate::protocol::id::{AgentId, ClientId, Seq, SourceSlug, TeamId};
use crate::protocol::scope::Filter;

/// How many reads run at once. Reading is CPU-bound on a warm file; more would only take cores from the writer.
const READERS: usize = 4;

/// A SQLite database.
pub struct Sqlite {
    writer: Arc<Group>,
    thread: Option<std::thread::JoinHandle<()>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    reading: Arc<Semaphore>,
    /// What appends decide forwards by.
    peers: Arc<KnownPeers>,
    /// None for a visitor.
    checkpointer: Option<Checkpointer>,
    /// Held as long as the store lives, so that no second server uses the file.
    _lock: Option<File>,
}

impl Sqlite {
    /// Opens a database file; see [`Role`] for what that may change.
    pub fn open(path: &Path, role: Role) -> Result<Self> {
        let lock = open::lock(path, role)?;
        let mut connection = open::connect(path, role)?;
        open::migrate(&mut connection, path, role)?;
        if role == Role::Server {
            forwards::void_claims(&connection)?;
        }
        let readers = (0..READERS)
            .map(|_| open::connect(path, Role::Visitor))
            .collect::<Result<Vec<_>>>()?;

        let checkpointer = match role {
            Role::Server => Some(open::connect(path, Role::Visitor)?),
            Role::Visitor => None,
        };
        let checkpointer = checkpointer
            .map(Checkpointer::start)
            .transpose()
            .map_err(|error| open::unusable(path, &error))?;
        let writer = Arc::new(Group::new(connection));
        let runs = writer.clone();
        let thread = std::thread::Builder::new()
            .name("kite-sqlite".to_owned())
            .spawn(move || runs.run())
            .map_err(|error| open::unusable(path, &error))?;
        Ok(Self {
            writer,
            thread: Some(thread),
            readers: Arc::new(Mutex::new(readers)),
            reading: Arc::new(Semaphore::new(READERS)),
            peers: Arc::default(),
            checkpointer,
            _lock: lock,
        })
    }

    /// Runs work on the writing thread, all or nothing, and answers after the commit.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answered = self.writer.leave(work)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a query that finds a row or two by an index, here and now: handing it to another thread and back would take
    /// longer than it does. Where all connections are busy it waits off the async threads like any other.
    async fn glance<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Ok(_permit) = self.reading.try_acquire() else {
            return self.query(work).await;
        };
        let taken = || self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = taken().pop().ok_or(StoreError::Closed)?;
        let result = work(&connection);
        taken().push(connection);
        result
    }

    /// Runs queries on a reading connection, off the async threads.
    async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let permit = self.reading.clone().acquire_owned().await;
        let permit = permit.map_err(|_| StoreError::Closed)?;
        let readers = self.readers.clone();
        let run = move || {
            let _permit = permit;
            let taken = || readers.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = taken().pop().ok_or(StoreError::Closed)?;
            let result = work(&connection);
            taken().push(connection);
            result
        };
        tokio::task::spawn_blocking(run)
            .await
            .map_err(|_| StoreError::Failed("a query panicked".to_owned()))?
    }
}

impl Drop for Sqlite {
    /// Waits until the last write is done and the writing connection, as the last one, has folded the write-ahead log
    /// into the database: after that the one file is all there is.
    fn drop(&mut self) {
        let readers = self.readers.lock();
        readers.unwrap_or_else(PoisonError::into_inner).clear();
        self.checkpointer = None;
        self.writer.close();
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by the thread.
            let _ = thread.join();
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        noted(match error.sqlite_error() {
            Some(cause) if is_about_room(cause) => Self::Unwritable(text),
            _ => Self::Failed(text),
        })
    }
}

/// Whether a file could not be written or could not grow. A quota or a limit of the process is told as an IO failure.
fn is_about_room(cause: &ffi::Error) -> bool {
    match cause.code {
        ErrorCode::DiskFull | ErrorCode::ReadOnly => true,
        ErrorCode::SystemIoFailure => !matches!(
            cause.extended_code,
            ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ
        ),
        _ => false,
    }
}

/// The number that stands for a team in other tables.
fn team_number(connection: &Connection, team: &TeamId) -> Result<i64> {
    connection
        .prepare_cached("SELECT number FROM teams WHERE id = ?1")?
        .query_row([team.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::NotFound(format!("team `{team}`")))
}

/// A stored text that has to parse, as a column of a row.
fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(String) -> std::result::Result<T, E>,
) -> rusqlite::Result<T> {
    parse(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

/// A `seq` as SQLite's signed integer.
fn signed(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A count or `seq` that was stored.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[async_trait]
impl Store for Sqlite {
    async fn ping(&self) -> Result<()> {
        self.query(|c| Ok(c.query_row("SELECT 1", [], |_| Ok(()))?))
            .await
    }

    async fn instance(&self, identity: Identity) -> Result<String> {
        let id = self.write(move |t| teams::instance(t, identity)).await?;
        self.peers.set_own_id(&id);
        Ok(id)
    }

    async fn identity_key(&self, fresh: Vec<u8>) -> Result<Vec<u8>> {
        self.write(move |t| teams::identity_key(t, &fresh)).await
    }

    async fn append(&self, batch: Arc<Batch>) -> Result<Vec<Appended>> {
        let known = self.peers.clone();
        let appended = self.writer.work(move |t| append::append(t, &batch, &known));
        if appended.is_err() {
            self.peers.forget();
        }
        appended
    }

    async fn read(&self, stretch: Stretch) -> Result<Page> {
        self.query(move |c| read::page(c, &stretch)).await
    }

    async fn prune(&self, team: TeamId, through: Seq, max_events: usize) -> Result<Seq> {
        self.write(move |t| retention::prune(t, &team, through, max_events))
            .await
    }

    async fn forget(&self, before: Millis, max: usize) -> Result<usize> {
        self.write(move |t| retention::forget(t, before, max)).await
    }

    async fn recent(
        &self,
        team: TeamId,
        filter: Arc<Filter>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        self.query(move |c| read::recent(c, &team, &filter, limit))
            .await
    }

    async fn find_events(&self, team: TeamId, id: String) -> Result<Vec<StoredEvent>> {
        self.query(move |c| read::find_events(c, &team, &id)).await
    }

    async fn first_of(&self, team: TeamId, dedup: Dedup) -> Result<Option<Outcome>> {
        self.query(move |c| read::first_of(c, &team, &dedup)).await
    }

    async fn bounds(&self, team: TeamId) -> Result<Bounds> {
        self.query(move |c| read::bounds(c, &team)).await
    }

    async fn seq_before(&self, team: TeamId, time: Millis) -> Result<Seq> {
        self.query(move |c| read::seq_before(c, &team, time)).await
    }

    async fn usage(&self, team: TeamId, month: String) -> Result<u64> {
        self.query(move |c| {
            let used = c
                .prepare_cached(
                    "SELECT events_used FROM teams WHERE id = ?1 AND usage_month >= ?2",
                )?
                .query_row(params![team.as_str(), month], |row| row.get(0))
                .optional()?;
            Ok(unsigned(used.unwrap_or(0)))
        })
        .await
    }

    async fn quota_standings(
        &self,
        month: String,
        events_limit: Option<u64>,
    ) -> Result<Vec<QuotaStanding>> {
        self.query(move |c| teams::quota_standings(c, &month, events_limit))
            .await
    }

    async fn open_cursor(
        &self,
        team: TeamId,
        client: ClientId,
        filter: [u8; 32],
        now: Millis,
    ) -> Result<(Cursor, u64)> {
        self.write(move |t| cursors::open_cursor(t, &team, &client, &filter, now))
            .await
    }

    async fn move_cursors(&self, moves: Vec<CursorMove>, now: Millis) -> Result<Vec<Hold>> {
        self.write(move |t| cursors::move_cursors(t, moves, now))
            .await
    }

    async fn lost_holds(&self, holds: Vec<Hold>) -> Result<Vec<Hold>> {
        self.query(move |c| cursors::lost_holds(c, holds)).await
    }

    async fn renew_holds(&self, holds: Vec<Hold>, now: Millis) -> Result<()> {
        self.write(move |t| cursors::renew_holds(t, &holds, now))
            .await
    }

    async fn drop_cursors(&self, before: Millis) -> Result<usize> {
        self.write(move |t| Ok(t.execute("DELETE FROM cursors WHERE updated_at < ?1", [before])?))
            .await
    }

    /// The lock file keeps other servers away, and `kite admin` appends nothing.
    fn news(&self) -> Option<tokio::sync::mpsc::Receiver<News>> {
        None
    }

    async fn follow(&self, team: TeamId, after: Seq, through: Seq) -> Result<Vec<(Seq, NewEvent)>> {
        self.query(move |c| read::follow(c, &team, after, through))
            .await
    }

    async fn heads(&self, teams: Vec<TeamId>) -> Result<Vec<(TeamId, Seq)>> {
        self.query(move |c| read::heads(c, teams)).await
    }

    async fn create_team(&self, team: TeamId, first_key: KeyRecord) -> Result<()> {
        self.write(move |t| teams::create_team(t, &team, &first_key))
            .await
    }

    async fn teams(&self) -> Result<Vec<TeamRecord>> {
        self.query(teams::teams).await
    }

    async fn create_key(&self, key: KeyRecord) -> Result<()> {
        self.write(move |t| access::create_key(t, &key)).await
    }

    async fn find_key(&self, prefix: String) -> Result<Option<KeyRecord>> {
        self.query(move |c| access::find_key(c, &prefix)).await
    }

    async fn keys(&self, team: TeamId) -> Result<Vec<KeyRecord>> {
        self.query(move |c| access::keys(c, &team)).await
    }

    async fn use_keys(&self, used: Vec<(String, Millis)>) -> Result<()> {
        self.write(move |t| access::use_keys(t, &used)).await
    }

    async fn revoke_key(&self, team: Option<TeamId>, id: String, now: Millis) -> Result<()> {
        self.write(move |t| access::revoke_key(t, team.as_ref(), &id, now))
            .await
    }

    async fn rehash_key(&self, id: String, hash: KeyHash) -> Result<()> {
        self.write(move |t| {
            t.execute(
                "UPDATE keys SET hash = ?2 WHERE id = ?1",
                params![id, hash.to_string()],
            )?;
            access::touch(t)
        })
        .await
    }

    async fn access_version(&self) -> Result<u64> {
        self.query(|c| {
            let version = c
                .prepare_cached("SELECT access_version FROM instance")?
                .query_row([], |row| row.get(0))?;
            Ok(unsigned(version))
        })
        .await
    }

    async fn put_endpoint(&self, draft: EndpointDraft) -> Result<EndpointRecord> {
        self.write(move |t| endpoints::put_endpoint(t, &draft))
            .await
    }

    async fn rotate_secret(
        &self,
        team: TeamId,
        source: SourceSlug,
        secret: Vec<u8>,
        old_secret_until: Millis,
    ) -> Result<EndpointRecord> {
        self.write(move |t| endpoints::rotate_secret(t, &team, &source, &secret, old_secret_until))
            .await
    }

    async fn deactivate_endpoint(&self, team: TeamId, id: String) -> Result<()> {
        self.write(move |t| endpoints::deactivate_endpoint(t, &team, &id))
            .await
    }

    async fn endpoints(&self, team: TeamId) -> Result<Vec<EndpointRecord>> {
        self.query(move |c| endpoints::endpoints(c, &team)).await
    }

    async fn find_endpoint(
        &self,
        team: TeamId,
        source: SourceSlug,
    ) -> Result<Option<EndpointRecord>> {
        self.query(move |c| endpoints::find_endpoint(c, &team, &source))
            .await
    }

    async fn put_agent(
        &self,
        team: TeamId,
        id: AgentId,
        name: Option<String>,
        now: Millis,
    ) -> Result<AgentRecord> {
        self.write(move |t| agents::put_agent(t, &team, &id, name.as_deref(), now))
            .await
    }

    async fn agents(&self, team: TeamId) -> Result<Vec<AgentRecord>> {
        self.query(move |c| agents::agents(c, &team)).await
    }

    async fn find_agent(&self, team: TeamId, id: AgentId) -> Result<Option<AgentRecord>> {
        self.query(move |c| agents::find_agent(c, &team, &id)).await
    }

    async fn begin_login(&self, login: PendingLogin, device_hash: [u8; 32]) -> Result<bool> {
        self.write(move |t| login::begin(t, &login, &device_hash))
            .await
    }

    async fn pending_login(&self, user_code: String, now: Millis) -> Result<Option<PendingLogin>> {
        self.query(move |c| login::pending(c, &user_code, now))
            .await
    }

    async fn decide_login(
        &self,
        user_code: String,
        grant: Option<Grant>,
        now: Millis,
    ) -> Result<bool> {
        self.write(move |t| login::decide(t, &user_code, grant.as_ref(), now))
            .await
    }

    async fn poll_login(&self, device_hash: [u8; 32], now: Millis) -> Result<Poll> {
        self.write(move |t| login::poll(t, &device_hash, now)).await
    }

    async fn counts(&self, team: TeamId, since: Millis, now: Millis) -> Result<Counts> {
        self.query(move |c| teams::counts(c, &team, since, now))
            .await
    }
}
