//! Publishing by calls over a WebSocket: several events in a call, several calls under way on a connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::letter::{Form, Stamp};
use super::pace::Turn;
use super::report::Outcome;
use super::run::Run;
use super::tally::Tallies;
use super::{BenchError, CONNECT_LIMIT, CONNECTING_MAX, Load, SILENCE_LIMIT, Target, bare, files};
use crate::client::connect::{HANDSHAKE_LIMIT, Socket};
use crate::client::handshake;
use crate::protocol::frame::CLIENT_FRAME_MAX_BYTES;

/// The most events in a call.
pub const BATCH_MAX: usize = 1000;

/// The buffer for answers.
const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Room for a call's own members, beside its events.
const ENVELOPE_BYTES: usize = 128;

/// Calls that are alike.
#[derive(Clone)]
pub(super) struct Calls {
    form: Form,
    batch: usize,
    in_flight: usize,
}

impl Calls {
    /// Calls with so many events of this size.
    pub(super) fn new(size: usize, batch: usize, in_flight: usize) -> Result<Self, BenchError> {
        let form = Form::event(size)?;
        let bytes = (size + 1) * batch + ENVELOPE_BYTES;
        if batch > BATCH_MAX || bytes > CLIENT_FRAME_MAX_BYTES {
            return Err(BenchError::Batch(batch, size));
        }
        Ok(Self {
            form,
            batch,
            in_flight,
        })
    }

    /// The frame of a call.
    pub(super) fn frame(&mut self, id: u64, stamp: Stamp) -> Utf8Bytes {
        let mut text = format!(
            r#"{{"type":"request","id":"{id}","method":"events.publish","params":{{"events":["#
        );
        for number in 0..self.batch {
            if number > 0 {
                text.push(',');
            }
            // The form is ASCII.
            text.push_str(std::str::from_utf8(self.form.fill(number, stamp)).unwrap_or_default());
        }
        text.push_str("]}}");
        text.into()
    }
}

/// Runs the load: each publisher has a connection of its own.
pub(super) async fn measure(
    target: &Target,
    load: &Load,
    calls: Calls,
) -> Result<Outcome, BenchError> {
    files::check(load.publishers as u64 + 64)?;
    let opening = stream::iter(0..load.publishers)
        .map(|_| open(target))
        .buffer_unordered(CONNECTING_MAX)
        .try_collect();
    let opened = timeout(CONNECT_LIMIT, opening).await;
    let sockets: Vec<Socket> =
        opened.unwrap_or(Err(BenchError::Late("connecting all publishers")))?;
    let running = Run::begin(load)?;
    let tallies = Arc::new(Tallies::default());
    let mut publishers = JoinSet::new();
    for (number, socket) in sockets.into_iter().enumerate() {
        let publisher = Publisher {
            number,
            socket,
            calls: calls.clone(),
            run: running.0.clone(),
            tallies: tallies.clone(),
            under_way: HashMap::new(),
        };
        publishers.spawn(publisher.publish());
    }
    while let Some(ended) = publishers.join_next().await {
        ended.map_err(|error| BenchError::System {
            what: "publish",
            why: error.to_string(),
        })??;
    }
    Outcome::of(tallies.sum(), load, &running.0)
}

pub(super) async fn open(target: &Target) -> Result<Socket, BenchError> {
    let connector = target.ws(bare::CALLS_PATH)?;
    Ok(match target {
        Target::Kite(server, team) => {
            handshake::enter(&connector, server, team, &[], None, READ_BUFFER_BYTES).await?
        }
        Target::Bare(_) => {
            connector
                .open_reading(READ_BUFFER_BYTES, HANDSHAKE_LIMIT)
                .await?
        }
    })
}

/// A call that was not answered yet.
struct Call {
    turn: Turn,
    began: Duration,
}

struct Publisher {
    number: usize,
    socket: Socket,
    calls: Calls,
    run: Arc<Run>,
    tallies: Arc<Tallies>,
    under_way: HashMap<u64, Call>,
}

enum Input {
    Turn(Option<Turn>),
    Frame(Utf8Bytes),
}

impl Publisher {
    /// Calls until the load is over and everything is answered.
    async fn publish(mut self) -> Result<(), BenchError> {
        let (mut id, mut is_over) = (0, false);
        while !is_over || !self.under_way.is_empty() {
            let may_call = !is_over && self.under_way.len() < self.calls.in_flight;
            let input = tokio::select! {
                biased;
                turn = self.run.turn(), if may_call => Input::Turn(turn),
                frame = next_text(&mut self.socket, !self.under_way.is_empty()) => Input::Frame(frame?),
            };
            match input {
                Input::Turn(None) => is_over = true,
                Input::Turn(Some(turn)) => {
                    id += 1;
                    self.call(id, turn).await?;
                }
                Input::Frame(frame) => self.answered(frame.as_str())?,
            }
        }
        Ok(())
    }

