//! The store on PostgreSQL: a few connections, and any number of nodes.
//!
//! Connections that break are replaced when the next work needs one, so an outage of the database ends without a
//! restart. Every statement has a limit on the server's side and every wait one on ours.

mod access;
mod address;
mod agents;
mod append;
mod cursors;
pub(super) mod dump;
mod endpoints;
mod exchanges;
mod federation;
mod forwards;
mod invites;
mod letters;
mod listings;
mod login;
mod news;
mod open;
mod openintent;
mod peers;
mod read;
mod retention;
mod settling;
mod signing_keys;
mod teams;
mod trust;
mod value;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Object, Pool, PoolError, Status, TimeoutType};
use tokio::sync::mpsc;
use tokio_postgres::error::{Severity, SqlState};

use super::faults::noted;
use super::peers::KnownPeers;
use super::record::{
    AgentRecord, Appended, Batch, Bounds, Counts, Cursor, CursorMove, Dedup, EndpointDraft,
    EndpointRecord, Grant, Hold, Identity, KeyHash, KeyRecord, Millis, NewEvent, News, Outcome,
    Page, PendingLogin, Poll, QuotaStanding, StoredEvent, Stretch, TeamRecord,
};
use super::{Connections, Result, Role, Store, StoreError};
use crate::protocol::id::{AgentId, ClientId, Seq, SourceSlug, TeamId};
use crate::protocol::scope::Filter;
pub use address::PostgresAddress;
use value::{column, count, digest, found, json, parsed, removed, signed, storable, unsigned};

/// How many connections a node has at most for everything but appending.
const CONNECTIONS_MAX: usize = 7;

/// How long an operation may take, from the first byte to the last: more than the server allows any statement.
const OPERATION_LIMIT: Duration = Duration::from_secs(20);

/// How long an append may take. Its senders wait, and the patience of some ends at ten seconds.
const APPEND_LIMIT: Duration = Duration::from_secs(5);

/// How long the server may take to say that it is there.
const PING_LIMIT: Duration = Duration::from_secs(2);

/// A PostgreSQL database.
pub struct Postgres {
    pool: Pool,
    /// One connection of its own: appends do not wait for a crowd that connects.
    appender: Pool,
    address: PostgresAddress,
    /// The numbers that stand for teams in other tables. Only a restore changes them.
    numbers: Mutex<HashMap<TeamId, i64>>,
    /// The access version that they were looked up under.
    access_seen: AtomicU64,
    /// What appends decide forwards by.
    peers: KnownPeers,
    outbox: Arc<news::Outbox>,
}

impl Postgres {
    /// Opens a database; see [`Role`] for what that may change.
    pub async fn open(address: &PostgresAddress, role: Role) -> Result<Self> {
        let pool = open::pool(address, CONNECTIONS_MAX)?;
        let mut client = open::connect(&pool, address, role).await?;
        open::check(&client, address).await?;
        open::migrate(&mut client, address, role).await?;
        drop(client);
        Ok(Self {
            pool,
            appender: open::pool(address, 1)?,
            address: address.clone(),
            numbers: Mutex::default(),
            access_seen: AtomicU64::default(),
            peers: KnownPeers::default(),
            outbox: Arc::default(),
        })
    }

    async fn client(&self) -> Result<Object> {
        Ok(self.pool.get().await?)
    }

    fn numbers(&self) -> MutexGuard<'_, HashMap<TeamId, i64>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number that stands for a team in other tables.
    async fn number(&self, client: &Object, team: &TeamId) -> Result<i64> {
        if let Some(number) = self.numbers().get(team) {
            return Ok(*number);
        }
        let select = client
            .prepare_cached("SELECT number FROM teams WHERE id = $1")
            .await?;
        let row = client.query_opt(&select, &[&team.as_str()]).await?;
        let row = row.ok_or_else(|| StoreError::NotFound(format!("team `{team}`")))?;
        let number = column(&row, 0)?;
        self.numbers().insert(team.clone(), number);
        Ok(number)
    }

    /// Tells the other nodes how far the logs have grown.
    fn announce(&self, batch: &Batch, appended: &[Appended]) {
        let mut heads: HashMap<&TeamId, Seq> = HashMap::new();
        for (event, appended) in batch.events.iter().zip(appended) {
            if let Outcome::Stored(seq) = appended.outcome {
                heads.insert(&event.team, seq);
            }
        }
        for (team, seq) in heads {
            self.outbox.appended(team, seq);
        }
    }
}

/// The texts of an error and of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        noted(told(&error))
    }
}

