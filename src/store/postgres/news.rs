//! What nodes tell each other: that a log has grown, that a cursor was opened. By LISTEN and NOTIFY, on one connection
//! of its own.
//!
//! Nothing rests on it: news that is lost makes kite slower, never wrong. It is sent after the commit that it speaks of
//! and from another session, so that no commit waits for PostgreSQL's queue of notifications.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Statement};

use super::{PostgresAddress, column, open, within};
use crate::base::backoff::Backoff;
use crate::base::outage::Outage;
use crate::base::random;
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::store::Result;
use crate::store::record::{Hold, News};

/// How many openings wait to be told; beyond that the others are told to look for themselves.
const OPENED_MAX: usize = 1024;

/// How many news wait for this node's log.
const RECEIVED_MAX: usize = 256;

/// How long nothing is told after something was: under load other nodes hear of many commits at once, and the database
/// has less to do.
const TELL_INTERVAL: Duration = Duration::from_millis(5);

/// How long the connection stays away at least and at most after it broke.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What has to be told, gathered while the last round trip runs.
#[derive(Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Default)]
struct Inner {
    heads: HashMap<TeamId, Seq>,
    opened: Vec<Hold>,
    is_incomplete: bool,
}

/// News as it travels: a notification holds 8000 bytes.
#[derive(Serialize, Deserialize)]
enum Notice {
    #[serde(rename = "appended")]
    Appended(TeamId, Seq),
    #[serde(rename = "opened")]
    Opened(TeamId, ClientId, u64),
    #[serde(rename = "missed")]
    Missed,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A log has grown.
    pub(super) fn appended(&self, team: &TeamId, seq: Seq) {
        let mut inner = self.lock();
        match inner.heads.get_mut(team) {
            Some(head) => *head = seq.max(*head),
            None => drop(inner.heads.insert(team.clone(), seq)),
        }
        drop(inner);
        self.wake.notify_one();
    }

    /// A cursor was opened.
    pub(super) fn opened(&self, hold: Hold) {
        let mut inner = self.lock();
        if inner.opened.len() < OPENED_MAX {
            inner.opened.push(hold);
        } else {
            inner.is_incomplete = true;
        }
        drop(inner);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<String> {
        let Inner {
            heads,
            opened,
            is_incomplete,
        } = std::mem::take(&mut *self.lock());
        let heads = heads
            .into_iter()
            .map(|(team, seq)| Notice::Appended(team, seq));
        let opened = opened
            .into_iter()
            .map(|hold| Notice::Opened(hold.team, hold.client, hold.number));
        let missed = is_incomplete.then_some(Notice::Missed);
        heads
            .chain(opened)
            .chain(missed)
            .filter_map(|notice| serde_json::to_string(&notice).ok())
            .collect()
    }

    /// Tells and listens until nobody wants the news any more.
    pub(super) async fn run(self: Arc<Self>, address: PostgresAddress, news: mpsc::Sender<News>) {
        let mut backoff = Backoff::new(RECONNECT.0, RECONNECT.1);
        let mut outage = Outage::new("news from other nodes do not come");
        while !news.is_closed() {
            let session = within(Session::open(&address, &news)).await;
            outage.note(session.as_ref().err());
            if let Ok(session) = session {
                backoff.reset();
                // What happened meanwhile was heard by nobody, on either side.
                self.lock().is_incomplete = true;
                self.wake.notify_one();
                if news.send(News::Missed).await.is_err() {
                    return;
                }
                self.exchange(session, &news).await;
            }
            tokio::time::sleep(backoff.next(random::unit())).await;
        }
    }

    /// Until the connection breaks.
    async fn exchange(&self, mut session: Session, news: &mpsc::Sender<News>) {
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                _ = session.driver.join_next() => return,
                () = news.closed() => return,
            }
            if let Err(error) = within(session.tell(self.take())).await {
                tracing::debug!(%error, "news were not told");
                return;
            }
            // What comes meanwhile is told together.
            tokio::time::sleep(TELL_INTERVAL).await;
        }
    }
}

/// News as a receiver for them.
pub(super) fn channel() -> (mpsc::Sender<News>, mpsc::Receiver<News>) {
    mpsc::channel(RECEIVED_MAX)
}

/// One connection that listens.
struct Session {
    client: Client,
    tell: Statement,
    /// Reads what comes. It hands on by itself, since whoever tells waits for it. Ends with the session, also where no
    /// answer comes any more.
    driver: JoinSet<()>,
    channel: String,
}

impl Session {
    async fn open(address: &PostgresAddress, news: &mpsc::Sender<News>) -> Result<Self> {
        let mut driver = JoinSet::new();
        let client = match open::tls(address)? {
            Some(tls) => {
                let (client, connection) = address.config.connect(tls).await?;
                driver.spawn(drive(connection, news.clone()));
                client
            }
            None => {
                let (client, connection) = address.config.connect(NoTls).await?;
                driver.spawn(drive(connection, news.clone()));
                client
            }
        };
        // A notification is nothing to wait for a disk for. One channel for each schema, so that two instances in one
        // database do not hear each other.
        client
            .batch_execute("SET synchronous_commit = off; SET statement_timeout = '10s'")
            .await?;
        let row = client
            .query_one("SELECT 'kite_' || current_schema()::regnamespace::oid", &[])
            .await?;
        let channel: String = column(&row, 0)?;
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        let tell = client
            .prepare("SELECT pg_notify($1, notice) FROM unnest($2::text[]) AS notice")
            .await?;
        Ok(Self {
            client,
            tell,
            driver,
            channel,
        })
    }

    async fn tell(&self, notices: Vec<String>) -> Result<()> {
        self.client
            .execute(&self.tell, &[&self.channel, &notices])
            .await?;
        Ok(())
    }
}

async fn drive<S, T>(mut connection: Connection<S, T>, news: mpsc::Sender<News>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        let AsyncMessage::Notification(notification) = message else {
            continue;
        };
        // What is not understood was told by a newer kite, and is found out in other ways.
        let told = match serde_json::from_str(notification.payload()) {
            Ok(Notice::Appended(team, seq)) => News::Appended(team, seq),
            Ok(Notice::Opened(team, client, number)) => News::Opened(Hold {
                team,
                client,
                number,
            }),
            Ok(Notice::Missed) | Err(_) => News::Missed,
        };
        if news.send(told).await.is_err() {
            return;
        }
    }
}
