//! The readers of a socket: each is written to by a task of its own, so that a line is never cut in two because whoever
//! handed it out was left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Hear;

/// How many readers there may be: each takes a file and may have a whole event waiting.
pub const READERS_MAX: usize = 64;

/// How long a reader may take for one event. The others wait that long for it, once.
pub const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// How often to look whether a reader that has closed its own side is still there: that announces itself to nobody.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What happened to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// It came.
    Came,
    /// It went.
    Left,
    /// It did not take an event in time, and was cut off.
    TooSlow,
    /// There were too many already.
    TurnedAway,
}

/// All readers.
pub(super) struct Readers {
    all: watch::Sender<Vec<Reader>>,
    next_id: AtomicU64,
    hear: Arc<Hear>,
    write_limit: Duration,
}

#[derive(Clone)]
struct Reader {
    id: u64,
    lines: mpsc::Sender<Line>,
}

/// A line for one reader. What was written whole is told; what was not is dropped.
struct Line {
    text: Arc<str>,
    written: oneshot::Sender<()>,
}

impl Readers {
    pub(super) fn new(hear: Arc<Hear>, write_limit: Duration) -> Self {
        Self {
            all: watch::Sender::default(),
            next_id: AtomicU64::new(0),
            hear,
            write_limit,
        }
    }

    /// Takes a reader in, where there is room. It gets what is handed out from now on.
    pub(super) fn admit(self: &Arc<Self>, stream: UnixStream, serving: &mut JoinSet<()>) {
        let count = self.all.borrow().len();
        if count >= READERS_MAX {
            return (self.hear)(Visit::TurnedAway, count);
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (lines, incoming) = mpsc::channel(1);
        // Before it can be handed anything, so that what is said of it is in order.
        (self.hear)(Visit::Came, count + 1);
        self.all
            .send_modify(|readers| readers.push(Reader { id, lines }));
        let readers = Arc::clone(self);
        serving.spawn(async move {
            let visit = serve(stream, incoming, readers.write_limit).await;
            readers.dismiss(id, visit);
        });
    }

    fn dismiss(&self, id: u64, visit: Visit) {
        self.all
            .send_modify(|readers| readers.retain(|reader| reader.id != id));
        let count = self.all.borrow().len();
        (self.hear)(visit, count);
    }

    /// Writes a line to all that are there, at once; an error where none took it whole.
    pub(super) async fn hand_out(&self, text: Arc<str>) -> Result<(), &'static str> {
        let readers = self.all.borrow().clone();
        if readers.is_empty() {
            return Err("no reader");
        }
        let handing = readers.iter().map(|reader| reader.take(Arc::clone(&text)));
        match join_all(handing).await.contains(&true) {
            true => Ok(()),
            false => Err("no reader took all of it"),
        }
    }

    /// Waits until there is a reader.
    pub(super) async fn wait_for_one(&self) {
        // The sender lives as long as this.
        let _ = self
            .all
            .subscribe()
            .wait_for(|readers| !readers.is_empty())
            .await;
    }
}

impl Reader {
    /// Whether the reader was written the whole line.
    async fn take(&self, text: Arc<str>) -> bool {
        let (written, answer) = oneshot::channel();
        let line = Line { text, written };
        self.lines.send(line).await.is_ok() && answer.await.is_ok()
    }
}

/// Writes to a reader until it has gone or is too slow.
async fn serve(mut stream: UnixStream, lines: mpsc::Receiver<Line>, limit: Duration) -> Visit {
    let (reading, writing) = stream.split();
    tokio::select! {
        () = gone(reading) => Visit::Left,
        visit = write(writing, lines, limit) => visit,
    }
}

async fn write(
    mut writing: WriteHalf<'_>,
    mut lines: mpsc::Receiver<Line>,
    limit: Duration,
) -> Visit {
    while let Some(line) = lines.recv().await {
        let writing = writing.write_all(line.text.as_bytes());
        match timeout(limit, writing).await {
            // Whoever handed it out may have been left alone.
            Ok(Ok(())) => drop(line.written.send(())),
            Ok(Err(_)) => return Visit::Left,
            Err(_) => return Visit::TooSlow,
        }
    }
    Visit::Left
}

/// Waits until a reader has gone. What it sends means nothing, and that it sends no more neither.
async fn gone(mut reading: ReadHalf<'_>) {
    let mut scrap = [0; 4096];
    loop {
        match reading.read(&mut scrap).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return,
        }
    }
    loop {
        match reading.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => sleep(LOOK_EVERY).await,
            _ => return,
        }
    }
}
