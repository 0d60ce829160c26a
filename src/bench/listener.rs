//! Listeners, many in one process: a small buffer each, and of a frame they look for the stamp alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::letter::{self, Finder};
use super::run::Run;
use super::tally::Tallies;
use super::{
    BenchError, CONNECT_LIMIT, CONNECTING_MAX, DRAIN_LIMIT, SILENCE_LIMIT, Target, bare, files,
};
use crate::client::connect::{Connector, HANDSHAKE_LIMIT, Socket};
use crate::client::handshake;
use crate::protocol::scope::Scope;

/// The buffer for what comes in.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Open files that are no connections of listeners.
const FILES_SPARE: u64 = 64;

/// Who gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Every listener.
    All,
    /// The one it is addressed to.
    One,
}

/// Connects listeners.
pub(super) async fn connect(
    target: &Target,
    numbers: std::ops::Range<usize>,
    audience: Audience,
) -> Result<Vec<Socket>, BenchError> {
    files::check(numbers.len() as u64 + FILES_SPARE)?;
    let kite = match target {
        Target::Kite(..) => Some(target.ws("")?),
        Target::Bare(_) => None,
    };
    let opening = stream::iter(numbers)
        .map(|number| open(target, kite.clone(), number, audience))
        .buffered(CONNECTING_MAX)
        .try_collect();
    let opened = timeout(CONNECT_LIMIT, opening).await;
    opened.unwrap_or(Err(BenchError::Late("connecting all listeners")))
}

async fn open(
    target: &Target,
    kite: Option<Connector>,
    number: usize,
    audience: Audience,
) -> Result<Socket, BenchError> {
    if let (Target::Kite(server, team), Some(connector)) = (target, kite) {
        let scope = match audience {
            Audience::All => Scope::All,
            Audience::One => Scope::AgentTo(letter::name(number)),
        };
        let scopes = [scope];
        let socket = handshake::enter(&connector, server, team, &scopes, None, READ_BUFFER_BYTES);
        return Ok(socket.await?);
    }
    let name = match audience {
        Audience::All => bare::ALL.to_owned(),
        Audience::One => letter::name(number),
    };
    let connector = target.ws(&format!("/ws/{name}"))?;
    let mut socket = connector
        .open_reading(READ_BUFFER_BYTES, HANDSHAKE_LIMIT)
        .await?;
    // Its first words: it stands.
    match timeout(HANDSHAKE_LIMIT, socket.next()).await {
        Ok(Some(Ok(_))) => Ok(socket),
        _ => Err(BenchError::Late("connecting a listener")),
    }
}

/// What has arrived, and of whose messages.
pub(super) struct Arrivals {
    run: Arc<Run>,
    pub(super) tallies: Tallies,
    all: AtomicU64,
    audience: usize,
    landings: Vec<Landing>,
}

/// How far the message that a publisher has under way has come.
#[derive(Default)]
struct Landing {
    arrived: AtomicUsize,
    landed: Notify,
}

impl Arrivals {
    /// Nothing has arrived yet; a message is for so many listeners.
    pub(super) fn new(run: Arc<Run>, audience: usize, publishers: usize) -> Self {
        Self {
            run,
            tallies: Tallies::default(),
            all: AtomicU64::new(0),
            audience,
            landings: (0..publishers).map(|_| Landing::default()).collect(),
        }
    }

    /// How many have arrived, those before the time that counts too.
    pub(super) fn all(&self) -> u64 {
        self.all.load(Ordering::Acquire)
    }

    /// Waits until a publisher's only message has arrived everywhere; says whether it did.
    pub(super) async fn landed(&self, publisher: usize) -> bool {
        let landed = self.landings[publisher].landed.notified();
        timeout(SILENCE_LIMIT, landed).await.is_ok()
    }

    /// Waits until so many have arrived in all, or no more come.
    pub(super) async fn settle(&self, expected: u64) {
        let deadline = Instant::now() + DRAIN_LIMIT;
        let (mut seen, mut since) = (self.all(), Instant::now());
        while seen < expected && since.elapsed() < SILENCE_LIMIT && Instant::now() < deadline {
            sleep(Duration::from_millis(2)).await;
            let now = self.all();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// Takes in what comes to a listener until its connection ends.
    pub(super) async fn listen(self: Arc<Self>, number: usize, mut socket: Socket) {
        let mut finder = Finder::default();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                self.take(number, &mut finder, text.as_bytes());
            }
        }
    }

    /// Counts a frame, or another text with a stamp, that came to a listener.
    pub(super) fn take(&self, number: usize, finder: &mut Finder, frame: &[u8]) {
        let Some(stamp) = finder.find(frame) else {
            return;
        };
        let now = self.run.now();
        if stamp.due >= self.run.warm_up() {
            self.tallies.count(number, |tally| {
                tally.done(1, now.saturating_sub(stamp.due), now);
            });
        }
        self.all.fetch_add(1, Ordering::Release);
        let Some(landing) = self.landings.get(stamp.publisher) else {
            return;
        };
        if landing.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.audience {
            landing.arrived.store(0, Ordering::Release);
            landing.landed.notify_one();
        }
    }
}
