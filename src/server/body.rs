//! Reading request bodies within their limits.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;
use super::limit::household;
use super::listen::Peer;
use super::state::App;
use crate::protocol::error::ErrorCode;
use crate::protocol::json;

/// What all bodies that are being read may hold together: the server's memory for strangers.
const ALL_BODIES_MAX_BYTES: usize = 256 * 1024 * 1024;

/// What the bodies from one address may hold of that: one stranger cannot keep everybody else from being read.
const ADDRESS_MAX_BYTES: usize = ALL_BODIES_MAX_BYTES / 2;

/// How long a body may take.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// How much of a body that is too large is still read and thrown away, so that its sender is there for the answer: one
/// that is cut off while sending mostly reports a broken connection instead.
const DISCARD_MAX_BYTES: usize = 4 * 1024 * 1024;
const DISCARD_LIMIT: Duration = Duration::from_secs(2);

/// The memory that bodies take while they are read, and the first words on a WebSocket.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Held>);

/// Bytes: in all, and by address.
#[derive(Default)]
struct Held {
    all: usize,
    addresses: HashMap<IpAddr, usize>,
}

impl Bodies {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body takes; given back when it is dropped.
pub(super) struct Share {
    bodies: Arc<Bodies>,
    address: Option<IpAddr>,
    bytes: usize,
}

/// There is no room for more.
#[derive(Debug)]
pub(super) struct Full;

impl Share {
    /// Nothing yet.
    pub(super) fn begin(bodies: &Arc<Bodies>, address: Option<IpAddr>) -> Self {
        Self {
            bodies: bodies.clone(),
            address: address.map(household),
            bytes: 0,
        }
    }

    /// Takes more, if there is room.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let mut held = self.bodies.held();
        let of_address = |held: &Held, address| held.addresses.get(&address).copied();
        let own = self.address.and_then(|address| of_address(&held, address));
        let own = own.unwrap_or_default().saturating_add(bytes);
        let all = held.all.saturating_add(bytes);
        if all > ALL_BODIES_MAX_BYTES || own > ADDRESS_MAX_BYTES {
            return Err(Full);
        }
        held.all = all;
        if let Some(address) = self.address {
            held.addresses.insert(address, own);
        }
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.bodies.held();
        held.all = held.all.saturating_sub(self.bytes);
        let Some(address) = self.address else { return };
        if let Some(own) = held.addresses.get_mut(&address) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                held.addresses.remove(&address);
            }
        }
    }
}

/// Reads a whole body of at most `max` bytes.
pub(super) async fn read(
    app: &App,
    parts: &Parts,
    mut body: Body,
    max: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::too_large(max as u64);
    if declared_length(&parts.headers).is_some_and(|length| length > max as u64) {
        discard(body).await;
        return Err(too_large());
    }
    if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        discard(body).await;
        return Err(ApiError::unsupported(
            "compressed bodies are not read: send it as it is",
        ));
    }
    let read = timeout(BODY_LIMIT, collect(app, parts, &mut body, max)).await;
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
    parts: &Parts,
    body: Body,
) -> Result<T, ApiError> {
    parse(&read(app, parts, body, app.max_body_bytes).await?)
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

async fn collect(app: &App, parts: &Parts, body: &mut Body, max: usize) -> Result<Bytes, Fault> {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let mut share = Share::begin(&app.bodies, peer);
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
        share.grow(chunk.len()).map_err(|Full| Fault::Busy)?;
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

    #[test]
    fn one_address_leaves_room_for_the_bodies_of_others() {
        const MIB: usize = 1024 * 1024;
        let bodies = Arc::new(Bodies::default());
        let from = |address: &str| Share::begin(&bodies, Some(address.parse().unwrap()));
        let mut taken = Vec::new();
        // A household has as many addresses as it likes.
        for last in 0..100_usize {
            let mut share = from(&format!("2001:db8:0:1::{last:x}"));
            while share.grow(MIB).is_ok() {}
            taken.push(share);
        }
        let held = |shares: &[Share]| shares.iter().map(|share| share.bytes).sum::<usize>();
        assert_eq!(held(&taken), ADDRESS_MAX_BYTES);
        assert!(from("2001:db8:0:2::1").grow(MIB).is_ok());
        assert!(from("192.0.2.1").grow(40 * MIB).is_ok());
        assert!(from("192.0.2.1").grow(usize::MAX).is_err());
        for last in 0..100 {
            let mut share = from(&format!("192.0.2.{last}"));
            while share.grow(MIB).is_ok() {}
            taken.push(share);
        }
        assert_eq!(held(&taken), ALL_BODIES_MAX_BYTES);
        assert!(from("198.51.100.1").grow(1).is_err());
        taken.clear();
        assert_eq!(bodies.held().all, 0);
        assert!(bodies.held().addresses.is_empty());
    }

    proptest! {
        #[test]
        fn a_body_is_an_object_that_others_can_read(text in made_up::json()) {
            let read = serde_json::from_str::<Map<String, Value>>(&text).ok();
            prop_assert_eq!(parse::<Map<String, Value>>(text.as_bytes()).ok(), read);
        }
    }
}
