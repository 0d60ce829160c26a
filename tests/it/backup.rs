//! Backups, restores and checks: what comes back is what was there, and no number comes again for another event (promises 1,
//! 2, 3 and 6).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
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
use kite::store::backup::{Depth, Report, Restored, Restoring, Subject, back_up, check, restore};
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

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::load::{Load, Nodes};
use crate::support::postgres::Cluster;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// A place for a database, and for files.
struct Home {
    dir: TempDir,
    /// The address of a PostgreSQL database.
    url: Option<String>,
}

impl Home {
    fn sqlite() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            url: None,
        }
    }

    fn postgres() -> Self {
        Self {
            url: Some(Cluster::shared().database()),
            ..Self::sqlite()
        }
    }

    fn address(&self) -> Address {
        match &self.url {
            Some(url) => url.parse().unwrap(),
            None => Address::Sqlite(self.file("kite.db")),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn open(&self) -> Arc<dyn Store> {
        unlocked(async || open(&self.address(), Role::Server).await)
            .await
            .unwrap()
    }

    /// Runs a statement beside whatever else is open.
    fn sql(&self, statement: &str) {
        match &self.url {
            Some(url) => drop(Cluster::shared().sql_in(url, statement)),
            None => {
                let database = Connection::open(self.file("kite.db")).unwrap();
                database.execute_batch(statement).unwrap();
            }
        }
    }

    /// Waits until a store that was dropped has hung up.
    async fn is_left(&self) {
        let Some(url) = &self.url else { return };
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'kite'";
        eventually("everybody has left", || async {
            (Cluster::shared().sql_in(url, others) == "0").then_some(())
        })
        .await;
    }

    async fn back_up(&self, name: &str) -> PathBuf {
        let file = self.file(name);
        back_up(&self.address(), &file, false).await.unwrap();
        file
    }

    async fn try_restore(&self, file: &Path, flags: &[&str]) -> Result<Restored, StoreError> {
        self.is_left().await;
        let how = Restoring {
            replaces: flags.contains(&"replace"),
            keeps_numbers: flags.contains(&"keep"),
            now: Clock::system().unix_millis(),
        };
        unlocked(async || restore(file, &self.address(), how).await).await
    }

    async fn restore(&self, file: &Path, flags: &[&str]) -> Restored {
        let restored = self.try_restore(file, flags).await.unwrap();
        assert!(restored.findings.is_empty(), "{restored:?}");
        restored
    }

    async fn check(&self) -> Report {
        check(&self.address(), Depth::Full).await.unwrap()
    }
}

/// Works on a database that nobody uses. Programs that other tests start hold its lock for the blink of an eye, between
/// their fork and their exec.
async fn unlocked<T>(work: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    eventually("the lock is free", async || match work().await {
        Err(StoreError::InUse(_)) => None,
        worked => Some(worked),
    })
    .await
}

/// Expands every case for every kind of database, or for every way from one to another.
macro_rules! cases {
    (one: $($one:ident),*; two: $($two:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $one() {
                super::$one(super::Home::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $one() {
                super::$one(super::Home::postgres()).await;
            })*
        }
        cases!(way: from_sqlite_to_sqlite, sqlite, sqlite, $($two),*);
        cases!(way: from_sqlite_to_postgres, sqlite, postgres, $($two),*);
        cases!(way: from_postgres_to_sqlite, postgres, sqlite, $($two),*);
        cases!(way: from_postgres_to_postgres, postgres, postgres, $($two),*);
    };
    (way: $way:ident, $from:ident, $to:ident, $($case:ident),*) => {
        mod $way {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Home::$from(), super::Home::$to()).await;
            })*
        }
    };
}

cases! {
    one:
    a_backup_under_load_is_of_one_moment,
    a_database_with_data_is_replaced_only_on_demand,
    numbers_are_not_kept_where_others_have_them,
    a_server_on_the_target_is_noticed,
    a_restore_that_fails_leaves_everything_as_it_was,
    files_that_are_no_sound_backup_are_refused,
    the_check_finds_every_planted_fault,
    what_was_accepted_twice_is_found,
    what_was_lost_is_found,
    an_intent_that_was_lost_is_found;
    two:
    everything_comes_back_but_the_numbers_are_new,
    a_move_keeps_the_numbers,
    a_number_never_comes_again,
    a_cursor_moves_along,
}

