//! The outbox from end to end: a store, a log and receivers of the tests' own.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::fixtures::{self, OUTBOUND_TOKEN};
use super::{Dial, Federation, Parts, Tasks};
use crate::base::clock::Clock;
use crate::log::{Limits, Log};
use crate::protocol::federation::{OutboxStatus, PeerStatus};
use crate::protocol::forward;
use crate::protocol::permission::Permissions;
use crate::protocol::scope::Scopes;
use crate::protocol::token::{Token, TokenKind};
use crate::store::federation::{
    DeliveryFilter, OutboxFilter, PeerRecord, PeerStanding, PeerUpdate,
};
use crate::store::record::{KeyHash, KeyRecord, NewEvent};
use crate::store::{Role, Store, sqlite::Sqlite};

const LIMIT: Duration = Duration::from_secs(60);

/// What a receiver answers to the nth post (from 1) of an event.
type Reply = Arc<dyn Fn(&str, usize) -> u16 + Send + Sync>;

/// A hook that writes down what comes, and answers what it is told to.
#[derive(Clone)]
struct Receiver {
    url: String,
    heard: Arc<Mutex<Vec<Value>>>,
    count: watch::Receiver<usize>,
    /// A post is answered when there is a permit for it.
    gate: Arc<Semaphore>,
    body: Arc<Mutex<&'static str>>,
}

struct Hook {
    receiver: Receiver,
    counted: watch::Sender<usize>,
    reply: Reply,
}

impl Receiver {
    async fn open(reply: impl Fn(&str, usize) -> u16 + Send + Sync + 'static) -> Self {
        let receiver = Self::start(reply).await;
        receiver.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        receiver
    }

