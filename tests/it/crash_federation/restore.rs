//! A backup of an instance with something on its way, restored in place of one that is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tempfile::TempDir;

use crate::support::copy::check_copy;
use crate::support::instance::{Instance, UNLIMITED, link};
use crate::support::relay::Fate;

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
