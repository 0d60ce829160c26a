//! A manifest at work, mostly in set time: windows of minutes pass in a moment.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::super::handover::tests::{Heard, consumer};
use super::super::queue::{Filter, Queue, Row, Status};
use super::super::{Keeps, Outcome, Sink, Stages, Witness};
use super::*;
use crate::base::clock::Clock;
use crate::protocol::id::Seq;

const FIRST: &str =
    r#""scoring": {"dedup": {"window": "60s", "key": ["ref"], "strategy": "keep_first"}}"#;
const LAST: &str = r#""scoring": {"dedup": {"window": "60s", "key": ["ref"]}}"#;
const WINDOW: Duration = Duration::from_secs(60);

/// What a sink answers, by how often it was asked before.
type Answers = Box<dyn Fn(&Item, usize) -> Outcome + Send + Sync>;

/// A sink that remembers what it was asked to take.
struct Shelf {
    answers: Answers,
    got: Mutex<Vec<(Instant, Item)>>,
}

#[async_trait]
impl Sink for Shelf {
    async fn deliver(&self, item: &Item) -> Outcome {
        let mut got = self.got.lock().unwrap();
        let before = got.iter().filter(|(_, own)| own.seq == item.seq).count();
        got.push((Instant::now(), item.clone()));
        (self.answers)(item, before)
    }
}

/// A queue, a sink, and who hears what happens. Runs of a manifest come and go.
struct Rig {
    dir: TempDir,
    clock: Clock,
    shelf: Arc<Shelf>,
    heard: Arc<Heard>,
    /// The hooks that added nothing, and why.
    failed: Arc<Mutex<Vec<String>>>,
    keeps: Keeps,
}

impl Rig {
    fn new() -> Self {
        Self::answering(|_, _| Outcome::Delivered)
    }

    fn answering(answers: impl Fn(&Item, usize) -> Outcome + Send + Sync + 'static) -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            clock: Clock::following(1_700_000_000_000),
            shelf: Arc::new(Shelf {
                answers: Box::new(answers),
                got: Mutex::default(),
            }),
            heard: Arc::default(),
            failed: Arc::default(),
            keeps: Keeps::All,
        }
    }

    fn queue(&self) -> Queue {
        Queue::open(&self.dir.path().join("queue.db"), self.clock.clone()).unwrap()
    }

    /// A run of a manifest with these members, to a sink of this importance where one is given.
    fn run(&self, members: &str) -> Pipeline {
        let sink = r#"{"type": "exec", "command": "true"}"#;
        self.run_to(sink, members)
    }

    fn run_to(&self, sink: &str, members: &str) -> Pipeline {
        let comma = if members.is_empty() { "" } else { "," };
        let text = format!(r#"{{"name": "n", "sink": {sink}{comma} {members}}}"#);
        let manifest = Manifest::parse(&text).unwrap();
        let failed = Arc::clone(&self.failed);
        let hook_failed = move |hook: &str, _: &Item, why: &str| {
            failed.lock().unwrap().push(format!("{hook}: {why}"));
        };
        let stages = Stages {
            refinery: Some(Arc::new(Judge::of(&manifest, Box::new(hook_failed)))),
            keeps: self.keeps,
        };
        let sink: Arc<dyn Sink> = Arc::<Shelf>::clone(&self.shelf);
        let heard: Arc<dyn Witness> = Arc::<Heard>::clone(&self.heard);
        let handover = Handover::begin_with(stages, sink, self.queue(), consumer("a"), heard);
        Pipeline::new(Arc::new(manifest), handover)
    }

    /// The numbers of what the sink was asked to take, in order.
    fn got(&self) -> Vec<Seq> {
        let got = self.shelf.got.lock().unwrap();
        got.iter().map(|(_, item)| item.seq).collect()
    }

    fn got_at(&self, index: usize) -> (Instant, Item) {
        self.shelf.got.lock().unwrap()[index].clone()
    }

    async fn row(&self, seq: Seq) -> Row {
        let mut rows = self.rows().await;
        rows.retain(|row| row.seq == seq);
        assert_eq!(rows.len(), 1, "entries for {seq}");
        rows.remove(0)
    }

    async fn rows(&self) -> Vec<Row> {
        self.queue().newest(Filter::default(), 100).await.unwrap()
    }

    /// Status and reason of an entry.
    async fn fate(&self, seq: Seq) -> (Status, String) {
        let row = self.row(seq).await;
        (row.status, row.failure_reason.unwrap_or_default())
    }

    async fn released(&self, seq: Seq) {
        self.heard.until(&format!("released {seq}:"), 1).await;
    }

    fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }
}

