//! `kite listen`: each event as a line for whoever reads a Unix socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::context::Context;
use super::error::CommandError;
use super::exit::Exit;
use super::filter::Filter;
use super::handing::{self, Handing};
use super::listening::{self, ListeningArgs};
use super::output::Output;
#[cfg(not(unix))]
use crate::sink::MakeFault;
#[cfg(unix)]
use crate::sink::socket::{READERS_MAX, Socket, Visit, WRITE_LIMIT};
use crate::sink::{Recipe, Sink};

/// Give each event to whoever reads a Unix socket.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kite listen --socket /run/user/1000/kite.sock
  kite listen --socket events.sock --source github --event-type push
  socat -u UNIX-CONNECT:events.sock STDOUT | jq .type

The socket is for this user alone, and goes when the program ends. Each reader
gets one CloudEvent per line, from the moment it connects. An event is
acknowledged when one reader was written all of it; while there is none the
stream waits at its event. A reader that does not take an event within five
seconds is cut off.")]
pub(super) struct ListenArgs {
    #[command(flatten)]
    filter: Filter,
    /// Where to make the socket.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    #[command(flatten)]
    listening: ListeningArgs,
}

pub(super) fn run(args: ListenArgs, context: &Context) -> Result<Exit, CommandError> {
    let settings = context.settings()?;
    let subject = subject(&args.socket)?;
    let recipe = Recipe::Socket {
        path: PathBuf::from(&subject),
    };
    let words = format!("handing events to the readers of {subject}");
    let role = handing::role("listen", subject.clone(), &args.filter, &words);
    let queue = handing::open_queue(&settings)?;
    let (filter, out) = (args.filter, context.out);
    let taker = async |place: &listening::Place| {
        let sink = open(Path::new(&subject), out)?;
        let consumer = handing::consumer(place, "listen", &subject, &recipe);
        Ok(Handing::begin(sink, consumer, filter, queue, out))
    };
    listening::run(args.listening, role, taker, context, &settings)
}

/// The whole path, by which cursors and entries of the local queue are told apart.
fn subject(path: &Path) -> Result<String, CommandError> {
    let fault = |why: &str| {
        let path = path.display();
        CommandError::usage(format!("`{path}` cannot be the path of a socket: {why}"))
    };
    let path = std::path::absolute(path).map_err(|error| fault(&error.to_string()))?;
    let text = path.to_str().ok_or_else(|| fault("it is not UTF-8"))?;
    Ok(text.to_owned())
}

#[cfg(unix)]
fn open(path: &Path, out: Output) -> Result<Arc<dyn Sink>, CommandError> {
    let hear = Arc::new(move |visit, count| tell(visit, count, out));
    Ok(Arc::new(Socket::open(path, hear)?))
}

#[cfg(not(unix))]
fn open(_: &Path, _: Output) -> Result<Arc<dyn Sink>, CommandError> {
    Err(MakeFault::NoSockets.into())
}

/// Says that a reader came or went.
#[cfg(unix)]
fn tell(visit: Visit, count: usize, out: Output) {
    let (change, what) = match visit {
        Visit::Came => ("came", "a reader came".to_owned()),
        Visit::Left => ("left", "a reader left".to_owned()),
        Visit::TooSlow => {
            let secs = WRITE_LIMIT.as_secs();
            let what = format!("a reader took no event within {secs} s and was cut off");
            ("cut", what)
        }
        Visit::TurnedAway => {
            let what = format!("a reader was turned away: {READERS_MAX} is the most");
            ("refused", what)
        }
    };
    let words = format!("{what}; readers: {count}");
    let members = [("change", change.into()), ("readers", count.into())];
    out.event("reader", &words, &members);
}
