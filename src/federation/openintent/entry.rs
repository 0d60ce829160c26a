//! What can be said of another server, by the configuration and by commands: where it is, its DID, the key that it is
//! shown. All of it is judged before it is written down.

use crate::openintent::callable::{CallableFault, check};
use crate::openintent::did::{DidFault, resolve_did_web};
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
    #[error("{0}")]
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

/// A text that no header can hold as a key. It is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no key: use 1 to {API_KEY_MAX_BYTES} characters of printable ASCII without spaces")]
pub struct ApiKeyFault;

/// Why a text is not the DID of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DidTextFault {
    /// It is too long.
    #[error("the DID is longer than {DID_MAX_BYTES} bytes")]
    TooLong,
    /// It is no did:web.
    #[error(transparent)]
    Did(#[from] DidFault),
}

/// Checks the DID of a server, in the form of the W3C or as the SDK spells it (spec 6.2).
///
/// # Errors
/// When it is none.
pub fn check_did(did: &str) -> Result<(), DidTextFault> {
    if did.len() > DID_MAX_BYTES {
        return Err(DidTextFault::TooLong);
    }
    // The SDK leaves the path of the URL as it is.
    let path_at = did.find('/').unwrap_or(did.len());
    let (bare, path) = did.split_at(path_at);
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(DidFault::NotBare(did.to_owned()).into());
    }
    resolve_did_web(bare)?;
    Ok(())
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