/// What an error of the library is to the store.
fn told(error: &tokio_postgres::Error) -> StoreError {
    let Some(refusal) = error.as_db_error() else {
        // Not an answer of the server: the connection broke, or none came about. What cannot be read is a fault.
        return match error.is_closed() || has_io_cause(error) {
            true => StoreError::Away(chain(error)),
            false => StoreError::Failed(chain(error)),
        };
    };
    let text = format!("{} ({})", refusal.message(), refusal.code().code());
    match refusal.code() {
        &SqlState::DISK_FULL | &SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unwritable(text),
        // A statement that was not let finish, or not let begin.
        &SqlState::QUERY_CANCELED
        | &SqlState::LOCK_NOT_AVAILABLE
        | &SqlState::T_R_DEADLOCK_DETECTED
        | &SqlState::TOO_MANY_CONNECTIONS => StoreError::Away(text),
        // Class 57P: the server ends, crashed, or is starting. Class 08: the connection.
        code if code.code().starts_with("57P") || code.code().starts_with("08") => {
            StoreError::Away(text)
        }
        _ => StoreError::Failed(text),
    }
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    // `connect` says so in words alone when all addresses were too slow.
    error.to_string().contains("connect")
}

/// What an error says of a transaction that was under way: one that the server has answered was rolled back.
fn outcome(error: tokio_postgres::Error) -> StoreError {
    let is_answer = error
        .as_db_error()
        .is_some_and(|refusal| refusal.parsed_severity() == Some(Severity::Error));
    if is_answer {
        return error.into();
    }
    noted(StoreError::Unknown(chain(&error)))
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error)
            | PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => {
                error.into()
            }
            PoolError::Timeout(_) => {
                noted(Self::Away("no connection came about in time".to_owned()))
            }
            PoolError::Closed => Self::Closed,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Bounds the time that an operation takes. One that is given up leaves its connection usable: what it sent is answered
/// before what the next one sends.
async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(OPERATION_LIMIT, work)
        .await
        .unwrap_or_else(|_| Err(noted(StoreError::Away("no answer came in time".to_owned()))))
}

#[async_trait]
impl Store for Postgres {
    async fn ping(&self) -> Result<()> {
        // What matters is whether events can be taken in.
        let ping = async { Ok(self.appender.get().await?.batch_execute("SELECT 1").await?) };
        tokio::time::timeout(PING_LIMIT, ping)
            .await
            .unwrap_or_else(|_| Err(StoreError::Away("no answer came in time".to_owned())))
    }

    async fn instance(&self, identity: Identity) -> Result<String> {
        let work = async { teams::instance(&mut self.client().await?, identity).await };
        let id = within(work).await?;
        self.peers.set_own_id(&id);
        Ok(id)
    }

    async fn identity_key(&self, fresh: Vec<u8>) -> Result<Vec<u8>> {
        within(async { teams::identity_key(&self.client().await?, &fresh).await }).await
    }

    async fn append(&self, batch: Arc<Batch>) -> Result<Vec<Appended>> {
        // The pool's own limits leave out the settings that a new connection is told.
        let client = tokio::time::timeout(APPEND_LIMIT, self.appender.get()).await;
        let client = client.map_err(|_| PoolError::Timeout(TimeoutType::Create))??;
        let append = append::append(&client, &batch, &self.peers);
        let Ok(appended) = tokio::time::timeout(APPEND_LIMIT, append).await else {
            // What comes next must not wait for it.
            drop(Object::take(client));
            return Err(StoreError::Unknown("no answer came in time".to_owned()));
        };
        // Another database may answer next time, which was a copy of this one.
        let appended = appended.inspect_err(|_| self.peers.forget())?;
        self.announce(&batch, &appended);
        Ok(appended)
    }

