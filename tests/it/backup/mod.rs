//! Backups, restores and checks: what comes back is what was there, and no number comes again for another event (promises 1,
//! 2, 3 and 6).

mod commands;
mod faults;
mod files;
mod home;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use kite::protocol::permission::Permissions;
use kite::protocol::scope::Scopes;
use kite::server::new_key;
use kite::store::backup::{Depth, Restoring, back_up, check, restore};

use kite::store::record::{Bounds, NewEvent, Outcome};

use kite::store::{Address, Role, StoreError, open};
use rusqlite::Connection;
use rusqlite::types::Value;

use self::faults::*;
use self::home::*;

/// Expands every case for every kind of database, or for every way from one to another.
macro_rules! cases {
    (one: $($one:ident),*; two: $($two:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $one() {
                super::$one(super::Home::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $one() {
                super::$one(super::Home::postgres()).await;
            })*
        }
        cases!(way: from_sqlite_to_sqlite, sqlite, sqlite, $($two),*);
        cases!(way: from_sqlite_to_postgres, sqlite, postgres, $($two),*);
        cases!(way: from_postgres_to_sqlite, postgres, sqlite, $($two),*);
        cases!(way: from_postgres_to_postgres, postgres, postgres, $($two),*);
    };
    (way: $way:ident, $from:ident, $to:ident, $($case:ident),*) => {
        mod $way {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Home::$from(), super::Home::$to()).await;
            })*
        }
    };
}

cases! {
    one:
    a_backup_under_load_is_of_one_moment,
    a_database_with_data_is_replaced_only_on_demand,
    numbers_are_not_kept_where_others_have_them,
    a_server_on_the_target_is_noticed,
    a_restore_that_fails_leaves_everything_as_it_was,
    files_that_are_no_sound_backup_are_refused,
    the_check_finds_every_planted_fault,
    what_was_accepted_twice_is_found,
    what_was_lost_is_found,
    an_intent_that_was_lost_is_found;
    two:
    everything_comes_back_but_the_numbers_are_new,
    a_move_keeps_the_numbers,
    a_number_never_comes_again,
    a_cursor_moves_along,
}

/// The tables of a backup with the numbers shifted, as a restore does it.
fn shifted(file: &Path, shift: i64) -> BTreeMap<String, Vec<BTreeMap<String, Value>>> {
    let mut tables = tables(file);
    let mut raise = |table: &str, column: &str, by: i64| {
        for row in tables.get_mut(table).unwrap() {
            let is_acme = row.get("id") == Some(&Value::Text("acme".to_owned()));
            if let Some(Value::Integer(number)) = row.get_mut(column)
                && (table != "teams" || is_acme)
            {
                *number += by;
            }
        }
    };
    raise("events", "key", shift);
    for table in ["outbox", "letters", "deliveries", "kept_events"] {
        raise(table, "seq", shift);
    }
    // Six.
    raise("peer_states", "claimed_until", -6);
    raise("teams", "pruned_seq", shift);
    raise("teams", "last_seq", shift);
    raise("cursors", "acked", shift);
    raise("cursors", "scanned", shift);
    raise("cursors", "hold", 1);
    raise("instance", "access_version", 1);
    tables
}

async fn everything_comes_back_but_the_numbers_are_new(from: Home, to: Home) {
    furnish(&from).await;
    let file = from.back_up("backup.db").await;
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for (name, rows) in tables(&file) {
        assert_eq!(rows.is_empty(), name == "logins", "{name}");
        for (column, value) in rows.last().into_iter().flatten() {
            let is_nobodys = name == "endpoints" && column == "old_secret_until";
            assert!(*value != Value::Null || is_nobodys, "{name}.{column}");
        }
    }

    let restored = to.restore(&file, &[]).await;
    let acme = &restored.logs[0];
    assert_eq!((acme.old_first_seq, acme.old_last_seq), (3, 9));
    let shift = acme.first_seq - 3;
    assert!(shift > 50_000_000_000, "{acme:?}");
    let again = to.back_up("again.db").await;
    let (mut expected, mut found) = (
        shifted(&file, i64::try_from(shift).unwrap()),
        tables(&again),
    );
    // The other team has numbers of its own.
    for tables in [&mut expected, &mut found] {
        let is_acme = |team: &BTreeMap<String, Value>| team["id"] == Value::Text("acme".to_owned());
        tables.get_mut("teams").unwrap().retain(is_acme);
    }
    assert_eq!(found, expected);
    assert!(to.check().await.is_sound());
}

