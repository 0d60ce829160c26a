//! The log of a server: objects for machines, ids that join it with the answers, and no secrets.

use std::fs;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::cli::{KITE, Person, clean};
use crate::support::eventually;
use crate::support::hooks::Endpoint;
use crate::support::http::answer;
use crate::support::process::Process;
use crate::support::server::Server;

fn id_of(headers: &HeaderMap) -> String {
    headers["x-request-id"].to_str().unwrap().to_owned()
}

/// The lines of a server's log, each an object.
fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

/// Waits for the line about a request.
async fn line_of(server: &Server, id: &str) -> Value {
    eventually("the request is logged", || async {
        // The last line may be half there.
        let log = server.log();
        let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
        lines(whole).into_iter().find(|line| line["request"] == id)
    })
    .await
}

#[tokio::test]
async fn each_request_has_an_id_that_joins_the_answer_and_the_log() {
    let server = Server::start_with(&["--log-format", "json", "-v"]);
    let owner = server.owner();
    let told = owner.get("/api/v1/stats?scope=geheim").await;
    let line = line_of(&server, &id_of(&told.headers)).await;
    assert_eq!(line["level"], "debug");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/api/v1/stats");
    assert_eq!(line["status"], 200);
    assert!(line["millis"].is_f64(), "{line}");
    let time = line["time"].as_str().unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert!(line["target"].as_str().unwrap().starts_with("kite::"));
    let again = owner.get("/api/v1/stats").await;
    assert_ne!(id_of(&again.headers), id_of(&told.headers));
}

#[tokio::test]
async fn the_log_has_routes_and_neither_addresses_nor_headers() {
    let server = Server::start_with(&["--log-format", "json", "-vv"]);
    let owner = server.owner();
    let app = Endpoint::create(&owner, json!({"source": "my-app"})).await;
    let path = format!("{}?key=in-the-query", app.path_with_token());
    let post = owner
        .bare(Method::POST, &path)
        .header("X-Secret", "in-a-header")
        .header("X-Request-ID", "said-by-nobody-known");
    let told = answer(post.body("{\"a\":\"in-the-body\"}")).await;
    assert_eq!(told.status, 202);
    let line = line_of(&server, &id_of(&told.headers)).await;
    assert_eq!(line["route"], "/hooks/{team}/{source}/{token}");
    let unknown = owner.get("/kite_wht_no-such-place/x").await;
    assert_eq!(
        line_of(&server, &id_of(&unknown.headers)).await["route"],
        "none"
    );
    let log = server.log();
    for secret in [
        app.token.as_str(),
        &owner.key,
        "in-the-query",
        "in-a-header",
        "in-the-body",
        "said-by-nobody-known",
        "no-such-place",
    ] {
        assert!(!log.contains(secret), "`{secret}` is in {log}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_names_requests_and_nobody_else_does() {
    for (flags, expected) in [
        (&["--trusted-proxies", "127.0.0.1"][..], true),
        (&[], false),
    ] {
        let server = Server::start_with(flags);
        let owner = server.owner();
        let ask = |id: &'static str| {
            answer(
                owner
                    .bare(Method::GET, "/healthz")
                    .header("X-Request-ID", id),
            )
        };
        assert_eq!(
            id_of(&ask("edge-7.a_b").await.headers) == "edge-7.a_b",
            expected
        );
        let long = "x".repeat(65).leak();
        for id in ["two words", "quo\"te", long] {
            assert_eq!(id_of(&ask(id).await.headers).len(), 36, "{id}");
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_store_is_logged_under_the_id_that_the_answer_names() {
    let server = Server::start_on_files(&["--log-format", "json"]);
    let owner = server.owner();
    let database = rusqlite::Connection::open(server.data_dir().join("kite.db")).unwrap();
    database
        .execute_batch("ALTER TABLE agents RENAME TO away")
        .unwrap();
    let told = owner.get("/api/v1/agents").await;
    database
        .execute_batch("ALTER TABLE away RENAME TO agents")
        .unwrap();
    told.refused(503, "unavailable");
    let id = id_of(&told.headers);
    let said = told.json["error"].as_str().unwrap();
    assert_eq!(said, format!("the store is unusable (reference {id})"));
    let line = line_of(&server, &id).await;
    assert_eq!(line["level"], "error");
    assert_eq!(line["message"], "the store failed");
    assert!(line["error"].as_str().unwrap().contains("agents"), "{line}");
}

#[tokio::test]
async fn text_stays_text_and_names_the_request_too() {
    let server = Server::start_with(&["-v"]);
    let told = server.owner().get("/healthz").await;
    let ending = format!("request={}", id_of(&told.headers));
    eventually("the request is logged", || async {
        let log = server.log();
        let line = log.lines().find(|line| line.ends_with(&ending))?;
        assert!(line.contains("DEBUG kite::server"), "{line}");
        assert!(line.contains("route=\"/healthz\""), "{line}");
        Some(())
    })
    .await;
    // Without `-v` there is no line for a request that went well.
    let quiet = Server::start();
    quiet.owner().get("/healthz").await;
    quiet.owner().get("/healthz").await;
    assert!(!quiet.log().contains("/healthz"), "{}", quiet.log());
}

/// Everything on stderr is an object, from the first start to the end, and a start that fails says so in one too.
#[test]
fn as_json_there_is_no_other_line() {
    let dir = TempDir::new().unwrap();
    let start = |listen: &str| {
        let mut command = clean(KITE, dir.path());
        command
            .env("KITE_LOG_FORMAT", "json")
            .args(["serve", "--listen", listen, "--data-dir"])
            .arg(dir.path().join("data"));
        Process::start("kite serve", command, None)
    };
    let process = start("127.0.0.1:0");
    process.wait_to_say("the server listens");
    process.signal("TERM");
    let ended = process.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    let said = lines(&ended.stderr);
    let messages: Vec<_> = said
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        [
            "first start: made a team and an admin key",
            "the server listens",
            "the server ends: finishing what was taken"
        ]
    );
    assert!(said[1]["url"].as_str().unwrap().starts_with("http://127."));
    assert!(!ended.stderr.contains("kite_api"), "{}", ended.stderr);

    let failed = start("192.0.2.1:1").end();
    let said = lines(&failed.stderr);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert_eq!(said.last().unwrap()["level"], "error");
    assert!(
        said.last().unwrap()["message"]
            .as_str()
            .unwrap()
            .contains("192.0.2.1:1")
    );
}

#[tokio::test]
async fn the_format_is_a_key_of_the_file_and_no_other_word_is_one() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite.toml");
    fs::write(&file, "log_format = \"json\"\n").unwrap();
    let server = Server::start_with(&["--config", file.to_str().unwrap(), "-v"]);
    let told = server.owner().get("/healthz").await;
    line_of(&server, &id_of(&told.headers)).await;
    fs::write(&file, "log_format = \"xml\"\n").unwrap();
    Person::new()
        .kite(&["serve", "--config", file.to_str().unwrap()])
        .stderr_has("line 1")
        .exits(2);
}