/// An event of this type with this data.
fn event(seq: Seq, kind: &str, data: &str) -> Item {
    let raw = format!(
        r#"{{"specversion":"1.0","id":"e{seq}","source":"https://github.com/a/b","type":"{kind}","data":{data}}}"#
    );
    Item::read(seq, "t".to_owned(), raw).unwrap()
}

/// A push to this branch.
fn push(seq: Seq, branch: &str) -> Item {
    event(seq, "com.github.push", &format!(r#"{{"ref":"{branch}"}}"#))
}

fn is_delivered(took: &Took) -> bool {
    matches!(took, Took::Handed(Handed::Delivered))
}

/// Why an event was not handed on.
fn skipped(took: Took) -> String {
    match took {
        Took::Handed(Handed::Skipped(why)) => why,
        took => panic!("{took:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_window_the_first_goes_on_at_once_and_the_others_are_filtered_with_a_reason() {
    let rig = Rig::new();
    let run = rig.run(FIRST);
    assert!(is_delivered(&run.take(push(1, "a")).await));
    sleep(WINDOW / 2).await;
    let why = skipped(run.take(push(2, "a")).await);
    assert_eq!(why, "#1 came before it in the same window");
    assert_eq!(rig.fate(2).await, (Status::Filtered, why));
    assert!(is_delivered(&run.take(push(3, "b")).await));
    // The repetition has not made the window longer.
    sleep(WINDOW / 2).await;
    assert!(is_delivered(&run.take(push(4, "a")).await));
    assert_eq!(rig.got(), [1, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_missing_counts_as_empty_and_stops_nothing() {
    let rig = Rig::new();
    let run = rig.run(FIRST);
    assert!(is_delivered(&run.take(event(1, "com.x", "{}")).await));
    skipped(run.take(event(2, "com.x", "[7]")).await);
    skipped(run.take(push(3, "")).await);
    assert!(is_delivered(&run.take(push(4, "a")).await));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_before_it_was_handed_on_is_not_its_own_repetition() {
    let rig = Rig::answering(|_, before| match before {
        0 => Outcome::Gone(std::io::ErrorKind::BrokenPipe.into()),
        _ => Outcome::Delivered,
    });
    let took = rig.run(FIRST).take(push(1, "a")).await;
    assert!(matches!(took, Took::Handed(Handed::Gone(_))), "{took:?}");
    assert!(is_delivered(&rig.run(FIRST).take(push(1, "a")).await));
    skipped(rig.run(FIRST).take(push(2, "a")).await);
}

#[tokio::test(start_paused = true)]
async fn an_open_window_outlives_the_run_that_opened_it() {
    let rig = Rig::new();
    rig.run(FIRST).take(push(1, "a")).await;
    skipped(rig.run(FIRST).take(push(2, "a")).await);
    sleep(WINDOW).await;
    assert!(is_delivered(&rig.run(FIRST).take(push(3, "a")).await));
}

#[tokio::test(start_paused = true)]
async fn of_a_window_the_last_is_handed_on_when_it_closes_and_only_that() {
    let rig = Rig::new();
    let run = rig.run(LAST);
    let start = Instant::now();
    for seq in 1..=3 {
        let took = run.take(push(seq, "a")).await;
        assert!(matches!(took, Took::Held), "{took:?}");
        sleep(WINDOW / 4).await;
    }
    run.take(push(4, "b")).await;
    assert_eq!(rig.got(), [0; 0]);
    assert_eq!(rig.fate(3).await, (Status::Pending, String::new()));
    rig.released(3).await;
    let closed = rig.got_at(0).0 - start;
    assert!(closed >= WINDOW && closed < WINDOW + Duration::from_secs(1));
    for (seq, next) in [(1, 2), (2, 3)] {
        let why = format!("#{next} came after it in the same window");
        assert_eq!(rig.fate(seq).await, (Status::Filtered, why));
    }
    assert_eq!(rig.fate(3).await.0, Status::Delivered);
    run.take(push(5, "a")).await;
    rig.released(5).await;
    assert_eq!(rig.got(), [3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_process_has_put_into_its_window_is_not_put_there_again() {
    let rig = Rig::new();
    let queue = rig.queue();
    for seq in [1, 2, 1] {
        let entry = Entry::of(&push(seq, "a"), Verdict::Held { due_at: 0 });
        let held = queue.hold(&consumer("a"), [0; 32], WINDOW, entry).await;
        held.unwrap();
    }
    assert_eq!(rig.fate(1).await.0, Status::Filtered);
    assert_eq!(rig.fate(2).await.0, Status::Pending);
}

#[tokio::test(start_paused = true)]
async fn what_a_window_holds_outlives_the_run_and_comes_out_in_time() {
    let rig = Rig::new();
    let start = Instant::now();
    rig.run(LAST).take(push(1, "a")).await;
    sleep(WINDOW / 2).await;
    let second = rig.run(LAST);
    second.take(push(2, "a")).await;
    rig.released(2).await;
    assert!(start.elapsed() < WINDOW + Duration::from_secs(1));
    second.take(push(3, "a")).await;
    drop(second);
    // Nobody was there when this one closed.
    sleep(10 * WINDOW).await;
    let (start, _third) = (Instant::now(), rig.run(LAST));
    rig.released(3).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(rig.got(), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_when_it_comes_out_is_tried_again_and_given_up_as_any_other() {
    let rig = Rig::answering(|_, _| Outcome::Refused("no".to_owned()));
    let run = rig.run(LAST);
    run.take(push(1, "a")).await;
    rig.heard.until("gave up 1", 1).await;
    let words = ["aside 1: no", "released 1: Aside", "gave up 1: no"];
    assert_eq!(rig.heard.words(), words);
    assert_eq!(rig.got(), [1; 5]);
    assert_eq!(rig.fate(1).await, (Status::Failed, "no".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_when_a_window_closes_is_waited_for_and_said_to_be_away() {
    let rig = Rig::answering(|_, before| match before {
        0..30 => Outcome::Unreachable("away".to_owned()),
        _ => Outcome::Delivered,
    });
    let run = rig.run(LAST);
    run.take(push(1, "a")).await;
    rig.released(1).await;
    let words = rig.heard.words();
    assert_eq!(words[..30], ["holding 1: away"; 30]);
    assert_eq!(words[30..], ["resumed 1", "released 1: Delivered"]);
    assert_eq!(rig.fate(1).await.0, Status::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_gone_when_a_window_closes_is_reported_and_costs_no_event() {
    let rig = Rig::answering(|_, _| Outcome::Gone(std::io::ErrorKind::BrokenPipe.into()));
    let run = rig.run(LAST);
    run.take(push(1, "a")).await;
    rig.heard.until("released 1: Gone", 1).await;
    assert_eq!(rig.fate(1).await.0, Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn filters_and_hooks_are_asked_when_a_window_closes() {
    let rig = Rig::new();
    let counter = rig.dir.path().join("ran");
    let members = format!(
        r#"{LAST}, "filters": {{"drop": [{{"ref": "bad"}}]}},
            "enrichment": [{{"match": {{}}, "run": "echo >>{}; echo '{{\"more\":1}}'", "timeout": "1d"}}]"#,
        counter.display()
    );
    let run = rig.run(&members);
    for item in [push(1, "bad"), push(2, "good"), push(3, "good")] {
        run.take(item).await;
    }
    assert!(!counter.exists());
    rig.released(1).await;
    rig.released(3).await;
    assert_eq!(rig.got(), [3]);
    assert_eq!(rig.got_at(0).1.text(), r#"{"more":1}"#);
    let why = "left out by `filters.drop[0]`".to_owned();
    assert_eq!(rig.fate(1).await, (Status::Filtered, why));
    let enriched = rig.row(3).await.enriched_payload;
    assert_eq!(enriched.as_deref(), Some(r#"{"more":1}"#));
    assert_eq!(
        std::fs::read_to_string(&counter).unwrap().lines().count(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_dealt_with_is_not_handed_on_when_its_acknowledgement_was_lost() {
    let rig = Rig::answering(|item, _| match item.seq {
        2 => Outcome::Refused("no".to_owned()),
        _ => Outcome::Delivered,
    });
    let filters = r#""filters": {"drop": [{"ref": "bad"}]}"#;
    let all = || [push(1, "a"), push(2, "b"), push(3, "bad")];
    let first = rig.run(filters);
    for item in all() {
        first.take(item).await;
    }
    drop(first);
    let second = rig.run(filters);
    for item in all() {
        assert!(matches!(second.take(item).await, Took::Known));
    }
    let held = rig.run(LAST);
    held.take(push(4, "a")).await;
    assert!(matches!(held.take(push(4, "a")).await, Took::Known));
}

#[tokio::test(start_paused = true)]
async fn subscriptions_come_before_windows_and_windows_before_filters() {
    let rig = Rig::new();
    let members = format!(
        r#"{FIRST}, "subscriptions": [{{"type": "push"}}],
            "filters": {{"drop": [{{"actor": "bot"}}], "keep_only": [{{"actor": "a*"}}]}}"#
    );
    let run = rig.run(&members);
    let by = |seq, kind, actor, branch: &str| {
        let data = format!(r#"{{"actor":"{actor}","ref":"{branch}"}}"#);
        event(seq, kind, &data)
    };
    let other = run.take(by(1, "com.github.issues", "ann", "x")).await;
    assert!(matches!(other, Took::Unsubscribed));
    assert!(is_delivered(
        &run.take(by(2, "com.github.push", "ann", "x")).await
    ));
    let dropped = run.take(by(3, "com.github.push", "bot", "y")).await;
    assert_eq!(skipped(dropped), "left out by `filters.drop[0]`");
    let after = run.take(by(4, "com.github.push", "ann", "y")).await;
    assert_eq!(skipped(after), "#3 came before it in the same window");
    let unkept = run.take(by(5, "com.github.push", "cy", "z")).await;
    assert_eq!(skipped(unkept), "left out by `filters.keep_only`");
    // What was never meant leaves nothing.
    let seqs: Vec<Seq> = rig.rows().await.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn the_queue_keeps_what_it_is_meant_to() {
    for (keeps, kept) in [
        (Keeps::Refused, vec![2]),
        (Keeps::All, vec![1, 2, 3]),
        (Keeps::AllSafely, vec![1, 2, 3]),
    ] {
        let mut rig = Rig::answering(|item, _| match item.seq {
            2 => Outcome::Refused("no".to_owned()),
            _ => Outcome::Delivered,
        });
        rig.keeps = keeps;
        let run = rig.run(r#""filters": {"drop": [{"ref": "bad"}]}"#);
        for item in [push(1, "a"), push(2, "b"), push(3, "bad")] {
            run.take(item).await;
        }
        let seqs: Vec<Seq> = rig.rows().await.iter().map(|row| row.seq).collect();
        assert_eq!(seqs, kept, "{keeps:?}");
    }
}

#[tokio::test]
async fn the_first_hook_that_is_meant_and_answers_has_the_word() {
    let rig = Rig::new();
    let run = rig.run(
        r#""enrichment": [
            {"match": {"type": "com.other"}, "run": "echo '{\"other\":1}'"},
            {"match": {}, "run": "exit 3"},
            {"match": {}, "run": "echo garbage"},
            {"match": {}, "run": "sleep 60", "timeout": "1s"},
            {"match": {}, "run": "sed 's/\"data\"/\"more\":1,\"data\"/'"},
            {"match": {}, "run": "echo '{\"late\":1}'"}]"#,
    );
    assert!(is_delivered(&run.take(push(1, "a")).await));
    let item = rig.got_at(0).1;
    assert!(item.text().contains(r#""more":1,"data":{"ref":"a"}"#));
    let row = rig.row(1).await;
    assert_eq!(row.enriched_payload.as_deref(), Some(item.text()));
    assert_eq!(row.raw_payload, push(1, "a").raw);
    assert!(row.enriched_at.is_some());
    let failed = rig.failed();
    assert_eq!(failed.len(), 3, "{failed:?}");
    assert_eq!(failed[0], "exit 3: it ended with 3");
    assert!(failed[1].starts_with("echo garbage: it printed no JSON object"));
    assert_eq!(failed[2], "sleep 60: it did not end within 1 s");
}

#[tokio::test]
async fn an_event_that_no_hook_adds_to_goes_on_as_it_came() {
    let rig = Rig::new();
    let run = rig.run(r#""enrichment": [{"match": {}, "run": "echo '[1]'"}]"#);
    assert!(is_delivered(&run.take(push(1, "a")).await));
    assert_eq!(rig.got_at(0).1.text(), push(1, "a").raw);
    assert_eq!(rig.row(1).await.enriched_payload, None);
}

#[tokio::test]
async fn what_a_hook_calls_an_event_changes_nothing_about_which_event_it_is() {
    let rig = Rig::new();
    let run = rig.run(r#""enrichment": [{"match": {}, "run": "sed 's/e1/another/'"}]"#);
    assert!(is_delivered(&run.take(push(1, "a")).await));
    assert!(rig.got_at(0).1.text().contains(r#""id":"another""#));
    assert_eq!(rig.row(1).await.event_id, "e1");
    assert!(matches!(run.take(push(1, "a")).await, Took::Known));
}

#[tokio::test]
async fn files_that_a_hook_finds_decide_about_the_importance_and_that_about_the_sink() {
    let rig = Rig::new();
    let run = rig.run_to(
        r#"{"type": "exec", "command": "true", "importance": "high"}"#,
        r#""filters": {"drop": [{"ref": "bad"}]},
        "enrichment": [
            {"match": {"ref": "src"}, "run": "echo '{\"changed_files\":[\"src/a.rs\"]}'"},
            {"match": {"ref": "bad"}, "run": "exit 9"}],
        "scoring": {"default_importance": "low",
            "rules": [{"match": {}, "importance": "critical", "paths": ["src/**"]}]}"#,
    );
    assert!(is_delivered(&run.take(push(1, "src")).await));
    assert_eq!(rig.got_at(0).1.importance, Importance::Critical);
    assert_eq!(rig.row(1).await.importance, "critical");
    let why = skipped(run.take(push(2, "doc")).await);
    assert_eq!(why, "its importance low is below high");
    assert_eq!(rig.fate(2).await, (Status::Filtered, why));
    assert_eq!(rig.row(2).await.importance, "low");
    // No hook works on what is left out anyway.
    skipped(run.take(push(3, "bad")).await);
    assert_eq!(rig.failed(), [""; 0]);
}

/// What each strategy delivers of events that come at these times (seconds) with these keys.
fn expected(strategy: &str, events: &[(u64, u8)]) -> Vec<Seq> {
    let mut open: HashMap<u8, (u64, usize)> = HashMap::new();
    let mut windows: Vec<(Seq, Seq)> = Vec::new();
    for (seq, (at, key)) in (1..).zip(events) {
        match open.get(key) {
            Some((closes, window)) if closes > at => windows[*window].1 = seq,
            _ => {
                open.insert(*key, (at + WINDOW.as_secs(), windows.len()));
                windows.push((seq, seq));
            }
        }
    }
    let pick = |(first, last)| {
        if strategy == "keep_first" {
            first
        } else {
            last
        }
    };
    let mut seqs: Vec<Seq> = windows.into_iter().map(pick).collect();
    seqs.sort_unstable();
    seqs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn every_window_hands_on_exactly_one_event(
        gaps in prop::collection::vec((0..5u64, 0..2u8, any::<bool>()), 1..12),
        strategy in prop::sample::select(vec!["keep_first", "keep_last"]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let (got, events) = runtime.unwrap().block_on(async {
            let rig = Rig::new();
            let members = FIRST.replace("keep_first", strategy);
            let mut run = rig.run(&members);
            let (mut at, mut events) = (0, Vec::new());
            for (seq, (gap, key, is_restarted)) in (1..).zip(gaps) {
                // Never just when a window closes.
                sleep(Duration::from_secs(gap * 17)).await;
                at += gap * 17;
                events.push((at, key));
                if is_restarted {
                    drop(run);
                    run = rig.run(&members);
                }
                run.take(push(seq, &key.to_string())).await;
            }
            sleep(2 * WINDOW).await;
            let mut got = rig.got();
            got.sort_unstable();
            (got, events)
        });
        prop_assert_eq!(got, expected(strategy, &events), "{}: {:?}", strategy, events);
    }
}
