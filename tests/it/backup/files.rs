//! Databases that are files: what stands beside them, and who else has them.

use std::fs;

use kite::base::clock::Clock;

use kite::store::backup::{Depth, Restoring, back_up, check, restore};

use kite::store::{Address, StoreError};
use rusqlite::Connection;

use serde_json::json;

use super::home::*;
use crate::support::cli::Person;
use crate::support::eventually;

use crate::support::postgres::Cluster;
use crate::support::server::Server;

/// SQLite takes a write-ahead log for that of whatever file it is beside.
#[tokio::test]
async fn what_is_left_of_a_lost_database_does_not_get_into_the_restored_one() {
    for is_empty in [false, true] {
        let mut server = Server::start_on_files(&[]);
        let home = Home::sqlite();
        let file = home.file("backup.db");
        let database = server.data_dir().join("kite.db");
        let address = Address::Sqlite(database.clone());
        back_up(&address, &file, false).await.unwrap();
        let late = json!({"type": "late", "data": 1});
        server.owner().emit(&late).await.expect(202);
        server.kill();
        fs::remove_file(&database).unwrap();
        if is_empty {
            fs::write(&database, "").unwrap();
        }
        let how = Restoring {
            replaces: false,
            keeps_numbers: false,
            now: Clock::system().unix_millis(),
        };
        let restored = unlocked(async || restore(&file, &address, how).await).await;
        let aside = restored.unwrap().set_aside.unwrap();
        assert!(aside.to_string_lossy().ends_with("-wal"), "{aside:?}");
        assert!(fs::metadata(&aside).unwrap().len() > 0);
        let report = check(&address, Depth::Full).await.unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.counts.events, 0);
    }
}

#[tokio::test]
async fn a_backup_takes_the_place_of_no_database_that_is_in_use() {
    let (home, other) = (Home::sqlite(), Home::sqlite());
    furnish(&home).await;
    let _store = other.open().await;
    for (from, name) in [
        (&home, "kite.db"),
        (&other, "kite.db"),
        (&other, "kite.db-wal"),
    ] {
        let made = back_up(&from.address(), &other.file(name), true).await;
        assert!(matches!(made, Err(StoreError::Unusable { .. })), "{made:?}");
    }
}

/// PostgreSQL shows a table that is emptied as empty also to those who look at an earlier moment.
#[tokio::test]
async fn a_backup_that_waits_for_a_restore_has_what_was_restored() {
    let home = Home::postgres();
    furnish(&home).await;
    let url = home.url.as_deref().unwrap();
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    // What a restore does.
    let restoring = client.transaction().await.unwrap();
    restoring
        .batch_execute(
            "LOCK TABLE agents IN ACCESS EXCLUSIVE MODE;
             CREATE TEMPORARY TABLE kept AS SELECT * FROM agents;
             TRUNCATE agents;
             INSERT INTO agents SELECT * FROM kept",
        )
        .await
        .unwrap();
    let file = home.file("backup.db");
    let address = home.address();
    let restored = async {
        eventually("the backup waits", || async {
            let waiting =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'agents'::regclass";
            (Cluster::shared().sql_in(url, waiting) == "1").then_some(())
        })
        .await;
        restoring.commit().await.unwrap();
    };
    let (made, ()) = tokio::join!(back_up(&address, &file, false), restored);
    let made = made.unwrap();
    assert_eq!(made.counts.agents, 1);
    driver.abort();
}

#[tokio::test]
async fn a_database_that_somebody_has_locked_is_not_taken_for_a_broken_one() {
    let home = Home::sqlite();
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let other = Connection::open(home.file("kite.db")).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let refused = home.try_restore(&file, &["replace"]).await;
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("another process has it open"), "{words}");
    drop(other);
    assert_eq!(bounds(&*home.open().await).await.last, 9);
}

#[tokio::test]
async fn a_link_to_a_database_stands_for_the_database() {
    let home = Home::sqlite();
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let link = home.file("link.db");
    std::os::unix::fs::symlink(home.file("kite.db"), &link).unwrap();
    let address = Address::Sqlite(link.clone());
    let how = Restoring {
        replaces: true,
        keeps_numbers: false,
        now: Clock::system().unix_millis(),
    };
    let store = home.open().await;
    let refused = restore(&file, &address, how).await;
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    drop(store);
    let restored = unlocked(async || restore(&file, &address, how).await).await;
    let restored = restored.unwrap();
    assert!(link.is_symlink());
    let last = restored.logs.iter().map(|log| log.last_seq).max().unwrap();
    let store = home.open().await;
    assert_eq!(bounds(&*store).await.last, last);
}

#[tokio::test]
async fn a_file_of_an_older_kite_is_restored_and_left_as_it_is() {
    let home = Home::sqlite();
    let file = home.file("old.db");
    let old = Connection::open(&file).unwrap();
    old.execute_batch(include_str!(
        "../../../src/store/migrations/sqlite/0001_first.sql"
    ))
    .unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x6b697465;
         PRAGMA user_version = 1;
         INSERT INTO instance (id, instance_id, created_at) VALUES (1, 'old', 1);
         INSERT INTO teams (number, id, created_at) VALUES (1, 'acme', 1);",
    )
    .unwrap();
    drop(old);
    let before = fs::read(&file).unwrap();
    let restored = home.restore(&file, &[]).await;
    assert_eq!(restored.instance_id.as_deref(), Some("old"));
    assert!(fs::read(&file).unwrap() == before, "it was changed");
    assert!(home.check().await.is_sound());
}

#[test]
fn a_restore_that_is_killed_leaves_the_database_as_it_was() {
    let mut server = Server::start_on_files(&[]);
    server.stop();
    let file = server.data_dir().join("backup.db");
    server.admin(&["backup", file.to_str().unwrap()]);
    let (dir, backup) = (server.data_dir(), file.display());
    // What it writes beside the database grows beyond what it may.
    let line = format!(
        "ulimit -c 0; ulimit -f 64; kite admin restore {backup} --replace --data-dir {}; exit $?",
        dir.display()
    );
    Person::new().shell(&line).exits(153);
    let after = dir.join("after.db");
    server.admin(&["backup", after.to_str().unwrap()]);
    assert_eq!(tables(&after), tables(&file));
    server.start_elsewhere();
    assert_eq!(server.admin(&["check"])["sound"], true);
}
