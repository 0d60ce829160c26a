//! Group commit for everything that writes: all work that waits goes into one transaction, and is answered after its
//! commit. So a crowd that opens cursors costs one fsync and not one each, and delays nobody who appends.
//!
//! Work that fails takes back what it did itself and leaves the rest of its group alone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::store::{Result, StoreError};

/// How many pieces of work share a transaction at most: few enough that nobody waits long behind them.
const GROUP_MAX: usize = 128;

/// Work for the connection that writes.
trait Job: Send {
    /// Does the work; says whether it went well.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()>;

    /// Answers whoever waits: with what the work said, unless the commit failed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Work<F, T> {
    work: Option<F>,
    done: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

/// Work, and where its answer comes.
fn job<T: Send + 'static>(
    work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>) {
    let (answer, answered) = oneshot::channel();
    let work = Work {
        work: Some(work),
        done: None,
        answer,
    };
    (Box::new(work), answered)
}

impl<F, T> Job for Work<F, T>
where
    F: FnOnce(&Transaction<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        let work = self.work.take().ok_or(StoreError::Closed)?;
        let done = work(transaction);
        let result = done.as_ref().map(|_| ()).map_err(Clone::clone);
        self.done = Some(done);
        result
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let result = match (self.done, committed) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(done), Ok(())) => done,
            // It panicked before it was done.
            (None, Ok(())) => Err(StoreError::Failed("a write panicked".to_owned())),
        };
        // Nobody waits any more when a request was dropped; the work is done all the same.
        let _ = self.answer.send(result);
    }
}

/// The connection that writes, and the work that waits for it.
pub(super) struct Group {
    connection: Mutex<Connection>,
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// Without a bound of its own: every job has somebody who waits for it, and connections, calls and the committer are
    /// bounded.
    jobs: VecDeque<Box<dyn Job>>,
    closed: bool,
}

impl Group {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Mutex::new(connection),
            waiting: Mutex::default(),
            wake: Condvar::new(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves work to the thread that runs [`Self::run`].
    pub(super) fn leave<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (job, answered) = job(work);
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.wake.notify_one();
        Ok(answered)
    }

    /// Does work here and now, together with all that waits: no other thread has to wake up for it.
    pub(super) fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (job, mut answered) = job(work);
        self.commit(Some(job));
        answered.try_recv().map_err(|_| StoreError::Closed)?
    }

    /// Does what is left to it until there is no more to come.
    pub(super) fn run(&self) {
        loop {
            let is_idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.closed;
            let waiting = self.wake.wait_while(self.waiting(), is_idle);
            if waiting
                .unwrap_or_else(PoisonError::into_inner)
                .jobs
                .is_empty()
            {
                return;
            }
            self.commit(None);
        }
    }

    /// Lets [`Self::run`] end when it has done what waits.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.wake.notify_one();
    }

    fn commit(&self, first: Option<Box<dyn Job>>) {
        let connection = self.connection.lock();
        let mut connection = connection.unwrap_or_else(PoisonError::into_inner);
        // Behind the lock: while it was waited for, more may have come, or somebody else may have done it all.
        let mut group: Vec<_> = first.into_iter().collect();
        let mut waiting = self.waiting();
        let count = waiting.jobs.len().min(GROUP_MAX - group.len());
        group.extend(waiting.jobs.drain(..count));
        drop(waiting);
        if group.is_empty() {
            return;
        }
        let committed = commit(&mut connection, &mut group);
        drop(connection);
        for job in group {
            job.answer(committed.clone());
        }
    }
}

/// One transaction for a group.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let [job] = group {
        // Its failure is its own answer, and nothing of it is kept.
        return match attempt(&mut **job, &transaction) {
            Ok(()) => Ok(transaction.commit()?),
            Err(_) => Ok(()),
        };
    }
    for job in group {
        transaction.execute_batch("SAVEPOINT job")?;
        match attempt(&mut **job, &transaction) {
            Ok(()) => transaction.execute_batch("RELEASE job")?,
            // Where there was no room for a change, SQLite may have taken back all of the transaction.
            Err(error) if transaction.is_autocommit() => return Err(error),
            Err(_) => transaction.execute_batch("ROLLBACK TO job; RELEASE job")?,
        }
    }
    Ok(transaction.commit()?)
}

