//! What another server makes of a dispatch, and what becomes of the dispatch then (spec openintent 14.1, 14.2).

use kite::openintent::did::public_of_base64;
use kite::openintent::stamp;
use kite::store::openintent::ExchangeState::{Delivered, Queued, Rejected, Undelivered};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Station, local_id};
use crate::support::eventually;
use crate::support::http::answer;
use crate::support::partner::{Came, Partner, Says, is_signed_by, taken};

const LETTERS: &str = "/api/federation/dead-letters";

/// One that answers its first post so, and takes what comes after it.
async fn first(says: Says) -> Partner {
    let partner = Partner::start(1);
    partner.answer(move |number, came| match number {
        0 => says.clone(),
        _ => taken(&came.body, "theirs"),
    });
    partner
}

/// The public key that a server signs with.
async fn public_key(station: &Station) -> [u8; 32] {
    let request = station.access();
    let request = request.bare(Method::GET, "/.well-known/openintent-federation.json");
    let manifest = answer(request).await.expect(200);
    public_of_base64(manifest["public_key"].as_str().unwrap()).unwrap()
}

/// When a post says that it was made, in Unix milliseconds.
fn made_at(came: &Came) -> i64 {
    stamp::read(came.body["created_at"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_tried_again_with_the_same_ids_and_a_signature_of_its_own() {
    let station = Station::trusting(&[]).await;
    let key = public_key(&station).await;
    let mut passing: Vec<Says> = [408, 425, 429, 500, 502, 503]
        .map(|status| Says::with(status, "{}"))
        .into();
    passing.push(Says::Farewell);
    let asks = ("retry-after", "3".to_owned());
    passing.push(Says::This(429, Some(asks), "{}".to_owned()));
    let mut tried = Vec::new();
    for says in passing {
        let partner = first(says.clone()).await;
        let id = station.dispatch(&partner.url, None).await;
        tried.push((says, partner, id));
    }
    for (says, partner, id) in &tried {
        let record = station.becomes(id, Delivered).await;
        assert_eq!(record.remote_id.as_deref(), Some("theirs"), "{says:?}");
        let came = partner.came();
        let [one, two] = &came[..] else {
            panic!("{says:?}: {came:#?}");
        };
        for post in [one, two] {
            assert_eq!(post.path, "/api/v1/federation/receive");
            assert_eq!(post.body["dispatch_id"], **id);
            assert!(is_signed_by(&post.body, &key), "{post:?}");
        }
        let ids = |post: &Came| post.body["idempotency_key"].clone();
        assert_eq!(ids(one), ids(two));
        assert!(made_at(two) > made_at(one), "{came:?}");
        assert_ne!(one.body["signature"], two.body["signature"]);
        assert_ne!(one.signature_input, None);
        if matches!(says, Says::This(_, Some(_), _)) {
            assert!(made_at(two) - made_at(one) >= 3000, "{came:?}");
        }
    }
    assert_eq!(station.counts().await, [0, tried.len() as u64, 0]);
    assert_eq!(station.waits().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_pass_is_an_end_that_a_replay_can_undo() {
    let station = Station::trusting(&[]).await;
    let mut ended = Vec::new();
    for status in [301, 302, 307, 400, 401, 403, 404, 409, 413, 422] {
        let partner = Partner::start(1);
        let elsewhere = format!("{}/elsewhere", partner.url);
        partner.answer(move |_, _| {
            Says::This(
                status,
                Some(("location", elsewhere.clone())),
                "{}".to_owned(),
            )
        });
        let id = station.dispatch(&partner.url, None).await;
        ended.push((status, partner, id));
    }
    for (status, partner, id) in &ended {
        station.becomes(id, Undelivered).await;
        let came = partner.came();
        assert_eq!(came.len(), 1, "{status}: {came:?}");
    }
    let letters = station.access().get(LETTERS).await.expect(200);
    assert_eq!(letters.as_array().unwrap().len(), ended.len());
    assert_eq!(station.counts().await, [0, ended.len() as u64, 0]);

    let (_, partner, id) = &ended[0];
    let before = partner.came().len();
    partner.answer(move |number, came| match number == before {
        true => Says::with(503, "{}"),
        false => taken(&came.body, "late"),
    });
    let mut letter = letters.as_array().unwrap().iter();
    let letter = letter.find(|letter| letter["event_id"] == **id);
    let letter = letter.unwrap()["id"].as_str().unwrap().to_owned();
    let replay = format!("{LETTERS}/{letter}/replay");
    let replayed = station.access().post(&replay, "").await;
    assert!((200..300).contains(&replayed.status), "{replayed:?}");
    eventually("it is tried", async || {
        (partner.came().len() > before).then_some(())
    })
    .await;
    let between = station.dispatched(id).await.state;
    assert!([Queued, Delivered].contains(&between), "{between:?}");
    let record = station.becomes(id, Delivered).await;
    assert_eq!(record.remote_id.as_deref(), Some("late"));
    assert_eq!(partner.came().len(), before + 2);
    assert_eq!(partner.came()[before + 1].body["dispatch_id"], **id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_is_read_for_what_it_says() {
    let station = Station::trusting(&[]).await;
    let no = json!({"dispatch_id": "x", "accepted": false, "message": "not today"}).to_string();
    let cases = [
        (no, Rejected, None, Some("not today")),
        (r#"{"accepted":false}"#.to_owned(), Rejected, None, None),
        ("<html>fine</html>".to_owned(), Delivered, None, None),
        (String::new(), Delivered, None, None),
        ("{}".to_owned(), Delivered, None, None),
        ("[1, 2".to_owned(), Delivered, None, None),
        ("\u{0}".repeat(100_000), Delivered, None, None),
        (
            r#"{"accepted":true,"local_intent_id":null}"#.to_owned(),
            Delivered,
            None,
            None,
        ),
        (
            r#"{"accepted":true,"local_intent_id":"l-1","message":"yes"}"#.to_owned(),
            Delivered,
            Some("l-1"),
            Some("yes"),
        ),
    ];
    let mut sent = Vec::new();
    for (body, state, remote_id, message) in cases {
        let partner = first(Says::with(200, &body)).await;
        let id = station.dispatch(&partner.url, None).await;
        sent.push((partner, body, id, state, remote_id, message));
    }
    for (partner, body, id, state, remote_id, message) in &sent {
        let record = station.becomes(id, *state).await;
        let body: String = body.chars().take(60).collect();
        assert_eq!(record.remote_id.as_deref(), *remote_id, "{body}");
        assert_eq!(record.message.as_deref(), *message, "{body}");
        assert_eq!(partner.came().len(), 1, "{body}");
    }
    station.is_drained().await;
    assert_eq!(station.access().get(LETTERS).await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_another_one_keeps_it_waiting_asks_it_again() {
    let mut station = Station::trusting(&[]).await;
    let partner = first(Says::Nothing).await;
    let id = station.dispatch(&partner.url, Some("key")).await;
    eventually("it is posted", async || {
        (!partner.came().is_empty()).then_some(())
    })
    .await;
    assert_eq!(station.dispatched(&id).await.state, Queued);
    assert_eq!(station.counts().await, [1, 1, 0]);
    station.kill();
    station.forget_claims();
    station.revive();
    let record = station.becomes(&id, Delivered).await;
    assert_eq!(record.remote_id.as_deref(), Some("theirs"));
    assert_eq!(station.dispatch(&partner.url, Some("key")).await, id);
    station.is_drained().await;
    let came: Vec<Value> = partner.came().into_iter().map(|it| it.body).collect();
    assert_eq!(came.len(), 2, "{came:#?}");
    assert_eq!(came[0]["dispatch_id"], came[1]["dispatch_id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_is_asked_for_again_where_its_server_is_just_starting() {
    let partner = Partner::start(1);
    let station = Station::trusting(&[&partner.url]).await;
    partner.lose_fetches(2);
    let envelope = partner.envelope(&station.door.url, "early");
    local_id(partner.send(&station.access(), &envelope, 1).await);
    assert_eq!(partner.fetches(), 3);
}
