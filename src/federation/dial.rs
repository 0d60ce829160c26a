//! The only way out: every call of the server to an address that somebody gave it (promise 10).
//!
//! The host is judged before the call where it is an IP address, and otherwise by what its name stands for when the
//! connection is made. No redirect is followed, no proxy is used, nothing is unpacked; connecting, the whole call and
//! the answer have limits.

mod fault;
mod resolver;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response};

use crate::base::http;
use crate::base::tls::TlsError;
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::PeerUrl;
pub use fault::DialFault;
use resolver::Guard;
pub use resolver::{Resolver, SystemResolver};

/// How long a connection may take to come about, with looking up the name and TLS.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How many connections to one host are kept for a next call: as many posts as go to one peer at a time.
const KEPT_MAX: usize = 64;

/// What one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the whole call may take, up to the last byte that is read.
    pub whole: Duration,
    /// How many bytes of the answer's body are read. No more are asked for.
    pub body_max_bytes: usize,
}

/// What the other side answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// How long it asks to wait, if it does.
    pub retry_after: Option<Duration>,
    /// The body, up to the limit.
    pub body: Bytes,
    /// Whether there was more of the body than the limit.
    pub is_cut: bool,
}

/// Calls other servers. Cheap to share; keeps connections for next calls.
pub struct Dial {
    outbound: Arc<Outbound>,
    ca_file: Option<PathBuf>,
    resolver: Arc<dyn Resolver>,
    over_tls: OnceLock<Result<Client, TlsError>>,
    in_the_clear: OnceLock<Result<Client, TlsError>>,
}

impl Dial {
    /// A way out within these switches. `ca_file` is trusted too, and is read at once; what the system trusts is read
    /// with the first call, since a machine without it may never call anybody.
    ///
    /// # Errors
    /// When the CA file cannot be used.
    pub fn new(outbound: Outbound, ca_file: Option<&Path>) -> Result<Self, TlsError> {
        Self::with_resolver(outbound, ca_file, Arc::new(SystemResolver))
    }

    /// As [`Dial::new`], with another way to look names up.
    ///
    /// # Errors
    /// When the CA file cannot be used.
    pub fn with_resolver(
        outbound: Outbound,
        ca_file: Option<&Path>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, TlsError> {
        let dial = Self {
            outbound: Arc::new(outbound),
            ca_file: ca_file.map(Path::to_owned),
            resolver,
            over_tls: OnceLock::new(),
            in_the_clear: OnceLock::new(),
        };
        if dial.ca_file.is_some() {
            dial.client(true)?;
        }
        Ok(dial)
    }

    /// The operator's switches.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// Posts a body, and reads what is answered.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn post(
        &self,
        url: &PeerUrl,
        headers: &[(&'static str, String)],
        body: Bytes,
        limits: Limits,
    ) -> Result<Answer, DialFault> {
        self.call(Method::POST, url, headers, Some(body), limits)
            .await
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn get(
        &self,
        url: &PeerUrl,
        headers: &[(&'static str, String)],
        limits: Limits,
    ) -> Result<Answer, DialFault> {
        self.call(Method::GET, url, headers, None, limits).await
    }

    async fn call(
        &self,
        method: Method,
        url: &PeerUrl,
        headers: &[(&'static str, String)],
        body: Option<Bytes>,
        limits: Limits,
    ) -> Result<Answer, DialFault> {
        // No resolver ever sees an address that is a literal. Also one that was given under other switches.
        self.outbound.may_name(url)?;
        let client = self.client(url.is_tls())?;
        let mut request = client
            .request(method, url.url().clone())
            .headers(header_map(headers)?)
            .timeout(limits.whole);
        if let Some(body) = body {
            request = request.body(body);
        }
        let read = async { read(request.send().await?, limits.body_max_bytes).await };
        read.await
            .map_err(|error| DialFault::of(error, &url.authority(), limits.whole))
    }

    fn client(&self, is_tls: bool) -> Result<&Client, TlsError> {
        let place = if is_tls {
            &self.over_tls
        } else {
            &self.in_the_clear
        };
        let made = place.get_or_init(|| {
            let guard = Guard {
                outbound: self.outbound.clone(),
                resolver: self.resolver.clone(),
                is_tls,
            };
            let ca_file = self.ca_file.as_deref();
            http::resolving(is_tls, ca_file, Arc::new(guard), CONNECT_LIMIT, KEPT_MAX)
        });
        made.as_ref().map_err(Clone::clone)
    }
}

fn header_map(headers: &[(&'static str, String)]) -> Result<HeaderMap, DialFault> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let fault = || DialFault::Header(name);
        let key: HeaderName = name.parse().map_err(|_| fault())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| fault())?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

/// The answer, with as much of its body as is wanted. A connection whose body is left is closed.
async fn read(mut response: Response, max_bytes: usize) -> Result<Answer, reqwest::Error> {
    let status = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = max_bytes - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(Answer {
                status,
                retry_after,
                body: body.into(),
                is_cut: true,
            });
        }
    }
    Ok(Answer {
        status,
        retry_after,
        body: body.into(),
        is_cut: false,
    })
}

/// How long to wait (RFC 9110, section 10.2.3): a number of seconds, or a date, which counts from the answer's own, so
/// that it does not matter how the two clocks stand to each other.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let wanted = text(RETRY_AFTER)?;
    if let Ok(secs) = wanted.parse() {
        return Some(Duration::from_secs(secs));
    }
    let date = |text| rfc2822::parse(text).ok();
    let until = date(wanted)?
        .timestamp()
        .duration_since(date(text(DATE)?)?.timestamp());
    Some(Duration::try_from(until).unwrap_or_default())
}
