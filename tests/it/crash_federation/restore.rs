//! A backup of an instance with something on its way, restored in place of one that is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::copy::check_copy;
use crate::support::eventually;
use crate::support::http::{Access, Answer};
use crate::support::instance::{Instance, UNLIMITED, link};
use crate::support::postgres::Cluster;
use crate::support::receiver::Receiver;
use crate::support::relay::Fate;
use crate::support::server::Server;

const WAITING: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_delivers_what_waited_and_lists_what_was_given_up() {
    let mut a = Instance::start_on_files("a").await;
    let refuse = |id: &str| match id.starts_with("bad") {
        true => Fate::Refused(422),
        false => Fate::Passed,
    };
    let b = Instance::start_behind("b", refuse).await;
    let c = Instance::start("c").await;
    let to_b = link(&a, &b, UNLIMITED).await;
    link(&a, &c, UNLIMITED).await;
    let letters = "/api/federation/dead-letters";
    a.take("bad", 3).await;
    a.take("fine", 5).await;
    b.has(5).await;
    a.is_drained().await;
    let dead = a.server.owner().get(letters).await.expect(200);
    let ids = |rows: &serde_json::Value| -> Vec<String> {
        let rows = rows.as_array().unwrap().iter();
        let mut ids: Vec<String> = rows
            .map(|row| row["event_id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&dead), ["bad-0", "bad-1", "bad-2"]);
    a.set_status(&to_b, "paused").await;
    a.take("waits", WAITING).await;
    c.has(8 + WAITING).await;
    a.is_drained_but_for(WAITING).await;

    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite-backup.db");
    a.server.admin(&["backup", file.to_str().unwrap()]);
    // What is not in the backup is gone, but where it has been.
    a.take("later", 5).await;
    c.has(8 + WAITING + 5).await;
    a.kill();
    let data_dir = a.server.data_dir();
    let key_file = data_dir.join("secret.key");
    let key = fs::read(&key_file).unwrap();
    fs::remove_dir_all(&data_dir).unwrap();
    a.server.admin(&["restore", file.to_str().unwrap()]);
    fs::write(&key_file, key).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    a.revive();

    let access = a.server.owner();
    let restored = access.get(letters).await.expect(200);
    assert_eq!(ids(&restored), ids(&dead));
    a.is_drained_but_for(WAITING).await;
    a.set_status(&to_b, "active").await;
    a.take("new", 5).await;
    b.has(5 + WAITING + 5).await;
    c.has(8 + WAITING + 10).await;
    a.is_drained().await;
    let log = a.log().await;
    let sent: Vec<_> = log
        .iter()
        .filter(|entry| !entry.value.starts_with("bad"))
        .cloned()
        .collect();
    check_copy(&b.log().await, &[&sent]).unwrap();
    let mut known = c.log().await;
    known.retain(|entry| !entry.value.starts_with("later"));
    check_copy(&log, &[&known]).unwrap();
    assert_eq!(c.relay.answered(200), 0, "nothing is sent again");

    let replayed = access
        .post(
            &format!("{letters}/replay"),
            json!({"peer_id": to_b}).to_string(),
        )
        .await;
    assert_eq!(replayed.expect(200), json!({"replayed": 3}));
    a.is_drained().await;
    let again = access.get(letters).await.expect(200);
    assert_eq!(ids(&again), ids(&dead), "they are refused again");
    assert_eq!(b.relay.times()["bad-0"], 2);
    assert_eq!(a.server.admin(&["check"])["sound"], true);
}

/// What stands for the peers of an instance, but for what changes by itself.
async fn peers(access: &Access) -> Value {
    let mut peers = access.get("/api/federation/peers").await.expect(200);
    for peer in peers.as_array_mut().unwrap() {
        peer.as_object_mut().unwrap().remove("updated_at");
    }
    peers
}

async fn invite(access: &Access) -> String {
    let made = access.post("/api/federation/invites", "{}").await;
    made.expect(201)["code"].as_str().unwrap().to_owned()
}

async fn join(access: &Access, code: &str) -> Answer {
    let draft = json!({"code": code}).to_string();
    access.post("/api/federation/join", draft).await
}

async fn arrives(at: &Access, id: &str) {
    eventually("the event arrives", async || {
        let shown = at.get(&format!("/api/v1/events/{id}")).await;
        (shown.status == 200).then_some(())
    })
    .await;
}

async fn keeps_its_connections(start: impl FnOnce(&[&str]) -> Server) {
    let is_there = Arc::new(AtomicBool::new(false));
    let answers = is_there.clone();
    let paperclip = Receiver::answering(move |_| {
        Some(if answers.load(Ordering::Relaxed) {
            200
        } else {
            503
        })
    });
    let mut a = start(&[
        "--instance-id",
        "kite-a",
        "--allow-insecure-peers",
        "--paperclip-api-url",
        &paperclip.url,
    ]);
    let open = |id: &str| Server::start_with(&["--instance-id", id, "--allow-insecure-peers"]);
    let (b, c) = (open("kite-b"), open("kite-c"));
    let (at_b, at_c) = (b.owner(), c.owner());
    let at_a = a.owner();
    let (used, unused) = (invite(&at_a).await, invite(&at_a).await);
    join(&at_b, &used).await.expect(200);
    let told = at_a.tell("x", "nobody", "before the loss").await;
    arrives(&at_b, &told).await;
    let before = peers(&at_a).await;
    let kinds: Vec<&Value> = before
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert!(
        kinds.contains(&&json!("paperclip")) && kinds.len() == 2,
        "{before:#}"
    );
    let invites = at_a.get("/api/federation/invites").await.expect(200);

    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kite-backup.db");
    a.stop();
    a.admin(&["backup", file.to_str().unwrap()]);
    a.admin(&["restore", file.to_str().unwrap(), "--replace"]);
    assert_eq!(a.admin(&["check"])["sound"], true);
    is_there.store(true, Ordering::Relaxed);
    a.start_again();

    let at_a = a.owner();
    assert_eq!(peers(&at_a).await, before);
    assert_eq!(
        at_a.get("/api/federation/invites").await.expect(200),
        invites
    );
    eventually("Paperclip has what waited", async || {
        paperclip.ids().contains(&told).then_some(())
    })
    .await;
    // Both directions, and both invitations, are what they were.
    let there = at_a.tell("x", "helper@kite-b", "are you there?").await;
    arrives(&at_b, &there).await;
    let back = at_b.tell("helper", "x@kite-a", "yes").await;
    arrives(&at_a, &back).await;
    join(&at_c, &used).await.refused(409, "invite_used");
    assert_eq!(join(&at_b, &used).await.expect(200)["renewed"], true);
    let joined = join(&at_c, &unused).await.expect(200);
    assert_eq!(joined["to_peer"]["status_code"], 200, "{joined:#}");
    assert_eq!(joined["from_peer"]["status_code"], 200, "{joined:#}");
    assert_eq!(a.admin(&["check"])["sound"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_keeps_its_connections_and_its_invitations() {
    keeps_its_connections(Server::start_on_files).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_on_postgresql_keeps_its_connections_and_its_invitations() {
    let database = Cluster::shared().database();
    keeps_its_connections(|flags| Server::start_on_with(&database, flags)).await;
}
