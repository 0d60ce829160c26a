//! One connection: the handshake, then one step after the other until something ends it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::ClientError;
use super::connect::Socket;
use super::frames::{self, Verdict, judge, text_of};
use super::handshake::Standing;
use super::memory::{self, Memory};
use super::receiver::{Delivery, Flow, Notice, Receiver};
use super::session::{Timing, WakeWatch};
use crate::protocol::frame::{ClientFrame, ServerFrame};
use crate::protocol::id::Seq;

/// How many events may be handled without an ack while more are ready: what a crash of this program repeats.
const UNACKED_MAX: u32 = 64;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ended<E, T> {
    /// The receiver had enough.
    Enough,
    /// The caller wanted it to end.
    Stopped(T),
    /// The receiver could not take an event.
    Receiver(E),
    /// Another connection has taken the client id.
    Replaced,
    /// The key does not open the team.
    Denied(String),
    /// The server does not understand this client.
    Rejected(String),
    /// It can be tried again.
    Broken(String),
    /// The machine slept: whatever the socket says, it is old.
    Slept,
}

impl<E, T> From<Verdict> for Ended<E, T> {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Denied(message) => Self::Denied(message),
            Verdict::Rejected(message) => Self::Rejected(message),
            Verdict::Replaced => Self::Replaced,
            Verdict::Limited(failure) => Self::Broken(failure.error),
            Verdict::Broken(why) => Self::Broken(why),
        }
    }
}

impl<E, T> From<ClientError> for Ended<E, T> {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Denied(message) => Self::Denied(message),
            ClientError::Rejected(message) => Self::Rejected(message),
            error => Self::Broken(error.to_string()),
        }
    }
}

/// How long the event in hand may take once the end is wanted.
const IN_HAND_LIMIT: Duration = Duration::from_secs(2);

/// What one look at the world yields.
enum Step<E, T> {
    Frame(Option<Result<Message, WsError>>),
    Progress(Result<Flow, E>),
    Ack,
    Tick,
    Stop(T),
}

