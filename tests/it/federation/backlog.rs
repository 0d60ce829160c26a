//! A hundred thousand rows that wait for a peer that is away cost nobody else anything (promises 5 and 8).

use serde_json::{Value, json};

use super::hook::{Reply, closed_port};
use super::site::Site;
use crate::support::chance::number;

/// How many rows wait; 100,000 in the full form.
fn events() -> usize {
    usize::try_from(number("KITE_FEDERATION_BACKLOG", 3000)).unwrap()
}

/// How much more memory a server may hold with all of them than with a few, whatever their number, in KiB.
const GROWN_MAX_KIB: u64 = 96 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_wait_for_a_dead_peer_hold_up_neither_senders_nor_other_peers() {
    let events = events();
    let site = Site::new();
    let hook = site
        .hook(|peer, _, _| match peer {
            "hangs" => Reply::Hangs,
            _ => Reply::status(202),
        })
        .await;
    let a = site.instance("a");
    let away = format!("https://localhost:{}/hooks/t/kite", closed_port().await);
    let away = a.add("away", &away).await;
    a.add("hangs", &hook.url("hangs")).await;
    a.add("good", &hook.url("good")).await;
    let before = a.server.memory_kib();
    let person = a.person();
    let line = |nth: usize| {
        json!({"specversion": "1.0", "id": format!("e-{nth:06}"), "source": "s", "type": "t",
            "data": "x".repeat(200)})
        .to_string()
    };
    // Chunk by chunk, and each is with the good one before the next is sent: however many rows wait by then.
    let mut sent = 0;
    while sent < events {
        let lines: Vec<String> = (sent..events.min(sent + 1000)).map(line).collect();
        sent += lines.len();
        person
            .kite(&["emit", "--batch", "-"])
            .stdin(lines.join("\n"))
            .succeeds();
        hook.has_come("good", sent).await;
    }
    a.until("good", "has all", |health| health["backlog"] == 0)
        .await;
    assert!(hook.counts("good").values().all(|count| *count == 1));
    assert_eq!(hook.counts("good").len(), events);
    for name in ["away", "hangs"] {
        assert_eq!(a.health(name).await["backlog"], events, "{name}");
    }
    // What was tried at those that are away does not grow with what waits for them: five failures, and then probes.
    let tried = a.attempts(&away).await.len();
    assert!(tried >= 5, "{tried}");
    let most = 20 + events / 500;
    assert!(tried <= most, "{tried}");
    let grown = a.server.memory_kib().saturating_sub(before);
    assert!(grown < GROWN_MAX_KIB, "{grown} KiB");

    // It comes back elsewhere: it gets all, once, in a time that has no backoff in it.
    let path = format!("/api/federation/peers/{}", away["id"].as_str().unwrap());
    let change = json!({"peer_hook_url": hook.url("away")}).to_string();
    let request = a.owner.request(reqwest::Method::PATCH, &path);
    let request = request
        .header("content-type", "application/json")
        .body(change);
    crate::support::http::answer(request).await.expect(200);
    let id = away["id"].as_str().unwrap();
    a.call(reqwest::Method::POST, &format!("peers/{id}/test"))
        .await;
    // With the event of that test.
    hook.has_come("away", events + 1).await;
    a.until("away", "has all", |health| health["backlog"] == 0)
        .await;
    let counts = hook.counts("away");
    let theirs: Vec<_> = counts
        .iter()
        .filter(|(id, _)| id.starts_with("e-"))
        .collect();
    assert_eq!(theirs.len(), events);
    assert!(theirs.iter().all(|(_, count)| **count == 1));
    let standing: Value = a.health("away").await;
    assert_eq!(standing["dead_letters"], 0);
}
