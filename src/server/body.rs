//! Reading request bodies within their limits.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::error::ApiError;
use super::state::App;
use crate::protocol::error::ErrorCode;
use crate::protocol::json;

/// What all bodies that are being read may hold together: the server's memory for strangers.
pub(super) const ALL_BODIES_MAX_BYTES: usize = 256 * 1024 * 1024;

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// How much of a body that is too large is still read and thrown away, so that its sender is there for the answer: one
/// that is cut off while sending mostly reports a broken connection instead.
const DISCARD_MAX_BYTES: usize = 4 * 1024 * 1024;
const DISCARD_LIMIT: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `max` bytes.
pub(super) async fn read(
    app: &App,
    headers: &HeaderMap,
    mut body: Body,
    max: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::too_large(max as u64);
    if declared_length(headers).is_some_and(|length| length > max as u64) {
        discard(body).await;
        return Err(too_large());
    }
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        discard(body).await;
        return Err(ApiError::unsupported(
            "compressed bodies are not read: send it as it is",
        ));
    }
    let read = timeout(BODY_LIMIT, collect(app, &mut body, max)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(Fault::TooLarge)) => {
            discard(body).await;
            Err(too_large())
        }
        Ok(Err(Fault::Busy)) => Err(ApiError::unavailable(
            "the server is reading too many bodies",
        )),
        Ok(Err(Fault::Broken(why))) => {
            Err(ApiError::bad_request(format!("the body broke off: {why}")))
        }
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::BadRequest,
            "the body did not arrive in time",
        )),
    }
}

/// Reads a body that is a JSON object with the members of a type.
pub(super) async fn read_json<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, ApiError> {
    parse(&read(app, headers, body, app.max_body_bytes).await?)
}

/// Takes a body for a JSON object with the members of a type.
pub(super) fn parse<T: DeserializeOwned>(sent: &[u8]) -> Result<T, ApiError> {
    let text = json::check_object(json::text(sent)?)?.get();
    serde_json::from_str(text)
        .map_err(|error| ApiError::bad_request(format!("malformed body: {error}")))
}

enum Fault {
    TooLarge,
    Busy,
    Broken(axum::Error),
}

async fn collect(app: &App, body: &mut Body, max: usize) -> Result<Bytes, Fault> {
    let mut permits: Option<SemaphorePermit<'_>> = None;
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(Fault::Broken)?.into_data() else {
            continue;
        };
        length += chunk.len();
        if length > max {
            return Err(Fault::TooLarge);
        }
        let count = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let permit = app
            .body_bytes
            .try_acquire_many(count)
            .map_err(|_| Fault::Busy)?;
        match &mut permits {
            Some(permits) => permits.merge(permit),
            None => permits = Some(permit),
        }
        chunks.push(chunk);
    }
    // Almost every body is one chunk, and needs no copy.
    Ok(match <[Bytes; 1]>::try_from(chunks) {
        Ok([chunk]) => chunk,
        Err(chunks) => chunks.concat().into(),
    })
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

async fn discard(mut body: Body) {
    let drain = async {
        let mut length = 0;
        while let Some(Ok(frame)) = body.frame().await {
            length += frame.data_ref().map_or(0, Bytes::len);
            if length > DISCARD_MAX_BYTES {
                break;
            }
        }
    };
    // Whether it ended or not, the answer goes out now.
    let _ = timeout(DISCARD_LIMIT, drain).await;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::protocol::made_up;

    proptest! {
        #[test]
        fn a_body_is_an_object_that_others_can_read(text in made_up::json()) {
            let read = serde_json::from_str::<Map<String, Value>>(&text).ok();
            prop_assert_eq!(parse::<Map<String, Value>>(text.as_bytes()).ok(), read);
        }
    }
}
