//! Loads on a server, and what comes of them: throughput, latencies, and how far from what the machine allows.
//!
//! A load runs at a fixed rate or in a closed loop. At a fixed rate a request's time counts from when it was *due*, so
//! that a server which stands still for a second is seen by everything that would have been asked in that second. In a
//! closed loop nobody asks before the last answer came, and what is reported is throughput first.
//!
//! Beside kite the same load can run on a bare server, which does only what cannot be avoided ([`bare`]). This room
//! prints nothing and starts no process.

pub mod bare;
pub mod fanout;
pub mod federation;
pub mod idle;
pub mod limits;
pub mod pace;
pub mod proxy;
pub mod publish;
pub mod replay;
pub mod report;
pub mod tally;
pub mod target;
pub mod turns;

mod calls;
mod files;
mod http;
mod letter;
mod listener;
mod run;
mod webhook;

#[cfg(test)]
mod bare_tests;

use std::time::Duration;

use crate::client::ClientError;
use pace::Pace;

pub use report::{Figures, Report};
pub use target::Target;

/// How many connections are being opened at the same time.
const CONNECTING_MAX: usize = 64;

/// How large an event is where nothing says so, in bytes: about what an agent's message has.
const SIZE_USUAL: usize = 512;

/// How long opening all connections may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(120);

/// How long after the end of a load its last answers and deliveries are waited for, when none comes meanwhile.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// How long they are waited for at most.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// How a load is paced and how long it takes.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// A rate, or as fast as it goes.
    pub pace: Pace,
    /// How many ask at the same time, each over a connection of their own.
    pub publishers: usize,
    /// How large a request's body is, in bytes.
    pub size: usize,
    /// How long nothing counts yet.
    pub warm_up: Duration,
    /// How long it counts.
    pub duration: Duration,
}

/// Why a measurement came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The server was not reached, or did not let the load in.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// More open files are needed than one process may have.
    #[error("{needed} open files are needed and this process may have {limit}")]
    Files {
        /// How many are needed.
        needed: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The operating system did not do something.
    #[error("cannot {what}: {why}")]
    System {
        /// What it did not do.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// The body is to be smaller than what has to be in it.
    #[error("a message needs at least {0} bytes")]
    Size(usize),
    /// A call would be larger than calls may be.
    #[error("{0} events of {1} bytes are too many for a call: it holds 1000 at most, and 1 MiB")]
    Batch(usize, usize),
    /// Something did not happen in time.
    #[error("{0} took too long")]
    Late(&'static str),
    /// A call was answered with a failure.
    #[error("the server refused a call: {0}")]
    Refused(String),
    /// Nothing was measured.
    #[error("nothing was done in the time that counts: {0}")]
    Nothing(String),
}

impl BenchError {
    fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System {
            what,
            why: error.to_string(),
        }
    }
}
