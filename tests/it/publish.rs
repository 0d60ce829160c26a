//! `events.publish`: many events in one request, many requests under way.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::http::Access;
use crate::support::server::Server;
use crate::support::socket::Socket;

fn note(number: usize) -> Value {
    json!({"specversion": "1.0", "type": "com.acme.note", "data": {"number": number}})
}

fn request(id: &str, events: &[Value]) -> Value {
    json!({"type": "request", "id": id, "method": "events.publish", "params": {"events": events}})
}

async fn caller(access: &Access) -> Socket {
    Socket::connect(access, &[], "").await.0
}

async fn refused(socket: &mut Socket, params: Value, code: &str) -> String {
    let response = socket.call("events.publish", params).await;
    assert_eq!(
        (&response["ok"], &response["payload"]["code"]),
        (&json!(false), &json!(code)),
        "{response}"
    );
    response["payload"]["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn requests_that_are_under_way_together_are_stored_in_the_order_in_which_they_were_sent() {
    let server = Server::start();
    let owner = server.owner();
    let (mut listener, _) = Socket::connect(&owner, &["type:com.acme.note"], "listener").await;
    let mut socket = caller(&owner).await;
    for place in 0..50 {
        let events: Vec<Value> = (0..10).map(|event| note(place * 10 + event)).collect();
        socket.send(&request(&place.to_string(), &events)).await;
    }
    for _ in 0..50 {
        let response = socket.next().await;
        assert_eq!(response["ok"], true, "{response}");
        let payload = &response["payload"];
        assert_eq!(payload["status"], "accepted");
        assert_eq!(payload["results"].as_array().unwrap().len(), 10);
        assert_eq!(payload["results"][0]["status"], "accepted");
    }
    for number in 0..500 {
        let frame = listener.next_event().await;
        assert_eq!(frame["seq"], number + 1);
        assert_eq!(frame["event"]["data"]["number"], number);
        assert_eq!(frame["event"]["kitesource"], "api");
    }
}

#[tokio::test]
async fn the_answer_tells_of_each_event_and_what_is_known_is_stored_once() {
    let server = Server::start();
    let owner = server.owner();
    let mut socket = caller(&owner).await;
    let named = |id: &str| {
        let mut event = note(1);
        event["id"] = json!(id);
        event["source"] = json!("https://acme.example");
        event
    };
    let events = [named("a"), named("b"), named("a"), note(2)];
    let response = socket
        .call(
            "events.publish",
            json!({"events": events, "source": "sensors"}),
        )
        .await;
    let results = response["payload"]["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect();
    assert_eq!(
        told,
        ["accepted", "accepted", "duplicate_ignored", "accepted"]
    );
    assert_eq!(
        (&results[0]["id"], &results[2]["id"]),
        (&json!("a"), &json!("a"))
    );
    assert_eq!(response["payload"]["usage"]["events_used"], 3);
    let again = socket
        .call("events.publish", json!({"events": [named("b")]}))
        .await;
    assert_eq!(
        again["payload"]["results"][0]["status"],
        "duplicate_ignored"
    );
    let log = owner.log().await;
    assert_eq!(log.len(), 3);
    assert_eq!(log[2]["event"]["id"], results[3]["id"]);
    assert!(log.iter().all(|it| it["event"]["kitesource"] == "sensors"));
}

#[tokio::test]
async fn of_a_request_with_a_fault_nothing_is_stored() {
    let server = Server::start();
    let owner = server.owner();
    let mut socket = caller(&owner).await;
    let events = |second: Value| json!({"events": [note(1), second]});
    let text = refused(&mut socket, events(json!({"type": "x"})), "bad_params").await;
    assert!(
        text.contains("event 2") && text.contains("specversion"),
        "{text}"
    );
    for (second, word) in [
        (json!("x"), "event 2"),
        (json!({"specversion": "1.0"}), "`type`"),
        (
            json!({"specversion": "1.0", "type": "x", "time": "soon"}),
            "RFC 3339",
        ),
    ] {
        let text = refused(&mut socket, events(second), "bad_params").await;
        assert!(text.contains(word), "{text}");
    }
    let reserved = json!({"specversion": "1.0", "type": "kite.subscription.quota_exhausted"});
    refused(&mut socket, events(reserved), "forbidden").await;
    for params in [
        json!({}),
        json!({"events": []}),
        json!({"events": {}}),
        json!({"events": [note(1)], "source": "Not A Slug"}),
        json!({"events": vec![json!({"specversion": "1.0", "type": "x"}); 1001]}),
    ] {
        refused(&mut socket, params, "bad_params").await;
    }
    assert!(owner.log().await.is_empty());
    let most = vec![json!({"specversion": "1.0", "type": "x"}); 1000];
    let response = socket.call("events.publish", json!({"events": most})).await;
    assert_eq!(response["ok"], true, "{response}");
    assert_eq!(response["payload"]["usage"]["events_used"], 1000);
}

#[tokio::test]
async fn publishing_needs_a_key_that_may_write() {
    let server = Server::start();
    let reader = server.key(&server.owner().team, "read");
    let mut socket = caller(&reader).await;
    let text = refused(&mut socket, json!({"events": [note(1)]}), "forbidden").await;
    assert!(text.contains("`write`"), "{text}");
}

#[tokio::test]
async fn each_event_counts_for_rates_and_for_the_quota() {
    let server = Server::start_with(&[
        "--key-rate-limit",
        "5",
        "--rate-window-secs",
        "3600",
        "--events-limit",
        "2",
    ]);
    let mut socket = caller(&server.owner()).await;
    let response = socket
        .call(
            "events.publish",
            json!({"events": [note(1), note(2), note(3)]}),
        )
        .await;
    let results = response["payload"]["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["accepted", "accepted", "quota_exhausted"]);
    assert_eq!(socket.next().await["type"], "billing_block");
    refused(
        &mut socket,
        json!({"events": [note(4)]}),
        "payment_required",
    )
    .await;
    let two = json!({"events": [note(5), note(6)]});
    let text = refused(&mut socket, two, "rate_limited").await;
    assert!(text.contains("this API key"), "{text}");
}

/// Keeps the server from writing: a stalled disk, for as long as the value lives and less than five seconds.
fn stall(server: &Server) -> Connection {
    let database = Connection::open(server.data_dir().join("kite.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    database
}

#[tokio::test]
async fn a_server_that_ends_answers_what_it_has_taken() {
    let mut server = Server::start_on_files(&[]);
    let mut socket = caller(&server.owner()).await;
    let stalled = stall(&server);
    socket.send(&request("1", &[note(1)])).await;
    // Whoever has this answer knows that the events were taken.
    let stats = socket.call("dashboard.stats", json!({})).await;
    assert_eq!(stats["ok"], true, "{stats}");
    let ending = std::thread::spawn(move || server.stop());
    socket.expect_none().await;
    drop(stalled);
    let response = socket.next().await;
    assert_eq!(
        (&response["id"], &response["ok"]),
        (&json!("1"), &json!(true))
    );
    socket.expect_close(1001).await;
    ending.join().unwrap();
}

#[tokio::test]
async fn a_connection_that_waits_for_a_stalled_disk_can_be_taken_over() {
    let server = Server::start_on_files(&[]);
    let owner = server.owner();
    let (mut socket, _) = Socket::connect(&owner, &[], "sender").await;
    let mut others = Vec::new();
    for _ in 0..360 {
        others.push(caller(&owner).await);
    }
    let stalled = stall(&server);
    // More than wait for a commit.
    for other in &mut others {
        for id in 0..16 {
            other.send(&request(&id.to_string(), &[note(id)])).await;
        }
    }
    // Until all those are read there is room for a few of ours, and what stands behind them is answered.
    let stats =
        json!({"type": "request", "id": "stats", "method": "dashboard.stats", "params": {}});
    let mut is_answered = true;
    for _ in 0..10 {
        socket.send(&request("ours", &[note(1)])).await;
        socket.send(&stats).await;
        is_answered = socket.answers_soon().await;
        if !is_answered {
            break;
        }
    }
    assert!(!is_answered, "it waits at last");
    let _newer = Socket::connect(&owner, &[], "sender").await;
    let words = socket.expect_refusal(4002).await;
    assert!(words.contains("replaced"), "{words}");
    // It was not the end of the stall that let it go.
    others[0].expect_none().await;
    drop(stalled);
}
