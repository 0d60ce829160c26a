//! A backup of a server that has exchanged intents, restored in its place: it knows what it knew.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use kite::store::openintent::ExchangeState::{Delivered, Queued};

use super::{RECEIVED, Station, local_id};
use crate::support::door::Door;
use crate::support::http::answer;
use crate::support::partner::{Partner, Says, taken};
use crate::support::postgres::Cluster;

async fn knows_what_it_knew(mut station: Station) {
    let (partner, busy) = (Partner::start(1), Partner::start(2));
    busy.answer(|_, _| Says::with(503, "{}"));
    let here = station.door.url.clone();
    let trusted = json!({"url": partner.url, "api_key": "shown-to-the-partner"});
    let servers = "/api/openintent/trust/servers";
    station.access().put(servers, &trusted).await.expect(200);
    let plain = partner.envelope(&here, "plain");
    let first = local_id(partner.send(&station.access(), &plain, 1).await);
    let mut unwanted = partner.envelope(&here, "unwanted");
    unwanted["federation_policy"] = json!({"budget": {"cost_ceiling_usd": 0}});
    let declined = partner
        .send(&station.access(), &unwanted, 1)
        .await
        .expect(200);
    assert_eq!(declined["accepted"], false, "{declined}");
    let done = station.dispatch(&partner.url, Some("done")).await;
    station.becomes(&done, Delivered).await;
    let waiting = station.dispatch(&busy.url, Some("waiting")).await;
    let shown = async |station: &Station| {
        let access = station.access();
        let document = access.bare(Method::GET, "/.well-known/did.json");
        let document = answer(document).await.expect(200);
        let trust = access.get("/api/openintent/trust").await.expect(200);
        (document, trust, station.counts().await)
    };
    let before = shown(&station).await;
    assert_eq!(before.2, [1, 2, 1]);

    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite-backup.db");
    let file = file.to_str().unwrap();
    station.server.admin(&["backup", file]);
    let later = partner.envelope(&here, "later");
    local_id(partner.send(&station.access(), &later, 1).await);
    station.kill();
    station.forget_claims();
    station.server.admin(&["restore", file, "--replace"]);
    assert_eq!(station.server.admin(&["check"])["sound"], true);
    station.revive();

    assert_eq!(shown(&station).await, before);
    let again = partner.send(&station.access(), &plain, 1).await.expect(200);
    assert_eq!(again["local_intent_id"], Value::from(first));
    let again = partner
        .send(&station.access(), &unwanted, 1)
        .await
        .expect(200);
    assert_eq!(again, declined);
    let mut other = plain.clone();
    other["intent_id"] = "another".into();
    partner.send(&station.access(), &other, 1).await.expect(409);
    assert_eq!(station.dispatch(&partner.url, Some("done")).await, done);
    assert_eq!(station.dispatch(&busy.url, Some("waiting")).await, waiting);
    let known = station.dispatched(&done).await;
    assert_eq!(
        (known.state, known.remote_id.as_deref()),
        (Delivered, Some("theirs"))
    );
    assert_eq!(station.dispatched(&waiting).await.state, Queued);
    busy.answer(|_, came| taken(&came.body, "at last"));
    let known = station.becomes_in_time(&waiting, Delivered).await;
    assert_eq!(known.remote_id.as_deref(), Some("at last"));
    // What came after the backup is new again.
    local_id(partner.send(&station.access(), &later, 1).await);
    assert_eq!(station.log_of(RECEIVED).await.len(), 2);
    assert_eq!(station.counts().await, [0, 2, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_knows_what_it_has_exchanged() {
    let door = Door::open(None).await;
    knows_what_it_knew(Station::on_files(door, &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_on_postgresql_knows_what_it_has_exchanged() {
    let database = Cluster::shared().database();
    let door = Door::open(None).await;
    knows_what_it_knew(Station::behind(door, &[], Some(&database)).await).await;
}
