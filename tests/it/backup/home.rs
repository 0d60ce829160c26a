//! A place for a database, and one with something of everything in it.

use std::collections::BTreeMap;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kite::base::clock::Clock;
use kite::protocol::event::dedup_key;
use kite::protocol::federation::PeerKind;
use kite::protocol::forward::TypeScopes;
use kite::protocol::id::{ClientId, SourceSlug, TeamId};
use kite::protocol::permission::Permissions;
use kite::protocol::scope::{Filter, Scopes};
use kite::server::new_key;
use kite::store::backup::{Depth, Report, Restored, Restoring, back_up, check, restore};
use kite::store::federation::{InboundToken, NewPeer, PeerUpdate, TokenRecord};
use kite::store::invites::InviteRecord;
use kite::store::openintent::{
    ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeState, NewExchange, SigningKeyRecord,
    TrustedRecord,
};
use kite::store::record::{
    Batch, Bounds, Cursor, CursorMove, Dedup, EndpointDraft, Hold, Identity, Keeps, KeyHash,
    NewEvent, Outcome, Stretch,
};
use kite::store::{Address, Role, Store, StoreError, open};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;
use tempfile::TempDir;

use crate::support::eventually;

use crate::support::postgres::Cluster;

/// A place for a database, and for files.
pub(super) struct Home {
    pub(super) dir: TempDir,
    /// The address of a PostgreSQL database.
    pub(super) url: Option<String>,
}

impl Home {
    pub(super) fn sqlite() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            url: None,
        }
    }

    pub(super) fn postgres() -> Self {
        Self {
            url: Some(Cluster::shared().database()),
            ..Self::sqlite()
        }
    }

    pub(super) fn address(&self) -> Address {
        match &self.url {
            Some(url) => url.parse().unwrap(),
            None => Address::Sqlite(self.file("kite.db")),
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) async fn open(&self) -> Arc<dyn Store> {
        unlocked(async || open(&self.address(), Role::Server).await)
            .await
            .unwrap()
    }

    /// Runs a statement beside whatever else is open.
    pub(super) fn sql(&self, statement: &str) {
        match &self.url {
            Some(url) => drop(Cluster::shared().sql_in(url, statement)),
            None => {
                let database = Connection::open(self.file("kite.db")).unwrap();
                database.execute_batch(statement).unwrap();
            }
        }
    }

    /// Waits until a store that was dropped has hung up.
    pub(super) async fn is_left(&self) {
        let Some(url) = &self.url else { return };
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'kite'";
        eventually("everybody has left", || async {
            (Cluster::shared().sql_in(url, others) == "0").then_some(())
        })
        .await;
    }

    pub(super) async fn back_up(&self, name: &str) -> PathBuf {
        let file = self.file(name);
        back_up(&self.address(), &file, false).await.unwrap();
        file
    }

    pub(super) async fn try_restore(
        &self,
        file: &Path,
        flags: &[&str],
    ) -> Result<Restored, StoreError> {
        self.is_left().await;
        let how = Restoring {
            replaces: flags.contains(&"replace"),
            keeps_numbers: flags.contains(&"keep"),
            now: Clock::system().unix_millis(),
        };
        unlocked(async || restore(file, &self.address(), how).await).await
    }

    pub(super) async fn restore(&self, file: &Path, flags: &[&str]) -> Restored {
        let restored = self.try_restore(file, flags).await.unwrap();
        assert!(restored.findings.is_empty(), "{restored:?}");
        restored
    }

    pub(super) async fn check(&self) -> Report {
        check(&self.address(), Depth::Full).await.unwrap()
    }
}

/// Works on a database that nobody uses. Programs that other tests start hold its lock for the blink of an eye, between
/// their fork and their exec.
pub(super) async fn unlocked<T>(
    work: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    eventually("the lock is free", async || match work().await {
        Err(StoreError::InUse(_)) => None,
        worked => Some(worked),
    })
    .await
}

pub(super) fn id(team: &str) -> TeamId {
    team.parse().unwrap()
}

pub(super) fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

pub(super) fn event(name: &str, created_at: i64) -> NewEvent {
    let (source, kind) = ("https://acme.example", "com.acme.note");
    NewEvent {
        kitesource: Some("api".to_owned()),
        agent_to: Some("alpha".to_owned()),
        dedup: Some(Dedup {
            key: dedup_key("cloudevent", &[source, name]),
            fingerprint: Some([3; 32]),
        }),
        ..NewEvent::bare(
            id("acme"),
            [name, kind, source],
            created_at,
            json!({"specversion": "1.0", "id": name, "source": source, "type": kind, "data": "é"})
                .to_string(),
        )
    }
}

