//! What the server needs of the program around it.

use std::future::Future;
use std::sync::Arc;

use super::fault::{Fault, Words};
use crate::client::{Api, ClientError, Server};
use crate::protocol::id::{AgentId, ClientId, TeamId};

/// Where calls go, and as whom.
#[derive(Debug)]
pub struct Access {
    /// The server, and what opens it.
    pub server: Server,
    /// The team.
    pub team: TeamId,
    /// The agent, where there is one.
    pub mailbox: Option<Mailbox>,
}

/// An agent, and the cursor that says which of its messages were acknowledged.
#[derive(Debug)]
pub struct Mailbox {
    /// The agent.
    pub agent: AgentId,
    /// The cursor.
    pub client_id: ClientId,
    /// Whether another process here has the agent's own cursor, so that this is a fresh one.
    pub is_fresh: bool,
}

impl Access {
    pub(super) fn api(&self) -> Result<Api, Fault> {
        Api::new(&self.server, Some(self.team.clone())).map_err(Fault::Server)
    }

    pub(super) fn mailbox(&self) -> Result<&Mailbox, Fault> {
        self.mailbox.as_ref().ok_or(Fault::NoAgent)
    }
}

/// The program around the server: it knows the settings, and how an error is worded.
pub trait Host: Send + Sync + 'static {
    /// Where calls go. It is asked for each call, so that one who logs in meanwhile need not start anew.
    fn access(&self) -> impl Future<Output = Result<Arc<Access>, Words>> + Send;

    /// The key is not taken any more: what is known may be old.
    fn forget(&self);

    /// What an agent reads of a failure.
    fn word(&self, fault: Fault) -> Words;
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Server(error)
    }
}
