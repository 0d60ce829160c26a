//! A backup in the middle of the work, restored in the place of the server: the work goes on from there, and its end is told
//! whole.

use serde_json::{Value, json};
use tempfile::TempDir;

use kite::store::openintent::ExchangeState::{Completed, Delivered};

use super::{
    BOSS, Pulse, all_of, check, dispatched, insist_on, intents, is_completed, order, reports, told,
};
use crate::crash_openintent::Station;
use crate::support::door::Door;
use crate::support::http::answer;
use crate::support::postgres::Cluster;

const AGENT: &str = "analyst";

/// Two servers that know each other.
async fn pair(databases: [Option<&str>; 2]) -> [Station; 2] {
    let doors = [Door::open(None).await, Door::open(None).await];
    let urls = doors.each_ref().map(|door| door.url.clone());
    let [at_a, at_b] = doors;
    let on = async |door: Door, other: &str, database: Option<&str>| match database {
        None => Station::on_files(door, &[other]).await,
        some => Station::behind(door, &[other], some).await,
    };
    let a = on(at_a, &urls[1], databases[0]).await;
    let b = on(at_b, &urls[0], databases[1]).await;
    [a, b]
}

/// A backup of a server.
struct Backup {
    dir: TempDir,
}

impl Backup {
    fn of(station: &Station) -> Self {
        let backup = Self {
            dir: TempDir::new().unwrap(),
        };
        station.server.admin(&["backup", &backup.file()]);
        backup
    }

    fn file(&self) -> String {
        let file = self.dir.path().join("kite-backup.db");
        file.to_str().unwrap().to_owned()
    }

    /// Puts the server back to where it was.
    fn restore(&self, station: &mut Station) {
        station.kill();
        station.forget_claims();
        let args = ["restore", &self.file(), "--replace"];
        station.server.admin(&args);
        assert_eq!(station.server.admin(&["check"])["sound"], true);
        station.revive();
    }
}

/// A dispatch that an agent has to work on: its id, and that of the intent.
struct Errand {
    dispatch: String,
    intent: String,
}

impl Errand {
    async fn given(a: &Station, b: &Station) -> Self {
        let more = json!({
            "intent_id": "i-1", "target_server": b.door.url, "agent_id": AGENT,
            "federation_policy": {"budget": {"max_llm_tokens": 100}},
        });
        let ordered = answer(order(&a.access(), BOSS, "key", &more)).await;
        let dispatch = ordered.expect(200)["dispatch_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let record = a.becomes(&dispatch, Delivered).await;
        Self {
            dispatch,
            intent: record.remote_id.unwrap(),
        }
    }

    /// Makes these of the reports, each twice.
    async fn reported(&self, b: &Station, steps: std::ops::Range<usize>) {
        let way = &mut b.nodes.follow();
        for step in steps {
            let (verb, mut body) = reports(&self.dispatch)[step].clone();
            body["idempotency_key"] = format!("step-{step}").into();
            insist_on(way, &self.intent, (verb, &body), &Pulse::new()).await;
        }
        b.is_drained().await;
    }
}

/// What has to be so in the end.
async fn is_whole(a: &Station, b: &Station, errand: &Errand) {
    a.becomes_in_time(&errand.dispatch, Completed).await;
    b.is_drained().await;
    check(a, b, std::slice::from_ref(&errand.dispatch)).await;
    is_completed(&dispatched(a, &errand.dispatch).await, 90);
}

async fn the_worker_is_restored(databases: [Option<&str>; 2]) {
    let [a, mut b] = pair(databases).await;
    let errand = Errand::given(&a, &b).await;
    errand.reported(&b, 0..2).await;
    let backup = Backup::of(&b);
    errand.reported(&b, 2..3).await;
    let known = dispatched(&a, &errand.dispatch).await;
    assert_eq!(known["state"]["step"], 2);
    backup.restore(&mut b);
    let before = &intents(&b).await[&errand.dispatch];
    assert_eq!(
        (&before["status"], &before["usage"]["llm_tokens"]),
        (&json!("running"), &json!(50))
    );
    // What was made after the backup is made anew, and heard once.
    errand.reported(&b, 2..4).await;
    is_whole(&a, &b, &errand).await;
    let told = told(&a, BOSS).await;
    assert_eq!(
        told[&errand.dispatch],
        all_of(&errand.dispatch, &super::KINDS)
    );
}

async fn the_dispatcher_is_restored(databases: [Option<&str>; 2]) {
    let [mut a, b] = pair(databases).await;
    let errand = Errand::given(&a, &b).await;
    errand.reported(&b, 0..2).await;
    let backup = Backup::of(&a);
    errand.reported(&b, 2..3).await;
    backup.restore(&mut a);
    assert_eq!(dispatched(&a, &errand.dispatch).await["state"]["step"], 1);
    errand.reported(&b, 3..4).await;
    // What was told in between is lost, and what it said is not.
    is_whole(&a, &b, &errand).await;
}

async fn a_dispatch_in_the_outbox_is_restored(databases: [Option<&str>; 2]) {
    let [mut a, mut b] = pair(databases).await;
    b.kill();
    let more = json!({"intent_id": "i-1", "target_server": b.door.url, "agent_id": AGENT,
        "federation_policy": {"budget": {"max_llm_tokens": 100}}});
    let ordered = answer(order(&a.access(), BOSS, "key", &more)).await;
    let dispatch = ordered.expect(200)["dispatch_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let backup = Backup::of(&a);
    b.revive();
    let record = a.becomes_in_time(&dispatch, Delivered).await;
    let errand = Errand {
        dispatch,
        intent: record.remote_id.unwrap(),
    };
    errand.reported(&b, 0..3).await;
    backup.restore(&mut a);
    // It is sent once more, and is the same.
    let record = a.becomes_in_time(&errand.dispatch, Delivered).await;
    assert_eq!(record.remote_id.as_ref(), Some(&errand.intent));
    errand.reported(&b, 3..4).await;
    is_whole(&a, &b, &errand).await;
    let known: Value = dispatched(&a, &errand.dispatch).await;
    assert_eq!(known["state"]["sum"], *errand.dispatch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_worker_goes_on_from_where_it_was() {
    the_worker_is_restored([None, None]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_worker_on_postgresql_goes_on_from_where_it_was() {
    let database = Cluster::shared().database();
    the_worker_is_restored([None, Some(&database)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dispatcher_hears_the_whole_end() {
    the_dispatcher_is_restored([None, None]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dispatcher_on_postgresql_hears_the_whole_end() {
    let database = Cluster::shared().database();
    the_dispatcher_is_restored([Some(&database), None]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatch_that_a_restored_server_sends_again_is_worked_on_once() {
    a_dispatch_in_the_outbox_is_restored([None, None]).await;
}
