//! The one constructor of HTTP clients.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::dns::Resolve;
use reqwest::redirect::Policy;

use super::tls::{self, TlsError};

/// How long a connection may take to come about (spec 19.1).
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection is kept for a next call. Servers usually keep theirs for 60 s and more.
const KEPT_LIMIT: Duration = Duration::from_secs(60);

/// A client whose calls take no longer than `limit`. It follows no redirect and uses no proxy: what is secret goes to
/// the address that was given or nowhere. `has_tls` says whether any address is https; `ca_file` is trusted too.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn client(
    has_tls: bool,
    ca_file: Option<&Path>,
    limit: Duration,
) -> Result<reqwest::Client, TlsError> {
    let builder = builder(has_tls, ca_file)?;
    build(builder.connect_timeout(CONNECT_LIMIT).timeout(limit))
}

/// As [`client`], for calls to many servers: names are looked up by `resolver` alone and each call has a limit of its
/// own. A connection has to stand within `connect_limit`; `kept_max` of them are kept for each host.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn resolving(
    has_tls: bool,
    ca_file: Option<&Path>,
    resolver: Arc<dyn Resolve>,
    connect_limit: Duration,
    kept_max: usize,
) -> Result<reqwest::Client, TlsError> {
    let builder = builder(has_tls, ca_file)?
        .https_only(has_tls)
        .dns_resolver(resolver)
        .connect_timeout(connect_limit)
        .pool_idle_timeout(KEPT_LIMIT)
        .pool_max_idle_per_host(kept_max);
    build(builder)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one constructor of HTTP clients"
)]
fn builder(has_tls: bool, ca_file: Option<&Path>) -> Result<ClientBuilder, TlsError> {
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(has_tls, ca_file)?)
        .redirect(Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .user_agent(concat!("kite/", env!("CARGO_PKG_VERSION"))))
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, TlsError> {
    builder
        .build()
        .map_err(|error| TlsError::Setup(chain(&error)))
}

/// What happened, without the layers that only say that something did, and without the address: it may be secret.
pub fn cause(error: &reqwest::Error) -> String {
    let outer = std::error::Error::source(error);
    let inner = outer.and_then(|outer| outer.source());
    inner.or(outer).map_or_else(|| error.to_string(), chain)
}

/// An error with its causes: what the outermost text leaves out, and nothing twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut at = Some(error);
    while let Some(error) = at {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        at = error.source();
    }
    parts.join(": ")
}
