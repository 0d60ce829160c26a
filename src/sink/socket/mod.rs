//! One event per line to whoever reads a Unix socket (spec 17).
//!
//! Without a reader the stream holds. With several each gets everything from then on; an event counts as delivered
//! when one of them was written all of it.

mod place;
mod readers;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::{Item, Outcome, Sink};
use crate::protocol::json;
use place::Place;
use readers::Readers;

pub use readers::{READERS_MAX, Visit, WRITE_LIMIT};

/// How long to wait when a reader cannot be taken in, as with too many open files: trying at once would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// Another program has it.
    #[error("the socket `{0}` is in use by another program")]
    InUse(String),
    /// Something else stands there, and stays.
    #[error("`{0}` is there already and is no socket")]
    NoSocket(String),
    /// The system has no room for the path.
    #[error("the path `{0}` is too long for a socket")]
    TooLong(String),
    /// The system does not let it be made.
    #[error("cannot make the socket `{path}`: {why}")]
    Make {
        /// Where.
        path: String,
        /// Why.
        why: io::Error,
    },
}

impl SocketFault {
    fn make(path: &Path, why: io::Error) -> Self {
        let path = path.display().to_string();
        Self::Make { path, why }
    }
}

/// Hears of readers: what happened to one, and how many there are now. It must not wait for anything.
pub type Hear = dyn Fn(Visit, usize) + Send + Sync;

/// A socket and its readers. Both go with this value.
pub struct Socket {
    readers: Arc<Readers>,
    accepting: JoinHandle<()>,
    _place: Place,
}

impl Socket {
    /// Makes the socket, for this user alone. Needs the runtime.
    ///
    /// # Errors
    ///
    /// When something is there already, save a socket that nobody listens on, or it cannot be made.
    pub fn open(path: &Path, hear: Arc<Hear>) -> Result<Self, SocketFault> {
        Self::open_within(path, hear, WRITE_LIMIT)
    }

    fn open_within(
        path: &Path,
        hear: Arc<Hear>,
        write_limit: Duration,
    ) -> Result<Self, SocketFault> {
        let fault = |why| SocketFault::make(path, why);
        let (place, listener) = Place::take(path)?;
        listener.set_nonblocking(true).map_err(fault)?;
        let listener = UnixListener::from_std(listener).map_err(fault)?;
        let readers = Arc::new(Readers::new(hear, write_limit));
        Ok(Self {
            accepting: tokio::spawn(accept(listener, Arc::clone(&readers))),
            readers,
            _place: place,
        })
    }
}

#[async_trait]
impl Sink for Socket {
    async fn deliver(&self, item: &Item) -> Outcome {
        let mut line = json::compact(item.text());
        line.push('\n');
        match self.readers.hand_out(line.into()).await {
            Ok(()) => Outcome::Delivered,
            Err(why) => Outcome::Unreachable(why.to_owned()),
        }
    }

    async fn changed(&self) {
        self.readers.wait_for_one().await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The readers end with it.
        self.accepting.abort();
    }
}

/// Takes readers in until it is dropped.
async fn accept(listener: UnixListener, readers: Arc<Readers>) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => readers.admit(stream, &mut serving),
                Err(error) => {
                    tracing::warn!(%error, "a reader cannot be taken in");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = serving.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
