//! What can be said of another server, by the configuration and by commands: where it is, its DID, the key that it is
//! shown. All of it is judged before it is written down.

use crate::openintent::callable::{CallableFault, check};
use crate::openintent::trust::normalize;
use crate::protocol::outbound::Outbound;
use crate::protocol::peer_url::{PEER_URL_MAX_BYTES, PeerUrl, PeerUrlFault};

/// Where another server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    normalized: String,
    given: String,
}

/// Why a URL cannot stand for another server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlFault {
    /// It is no address.
    #[error(transparent)]
    Url(#[from] PeerUrlFault),
    /// It may not be called.
    #[error(transparent)]
    Callable(#[from] CallableFault),
    /// It is in the clear, and the operator wants none of that.
    #[error("the address must begin with https://, as `openintent.require_https` says")]
    Clear,
    /// It has something behind its path.
    #[error("leave out what is behind the `?`: paths are put behind the address")]
    Query,
}

impl ServerUrl {
    /// Takes the URL of a server. What is inside is taken only as far as the operator's switches allow it to be called;
    /// plain http is judged when it is called (spec 11.5).
    ///
    /// # Errors
    /// When it cannot or may not be called.
    pub fn parse(
        text: &str,
        outbound: &Outbound,
        require_https: bool,
    ) -> Result<Self, ServerUrlFault> {
        if text.len() > PEER_URL_MAX_BYTES {
            return Err(PeerUrlFault::TooLong.into());
        }
        check(text, &|host| outbound.exempts(host))?;
        let url: PeerUrl = text.parse()?;
        if url.url().query().is_some() {
            return Err(ServerUrlFault::Query);
        }
        if require_https && !url.is_tls() {
            return Err(ServerUrlFault::Clear);
        }
        Ok(Self {
            normalized: normalize(text),
            given: text.to_owned(),
        })
    }

    /// By what it is known: two spellings of one URL are the same here (spec 12).
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// As it was given.
    pub fn given(&self) -> &str {
        &self.given
    }
}

/// The longest DID, in bytes: that of the longest URL, with room for what is escaped.
const DID_MAX_BYTES: usize = 2 * PEER_URL_MAX_BYTES;

/// The longest API key of another server, in bytes: half of what usual servers take as a header.
const API_KEY_MAX_BYTES: usize = 4096;

/// A text that no server has as its DID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no DID of a server: use did:web:HOST")]
pub struct DidTextFault(String);

/// A text that no header can hold as a key. It is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no key: use 1 to {API_KEY_MAX_BYTES} characters of printable ASCII without spaces")]
pub struct ApiKeyFault;

/// Checks the DID of a server. The SDK's spelling is one too (spec 6.2).
///
/// # Errors
/// When it is none.
pub fn check_did(did: &str) -> Result<(), DidTextFault> {
    let is_plain = did.len() <= DID_MAX_BYTES && did.bytes().all(|byte| byte.is_ascii_graphic());
    let behind = did.strip_prefix("did:web:");
    match is_plain && behind.is_some_and(|behind| !behind.is_empty()) {
        true => Ok(()),
        false => Err(DidTextFault(did.chars().take(200).collect())),
    }
}

/// Checks an API key that another server is shown.
///
/// # Errors
/// When no header can hold it.
pub fn check_api_key(key: &str) -> Result<(), ApiKeyFault> {
    let is_plain = key.bytes().all(|byte| byte.is_ascii_graphic());
    match is_plain && (1..=API_KEY_MAX_BYTES).contains(&key.len()) {
        true => Ok(()),
        false => Err(ApiKeyFault),
    }
}
