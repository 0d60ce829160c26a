//! The commands, and who listens meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::load::{Load, Nodes};

use crate::support::server::Server;
use crate::support::socket::Socket;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listened_to_a_server_that_is_lost_goes_on_with_the_restored_one() {
    let mut server = Server::start_on_files(&[]);
    let access = server.owner();
    let nodes = Nodes::new(&[&server]);
    let (mut reader, _) = Socket::connect(&access, &["*"], "reader").await;
    let load = Load::start(&nodes, 4, 100);
    load.acknowledges(100).await;
    for _ in 0..50 {
        reader.next_event().await;
    }
    reader.ack(50).await;
    eventually("the ack is stored", || async {
        (server.sql("SELECT CAST(acked AS TEXT) FROM cursors") == "50").then_some(())
    })
    .await;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite-backup.db");
    let made = server.admin(&["backup", file.to_str().unwrap()]);
    assert!(made["events"].as_u64() >= Some(100), "{made}");
    load.acknowledges(100).await;
    load.stop().await;
    let last = access.log().await.len() as u64;
    // Everything goes but the key, which is kept apart.
    server.kill();
    let data_dir = server.data_dir();
    let key = fs::read(data_dir.join("secret.key")).unwrap();
    fs::remove_dir_all(&data_dir).unwrap();
    let restored = server.admin(&["restore", file.to_str().unwrap()]);
    assert_eq!(restored["events"], made["events"], "{restored}");
    let (first, events) = (&restored["logs"][0]["first_seq"], made["events"].as_u64());
    let (first, events) = (first.as_u64().unwrap(), events.unwrap());
    assert!(first > last, "{restored}");
    fs::write(data_dir.join("secret.key"), key).unwrap();
    fs::set_permissions(
        data_dir.join("secret.key"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();

    server.start_elsewhere();
    let access = server.owner();
    let (mut reader, _) = Socket::connect(&access, &["*"], "reader").await;
    for seq in first + 50..first + events {
        assert_eq!(reader.next_event().await["seq"], seq);
    }
    access.tell("a", "b", "new").await;
    assert_eq!(reader.next_event().await["seq"], first + events);
    assert_eq!(server.admin(&["check"])["sound"], true);
}

#[test]
fn the_commands_say_what_they_did_and_what_they_will_not_do() {
    let server = Server::start_on_files(&[]);
    let person = Person::new();
    let dir = server.data_dir();
    let dir = ["--data-dir", dir.to_str().unwrap()];
    let kite = |args: &[&str]| person.kite(&[&["admin"], args, &dir[..]].concat());
    kite(&["backup", "b.db"])
        .stdout_has("Backed up 1 team(s) with 0 events to b.db")
        .stderr_has("KITE_SECRET_KEY")
        .succeeds();
    kite(&["backup", "b.db"]).stderr_has("--force").exits(1);
    kite(&["backup", "-"]).stderr_has("name a file").exits(2);
    kite(&["restore", "b.db", "--replace"])
        .stderr_has("another kite server is using")
        .exits(1);
    kite(&["restore", "none.db"])
        .stderr_has("there is no file")
        .exits(3);
    kite(&["check"]).stdout_has("Sound: 0 faults").succeeds();
    server.sql("UPDATE teams SET last_seq = 2 WHERE id = 'default' RETURNING id");
    let found = kite(&["check", "--json"]).exits(1).stdout;
    let found: Vec<serde_json::Value> = found
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(found[0]["subject"], "numbers");
    assert_eq!(found[0]["message"], "events 1 to 2 are missing");
    assert_eq!(
        (&found[1]["sound"], &found[1]["faults"]),
        (&json!(false), &json!(1))
    );
    kite(&["backup", "c.db"]).stderr_has("is damaged").exits(1);
    assert!(!person.home().join("c.db").exists());
    let elsewhere = person.home().join("other");
    let elsewhere = ["--data-dir", elsewhere.to_str().unwrap()];
    person
        .kite(&[&["admin", "restore", "b.db"], &elsewhere[..]].concat())
        .stdout_has("NUMBERS NOW")
        .stderr_has("secret.key")
        .succeeds();
}
