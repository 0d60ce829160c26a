//! What comes again hears what was said at first, whatever happened to the server in between.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use super::{RECEIVED, Station, file, local_id};
use crate::support::door::Door;
use crate::support::eventually;
use crate::support::http::answer;
use crate::support::partner::Partner;
use crate::support::postgres::Cluster;

const REPEATED: &str = "Already processed (idempotent)";
const SENT: &str = "com.openintent.callback.sent";

async fn repeats_are_known(database: Option<&str>) {
    let partner = Partner::start(1);
    let door = Door::open(None).await;
    let mut station = Station::behind(door, &[&partner.url], database).await;
    let here = station.door.url.clone();
    let plain = partner.envelope(&here, "plain");
    let mut keyed = partner.envelope(&here, "keyed");
    keyed["idempotency_key"] = "key".into();
    let mut unwanted = partner.envelope(&here, "unwanted");
    unwanted["federation_policy"] = json!({"budget": {"max_llm_tokens": 0}});

    let to = station.access();
    let first = local_id(partner.send(&to, &plain, 1).await);
    let by_key = local_id(partner.send(&to, &keyed, 1).await);
    let declined = partner.send(&to, &unwanted, 1).await.expect(200);
    assert_eq!(declined["accepted"], false);

    let mut other = plain.clone();
    other["intent_title"] = "Something else".into();
    let mut under_key = keyed.clone();
    under_key["dispatch_id"] = "another".into();
    for round in 0..3 {
        let to = station.access();
        let again = partner.send(&to, &plain, 1).await.expect(200);
        let expected = json!({"dispatch_id": "plain", "accepted": true,
            "local_intent_id": first, "message": REPEATED});
        assert_eq!(again, expected, "round {round}");
        assert_eq!(partner.send(&to, &unwanted, 1).await.expect(200), declined);
        partner.send(&to, &other, 1).await.expect(409);
        let again = partner.send(&to, &under_key, 1).await.expect(200);
        let expected = json!({"dispatch_id": "another", "accepted": true,
            "local_intent_id": by_key, "message": REPEATED});
        assert_eq!(again, expected, "round {round}");
        station.kill_and_revive();
    }
    assert_eq!(station.log_of(RECEIVED).await.len(), 2);
    assert_eq!(station.counts().await, [0, 0, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_after_a_restart_hears_what_was_said_at_first() {
    repeats_are_known(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_after_a_restart_on_postgresql_hears_what_was_said_at_first() {
    repeats_are_known(Some(&Cluster::shared().database())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_taken_is_told_to_be() {
    let partner = Partner::start(1);
    let agent = |visibility: &str| {
        let agent =
            format!("[[openintent.agents]]\nid = \"helper\"\nvisibility = \"{visibility}\"\n");
        format!("{}{agent}", file(&[&partner.url], ""))
    };
    let door = Door::open(None).await;
    let mut station = Station::of(door, &agent("private"), None).await;
    let here = station.door.url.clone();
    let with_callback = |id: &str| {
        let mut envelope = partner.envelope(&here, id);
        envelope["callback_url"] = format!("{}/told", partner.url).into();
        envelope
    };
    let to = station.access();
    let mut hidden = with_callback("hidden");
    hidden["agent_id"] = "helper".into();
    hidden["idempotency_key"] = "hidden".into();
    let declined = partner.send(&to, &hidden, 1).await.expect(200);
    assert_eq!(declined["accepted"], false, "{declined}");
    let plain = with_callback("plain");
    local_id(partner.send(&to, &plain, 1).await);

    // From now on the server would take what it has declined.
    station.kill();
    fs::write(station.file(), agent("public")).unwrap();
    station.revive();
    let to = station.access();
    assert_eq!(partner.send(&to, &hidden, 1).await.expect(200), declined);
    let mut renamed = hidden.clone();
    renamed["dispatch_id"] = "renamed".into();
    let again = partner.send(&to, &renamed, 1).await.expect(200);
    assert_eq!(again["accepted"], false, "{again}");
    let mut other = plain.clone();
    other["idempotency_key"] = "new".into();
    partner.send(&to, &other, 1).await.expect(409);
    local_id(partner.send(&to, &plain, 1).await);
    let told: Vec<Value> = station.log_of(SENT).await;
    let ids: Vec<_> = told
        .iter()
        .map(|event| &event["data"]["callback"]["dispatch_id"])
        .collect();
    assert_eq!(ids, ["plain"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_trust_and_policy_outlive_a_kill() {
    let partner = Partner::start(1);
    let mut station = Station::trusting(&[]).await;
    let here = station.door.url.clone();
    let document = async |station: &Station| {
        let request = station.access().bare(Method::GET, "/.well-known/did.json");
        answer(request).await.expect(200)
    };
    let keys = document(&station).await;
    let trust = "/api/openintent/trust";
    let server = json!({"url": partner.url});
    let stranger = partner.envelope(&here, "stranger");
    partner
        .send(&station.access(), &stranger, 1)
        .await
        .expect(403);
    let put = station
        .access()
        .put(&format!("{trust}/servers"), &server)
        .await;
    put.expect(200);
    station.kill_and_revive();
    assert_eq!(document(&station).await, keys);
    local_id(partner.send(&station.access(), &stranger, 1).await);
    let policy = json!({"trust_policy": "trustless"});
    let put = station
        .access()
        .put(&format!("{trust}/policy"), &policy)
        .await;
    put.expect(200);
    station.kill_and_revive();
    partner
        .send(&station.access(), &stranger, 1)
        .await
        .expect(403);
    let policy = json!({"trust_policy": null});
    let put = station
        .access()
        .put(&format!("{trust}/policy"), &policy)
        .await;
    put.expect(200);
    station.kill_and_revive();
    let again = partner
        .send(&station.access(), &stranger, 1)
        .await
        .expect(200);
    assert_eq!(again["message"], REPEATED);
    let listed = station.access().get(trust).await.expect(200);
    assert_eq!(listed["servers"][0]["source"], "command", "{listed}");
    eventually("its own keys are what they were", async || {
        (document(&station).await == keys).then_some(())
    })
    .await;
}
