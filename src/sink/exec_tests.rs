use std::fs;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::base::clock::Clock;
use crate::sink::queue::{Consumer, Entry, Queue, Status, Verdict};
use crate::sink::shell::tests::item;
use crate::sink::{Handover, Happening, Recipe, Witness};

/// Longer than any of these takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a shell would act upon, were it ever to read it as its own.
const EVIL: [&str; 9] = [
    "$(touch OWNED)",
    "`touch OWNED`",
    "'; touch OWNED; '",
    "\"; touch OWNED; \"",
    "| touch OWNED &",
    "${IFS}>OWNED",
    "\\\" $HOME \\",
    "-e -n *",
    "% \u{202e}é",
];

async fn deliver(command: &str, item: &Item) -> Outcome {
    Exec::new(command.to_owned(), PATIENCE).deliver(item).await
}

fn refusal(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn zero_takes_the_event_and_every_other_end_refuses_it() {
    let item = item("{}");
    assert!(matches!(deliver("true", &item).await, Outcome::Delivered));
    assert_eq!(refusal(deliver("exit 1", &item).await), "it ended with 1");
    let said = refusal(deliver("echo 'no such table' >&2; exit 2", &item).await);
    assert_eq!(said, "it ended with 2: no such table");
    let signal = refusal(deliver("kill -15 $$", &item).await);
    assert_eq!(signal, "it was ended by signal 15");
    let missing = refusal(deliver("no-such-program-anywhere", &item).await);
    assert!(missing.starts_with("it ended with 127: "), "{missing}");
    let slow = Exec::new("sleep 60".to_owned(), Duration::from_millis(50));
    let slow = refusal(slow.deliver(&item).await);
    assert_eq!(slow, "it did not end within 0.05 s");
}

#[tokio::test]
async fn an_event_that_nobody_reads_is_taken_all_the_same() {
    let item = item(&format!("\"{}\"", "x".repeat(1024 * 1024)));
    let closed = deliver("exec <&-", &item).await;
    assert!(matches!(closed, Outcome::Delivered), "{closed:?}");
    let unread = deliver(":", &item).await;
    assert!(matches!(unread, Outcome::Delivered), "{unread:?}");
}

#[tokio::test]
async fn a_command_finds_the_event_exactly_and_nothing_of_it_is_run() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let command = format!(
        "cd {}; cat >stdin; printf '%s|' \"$KITE_EVENT_ID\" \"$KITE_EVENT_TYPE\" \"$KITE_SEQ\" \"$KITE_SOURCE\" >variables",
        path("")
    );
    for evil in EVIL {
        let text = serde_json::json!({
            "specversion": "1.0", "id": evil, "type": evil, "source": evil, "subject": evil, "kitesource": evil,
            "data": {evil: format!("{evil}\n\r\0\u{1b}[2J")},
        });
        let raw = text.to_string();
        let item = Item::read(9, "t".to_owned(), raw.clone()).unwrap();
        let taken = deliver(&command, &item).await;
        assert!(matches!(taken, Outcome::Delivered), "{evil}: {taken:?}");
        let read = |name: &str| fs::read_to_string(path(name)).unwrap();
        assert_eq!(read("stdin"), format!("{raw}\n"));
        let source = evil.to_lowercase();
        assert_eq!(read("variables"), format!("{evil}|{evil}|9|{source}|"));
        assert!(!dir.path().join("OWNED").exists(), "{evil}");
    }
}

/// Hears how often an event was given up.
struct Ear(mpsc::UnboundedSender<String>);

impl Witness for Ear {
    fn hear(&self, happening: Happening<'_>) {
        if let Happening::GaveUp { why, .. } = happening {
            self.0.send(why.to_owned()).unwrap();
        }
    }
}

#[tokio::test]
async fn the_first_refusal_sets_an_event_aside_and_the_fifth_is_the_last() {
    let dir = TempDir::new().unwrap();
    let queue = Queue::open(&dir.path().join("queue.db"), Clock::fixed(1_000)).unwrap();
    let recipe = Recipe::Exec {
        command: "echo again >&2; exit 9".to_owned(),
        timeout_secs: 20,
    };
    let consumer = Consumer {
        server: "http://localhost".to_owned(),
        team: "t".parse().unwrap(),
        name: "stream * exec".to_owned(),
        sink: recipe.to_text(),
    };
    let item = item("{}");
    let status = async || queue.status(&consumer, item.seq, "i").await.unwrap();
    let (told, mut hears) = mpsc::unbounded_channel();
    let sink = || Arc::new(Exec::new("echo again >&2; exit 9".to_owned(), PATIENCE));
    let ear = || Arc::new(Ear(told.clone()));

    let first = Handover::begin(sink(), queue.clone(), consumer.clone(), ear());
    first.hand_on(&item).await;
    assert_eq!(status().await, Some(Status::Ready));
    drop(first);

    // As if three more attempts had come to nothing.
    let fourth = Verdict::Again {
        attempts: 4,
        due_at: 0,
        why: "again".to_owned(),
    };
    let entry = Entry::of(&item, fourth);
    queue.put(&consumer, entry).await.unwrap();
    let _second = Handover::begin(sink(), queue.clone(), consumer.clone(), ear());
    assert_eq!(hears.recv().await.unwrap(), "it ended with 9: again");
    assert_eq!(status().await, Some(Status::Failed));
}
