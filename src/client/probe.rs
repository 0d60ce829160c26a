//! One look at each step of the way to a server, each within a limit of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::header::DATE;
use tokio::time::timeout;

use super::connect::Connector;
use super::http::{self, Unread};
use super::{ClientError, Refusal};
use crate::base::clock;
use crate::base::http::chain;
use crate::protocol::api::Health;

/// How long a step may take. Somebody waits at the terminal, and what takes longer is found out that way.
pub const STEP_LIMIT: Duration = Duration::from_secs(5);

/// How long the answer may be in which a server says how it is, in bytes.
const HEALTH_MAX_BYTES: usize = 64 * 1024;

/// The way to a server.
pub struct Probe<'a> {
    http_base: &'a str,
    ca_file: Option<&'a Path>,
    connector: Connector,
}

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// `ok`, or what is wrong; other servers may say nothing.
    pub status: Option<String>,
    /// Its version, likewise.
    pub version: Option<String>,
    /// The server's clock, in milliseconds since the Unix epoch.
    pub date: Option<i64>,
}

impl<'a> Probe<'a> {
    /// Prepares for a server. Fails on what no retry can mend.
    pub fn new(http_base: &'a str, ca_file: Option<&'a Path>) -> Result<Self, ClientError> {
        Ok(Self {
            http_base,
            ca_file,
            connector: Connector::to(http_base, ca_file)?,
        })
    }

    /// The addresses that the server's name stands for.
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, ClientError> {
        let found = timeout(
            STEP_LIMIT,
            tokio::net::lookup_host(self.connector.host_and_port()),
        );
        match found.await {
            Ok(Ok(addresses)) => Ok(addresses.collect()),
            Ok(Err(error)) => Err(self.unreachable(chain(&error))),
            Err(_) => Err(self.unreachable("looking up its name took too long".to_owned())),
        }
    }

    /// Connects as far as TLS.
    pub async fn connect(&self) -> Result<(), ClientError> {
        self.connector.touch(STEP_LIMIT).await
    }

    /// `GET /health`, without a key.
    pub async fn greet(&self) -> Result<Greeting, ClientError> {
        let client = http::client(self.http_base, self.ca_file)?;
        let request = client
            .get(format!("{}/health", self.http_base))
            .timeout(STEP_LIMIT);
        let lost = |error: reqwest::Error| ClientError::Lost {
            server: self.http_base.to_owned(),
            why: match error.is_timeout() {
                true => "it took too long".to_owned(),
                false => chain(&error.without_url()),
            },
        };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let date = response
            .headers()
            .get(DATE)
            .and_then(|date| date.to_str().ok());
        let date = date.and_then(clock::http_date);
        let text = http::text(response, HEALTH_MAX_BYTES).await;
        let text = text.map_err(|unread| match unread {
            Unread::Broken(error) => lost(error),
            Unread::TooLong(_) => ClientError::Unreadable {
                server: self.http_base.to_owned(),
                why: unread.to_string(),
            },
        })?;
        if !status.is_success() {
            return Err(Refusal::read(status.as_u16(), None, &text).into());
        }
        let health: Option<Health> = serde_json::from_str(&text).ok();
        let (status, version) = health.map(|health| (health.status, health.version)).unzip();
        Ok(Greeting {
            status,
            version,
            date,
        })
    }

    fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable {
            server: self.http_base.to_owned(),
            why,
        }
    }
}
