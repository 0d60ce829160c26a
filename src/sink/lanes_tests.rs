//! Lanes over a sink that does as it is told.

use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::base::clock::Clock;
use crate::sink::Outcome;

/// What happened at the sink.
#[derive(Default, Clone)]
struct Log {
    begun: Vec<Seq>,
    done: Vec<Seq>,
    flying: usize,
    most_flying: usize,
}

/// A sink that takes an event when it is let go; some it refuses, or cannot take while it is away.
struct Scripted {
    log: Mutex<Log>,
    /// The events that may go; all of them, when it is none.
    free: watch::Sender<Option<Vec<Seq>>>,
    is_away: Mutex<bool>,
    refused: Option<Seq>,
}

impl Scripted {
    fn new(free: Option<Vec<Seq>>) -> Arc<Self> {
        Arc::new(Self {
            log: Mutex::default(),
            free: watch::Sender::new(free),
            is_away: Mutex::new(false),
            refused: None,
        })
    }

    fn log(&self) -> Log {
        self.log.lock().unwrap().clone()
    }

    fn let_go(&self, seqs: &[Seq]) {
        self.free.send_modify(|free| match free {
            Some(free) => free.extend(seqs),
            None => *free = Some(seqs.to_vec()),
        });
    }
}

#[async_trait]
impl Sink for Scripted {
    async fn deliver(&self, item: &Item) -> Outcome {
        {
            let mut log = self.log.lock().unwrap();
            log.begun.push(item.seq);
            log.flying += 1;
            log.most_flying = log.most_flying.max(log.flying);
        }
        let is_free = |free: &Option<Vec<Seq>>| match free {
            Some(free) => free.contains(&item.seq),
            None => true,
        };
        self.free.subscribe().wait_for(is_free).await.unwrap();
        tokio::task::yield_now().await;
        let mut log = self.log.lock().unwrap();
        log.flying -= 1;
        if *self.is_away.lock().unwrap() {
            return Outcome::Unreachable("away".to_owned());
        }
        log.done.push(item.seq);
        match self.refused == Some(item.seq) {
            true => Outcome::Refused("no".to_owned()),
            false => Outcome::Delivered,
        }
    }
}

/// Writes down what is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Witness for Told {
    fn hear(&self, happening: Happening<'_>) {
        let (word, item) = match happening {
            Happening::Holding { item, .. } => ("holding", item),
            Happening::Resumed { item } => ("resumed", item),
            Happening::SetAside { item, .. } => ("refused", item),
            _ => return,
        };
        self.0.lock().unwrap().push(format!("{word} {}", item.seq));
    }
}

/// Lanes to a sink, with a queue of their own.
struct Bench {
    lanes: Lanes,
    told: Arc<Told>,
    _home: TempDir,
}

impl Bench {
    fn begin(sink: &Arc<Scripted>) -> Self {
        let home = TempDir::new().unwrap();
        let queue = Queue::open(&home.path().join("queue.db"), Clock::system()).unwrap();
        let consumer = Consumer {
            server: "http://localhost".to_owned(),
            team: "t".parse().unwrap(),
            name: "test".to_owned(),
            sink: "{}".to_owned(),
        };
        let told = Arc::new(Told::default());
        let witness: Arc<dyn Witness> = Arc::<Told>::clone(&told);
        Self {
            lanes: Lanes::begin(Arc::<Scripted>::clone(sink), queue, consumer, witness),
            told,
            _home: home,
        }
    }

    fn put(&mut self, seq: Seq, source: &str) {
        let text =
            format!(r#"{{"specversion":"1.0","id":"{seq}","source":"{source}","type":"t"}}"#);
        self.lanes
            .put(Item::read(seq, "t".to_owned(), text).unwrap());
    }

    async fn finish(&mut self) {
        while self.lanes.in_hand().is_some() {
            self.lanes.next().await;
        }
    }

    fn told(&self) -> Vec<String> {
        self.told.0.lock().unwrap().clone()
    }
}

/// Lets so many events come to the sink, and every task as far as it can; which events, in their order.
async fn begun(sink: &Scripted, count: usize) -> Vec<Seq> {
    while sink.log().begun.len() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    settle().await;
    let mut begun = sink.log().begun.clone();
    begun.sort_unstable();
    begun
}

/// Lets every task come as far as it can.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_events_of_a_source_go_one_after_the_other_and_others_beside_them() {
    let sink = Scripted::new(Some(Vec::new()));
    let mut bench = Bench::begin(&sink);
    for (seq, source) in [(1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "b")] {
        bench.put(seq, source);
    }
    assert_eq!(begun(&sink, 2).await, [1, 3]);
    sink.let_go(&[3, 5]);
    assert_eq!(begun(&sink, 3).await, [1, 3, 5]);
    sink.let_go(&[1, 2, 4]);
    bench.finish().await;
    assert_eq!(sink.log().done, [3, 5, 1, 2, 4]);
    assert!(bench.lanes.tails.is_empty() && bench.lanes.window.is_empty());
}