/// Runs work so that a fault in it ends neither the thread nor the store.
fn attempt(job: &mut dyn Job, transaction: &Transaction<'_>) -> Result<()> {
    let work = AssertUnwindSafe(|| job.run(transaction));
    catch_unwind(work).unwrap_or_else(|_| Err(StoreError::Failed("a write panicked".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(number: i64) -> impl FnOnce(&Transaction<'_>) -> Result<i64> + Send + 'static {
        move |transaction| {
            transaction.execute("INSERT INTO numbers VALUES (?1)", [number])?;
            match number {
                // What it did before it failed is taken back.
                13 => Err(StoreError::Failed("unlucky".to_owned())),
                _ => Ok(number),
            }
        }
    }

    fn group() -> Group {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE numbers (number INTEGER)")
            .unwrap();
        Group::new(connection)
    }

    #[test]
    fn what_is_done_here_takes_along_what_waits_and_the_rest_is_done_at_the_end() {
        let group = group();
        let mut waited = group.leave(insert(1)).unwrap();
        assert_eq!(group.work(insert(2)).ok(), Some(2));
        assert_eq!(waited.try_recv().unwrap().ok(), Some(1));
        let mut left = group.leave(insert(3)).unwrap();
        group.close();
        group.run();
        assert_eq!(left.try_recv().unwrap().ok(), Some(3));
        assert!(matches!(group.leave(insert(4)), Err(StoreError::Closed)));
    }

    #[test]
    fn work_that_fails_leaves_the_rest_of_its_group_alone() {
        let group = group();
        for numbers in [&[1, 13, 2][..], &[13], &[3]] {
            let leave = |number: &i64| group.leave(insert(*number)).unwrap();
            let answers: Vec<_> = numbers.iter().map(leave).collect();
            group.commit(None);
            for (number, mut answer) in numbers.iter().zip(answers) {
                let answer = answer.try_recv().unwrap();
                assert_eq!(answer.ok(), (*number != 13).then_some(*number));
            }
        }
        let sum: i64 = group
            .connection
            .lock()
            .unwrap()
            .query_row("SELECT sum(number) FROM numbers", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sum, 6);
    }

    #[test]
    fn work_that_panics_ends_neither_the_thread_nor_the_group() {
        let group = group();
        let mut faulty_answer = group
            .leave(|_| -> Result<()> { panic!("on purpose") })
            .unwrap();
        let mut sound_answer = group.leave(insert(1)).unwrap();
        group.commit(None);
        assert!(faulty_answer.try_recv().unwrap().is_err());
        assert_eq!(sound_answer.try_recv().unwrap().ok(), Some(1));
    }

    #[test]
    fn a_transaction_that_is_lost_fails_all_of_its_group() {
        let group = group();
        let mut first_answer = group.leave(insert(1)).unwrap();
        let roll_back = |transaction: &Transaction<'_>| {
            // As SQLite itself does when the disk is full.
            transaction.execute_batch("ROLLBACK")?;
            Err::<(), _>(StoreError::Unwritable("full".to_owned()))
        };
        let mut last_answer = group.leave(roll_back).unwrap();
        let mut unheard_answer = group.leave(insert(2)).unwrap();
        group.commit(None);
        for answer in [
            first_answer.try_recv().unwrap().map(|_| ()),
            last_answer.try_recv().unwrap(),
            unheard_answer.try_recv().unwrap().map(|_| ()),
        ] {
            assert!(
                matches!(answer, Err(StoreError::Unwritable(_))),
                "{answer:?}"
            );
        }
    }
}
