//! The queue as its users see it.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::handover::{Handed, Handover, Happening, Witness};
use super::super::scoring::Importance;
use super::super::{Outcome, Sink};
use super::*;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// When the tests are.
const NOW: i64 = 1_700_000_000_000;

const LEASE: Duration = Duration::from_secs(120);

/// A directory with a queue.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("queue.db")
    }

    fn open_at(&self, millis: i64) -> Queue {
        Queue::open(&self.path(), Clock::fixed(millis)).unwrap()
    }

    fn open(&self) -> Queue {
        self.open_at(NOW)
    }

    /// Why the file is refused.
    fn fault(&self) -> QueueFault {
        match Queue::open(&self.path(), Clock::fixed(NOW)) {
            Ok(_) => panic!("it opens"),
            Err(fault) => fault,
        }
    }
}

fn consumer(server: &str, team: &str) -> Consumer {
    Consumer {
        server: server.to_owned(),
        team: team.parse().unwrap(),
        name: "proxy *".to_owned(),
        sink: "{}".to_owned(),
    }
}

fn ours() -> Consumer {
    consumer("http://a", "t")
}

fn item(seq: Seq, source: &str) -> Item {
    let text = format!(
        r#"{{"specversion":"1.0","id":"e{seq}","source":"s","type":"com.{source}.x","data":{{"n":1.0}}}}"#
    );
    Item::read(seq, "t".to_owned(), text).unwrap()
}

fn again(due_at: i64) -> Verdict {
    Verdict::Again {
        attempts: 1,
        due_at,
        why: "it answered 500".to_owned(),
    }
}

fn failed() -> Verdict {
    Verdict::Failed("no".to_owned())
}

async fn put(queue: &Queue, seq: Seq, verdict: Verdict) {
    let entry = Entry::of(&item(seq, "github"), verdict);
    queue.put(&ours(), entry).await.unwrap();
}

async fn seqs(queue: &Queue, filter: Filter) -> Vec<Seq> {
    let rows = queue.list(filter, 50).await.unwrap();
    rows.iter().map(|row| row.seq).collect()
}

async fn count(queue: &Queue, status: Status) -> u64 {
    let counts = queue.counts(Filter::default()).await.unwrap();
    counts.iter().find(|(of, _)| *of == status).unwrap().1
}

#[tokio::test]
async fn a_list_has_the_newest_and_shows_the_oldest_of_them_first() {
    let home = Home::new();
    for seq in 1..=5 {
        let queue = home.open_at(NOW + i64::try_from(seq).unwrap() * 1000);
        put(&queue, seq, failed()).await;
    }
    let queue = home.open();
    let rows = queue.list(Filter::default(), 3).await.unwrap();
    let seqs: Vec<Seq> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [3, 4, 5]);
    assert_eq!(rows[0].raw_payload, "");
    let found = queue
        .find(Filter {
            seq: Some(4),
            ..Filter::default()
        })
        .await
        .unwrap();
    assert!(found[0].raw_payload.contains("1.0"), "{found:?}");
}

