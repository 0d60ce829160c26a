//! One run of a load: its clock, and who takes the next turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::pace::{Schedule, Turn};
use super::{BenchError, DRAIN_LIMIT, Load};

/// The clock of a run and its turns, shared by all publishers. Whoever is free takes the next turn.
pub(super) struct Run {
    began: Instant,
    schedule: Schedule,
    taken: AtomicU64,
    due: Semaphore,
    is_over: AtomicBool,
}

impl Run {
    /// Begins now.
    pub(super) fn begin(load: &Load) -> Result<Running, BenchError> {
        let run = Arc::new(Self {
            began: Instant::now(),
            schedule: Schedule::new(load.pace, load.warm_up, load.duration),
            taken: AtomicU64::new(0),
            due: Semaphore::new(0),
            is_over: AtomicBool::new(false),
        });
        if let Some(total) = run.schedule.total() {
            let (ticking, publishers) = (run.clone(), load.publishers);
            thread::Builder::new()
                .name("kite-pace".to_owned())
                .spawn(move || ticking.tick(total, publishers))
                .map_err(BenchError::system("start a thread"))?;
        }
        Ok(Running(run))
    }

    /// How long it has been running.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// When turns begin to count.
    pub(super) fn warm_up(&self) -> Duration {
        self.schedule.warm_up()
    }

    /// The next turn; waits until it is due. `None` when there is no more, or when what is left of it comes too late.
    pub(super) async fn turn(&self) -> Option<Turn> {
        if self.schedule.total().is_some() {
            // It is never closed.
            self.due.acquire().await.ok()?.forget();
        }
        let now = self.now();
        if now > self.schedule.end() + DRAIN_LIMIT {
            return None;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        self.schedule.turn(number, now)
    }

    /// How many turns were due and taken by nobody.
    pub(super) fn left(&self) -> u64 {
        let total = self.schedule.total().unwrap_or(0);
        total.saturating_sub(self.taken.load(Ordering::Relaxed))
    }

    /// Says when turns are due. A thread of its own: the timer of the runtime counts in milliseconds.
    fn tick(&self, total: u64, publishers: usize) {
        let mut said = 0;
        while said < total && !self.is_over.load(Ordering::Relaxed) {
            let now = self.now();
            let due = self.schedule.due_by(now + Duration::from_nanos(1));
            if due > said {
                // At a thousand million a second this would be a second's worth.
                self.due
                    .add_permits(usize::try_from(due - said).unwrap_or(usize::MAX >> 4));
                said = due;
            }
            let next = self.schedule.turn(said, now).map(|turn| turn.due);
            let wait = next.map_or(Duration::ZERO, |next| next.saturating_sub(self.now()));
            // Short enough to hear soon that nobody waits any more.
            thread::sleep(wait.min(Duration::from_millis(100)));
        }
        // One more for each, so that all hear the end.
        self.due.add_permits(publishers);
    }
}

/// A run, which is over when this value goes.
pub(super) struct Running(pub(super) Arc<Run>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}
