//! The reconnecting session: an outer loop that cannot fail round an attempt that can.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::attempt::{Attempt, Ended};
use super::connect::{Connector, HANDSHAKE_LIMIT, Socket};
use super::handshake::{self, Standing};
use super::memory::Memory;
use super::receiver::{Notice, Receiver};
use super::{ClientError, Server, frames};
use crate::base::backoff::Backoff;
use crate::base::clock::Clock;
use crate::base::random;
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::Scope;

/// What a session wants to see.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The team.
    pub team: TeamId,
    /// Alternatives.
    pub scopes: Vec<Scope>,
    /// The name of the cursor. Without one nothing is kept beyond this process; within it the name that the server
    /// gave serves every reconnect.
    pub client_id: Option<ClientId>,
}

/// How long things may take. Tests shorten it.
#[derive(Debug, Clone)]
pub struct Timing {
    /// How long the WebSocket handshake may take, and as long again the answer to `connect`.
    pub answer_within: Duration,
    /// The time between two pings.
    pub ping_every: Duration,
    /// The silence after which a connection is dead. Longer than two pings, so that one lost answer kills nothing.
    pub dead_after: Duration,
    /// The shortest wait before a new attempt.
    pub wait_min: Duration,
    /// The longest.
    pub wait_max: Duration,
    /// How long a connection must have stood for its end to count as the first failure.
    pub calm_after: Duration,
    /// How often the clocks are compared, to notice that the machine slept.
    pub look_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_within: HANDSHAKE_LIMIT,
            ping_every: Duration::from_secs(20),
            dead_after: Duration::from_secs(45),
            wait_min: Duration::from_millis(500),
            wait_max: Duration::from_secs(30),
            calm_after: Duration::from_secs(60),
            look_every: Duration::from_secs(5),
        }
    }
}

/// Why a session ended for good.
#[derive(Debug)]
pub enum End<E, T> {
    /// The receiver had enough.
    Enough,
    /// The caller wanted it to end, for this reason.
    Stopped(T),
    /// The receiver could not take an event; it stays unacknowledged.
    Receiver(E),
    /// Another connection has taken the client id.
    Replaced,
    /// The key does not open the team.
    Denied(String),
    /// The server does not understand this client.
    Rejected(String),
}

/// A subscription that outlives its connections.
pub struct Session {
    connector: Connector,
    server: Server,
    subscription: Subscription,
    timing: Timing,
    wake: WakeWatch,
    memory: Memory,
}

