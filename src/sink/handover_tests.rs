//! The delivery rule in set time: hours pass in a moment.

use std::sync::Mutex;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::queue::Status;
use super::super::retry::LEASE;
use super::*;
use crate::base::clock::Clock;
use crate::protocol::id::Seq;

/// What a sink answers, by how often it was asked before.
type Answers = Box<dyn Fn(&Item, usize) -> Outcome + Send + Sync>;

/// A sink that answers as a test wants.
struct Fake {
    answers: Answers,
    asked: Mutex<Vec<(Instant, Seq)>>,
    bell: Notify,
}

impl Fake {
    fn new(answers: impl Fn(&Item, usize) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answers: Box::new(answers),
            asked: Mutex::default(),
            bell: Notify::new(),
        })
    }

    /// When it was asked to take this event.
    fn asked(&self, seq: Seq) -> Vec<Instant> {
        let asked = self.asked.lock().unwrap();
        let of_event = asked.iter().filter(|(_, asked)| *asked == seq);
        of_event.map(|(at, _)| *at).collect()
    }
}

#[async_trait::async_trait]
impl Sink for Fake {
    async fn deliver(&self, item: &Item) -> Outcome {
        let before = self.asked(item.seq).len();
        let now = (Instant::now(), item.seq);
        self.asked.lock().unwrap().push(now);
        (self.answers)(item, before)
    }

    async fn changed(&self) {
        self.bell.notified().await;
    }
}

/// What a witness heard, in words, and the waits that were said.
#[derive(Default)]
pub(in crate::sink) struct Heard {
    words: Mutex<Vec<String>>,
    waits: Mutex<Vec<Duration>>,
}

impl Witness for Heard {
    fn hear(&self, happening: Happening<'_>) {
        let (words, wait) = match happening {
            Happening::Holding { item, why, wait } => {
                (format!("holding {}: {why}", item.seq), Some(wait))
            }
            Happening::Resumed { item } => (format!("resumed {}", item.seq), None),
            Happening::SetAside { item, why, wait } => {
                (format!("aside {}: {why}", item.seq), Some(wait))
            }
            Happening::Released { item, handed } => {
                (format!("released {}: {handed:?}", item.seq), None)
            }
            Happening::Recovered { item } => (format!("recovered {}", item.seq), None),
            Happening::GaveUp { item, why } => (format!("gave up {}: {why}", item.seq), None),
            Happening::QueueFault { wait, .. } => ("queue fault".to_owned(), Some(wait)),
        };
        self.words.lock().unwrap().push(words);
        self.waits.lock().unwrap().extend(wait);
    }
}

impl Heard {
    pub(in crate::sink) fn words(&self) -> Vec<String> {
        self.words.lock().unwrap().clone()
    }

    fn count(&self, part: &str) -> usize {
        let words = self.words();
        words.iter().filter(|words| words.contains(part)).count()
    }

