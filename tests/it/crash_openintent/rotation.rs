//! Keys that change while envelopes are on their way (spec openintent 6.5).

use std::time::{Duration, Instant};

use kite::store::openintent::ExchangeState::Delivered;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Station, local_id};
use crate::support::cli::Person;
use crate::support::door::Door;
use crate::support::http::answer;
use crate::support::partner::Partner;
use crate::support::{GLANCE, eventually};

const ROTATIONS: usize = 1;

/// How long a new key may be published before it signs. Others ask for keys every 5 s at most.
const SWITCH_MAX: Duration = Duration::from_secs(30);

/// The keys that a server publishes.
async fn published(station: &Station) -> Vec<Value> {
    let request = station.access().bare(Method::GET, "/.well-known/did.json");
    let mut document = answer(request).await.expect(200);
    serde_json::from_value(document["verificationMethod"].take()).unwrap()
}

/// The key that it signs with.
async fn signing(station: &Station) -> Value {
    let access = station.access();
    let request = access.bare(Method::GET, "/.well-known/openintent-federation.json");
    answer(request).await.expect(200)["public_key"].take()
}

fn rotate(station: &Station, overlap: &str) {
    let person = Person::new();
    let data_dir = station.server.data_dir();
    let args = [
        "openintent",
        "identity",
        "rotate",
        "--overlap",
        overlap,
        "--data-dir",
    ];
    person
        .kite(&[&args[..], &[data_dir.to_str().unwrap()]].concat())
        .succeeds();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_refuses_nothing_that_is_on_its_way() {
    let [at_a, at_b] = [Door::open(None).await, Door::open(None).await];
    let (a_url, b_url) = (at_a.url.clone(), at_b.url.clone());
    let a = Station::on_files(at_a, &[&b_url]).await;
    let b = Station::on_files(at_b, &[&a_url]).await;
    let mut ids = vec![a.dispatch(&b_url, None).await];
    a.becomes(&ids[0], Delivered).await;
    for _ in 0..ROTATIONS {
        let old = signing(&a).await;
        // The other server has asked for the keys just now, and does not ask again so soon.
        rotate(&a, "1h");
        let began = Instant::now();
        while signing(&a).await == old {
            assert!(began.elapsed() < SWITCH_MAX, "the new key never signs");
            ids.push(a.dispatch(&b_url, None).await);
            sleep(GLANCE).await;
        }
        ids.push(a.dispatch(&b_url, None).await);
    }
    assert_eq!(published(&a).await.len(), 1 + ROTATIONS);
    a.is_drained().await;
    b.is_drained().await;
    let letters = "/api/federation/dead-letters";
    for station in [&a, &b] {
        assert_eq!(station.access().get(letters).await.expect(200), json!([]));
    }
    for id in &ids {
        assert_eq!(a.dispatched(id).await.state, Delivered);
    }
    assert_eq!(b.counts().await[2], ids.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_published_no_longer_than_its_overlap() {
    let [at_a, at_b] = [Door::open(None).await, Door::open(None).await];
    let (a_url, b_url) = (at_a.url.clone(), at_b.url.clone());
    let mut a = Station::on_files(at_a, &[&b_url]).await;
    let b = Station::on_files(at_b, &[&a_url]).await;
    let old = published(&a).await;
    rotate(&a, "1s");
    let new = eventually("the old key is gone", async || {
        let keys = published(&a).await;
        (keys.len() == 1 && keys != old).then_some(keys)
    })
    .await;
    // Nobody but the new key is left to sign with.
    let id = a.dispatch(&b_url, None).await;
    a.becomes(&id, Delivered).await;
    a.kill_and_revive();
    assert_eq!(published(&a).await, new);
    b.is_drained().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_new_is_asked_for_and_one_that_was_withdrawn_counts_no_more() {
    let partner = Partner::start(1);
    let station = Station::trusting(&[&partner.url]).await;
    let to = station.access();
    let envelope = |id: &str| partner.envelope(&station.door.url, id);
    local_id(partner.send(&to, &envelope("by-1"), 1).await);
    partner.publish(&[1, 2]);
    let takes = async |id: &str, byte: u8| {
        eventually("the new key is asked for", async || {
            let answer = partner.send(&to, &envelope(id), byte).await;
            assert!([200, 403].contains(&answer.status), "{answer:?}");
            (answer.status == 200).then_some(())
        })
        .await;
    };
    takes("by-2", 2).await;
    // Both count for now.
    local_id(partner.send(&to, &envelope("by-1-still"), 1).await);
    partner.publish(&[3]);
    takes("by-3", 3).await;
    // However often it was tried, the keys were asked for once at first, and once for each change.
    assert_eq!(partner.fetches(), 3);
}
