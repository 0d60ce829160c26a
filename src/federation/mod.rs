//! Other servers: what is sent to them, and what comes from them.
//!
//! ```text
//!  outbox (claims peers) ──► sender, one per peer ──► posts ──► delivery ~ dial ~ the peer
//!                              rows · circuit · pace               │
//!                              ▲  ack                              ▼
//!                              └────────── settler ◄──────── what became of it
//! ```
//!
//! The log writes down what is to be forwarded in the transaction that stores the event. A row is delivered at least once,
//! or becomes a dead letter (promise 5).
//!
//! All that the server calls goes through [`Dial`], the only way out, which keeps promise 10: no errands to inside.

mod circuit;
mod delivery;
mod dial;
mod discovery;
#[cfg(test)]
mod fixtures;
mod hook;
mod hub;
mod inbound;
mod inviter;
mod line;
mod maintenance;
pub mod openintent;
mod outbox;
#[cfg(test)]
mod outbox_tests;
mod pace;
mod paperclip;
mod paperclips;
mod posts;
mod rows;
mod sender;
mod settler;
mod token;
mod trial;
mod waits;
mod works;

pub use dial::{Answer, Dial, DialFault, Limits, Resolver, SystemResolver};
pub use hub::{Federation, Parts, Tasks};
pub use inbound::{Caller, Inbound, Recorder};
pub use inviter::{Inviter, InviterFault};
pub use paperclip::{Paperclip, PaperclipFault};
pub use paperclips::arrange as arrange_paperclips;
pub use settler::Meters;
pub use token::{FederationToken, FederationTokenError};
