//! A client that is generated from the document.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{document, program};
use crate::support::process::Process;
use crate::support::server::Server;

#[tokio::test]
async fn a_generated_client_sends_a_message() {
    let server = Server::start();
    let home = TempDir::new().unwrap();
    let file = home.path().join("openapi.json");
    fs::write(&file, document(&server).await.to_string()).unwrap();

    let mut generate = program("generate.py", home.path());
    generate.arg(&file).arg(home.path().join("generated"));
    let ended = Process::start("the generator", generate, None).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!said.to_lowercase().contains("warning"), "{said}");

    let owner = server.owner();
    let mut work = program("client.py", home.path());
    work.env("PYTHONPATH", home.path())
        .args([&owner.url, &owner.key]);
    let ended = Process::start("the generated client", work, None).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        told,
        json!({
            "agent": "al",
            "to": "al",
            "types": ["com.kite.agent.message"],
            "bodies": ["hello"],
            "revoked": true,
            "refused": 401,
        })
    );
}
