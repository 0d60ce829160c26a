//! `/metrics`: the page is well formed, `docs/operations.md` names what is on it, and what is done is counted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::json;

use super::exposition::Page;
use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::hooks::Endpoint;
use crate::support::http::{Access, answer};
use crate::support::postgres::Cluster;
use crate::support::server::Server;

async fn page(access: &Access) -> Page {
    let told = access.get("/metrics").await;
    assert_eq!(told.status, 200, "{}", told.text);
    Page::read(&told.text).unwrap_or_else(|fault| panic!("{fault}\n{}", told.text))
}

/// The first column of the table of metrics in the guide: name and kind.
fn documented() -> BTreeSet<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let guide = fs::read_to_string(path).unwrap();
    let table = guide
        .lines()
        .skip_while(|line| !line.starts_with("| metric "));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let cell = |row: &str, place| row.split('|').nth(place).map(str::trim).map(str::to_owned);
    rows.map(|row| {
        let name = cell(row, 1).unwrap();
        (name.trim_matches('`').to_owned(), cell(row, 2).unwrap())
    })
    .collect()
}

#[tokio::test]
async fn the_table_of_the_guide_and_the_page_name_the_same() {
    let server = Server::start();
    let shown: BTreeSet<(String, String)> = page(&server.owner())
        .await
        .0
        .into_iter()
        .map(|(name, family)| (name, family.kind))
        .collect();
    let documented = documented();
    assert!(documented.len() > 20, "{documented:?}");
    let missing: Vec<_> = shown.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&shown).collect();
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
    assert!(invented.is_empty(), "not on the page: {invented:?}");
}

#[tokio::test]
async fn what_is_done_is_counted() {
    let server = Server::start();
    let owner = server.owner();
    let ben = Person::agent(&owner, "ben");
    owner.tell("ada", "ben", "one").await;
    owner.tell("ada", "ben", "two").await;
    let event = json!({"specversion": "1.0", "id": "e-1", "source": "https://a.example", "type": "a.b", "data": 1});
    for status in [202, 200] {
        owner.emit(&event).await.expect(status);
    }
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let post = owner.bare(Method::POST, &app.path_with_token()).body("{}");
    answer(post).await.expect(202);
    owner.get("/nowhere").await.refused(404, "not_found");

    let counted = page(&owner).await;
    for (name, labels, expected) in [
        ("kite_events_total", &[("origin", "message")][..], 2.0),
        ("kite_events_total", &[("origin", "api")], 1.0),
        ("kite_events_total", &[("origin", "webhook")], 1.0),
        ("kite_events_total", &[("origin", "peer")], 0.0),
        (
            "kite_events_declined_total",
            &[("reason", "duplicate")],
            1.0,
        ),
        ("kite_commit_events", &[], 5.0),
        ("kite_commit_duration_seconds", &[], 5.0),
        ("kite_commits_failed_total", &[], 0.0),
        (
            "kite_http_requests_total",
            &[
                ("route", "/api/v1/agents/messages"),
                ("method", "POST"),
                ("status", "2xx"),
            ],
            2.0,
        ),
        (
            "kite_http_request_duration_seconds",
            &[
                ("route", "/hooks/{team}/{source}/{token}"),
                ("method", "POST"),
            ],
            1.0,
        ),
        (
            "kite_http_requests_total",
            &[("route", "none"), ("status", "4xx")],
            1.0,
        ),
        ("kite_session_events_total", &[], 0.0),
    ] {
        assert_eq!(counted.value(name, labels), expected, "{name} {labels:?}");
    }
    let started = counted.value("process_start_time_seconds", &[]);
    assert!(started > 1.7e9, "{started}");

    // What came before a listener it reads from the log, then it hears what comes.
    let mut listener = ben.listen();
    listener.line();
    listener.line();
    eventually("the listener has caught up", || async {
        owner.tell("ada", "ben", "three").await;
        let counted = page(&owner).await;
        let live = counted.value("kite_session_events_total", &[("from", "live")]);
        (live > 0.0).then_some(())
    })
    .await;
    let counted = page(&owner).await;
    assert!(counted.value("kite_session_events_total", &[("from", "log")]) >= 2.0);
    assert!(counted.value("kite_replay_reads_total", &[]) >= 1.0);
    assert!(counted.value("kite_sessions_total", &[]) >= 1.0);
}

#[tokio::test]
async fn the_connections_to_postgresql_are_counted() {
    let server = Server::start_on(&Cluster::shared().database());
    let counted = page(&server.owner()).await;
    let max = counted.value("kite_database_connections_max", &[]);
    let open = counted.value("kite_database_connections", &[]);
    assert!(max >= open && open >= 1.0, "{open} of {max}");
    assert_eq!(counted.0["kite_database_connections"].samples.len(), 2);
}

#[tokio::test]
async fn nothing_on_the_page_names_a_team_or_what_it_has() {
    let server = Server::start();
    let red = server.fresh_team("red");
    let app = Endpoint::create(&red, json!({"source": "secret-app"})).await;
    let post = red.bare(Method::POST, &app.path_with_token()).body("{}");
    answer(post).await.expect(202);
    red.tell("agent-x", "agent-y", "hello").await;
    let told = answer(red.bare(Method::GET, "/metrics")).await;
    let page = Page::read(&told.text).unwrap();
    assert_eq!(
        page.value("kite_events_total", &[("origin", "webhook")]),
        1.0
    );
    for word in [
        red.team.as_str(),
        "secret-app",
        &app.token,
        "agent-x",
        "kite_wht",
    ] {
        assert!(!told.text.contains(word), "`{word}` is in {}", told.text);
    }
}
