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

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<ServerUrl, ServerUrlFault> {
        ServerUrl::parse(text, &Outbound::default(), false)
    }

    #[test]
    fn a_url_is_kept_as_it_was_given_and_found_however_it_is_written() {
        let known = url("HTTPS://B.example.:443/Kite/").unwrap();
        assert_eq!(known.given(), "HTTPS://B.example.:443/Kite/");
        assert_eq!(known.normalized(), "https://b.example/Kite");
        assert!(url("http://b.example").is_ok());
        let strict = ServerUrl::parse("http://b.example", &Outbound::default(), true);
        assert_eq!(strict, Err(ServerUrlFault::Clear));
    }

    #[test]
    fn what_is_inside_or_no_server_is_refused() {
        for bad in [
            "",
            "b.example",
            "https://localhost",
            "https://kite",
            "https://127.0.0.1",
            "https://172.32.0.1",
            "https://u:p@b.example",
            "https://b.example/?x",
            "https://b.example/#x",
            "https://b.example\\@c.example",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert!(
            url(&format!(
                "https://b.example/{}",
                "x".repeat(PEER_URL_MAX_BYTES)
            ))
            .is_err()
        );
    }

    #[test]
    fn a_did_has_one_of_two_spellings() {
        for good in [
            "did:web:b.example",
            "did:web:b.example%3A8443:kite",
            "did:web:b.example/kite",
        ] {
            assert_eq!(check_did(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "b.example",
            "did:key:z6Mk",
            "did:web:",
            "did:web:b.example/a b",
        ] {
            assert!(check_did(bad).is_err(), "{bad}");
        }
    }
}
