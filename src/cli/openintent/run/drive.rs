//! The loop of a run: start what can be started, look at what is under way, wait for news.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::super::super::error::{CommandError, Kind};
use super::super::super::exit::Exit;
use super::super::super::signal::Interrupt;
use super::super::offered;
use super::super::patience::is_passing;
use super::claim::Claim;
use super::errand::{self, Of};
use super::telling::Telling;
use crate::client::{Api, ClientError};
use crate::openintent::json::Object;
use crate::openintent::workflow::{Run, Sight, Stage, Standing, Start};
use crate::protocol::id::AgentId;

/// How often it is looked what has become of steps. Messages make it sooner; a message can get lost with its server.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// How soon a server that was away is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often news are looked at, at most: many steps that have news at once are one look.
const BREATH: Duration = Duration::from_millis(50);

/// What a try of a step is at the server.
enum Work {
    Intent(String),
    Dispatch(String),
}

/// A try that was given to somebody.
pub(super) struct Given {
    step: usize,
    attempt: u32,
    work: Work,
}

/// A run, and all that moves it.
pub(super) struct Driver<'a> {
    pub(super) api: &'a Api,
    pub(super) run: Run<'a>,
    pub(super) run_id: &'a str,
    pub(super) agent: &'a AgentId,
    pub(super) telling: Telling<'a>,
    /// Rings when an agent's work has news.
    pub(super) bell: &'a Notify,
    /// What is to be started, and when.
    pub(super) due: Vec<(Instant, Start)>,
    pub(super) works: Vec<Given>,
    /// Whether the server was away when it was last asked.
    pub(super) away: bool,
}

/// How the loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing follows.
    Over,
    /// The time is over.
    OutOfTime,
    /// Somebody has interrupted it.
    Interrupted,
}

impl Driver<'_> {
    /// Moves the run until nothing follows, or something ends the waiting.
    pub(super) async fn drive(
        &mut self,
        deadline: Option<Instant>,
        interrupt: &mut Interrupt,
    ) -> Result<Ended, CommandError> {
        let out_of_time = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = interrupt.wait() => Ok(Ended::Interrupted),
            result = self.rounds() => result.map(|()| Ended::Over),
            () = out_of_time => Ok(Ended::OutOfTime),
        }
    }

    async fn rounds(&mut self) -> Result<(), CommandError> {
        let bell = self.bell;
        loop {
            self.round().await?;
            if self.run.is_over() {
                return Ok(());
            }
            let now = Instant::now();
            let due = self.due.iter().map(|(at, _)| *at);
            let next = next_round(now, self.away, due);
            tokio::select! {
                () = bell.notified() => sleep_until(now + BREATH).await,
                () = sleep_until(next) => {}
            }
        }
    }

    /// Starts what can be started and looks at the rest, until nothing new comes of it.
    async fn round(&mut self) -> Result<(), CommandError> {
        self.away = false;
        loop {
            let before: Vec<Stage> = self.run.steps().iter().map(|it| it.stage).collect();
            let now = Instant::now();
            for start in self.run.advance() {
                self.due.push((now + start.pause, start));
            }
            self.tell(&before)?;
            self.start_due().await?;
            if self.away {
                return Ok(());
            }
            let has_ended = self.look().await?;
            if self.away || !has_ended {
                return Ok(());
            }
        }
    }

    async fn start_due(&mut self) -> Result<(), CommandError> {
        let now = Instant::now();
        let (due, later) = self.due.drain(..).partition(|(at, _)| *at <= now);
        self.due = later;
        let due: Vec<(Instant, Start)> = due;
        for (at, start) in due {
            if self.away {
                self.due.push((at, start));
                continue;
            }
            match self.start(&start).await {
                Ok(work) => self.works.push(Given {
                    step: start.step,
                    attempt: start.attempt,
                    work,
                }),
                Err(error) if is_passing(&error) => {
                    self.is_away(&error);
                    self.due.push((at, start));
                }
                Err(error) => self.refused(&start, error)?,
            }
        }
        Ok(())
    }

    /// Gives a step to who does it. The server knows it again: this may be done any number of times.
    async fn start(&self, start: &Start) -> Result<Work, ClientError> {
        let step = &self.run.workflow().steps[start.step];
        let of = Of {
            run_id: self.run_id,
            agent: self.agent,
        };
        match &step.place.server {
            None => {
                let assignment = errand::assignment(of, step, start);
                let answer = self.api.assign(&assignment).await?;
                Ok(Work::Intent(answer.value.intent_id))
            }
            Some(server) => {
                let body = errand::dispatch(of, step, server, start);
                let answer = self.api.dispatch(&body, Some(self.agent)).await?;
                Ok(Work::Dispatch(answer.value.dispatch_id))
            }
        }
    }

    /// A step that the own server does not take ends; what concerns every step ends the command.
    fn refused(&mut self, start: &Start, error: ClientError) -> Result<(), CommandError> {
        let message = match &error {
            ClientError::Refused(refusal) if matches!(refusal.status, 400 | 409 | 413 | 422) => {
                refusal.text.clone()
            }
            _ => return offered(Err(error)),
        };
        let sight = Sight {
            standing: Standing::Refused,
            message: Some(format!("the server does not take it: {message}")),
            result: Object::new(),
            usage: Object::new(),
            created_at: String::new(),
            updated_at: String::new(),
        };
        if self.run.see(start.step, start.attempt, sight) {
            self.telling.step(&self.run, start.step)?;
        }
        Ok(())
    }

    /// Looks at all that is under way; whether a step has come to its end, which may let others begin.
    async fn look(&mut self) -> Result<bool, CommandError> {
        let mut has_ended = false;
        let mut works = std::mem::take(&mut self.works).into_iter();
        let mut still = Vec::new();
        for given in works.by_ref() {
            let sight = match self.sight(&given.work).await {
                Ok(sight) => sight,
                Err(error) if is_passing(&error) => {
                    self.is_away(&error);
                    still.push(given);
                    break;
                }
                Err(error) => return Err(unknown(error, self.run_id)),
            };
            if self.run.see(given.step, given.attempt, sight) {
                self.telling.step(&self.run, given.step)?;
            }
            match self.run.steps()[given.step].stage {
                Stage::Underway(_) => still.push(given),
                _ => has_ended = true,
            }
        }
        still.extend(works);
        self.works = still;
        Ok(has_ended)
    }

    async fn sight(&self, work: &Work) -> Result<Sight, ClientError> {
        match work {
            Work::Intent(id) => {
                let answer = self.api.intent(id).await?;
                Ok(Sight::of_intent(&answer.value))
            }
            Work::Dispatch(id) => {
                let answer = self.api.dispatch_shown(id).await?;
                Ok(Sight::of_dispatch(&answer.value))
            }
        }
    }

    /// Tells of the steps that stand otherwise than before.
    fn tell(&self, before: &[Stage]) -> Result<(), CommandError> {
        for (number, (step, before)) in self.run.steps().iter().zip(before).enumerate() {
            if step.stage != *before {
                self.telling.step(&self.run, number)?;
            }
        }
        Ok(())
    }

    fn is_away(&mut self, error: &ClientError) {
        self.away = true;
        self.telling.away(error);
    }
}

