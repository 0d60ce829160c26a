//! Clients for calls to a server.

use std::path::Path;
use std::time::Duration;

use reqwest::Response;

use super::ClientError;
use crate::base::http;
use crate::protocol::address;

pub use crate::base::http::CONNECT_LIMIT;

/// How long a whole call may take (spec 19.1).
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// How long an answer may be, in bytes: a page of a log, with the largest event of an endpoint behind it.
pub const ANSWER_MAX_BYTES: usize = 128 * 1024 * 1024;

/// Why an answer was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// There is more of it than there may be: so nobody who answers without end fills the memory.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// The text of an answer of at most so many bytes.
///
/// # Errors
///
/// When it is longer, or breaks off.
pub async fn text(mut response: Response, max_bytes: usize) -> Result<String, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > max_bytes - body.len() {
            return Err(Unread::TooLong(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// A client for calls to `base`.
pub fn client(base: &str, ca_file: Option<&Path>) -> Result<reqwest::Client, ClientError> {
    Ok(http::client(address::is_tls(base), ca_file, CALL_LIMIT)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::script::Script;

    #[tokio::test]
    async fn no_more_of_an_answer_is_read_than_there_may_be() {
        let script = Script::new().await;
        let base = script.server().http_base;
        let client = client(&base, None).unwrap();
        let answered = "x".repeat(100);
        for (max_bytes, is_read) in [(99, false), (100, true), (101, true)] {
            let asked = client.get(&base).send();
            let (answer, _) = tokio::join!(asked, script.respond(200, &answered));
            match text(answer.unwrap(), max_bytes).await {
                Ok(text) => assert!(is_read && text == answered, "{max_bytes}"),
                Err(unread) => assert!(!is_read, "{max_bytes}: {unread}"),
            }
        }
    }
}
