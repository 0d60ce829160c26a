//! The server's signing keys, straight on its database.

use std::os::unix::fs::PermissionsExt;

use kite::server::{open_seed, seal_seed};
use kite::store::openintent::SigningKeyRecord;
use serde_json::Value;

use super::public;
use crate::support::cli::{Kite, Person};
use crate::support::server::Server;

const NOW: i64 = 1_700_000_000_000;

/// A server that has signed with a key before.
async fn server() -> Server {
    let server = Server::start_on_files(&["--openintent=false"]);
    let first = SigningKeyRecord {
        number: 1,
        seed: seal_seed(&server.sealer(), 1, &[1; 32]).unwrap(),
        created_at: NOW,
        retires_at: None,
    };
    server
        .store()
        .await
        .add_signing_key(first, NOW)
        .await
        .unwrap();
    server
}

fn identity(person: &Person, server: &Server, args: &[&str]) -> Kite {
    let data_dir = server.data_dir();
    let place = ["--data-dir", data_dir.to_str().unwrap()];
    person.kite(&[&["openintent", "identity"], args, &place].concat())
}

#[tokio::test]
async fn a_new_key_signs_and_the_one_before_is_published_for_a_while() {
    let (server, person) = (server().await, Person::new());
    let store = server.store().await;
    let version = store.access_version().await.unwrap();
    let published = identity(&person, &server, &["rotate", "--overlap", "2h", "--json"]);
    let published = published.succeeds().json();
    let [old, new] = &published.as_array().unwrap()[..] else {
        panic!("{published}");
    };
    assert_eq!((&old["number"], &new["number"]), (&1.into(), &2.into()));
    assert_eq!(old["public_key"], public(1));
    assert_eq!(new["retires_at"], Value::Null);
    let millis = |time: &Value| {
        let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
        time.as_millisecond()
    };
    assert_eq!(
        millis(&old["retires_at"]) - millis(&new["created_at"]),
        7_200_000
    );
    // A running server notices by that.
    assert_ne!(store.access_version().await.unwrap(), version);
    let keys = store
        .signing_keys(millis(&new["created_at"]))
        .await
        .unwrap();
    assert_eq!(keys.len(), 2);
    let again = identity(&person, &server, &["rotate"]);
    again
        .stdout_has("key: #key-3")
        .stdout_has("published until")
        .succeeds();
}

#[tokio::test]
async fn the_file_of_the_server_says_how_long_that_is() {
    let (server, person) = (server().await, Person::new());
    let file = person.home().join("kite.toml");
    std::fs::write(&file, "[openintent]\nkey_overlap = \"1h\"\n").unwrap();
    let rotate = ["rotate", "--config", "kite.toml", "--json"];
    let published = identity(&person, &server, &rotate).succeeds().json();
    let millis = |time: &Value| {
        let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
        time.as_millisecond()
    };
    let overlap = millis(&published[0]["retires_at"]) - millis(&published[1]["created_at"]);
    assert_eq!(overlap, 3_600_000);
}

#[tokio::test]
async fn an_exported_key_is_that_of_the_server_and_its_owner_s_alone() {
    let (server, person) = (server().await, Person::new());
    let export = |out: &str| identity(&person, &server, &["export", "--out", out]);
    let ended = export("server.key")
        .stdout_has(&public(1))
        .stderr_has("can sign as the server")
        .succeeds();
    assert!(!ended.stdout.contains("0101"), "{}", ended.stdout);
    let path = person.home().join("server.key");
    assert_eq!(std::fs::read(&path).unwrap(), [1; 32]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&path, "mine").unwrap();
    export("server.key")
        .stdout("")
        .stderr_has("not replaced")
        .exits(1);
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    // 32 bytes of 1 are a text too.
    let piped = export("-").succeeds();
    assert_eq!(piped.stdout.as_bytes(), [1; 32]);
}

#[tokio::test]
async fn another_secret_key_changes_nothing() {
    let (server, person) = (server().await, Person::new());
    let wrong = "x".repeat(32);
    for args in [&["rotate"][..], &["export", "--out", "k"]] {
        identity(&person, &server, args)
            .env("KITE_SECRET_KEY", &wrong)
            .stdout("")
            .stderr_has("sealed with another key")
            .exits(1);
    }
    let keys = server.store().await.signing_keys(NOW).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(*open_seed(&server.sealer(), &keys[0]).unwrap(), [1; 32]);
}

#[test]
fn where_there_is_no_key_none_is_made() {
    let server = Server::start_on_files(&["--openintent=false"]);
    let person = Person::new();
    identity(&person, &server, &["rotate"])
        .stderr_has("has no key for OpenIntent yet")
        .exits(3);
    person
        .kite(&["openintent", "identity", "rotate", "--data-dir", "nowhere"])
        .stderr_has("there is no secret key")
        .exits(3);
    assert!(!person.home().join("nowhere").exists());
}
