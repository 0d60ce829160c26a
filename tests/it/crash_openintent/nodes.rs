//! Two nodes on one database: an intent is taken once whoever gets it, what is said at one counts at the other, and a
//! database that is away costs nothing but time.

use serde_json::{Value, json};

use super::{RECEIVED, Station, local_id};
use crate::support::chance::number;
use crate::support::door::Door;
use crate::support::eventually;
use crate::support::hooks::Endpoint;
use crate::support::partner::{Partner, post, signed};
use crate::support::postgres::Cluster;

const REPEATS: u64 = 20;

async fn on(database: &str, trusted: &[&str]) -> Station {
    Station::behind(Door::open(None).await, trusted, Some(database)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_two_nodes_get_at_the_same_time_is_taken_once() {
    let partner = Partner::start(1);
    let station = on(&Cluster::shared().database(), &[&partner.url]).await;
    let other = station.server.another_node();
    let nodes = [station.access(), other.owner()];
    let repeats = number("KITE_CRASH_OPENINTENT_REPEATS", REPEATS);
    let mut taken = Vec::new();
    for round in 0..repeats {
        let mut envelope = partner.envelope(&station.door.url, &format!("d-{round}"));
        envelope["callback_url"] = format!("{}/told", partner.url).into();
        let text = signed(&envelope, "created_at", 1);
        let (one, two) = tokio::join!(post(&nodes[0], &text), post(&nodes[1], &text));
        let ids = [local_id(one), local_id(two)];
        assert_eq!(ids[0], ids[1]);
        taken.push(ids[0].clone());
    }
    let received = station.log_of(RECEIVED).await;
    let ids: Vec<&Value> = received.iter().map(|event| &event["id"]).collect();
    assert_eq!(ids, taken.iter().collect::<Vec<_>>());
    assert_eq!(station.counts().await, [0, 0, repeats]);
    station.is_drained().await;
    let mut told: Vec<String> = partner
        .came()
        .iter()
        .map(|it| it.body["dispatch_id"].as_str().unwrap().to_owned())
        .collect();
    told.sort();
    told.dedup();
    assert_eq!(
        (told.len() as u64, partner.came().len() as u64),
        (repeats, repeats)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispatch_with_one_key_that_two_nodes_get_at_the_same_time_is_one() {
    let partner = Partner::start(1);
    let station = on(&Cluster::shared().database(), &[]).await;
    let other = station.server.another_node();
    let (one, two) = (station.access(), other.owner());
    for round in 0..5 {
        let key = format!("key-{round}");
        let ask = |access| super::answer(super::dispatch_request(access, &partner.url, Some(&key)));
        let (one, two) = tokio::join!(ask(&one), ask(&two));
        let ids = [one, two].map(|it| it.expect(200)["dispatch_id"].clone());
        assert_eq!(ids[0], ids[1]);
    }
    station.is_drained().await;
    assert_eq!(partner.came().len(), 5);
    assert_eq!(station.counts().await, [0, 5, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_a_server_at_one_node_counts_at_the_other() {
    let partner = Partner::start(1);
    let station = on(&Cluster::shared().database(), &[]).await;
    let other = station.server.another_node();
    let (here, there) = (station.access(), other.owner());
    let envelope = partner.envelope(&station.door.url, "d-1");
    let answers = async |status: u16| {
        eventually(&format!("the other node answers {status}"), async || {
            let answer = partner.send(&there, &envelope, 1).await;
            assert!([200, 403].contains(&answer.status), "{answer:?}");
            (answer.status == status).then_some(())
        })
        .await;
    };
    let servers = "/api/openintent/trust/servers";
    answers(403).await;
    for round in 0..3 {
        let server = json!({"url": partner.url});
        here.put(servers, &server).await.expect(200);
        // What the other node says for itself meanwhile takes nothing away from the news.
        Endpoint::create(&there, json!({"source": format!("put-{round}")})).await;
        answers(200).await;
        let gone = format!(
            "{servers}?url={}",
            crate::support::http::escaped(&partner.url)
        );
        super::answer(here.request(reqwest::Method::DELETE, &gone))
            .await
            .expect(200);
        Endpoint::create(&there, json!({"source": format!("gone-{round}")})).await;
        answers(403).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_nothing_is_half_taken() {
    let mut cluster = Cluster::start();
    let partner = Partner::start(1);
    let station = on(&cluster.database(), &[&partner.url]).await;
    let to = station.access();
    let here = station.door.url.clone();
    // The node knows whom it trusts, and the partner's keys.
    local_id(
        partner
            .send(&to, &partner.envelope(&here, "before"), 1)
            .await,
    );
    cluster.stop();
    let envelope = partner.envelope(&here, "while");
    for _ in 0..3 {
        let refused = partner.send(&to, &envelope, 1).await;
        assert!(refused.json["detail"].is_string(), "{refused:?}");
        refused.expect(503);
    }
    cluster.start_again();
    let id = eventually("the database is back", async || {
        let answer = partner.send(&to, &envelope, 1).await;
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then(|| local_id(answer))
    })
    .await;
    let again = partner.send(&to, &envelope, 1).await;
    assert_eq!(local_id(again), id);
    assert_eq!(station.log_of(RECEIVED).await.len(), 2);
    assert_eq!(station.counts().await, [0, 0, 2]);
    assert!(station.received(&id).await.is_some());
}
