//! The one driver of every verb that listens: it keeps the subscription, prints history first, counts, says what
//! happens to the connection and ends. A verb brings its [`Role`] and its [`Taker`].

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::context::{Context, block_on, team};
use super::cursor::{Choice, Cursor};
use super::error::CommandError;
use super::exit::Exit;
use super::lifecycle::{self, Ended, Stop, Tally};
use super::output::Output;
use super::signal::Interrupt;
use super::since::Since;
use crate::base::clock::Clock;
use crate::base::duration;
use crate::client::history::{History, Start};
use crate::client::{
    Api, ClientError, Delivery, End, Flow, Notice, Receiver, Server, Session, Subscription, Timing,
};
use crate::config::Settings;
use crate::protocol::id::{ClientId, Seq, TeamId};
use crate::protocol::scope::Scope;

/// What every listening verb takes.
#[derive(Debug, Default, Args)]
pub(super) struct ListeningArgs {
    /// The name of the cursor; otherwise one that this profile keeps.
    #[arg(long, value_name = "ID", conflicts_with = "ephemeral")]
    client_id: Option<ClientId>,
    /// Begin with what comes from now on, and keep no cursor.
    #[arg(long)]
    ephemeral: bool,
    /// First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d); and
    /// what the cursor still owes.
    #[arg(long, value_name = "all|SEQ|DUR")]
    since: Option<Since>,
    /// End after this many events.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    count: Option<u64>,
    /// End after this long; exit 8 when nothing came, or less than --count.
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Make this file when the subscription stands.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// First print this many of the newest.
    #[arg(skip)]
    newest: Option<u64>,
}

impl ListeningArgs {
    /// What `kite logs --follow` takes: a listing, then what comes, and nothing kept.
    pub(super) fn after_listing(since: Option<Since>, newest: u64) -> Self {
        Self {
            ephemeral: true,
            since,
            newest: Some(newest),
            ..Self::default()
        }
    }

    fn start(&self, clock: &Clock) -> Option<Start> {
        let since = self.since.as_ref().map(|since| since.start(clock));
        since.or(self.newest.map(Start::Newest))
    }

    fn choice(&mut self, role: &Role) -> Choice {
        match self.client_id.take() {
            Some(client_id) => Choice::Given(client_id),
            None if self.ephemeral => Choice::Ephemeral,
            None => Choice::Kept {
                command: role.command,
                subject: role.subject.clone(),
            },
        }
    }
}

/// What a verb listens for, and what it calls that.
pub(super) struct Role {
    /// The command's name in `[clients]`.
    pub(super) command: &'static str,
    /// What tells its cursors apart: an agent, a filter.
    pub(super) subject: String,
    /// Alternatives.
    pub(super) scopes: Vec<Scope>,
    /// What is said when the subscription stands.
    pub(super) words: String,
    /// What is told then under `--json`, beside the client id.
    pub(super) member: (&'static str, Value),
    /// Listening ends when this does, for one whose sink can end.
    pub(super) until: Option<oneshot::Receiver<()>>,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was handed on, and counts.
    Counted,
    /// It is not what the verb is for.
    Passed,
    /// It cannot be handed on, for this reason; that is reported.
    Unreadable(String),
}

/// Hands events on. An event is acknowledged after it was taken and is no longer in hand: see [`Receiver`].
pub(super) trait Taker: Send {
    fn take(
        &mut self,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Taken, CommandError>> + Send;

    fn in_hand(&self) -> Option<Seq> {
        None
    }

    /// Waits until something that is in hand is done, or something else happened; how many events count now that did
    /// not when they were taken.
    fn progress(&mut self) -> impl Future<Output = Result<u64, CommandError>> + Send {
        std::future::pending()
    }

    /// What came of it, under `--json`.
    fn account(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Says at the end what came of it; an error where something was not handed on.
    fn finish(&self) -> Result<(), CommandError> {
        Ok(())
    }
}

/// Where events come from: known when a taker is made.
pub(super) struct Place {
    /// The origin of the server.
    pub(super) origin: String,
    /// The team.
    pub(super) team: TeamId,
}

/// Listens until there was enough, time is up or somebody interrupts. The taker is made when the team is known.
pub(super) fn run<T: Taker>(
    args: ListeningArgs,
    mut role: Role,
    taker: impl AsyncFnOnce(&Place) -> Result<T, CommandError>,
    context: &Context,
    settings: &Settings,
) -> Result<Exit, CommandError> {
    let server = context.server(settings)?;
    if let Some(path) = &args.ready_file {
        lifecycle::clear_ready_file(path)?;
    }
    block_on(async {
        let stop = stop(Interrupt::new()?, args.timeout, role.until.take());
        let mut stop = Box::pin(stop);
        let team = tokio::select! {
            biased;
            why = &mut stop => return lifecycle::stopped_early(why),
            team = team(settings, &server) => team?,
        };
        let place = Place {
            origin: settings.origin()?,
            team,
        };
        let listener = Listener::new(&args, role, taker(&place).await?, context.out);
        listen(args, listener, context, settings, server, place.team, stop).await
    })
}

async fn listen<T: Taker>(
    mut args: ListeningArgs,
    mut listener: Listener<T>,
    context: &Context,
    settings: &Settings,
    server: Server,
    team: TeamId,
    mut stop: Pin<Box<impl Future<Output = Stop>>>,
) -> Result<Exit, CommandError> {
    let clock = Clock::system();
    let scopes = listener.role.scopes.clone();
    let past = match args.start(&clock) {
        Some(start) => Some(Past {
            history: History::new(start, scopes.clone()),
            api: Api::new(&server, Some(team.clone()))?,
        }),
        None => None,
    };
    let cursor = Cursor::take(args.choice(&listener.role), context, settings, &team)?;
    let subscription = Subscription {
        team,
        scopes,
        client_id: cursor.client_id(),
    };
    let mut session = Session::new(&server, subscription, Timing::default(), clock)?;
    let ended = follow(&mut session, &mut listener, past, &mut stop).await?;
    let account = listener.taker.account();
    let exit = listener.tally.finish(ended, &account, context.out);
    match (exit, listener.taker.finish()) {
        // How the listening itself ended says more.
        (Ok(Exit::Done), Err(error)) => Err(error),
        (exit, _) => exit,
    }
}

async fn stop(
    mut interrupt: Interrupt,
    timeout: Option<Duration>,
    until: Option<oneshot::Receiver<()>>,
) -> Stop {
    let finished = async {
        let is_said = match until {
            Some(until) => until.await.is_ok(),
            None => false,
        };
        // Whoever goes without a word does not end anything.
        if !is_said {
            std::future::pending().await
        }
    };
    // A limit that the clock cannot hold is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let out_of_time = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt.wait() => Stop::Interrupted,
        () = out_of_time => Stop::TimedOut,
        () = finished => Stop::Finished,
    }
}

/// What is to be handed on first.
struct Past {
    history: History,
    api: Api,
}

/// What is stored first, where that was asked for, then what comes.
async fn follow<T: Taker>(
    session: &mut Session,
    listener: &mut Listener<T>,
    past: Option<Past>,
    mut stop: impl Future<Output = Stop> + Unpin,
) -> Result<Ended, CommandError> {
    if let Some(past) = past {
        let ended = tokio::select! {
            biased;
            why = &mut stop => Some(End::Stopped(why)),
            ended = catch_up(session, listener, past) => ended?,
        };
        if let Some(ended) = ended {
            return Ok(ended);
        }
    }
    Ok(session.run(listener, stop).await)
}

/// Hands on what is stored, as often as it takes to read it. The cursor stands before the reading begins, so nothing
/// falls between the two; what it still owed comes first.
async fn catch_up<T: Taker>(
    session: &mut Session,
    listener: &mut Listener<T>,
    past: Past,
) -> Result<Option<Ended>, CommandError> {
    let Past { mut history, api } = past;
    let standing = session.stand_patiently(listener).await?;
    history.reach_back_to(standing.last_seq.saturating_add(1));
    let mut backoff = session.backoff();
    loop {
        let page = match history.next_page(&api).await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) if error.is_outage() => {
                session.pause(&mut backoff, &error, listener).await;
                continue;
            }
            Err(error) => return Err(no_history(error)),
        };
        for event in page {
            match listener.hand_on(&Delivery::listed(event)).await {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop) => return Ok(Some(listener.settled().await)),
                Err(error) => return Ok(Some(End::Receiver(error))),
            }
        }
    }
    session.skip_to(history.position());
    Ok(None)
}

