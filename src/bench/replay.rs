//! Reading a long log from its beginning, and coming back to its end.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::calls::{Answer, Calls, next_text};
use super::idle::resident_bytes;
use super::letter::Stamp;
use super::{BenchError, SILENCE_LIMIT, Target};
use crate::client::connect::Socket;
use crate::client::handshake;
use crate::protocol::frame::{ClientFrame, ServerFrame};
use crate::protocol::id::{ClientId, Seq};
use crate::protocol::scope::Scope;

/// How many events are in the short log.
const SHORT_EVENTS: usize = 1000;

/// How many events go in one call while the log is filled.
const FILL_BATCH: usize = 500;

/// How many such calls are under way.
const FILL_IN_FLIGHT: usize = 8;

/// How often a client comes back.
const RESUMES: usize = 50;

/// How often the memory is looked at, in events.
const LOOK_EVERY: Seq = 10_000;

const READ_BUFFER_BYTES: usize = 64 * 1024;

/// What a long log costs.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    /// How many events it has.
    pub events: u64,
    /// How many a second one reader got from its beginning on.
    pub per_second: f64,
    /// The server's resident memory before, in bytes.
    pub before_bytes: u64,
    /// The most that it was while the log was read.
    pub most_bytes: u64,
    /// From the opening of a connection to the one event that it missed: the median in a log of 1,000 events.
    pub resume_short_us: u64,
    /// The same in the long log.
    pub resume_long_us: u64,
    /// The one by the other.
    pub resume_ratio: f64,
}

/// Fills the log of a server that is this process, and reads it.
pub async fn measure(target: &Target, pid: u32, events: usize) -> Result<Replay, BenchError> {
    let mut filler = Filler::open(target).await?;
    // Its place is the beginning from here on.
    drop(enter(target, Some("reader")).await?);
    filler.fill(SHORT_EVENTS).await?;
    let short = resume(target, &mut filler).await?;
    filler.fill(events.saturating_sub(filler.filled)).await?;
    let long = resume(target, &mut filler).await?;

    let before_bytes = resident_bytes(pid)?;
    let mut most_bytes = before_bytes;
    let last = filler.filled as Seq;
    let began = Instant::now();
    let mut reader = enter(target, Some("reader")).await?;
    let mut seq = 0;
    while seq < last {
        let seen = next_event(&mut reader).await?;
        if seen != seq + 1 {
            return Err(BenchError::Refused(format!("{seen} came after {seq}")));
        }
        seq = seen;
        if seq % LOOK_EVERY == 0 {
            most_bytes = most_bytes.max(resident_bytes(pid)?);
        }
    }
    Ok(Replay {
        events: last,
        per_second: last as f64 / began.elapsed().as_secs_f64(),
        before_bytes,
        most_bytes,
        resume_short_us: micros(short),
        resume_long_us: micros(long),
        resume_ratio: long.as_secs_f64() / short.as_secs_f64(),
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A client that comes back again and again, and each time has missed one event: the median of its times.
async fn resume(target: &Target, filler: &mut Filler) -> Result<Duration, BenchError> {
    let name = format!("resumes-{}", filler.filled);
    drop(enter(target, Some(&name)).await?);
    let mut times = Vec::with_capacity(RESUMES);
    for _ in 0..RESUMES {
        filler.fill(1).await?;
        let began = Instant::now();
        let mut socket = enter(target, Some(&name)).await?;
        let seq = next_event(&mut socket).await?;
        times.push(began.elapsed());
        let ack = ClientFrame::Ack(seq).to_text();
        let sent = socket.send(Message::Text(ack.into())).await;
        sent.map_err(|error| BenchError::Refused(error.to_string()))?;
        // The ack is read before the close, and written before the client comes back.
        let closing = async {
            if socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        let closed = timeout(SILENCE_LIMIT, closing).await;
        closed.map_err(|_| BenchError::Late("closing a connection"))?;
    }
    times.sort_unstable();
    Ok(times[RESUMES / 2])
}

pub(super) async fn enter(target: &Target, client: Option<&str>) -> Result<Socket, BenchError> {
    let Target::Kite(server, team) = target else {
        return Err(BenchError::Refused(
            "the bare server keeps no place".to_owned(),
        ));
    };
    let client: Option<ClientId> = client.and_then(|name| name.parse().ok());
    let connector = target.ws("")?;
    let scopes = [Scope::All];
    let socket = handshake::enter(
        &connector,
        server,
        team,
        &scopes,
        client.as_ref(),
        READ_BUFFER_BYTES,
    );
    Ok(socket.await?)
}

/// The number of the next event.
pub(super) async fn next_event(socket: &mut Socket) -> Result<Seq, BenchError> {
    loop {
        let text = next_text(socket, true).await?;
        if let Some(seq) = seq_of(&text) {
            return Ok(seq);
        }
    }
}

fn seq_of(frame: &Utf8Bytes) -> Option<Seq> {
    match ServerFrame::parse(frame.as_str()) {
        Ok(ServerFrame::Event { seq, .. }) => Some(seq),
        _ => None,
    }
}

/// Fills a log.
pub(super) struct Filler {
    socket: Socket,
    filled: usize,
    calls: u64,
}

impl Filler {
    pub(super) async fn open(target: &Target) -> Result<Self, BenchError> {
        let socket = super::calls::open(target).await?;
        Ok(Self {
            socket,
            filled: 0,
            calls: 0,
        })
    }

    pub(super) async fn fill(&mut self, events: usize) -> Result<(), BenchError> {
        let stamp = Stamp {
            due: Duration::ZERO,
            publisher: 0,
        };
        let (mut left, mut under_way) = (events, 0);
        while left > 0 || under_way > 0 {
            if left > 0 && under_way < FILL_IN_FLIGHT {
                let count = left.min(FILL_BATCH);
                let frame = Calls::new(super::SIZE_USUAL, count, 1)?.frame(self.calls, stamp);
                let sent = timeout(SILENCE_LIMIT, self.socket.send(Message::Text(frame))).await;
                sent.map_err(|_| BenchError::Late("sending a call"))?
                    .map_err(|error| BenchError::Refused(error.to_string()))?;
                self.calls += 1;
                (left, under_way) = (left - count, under_way + 1);
                continue;
            }
            let frame = next_text(&mut self.socket, true).await?;
            if Answer::read(frame.as_str())?.is_some() {
                under_way -= 1;
            }
        }
        self.filled += events;
        Ok(())
    }
}