/// When it is looked again. What is due stays due while the server is away.
fn next_round(now: Instant, is_away: bool, due: impl Iterator<Item = Instant>) -> Instant {
    match is_away {
        true => now + AGAIN_AFTER,
        false => due.fold(now + LOOK_EVERY, Instant::min),
    }
}

/// What the server gave an id to, it knows; unless it is another one by now, or has lost what it had.
fn unknown(error: ClientError, run_id: &str) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => {
            let message = format!("the server knows nothing of what run `{run_id}` has begun");
            CommandError::new(Kind::NotFound, message)
                .with_hint("give the run up and begin anew: `--fresh`, or another `--run-id`")
        }
        error => error.into(),
    }
}

impl Ended {
    /// One word for the whole run.
    pub(super) fn word(self, run: &Run<'_>) -> &'static str {
        match self {
            Self::Over if run.is_completed() => "completed",
            Self::Over => "failed",
            Self::OutOfTime => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }

    /// What the command ends with.
    pub(super) fn exit(self, run: &Run<'_>, claim: &Claim) -> Result<Exit, CommandError> {
        let hint = format!(
            "what has begun goes on; `{}` waits for it again, and begins what is left",
            claim.command()
        );
        let (kind, message) = match self {
            Self::Over if run.is_completed() => return Ok(Exit::Done),
            Self::Over => return Ok(Exit::SomeFailed),
            Self::OutOfTime => (Kind::NothingCame, "the time is over before the workflow is"),
            Self::Interrupted => (
                Kind::Interrupted,
                "interrupted before the workflow was over",
            ),
        };
        Err(CommandError::new(kind, message).with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_is_not_asked_without_a_pause() {
        let now = Instant::now();
        let soon = now + Duration::from_millis(1);
        assert_eq!(next_round(now, true, [now].into_iter()), now + AGAIN_AFTER);
        assert_eq!(next_round(now, false, [soon].into_iter()), soon);
        assert_eq!(next_round(now, false, [].into_iter()), now + LOOK_EVERY);
    }
}
