//! Hand events on: to a local server, a command, a socket, another instance.
//!
//! This room promises one rule for every sink (spec 17): an event is done with only after its sink took it or the local
//! queue holds it. A sink that cannot be reached holds the stream at its event, as long as it takes; an event that its
//! sink refuses steps aside, is tried again beside the stream and then kept as failed. It prints nothing: whoever runs
//! it is told what happens.

pub mod dedup;
pub mod enrich;
pub mod exec;
pub mod facts;
pub mod forward;
pub mod handover;
pub mod lanes;
pub mod manifest;
pub mod mcp;
pub mod paperclip;
pub mod pipeline;
pub mod proxy;
pub mod queue;
pub mod recipe;
pub mod replay;
pub mod retry;
pub mod rule;
pub mod scoring;
#[cfg(unix)]
pub mod socket;

mod answer;
mod item;
mod shell;
#[cfg(test)]
mod target;
mod variables;

use std::io;

use async_trait::async_trait;

pub use forward::Forward;
pub use handover::{Handed, Handover, Happening, Keeps, Refined, Refinery, Stages, Witness};
pub use item::Item;
pub use lanes::Lanes;
pub use queue::{Consumer, Queue, QueueFault};
pub use recipe::{MakeFault, Recipe, Workshop};

/// What became of handing one event to a sink.
#[derive(Debug)]
pub enum Outcome {
    /// The sink has it.
    Delivered,
    /// The sink was not asked, for this reason, and need not be: the event has been there before.
    Skipped(String),
    /// Nobody took it, for this reason; that has nothing to do with this event.
    Unreachable(String),
    /// Somebody was there and gave no answer: it is being restarted, or this event made it fall over.
    Silent(String),
    /// The sink does not want this event, for this reason.
    Refused(String),
    /// The sink can never take this event, for this reason.
    Hopeless(String),
    /// The sink takes nothing any more, as a pipe whose reader has gone.
    Gone(io::Error),
}

/// Something that takes events.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Hands one event over. It ends within a limit of the sink's own, and may be left alone at any moment.
    async fn deliver(&self, item: &Item) -> Outcome;

    /// Waits for a sign that a sink that could not be reached can be reached now; for ever where there are no signs.
    async fn changed(&self) {
        std::future::pending().await
    }
}