    async fn read(&self, stretch: Stretch) -> Result<Page> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &stretch.team).await?;
            read::page(&client, team, &stretch).await
        })
        .await
    }

    async fn prune(&self, team: TeamId, through: Seq, max_events: usize) -> Result<Seq> {
        within(async { retention::prune(&self.client().await?, &team, through, max_events).await })
            .await
    }

    async fn forget(&self, before: Millis, max: usize) -> Result<usize> {
        within(async { retention::forget(&self.client().await?, before, max).await }).await
    }

    async fn recent(
        &self,
        team: TeamId,
        filter: Arc<Filter>,
        limit: usize,
    ) -> Result<Vec<StoredEvent>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            read::recent(&client, team, &filter, limit).await
        })
        .await
    }

    async fn find_events(&self, team: TeamId, id: String) -> Result<Vec<StoredEvent>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            read::find_events(&client, team, &id).await
        })
        .await
    }

    async fn first_of(&self, team: TeamId, dedup: Dedup) -> Result<Option<Outcome>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            read::first_of(&client, team, &dedup).await
        })
        .await
    }

    async fn bounds(&self, team: TeamId) -> Result<Bounds> {
        within(async { read::bounds(&self.client().await?, &team).await }).await
    }

    async fn seq_before(&self, team: TeamId, time: Millis) -> Result<Seq> {
        within(async {
            let client = self.client().await?;
            let number = self.number(&client, &team).await?;
            read::seq_before(&client, &team, number, time).await
        })
        .await
    }

    async fn usage(&self, team: TeamId, month: String) -> Result<u64> {
        within(async {
            let client = self.client().await?;
            let select = client
                .prepare_cached("SELECT events_used FROM teams WHERE id = $1 AND usage_month >= $2")
                .await?;
            let row = client.query_opt(&select, &[&team.as_str(), &month]).await?;
            row.map_or(Ok(0), |row| Ok(unsigned(column(&row, 0)?)))
        })
        .await
    }

    async fn follow(&self, team: TeamId, after: Seq, through: Seq) -> Result<Vec<(Seq, NewEvent)>> {
        within(async {
            let client = self.client().await?;
            let number = self.number(&client, &team).await?;
            read::follow(&client, &team, number, after, through).await
        })
        .await
    }

    async fn heads(&self, teams: Vec<TeamId>) -> Result<Vec<(TeamId, Seq)>> {
        within(async { read::heads(&self.client().await?, &teams).await }).await
    }

    async fn quota_standings(
        &self,
        month: String,
        events_limit: Option<u64>,
    ) -> Result<Vec<QuotaStanding>> {
        within(async { teams::quota_standings(&self.client().await?, &month, events_limit).await })
            .await
    }

    async fn open_cursor(
        &self,
        team: TeamId,
        client: ClientId,
        filter: [u8; 32],
        now: Millis,
    ) -> Result<(Cursor, u64)> {
        let opened = within(async {
            let connection = self.client().await?;
            let number = self.number(&connection, &team).await?;
            // An opening that waits in a server that stands still would count after those that came later, also when
            // nobody wants it any more: it is sent to one that answers.
            connection.batch_execute("").await?;
            cursors::open_cursor(&connection, number, &client, &filter, now).await
        })
        .await?;
        self.outbox.opened(Hold {
            team,
            client,
            number: opened.1,
        });
        Ok(opened)
    }

    async fn move_cursors(&self, moves: Vec<CursorMove>, now: Millis) -> Result<Vec<Hold>> {
        within(async { cursors::move_cursors(&self.client().await?, moves, now).await }).await
    }

    async fn lost_holds(&self, holds: Vec<Hold>) -> Result<Vec<Hold>> {
        within(async { cursors::lost_holds(&self.client().await?, holds).await }).await
    }

    async fn renew_holds(&self, holds: Vec<Hold>, now: Millis) -> Result<()> {
        within(async { cursors::renew_holds(&self.client().await?, &holds, now).await }).await
    }

    async fn drop_cursors(&self, before: Millis) -> Result<usize> {
        within(async { cursors::drop_cursors(&self.client().await?, before).await }).await
    }

    fn connections(&self) -> Option<Connections> {
        let pools = [self.pool.status(), self.appender.status()];
        let sum = |count: fn(&Status) -> usize| pools.iter().map(count).sum();
        Some(Connections {
            max: sum(|pool| pool.max_size),
            used: sum(|pool| pool.size.saturating_sub(pool.available)),
            idle: sum(|pool| pool.available),
            waiting: sum(|pool| pool.waiting),
        })
    }

    fn news(&self) -> Option<mpsc::Receiver<News>> {
        let (sender, receiver) = news::channel();
        tokio::spawn(self.outbox.clone().run(self.address.clone(), sender));
        Some(receiver)
    }

    async fn create_team(&self, team: TeamId, first_key: KeyRecord) -> Result<()> {
        within(async { teams::create_team(&mut self.client().await?, &team, &first_key).await })
            .await
    }

    async fn teams(&self) -> Result<Vec<TeamRecord>> {
        within(async { teams::teams(&self.client().await?).await }).await
    }

    async fn create_key(&self, key: KeyRecord) -> Result<()> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &key.team).await?;
            access::create_key(&mut client, team, &key).await
        })
        .await
    }

    async fn find_key(&self, prefix: String) -> Result<Option<KeyRecord>> {
        within(async { access::find_key(&self.client().await?, &prefix).await }).await
    }

    async fn keys(&self, team: TeamId) -> Result<Vec<KeyRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            access::keys(&client, team).await
        })
        .await
    }

    async fn use_keys(&self, used: Vec<(String, Millis)>) -> Result<()> {
        within(async { access::use_keys(&self.client().await?, &used).await }).await
    }

    async fn revoke_key(&self, team: Option<TeamId>, id: String, now: Millis) -> Result<()> {
        within(async {
            let mut client = self.client().await?;
            let team = match team {
                Some(team) => Some(self.number(&client, &team).await?),
                None => None,
            };
            access::revoke_key(&mut client, team, &id, now).await
        })
        .await
    }

    async fn rehash_key(&self, id: String, hash: KeyHash) -> Result<()> {
        within(async { access::rehash_key(&mut self.client().await?, &id, &hash).await }).await
    }

    async fn access_version(&self) -> Result<u64> {
        let version = within(async { access::access_version(&self.client().await?).await }).await?;
        // A restore raises it, and may have given teams other numbers and peers.
        if self.access_seen.swap(version, Ordering::Relaxed) != version {
            self.numbers().clear();
            self.peers.forget();
        }
        Ok(version)
    }

    async fn put_endpoint(&self, draft: EndpointDraft) -> Result<EndpointRecord> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &draft.team).await?;
            endpoints::put_endpoint(&mut client, team, &draft).await
        })
        .await
    }

    async fn rotate_secret(
        &self,
        team: TeamId,
        source: SourceSlug,
        secret: Vec<u8>,
        old_secret_until: Millis,
    ) -> Result<EndpointRecord> {
        within(async {
            let mut client = self.client().await?;
            endpoints::rotate_secret(&mut client, &team, &source, &secret, old_secret_until).await
        })
        .await
    }

    async fn deactivate_endpoint(&self, team: TeamId, id: String) -> Result<()> {
        within(async {
            let mut client = self.client().await?;
            let team = self.number(&client, &team).await?;
            endpoints::deactivate_endpoint(&mut client, team, &id).await
        })
        .await
    }

    async fn endpoints(&self, team: TeamId) -> Result<Vec<EndpointRecord>> {
        within(async { endpoints::endpoints(&self.client().await?, &team).await }).await
    }

    async fn find_endpoint(
        &self,
        team: TeamId,
        source: SourceSlug,
    ) -> Result<Option<EndpointRecord>> {
        within(async {
            let client = self.client().await?;
            endpoints::find_endpoint(&client, &team, &source).await
        })
        .await
    }

    async fn put_agent(
        &self,
        team: TeamId,
        id: AgentId,
        name: Option<String>,
        now: Millis,
    ) -> Result<AgentRecord> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            agents::put_agent(&client, team, &id, name.as_deref(), now).await
        })
        .await
    }

    async fn agents(&self, team: TeamId) -> Result<Vec<AgentRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            agents::agents(&client, team).await
        })
        .await
    }

    async fn find_agent(&self, team: TeamId, id: AgentId) -> Result<Option<AgentRecord>> {
        within(async {
            let client = self.client().await?;
            let team = self.number(&client, &team).await?;
            agents::find_agent(&client, team, &id).await
        })
        .await
    }

    async fn begin_login(&self, login: PendingLogin, device_hash: [u8; 32]) -> Result<bool> {
        within(async { login::begin(&self.client().await?, &login, &device_hash).await }).await
    }

    async fn pending_login(&self, user_code: String, now: Millis) -> Result<Option<PendingLogin>> {
        within(async { login::pending(&self.client().await?, &user_code, now).await }).await
    }

    async fn decide_login(
        &self,
        user_code: String,
        grant: Option<Grant>,
        now: Millis,
    ) -> Result<bool> {
        within(async {
            let client = self.client().await?;
            let team = match &grant {
                Some(grant) => Some(self.number(&client, &grant.team).await?),
                None => None,
            };
            login::decide(&client, &user_code, team, grant.as_ref(), now).await
        })
        .await
    }

    async fn poll_login(&self, device_hash: [u8; 32], now: Millis) -> Result<Poll> {
        within(async { login::poll(&mut self.client().await?, &device_hash, now).await }).await
    }

    async fn counts(&self, team: TeamId, since: Millis, now: Millis) -> Result<Counts> {
        within(async {
            let client = self.client().await?;
            let number = self.number(&client, &team).await?;
            teams::counts(&client, &team, number, since, now).await
        })
        .await
    }
}