async fn a_move_keeps_the_numbers(from: Home, to: Home) {
    furnish(&from).await;
    let file = from.back_up("backup.db").await;
    to.restore(&file, &["keep"]).await;
    let again = to.back_up("again.db").await;
    assert_eq!(tables(&again), shifted(&file, 0));
    // The next team is another one.
    let store = to.open().await;
    let (_, key) = new_key(id("third"), None, Permissions::default(), Scopes::all(), 1);
    store.create_team(id("third"), key).await.unwrap();
    fill(&*store, 10..=10).await;
    assert_eq!(
        bounds(&*store).await,
        Bounds {
            pruned: 2,
            last: 10
        }
    );
    // And so is the next peer; what was on its way to the first still is.
    let standings = async || store.peer_standings(None).await.unwrap();
    let first = standings().await.remove(0);
    assert_eq!((first.backlog, first.dead), (2, 1));
    let second = store.create_peer(new_peer("d")).await.unwrap();
    assert!(second.number > first.peer.number);
    let dead = kite::store::federation::OutboxId {
        peer_id: first.peer.id,
        seq: 2,
    };
    let letter = store.dead_letter(id("acme"), dead).await.unwrap();
    assert_eq!(letter.unwrap().1, "{}");
}

async fn a_number_never_comes_again(from: Home, to: Home) {
    furnish(&from).await;
    let file = from.back_up("backup.db").await;
    let mut seen: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..3 {
        let restored = to.restore(&file, &["replace"]).await;
        let store = to.open().await;
        append(&*store, vec![event(&format!("new{round}"), 100_000)]).await;
        let log = log(&*store).await;
        assert_eq!(log.len(), 8);
        let first = restored.logs[0].first_seq;
        assert!(log.keys().copied().eq(first..first + 8), "{log:?}");
        for (seq, text) in log {
            let other = seen.insert(seq, text.clone());
            assert!(other.is_none(), "{seq} was {other:?} and is {text}");
        }
        // What is known is known.
        let intent = NewEvent {
            exchange: Some(Arc::new(new_exchange("late", 2))),
            ..event("late", 100_001)
        };
        let again = append(&*store, vec![event("e5", 100_001), intent]).await;
        let is_known = |outcome: &Outcome| matches!(outcome, Outcome::Duplicate { .. });
        assert!(again.iter().all(is_known), "{again:?}");
    }
}

async fn a_cursor_moves_along(from: Home, to: Home) {
    furnish(&from).await;
    // A client that has seen nothing of a log from which nothing has gone.
    let store = from.open().await;
    let opened = store.open_cursor(id("rival"), client("fresh"), [9; 32], 2);
    assert_eq!(opened.await.unwrap().0.acked, 0);
    drop(store);
    let file = from.back_up("backup.db").await;
    let restored = to.restore(&file, &[]).await;
    let store = to.open().await;
    let opened = store.open_cursor(id("acme"), client("reader"), [9; 32], 3);
    let (cursor, hold) = opened.await.unwrap();
    // After the ninth: a new cursor begins at the end.
    assert_eq!(cursor.resume(&[9; 32]), restored.logs[0].last_seq);
    assert_eq!(hold, 3, "the old hold is stale");
    let opened = store.open_cursor(id("rival"), client("fresh"), [9; 32], 3);
    let rival = store.bounds(id("rival")).await.unwrap();
    assert_eq!(opened.await.unwrap().0.acked, rival.pruned);
    assert!(rival.pruned > 0 && rival.pruned == rival.last, "{rival:?}");
}

async fn a_backup_under_load_is_of_one_moment(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    let load = async {
        for n in 10..60 {
            fill(&*store, n * 20..=n * 20 + 19).await;
        }
    };
    let backups = async {
        for n in 0..5 {
            let file = home.back_up(&format!("{n}.db")).await;
            let report = check(&Address::Sqlite(file), Depth::Full).await.unwrap();
            assert!(report.is_sound(), "{:?}", report.findings);
        }
    };
    tokio::join!(load, backups);
    assert!(home.check().await.is_sound());
}

