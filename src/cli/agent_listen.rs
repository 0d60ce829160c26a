//! `kite agent listen`: the messages of one agent, one after the other.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use tokio::time::Instant;

use super::agent::acting;
use super::context::{Context, block_on, team};
use super::error::{CommandError, Kind};
use super::exit::Exit;
use super::output::{Output, PrintFault};
use super::render;
use super::signal::Interrupt;
use super::since::Since;
use super::text::visible;
use crate::base::clock::Clock;
use crate::base::duration;
use crate::client::history::History;
use crate::client::{
    Api, ClientError, Delivery, End, Flow, Letter, Notice, Receiver, Server, Session, Subscription,
    Timing,
};
use crate::config::Settings;
use crate::config::identity::{ClientLease, Consumer};
use crate::protocol::id::{AgentId, ClientId, TeamId};
use crate::protocol::scope::Scope;

/// The command's name in `[clients]`.
pub(super) const COMMAND: &str = "agent listen";

/// Print the messages that are sent to an agent, as they come.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite agent listen
  kite agent listen --json --count 1 --timeout 5m

What was sent while nobody listened comes first. Each message is acknowledged after it was printed. The connection is
restored by itself; what happens to it is said on stderr.")]
pub(super) struct ListenArgs {
    /// The agent; otherwise the identity of this profile.
    #[arg(long, visible_alias = "as", value_name = "ID")]
    as_id: Option<AgentId>,
    /// The name of the cursor; otherwise one that this profile keeps.
    #[arg(long, value_name = "ID", conflicts_with = "ephemeral")]
    client_id: Option<ClientId>,
    /// Begin with what is sent from now on, and keep no cursor.
    #[arg(long)]
    ephemeral: bool,
    /// First print what is stored: all of it, from event number SEQ on, or since a time ago (30s, 5m, 24h, 7d).
    #[arg(long, value_name = "all|SEQ|DUR")]
    since: Option<Since>,
    /// End after this many messages.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    count: Option<u64>,
    /// End after this long; exit 8 when nothing came, or less than --count.
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    timeout: Option<Duration>,
    /// Make this file when the subscription stands.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

/// Why a listener was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Interrupted,
    TimedOut,
}

type Ended = End<PrintFault, Stop>;

pub(super) fn run(args: ListenArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let agent = acting(args.as_id.clone(), &settings)?;
    let server = context.server(&settings)?;
    if let Some(path) = &args.ready_file {
        clear_ready_file(path)?;
    }
    block_on(listen(args, context, settings, server, agent))
}

async fn listen(
    args: ListenArgs,
    context: &Context,
    settings: Settings,
    server: Server,
    agent: AgentId,
) -> Result<Exit, CommandError> {
    let mut stop = Box::pin(stop(Interrupt::new()?, args.timeout));
    let team = tokio::select! {
        biased;
        why = &mut stop => return stopped_early(why),
        team = team(&settings, &server) => team?,
    };
    let cursor = Cursor::choose(&args, context, &settings, &team, &agent)?;
    let scope = Scope::AgentTo(agent.to_string());
    let subscription = Subscription {
        team: team.clone(),
        scopes: vec![scope.clone()],
        client_id: cursor.client_id(),
    };
    let mut session = Session::new(&server, subscription, Timing::default(), Clock::system())?;
    let mut listener = Listener {
        out: context.out,
        agent: &agent,
        ready_file: args.ready_file,
        count: args.count,
        received: 0,
    };
    let mut ended = None;
    if let Some(since) = &args.since {
        let history = History::new(since.start(&Clock::system()), vec![scope]);
        let api = Api::new(&server, Some(team))?;
        ended = tokio::select! {
            biased;
            why = &mut stop => Some(End::Stopped(why)),
            ended = catch_up(&mut session, &mut listener, history, &api) => ended?,
        };
    }
    let ended = match ended {
        Some(ended) => ended,
        None => session.run(&mut listener, &mut stop).await,
    };
    listener.finish(ended, args.timeout)
}

/// The end of a run that did not come to listening.
fn stopped_early(why: Stop) -> Result<Exit, CommandError> {
    match why {
        Stop::Interrupted => Ok(Exit::Interrupted),
        Stop::TimedOut => Err(CommandError::new(
            Kind::NothingCame,
            "the server did not answer in time",
        )),
    }
}

async fn stop(mut interrupt: Interrupt, timeout: Option<Duration>) -> Stop {
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
    }
}

/// Prints what is stored. The cursor stands before the reading begins, so nothing falls between the two.
async fn catch_up(
    session: &mut Session,
    listener: &mut Listener<'_>,
    mut history: History,
    api: &Api,
) -> Result<Option<Ended>, CommandError> {
    session.stand_patiently(listener).await?;
    while let Some(page) = history.next_page(api).await.map_err(no_history)? {
        for event in page {
            match listener.print(&Delivery::new(event.seq, event.event.get())) {
                Ok(Flow::Continue) => {}
                Ok(Flow::Stop) => return Ok(Some(End::Enough)),
                Err(fault) => return Ok(Some(End::Receiver(fault))),
            }
        }
    }
    session.skip_to(history.position());
    Ok(None)
}

fn no_history(error: ClientError) -> CommandError {
    match error {
        ClientError::Refused(refusal) if refusal.is_unserved() => {
            CommandError::new(Kind::NotFound, "the server keeps no readable history")
                .with_hint("leave out `--since`: a cursor still resumes where it was")
        }
        error => error.into(),
    }
}

fn clear_ready_file(path: &std::path::Path) -> Result<(), CommandError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CommandError::failed(
            format!("cannot remove the old `{}`: {error}", path.display()),
        )),
        _ => Ok(()),
    }
}