    async fn start(reply: impl Fn(&str, usize) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (counted, count) = watch::channel(0);
        let receiver = Self {
            url: format!("http://{}/hooks/b/kite", listener.local_addr().unwrap()),
            heard: Arc::default(),
            count,
            gate: Arc::new(Semaphore::new(0)),
            body: Arc::new(Mutex::new("{}")),
        };
        let hook = Arc::new(Hook {
            receiver: receiver.clone(),
            counted,
            reply: Arc::new(reply),
        });
        let router = Router::new()
            .route("/hooks/b/kite", post(take))
            .with_state(hook);
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn ids(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
        heard.iter().map(id).collect()
    }

    /// Waits until so many posts have come.
    async fn heard(&self, count: usize) -> Vec<String> {
        let mut counted = self.count.clone();
        let coming = counted.wait_for(|it| *it >= count);
        let come = tokio::time::timeout(LIMIT, coming).await;
        assert!(come.is_ok(), "only {:?} came", self.ids());
        self.ids()
    }
}

async fn take(
    State(hook): State<Arc<Hook>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    for (name, expected) in forward::headers(OUTBOUND_TOKEN, &body) {
        assert_eq!(header(name), expected);
    }
    let event: Value = serde_json::from_slice(&body).unwrap();
    let id = event["id"].as_str().unwrap().to_owned();
    let nth = {
        let mut heard = hook.receiver.heard.lock().unwrap();
        heard.push(event);
        heard.iter().filter(|it| it["id"] == id.as_str()).count()
    };
    let status = (hook.reply)(&id, nth);
    hook.counted.send_modify(|count| *count += 1);
    hook.receiver.gate.acquire().await.unwrap().forget();
    let body = *hook.receiver.body.lock().unwrap();
    (StatusCode::from_u16(status).unwrap(), body)
}

/// An instance without its server.
struct Instance {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    log: Log,
    log_tasks: crate::log::Tasks,
    federation: Federation,
    tasks: Tasks,
}

impl Instance {
    async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    async fn start_in(dir: tempfile::TempDir) -> Self {
        let path = dir.path().join("kite.db");
        let is_new = !path.exists();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, Role::Server).unwrap());
        if is_new {
            let token = Token::mint(TokenKind::ApiKey, &[7; 20]);
            let key = KeyRecord {
                id: "k".to_owned(),
                team: "acme".parse().unwrap(),
                prefix: token.prefix().to_owned(),
                hash: KeyHash::of(&token),
                name: None,
                scopes: Scopes::all(),
                permissions: Permissions::default(),
                created_at: 1,
                expires_at: None,
                revoked_at: None,
                last_used_at: None,
            };
            store
                .create_team("acme".parse().unwrap(), key)
                .await
                .unwrap();
        }
        let clock = Clock::system();
        let (log, log_tasks, _) =
            Log::start(store.clone(), clock.clone(), Limits::default()).unwrap();
        let (federation, tasks) = Federation::start(Parts {
            store: store.clone(),
            forwards: log.forwards().clone(),
            dial: Arc::new(Dial::new(fixtures::outbound(), None).unwrap()),
            sealer: Arc::new(fixtures::sealer()),
            clock,
            announcer: log.announcer(),
            paperclip: None,
            openintent: None,
            instance_id: "a".parse().unwrap(),
            max_age: Duration::from_secs(7 * 24 * 3600),
        });
        Self {
            dir,
            store,
            log,
            log_tasks,
            federation,
            tasks,
        }
    }

    async fn peer(&self, name: &str, receiver: &Receiver) -> PeerRecord {
        let new = fixtures::new_peer(name, &receiver.url, name.as_bytes()[0]);
        self.store.create_peer(new).await.unwrap()
    }

    /// Stores events with these numbers in their ids, as of a while ago.
    async fn emit(&self, numbers: std::ops::RangeInclusive<usize>, ago_millis: i64) {
        let created_at = Clock::system().unix_millis() - ago_millis;
        let event = |number: usize| {
            NewEvent::bare(
                "acme".parse().unwrap(),
                [
                    format!("e{number}").as_str(),
                    "com.acme.note",
                    "https://acme.example",
                ],
                created_at,
                format!(
                    r#"{{"specversion":"1.0","id":"e{number}","source":"https://acme.example","type":"com.acme.note"}}"#
                ),
            )
        };
        let submitted = self.log.submit(numbers.map(event).collect()).await.unwrap();
        submitted.appended().await.unwrap();
    }

    async fn update(&self, peer: &PeerRecord, status: PeerStatus) {
        let update = PeerUpdate {
            status: Some(status),
            ..PeerUpdate::default()
        };
        let now = Clock::system().unix_millis();
        let (team, id) = (peer.team.clone(), peer.id.clone());
        self.store.update_peer(team, id, update, now).await.unwrap();
        self.federation.changed(peer.number);
    }

    async fn standing(&self, peer: &PeerRecord) -> PeerStanding {
        let standings = self.store.peer_standings(None).await.unwrap();
        let found = standings
            .into_iter()
            .find(|it| it.peer.number == peer.number);
        found.unwrap()
    }

    /// Waits until a peer stands as it should.
    async fn until(&self, peer: &PeerRecord, is_so: impl Fn(&PeerStanding) -> bool) {
        let looking = async {
            while !is_so(&self.standing(peer).await) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(LIMIT, looking).await;
        assert!(found.is_ok(), "{:?}", self.standing(peer).await);
    }

    async fn with_status(&self, status: OutboxStatus) -> Vec<(String, u32)> {
        let filter = OutboxFilter {
            status: Some(status),
            limit: 10_000,
            ..OutboxFilter::default()
        };
        let entries = self.store.outbox("acme".parse().unwrap(), filter).await;
        let entries = entries.unwrap().into_iter();
        entries.map(|it| (it.event_id, it.attempts)).collect()
    }

    async fn end(self) -> tempfile::TempDir {
        drop((self.federation, self.log));
        self.tasks.finish(LIMIT).await;
        self.log_tasks.finish(LIMIT).await;
        drop(self.store);
        self.dir
    }
}

fn ids(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|number| format!("e{number}")).collect()
}