#[tokio::test]
async fn a_filter_narrows_by_every_of_its_members() {
    let home = Home::new();
    home.open_at(NOW - 3_600_000)
        .put(&ours(), Entry::of(&item(1, "github"), failed()))
        .await
        .unwrap();
    let queue = home.open();
    let mut high = item(2, "stripe");
    high.importance = Importance::High;
    queue
        .put(&ours(), Entry::of(&high, again(NOW)))
        .await
        .unwrap();
    let elsewhere = consumer("http://b", "u");
    let delivered = Entry::of(&item(3, "github"), Verdict::Delivered);
    queue.put(&elsewhere, delivered).await.unwrap();

    let all = Filter::default;
    let cases = [
        (
            Filter {
                status: Some(Status::Failed),
                ..all()
            },
            vec![1],
        ),
        (
            Filter {
                source: Some("stripe".to_owned()),
                ..all()
            },
            vec![2],
        ),
        (
            Filter {
                source: Some("stri".to_owned()),
                ..all()
            },
            vec![],
        ),
        (
            Filter {
                importance: Some(Importance::High),
                ..all()
            },
            vec![2],
        ),
        (
            Filter {
                importance: Some(Importance::Low),
                ..all()
            },
            vec![1, 2, 3],
        ),
        (
            Filter {
                since: Some(NOW / 1000 - 60),
                ..all()
            },
            vec![2, 3],
        ),
        (
            Filter {
                server: Some("http://a".to_owned()),
                ..all()
            },
            vec![1, 2],
        ),
        (
            Filter {
                team: Some("u".to_owned()),
                ..all()
            },
            vec![3],
        ),
        (
            Filter {
                seq: Some(3),
                ..all()
            },
            vec![3],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(seqs(&queue, filter.clone()).await, expected, "{filter:?}");
    }
}

#[tokio::test]
async fn every_status_is_counted_also_where_there_is_none() {
    let queue = Home::new();
    let queue = queue.open();
    put(&queue, 1, failed()).await;
    put(&queue, 2, failed()).await;
    put(&queue, 3, Verdict::Delivered).await;
    let counts = queue.counts(Filter::default()).await.unwrap();
    assert_eq!(counts.map(|(status, _)| status), Status::ALL);
    assert_eq!(counts.map(|(_, count)| count), [0, 0, 0, 1, 2, 0]);
}

#[tokio::test]
async fn what_is_over_goes_after_a_week_and_what_failed_after_a_month() {
    let home = Home::new();
    let queue = home.open();
    put(&queue, 1, Verdict::Delivered).await;
    put(&queue, 2, Verdict::Filtered("twice".to_owned())).await;
    put(&queue, 3, failed()).await;
    put(&queue, 4, again(NOW)).await;
    for (days, left) in [
        (7, vec![1, 2, 3, 4]),
        (8, vec![3, 4]),
        (30, vec![3, 4]),
        (31, vec![4]),
        (999, vec![4]),
    ] {
        let queue = home.open_at(NOW + days * DAY_MILLIS);
        assert_eq!(seqs(&queue, Filter::default()).await, left, "{days} days");
    }
}

#[tokio::test]
async fn a_retention_of_a_consumer_holds_for_every_command() {
    let home = Home::new();
    let queue = home.open();
    let other = consumer("http://b", "t");
    let retention = Retention {
        done: Duration::from_secs(60 * 24 * 60 * 60),
        failed: Duration::from_secs(24 * 60 * 60),
        size_max: None,
    };
    queue.retain(&ours(), retention).await.unwrap();
    put(&queue, 1, Verdict::Delivered).await;
    put(&queue, 2, failed()).await;
    for (seq, verdict) in [(3, Verdict::Delivered), (4, failed())] {
        let entry = Entry::of(&item(seq, "x"), verdict);
        queue.put(&other, entry).await.unwrap();
    }
    let later = home.open_at(NOW + 8 * DAY_MILLIS);
    assert_eq!(seqs(&later, Filter::default()).await, [1, 4]);
}

#[tokio::test]
async fn a_number_of_entries_takes_what_is_over_first_and_never_what_is_to_be_tried() {
    let home = Home::new();
    let queue = home.open();
    put(&queue, 1, again(NOW)).await;
    put(&queue, 2, failed()).await;
    put(&queue, 3, failed()).await;
    put(&queue, 4, Verdict::Delivered).await;
    put(&queue, 5, Verdict::Delivered).await;
    for (max, left) in [(4, vec![1, 2, 3, 5]), (2, vec![1, 3]), (0, vec![1])] {
        let retention = Retention {
            size_max: Some(max),
            ..Retention::default()
        };
        queue.retain(&ours(), retention).await.unwrap();
        queue.prune().await.unwrap();
        assert_eq!(seqs(&queue, Filter::default()).await, left, "at most {max}");
    }
}

#[tokio::test]
async fn more_than_a_batch_goes_in_one_round() {
    let home = Home::new();
    let queue = home.open();
    queue
        .with(|file, now| {
            let connection = &mut file.connection;
            let transaction = connection.transaction()?;
            for seq in 1..=1203 {
                file::put(
                    &transaction,
                    &ours(),
                    &Entry::of(&item(seq, "x"), failed()),
                    now,
                )?;
            }
            Ok(transaction.commit()?)
        })
        .await
        .unwrap();
    let removed = queue.flush(Filter::default(), Duration::ZERO, false).await;
    assert_eq!(removed.unwrap(), 1203);
}

#[tokio::test]
async fn a_flush_keeps_what_is_young_and_what_is_still_to_be_tried() {
    let home = Home::new();
    let old = home.open_at(NOW - 2 * DAY_MILLIS);
    put(&old, 1, failed()).await;
    put(&old, 2, again(NOW)).await;
    put(&old, 3, Verdict::Held { due_at: NOW }).await;
    let queue = home.open();
    put(&queue, 4, failed()).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let elsewhere = Filter {
        server: Some("http://b".to_owned()),
        ..Filter::default()
    };
    assert_eq!(queue.flush(elsewhere, day, true).await.unwrap(), 0);
    assert_eq!(queue.flush(Filter::default(), day, false).await.unwrap(), 1);
    assert_eq!(seqs(&queue, Filter::default()).await, [2, 3, 4]);
    assert_eq!(queue.flush(Filter::default(), day, true).await.unwrap(), 2);
    assert_eq!(seqs(&queue, Filter::default()).await, [4]);
}

#[tokio::test]
async fn a_stream_and_a_replay_never_have_the_same_entry() {
    let home = Home::new();
    let (stream, replay) = (home.open(), home.open());
    put(&stream, 1, again(NOW)).await;
    let row = replay.list(Filter::default(), 1).await.unwrap().remove(0);

    let live = stream.claim_due(&ours(), LEASE).await.unwrap().unwrap();
    assert!(matches!(
        replay.claim(&row, LEASE).await.unwrap(),
        Claiming::Busy
    ));
    stream.settle(&live, again(NOW)).await.unwrap();

    let Claiming::Claimed(claim) = replay.claim(&row, LEASE).await.unwrap() else {
        panic!("it is free");
    };
    assert!(stream.claim_due(&ours(), LEASE).await.unwrap().is_none());
    replay.release(&claim).await.unwrap();
    let live = stream.claim_due(&ours(), LEASE).await.unwrap().unwrap();
    assert_eq!((live.attempts, live.row.seq), (1, 1));
    stream.settle(&live, Verdict::Delivered).await.unwrap();
    assert!(matches!(
        replay.claim(&row, LEASE).await.unwrap(),
        Claiming::Over
    ));
    // A claim that is over settles nothing.
    replay.settle(&claim, failed()).await.unwrap();
    assert_eq!(count(&stream, Status::Delivered).await, 1);
}

#[tokio::test]
async fn a_claim_of_a_process_that_died_runs_out() {
    let home = Home::new();
    let queue = home.open();
    put(&queue, 1, failed()).await;
    let row = queue.list(Filter::default(), 1).await.unwrap().remove(0);
    assert!(matches!(
        queue.claim(&row, LEASE).await.unwrap(),
        Claiming::Claimed(_)
    ));
    assert!(matches!(
        queue.claim(&row, LEASE).await.unwrap(),
        Claiming::Busy
    ));
    let later = home.open_at(NOW + 120_000);
    assert!(matches!(
        later.claim(&row, LEASE).await.unwrap(),
        Claiming::Claimed(_)
    ));
}

#[test]
fn what_is_no_queue_is_refused_and_left_as_it_is() {
    let other = Home::new();
    let connection = Connection::open(other.path()).unwrap();
    connection
        .execute_batch("CREATE TABLE songs (name TEXT); INSERT INTO songs VALUES ('x')")
        .unwrap();
    drop(connection);
    let text = Home::new();
    fs::write(
        text.path(),
        "no database at all, but a longer text than any header would be, so that it is read"
            .repeat(9),
    )
    .unwrap();
    for home in [other, text] {
        let before = fs::read(home.path()).unwrap();
        let fault = home.fault();
        assert!(fault.is_damage(), "{fault}");
        assert!(
            fault.to_string().contains("is not a local queue"),
            "{fault}"
        );
        assert_eq!(fs::read(home.path()).unwrap(), before);
    }
}

#[tokio::test]
async fn a_damaged_queue_says_so() {
    let home = Home::new();
    let queue = home.open();
    for seq in 1..200 {
        put(&queue, seq, failed()).await;
    }
    drop(queue);
    let mut bytes = fs::read(home.path()).unwrap();
    for byte in bytes.iter_mut().skip(8192) {
        *byte = 0xa5;
    }
    fs::write(home.path(), &bytes).unwrap();
    let read = match Queue::open(&home.path(), Clock::fixed(NOW)) {
        Ok(queue) => queue.list(Filter::default(), 50).await.map(drop),
        Err(fault) => Err(fault),
    };
    let fault = read.unwrap_err();
    assert!(fault.is_damage(), "{fault}");
}

#[test]
fn a_queue_of_a_newer_kite_is_refused() {
    let home = Home::new();
    drop(home.open());
    let connection = Connection::open(home.path()).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(home.fault(), QueueFault::Newer { .. }));
}

