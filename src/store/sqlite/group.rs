//! Group commit for everything that writes: all work that waits goes into one transaction, and is answered after its
//! commit. So a crowd that opens cursors costs one fsync and not one each, and delays nobody who appends.
//!
//! Work that fails takes back what it did itself and leaves the rest of its group alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::store::{Result, StoreError};

/// How many pieces of work share a transaction at most: few enough that nobody waits long behind them.
const GROUP_MAX: usize = 128;

/// Work for the writing thread.
pub(super) trait Job: Send {
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
pub(super) fn job<T: Send + 'static>(
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

/// Runs jobs until nobody can send any more.
pub(super) fn run(connection: &mut Connection, jobs: &mpsc::Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP_MAX - 1));
        let committed = commit(connection, &mut group);
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

    #[test]
    fn work_that_fails_leaves_the_rest_of_its_group_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE numbers (number INTEGER)")
            .unwrap();
        for numbers in [&[1, 13, 2][..], &[13], &[3]] {
            let (sender, jobs) = mpsc::channel();
            let mut answers = Vec::new();
            for number in numbers {
                let (job, answered) = job(insert(*number));
                sender.send(job).unwrap();
                answers.push(answered);
            }
            drop(sender);
            run(&mut connection, &jobs);
            for (number, mut answer) in numbers.iter().zip(answers) {
                let answer = answer.try_recv().unwrap();
                assert_eq!(answer.ok(), (*number != 13).then_some(*number));
            }
        }
        let sum: i64 = connection
            .query_row("SELECT sum(number) FROM numbers", [], |row| row.get(0))
            .unwrap();
        assert_eq!(sum, 6);
    }

    #[test]
    fn work_that_panics_ends_neither_the_thread_nor_the_group() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE numbers (number INTEGER)")
            .unwrap();
        let (sender, jobs) = mpsc::channel();
        let (faulty, mut faulty_answer) = job(|_| -> Result<()> { panic!("on purpose") });
        let (sound, mut sound_answer) = job(insert(1));
        sender.send(faulty).unwrap();
        sender.send(sound).unwrap();
        drop(sender);
        run(&mut connection, &jobs);
        assert!(faulty_answer.try_recv().unwrap().is_err());
        assert_eq!(sound_answer.try_recv().unwrap().ok(), Some(1));
    }

    #[test]
    fn a_transaction_that_is_lost_fails_all_of_its_group() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE numbers (number INTEGER)")
            .unwrap();
        let (sender, jobs) = mpsc::channel();
        let (first, mut first_answer) = job(insert(1));
        let (last, mut last_answer) = job(|transaction| {
            // As SQLite itself does when the disk is full.
            transaction.execute_batch("ROLLBACK")?;
            Err::<(), _>(StoreError::Unwritable("full".to_owned()))
        });
        let (unheard, mut unheard_answer) = job(insert(2));
        for job in [first, last, unheard] {
            sender.send(job).unwrap();
        }
        drop(sender);
        run(&mut connection, &jobs);
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