#[tokio::test]
async fn events_arrive_in_their_order_with_one_more_hop() {
    let instance = Instance::start().await;
    let receiver = Receiver::open(|_, _| 202).await;
    let peer = instance.peer("b", &receiver).await;
    for number in 1..=20 {
        instance.emit(number..=number, 0).await;
    }
    assert_eq!(receiver.heard(20).await, ids(1..=20));
    instance.until(&peer, |it| it.backlog == 0).await;
    let heard = receiver.heard.lock().unwrap()[0].clone();
    assert_eq!(heard["kitefedchain"], r#"["a"]"#);
    assert_eq!(heard["kitefedhops"], 1);
    let standing = instance.standing(&peer).await;
    assert!(standing.state.last_success_at.is_some() && standing.state.latency_ms.is_some());
    assert_eq!(
        instance.with_status(OutboxStatus::Delivered).await.len(),
        20
    );
}

#[tokio::test]
async fn a_row_that_fails_is_tried_again_and_holds_up_nobody() {
    let instance = Instance::start().await;
    let receiver = Receiver::open(|id, nth| if id == "e2" && nth == 1 { 503 } else { 200 }).await;
    let peer = instance.peer("b", &receiver).await;
    instance.emit(1..=5, 0).await;
    let heard = receiver.heard(6).await;
    assert_eq!(heard.iter().filter(|id| *id == "e2").count(), 2);
    let mut others = heard;
    others.retain(|id| id != "e2");
    assert_eq!(others, ["e1", "e3", "e4", "e5"]);
    instance.until(&peer, |it| it.backlog == 0).await;
    let delivered = instance.with_status(OutboxStatus::Delivered).await;
    assert!(delivered.contains(&("e2".to_owned(), 2)), "{delivered:?}");
    let filter = DeliveryFilter {
        event_id: Some("e2".to_owned()),
        limit: 10,
        ..DeliveryFilter::default()
    };
    let attempts = instance.store.deliveries(peer.team.clone(), filter).await;
    let statuses: Vec<_> = attempts.unwrap().iter().map(|it| it.status_code).collect();
    assert_eq!(statuses, [Some(200), Some(503)]);
}

#[tokio::test]
async fn an_event_that_is_refused_is_dead_at_once_and_alone() {
    let instance = Instance::start().await;
    let receiver = Receiver::open(|id, _| if id == "e2" { 422 } else { 200 }).await;
    let peer = instance.peer("b", &receiver).await;
    instance.emit(1..=3, 0).await;
    instance
        .until(&peer, |it| it.backlog == 0 && it.dead == 1)
        .await;
    assert_eq!(receiver.heard(3).await, ids(1..=3));
    let dead = instance.with_status(OutboxStatus::Dead).await;
    assert_eq!(dead, [("e2".to_owned(), 1)]);
    assert_eq!(instance.standing(&peer).await.state.failures, 0);
}

#[tokio::test]
async fn a_peer_that_fails_five_times_is_left_alone_until_it_is_heard_from() {
    let instance = Instance::start().await;
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let up = is_up.clone();
    let receiver = Receiver::open(
        move |_, _| match up.load(std::sync::atomic::Ordering::SeqCst) {
            true => 200,
            false => 500,
        },
    )
    .await;
    let peer = instance.peer("b", &receiver).await;
    instance.emit(1..=30, 0).await;
    instance.until(&peer, |it| it.state.failures == 5).await;
    assert!(instance.standing(&peer).await.state.retry_at.is_some());
    assert_eq!(receiver.ids().len(), 5, "nothing more is sent");
    is_up.store(true, std::sync::atomic::Ordering::SeqCst);
    instance.federation.heard_from(&peer).await.unwrap();
    instance.until(&peer, |it| it.backlog == 0).await;
    assert_eq!(instance.standing(&peer).await.state.failures, 0);
    let heard: HashSet<_> = receiver.ids().into_iter().collect();
    assert_eq!(heard, ids(1..=30).into_iter().collect());
}

#[tokio::test]
async fn peers_that_do_not_answer_delay_no_other() {
    let instance = Instance::start().await;
    let slow = Receiver::start(|_, _| 200).await;
    for name in ["c", "d", "e", "f"] {
        instance.peer(name, &slow).await;
    }
    let quick = Receiver::open(|_, _| 200).await;
    let peer = instance.peer("b", &quick).await;
    instance.emit(1..=500, 60_000).await;
    quick.heard(500).await;
    instance.until(&peer, |it| it.backlog == 0).await;
    // Each has one post, which is not answered.
    assert_eq!(slow.heard(4).await, ["e1"; 4]);
}

#[tokio::test]
async fn a_peer_that_lags_gets_several_at_a_time_and_each_once() {
    let instance = Instance::start().await;
    let receiver = Receiver::open(|_, _| 200).await;
    let peer = instance.peer("b", &receiver).await;
    instance.emit(1..=1000, 60_000).await;
    instance.until(&peer, |it| it.backlog == 0).await;
    let heard = receiver.ids();
    let different: HashSet<_> = heard.iter().collect();
    assert_eq!((heard.len(), different.len()), (1000, 1000));
}

#[tokio::test]
async fn after_a_revocation_nothing_more_leaves() {
    let instance = Instance::start().await;
    let receiver = Receiver::start(|_, _| 200).await;
    let peer = instance.peer("b", &receiver).await;
    instance.emit(1..=50, 0).await;
    receiver.heard(1).await;
    instance.update(&peer, PeerStatus::Revoked).await;
    receiver.gate.add_permits(1000);
    instance.federation.cancel_rows().await.unwrap();
    instance.until(&peer, |it| it.backlog == 0).await;
    instance.emit(51..=51, 0).await;
    let dir = instance.end().await;
    assert_eq!(receiver.ids(), ["e1"]);
    drop(dir);
}

#[tokio::test]
async fn what_is_for_a_paused_peer_waits() {
    let instance = Instance::start().await;
    let receiver = Receiver::open(|_, _| 200).await;
    let peer = instance.peer("b", &receiver).await;
    instance.update(&peer, PeerStatus::Paused).await;
    instance.emit(1..=3, 0).await;
    assert_eq!(instance.standing(&peer).await.backlog, 3);
    instance.update(&peer, PeerStatus::Active).await;
    assert_eq!(receiver.heard(3).await, ids(1..=3));
    assert!(receiver.ids().len() == 3);
}

#[tokio::test]
async fn what_cannot_be_settled_is_posted_again() {
    let instance = Instance::start().await;
    let receiver = Receiver::start(|_, _| 200).await;
    let peer = instance.peer("b", &receiver).await;
    instance.emit(1..=1, 0).await;
    receiver.heard(1).await;
    // As if another node had taken the peer and died.
    let other = rusqlite::Connection::open(instance.dir.path().join("kite.db")).unwrap();
    other
        .execute_batch("UPDATE peer_states SET claim = claim + 1, claimed_until = 0")
        .unwrap();
    receiver.gate.add_permits(2);
    assert_eq!(receiver.heard(2).await, ["e1", "e1"]);
    instance.until(&peer, |it| it.backlog == 0).await;
}

#[tokio::test]
async fn what_is_left_when_the_server_ends_is_sent_by_the_next() {
    let instance = Instance::start().await;
    let receiver = Receiver::start(|_, _| 200).await;
    instance.peer("b", &receiver).await;
    instance.emit(1..=9, 0).await;
    receiver.heard(1).await;
    let ending = tokio::spawn(instance.end());
    receiver.gate.add_permits(1);
    let dir = ending.await.unwrap();
    assert_eq!(receiver.ids(), ["e1"], "the last post was waited for");
    let instance = Instance::start_in(dir).await;
    receiver.gate.add_permits(100);
    assert_eq!(
        receiver.heard(9).await,
        ids(1..=9),
        "and none is sent again"
    );
    instance.end().await;
}

#[tokio::test]
async fn a_test_says_whether_the_peer_is_known_by_its_id() {
    let instance = Instance::start().await;
    let receiver = Receiver::open(|_, nth| if nth == 1 { 200 } else { 500 }).await;
    let peer = instance.peer("b", &receiver).await;
    *receiver.body.lock().unwrap() = r#"{"status":"loop_dropped","id":"x"}"#;
    let test = instance.federation.test(&peer).await.unwrap();
    assert_eq!((test.status_code, test.error), (Some(200), None));
    let event = receiver.heard.lock().unwrap()[0].clone();
    assert_eq!(event["kitefedchain"], r#"["b","a"]"#);
    *receiver.body.lock().unwrap() = r#"{"status":"accepted"}"#;
    let test = instance.federation.test(&peer).await.unwrap();
    let error = test.error.unwrap();
    assert!(error.contains("real instance id"), "{error}");
    let unusable = PeerRecord {
        hook_url: "http://127.0.0.1:1/".to_owned(),
        ..peer
    };
    let test = instance.federation.test(&unusable).await.unwrap();
    assert_eq!(test.status_code, None);
    assert!(test.error.unwrap().contains("no connection"));
}
