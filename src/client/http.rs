//! The one constructor of HTTP clients.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;

use super::ClientError;
use super::error::chain;
use crate::base::tls::{self, TlsError};
use crate::protocol::address;

/// How long a connection may take to come about (spec 19.1).
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a whole call may take (spec 19.1).
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A client for calls to `base`. It follows no redirect and uses no proxy: the key goes to the server or nowhere.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one constructor of HTTP clients"
)]
pub fn client(base: &str, ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(address::is_tls(base), ca_file)?)
        .connect_timeout(CONNECT_LIMIT)
        .timeout(CALL_LIMIT)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(concat!("kite/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| TlsError::Setup(chain(&error)).into())
}