/// What a failed reading of the log means to whoever asked for `--since`.
pub(super) fn no_history(error: ClientError) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => CommandError::no_history(),
        error => error.into(),
    }
}

/// Between the session and the verb.
struct Listener<T> {
    out: Output,
    role: Role,
    taker: T,
    tally: Tally,
    ready_file: Option<PathBuf>,
}

impl<T: Taker> Listener<T> {
    fn new(args: &ListeningArgs, role: Role, taker: T, out: Output) -> Self {
        let tally = Tally {
            count: args.count,
            timeout: args.timeout,
            received: 0,
        };
        Self {
            out,
            role,
            taker,
            tally,
            ready_file: args.ready_file.clone(),
        }
    }

    async fn hand_on(&mut self, delivery: &Delivery) -> Result<Flow, CommandError> {
        match self.taker.take(delivery).await? {
            Taken::Counted => self.tally.received += 1,
            Taken::Passed => {}
            Taken::Unreadable(why) => lifecycle::unreadable(&why, &delivery.text, self.out),
        }
        Ok(self.flow())
    }

    fn flow(&self) -> Flow {
        match self.tally.is_full() {
            true => Flow::Stop,
            false => Flow::Continue,
        }
    }

    /// The end when there was enough: nothing is in hand any more.
    async fn settled(&mut self) -> Ended {
        while self.taker.in_hand().is_some() {
            if let Err(error) = self.taker.progress().await {
                return End::Receiver(error);
            }
        }
        End::Enough
    }

    fn ready(&self, client_id: &str) {
        if let Some(path) = &self.ready_file {
            lifecycle::make_ready_file(path, self.out);
        }
        let (name, value) = &self.role.member;
        let members = [(*name, value.clone()), ("client_id", client_id.into())];
        self.out.event("ready", &self.role.words, &members);
    }
}

impl<T: Taker> Receiver for Listener<T> {
    type Error = CommandError;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, CommandError> {
        self.hand_on(&delivery).await
    }

    fn in_hand(&self) -> Option<Seq> {
        self.taker.in_hand()
    }

    async fn progress(&mut self) -> Result<Flow, CommandError> {
        self.tally.received += self.taker.progress().await?;
        Ok(self.flow())
    }

    fn notice(&mut self, notice: Notice) {
        match &notice {
            Notice::Ready { client_id, .. } => self.ready(client_id),
            other => lifecycle::say(other, self.out),
        }
    }
}

#[cfg(test)]
#[path = "listening_tests.rs"]
mod tests;