async fn a_database_with_data_is_replaced_only_on_demand(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let refused = home.try_restore(&file, &[]).await;
    assert!(
        matches!(refused, Err(StoreError::NotEmpty(_))),
        "{refused:?}"
    );
    let twice = back_up(&home.address(), &file, false).await;
    assert!(matches!(twice, Err(StoreError::Exists(_))), "{twice:?}");
    back_up(&home.address(), &file, true).await.unwrap();

    let store = home.open().await;
    let (_, key) = new_key(id("third"), None, Permissions::default(), Scopes::all(), 1);
    store.create_team(id("third"), key).await.unwrap();
    fill(&*store, 10..=10).await;
    let version = store.access_version().await.unwrap();
    drop(store);
    let restored = home.restore(&file, &["replace"]).await;
    assert_eq!(restored.gone_teams, ["third"]);
    let store = home.open().await;
    assert!(store.access_version().await.unwrap() > version);
    if let Some(aside) = restored.set_aside {
        let old = open(&Address::Sqlite(aside), Role::Visitor).await.unwrap();
        assert_eq!(
            bounds(&*old).await,
            Bounds {
                pruned: 2,
                last: 10
            }
        );
    } else {
        assert!(home.url.is_some(), "a file is never deleted");
    }
}

async fn numbers_are_not_kept_where_others_have_them(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    home.restore(&file, &["replace", "keep"]).await;
    let store = home.open().await;
    fill(&*store, 10..=10).await;
    drop(store);
    let refused = home.try_restore(&file, &["replace", "keep"]).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::NumbersGiven {
                given: 10,
                kept: 9,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(bounds(&*home.open().await).await.last, 10);
}

async fn a_server_on_the_target_is_noticed(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let store = home.open().await;
    let how = Restoring {
        replaces: true,
        keeps_numbers: false,
        now: 0,
    };
    let refused = restore(&file, &home.address(), how).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::InUse(_) | StoreError::Shared { count: 1, .. })
        ),
        "{refused:?}"
    );
    assert_eq!(bounds(&*store).await, Bounds { pruned: 2, last: 9 });
}

async fn a_restore_that_fails_leaves_everything_as_it_was(home: Home) {
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let before = home.back_up("before.db").await;
    // The last table has a row that no database takes.
    let backup = Connection::open(&file).unwrap();
    let spoil = match home.url {
        Some(_) => "UPDATE agents SET name = 'a' || char(0)",
        None => "PRAGMA writable_schema = ON; DROP TABLE agents; CREATE TABLE agents (team, id, name, created_at, last_seen_at);
                 INSERT INTO agents SELECT number, 'a', 'b', 'c', 5 FROM teams",
    };
    backup.execute_batch(spoil).unwrap();
    drop(backup);
    let failed = home.try_restore(&file, &["replace"]).await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    home.is_left().await;
    assert_eq!(tables(&home.back_up("after.db").await), tables(&before));
    let files = fs::read_dir(home.dir.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    for name in names {
        assert!(
            !name.ends_with(".part") && !name.contains("replaced"),
            "{name}"
        );
    }
}

async fn files_that_are_no_sound_backup_are_refused(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    fill(&*store, 10..=400).await;
    drop(store);
    let good = home.back_up("good.db").await;
    let spoiled = |name: &str, spoil: &dyn Fn(&Path)| {
        let file = home.file(name);
        fs::copy(&good, &file).unwrap();
        spoil(&file);
        file
    };
    let statement = |sql: &'static str| {
        move |file: &Path| Connection::open(file).unwrap().execute_batch(sql).unwrap()
    };
    let truncate = |file: &Path| {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    let bad = [
        (
            spoiled("prose.db", &|file| {
                fs::write(file, "no database, but long enough to be one").unwrap()
            }),
            "is not a kite database",
        ),
        (spoiled("cut.db", &truncate), "is damaged"),
        (
            spoiled("foreign.db", &statement("PRAGMA application_id = 7")),
            "is not a kite database",
        ),
        (
            spoiled("newer.db", &statement("PRAGMA user_version = 4000")),
            "schema version 4000",
        ),
        (
            spoiled("hole.db", &statement("DELETE FROM events WHERE id = 'e5'")),
            "event 5 is missing",
        ),
        (
            spoiled(
                "text.db",
                &statement("UPDATE events SET text = '{}' WHERE id = 'e5'"),
            ),
            "the text of event 5",
        ),
    ];
    for (file, why) in bad {
        let refused = home.try_restore(&file, &["replace"]).await;
        let words = refused.expect_err(why).to_string();
        assert!(words.contains(why), "{words}");
        assert_eq!(bounds(&*home.open().await).await.last, 400);
    }
    let open = open(&Address::Sqlite(good), Role::Server).await.err();
    assert!(
        matches!(open, Some(StoreError::IsBackup(_))),
        "no server runs on a backup: {open:?}"
    );
}