#[test]
fn a_place_where_nothing_can_be_written_is_named() {
    let home = Home::new();
    fs::write(home.path(), "").unwrap();
    let below = home.path().join("queue.db");
    let fault = Queue::open(&below, Clock::fixed(NOW)).err().unwrap();
    let QueueFault::Open { path, .. } = fault else {
        panic!("{fault}");
    };
    assert_eq!(path, below.display().to_string());
}

#[test]
fn many_may_open_a_new_queue_at_once() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| drop(home.open()));
        }
    });
}

/// A sink that wants nothing.
struct Refuses;

#[async_trait::async_trait]
impl Sink for Refuses {
    async fn deliver(&self, _: &Item) -> Outcome {
        Outcome::Refused("no".to_owned())
    }
}

/// Hears that the queue does not work.
#[derive(Default)]
struct Hears(Notify);

impl Witness for Hears {
    fn hear(&self, happening: Happening<'_>) {
        if let Happening::QueueFault { .. } = happening {
            self.0.notify_one();
        }
    }
}

/// Bounds the file, as a full disk does.
async fn bound(queue: &Queue, pages: Option<i64>) {
    queue
        .with(move |file, _| {
            let used = |file: &File| {
                let count = "PRAGMA page_count";
                file.connection
                    .query_row(count, [], |row| row.get::<_, i64>(0))
            };
            let pages = pages.map_or_else(|| used(file), Ok)?;
            let sql = format!("PRAGMA max_page_count = {pages}");
            Ok(file.connection.query_row(&sql, [], |_| Ok(()))?)
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn on_a_full_disk_the_stream_holds_and_goes_on_when_there_is_room() {
    let home = Home::new();
    let queue = home.open();
    let mut large = item(1, "github");
    large.raw.push_str(&" ".repeat(256 * 1024));
    bound(&queue, None).await;
    let witness = Arc::new(Hears::default());
    let handover = Handover::begin(
        Arc::new(Refuses),
        queue.clone(),
        ours(),
        Arc::<Hears>::clone(&witness),
    );
    let mut handing = Box::pin(handover.hand_on(&large));
    tokio::select! {
        handed = &mut handing => panic!("it is not kept anywhere: {handed:?}"),
        () = witness.0.notified() => {}
    }
    assert_eq!(seqs(&queue, Filter::default()).await, [0; 0]);
    bound(&queue, Some(1_000_000)).await;
    assert!(matches!(handing.await, Handed::Aside));
    assert_eq!(seqs(&queue, Filter::default()).await, [1]);
}

/// The queue of the client before this one.
fn old_queue(home: &Home) {
    let connection = Connection::open(home.path()).unwrap();
    connection
        .execute_batch(
            r#"PRAGMA journal_mode = WAL;
            CREATE TABLE "entries" (seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL, team_id TEXT NOT NULL,
                source TEXT NOT NULL, event_type TEXT NOT NULL, raw_payload TEXT NOT NULL, enriched_payload TEXT,
                importance TEXT, status TEXT NOT NULL, failure_reason TEXT, created_at INTEGER NOT NULL,
                enriched_at INTEGER, delivered_at INTEGER);
            CREATE INDEX entries_status ON "entries" (status);"#,
        )
        .unwrap();
    let statuses = [
        "pending",
        "enriching",
        "ready",
        "delivered",
        "failed",
        "filtered",
    ];
    for (seq, status) in (-1..).zip(statuses) {
        let payload = item(1, "x").raw;
        connection
            .execute(
                "INSERT INTO entries VALUES (?1, 'e' || ?1, 'old', 'GitHub', 'com.github.push', ?2, NULL, NULL, ?3,
                     iif(?3 = 'failed', 'it answered 500', NULL), 1000, NULL, NULL)",
                (seq, payload, status),
            )
            .unwrap();
    }
}

#[tokio::test]
async fn an_old_queue_moves_over_and_nothing_undelivered_is_lost() {
    let home = Home::new();
    old_queue(&home);
    let queue = home.open();
    let counts = queue.counts(Filter::default()).await.unwrap();
    assert_eq!(counts.map(|(_, count)| count), [0, 0, 0, 1, 4, 1]);
    let narrowed = Filter {
        server: Some("http://any".to_owned()),
        status: Some(Status::Failed),
        source: Some("github".to_owned()),
        ..Filter::default()
    };
    let rows = queue.find(narrowed).await.unwrap();
    let reasons: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.failure_reason.as_deref())
        .collect();
    let undone = "an older kite had not handed it on";
    assert_eq!(reasons, [undone, undone, undone, "it answered 500"]);
    assert_eq!(
        (rows[3].seq, rows[3].attempts, rows[3].created_at),
        (3, 0, 1000)
    );
    assert!(rows[3].item().is_ok());
    // Once.
    drop(queue);
    assert_eq!(count(&home.open(), Status::Failed).await, 4);
}

#[tokio::test]
async fn dead_letters_of_files_are_taken_in_once_and_bad_ones_stay() {
    let home = Home::new();
    let dlq = home.0.path().join("dlq");
    let write = |name: &str, text: &str| {
        let path = dlq.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let event = |id: &str, more: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"com.github.push"{more},"data":{{"n":1.0}}}}"#
        )
    };
    let (plain, numbered) = (event("a", ""), event("b", r#","kiteseq":9"#));
    let wrapped = format!(
        r#"{{"event": {}, "error":"it answered 404","seq":-1,"team_id":"t"}}"#,
        event("c", "")
    );
    write("github/a.json", &plain);
    write("github/b.json", &numbered);
    write("other/c.json", &wrapped);
    write("other/bad.json", "{");
    write("other/notes.txt", "mine");
    let queue = home.open();
    let imported = queue.import(&dlq).await.unwrap();
    assert_eq!(imported.count, 3);
    assert_eq!(imported.left.len(), 1, "{imported:?}");
    assert!(imported.left[0].0.ends_with("other/bad.json"));
    assert!(!dlq.join("github").exists() && dlq.join("other/notes.txt").exists());

    let rows = queue
        .find(Filter {
            status: Some(Status::Failed),
            ..Filter::default()
        })
        .await
        .unwrap();
    let known: Vec<(&str, Seq)> = rows
        .iter()
        .map(|row| (row.event_id.as_str(), row.seq))
        .collect();
    assert_eq!(known, [("a", 0), ("b", 9), ("c", 0)]);
    assert_eq!(rows[2].failure_reason.as_deref(), Some("it answered 404"));
    assert_eq!(rows[2].team_id, "t");
    assert_eq!(rows[0].raw_payload, plain);

    // The same again, as after a crash between the commit and the removal.
    write("github/a.json", &plain);
    assert_eq!(queue.import(&dlq).await.unwrap().count, 0);
    assert!(!dlq.join("github").exists());
    assert_eq!(
        queue
            .import(&home.0.path().join("none"))
            .await
            .unwrap()
            .count,
        0
    );
}

#[tokio::test]
async fn what_fails_when_its_transaction_ends_is_not_taken_for_written() {
    let home = Home::new();
    let queue = home.open();
    put(&queue, 1, again(NOW)).await;
    let fail_late = |file: &mut File, _| {
        // A reference that is judged at the end, as room on the disk is.
        file.connection.execute_batch(
            "PRAGMA foreign_keys = ON;
             CREATE TABLE rooms (id INTEGER PRIMARY KEY);
             ALTER TABLE entries ADD COLUMN room INTEGER REFERENCES rooms DEFERRABLE INITIALLY DEFERRED;
             CREATE TRIGGER put AFTER INSERT ON entries BEGIN
                 UPDATE entries SET room = 1 WHERE id = new.id; END;
             CREATE TRIGGER claimed AFTER UPDATE OF claimed_until ON entries BEGIN
                 UPDATE entries SET room = 1 WHERE id = new.id; END;",
        )?;
        Ok(())
    };
    queue.with(fail_late).await.unwrap();

    let entry = Entry::of(&item(2, "github"), failed());
    assert!(queue.put(&ours(), entry).await.is_err());
    assert!(queue.claim_due(&ours(), LEASE).await.is_err());
    let row = queue.list(Filter::default(), 1).await.unwrap().remove(0);
    assert!(queue.claim(&row, LEASE).await.is_err());
    assert_eq!(seqs(&queue, Filter::default()).await, [1]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_window_open() {
    const WINDOW: Duration = Duration::from_secs(60);
    let home = Home::new();
    let entered = |seq| Entered {
        seq,
        event_id: format!("e{seq}"),
        window: WINDOW,
    };
    let held = |seq| Entry::of(&item(seq, "github"), Verdict::Held { due_at: 0 });
    let ahead = home.open_at(NOW + 365 * DAY_MILLIS);
    let enter = ahead.enter_window(&ours(), [1; 32], entered(1)).await;
    assert_eq!(enter.unwrap(), None);
    ahead.hold(&ours(), [2; 32], WINDOW, held(2)).await.unwrap();

    let queue = home.open();
    let enter = async |seq| queue.enter_window(&ours(), [1; 32], entered(seq)).await;
    assert_eq!(enter(3).await.unwrap(), None);
    assert_eq!(enter(4).await.unwrap(), Some(3));
    queue.hold(&ours(), [2; 32], WINDOW, held(5)).await.unwrap();
    let due_at = queue.next_due(&ours()).await.unwrap();
    assert_eq!(due_at, Some(NOW + 60_000));
}
