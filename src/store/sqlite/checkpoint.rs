//! Folds the write-ahead log into the database beside the writer, so that no commit has to wait for it.
//!
//! A passive checkpoint neither waits for anybody nor keeps anybody waiting. Under load that never pauses it may not catch
//! up with the log's end; then the writer does the little that is left once the log has grown large.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

/// How often it is looked whether there is something to fold in.
const INTERVAL: Duration = Duration::from_millis(500);

/// The thread that does it, until this is dropped.
pub(super) struct Checkpointer {
    /// None once it is to end.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts it on a connection of its own.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (end, ended) = channel();
        let thread = std::thread::Builder::new()
            .name("kite-checkpoint".to_owned())
            .spawn(move || run(&connection, &ended))?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by the thread.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, ended: &Receiver<()>) {
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // What could not be folded in now is tried again, and in the end by the writer, whose errors are told.
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            tracing::debug!(%error, "the write-ahead log was not folded in");
        }
    }
}
