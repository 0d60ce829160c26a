//! Forward each event to another instance, as instances forward among themselves (spec 14.2, 14.5).

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::recipe::MakeFault;
use super::{Item, Outcome, Sink, answer};
use crate::base::http;
use crate::base::secret::Secret;
use crate::protocol::forward::{self, MAX_HOPS, Provenance};
use crate::protocol::id::InstanceId;

/// How long one post may take (spec 14.2).
const LIMIT: Duration = Duration::from_secs(15);

/// Another instance.
pub struct Forward {
    client: reqwest::Client,
    target: Url,
    own_id: InstanceId,
    token: Secret,
    revival: Revival,
}

/// Why a token cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none.
    #[error("the token of the other instance is empty")]
    Empty,
    /// No header can hold it.
    #[error("the token of the other instance has characters that no header can hold")]
    Characters,
}

impl Forward {
    /// Prepares to forward to this address, as this instance.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up, or the token cannot be sent.
    pub fn new(
        target: Url,
        own_id: InstanceId,
        token: Secret,
        ca_file: Option<&Path>,
    ) -> Result<Self, MakeFault> {
        if token.reveal().is_empty() {
            return Err(TokenFault::Empty.into());
        }
        headers(&token, b"").ok_or(TokenFault::Characters)?;
        Ok(Self {
            client: http::client(target.scheme() == "https", ca_file, LIMIT)?,
            revival: Revival::new(Instant::now()),
            target,
            own_id,
            token,
        })
    }
}

/// The headers of a body; none where the token cannot stand in one.
fn headers(token: &Secret, body: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in forward::headers(token.reveal(), body) {
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(name == "authorization");
        headers.insert(HeaderName::from_static(name), value);
    }
    Some(headers)
}

#[async_trait]
impl Sink for Forward {
    async fn deliver(&self, item: &Item) -> Outcome {
        let provenance = match Provenance::of(&item.event) {
            Ok(provenance) => provenance,
            Err(fault) => return Outcome::Hopeless(fault.to_string()),
        };
        let instances = [self.own_id.as_str()];
        if let Some(why) = provenance.decline(&item.event.kind, &instances, MAX_HOPS) {
            return Outcome::Skipped(why.to_string());
        }
        let event = provenance.forward(&item.event, &self.own_id);
        let body = Bytes::from(event.to_text());
        let Some(headers) = headers(&self.token, &body) else {
            // The token was tried when it was given.
            return Outcome::Hopeless(TokenFault::Characters.to_string());
        };
        let outcome = answer::send_opening(|| {
            let request = self.client.post(self.target.clone());
            request.headers(headers.clone()).body(body.clone())
        })
        .await;
        if let Outcome::Delivered = outcome {
            self.revival.delivered(Instant::now());
        }
        outcome
    }

    /// The target has just taken something, for the first time in a while.
    async fn changed(&self) {
        self.revival.back.notified().await
    }
}

/// How long nothing must have been delivered for the next delivery to be a sign of life. A target that takes one event
/// and puts off the next one is not asked more often for that.
const QUIET: Duration = Duration::from_secs(1);

/// Tells those who wait for the target that it is back.
struct Revival {
    last: Mutex<Instant>,
    back: Notify,
}

impl Revival {
    fn new(now: Instant) -> Self {
        Self {
            last: Mutex::new(now),
            back: Notify::new(),
        }
    }

    fn delivered(&self, now: Instant) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now - std::mem::replace(&mut *last, now);
        if since >= QUIET {
            self.back.notify_waiters();
        }
    }
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