    async fn call(&mut self, id: u64, turn: Turn) -> Result<(), BenchError> {
        let stamp = Stamp {
            due: turn.due,
            publisher: self.number,
        };
        let began = self.run.now();
        self.under_way.insert(id, Call { turn, began });
        let frame = Message::Text(self.calls.frame(id, stamp));
        match timeout(SILENCE_LIMIT, self.socket.send(frame)).await {
            Ok(sent) => sent.map_err(|error| lost(&error.to_string())),
            Err(_) => Err(BenchError::Late("sending a call")),
        }
    }

    fn answered(&mut self, frame: &str) -> Result<(), BenchError> {
        let Some(answer) = Answer::read(frame)? else {
            return Ok(());
        };
        let Some(call) = self.under_way.remove(&answer) else {
            return Ok(());
        };
        if call.turn.counts {
            let (now, batch) = (self.run.now(), self.calls.batch as u64);
            self.tallies.count(self.number, |tally| {
                let late = call.began.saturating_sub(call.turn.due);
                tally.lateness.record(late);
                tally.done(batch, now.saturating_sub(call.turn.due), now);
            });
        }
        Ok(())
    }
}

fn lost(why: &str) -> BenchError {
    BenchError::System {
        what: "go on with a connection",
        why: why.to_owned(),
    }
}

/// The next text. With calls under way it must come soon.
pub(super) async fn next_text(
    socket: &mut Socket,
    is_awaited: bool,
) -> Result<Utf8Bytes, BenchError> {
    loop {
        let next = timeout(SILENCE_LIMIT, socket.next()).await;
        match next {
            Ok(Some(Ok(Message::Text(text)))) => return Ok(text),
            Ok(Some(Ok(Message::Close(_))) | None) => {
                return Err(lost("the server closed it"));
            }
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(lost(&error.to_string())),
            Err(_) if is_awaited => return Err(BenchError::Late("the answer to a call")),
            Err(_) => {}
        }
    }
}

/// As much of a frame as matters here.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    ok: bool,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl Answer<'_> {
    /// The number of the call that a frame answers; `None` when it is no answer. One that says no ends the run.
    pub(super) fn read(frame: &str) -> Result<Option<u64>, BenchError> {
        let answer: Answer<'_> =
            serde_json::from_str(frame).map_err(|error| lost(&error.to_string()))?;
        match (answer.kind, answer.ok) {
            ("response", true) => Ok(answer.id.parse().ok()),
            ("response", false) => Err(BenchError::Refused(
                answer
                    .payload
                    .map_or_else(String::new, |payload| payload.get().to_owned()),
            )),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::ClientFrame;

    #[test]
    fn a_call_is_one_that_the_protocol_knows() {
        let mut calls = Calls::new(300, 3, 1).unwrap();
        let stamp = Stamp {
            due: Duration::ZERO,
            publisher: 0,
        };
        let frame = calls.frame(7, stamp);
        let Ok(ClientFrame::Request(request)) = ClientFrame::parse(frame.as_str()) else {
            panic!("no request: {frame}");
        };
        assert_eq!(
            (request.id.as_str(), request.method.as_str()),
            ("7", "events.publish")
        );
        let params: serde_json::Value =
            serde_json::from_str(request.params.unwrap().get()).unwrap();
        assert_eq!(params["events"].as_array().unwrap().len(), 3);
        assert!(Calls::new(300, BATCH_MAX + 1, 1).is_err());
        assert!(Calls::new(2000, 1000, 1).is_err());
        assert!(Calls::new(1000, 1000, 1).is_ok());
    }

    #[test]
    fn an_answer_that_says_no_ends_the_run_with_its_words() {
        let read = |frame| Answer::read(frame);
        let accepted = r#"{"type":"response","id":"12","ok":true,"payload":{"status":"accepted","results":[]}}"#;
        assert_eq!(read(accepted).unwrap(), Some(12));
        assert_eq!(read(r#"{"type":"quota_snapshot"}"#).unwrap(), None);
        let refused =
            r#"{"type":"response","id":"12","ok":false,"payload":{"error":"too many","code":"x"}}"#;
        assert!(read(refused).unwrap_err().to_string().contains("too many"));
    }
}