impl Session {
    /// Prepares a session; nothing is connected yet.
    pub fn new(
        server: &Server,
        subscription: Subscription,
        timing: Timing,
        clock: Clock,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            connector: Connector::new(server)?,
            server: server.clone(),
            wake: WakeWatch::new(clock, timing.look_every),
            subscription,
            timing,
            memory: Memory::default(),
        })
    }

    /// Everything up to here was handled already, by other means; it is not handed over.
    pub fn skip_to(&mut self, seq: Seq) {
        self.memory.skip_to(seq);
    }

    /// Connects and takes leave at once: the cursor stands then, and nothing stored after it is missed. The name that
    /// the server gave is kept for what follows.
    pub async fn stand(&mut self) -> Result<Standing, ClientError> {
        let (mut socket, standing) = self.establish().await?;
        frames::close(&mut socket).await;
        self.adopt(&standing);
        Ok(standing)
    }

    /// As [`Session::stand`], as often as it takes to reach the server.
    pub async fn stand_patiently<R: Receiver>(
        &mut self,
        receiver: &mut R,
    ) -> Result<Standing, ClientError> {
        let mut backoff = self.backoff();
        loop {
            match self.stand().await {
                Err(error) if error.may_pass() => self.pause(&mut backoff, &error, receiver).await,
                settled => return settled,
            }
        }
    }

    /// The waits between attempts.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.timing.wait_min, self.timing.wait_max)
    }

    /// Says what failed, and waits before it is tried again.
    pub async fn pause<R: Receiver>(
        &mut self,
        backoff: &mut Backoff,
        error: &ClientError,
        receiver: &mut R,
    ) {
        let why = error.to_string();
        let wait = backoff.next(random::unit());
        receiver.notice(Notice::Reconnecting { why, wait });
        let mut never = pin!(std::future::pending::<()>());
        self.wait(wait, &mut never.as_mut()).await;
    }

    /// Hands events to `receiver`, over as many connections as it takes, until one side has enough or `stop` is done.
    pub async fn run<R: Receiver, S: Future>(
        &mut self,
        receiver: &mut R,
        stop: S,
    ) -> End<R::Error, S::Output> {
        let mut stop = pin!(stop);
        let mut backoff = self.backoff();
        loop {
            let (ended, stood) = self.attempt(receiver, &mut stop).await;
            if stood >= self.timing.calm_after {
                backoff.reset();
            }
            let (why, wait) = match ended {
                Ended::Enough => return End::Enough,
                Ended::Stopped(output) => return End::Stopped(output),
                Ended::Receiver(error) => return End::Receiver(error),
                Ended::Replaced => return End::Replaced,
                Ended::Denied(message) => return End::Denied(message),
                Ended::Rejected(message) => return End::Rejected(message),
                Ended::Slept => ("the machine slept".to_owned(), Duration::ZERO),
                Ended::Broken(why) => (why, backoff.next(random::unit())),
            };
            tracing::debug!(%why, ?wait, "reconnecting");
            receiver.notice(Notice::Reconnecting { why, wait });
            if let Some(output) = self.wait(wait, &mut stop).await {
                return End::Stopped(output);
            }
        }
    }

    /// One connection, from the handshake to its end; also how long it stood.
    async fn attempt<R: Receiver, S: Future>(
        &mut self,
        receiver: &mut R,
        stop: &mut Pin<&mut S>,
    ) -> (Ended<R::Error, S::Output>, Duration) {
        let established = tokio::select! {
            biased;
            output = stop.as_mut() => Err(Ended::Stopped(output)),
            established = self.establish() => established.map_err(Ended::from),
        };
        let connection = match established {
            Ok(established) => established,
            Err(ended) => return (ended, Duration::ZERO),
        };
        let (_, standing) = &connection;
        self.adopt(standing);
        receiver.notice(Notice::Ready {
            client_id: standing.client_id.clone(),
            last_seq: standing.last_seq,
        });
        let since = Instant::now();
        let attempt = Attempt::new(connection, &self.timing, &mut self.memory, &mut self.wake);
        let ended = attempt.run(receiver, stop).await;
        (ended, since.elapsed())
    }

    /// Waits before the next attempt, cut short by a sleep of the machine; `Some` when the caller wanted to stop.
    async fn wait<S: Future>(
        &mut self,
        wait: Duration,
        stop: &mut Pin<&mut S>,
    ) -> Option<S::Output> {
        let until = Instant::now() + wait;
        while Instant::now() < until && !self.wake.slept() {
            let next = until.min(self.wake.next_look());
            tokio::select! {
                biased;
                output = stop.as_mut() => return Some(output),
                () = sleep_until(next) => {}
            }
        }
        None
    }

    async fn establish(&self) -> Result<(Socket, Standing), ClientError> {
        let Subscription {
            team,
            scopes,
            client_id,
        } = &self.subscription;
        let connect = handshake::connect_frame(&self.server, team, scopes, client_id.as_ref());
        handshake::establish(&self.connector, connect, self.timing.answer_within).await
    }

    /// Keeps the name that the server gave: a reconnect under it misses nothing.
    fn adopt(&mut self, standing: &Standing) {
        if self.subscription.client_id.is_none() {
            self.subscription.client_id = standing.client_id.parse().ok();
        }
    }
}

/// How far the wall clock may run ahead of the monotonic one before the machine must have slept.
const JUMP: Duration = Duration::from_secs(5);

/// Notices that the machine slept: the wall clock went on and the monotonic one did not.
pub(super) struct WakeWatch {
    clock: Clock,
    every: Duration,
    wall_millis: i64,
    monotonic: Instant,
}

impl WakeWatch {
    fn new(clock: Clock, every: Duration) -> Self {
        Self {
            wall_millis: clock.unix_millis(),
            monotonic: Instant::now(),
            clock,
            every,
        }
    }

    /// When the clocks should be compared next.
    pub(super) fn next_look(&self) -> Instant {
        self.monotonic + self.every
    }

    /// Whether the machine slept since the last look.
    pub(super) fn slept(&mut self) -> bool {
        let (wall_millis, monotonic) = (self.clock.unix_millis(), Instant::now());
        let wall = wall_millis.saturating_sub(self.wall_millis);
        let elapsed = monotonic - self.monotonic;
        if elapsed >= self.every || jumped(wall, elapsed) {
            (self.wall_millis, self.monotonic) = (wall_millis, monotonic);
        }
        jumped(wall, elapsed)
    }
}

fn jumped(wall_millis: i64, elapsed: Duration) -> bool {
    let wall = Duration::from_millis(u64::try_from(wall_millis).unwrap_or(0));
    wall > elapsed + JUMP
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "hand_tests.rs"]
mod hand_tests;
