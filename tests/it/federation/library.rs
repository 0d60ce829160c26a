//! An instance without its server: a store, a log and the outbox, with a clock and a resolver of the test's own.

use std::sync::Arc;
use std::time::Duration;

use kite::base::clock::Clock;
use kite::federation::{Dial, Federation, Paperclip, Parts, Tasks};
use kite::log::{Limits, Log};
use kite::protocol::event::Event;
use kite::protocol::federation::PeerKind;
use kite::protocol::forward::TypeScopes;
use kite::protocol::id::TeamId;
use kite::protocol::permission::Permissions;
use kite::protocol::scope::Scopes;
use kite::server::new_key;
use kite::store::federation::{
    InboundToken, NewPeer, OutboxEntry, OutboxFilter, PeerRecord, PeerStanding,
};
use kite::store::record::NewEvent;
use kite::store::seal::Sealer;
use kite::store::{Address, Role, Store, open};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::TOKEN;
use crate::support::eventually;
use crate::support::postgres::Cluster;

/// How long what is under way may take to end.
const END_LIMIT: Duration = Duration::from_secs(20);

/// What an instance keeps while it is not running.
pub(super) struct Home {
    address: Address,
    /// Where it is, if that is a file.
    _dir: Option<TempDir>,
}

/// The instance `a`, running.
pub(super) struct Library {
    home: Home,
    clock: Clock,
    pub(super) store: Arc<dyn Store>,
    pub(super) federation: Federation,
    log: Log,
    log_tasks: kite::log::Tasks,
    tasks: Tasks,
}

fn team() -> TeamId {
    "acme".parse().unwrap()
}

fn sealer() -> Sealer {
    Sealer::new(&[7; 32]).unwrap()
}

impl Home {
    /// That of a new instance, in a file.
    pub(super) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let address = Address::Sqlite(dir.path().join("kite.db"));
        Self::furnished(address, Some(dir)).await
    }

    /// That of a new instance, on PostgreSQL.
    pub(super) async fn on_postgres() -> Self {
        let address = Cluster::shared().database().parse().unwrap();
        Self::furnished(address, None).await
    }

    async fn furnished(address: Address, dir: Option<TempDir>) -> Self {
        let home = Self { address, _dir: dir };
        let (_, key) = new_key(team(), None, Permissions::default(), Scopes::all(), 1);
        home.store().await.create_team(team(), key).await.unwrap();
        home
    }

    async fn store(&self) -> Arc<dyn Store> {
        open(&self.address, Role::Server).await.unwrap()
    }

    /// Starts it.
    pub(super) async fn start(self, clock: Clock, dial: Dial) -> Library {
        self.start_beside(None, clock, dial).await
    }

    /// Starts it beside a Paperclip.
    pub(super) async fn start_beside(
        self,
        paperclip: Option<Paperclip>,
        clock: Clock,
        dial: Dial,
    ) -> Library {
        let store = self.store().await;
        let (log, log_tasks, _) =
            Log::start(store.clone(), clock.clone(), Limits::default()).unwrap();
        let (federation, tasks) = Federation::start(Parts {
            store: store.clone(),
            forwards: log.forwards().clone(),
            dial: Arc::new(dial),
            sealer: Arc::new(sealer()),
            clock: clock.clone(),
            announcer: log.announcer(),
            paperclip: paperclip.map(Arc::new),
            openintent: None,
            instance_id: "a".parse().unwrap(),
            max_age: Duration::from_secs(7 * 24 * 3600),
        });
        Library {
            home: self,
            clock,
            store,
            federation,
            log,
            log_tasks,
            tasks,
        }
    }
}

impl Library {
    /// Makes the peer `b` at an address.
    pub(super) async fn add(&self, url: &str) -> PeerRecord {
        let id = kite::base::random::uuid7();
        let peer = NewPeer {
            team: team(),
            name: "b".to_owned(),
            instance_id: "b".to_owned(),
            hook_url: url.to_owned(),
            scopes: TypeScopes::parse(vec!["*".to_owned()]).unwrap(),
            max_hops: 3,
            rate_limit_per_sec: 100_000,
            outbound_token: sealer().seal(&PeerRecord::place(&id), TOKEN).unwrap(),
            inbound: InboundToken {
                index: [1; 32],
                hash: String::new(),
            },
            now: self.clock.unix_millis(),
            id,
            identity_key: None,
            kind: PeerKind::Kite,
            discovery: false,
        };
        self.store.create_peer(peer).await.unwrap()
    }

    /// Stores an event.
    pub(super) async fn emit(&self, id: &str) {
        let event = json!({"specversion": "1.0", "id": id, "source": "s", "type": "t"});
        self.append(&event).await;
    }

    /// Stores a message for an agent.
    pub(super) async fn tell(&self, id: &str) {
        let event = json!({"specversion": "1.0", "id": id, "source": "s", "type": "com.kite.agent.message",
            "data": {"from": "a", "to": "b", "body": "x"}});
        self.append(&event).await;
    }

    async fn append(&self, event: &Value) {
        let event = Event::parse(&event.to_string()).unwrap();
        let event = NewEvent::new(team(), &event, self.clock.unix_millis(), None);
        let submitted = self.log.submit(vec![event]).await.unwrap();
        submitted.appended().await.unwrap();
    }

    /// How its peer does.
    pub(super) async fn standing(&self) -> PeerStanding {
        self.store.peer_standings(None).await.unwrap().remove(0)
    }

    /// Waits until its peer does as it should.
    pub(super) async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&PeerStanding) -> bool,
    ) -> PeerStanding {
        let look = async || Some(self.standing().await).filter(&is_so);
        eventually(what, look).await
    }

    /// All its forwards.
    pub(super) async fn rows(&self) -> Vec<OutboxEntry> {
        let filter = OutboxFilter {
            limit: 1000,
            ..OutboxFilter::default()
        };
        self.store.outbox(team(), filter).await.unwrap()
    }

    /// Ends it.
    pub(super) async fn end(self) -> Home {
        drop((self.federation, self.log));
        self.tasks.finish(END_LIMIT).await;
        self.log_tasks.finish(END_LIMIT).await;
        self.home
    }
}
