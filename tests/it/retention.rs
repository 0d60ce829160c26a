//! What retention takes is told to those who would have read it, and nobody else notices (spec 15).

use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::http::Access;
use crate::support::server::Server;
use crate::support::socket::Socket;

async fn fill(access: &Access, count: u64, bytes: usize) {
    let filler = "x".repeat(bytes);
    for n in 1..=count {
        let event = json!({"type": "com.acme.note", "data": {"n": n, "filler": filler}});
        access.emit(&event).await.expect(202);
    }
}

#[tokio::test]
async fn a_reader_that_retention_overtakes_is_told_what_is_gone() {
    const EVENTS: u64 = 300;
    const GONE: u64 = 290;
    let server = Server::start();
    let access = server.owner();
    Socket::connect(&access, &["*"], "reader").await.0.cut();
    // More than the system keeps for a socket that nobody reads.
    fill(&access, EVENTS, 128 * 1024).await;
    let (mut reader, _) = Socket::connect(&access, &["*"], "reader").await;
    assert_eq!(reader.next_event().await["seq"], 1);
    let store = server.store().await;
    let team = access.team.parse().unwrap();
    store.prune(team, GONE, usize::MAX).await.unwrap();

    let mut last = 1;
    let expired = loop {
        let frame = reader.next().await;
        if frame["type"] != "event" {
            break frame;
        }
        last += 1;
        assert_eq!(frame["seq"], last, "what was under way comes in order");
    };
    assert!(last < GONE, "{last}");
    assert_eq!(expired["type"], "cursor_expired", "{expired}");
    assert_eq!(expired["oldest_available_seq"], GONE + 1);
    for seq in GONE + 1..=EVENTS {
        assert_eq!(reader.next_event().await["seq"], seq);
    }
}

#[tokio::test]
async fn a_stream_that_comes_back_too_late_says_which_events_it_missed() {
    let server = Server::start();
    let access = server.owner();
    let person = Person::at(&server);
    let args = ["stream", "--json", "--client-id", "late", "--count", "1"];
    drop(person.listening(&args));
    fill(&access, 5, 1).await;
    let team = access.team.parse().unwrap();
    let store = server.store().await;
    store.prune(team, 3, usize::MAX).await.unwrap();
    let ended = person.kite(&args).succeeds();
    assert_eq!(ended.json()["kiteseq"], 4);
    let told = ended.stderr.lines().map(serde_json::from_str::<Value>);
    let gap = told.flatten().find(|told| told["event"] == "gap").unwrap();
    assert_eq!((&gap["from"], &gap["to"]), (&json!(1), &json!(3)), "{gap}");
}