#[tokio::test]
async fn nothing_counts_as_done_beyond_an_event_in_hand() {
    let sink = Scripted::new(Some(vec![2, 3]));
    let mut bench = Bench::begin(&sink);
    assert_eq!(bench.lanes.in_hand(), None);
    for (seq, source) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
        bench.put(seq, source);
    }
    bench.lanes.next().await;
    bench.lanes.next().await;
    assert_eq!(bench.lanes.in_hand(), Some(1));
    sink.let_go(&[1]);
    bench.lanes.next().await;
    assert_eq!(bench.lanes.in_hand(), Some(4));
    sink.let_go(&[4]);
    bench.lanes.next().await;
    assert_eq!(bench.lanes.in_hand(), None);
}

#[tokio::test]
async fn only_so_many_fly_and_only_so_many_are_taken_beyond_the_first_in_hand() {
    let sink = Scripted::new(Some(Vec::new()));
    let mut bench = Bench::begin(&sink);
    let mut seq = 0;
    while bench.lanes.has_room() {
        seq += 1;
        bench.put(seq, &format!("source {seq}"));
    }
    assert_eq!(seq, IN_HAND_MAX as u64);
    assert_eq!(begun(&sink, FLYING_MAX).await.len(), FLYING_MAX);
    // All but the first: there is no room for more all the same.
    sink.let_go(&(2..=seq).collect::<Vec<_>>());
    for _ in 1..seq {
        bench.lanes.next().await;
    }
    assert!(!bench.lanes.has_room());
    sink.let_go(&[1]);
    bench.finish().await;
    assert!(bench.lanes.has_room());
    assert_eq!(sink.log().most_flying, FLYING_MAX);
}

#[tokio::test]
async fn a_wait_that_is_left_alone_loses_nothing() {
    let sink = Scripted::new(None);
    let mut bench = Bench::begin(&sink);
    for seq in 1..=50 {
        bench.put(seq, &format!("source {}", seq % 7));
    }
    let mut done = 0;
    while bench.lanes.in_hand().is_some() {
        tokio::select! {
            biased;
            _ = bench.lanes.next() => done += 1,
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!((done, sink.log().done.len()), (50, 50));
}

#[tokio::test]
async fn a_refused_event_steps_aside_and_its_source_goes_on() {
    let mut sink = Scripted::new(None);
    Arc::get_mut(&mut sink).unwrap().refused = Some(1);
    let mut bench = Bench::begin(&sink);
    bench.put(1, "a");
    bench.put(2, "a");
    assert!(matches!(bench.lanes.next().await, Handed::Aside));
    assert!(matches!(bench.lanes.next().await, Handed::Delivered));
    assert_eq!(bench.told(), ["refused 1"]);
}

#[tokio::test]
async fn that_the_sink_is_away_is_said_by_one_lane_for_all() {
    let sink = Scripted::new(None);
    *sink.is_away.lock().unwrap() = true;
    let mut bench = Bench::begin(&sink);
    for seq in 1..=8 {
        bench.put(seq, &format!("source {seq}"));
    }
    while sink.log().begun.len() < 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let told = bench.told();
    assert!(told.iter().all(|line| *line == told[0]), "{told:?}");
    let resumed = told[0].replace("holding", "resumed");
    *sink.is_away.lock().unwrap() = false;
    bench.finish().await;
    let told = bench.told();
    let ends = told.iter().filter(|line| line.starts_with("resumed"));
    assert_eq!(ends.collect::<Vec<_>>(), [&resumed], "{told:?}");
}

#[tokio::test]
async fn what_is_in_hand_when_the_lanes_go_is_not_delivered() {
    let sink = Scripted::new(Some(Vec::new()));
    let mut bench = Bench::begin(&sink);
    bench.put(1, "a");
    bench.put(2, "a");
    begun(&sink, 1).await;
    drop(bench);
    sink.let_go(&[1, 2]);
    settle().await;
    assert_eq!(sink.log().begun, [1]);
    assert!(sink.log().done.is_empty());
}
