//! Clients for calls to a server.

use std::path::Path;
use std::time::Duration;

use super::ClientError;
use crate::base::http;
use crate::protocol::address;

pub use crate::base::http::CONNECT_LIMIT;

/// How long a whole call may take (spec 19.1).
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A client for calls to `base`.
pub fn client(base: &str, ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    Ok(http::client(address::is_tls(base), ca_file, CALL_LIMIT)?)
}