    /// Lets time pass until it was heard so often.
    pub(in crate::sink) async fn until(&self, part: &str, count: usize) {
        let since = Instant::now();
        while self.count(part) < count {
            assert!(since.elapsed() < DAY, "{:?}", self.words());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A queue, and who hears what happens around it.
struct Stage {
    dir: TempDir,
    queue: Queue,
    heard: Arc<Heard>,
}

impl Stage {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Clock::following(1_700_000_000_000);
        Self {
            queue: Queue::open(&dir.path().join("queue.db"), clock).unwrap(),
            heard: Arc::default(),
            dir,
        }
    }

    fn begin(&self, sink: &Arc<Fake>, name: &str) -> Handover {
        let sink: Arc<dyn Sink> = Arc::<Fake>::clone(sink);
        let heard: Arc<dyn Witness> = Arc::<Heard>::clone(&self.heard);
        Handover::begin(sink, self.queue.clone(), consumer(name), heard)
    }

    async fn status(&self, seq: Seq) -> Option<Status> {
        let id = format!("e{seq}");
        let status = self.queue.status(&consumer("a"), seq, &id).await;
        status.unwrap()
    }

    /// Its file, opened beside it.
    fn file(&self) -> Connection {
        Connection::open(self.dir.path().join("queue.db")).unwrap()
    }

    fn attempts(&self) -> u32 {
        let sql = "SELECT attempts FROM entries";
        self.file().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

pub(in crate::sink) fn consumer(name: &str) -> Consumer {
    Consumer {
        server: "http://localhost".to_owned(),
        team: "t".parse().unwrap(),
        name: name.to_owned(),
        sink: "{}".to_owned(),
    }
}

fn item(seq: Seq) -> Item {
    let raw = format!(r#"{{"specversion":"1.0","id":"e{seq}","source":"s","type":"t"}}"#);
    Item::read(seq, "t".to_owned(), raw).unwrap()
}

fn refused() -> Outcome {
    Outcome::Refused("no".to_owned())
}

fn away() -> Outcome {
    Outcome::Unreachable("away".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_for_an_hour_holds_the_stream_until_it_is_back() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    let stage = Stage::new();
    let start = Instant::now();
    let sink = Fake::new(move |_, _| match start.elapsed() < HOUR {
        true => away(),
        false => Outcome::Delivered,
    });
    let handover = stage.begin(&sink, "a");
    assert!(matches!(
        handover.hand_on(&item(1)).await,
        Handed::Delivered
    ));

    let held = start.elapsed();
    assert!((HOUR..HOUR + HOLD_MAX).contains(&held), "{held:?}");
    // At least every 30 s, and not much more often.
    let tries = sink.asked(1).len();
    assert!((120..600).contains(&tries), "{tries}");
    let waits = stage.heard.waits.lock().unwrap().clone();
    assert!(
        waits
            .iter()
            .all(|wait| (HOLD_MIN..=HOLD_MAX).contains(wait))
    );
    assert!(waits.iter().any(|wait| *wait > HOLD_MAX / 2));
    assert_eq!(stage.heard.count("holding 1: away"), tries - 1);
    assert_eq!(stage.heard.words().last().unwrap(), "resumed 1");
    assert_eq!(stage.status(1).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_the_sink_cuts_the_wait_short() {
    let stage = Stage::new();
    let start = Instant::now();
    let sink = Fake::new(|_, before| match before {
        0 => away(),
        _ => Outcome::Delivered,
    });
    sink.bell.notify_one();
    let handover = stage.begin(&sink, "a");
    handover.hand_on(&item(1)).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(stage.heard.words(), ["holding 1: away", "resumed 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_steps_aside_and_the_next_is_handed_on_at_once() {
    let stage = Stage::new();
    let start = Instant::now();
    let sink = Fake::new(|item, _| match item.seq {
        1 => refused(),
        _ => Outcome::Delivered,
    });
    let handover = stage.begin(&sink, "a");
    assert!(matches!(handover.hand_on(&item(1)).await, Handed::Aside));
    assert_eq!(stage.status(1).await, Some(Status::Ready));
    assert!(matches!(
        handover.hand_on(&item(2)).await,
        Handed::Delivered
    ));
    assert!(start.elapsed() < Duration::from_millis(500));
    assert_eq!(stage.heard.words(), ["aside 1: no"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_gives_no_answer_is_waited_for_and_an_event_it_falls_over_steps_aside() {
    let stage = Stage::new();
    let sink = Fake::new(|item, before| match (item.seq, before) {
        (1, 3..) | (2, _) => Outcome::Delivered,
        _ => Outcome::Silent("gone".to_owned()),
    });
    let handover = stage.begin(&sink, "a");
    let handed = handover.hand_on(&item(1)).await;
    assert!(matches!(handed, Handed::Delivered));
    assert_eq!(stage.heard.count("holding 1: gone"), 3);
    let handed = handover.hand_on(&item(3)).await;
    assert!(matches!(handed, Handed::Aside));
    assert_eq!(stage.heard.count("holding 3: gone"), 4);
    assert_eq!(stage.heard.count("aside 3: gone"), 1);
    let handed = handover.hand_on(&item(2)).await;
    assert!(matches!(handed, Handed::Delivered));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_tried_five_times_with_growing_waits_and_then_given_up() {
    let stage = Stage::new();
    let sink = Fake::new(|_, _| refused());
    let handover = stage.begin(&sink, "a");
    handover.hand_on(&item(1)).await;
    stage.heard.until("gave up 1: no", 1).await;
    let asked = sink.asked(1);
    let waits = asked.windows(2).map(|pair| pair[1] - pair[0]);
    let waits: Vec<f64> = waits.map(|wait| wait.as_secs_f64()).collect();
    assert_eq!(waits.len(), 4, "{waits:?}");
    for (wait, secs) in waits.iter().zip([1.0, 4.0, 16.0, 64.0]) {
        assert!(
            (secs * 0.74..=secs * 1.26 + 0.05).contains(wait),
            "{waits:?}"
        );
    }
    assert_eq!(stage.status(1).await, Some(Status::Failed));
    assert_eq!(stage.attempts(), 5);
    sleep(DAY).await;
    assert_eq!(sink.asked(1).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_taken_in_between_is_delivered() {
    let stage = Stage::new();
    let sink = Fake::new(|_, before| match before {
        0 | 1 => refused(),
        _ => Outcome::Delivered,
    });
    let handover = stage.begin(&sink, "a");
    handover.hand_on(&item(1)).await;
    stage.heard.until("recovered 1", 1).await;
    assert_eq!(stage.status(1).await, Some(Status::Delivered));
    assert_eq!(stage.attempts(), 3);
    sleep(DAY).await;
    assert_eq!(sink.asked(1).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_costs_a_refused_event_no_attempt() {
    let stage = Stage::new();
    let sink = Fake::new(|_, before| match before {
        1..=20 => away(),
        _ => refused(),
    });
    let handover = stage.begin(&sink, "a");
    handover.hand_on(&item(1)).await;
    stage.heard.until("gave up 1", 1).await;
    assert_eq!(sink.asked(1).len(), 25);
    assert_eq!(stage.attempts(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_written_holds_the_stream() {
    let stage = Stage::new();
    let sink = Fake::new(|_, _| refused());
    let handover = stage.begin(&sink, "a");
    let file = stage.file();
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        file.execute_batch(&sql).unwrap();
    };
    rename("entries", "elsewhere");
    let start = Instant::now();
    let mend = async {
        stage.heard.until("queue fault", 10).await;
        rename("elsewhere", "entries");
    };
    let one = item(1);
    let (handed, ()) = tokio::join!(handover.hand_on(&one), mend);
    assert!(matches!(handed, Handed::Aside));
    assert!(start.elapsed() > Duration::from_secs(3));
    assert_eq!(stage.heard.words()[10], "aside 1: no");
    // It was handed over once: what became of it was known.
    assert_eq!(sink.asked(1).len(), 1);
    stage.heard.until("gave up 1", 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_can_never_take_is_given_up_at_once() {
    let stage = Stage::new();
    let sink = Fake::new(|_, _| Outcome::Hopeless("no route".to_owned()));
    let handover = stage.begin(&sink, "a");
    assert!(matches!(handover.hand_on(&item(1)).await, Handed::Aside));
    assert_eq!(stage.heard.words(), ["gave up 1: no route"]);
    assert_eq!(stage.status(1).await, Some(Status::Failed));
    sleep(DAY).await;
    assert_eq!(sink.asked(1).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_need_not_or_cannot_be_handed_on_leaves_nothing_in_the_queue() {
    let stage = Stage::new();
    let sink = Fake::new(|item, _| match item.seq {
        1 => Outcome::Skipped("seen".to_owned()),
        _ => Outcome::Gone(io::ErrorKind::BrokenPipe.into()),
    });
    let handover = stage.begin(&sink, "a");
    let first = handover.hand_on(&item(1)).await;
    assert!(matches!(first, Handed::Skipped(why) if why == "seen"));
    assert!(matches!(handover.hand_on(&item(2)).await, Handed::Gone(_)));
    assert_eq!((stage.status(1).await, stage.status(2).await), (None, None));
    assert!(stage.heard.words().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_set_aside_is_tried_again() {
    let stage = Stage::new();
    let refusing = Fake::new(|_, _| refused());
    let first = stage.begin(&refusing, "a");
    for seq in 1..=3 {
        first.hand_on(&item(seq)).await;
    }
    drop(first);
    let taking = Fake::new(|_, _| Outcome::Delivered);
    let _second = stage.begin(&taking, "a");
    stage.heard.until("recovered", 3).await;
    for seq in 1..=3 {
        assert_eq!(taking.asked(seq).len(), 1);
        assert_eq!(stage.status(seq).await, Some(Status::Delivered));
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_claimed_and_left_is_tried_when_the_claim_runs_out() {
    let stage = Stage::new();
    let refusing = Fake::new(|_, _| refused());
    let first = stage.begin(&refusing, "a");
    first.hand_on(&item(1)).await;
    drop(first);
    sleep(Duration::from_secs(2)).await;
    let claim = stage.queue.claim_due(&consumer("a"), LEASE).await.unwrap();
    assert!(claim.is_some());
    let claimed = Instant::now();

    let taking = Fake::new(|_, _| Outcome::Delivered);
    let _second = stage.begin(&taking, "a");
    stage.heard.until("recovered 1", 1).await;
    let waited = taking.asked(1)[0] - claimed;
    assert!((LEASE..LEASE * 2).contains(&waited), "{waited:?}");
    // Whoever comes back to the old claim changes nothing.
    let late = Verdict::Failed("late".to_owned());
    stage.queue.settle(&claim.unwrap(), late).await.unwrap();
    assert_eq!(stage.status(1).await, Some(Status::Delivered));
}

#[tokio::test(start_paused = true)]
async fn two_consumers_of_one_queue_leave_each_other_alone() {
    let stage = Stage::new();
    let refusing = Fake::new(|_, _| refused());
    let first = stage.begin(&refusing, "a");
    let taking = Fake::new(|_, _| Outcome::Delivered);
    let _second = stage.begin(&taking, "b");
    first.hand_on(&item(1)).await;
    stage.heard.until("gave up 1", 1).await;
    assert_eq!(refusing.asked(1).len(), 5);
    assert!(taking.asked(1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn many_refused_events_hold_up_nobody_and_are_all_tried() {
    const EVENTS: Seq = 200;
    let stage = Stage::new();
    let sink = Fake::new(|_, before| match before {
        0 => refused(),
        _ => Outcome::Delivered,
    });
    let handover = stage.begin(&sink, "a");
    for seq in 1..=EVENTS {
        handover.hand_on(&item(seq)).await;
    }
    stage.heard.until("recovered", 200).await;
    let tries: Vec<_> = (1..=EVENTS).map(|seq| sink.asked(seq).len()).collect();
    assert!(tries.iter().all(|tries| *tries == 2), "{tries:?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_while_it_is_tried_beside_the_stream_is_not_handed_on_twice() {
    let stage = Stage::new();
    let refusing = Fake::new(|_, _| refused());
    let first = stage.begin(&refusing, "a");
    first.hand_on(&item(1)).await;
    drop(first);
    let taking = Fake::new(|_, _| Outcome::Delivered);
    let second = stage.begin(&taking, "a");
    assert!(matches!(second.hand_on(&item(1)).await, Handed::Aside));
    stage.heard.until("recovered 1", 1).await;
    assert_eq!(taking.asked(1).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_beside_the_stream_is_not_tried_again_because_the_queue_was_broken() {
    let stage = Stage::new();
    let path = stage.dir.path().join("queue.db");
    let breaking = move |_: &Item, before| match before {
        0 => refused(),
        1 => {
            let file = Connection::open(&path).unwrap();
            file.execute_batch("ALTER TABLE entries RENAME TO elsewhere")
                .unwrap();
            Outcome::Delivered
        }
        _ => Outcome::Delivered,
    };
    let sink = Fake::new(breaking);
    let handover = stage.begin(&sink, "a");
    handover.hand_on(&item(1)).await;
    while sink.asked(1).len() < 2 {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(5)).await;
    let mend = "ALTER TABLE elsewhere RENAME TO entries";
    stage.file().execute_batch(mend).unwrap();
    stage.heard.until("recovered 1", 1).await;
    assert_eq!(stage.status(1).await, Some(Status::Delivered));
    assert_eq!(sink.asked(1).len(), 2);
}
