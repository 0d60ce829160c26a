//! What a check finds.

use std::fs;

use kite::store::backup::{Depth, Subject, check};

use kite::store::record::NewEvent;

use super::home::*;

/// Plants a fault, and expects one such finding.
pub(super) async fn plant(home: &Home, statement: &str, subject: Subject, words: &str) {
    home.sql(statement);
    let report = home.check().await;
    let found = report
        .findings
        .iter()
        .find(|finding| finding.subject == subject);
    let found = found.unwrap_or_else(|| panic!("{statement}: {report:?}"));
    assert!(found.message.contains(words), "{statement}: {found:?}");
    assert!(!report.is_sound(), "{statement}");
}

pub(super) async fn the_check_finds_every_planted_fault(home: Home) {
    use Subject::{Cursor, Numbers, References, Text};
    furnish(&home).await;
    let report = home.check().await;
    assert!(
        report.is_sound() && report.findings.is_empty(),
        "{report:?}"
    );
    assert_eq!((report.counts.events, report.counts.teams), (7, 2));
    let changed = "UPDATE events SET type = 'x' WHERE id = 'e4'";
    plant(
        &home,
        changed,
        Text,
        "the text of event 4 has another `type`",
    )
    .await;
    let broken = "UPDATE events SET text = '[' WHERE id = 'e4'";
    plant(&home, broken, Text, "the text of event 4 is no event").await;
    let hole = "DELETE FROM events WHERE id IN ('e4', 'e5')";
    plant(&home, hole, Numbers, "events 4 to 5 are missing").await;
    let cursor = "UPDATE cursors SET acked = 10";
    plant(&home, cursor, Cursor, "the cursor `reader` stands at 10").await;
    let gone = "DELETE FROM kept_events";
    plant(
        &home,
        gone,
        References,
        "`letters` refers to event 2, which is not there",
    )
    .await;
    home.sql("DELETE FROM letters");
    let ahead = "UPDATE outbox SET seq = 10";
    plant(&home, ahead, References, "`outbox` refers to event 10").await;
    home.sql("DELETE FROM outbox");
    let stray =
        "INSERT INTO outbox (peer, due_at, seq, attempts, created_at) VALUES (99, 0, 5, 0, 1)";
    plant(
        &home,
        stray,
        References,
        "`outbox` refers to peer number 99",
    )
    .await;
    home.sql("DELETE FROM outbox");
    let short =
        "DELETE FROM events WHERE id = 'e4'; UPDATE teams SET last_seq = 8 WHERE id = 'acme'";
    plant(&home, short, Numbers, "missing").await;
    let report = home.check().await;
    let outside = |message: &str| message.starts_with("1 stored with numbers outside 3 to 8");
    assert!(
        report.findings.iter().any(|found| outside(&found.message)),
        "{report:?}"
    );
    if home.url.is_none() {
        let stray = "PRAGMA foreign_keys = OFF; INSERT INTO agents (team, id, created_at) VALUES (99, 'a', 1)";
        plant(
            &home,
            stray,
            References,
            "`agents` refers to team number 99",
        )
        .await;
    }
}

pub(super) async fn what_was_accepted_twice_is_found(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    // The same name again and again without a promise to recognise it.
    let unnamed = || NewEvent {
        dedup: None,
        ..event("unnamed", 20_000)
    };
    append(&*store, vec![unnamed(), unnamed()]).await;
    // Forgotten, and accepted anew.
    store.forget(4_500, 100).await.unwrap();
    append(&*store, vec![event("e4", 30_000)]).await;
    let report = home.check().await;
    assert!(report.findings.is_empty(), "{report:?}");

    let twice = NewEvent {
        dedup: None,
        ..event("e8", 40_000)
    };
    append(&*store, vec![twice]).await;
    drop(store);
    let report = home.check().await;
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(
        report.findings[0].message,
        "events 8 and 13 are the same one, `e8`"
    );
    // It can be backed up and restored all the same.
    let file = home.back_up("backup.db").await;
    let restored = home.try_restore(&file, &["replace"]).await.unwrap();
    assert_eq!(restored.findings[0].subject, Subject::Repeated);
}

pub(super) async fn what_was_lost_is_found(home: Home) {
    furnish(&home).await;
    let store = home.open().await;
    append(&*store, vec![event("late", 200_000)]).await;
    drop(store);
    assert!(home.check().await.is_sound());
    let away =
        "DELETE FROM events WHERE id = 'late'; UPDATE teams SET last_seq = 9 WHERE id = 'acme'";
    plant(&home, away, Subject::Lost, "the event `late` was accepted").await;
}

pub(super) async fn an_intent_that_was_lost_is_found(home: Home) {
    furnish(&home).await;
    let away = "UPDATE exchanges SET local_id = 'gone' WHERE local_id = 'e9'";
    plant(&home, away, Subject::Lost, "the event `gone` was accepted").await;
}

#[tokio::test]
pub(super) async fn a_database_whose_pages_are_torn_is_found_out_and_can_be_replaced() {
    let home = Home::sqlite();
    furnish(&home).await;
    let file = home.back_up("backup.db").await;
    let database = home.file("kite.db");
    let whole = fs::metadata(&database).unwrap().len();
    let torn = fs::File::options().write(true).open(&database).unwrap();
    torn.set_len(whole / 2).unwrap();
    let report = check(&home.address(), Depth::Quick).await;
    assert!(report.map_or(true, |report| !report.is_sound()));
    let restored = home.restore(&file, &["replace"]).await;
    let aside = restored.set_aside.unwrap();
    assert_eq!(fs::metadata(aside).unwrap().len(), whole / 2);
    assert!(home.check().await.is_sound());
}
