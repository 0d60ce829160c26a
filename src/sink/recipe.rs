//! What a sink is made of: kept with each entry of the local queue, so that a replay makes the very sink that the stream
//! had.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::Sink;
use super::exec::Exec;
use super::forward::{Forward, TokenFault};
use super::manifest::SinkSpec;
use super::paperclip::{self, Paperclip, PaperclipFault};
use super::proxy::{Proxy, Routes, TARGET_LIMIT};
#[cfg(unix)]
use super::socket::{Socket, SocketFault};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::base::tls::TlsError;
use crate::protocol::id::InstanceId;
use crate::webhook::SignatureFault;

/// A sink as text, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Recipe {
    /// Posts to local servers.
    Proxy {
        /// Where events go that have no route of their own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Url>,
        /// Where those of a source go.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        routes: BTreeMap<String, Url>,
        /// How long a request may take.
        timeout_secs: u64,
        /// Whether posts are signed as Standard Webhooks.
        #[serde(default)]
        is_signed: bool,
    },
    /// Forwards to another instance.
    Federation {
        /// Its hook.
        target: Url,
        /// Who forwards.
        instance_id: InstanceId,
    },
    /// Writes to the readers of a Unix socket.
    Socket {
        /// Where the socket is made.
        path: PathBuf,
    },
    /// Posts to Paperclip.
    Paperclip {
        /// Where its API begins.
        api_url: Url,
        /// Whose events these are.
        company_id: String,
        /// Which of its agents they wake.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Option<String>,
    },
    /// Runs a command.
    Exec {
        /// What the shell is given.
        command: String,
        /// How long it may take.
        timeout_secs: u64,
    },
}

/// What is needed beside the text to make a sink.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// A CA to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What posts are signed with.
    pub sign_secret: Option<Secret>,
    /// What opens the hook of another instance.
    pub federation_token: Option<Secret>,
    /// What Paperclip is called with.
    pub paperclip_key: Option<Secret>,
    /// The profile that kite is in the commands it runs.
    pub profile: String,
    /// The time.
    pub clock: Clock,
}

/// Why a sink cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeFault {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The secret to sign with is none.
    #[error(transparent)]
    Secret(#[from] SignatureFault),
    /// A secret that is not kept is missing.
    #[error("the secret to sign with is missing")]
    NoSignSecret,
    /// Likewise.
    #[error("the token of the other instance is missing")]
    NoFederationToken,
    /// The token cannot be sent.
    #[error(transparent)]
    FederationToken(#[from] TokenFault),
    /// Another sink was asked for as a proxy.
    #[error("this sink is no proxy")]
    NoProxy,
    /// The socket cannot be made.
    #[cfg(unix)]
    #[error(transparent)]
    Socket(#[from] SocketFault),
    /// The system has no such thing.
    #[error("this system has no Unix sockets")]
    NoSockets,
    /// Paperclip cannot be called.
    #[error(transparent)]
    Paperclip(#[from] PaperclipFault),
}

impl Recipe {
    /// The recipe of a manifest's sink; none for those that only a run can make.
    pub fn of(spec: &SinkSpec) -> Option<Self> {
        Some(match spec {
            SinkSpec::Proxy { target } => Self::Proxy {
                target: Url::parse(target).ok(),
                routes: BTreeMap::new(),
                timeout_secs: TARGET_LIMIT.as_secs(),
                is_signed: false,
            },
            SinkSpec::Socket { path } => Self::Socket { path: path.clone() },
            SinkSpec::Paperclip {
                api_url,
                company_id,
                agent_id,
            } => Self::Paperclip {
                api_url: Url::parse(api_url).ok()?,
                company_id: company_id.clone(),
                agent_id: agent_id.clone(),
            },
            SinkSpec::Exec { command, timeout } => Self::Exec {
                command: command.clone(),
                timeout_secs: timeout.as_secs(),
            },
            SinkSpec::Stdout { .. } | SinkSpec::McpServer { .. } => return None,
        })
    }

    /// The text that is kept.
    pub fn to_text(&self) -> String {
        // Plain data always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Where it takes the events of a source, for people.
    pub fn place(&self, source: &str) -> String {
        match self {
            Self::Proxy { target, routes, .. } => {
                let url = routes.get(source).or(target.as_ref());
                url.map_or("nowhere", Url::as_str).to_owned()
            }
            Self::Federation { target, .. } => target.to_string(),
            Self::Socket { path } => path.display().to_string(),
            Self::Paperclip { api_url, .. } => api_url.to_string(),
            Self::Exec { command, .. } => format!("`{command}`"),
        }
    }

    /// Makes the sink. A socket needs the runtime, and readers that connect to it then; one that is in use by a stream
    /// cannot be made a second time.
    ///
    /// # Errors
    ///
    /// What is missing or unusable.
    pub fn make(&self, workshop: &Workshop) -> Result<Arc<dyn Sink>, MakeFault> {
        Ok(match self {
            Self::Proxy { .. } => Arc::new(self.make_proxy(workshop)?),
            Self::Federation {
                target,
                instance_id,
            } => {
                let token = workshop.federation_token.clone();
                let token = token.ok_or(MakeFault::NoFederationToken)?;
                let ca_file = workshop.ca_file.as_deref();
                let (target, instance_id) = (target.clone(), instance_id.clone());
                Arc::new(Forward::new(target, instance_id, token, ca_file)?)
            }
            #[cfg(unix)]
            Self::Socket { path } => Arc::new(Socket::open(path, Arc::new(|_, _| {}))?),
            #[cfg(not(unix))]
            Self::Socket { .. } => return Err(MakeFault::NoSockets),
            Self::Paperclip {
                api_url,
                company_id,
                agent_id,
            } => {
                let url = paperclip::webhook_url(api_url, company_id, agent_id.as_deref())?;
                let key = workshop.paperclip_key.as_ref();
                let key = key.ok_or(PaperclipFault::NoKey)?;
                Arc::new(Paperclip::new(url, key, workshop.ca_file.as_deref())?)
            }
            Self::Exec {
                command,
                timeout_secs,
            } => {
                let limit = Duration::from_secs(*timeout_secs);
                Arc::new(Exec::new(command.clone(), limit).under(&workshop.profile))
            }
        })
    }

    /// Makes a proxy, where this is one.
    ///
    /// # Errors
    ///
    /// As [`Recipe::make`].
    pub fn make_proxy(&self, workshop: &Workshop) -> Result<Proxy, MakeFault> {
        let Self::Proxy {
            target,
            routes,
            timeout_secs,
            is_signed,
        } = self
        else {
            return Err(MakeFault::NoProxy);
        };
        let routes = Routes {
            by_source: routes.clone(),
            default: target.clone(),
        };
        let limit = Duration::from_secs(*timeout_secs);
        let ca_file = workshop.ca_file.as_deref();
        let proxy = Proxy::new(routes, limit, ca_file, workshop.clock.clone())?;
        match (&workshop.sign_secret, is_signed) {
            (_, false) => Ok(proxy),
            (Some(secret), true) => Ok(proxy.signing(secret.clone())?),
            (None, true) => Err(MakeFault::NoSignSecret),
        }
    }
}
