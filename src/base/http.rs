//! The one constructor of HTTP clients.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;

use super::tls::{self, TlsError};

/// How long a connection may take to come about (spec 19.1).
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A client whose calls take no longer than `limit`. It follows no redirect and uses no proxy: what is secret goes to
/// the address that was given or nowhere. `has_tls` says whether any address is https; `ca_file` is trusted too.
///
/// # Errors
///
/// When TLS cannot be set up.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one constructor of HTTP clients"
)]
pub fn client(
    has_tls: bool,
    ca_file: Option<&Path>,
    limit: Duration,
) -> Result<reqwest::Client, TlsError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(has_tls, ca_file)?)
        .connect_timeout(CONNECT_LIMIT)
        .timeout(limit)
        .redirect(Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .user_agent(concat!("kite/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| TlsError::Setup(chain(&error)))
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
