//! What a load runs on: a kite server, or the bare one.

use std::path::Path;

use super::bare;
use crate::client::connect::Connector;
use crate::client::{ClientError, Server};
use crate::protocol::id::TeamId;

/// A server and how it is spoken to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A kite server, with a key for the team.
    Kite(Server, TeamId),
    /// A bare server at this HTTP base.
    Bare(String),
}

impl Target {
    /// Opens connections for requests.
    pub(super) fn http(&self) -> Result<Connector, ClientError> {
        Connector::to(self.http_base(), self.ca_file())
    }

    /// Opens connections for WebSockets. The bare server has a path for listeners, by name, and one for calls.
    pub(super) fn ws(&self, bare_path: &str) -> Result<Connector, ClientError> {
        match self {
            Self::Kite(server, _) => Connector::new(server),
            Self::Bare(base) => {
                let rest = base.trim_start_matches("http");
                Connector::to(&format!("ws{rest}{bare_path}"), None)
            }
        }
    }

    pub(super) fn http_base(&self) -> &str {
        match self {
            Self::Kite(server, _) => &server.http_base,
            Self::Bare(base) => base,
        }
    }

    fn ca_file(&self) -> Option<&Path> {
        match self {
            Self::Kite(server, _) => server.ca_file.as_deref(),
            Self::Bare(_) => None,
        }
    }

    /// Where a message is posted.
    pub(super) fn publish_path(&self) -> &'static str {
        match self {
            Self::Kite(..) => "/api/v1/agents/messages",
            Self::Bare(_) => bare::EVENTS_PATH,
        }
    }

    /// What opens it.
    pub(super) fn authorization(&self) -> Option<String> {
        match self {
            Self::Kite(server, _) => Some(format!("Bearer {}", server.key.reveal())),
            Self::Bare(_) => None,
        }
    }
}
