//! Talk to a server: HTTP calls, calls over a WebSocket and the reconnecting session.
//!
//! This room promises that every wait has a limit, that a key goes nowhere but to the server it is given with, and
//! that an event is acknowledged only after its receiver took it. It prints nothing and decides nothing for a command.

pub mod api;
pub mod attempt;
pub mod connect;
pub mod error;
pub mod federation;
pub mod handshake;
pub mod history;
pub mod http;
pub mod login;
pub mod message;
pub mod openintent;
pub mod post_box;
pub mod probe;
pub mod publisher;
pub mod receiver;
pub mod rpc;
pub mod session;

mod carrier;
mod frames;
mod memory;
#[cfg(test)]
pub(crate) mod script;

use std::path::PathBuf;

use crate::protocol::token::Token;

pub use api::{Api, Sent};
pub use error::{ClientError, Refusal};
pub use federation::ForwardsQuery;
pub use message::Letter;
pub use receiver::{Delivery, Flow, Notice, Receiver};
pub use session::{End, Session, Subscription, Timing};

/// A server, and what opens it.
#[derive(Debug, Clone)]
pub struct Server {
    /// The HTTP base.
    pub http_base: String,
    /// The WebSocket address.
    pub ws_url: String,
    /// The API key.
    pub key: Token,
    /// A CA to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
}