fn id(team: &str) -> TeamId {
    team.parse().unwrap()
}

fn client(name: &str) -> ClientId {
    name.parse().unwrap()
}

fn event(name: &str, created_at: i64) -> NewEvent {
    let (source, kind) = ("https://acme.example", "com.acme.note");
    NewEvent {
        team: id("acme"),
        id: name.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        kitesource: Some("api".to_owned()),
        agent_to: Some("alpha".to_owned()),
        created_at,
        text:
            json!({"specversion": "1.0", "id": name, "source": source, "type": kind, "data": "é"})
                .to_string(),
        dedup: Some(Dedup {
            key: dedup_key("cloudevent", &[source, name]),
            fingerprint: Some([3; 32]),
        }),
        turn: None,
        origin: kite::store::record::Origin::default(),
        transit: kite::protocol::forward::Transit::default(),
        pass: None,
        exchange: None,
        change: None,
    }
}

async fn append(store: &dyn Store, events: Vec<NewEvent>) -> Vec<Outcome> {
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

async fn fill(store: &dyn Store, numbers: std::ops::RangeInclusive<i64>) {
    let events = numbers.map(|n| event(&format!("e{n}"), n * 1000));
    append(store, events.collect()).await;
}

/// A database with something of everything, every column included. The log of `acme` has 3 to 9.
async fn furnish(home: &Home) {
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
async fn openintent(store: &dyn Store) {
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

fn new_exchange(name: &str, own: u8) -> NewExchange {
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

fn new_invite() -> InviteRecord {
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

fn new_peer(name: &str) -> NewPeer {
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
async fn cursor(store: &dyn Store, name: &str, acked: u64) {
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

async fn bounds(store: &dyn Store) -> Bounds {
    store.bounds(id("acme")).await.unwrap()
}

/// The events of `acme` by number.
async fn log(store: &dyn Store) -> BTreeMap<u64, String> {
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
fn tables(file: &Path) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
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

/// The tables of a backup with the numbers shifted, as a restore does it.
fn shifted(file: &Path, shift: i64) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
    let mut tables = tables(file);
    let mut raise = |table: &str, column: &str, by: i64| {
        for row in tables.get_mut(table).unwrap() {
            let is_acme = row.get("id") == Some(&Value::Text("acme".to_owned()));
            if let Some(Value::Integer(number)) = row.get_mut(column)
                && (table != "teams" || is_acme)
            {
                *number += by;
            }
        }
    };
    raise("events", "key", shift);
    for table in ["outbox", "letters", "deliveries", "kept_events"] {
        raise(table, "seq", shift);
    }
    // Six.
    raise("peer_states", "claimed_until", -6);
    raise("teams", "pruned_seq", shift);
    raise("teams", "last_seq", shift);
    raise("cursors", "acked", shift);
    raise("cursors", "scanned", shift);
    raise("cursors", "hold", 1);
    raise("instance", "access_version", 1);
    tables
}

async fn everything_comes_back_but_the_numbers_are_new(from: Home, to: Home) {
    furnish(&from).await;
    let file = from.back_up("backup.db").await;
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for (name, rows) in tables(&file) {
        assert_eq!(rows.is_empty(), name == "logins", "{name}");
        for (column, value) in rows.last().into_iter().flatten() {
            let is_nobodys = name == "endpoints" && column == "old_secret_until";
            assert!(*value != Value::Null || is_nobodys, "{name}.{column}");
        }
    }

    let restored = to.restore(&file, &[]).await;
    let acme = &restored.logs[0];
    assert_eq!((acme.old_first_seq, acme.old_last_seq), (3, 9));
    let shift = acme.first_seq - 3;
    assert!(shift > 50_000_000_000, "{acme:?}");
    let again = to.back_up("again.db").await;
    let (mut expected, mut found) = (
        shifted(&file, i64::try_from(shift).unwrap()),
        tables(&again),
    );
    // The other team has numbers of its own.
    for tables in [&mut expected, &mut found] {
        let is_acme = |team: &BTreeMap<String, Value>| team["id"] == Value::Text("acme".to_owned());
        tables.get_mut("teams").unwrap().retain(is_acme);
    }
    assert_eq!(found, expected);
    assert!(to.check().await.is_sound());
}

async fn a_move_keeps_the_numbers(from: Home, to: Home) {
    furnish(&from).await;
    let file = from.back_up("backup.db").await;
    to.restore(&file, &["keep"]).await;
    let again = to.back_up("again.db").await;
    assert_eq!(tables(&again), shifted(&file, 0));
    // The next team is another one.
    let store = to.open().await;
    let (_, key) = new_key(id("third"), None, Permissions::default(), Scopes::all(), 1);
    store.create_team(id("third"), key).await.unwrap();
    fill(&*store, 10..=10).await;
    assert_eq!(
        bounds(&*store).await,
        Bounds {
            pruned: 2,
            last: 10
        }
    );
    // And so is the next peer; what was on its way to the first still is.
    let standings = async || store.peer_standings(None).await.unwrap();
    let first = standings().await.remove(0);
    assert_eq!((first.backlog, first.dead), (2, 1));
    let second = store.create_peer(new_peer("d")).await.unwrap();
    assert!(second.number > first.peer.number);
    let dead = kite::store::federation::OutboxId {
        peer_id: first.peer.id,
        seq: 2,
    };
    let letter = store.dead_letter(id("acme"), dead).await.unwrap();
    assert_eq!(letter.unwrap().1, "{}");
}

async fn a_number_never_comes_again(from: Home, to: Home) {
    furnish(&from).await;
    let file = from.back_up("backup.db").await;
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..3 {
        let restored = to.restore(&file, &["replace"]).await;
        let store = to.open().await;
        append(&*store, vec![event(&format!("new{round}"), 100_000)]).await;
        let log = log(&*store).await;
        assert_eq!(log.len(), 8);
        let first = restored.logs[0].first_seq;
        assert!(log.keys().copied().eq(first..first + 8), "{log:?}");
        for (seq, text) in log {
            let other = seen.insert(seq, text.clone());
            assert!(other.is_none(), "{seq} was {other:?} and is {text}");
        }
        // What is known is known.
        let intent = NewEvent {
            exchange: Some(Arc::new(new_exchange("late", 2))),
            ..event("late", 100_001)
        };
        let again = append(&*store, vec![event("e5", 100_001), intent]).await;
        let is_known = |outcome: &Outcome| matches!(outcome, Outcome::Duplicate { .. });
        assert!(again.iter().all(is_known), "{again:?}");
    }
}

async fn a_cursor_moves_along(from: Home, to: Home) {
    furnish(&from).await;
    // A client that has seen nothing of a log from which nothing has gone.
    let store = from.open().await;
    let opened = store.open_cursor(id("rival"), client("fresh"), [9; 32], 2);
    assert_eq!(opened.await.unwrap().0.acked, 0);
    drop(store);
    let file = from.back_up("backup.db").await;
    let restored = to.restore(&file, &[]).await;
    let store = to.open().await;
    let opened = store.open_cursor(id("acme"), client("reader"), [9; 32], 3);
    let (cursor, hold) = opened.await.unwrap();
    // After the ninth: a new cursor begins at the end.
    assert_eq!(cursor.resume(&[9; 32]), restored.logs[0].last_seq);
    assert_eq!(hold, 3, "the old hold is stale");
    let opened = store.open_cursor(id("rival"), client("fresh"), [9; 32], 3);
    let rival = store.bounds(id("rival")).await.unwrap();
    assert_eq!(opened.await.unwrap().0.acked, rival.pruned);
    assert!(rival.pruned > 0 && rival.pruned == rival.last, "{rival:?}");
}

async fn a_backup_under_load_is_of_one_moment(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    let load = async {
        for n in 10..60 {
            fill(&*store, n * 20..=n * 20 + 19).await;
        }
    };
    let backups = async {
        for n in 0..5 {
            let file = home.back_up(&format!("{n}.db")).await;
            let report = check(&Address::Sqlite(file), Depth::Full).await.unwrap();
            assert!(report.is_sound(), "{:?}", report.findings);
        }
    };
    tokio::join!(load, backups);
    assert!(home.check().await.is_sound());
}

async fn a_database_with_data_is_replaced_only_on_demand(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let refused = home.try_restore(&file, &[]).await;
    assert!(
        matches!(refused, Err(StoreError::NotEmpty(_))),
        "{refused:?}"
    );
    let twice = back_up(&home.address(), &file, false).await;
    assert!(matches!(twice, Err(StoreError::Exists(_))), "{twice:?}");
    back_up(&home.address(), &file, true).await.unwrap();

    let store = home.open().await;
    let (_, key) = new_key(id("third"), None, Permissions::default(), Scopes::all(), 1);
    store.create_team(id("third"), key).await.unwrap();
    fill(&*store, 10..=10).await;
    let version = store.access_version().await.unwrap();
    drop(store);
    let restored = home.restore(&file, &["replace"]).await;
    assert_eq!(restored.gone_teams, ["third"]);
    let store = home.open().await;
    assert!(store.access_version().await.unwrap() > version);
    if let Some(aside) = restored.set_aside {
        let old = open(&Address::Sqlite(aside), Role::Visitor).await.unwrap();
        assert_eq!(
            bounds(&*old).await,
            Bounds {
                pruned: 2,
                last: 10
            }
        );
    } else {
        assert!(home.url.is_some(), "a file is never deleted");
    }
}

async fn numbers_are_not_kept_where_others_have_them(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    home.restore(&file, &["replace", "keep"]).await;
    let store = home.open().await;
    fill(&*store, 10..=10).await;
    drop(store);
    let refused = home.try_restore(&file, &["replace", "keep"]).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::NumbersGiven {
                given: 10,
                kept: 9,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(bounds(&*home.open().await).await.last, 10);
}

async fn a_server_on_the_target_is_noticed(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let store = home.open().await;
    let how = Restoring {
        replaces: true,
        keeps_numbers: false,
        now: 0,
    };
    let refused = restore(&file, &home.address(), how).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::InUse(_) | StoreError::Shared { count: 1, .. })
        ),
        "{refused:?}"
    );
    assert_eq!(bounds(&*store).await, Bounds { pruned: 2, last: 9 });
}

async fn a_restore_that_fails_leaves_everything_as_it_was(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let before = home.back_up("before.db").await;
    // The last table has a row that no database takes.
    let backup = Connection::open(&file).unwrap();
    let spoil = match home.url {
        Some(_) => "UPDATE agents SET name = 'a' || char(0)",
        None => "PRAGMA writable_schema = ON; DROP TABLE agents; CREATE TABLE agents (team, id, name, created_at, last_seen_at);
                 INSERT INTO agents SELECT number, 'a', 'b', 'c', 5 FROM teams",
    };
    backup.execute_batch(spoil).unwrap();
    drop(backup);
    let failed = home.try_restore(&file, &["replace"]).await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    home.is_left().await;
    assert_eq!(tables(&home.back_up("after.db").await), tables(&before));
    let files = fs::read_dir(home.dir.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    for name in names {
        assert!(
            !name.ends_with(".part") && !name.contains("replaced"),
            "{name}"
        );
    }
}

async fn files_that_are_no_sound_backup_are_refused(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    fill(&*store, 10..=400).await;
    drop(store);
    let good = home.back_up("good.db").await;
    let spoiled = |name: &str, spoil: &dyn Fn(&Path)| {
        let file = home.file(name);
        fs::copy(&good, &file).unwrap();
        spoil(&file);
        file
    };
    let statement = |sql: &'static str| {
        move |file: &Path| Connection::open(file).unwrap().execute_batch(sql).unwrap()
    };
    let truncate = |file: &Path| {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    let bad = [
        (
            spoiled("prose.db", &|file| {
                fs::write(file, "no database, but long enough to be one").unwrap()
            }),
            "is not a kite database",
        ),
        (spoiled("cut.db", &truncate), "is damaged"),
        (
            spoiled("foreign.db", &statement("PRAGMA application_id = 7")),
            "is not a kite database",
        ),
        (
            spoiled("newer.db", &statement("PRAGMA user_version = 4000")),
            "schema version 4000",
        ),
        (
            spoiled("hole.db", &statement("DELETE FROM events WHERE id = 'e5'")),
            "event 5 is missing",
        ),
        (
            spoiled(
                "text.db",
                &statement("UPDATE events SET text = '{}' WHERE id = 'e5'"),
            ),
            "the text of event 5",
        ),
    ];
    for (file, why) in bad {
        let refused = home.try_restore(&file, &["replace"]).await;
        let words = refused.expect_err(why).to_string();
        assert!(words.contains(why), "{words}");
        assert_eq!(bounds(&*home.open().await).await.last, 400);
    }
    let open = open(&Address::Sqlite(good), Role::Server).await.err();
    assert!(
        matches!(open, Some(StoreError::IsBackup(_))),
        "no server runs on a backup: {open:?}"
    );
}

/// Plants a fault, and expects one such finding.
async fn plant(home: &Home, statement: &str, subject: Subject, words: &str) {
    home.sql(statement);
    let report = home.check().await;
    let found = report
        .findings
        .iter()
        .find(|finding| finding.subject == subject);
    let found = found.unwrap_or_else(|| panic!("{statement}: {report:?}"));
    assert!(found.message.contains(words), "{statement}: {found:?}");
    assert!(!report.is_sound(), "{statement}");
}

async fn the_check_finds_every_planted_fault(home: Home) {
    use Subject::{Cursor, Numbers, References, Text};
    furnish(&home).await;
    let report = home.check().await;
    assert!(
        report.is_sound() && report.findings.is_empty(),
        "{report:?}"
    );
    assert_eq!((report.counts.events, report.counts.teams), (7, 2));
    let changed = "UPDATE events SET type = 'x' WHERE id = 'e4'";
    plant(
        &home,
        changed,
        Text,
        "the text of event 4 has another `type`",
    )
    .await;
    let broken = "UPDATE events SET text = '[' WHERE id = 'e4'";
    plant(&home, broken, Text, "the text of event 4 is no event").await;
    let hole = "DELETE FROM events WHERE id IN ('e4', 'e5')";
    plant(&home, hole, Numbers, "events 4 to 5 are missing").await;
    let cursor = "UPDATE cursors SET acked = 10";
    plant(&home, cursor, Cursor, "the cursor `reader` stands at 10").await;
    let gone = "DELETE FROM kept_events";
    plant(
        &home,
        gone,
        References,
        "`letters` refers to event 2, which is not there",
    )
    .await;
    home.sql("DELETE FROM letters");
    let ahead = "UPDATE outbox SET seq = 10";
    plant(&home, ahead, References, "`outbox` refers to event 10").await;
    home.sql("DELETE FROM outbox");
    let stray =
        "INSERT INTO outbox (peer, due_at, seq, attempts, created_at) VALUES (99, 0, 5, 0, 1)";
    plant(
        &home,
        stray,
        References,
        "`outbox` refers to peer number 99",
    )
    .await;
    home.sql("DELETE FROM outbox");
    let short =
        "DELETE FROM events WHERE id = 'e4'; UPDATE teams SET last_seq = 8 WHERE id = 'acme'";
    plant(&home, short, Numbers, "missing").await;
    let report = home.check().await;
    let outside = |message: &str| message.starts_with("1 stored with numbers outside 3 to 8");
    assert!(
        report.findings.iter().any(|found| outside(&found.message)),
        "{report:?}"
    );
    if home.url.is_none() {
        let stray = "PRAGMA foreign_keys = OFF; INSERT INTO agents (team, id, created_at) VALUES (99, 'a', 1)";
        plant(
            &home,
            stray,
            References,
            "`agents` refers to team number 99",
        )
        .await;
    }
}

async fn what_was_accepted_twice_is_found(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    // The same name again and again without a promise to recognise it.
    let unnamed = || NewEvent {
        dedup: None,
        ..event("unnamed", 20_000)
    };
    append(&*store, vec![unnamed(), unnamed()]).await;
    // Forgotten, and accepted anew.
    store.forget(4_500, 100).await.unwrap();
    append(&*store, vec![event("e4", 30_000)]).await;
    let report = home.check().await;
    assert!(report.findings.is_empty(), "{report:?}");

    let twice = NewEvent {
        dedup: None,
        ..event("e8", 40_000)
    };
    append(&*store, vec![twice]).await;
    drop(store);
    let report = home.check().await;
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(
        report.findings[0].message,
        "events 8 and 13 are the same one, `e8`"
    );
    // It can be backed up and restored all the same.
    let file = home.back_up("backup.db").await;
    let restored = home.try_restore(&file, &["replace"]).await.unwrap();
    assert_eq!(restored.findings[0].subject, Subject::Repeated);
}

async fn what_was_lost_is_found(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    append(&*store, vec![event("late", 200_000)]).await;
    drop(store);
    assert!(home.check().await.is_sound());
    let away =
        "DELETE FROM events WHERE id = 'late'; UPDATE teams SET last_seq = 9 WHERE id = 'acme'";
    plant(&home, away, Subject::Lost, "the event `late` was accepted").await;
}

async fn an_intent_that_was_lost_is_found(home: Home) {
    furnish(&home).await;
    let away = "UPDATE exchanges SET local_id = 'gone' WHERE local_id = 'e9'";
    plant(&home, away, Subject::Lost, "the event `gone` was accepted").await;
}

#[tokio::test]
async fn a_database_whose_pages_are_torn_is_found_out_and_can_be_replaced() {
    let home = Home::sqlite();
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let database = home.file("kite.db");
    let whole = fs::metadata(&database).unwrap().len();
    let torn = fs::File::options().write(true).open(&database).unwrap();
    torn.set_len(whole / 2).unwrap();
    let report = check(&home.address(), Depth::Quick).await;
    assert!(report.map_or(true, |report| !report.is_sound()));
    let restored = home.restore(&file, &["replace"]).await;
    let aside = restored.set_aside.unwrap();
    assert_eq!(fs::metadata(aside).unwrap().len(), whole / 2);
    assert!(home.check().await.is_sound());
}

/// SQLite takes a write-ahead log for that of whatever file it is beside.
#[tokio::test]
async fn what_is_left_of_a_lost_database_does_not_get_into_the_restored_one() {
    for is_empty in [false, true] {
        let mut server = Server::start_on_files(&[]);
        let home = Home::sqlite();
        let file = home.file("backup.db");
        let database = server.data_dir().join("kite.db");
        let address = Address::Sqlite(database.clone());
        back_up(&address, &file, false).await.unwrap();
        let late = json!({"type": "late", "data": 1});
        server.owner().emit(&late).await.expect(202);
        server.kill();
        fs::remove_file(&database).unwrap();
        if is_empty {
            fs::write(&database, "").unwrap();
        }
        let how = Restoring {
            replaces: false,
            keeps_numbers: false,
            now: Clock::system().unix_millis(),
        };
        let restored = unlocked(async || restore(&file, &address, how).await).await;
        let aside = restored.unwrap().set_aside.unwrap();
        assert!(aside.to_string_lossy().ends_with("-wal"), "{aside:?}");
        assert!(fs::metadata(&aside).unwrap().len() > 0);
        let report = check(&address, Depth::Full).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.counts.events, 0);
    }
}

#[tokio::test]
async fn a_backup_takes_the_place_of_no_database_that_is_in_use() {
    let (home, other) = (Home::sqlite(), Home::sqlite());
    furnish(&home).await;
    let _store = other.open().await;
    for (from, name) in [
        (&home, "kite.db"),
        (&other, "kite.db"),
        (&other, "kite.db-wal"),
    ] {
        let made = back_up(&from.address(), &other.file(name), true).await;
        assert!(matches!(made, Err(StoreError::Unusable { .. })), "{made:?}");
    }
}

/// PostgreSQL shows a table that is emptied as empty also to those who look at an earlier moment.
#[tokio::test]
async fn a_backup_that_waits_for_a_restore_has_what_was_restored() {
    let home = Home::postgres();
    furnish(&home).await;
    let url = home.url.as_deref().unwrap();
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    // What a restore does.
    let restoring = client.transaction().await.unwrap();
    restoring
        .batch_execute(
            "LOCK TABLE agents IN ACCESS EXCLUSIVE MODE;
             CREATE TEMPORARY TABLE kept AS SELECT * FROM agents;
             TRUNCATE agents;
             INSERT INTO agents SELECT * FROM kept",
        )
        .await
        .unwrap();
    let file = home.file("backup.db");
    let address = home.address();
    let restored = async {
        eventually("the backup waits", || async {
            let waiting =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'agents'::regclass";
            (Cluster::shared().sql_in(url, waiting) == "1").then_some(())
        })
        .await;
        restoring.commit().await.unwrap();
    };
    let (made, ()) = tokio::join!(back_up(&address, &file, false), restored);
    let made = made.unwrap();
    assert_eq!(made.counts.agents, 1);
    driver.abort();
}

#[tokio::test]
async fn a_database_that_somebody_has_locked_is_not_taken_for_a_broken_one() {
    let home = Home::sqlite();
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let other = Connection::open(home.file("kite.db")).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let refused = home.try_restore(&file, &["replace"]).await;
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("another process has it open"), "{words}");
    drop(other);
    assert_eq!(bounds(&*home.open().await).await.last, 9);
}

#[tokio::test]
async fn a_link_to_a_database_stands_for_the_database() {
    let home = Home::sqlite();
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let link = home.file("link.db");
    std::os::unix::fs::symlink(home.file("kite.db"), &link).unwrap();
    let address = Address::Sqlite(link.clone());
    let how = Restoring {
        replaces: true,
        keeps_numbers: false,
        now: Clock::system().unix_millis(),
    };
    let store = home.open().await;
    let refused = restore(&file, &address, how).await;
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    drop(store);
    let restored = unlocked(async || restore(&file, &address, how).await).await;
    let restored = restored.unwrap();
    assert!(link.is_symlink());
    let last = restored.logs.iter().map(|log| log.last_seq).max().unwrap();
    let store = home.open().await;
    assert_eq!(bounds(&*store).await.last, last);
}

#[tokio::test]
async fn a_file_of_an_older_kite_is_restored_and_left_as_it_is() {
    let home = Home::sqlite();
    let file = home.file("old.db");
    let old = Connection::open(&file).unwrap();
    old.execute_batch(include_str!(
        "../../src/store/migrations/sqlite/0001_first.sql"
    ))
    .unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x6b697465;
         PRAGMA user_version = 1;
         INSERT INTO instance (id, instance_id, created_at) VALUES (1, 'old', 1);
         INSERT INTO teams (number, id, created_at) VALUES (1, 'acme', 1);",
    )
    .unwrap();
    drop(old);
    let before = fs::read(&file).unwrap();
    let restored = home.restore(&file, &[]).await;
    assert_eq!(restored.instance_id.as_deref(), Some("old"));
    assert!(fs::read(&file).unwrap() == before, "it was changed");
    assert!(home.check().await.is_sound());
}

#[test]
fn a_restore_that_is_killed_leaves_the_database_as_it_was() {
    let mut server = Server::start_on_files(&[]);
    server.stop();
    let file = server.data_dir().join("backup.db");
    server.admin(&["backup", file.to_str().unwrap()]);
    let (dir, backup) = (server.data_dir(), file.display());
    // What it writes beside the database grows beyond what it may.
    let line = format!(
        "ulimit -c 0; ulimit -f 64; kite admin restore {backup} --replace --data-dir {}; exit $?",
        dir.display()
    );
    Person::new().shell(&line).exits(153);
    let after = dir.join("after.db");
    server.admin(&["backup", after.to_str().unwrap()]);
    assert_eq!(tables(&after), tables(&file));
    server.start_elsewhere();
    assert_eq!(server.admin(&["check"])["sound"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listened_to_a_server_that_is_lost_goes_on_with_the_restored_one() {
    let mut server = Server::start_on_files(&[]);
    let access = server.owner();
    let nodes = Nodes::new(&[&server]);
    let (mut reader, _) = Socket::connect(&access, &["*"], "reader").await;
    let load = Load::start(&nodes, 4, 100);
    load.acknowledges(100).await;
    for _ in 0..50 {
        reader.next_event().await;
    }
    reader.ack(50).await;
    eventually("the ack is stored", || async {
        (server.sql("SELECT CAST(acked AS TEXT) FROM cursors") == "50").then_some(())
    })
    .await;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite-backup.db");
    let made = server.admin(&["backup", file.to_str().unwrap()]);
    assert!(made["events"].as_u64() >= Some(100), "{made}");
    load.acknowledges(100).await;
    load.stop().await;
    let last = access.log().await.len() as u64;
    // Everything goes but the key, which is kept apart.
    server.kill();
    let data_dir = server.data_dir();
    let key = fs::read(data_dir.join("secret.key")).unwrap();
    fs::remove_dir_all(&data_dir).unwrap();
    let restored = server.admin(&["restore", file.to_str().unwrap()]);
    assert_eq!(restored["events"], made["events"], "{restored}");
    let (first, events) = (&restored["logs"][0]["first_seq"], made["events"].as_u64());
    let (first, events) = (first.as_u64().unwrap(), events.unwrap());
    assert!(first > last, "{restored}");
    fs::write(data_dir.join("secret.key"), key).unwrap();
    fs::set_permissions(
        data_dir.join("secret.key"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();

    server.start_elsewhere();
    let access = server.owner();
    let (mut reader, _) = Socket::connect(&access, &["*"], "reader").await;
    for seq in first + 50..first + events {
        assert_eq!(reader.next_event().await["seq"], seq);
    }
    access.tell("a", "b", "new").await;
    assert_eq!(reader.next_event().await["seq"], first + events);
    assert_eq!(server.admin(&["check"])["sound"], true);
}

#[test]
fn the_commands_say_what_they_did_and_what_they_will_not_do() {
    let server = Server::start_on_files(&[]);
    let person = Person::new();
    let dir = server.data_dir();
    let dir = ["--data-dir", dir.to_str().unwrap()];
    let kite = |args: &[&str]| person.kite(&[&["admin"], args, &dir[..]].concat());
    kite(&["backup", "b.db"])
        .stdout_has("Backed up 1 team(s) with 0 events to b.db")
        .stderr_has("KITE_SECRET_KEY")
        .succeeds();
    kite(&["backup", "b.db"]).stderr_has("--force").exits(1);
    kite(&["backup", "-"]).stderr_has("name a file").exits(2);
    kite(&["restore", "b.db", "--replace"])
        .stderr_has("another kite server is using")
        .exits(1);
    kite(&["restore", "none.db"])
        .stderr_has("there is no file")
        .exits(3);
    kite(&["check"]).stdout_has("Sound: 0 faults").succeeds();
    server.sql("UPDATE teams SET last_seq = 2 WHERE id = 'default' RETURNING id");
    let found = kite(&["check", "--json"]).exits(1).stdout;
    let found: Vec<serde_json::Value> = found
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found[0]["subject"], "numbers");
    assert_eq!(found[0]["message"], "events 1 to 2 are missing");
    assert_eq!(
        (&found[1]["sound"], &found[1]["faults"]),
        (&json!(false), &json!(1))
    );
    kite(&["backup", "c.db"]).stderr_has("is damaged").exits(1);
    assert!(!person.home().join("c.db").exists());
    let elsewhere = person.home().join("other");
    let elsewhere = ["--data-dir", elsewhere.to_str().unwrap()];
    person
        .kite(&[&["admin", "restore", "b.db"], &elsewhere[..]].concat())
        .stdout_has("NUMBERS NOW")
        .stderr_has("secret.key")
        .succeeds();
}