pub(super) async fn append(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Outcome> {
    let month = "2026-11".to_owned();
    let appended = store
        .append(Arc::new(Batch {
            events,
            month,
            events_limit: None,
        }))
        .await;
    let outcome = |appended: kite::store::record::Appended| appended.outcome;
    appended.unwrap().into_iter().map(outcome).collect()
}

pub(super) async fn fill(store: &dyn Store, numbers: std::ops::RangeInclusive<i64>) {
    let events = numbers.map(|n| event(&format!("e{n}"), n * 1000));
    append(store, events.collect()).await;
}

/// A database with something of everything, every column included. The log of `acme` has 3 to 9.
pub(super) async fn furnish(home: &Home) {
    let store = home.open().await;
    let identity = Identity {
        wanted: None,
        fresh: "here".to_owned(),
        secret_check: [1; 32],
        now: 1,
    };
    store.instance(identity).await.unwrap();
    store.identity_key(vec![6, 0, 6]).await.unwrap();
    for team in ["acme", "rival"] {
        let (_, mut key) = new_key(
            id(team),
            Some("first".to_owned()),
            Permissions::default(),
            Scopes::all(),
            1,
        );
        key.expires_at = Some(i64::MAX);
        let (key_id, prefix) = (key.id.clone(), key.prefix.clone());
        store.create_team(id(team), key).await.unwrap();
        store.use_keys(vec![(prefix, 5)]).await.unwrap();
        store.revoke_key(None, key_id, 9).await.unwrap();
    }
    fill(&*store, 1..=9).await;
    store.prune(id("acme"), 2, 100).await.unwrap();
    let draft = |secret: u8| EndpointDraft {
        id: "endpoint".to_owned(),
        team: id("acme"),
        source: SourceSlug::parse("github").unwrap(),
        token_hash: KeyHash::Sha256([4; 32]),
        token: Some(vec![0, 5]),
        secret: Some(vec![secret; 3]),
        max_body_bytes: Some(77),
        now: 1,
        old_secret_until: 12,
        keeps: Keeps::None,
    };
    store.put_endpoint(draft(6)).await.unwrap();
    store.put_endpoint(draft(7)).await.unwrap();
    let alpha = "alpha".parse().unwrap();
    let name = Some("Alpha".to_owned());
    store.put_agent(id("acme"), alpha, name, 3).await.unwrap();
    cursor(&*store, "reader", 5).await;
    let peer = store.create_peer(new_peer("b")).await.unwrap();
    let rotated = PeerUpdate {
        inbound: Some((new_peer("c").inbound, 99)),
        ..PeerUpdate::default()
    };
    let updated = store.update_peer(id("acme"), peer.id, rotated, 2);
    updated.await.unwrap();
    let token = TokenRecord {
        id: "token".to_owned(),
        team: id("acme"),
        label: "for b".to_owned(),
        created_at: 1,
    };
    store.create_federation_token(token).await.unwrap();
    assert!(store.create_invite(new_invite()).await.unwrap());
    for team in ["acme", "rival"] {
        let policy = Some("allowlist".to_owned());
        store.put_trust_policy(id(team), policy).await.unwrap();
    }
    openintent(&*store).await;
    drop(store);
    home.is_left().await;
    // A forward that waits, a dead letter whose event is gone from the log, an attempt, a claim, a redeemed invitation,
    // exchanges that have changed.
    home.sql(
        "UPDATE invites SET joiner_key = digest, peer_id = 'id-of-b', redeemed_at = 2;
         INSERT INTO kept_events (team, seq, id, type, text)
             SELECT number, 2, 'e2', 'com.acme.note', '{}' FROM teams WHERE id = 'acme';
         INSERT INTO letters (peer, seq, status, attempts, last_error, created_at, settled_at)
             SELECT number, 2, 'dead', 1, 'refused', 2000, 3000 FROM peers;
         INSERT INTO outbox (peer, due_at, seq, attempts, last_error, created_at)
             SELECT number, 5, 9, 1, 'away', 9000 FROM peers;
         INSERT INTO deliveries (team, id, peer, seq, event_id, event_type, attempt, status_code, error, latency_ms,
                                 created_at, queued_at)
             SELECT team, 'attempt', number, 9, 'e9', 'com.acme.note', 1, 503, 'away', 7, 9001, 9000 FROM peers;
         UPDATE peer_states SET failures = 1, retry_at = 2, last_success_at = 3, last_error = 'away', latency_ms = 4,
             claim = 5, claimed_until = 6;
         UPDATE exchanges SET version = 7;",
    );
}

/// A trusted server, a key that retires, an intent that was taken, another that was not.
pub(super) async fn openintent(store: &dyn Store) {
    let server = TrustedRecord {
        team: id("acme"),
        url: "https://other.example".to_owned(),
        given_url: "https://Other.example/".to_owned(),
        relationship: "peer".to_owned(),
        trust_policy: Some("open".to_owned()),
        did: Some("did:web:other.example".to_owned()),
        api_key: Some(vec![0, 4]),
        created_at: 1,
        updated_at: 2,
    };
    store.put_trusted_server(server).await.unwrap();
    let key = SigningKeyRecord {
        number: 1,
        seed: vec![0, 1],
        created_at: 1,
        retires_at: Some(99),
    };
    store.add_signing_key(key, 1).await.unwrap();
    let declined = NewExchange {
        state: ExchangeState::Declined,
        ..new_exchange("declined", 1)
    };
    store.enter_exchange(id("acme"), declined).await.unwrap();
    let taken = new_exchange("e9", 2);
    store.enter_exchange(id("acme"), taken).await.unwrap();
    let note = ExchangeNote {
        remote_id: Some("theirs".to_owned()),
        ..ExchangeNote::default()
    };
    let noted = store.note_exchange(id("acme"), ExchangeKind::Intent, "e9".to_owned(), note, 5);
    assert!(noted.await.unwrap());
}

pub(super) fn new_exchange(name: &str, own: u8) -> NewExchange {
    NewExchange {
        kind: ExchangeKind::Intent,
        keys: ExchangeKeys {
            own: [own; 32],
            alias: Some([own + 100; 32]),
        },
        digest: [3; 32],
        dispatch_id: "d".to_owned(),
        party: "https://other.example".to_owned(),
        local_id: name.to_owned(),
        state: ExchangeState::Accepted,
        agent: Some("alpha".to_owned()),
        message: Some("taken".to_owned()),
        record: "{}".to_owned(),
        now: 200_000,
    }
}

pub(super) fn new_invite() -> InviteRecord {
    InviteRecord {
        id: "invite".to_owned(),
        team: id("acme"),
        digest: [2; 32],
        name: Some("b".to_owned()),
        scopes: TypeScopes::parse(vec!["stripe.*".to_owned()]).unwrap(),
        created_at: 1,
        expires_at: 1000,
        redeemed: None,
    }
}

pub(super) fn new_peer(name: &str) -> NewPeer {
    NewPeer {
        id: format!("id-of-{name}"),
        team: id("acme"),
        name: name.to_owned(),
        instance_id: name.to_owned(),
        hook_url: "https://peer.example/".to_owned(),
        scopes: TypeScopes::parse(vec!["*".to_owned()]).unwrap(),
        max_hops: 3,
        rate_limit_per_sec: 100,
        outbound_token: vec![0, 8],
        inbound: InboundToken {
            index: [name.as_bytes()[0]; 32],
            hash: name.to_owned(),
        },
        now: 1,
        identity_key: Some([5; 32]),
        kind: PeerKind::Kite,
        discovery: false,
    }
}

/// A client's cursor behind a number.
pub(super) async fn cursor(store: &dyn Store, name: &str, acked: u64) {
    // A new one stands at the end of its log: this one is older than its log.
    let now = 2;
    let opened = store.open_cursor(id("acme"), client(name), [9; 32], now);
    let (_, number) = opened.await.unwrap();
    let hold = Hold {
        team: id("acme"),
        client: client(name),
        number,
    };
    let cursor = Cursor {
        acked,
        scanned: acked,
        filter: [9; 32],
    };
    let moved = CursorMove { hold, cursor };
    store.move_cursors(vec![moved], now).await.unwrap();
}

pub(super) async fn bounds(store: &dyn Store) -> Bounds {
    store.bounds(id("acme")).await.unwrap()
}

/// The events of `acme` by number.
pub(super) async fn log(store: &dyn Store) -> BTreeMap<u64, String> {
    let Bounds { pruned, last } = bounds(store).await;
    let stretch = Stretch {
        team: id("acme"),
        after: pruned,
        through: last,
        filter: Arc::new(Filter {
            requested: Scopes::all(),
            allowed: Scopes::all(),
        }),
        max_events: 1000,
    };
    let page = store.read(stretch).await.unwrap();
    let events = page.events.into_iter();
    events.map(|event| (event.seq, event.text)).collect()
}

/// Every table of a backup: its columns by name, row for row.
pub(super) fn tables(file: &Path) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
    let database = Connection::open(file).unwrap();
    let mut names = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let names = names.query_map([], |row| row.get(0)).unwrap();
    let names: Vec<String> = names.map(|name| name.unwrap()).collect();
    let table = |name: String| {
        let mut select = database
            .prepare(&format!("SELECT * FROM {name} ORDER BY 1, 2"))
            .unwrap();
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let rows = select.query_map([], |row| {
            let value = |(at, name): (usize, &String)| Ok((name.clone(), row.get(at)?));
            columns.iter().enumerate().map(value).collect()
        });
        let rows = rows.unwrap().map(|row| row.unwrap()).collect();
        (name, rows)
    };
    names.into_iter().map(table).collect()
}
