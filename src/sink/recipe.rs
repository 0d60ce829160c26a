//! What a sink is made of: kept with each entry of the local queue, so that a replay makes the very sink that the stream
//! had.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::Sink;
use super::manifest::SinkSpec;
use super::proxy::{Proxy, Routes, TARGET_LIMIT};
use crate::base::clock::Clock;
use crate::base::secret::Secret;
use crate::base::tls::TlsError;
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
}

/// What is needed beside the text to make a sink.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// A CA to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// What posts are signed with.
    pub sign_secret: Option<Secret>,
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
            _ => return None,
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
        }
    }

    /// Makes the sink.
    ///
    /// # Errors
    ///
    /// What is missing or unusable.
    pub fn make(&self, workshop: &Workshop) -> Result<Arc<dyn Sink>, MakeFault> {
        Ok(match self {
            Self::Proxy { .. } => Arc::new(self.make_proxy(workshop)?),
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
        } = self;
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