/// Which cursor this run reads with. Its lock is held while this lives.
enum Cursor {
    None,
    Given(ClientId),
    Leased(ClientLease),
}

impl Cursor {
    fn choose(
        args: &ListenArgs,
        context: &Context,
        settings: &Settings,
        team: &TeamId,
        agent: &AgentId,
    ) -> Result<Self, CommandError> {
        if args.ephemeral {
            return Ok(Self::None);
        }
        if let Some(client_id) = &args.client_id {
            return Ok(Self::Given(client_id.clone()));
        }
        let origin = settings.origin()?;
        let consumer = Consumer {
            origin: &origin,
            team: team.as_str(),
            command: COMMAND,
            subject: agent.as_str(),
        };
        let lease = ClientLease::take(&settings.paths, &settings.profile, &consumer)?;
        if lease.is_fresh {
            context.out.note(
                "another process listens for this agent here: this one begins with what is sent from now on",
            );
        }
        Ok(Self::Leased(lease))
    }

    fn client_id(&self) -> Option<ClientId> {
        match self {
            Self::None => None,
            Self::Given(client_id) => Some(client_id.clone()),
            Self::Leased(lease) => Some(lease.client_id.clone()),
        }
    }
}

/// Prints messages and says what happens to the connection.
struct Listener<'a> {
    out: Output,
    agent: &'a AgentId,
    ready_file: Option<PathBuf>,
    count: Option<u64>,
    received: u64,
}

impl Listener<'_> {
    fn print(&mut self, delivery: &Delivery) -> Result<Flow, PrintFault> {
        let event = match &delivery.event {
            Ok(event) => event,
            Err(fault) => {
                self.report(&fault.to_string(), &delivery.text);
                return Ok(Flow::Continue);
            }
        };
        if self.out.json {
            self.out.object(&delivery.text)?;
        } else {
            match Letter::read(event) {
                Ok(letter) => self.out.line(&render::letter(&letter))?,
                Err(fault) => {
                    self.report(&fault.to_string(), &delivery.text);
                    return Ok(Flow::Continue);
                }
            }
        }
        self.received += 1;
        match self.count {
            Some(count) if self.received >= count => Ok(Flow::Stop),
            _ => Ok(Flow::Continue),
        }
    }

    fn report(&self, why: &str, text: &str) {
        let (why, text) = (visible(why), visible(text));
        self.out
            .warn(&format!("something came that is no message: {why}: {text}"));
    }

    fn ready(&self, client_id: &str) {
        if let Some(path) = &self.ready_file
            && let Err(error) = std::fs::write(path, "ready\n")
        {
            let path = path.display();
            self.out
                .warn(&format!("cannot make the ready file `{path}`: {error}"));
        }
        let words = format!("listening for messages to `{}`", self.agent);
        let members = [
            ("agent", self.agent.as_str().into()),
            ("client_id", client_id.into()),
        ];
        self.out.event("ready", &words, &members);
    }

    fn finish(self, ended: Ended, timeout: Option<Duration>) -> Result<Exit, CommandError> {
        let reason = match &ended {
            End::Enough => "count",
            End::Stopped(Stop::Interrupted) => "interrupted",
            End::Stopped(Stop::TimedOut) => "timeout",
            End::Receiver(_) => "output",
            End::Replaced => "replaced",
            End::Denied(_) => "denied",
            End::Rejected(_) => "rejected",
        };
        if self.out.json {
            let members = [
                ("reason", reason.into()),
                ("received", self.received.into()),
            ];
            self.out.event("end", "", &members);
        }
        match ended {
            End::Enough => Ok(Exit::Done),
            End::Stopped(Stop::Interrupted) => Ok(Exit::Interrupted),
            End::Stopped(Stop::TimedOut) => self.out_of_time(timeout.unwrap_or_default()),
            End::Receiver(fault) => Err(fault.into()),
            End::Replaced => Err(CommandError::replaced()),
            End::Denied(message) => Err(CommandError::denied(&message)),
            End::Rejected(message) => Err(CommandError::rejected(&message)),
        }
    }

    fn out_of_time(&self, timeout: Duration) -> Result<Exit, CommandError> {
        let secs = timeout.as_secs();
        let message = match (self.received, self.count) {
            (0, _) => format!("nothing came within {secs} s"),
            (received, Some(count)) => format!("{received} of {count} came within {secs} s"),
            (_, None) => return Ok(Exit::Done),
        };
        Err(CommandError::new(Kind::NothingCame, message))
    }
}

impl Receiver for Listener<'_> {
    type Error = PrintFault;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, PrintFault> {
        self.print(&delivery)
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Ready { client_id, .. } => self.ready(&client_id),
            Notice::Reconnecting { why, wait } => {
                let why = visible(&why);
                let words = format!(
                    "not connected: {why}; trying again in {:.1} s",
                    wait.as_secs_f32()
                );
                let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let members = [("reason", why.as_ref().into()), ("wait_ms", millis.into())];
                self.out.event("reconnecting", &words, &members);
            }
            Notice::Gap { from, to } => {
                let words = match from {
                    Some(from) => format!("the server no longer has events {from} to {to}"),
                    None => format!("the server no longer has events up to {to}"),
                };
                self.out
                    .event("gap", &words, &[("from", from.into()), ("to", to.into())]);
            }
            Notice::Blocked { reason } => {
                let words = format!("the server takes no new events: {}", visible(&reason));
                self.out
                    .event("blocked", &words, &[("reason", reason.as_str().into())]);
            }
            Notice::Unreadable { why, text } => self.report(&why, &text),
        }
    }
}