/// A connection that the server has answered.
pub(super) struct Attempt<'a> {
    socket: Socket,
    timing: &'a Timing,
    memory: &'a mut Memory,
    wake: &'a mut WakeWatch,
    resumed_from: Seq,
    seen: Seq,
    acked: Seq,
    unacked: u32,
    last_received: Instant,
    next_ping: Instant,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        (socket, standing): (Socket, Standing),
        timing: &'a Timing,
        memory: &'a mut Memory,
        wake: &'a mut WakeWatch,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            timing,
            memory,
            wake,
            resumed_from: standing.last_seq,
            seen: 0,
            // What the server knows need not be said again.
            acked: standing.last_seq,
            unacked: 0,
            last_received: now,
            next_ping: now + timing.ping_every,
        }
    }

    /// Hands events over until something ends it, then acknowledges what was handled.
    pub(super) async fn run<R: Receiver, S: Future>(
        mut self,
        receiver: &mut R,
        stop: &mut Pin<&mut S>,
    ) -> Ended<R::Error, S::Output> {
        let ended = loop {
            let step = self.step(receiver, stop).await;
            if let Err(ended) = self.act_until(step, receiver, stop).await {
                break ended;
            }
        };
        let ended = self.finish(ended, receiver, stop).await;
        if let Some(seq) = self.due(receiver) {
            // The events come again when this is lost, and are then recognised.
            let _ = self.ack(seq).await;
        }
        frames::close(&mut self.socket).await;
        ended
    }

    /// Waits for what is in hand: as long as it takes when there was enough, not forever when the caller wants the end.
    /// After a break nothing is waited for, since what is in hand stays there.
    async fn finish<R: Receiver, S: Future>(
        &mut self,
        ended: Ended<R::Error, S::Output>,
        receiver: &mut R,
        stop: &mut Pin<&mut S>,
    ) -> Ended<R::Error, S::Output> {
        let ended = match ended {
            Ended::Enough => tokio::select! {
                biased;
                result = self.drain(receiver) => return result.map_or_else(Ended::Receiver, |()| ended),
                output = stop.as_mut() => Ended::Stopped(output),
            },
            ended => ended,
        };
        if let Ended::Stopped(_) = &ended {
            // What it did not come to is not acknowledged, and comes again.
            let _ = timeout(IN_HAND_LIMIT, self.drain(receiver)).await;
        }
        ended
    }

    /// Waits until nothing is in hand any more, and keeps the connection alive however long that takes.
    async fn drain<R: Receiver>(&mut self, receiver: &mut R) -> Result<(), R::Error> {
        while receiver.in_hand().is_some() {
            tokio::select! {
                result = receiver.progress() => drop(result?),
                () = sleep_until(self.next_ping) => {
                    // Without the connection only the ack is lost.
                    let _ = self.ping().await;
                }
            }
        }
        Ok(())
    }

    /// What can be acknowledged and is not.
    fn due<R: Receiver>(&self, receiver: &R) -> Option<Seq> {
        let done = match receiver.in_hand() {
            Some(seq) => self.seen.min(seq.saturating_sub(1)),
            None => self.seen,
        };
        Some(done).filter(|done| *done > self.acked)
    }

    /// Waits for the next thing to do. An ack is due only when no further event is ready, or too many wait for one.
    async fn step<R: Receiver, S: Future>(
        &mut self,
        receiver: &mut R,
        stop: &mut Pin<&mut S>,
    ) -> Step<R::Error, S::Output> {
        let due = self.due(receiver).is_some();
        let is_ack_overdue = due && self.unacked >= UNACKED_MAX;
        let dead = self.last_received + self.timing.dead_after;
        let tick = self.next_ping.min(dead).min(self.wake.next_look());
        tokio::select! {
            biased;
            output = stop.as_mut() => Step::Stop(output),
            () = std::future::ready(()), if is_ack_overdue => Step::Ack,
            result = receiver.progress() => Step::Progress(result),
            frame = self.socket.next() => Step::Frame(frame),
            () = std::future::ready(()), if due => Step::Ack,
            () = sleep_until(tick) => Step::Tick,
        }
    }

    /// Acts on a step. When the caller wants it to end meanwhile, the event in hand may still be finished, but not
    /// forever: whoever takes it may be stuck.
    async fn act_until<R: Receiver, S: Future>(
        &mut self,
        step: Step<R::Error, S::Output>,
        receiver: &mut R,
        stop: &mut Pin<&mut S>,
    ) -> Result<(), Ended<R::Error, S::Output>> {
        let acting = self.act(step, receiver);
        tokio::pin!(acting);
        let output = tokio::select! {
            biased;
            result = &mut acting => return result,
            output = stop.as_mut() => output,
        };
        match timeout(IN_HAND_LIMIT, acting).await {
            Ok(Err(Ended::Receiver(error))) => Err(Ended::Receiver(error)),
            _ => Err(Ended::Stopped(output)),
        }
    }

    async fn act<R: Receiver, T>(
        &mut self,
        step: Step<R::Error, T>,
        receiver: &mut R,
    ) -> Result<(), Ended<R::Error, T>> {
        match step {
            Step::Frame(frame) => {
                self.last_received = Instant::now();
                match text_of(frame)? {
                    Some(text) => self.read(&text, receiver).await,
                    None => Ok(()),
                }
            }
            Step::Progress(result) => match result.map_err(Ended::Receiver)? {
                Flow::Continue => Ok(()),
                Flow::Stop => Err(Ended::Enough),
            },
            Step::Ack => match self.due(receiver) {
                Some(seq) => Ok(self.ack(seq).await?),
                None => Ok(()),
            },
            Step::Tick => self.tick().await,
            Step::Stop(output) => Err(Ended::Stopped(output)),
        }
    }

    async fn read<R: Receiver, T>(
        &mut self,
        text: &str,
        receiver: &mut R,
    ) -> Result<(), Ended<R::Error, T>> {
        match ServerFrame::parse(text) {
            Ok(ServerFrame::Event { seq, event }) => {
                self.hand_over(seq, event.get(), receiver).await
            }
            Ok(ServerFrame::Error { code, message }) => Err(judge(code, &message).into()),
            Ok(ServerFrame::CursorExpired {
                oldest_available_seq,
                ..
            }) => {
                let to = oldest_available_seq.saturating_sub(1);
                let from = match self.memory.highest() {
                    0 => self.resumed_from + 1,
                    handled => handled + 1,
                };
                // The server may already continue behind the gap; where it begins is then unknown.
                let from = Some(from).filter(|from| *from <= to);
                receiver.notice(Notice::Gap { from, to });
                Ok(())
            }
            Ok(ServerFrame::BillingBlock(block)) => {
                receiver.notice(Notice::Blocked {
                    reason: block.reason,
                });
                Ok(())
            }
            Ok(ServerFrame::Connected { .. })
            | Ok(ServerFrame::Response { .. })
            | Ok(ServerFrame::QuotaSnapshot(_)) => Ok(()),
            Err(fault) => {
                receiver.notice(Notice::Unreadable {
                    why: fault.to_string(),
                    text: text.to_owned(),
                });
                Ok(())
            }
        }
    }

    async fn hand_over<R: Receiver, T>(
        &mut self,
        seq: Seq,
        event: &str,
        receiver: &mut R,
    ) -> Result<(), Ended<R::Error, T>> {
        let delivery = Delivery::new(seq, event);
        // What was handled before comes again when its ack was lost with the connection.
        let flow = if self.memory.holds(&delivery) {
            Flow::Continue
        } else {
            let trace = memory::trace(&delivery);
            let flow = self.take(delivery, receiver).await;
            let flow = flow.map_err(Ended::Receiver)?;
            self.memory.keep(trace);
            flow
        };
        self.seen = seq;
        self.unacked += 1;
        match flow {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(Ended::Enough),
        }
    }

    /// Waits for the receiver, and keeps the connection alive however long that takes.
    async fn take<R: Receiver>(
        &mut self,
        delivery: Delivery,
        receiver: &mut R,
    ) -> Result<Flow, R::Error> {
        let taking = receiver.take(delivery);
        tokio::pin!(taking);
        loop {
            tokio::select! {
                taken = &mut taking => {
                    // Nobody listened in the meantime: silence counts from now.
                    self.last_received = Instant::now();
                    return taken;
                }
                () = sleep_until(self.next_ping) => {
                    // A socket that broke shows it at the next read.
                    let _ = self.ping().await;
                }
            }
        }
    }

    async fn tick<E, T>(&mut self) -> Result<(), Ended<E, T>> {
        let now = Instant::now();
        if self.wake.slept() {
            return Err(Ended::Slept);
        }
        if now >= self.last_received + self.timing.dead_after {
            let secs = self.timing.dead_after.as_secs();
            return Err(Ended::Broken(format!("the server was silent for {secs} s")));
        }
        if now >= self.next_ping {
            self.ping().await?;
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Verdict> {
        self.next_ping = Instant::now() + self.timing.ping_every;
        frames::ping(&mut self.socket).await
    }

    async fn ack(&mut self, seq: Seq) -> Result<(), Verdict> {
        self.unacked = 0;
        self.acked = seq;
        frames::send(&mut self.socket, &ClientFrame::Ack(seq)).await
    }
}
