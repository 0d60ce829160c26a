//! did:web: what a server goes by, where its document is, and what a document proves (spec 6.2 to 6.4).

use percent_encoding::percent_decode_str;

mod document;
#[cfg(test)]
mod tests;

pub use document::{
    DOCUMENT_KEYS_MAX, DidDocument, DocumentFault, DocumentKey, did_document, key_id, multibase,
    public_of_base64,
};

/// What every identifier of this method begins with.
pub const DID_PREFIX: &str = "did:web:";

/// Where a server's document is, behind its URL.
pub const DOCUMENT_PATH: &str = "/.well-known/did.json";

/// Why a URL or an identifier names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DidFault {
    /// The URL begins with another scheme, or is none.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// The URL has more than host, port and path.
    #[error("the URL has {0:?} in it: a server is named by host, port and path alone")]
    Extra(char),
    /// The identifier is of another method.
    #[error("`{0}` is not a did:web identifier")]
    Method(String),
    /// The identifier is more than an identifier.
    #[error("`{0}` is not a bare did:web identifier")]
    NotBare(String),
    /// The host is none that the method can carry.
    #[error("`{0}` is not a host name: use letters, digits, `.`, `-` and `_`")]
    Host(String),
    /// The port is none.
    #[error("`{0}` is no port: use 1 to 65535")]
    Port(String),
    /// A part between two separators is empty.
    #[error("`{0}` has an empty segment")]
    EmptySegment(String),
    /// A segment leads elsewhere.
    #[error("`{0}` is a segment that leads to another path")]
    Segment(String),
}

/// The DID of a server's URL, as W3C's did:web spells it and kite sends it (spec 6.2).
///
/// ```
/// use kite::openintent::did::did_of_url;
///
/// assert_eq!(did_of_url("https://api.example.com/").unwrap(), "did:web:api.example.com");
/// assert_eq!(did_of_url("https://Example.com:8443/kite").unwrap(), "did:web:example.com%3A8443:kite");
/// ```
///
/// # Errors
/// When the text is no URL of a server.
pub fn did_of_url(url: &str) -> Result<String, DidFault> {
    let (scheme, rest) = url.split_once("://").ok_or(DidFault::Scheme)?;
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" => 80,
        _ => return Err(DidFault::Scheme),
    };
    let strange = |c: &char| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '@' | '\\');
    if let Some(extra) = rest.chars().find(strange) {
        return Err(DidFault::Extra(extra));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority)?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let mut did = format!("{DID_PREFIX}{}", checked_host(&host)?);
    if let Some(port) = port.filter(|port| *port != default_port) {
        did.push_str(&format!("%3A{port}"));
    }
    let path = path.trim_end_matches('/');
    for segment in path.split('/').filter(|_| !path.is_empty()) {
        check_segment(segment, url)?;
        did.push(':');
        push_segment(segment, &mut did);
    }
    Ok(did)
}

/// The DID of a server's URL, as the SDK spells it: the URL without its scheme (spec 6.2).
///
/// ```
/// use kite::openintent::did::sdk_did_of_url;
///
/// assert_eq!(sdk_did_of_url("https://example.com:8443/kite/"), "did:web:example.com:8443/kite");
/// ```
pub fn sdk_did_of_url(url: &str) -> String {
    let name = url.replace("https://", "").replace("http://", "");
    format!("{DID_PREFIX}{}", name.trim_end_matches('/'))
}

/// What a server's URL may go by: the spelling of kite, then that of the SDK where it is another one. Nothing, when the text
/// is no URL of a server.
pub fn spellings(url: &str) -> Vec<String> {
    let Ok(did) = did_of_url(url) else {
        return Vec::new();
    };
    let sdk = sdk_did_of_url(url);
    match did == sdk {
        true => vec![did],
        false => vec![did, sdk],
    }
}

/// The URL of an identifier's document (spec 6.3). An identifier with a path has its document below that path, where the SDK
/// looks in `.well-known` always.
///
/// ```
/// use kite::openintent::did::resolve_did_web;
///
/// let url = resolve_did_web("did:web:api.example.com").unwrap();
/// assert_eq!(url, "https://api.example.com/.well-known/did.json");
/// ```
///
/// # Errors
/// When it is not a bare identifier of did:web, or one that leads elsewhere.
pub fn resolve_did_web(did: &str) -> Result<String, DidFault> {
    let name = did
        .strip_prefix(DID_PREFIX)
        .ok_or_else(|| DidFault::Method(did.to_owned()))?;
    let strange = |c: char| !c.is_ascii_graphic() || matches!(c, '/' | '?' | '#' | '@' | '\\');
    if name.is_empty() || name.contains(strange) {
        return Err(DidFault::NotBare(did.to_owned()));
    }
    let (first, path) = match name.split_once(':') {
        Some((first, path)) => (first, Some(path)),
        None => (name, None),
    };
    let authority = decoded(first).ok_or_else(|| DidFault::Host(first.to_owned()))?;
    let (host, port) = host_and_port(&authority)?;
    let mut url = format!("https://{}", checked_host(host)?);
    if let Some(port) = port {
        url.push_str(&format!(":{port}"));
    }
    let Some(path) = path else {
        return Ok(url + DOCUMENT_PATH);
    };
    for segment in path.split(':') {
        check_segment(segment, did)?;
        url.push('/');
        url.push_str(segment);
    }
    Ok(url + "/did.json")
}

/// A host and the port behind it.
fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), DidFault> {
    let Some((host, port)) = authority.split_once(':') else {
        return Ok((authority, None));
    };
    let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number @ 1_u16..) if is_number => Ok((host, Some(number))),
        _ => Err(DidFault::Port(port.to_owned())),
    }
}

fn checked_host(host: &str) -> Result<&str, DidFault> {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match !host.is_empty() && host.bytes().all(is_usual) {
        true => Ok(host),
        false => Err(DidFault::Host(host.to_owned())),
    }
}

/// Refuses a segment of a path that is empty, or leads to another path once it is decoded.
fn check_segment(segment: &str, whole: &str) -> Result<(), DidFault> {
    if segment.is_empty() {
        return Err(DidFault::EmptySegment(whole.to_owned()));
    }
    match decoded(segment) {
        Some(plain) if plain != "." && plain != ".." && !plain.contains(['/', '\\', '\0']) => {
            Ok(())
        }
        _ => Err(DidFault::Segment(segment.to_owned())),
    }
}

fn decoded(text: &str) -> Option<String> {
    let plain = percent_decode_str(text).decode_utf8().ok()?;
    Some(plain.into_owned())
}

/// Writes a segment with the characters that an identifier has; what is encoded already stays.
fn push_segment(segment: &str, did: &mut String) {
    for byte in segment.bytes() {
        match byte {
            b'.' | b'-' | b'_' | b'%' => did.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => did.push(char::from(byte)),
            _ => did.push_str(&format!("%{byte:02X}")),
        }
    }
}
