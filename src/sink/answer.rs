//! What an HTTP answer means for an event (spec 17).

use std::time::Duration;

use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use super::Outcome;
use crate::base::http::chain;

/// How much of an answer's body is read, so that the connection can be used again.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// How long that may take: the status has said everything.
const BODY_LIMIT: Duration = Duration::from_secs(1);

/// Sends a request, made anew for each try, and says what the answer means; also its status. A connection that ends
/// without an answer may be one that was kept and has been closed meanwhile: then a fresh one is tried at once.
pub(super) async fn send(
    request: impl Fn() -> reqwest::RequestBuilder,
) -> (Outcome, Option<StatusCode>) {
    let mut is_fresh = false;
    loop {
        match request().send().await {
            Ok(response) => {
                let status = response.status();
                finish(response).await;
                return (judge(status), Some(status));
            }
            Err(error) if is_silence(&error) && is_fresh => {
                let why = format!("no answer: {}", chain(&error.without_url()));
                return (Outcome::Silent(why), None);
            }
            Err(error) if is_silence(&error) => is_fresh = true,
            Err(error) => return (unreachable(error), None),
        }
    }
}

/// As [`send`], for a request that carries what opens the other side: an answer about that, or about the address, says
/// nothing of the event, and all others would get it too.
pub(super) async fn send_opening(request: impl Fn() -> reqwest::RequestBuilder) -> Outcome {
    let (outcome, status) = send(request).await;
    match (outcome, status.map(|status| status.as_u16())) {
        (Outcome::Refused(why), Some(401..=403)) => {
            Outcome::Unreachable(format!("{why}: the token is not accepted there"))
        }
        (Outcome::Refused(why), Some(404)) => {
            Outcome::Unreachable(format!("{why}: is the address right?"))
        }
        (outcome, _) => outcome,
    }
}

/// Whether a connection came about, and ended without an answer or with what is none.
fn is_silence(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_timeout() && !error.is_builder()
}

fn unreachable(error: reqwest::Error) -> Outcome {
    if error.is_builder() {
        return Outcome::Refused(chain(&error.without_url()));
    }
    let why = if error.is_timeout() {
        "it did not answer in time".to_owned()
    } else if error.is_connect() {
        format!("cannot connect: {}", root(&error))
    } else {
        chain(&error.without_url())
    };
    Outcome::Unreachable(why)
}

/// The innermost cause: what the layers above say of a failed connection is only that it failed.
fn root(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(inner) = at.source() {
        at = inner;
    }
    at.to_string()
}

/// What a status means: 2xx is acceptance, a few speak of the server and not of the event, all others refuse it.
fn judge(status: StatusCode) -> Outcome {
    match status.as_u16() {
        200..=299 => Outcome::Delivered,
        429 | 502..=504 => Outcome::Unreachable(format!("it answered {status}")),
        300..=399 => Outcome::Refused(format!("it answered {status}; redirects are not followed")),
        _ => Outcome::Refused(format!("it answered {status}")),
    }
}

/// Reads the rest, within limits. Where it breaks off the connection is not used again; nothing else follows from that.
async fn finish(mut response: Response) {
    let reading = async {
        let mut bytes = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            bytes += chunk.len();
            if bytes > BODY_MAX_BYTES {
                return;
            }
        }
    };
    let _ = timeout(BODY_LIMIT, reading).await;
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
