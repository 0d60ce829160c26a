//! did:web: what a server goes by, where its document is, and what a document proves (spec 6.2 to 6.4).

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;

use super::json::{Json, Object};
use crate::protocol::identity::{IDENTITY_KEY_LEN, is_weak};

/// What every identifier of this method begins with.
pub const DID_PREFIX: &str = "did:web:";

/// Where a server's document is, behind its URL.
pub const DOCUMENT_PATH: &str = "/.well-known/did.json";

/// The most keys that a document may offer. A server in rotation has two, and each of them is a try for every signature
/// that does not fit.
pub const DOCUMENT_KEYS_MAX: usize = 16;

/// The multicodec of an Ed25519 public key.
const MULTICODEC: [u8; 2] = [0xed, 0x01];

/// The longest multibase text of a key that is decoded, in bytes: a right one has 48, and base58 takes quadratic time.
const MULTIBASE_MAX: usize = 64;

/// Kinds of verification methods that can hold an Ed25519 key.
const METHOD_TYPES: [&str; 5] = [
    "Ed25519VerificationKey2020",
    "Ed25519VerificationKey2018",
    "Multikey",
    "JsonWebKey2020",
    "JsonWebKey",
];

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

/// Why a document proves nothing. Shows no more of it than its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// It is not an object.
    #[error("the DID document is {0}, not an object")]
    Kind(&'static str),
    /// It does not say whose it is.
    #[error("the DID document has no `id`")]
    NoId,
    /// No method that may authenticate has a key that can be used.
    #[error("the DID document of `{0}` has no Ed25519 key for authentication")]
    NoKey(String),
    /// It offers too many keys.
    #[error("the DID document of `{0}` has more than {DOCUMENT_KEYS_MAX} keys for authentication")]
    TooManyKeys(String),
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
    for segment in path
        .trim_end_matches('/')
        .split('/')
        .skip_while(|_| path.trim_end_matches('/').is_empty())
    {
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

/// The id of an identity's key with this number (spec 6.4).
pub fn key_id(did: &str, number: u32) -> String {
    format!("{did}#key-{number}")
}

/// A public key as multibase text: `z`, and base58btc of its multicodec and its bytes (spec 6.4).
pub fn multibase(public: &[u8; IDENTITY_KEY_LEN]) -> String {
    let bytes = [MULTICODEC.as_slice(), public].concat();
    format!("z{}", bs58::encode(bytes).into_string())
}

/// The document of a server with these keys, each with its number, in the form that both standard resolvers and the SDK read
/// (spec 6.4).
///
/// ```
/// use kite::openintent::did::{DidDocument, did_document};
///
/// let (did, key) = ("did:web:api.example.com", [7; 32]);
/// let document = did_document(did, "https://api.example.com", &[(1, key)]);
/// let read = DidDocument::read(&document).unwrap();
/// assert_eq!(read.id, did);
/// assert_eq!(read.keys[0].id, "did:web:api.example.com#key-1");
/// assert_eq!(read.keys[0].public, key);
/// ```
pub fn did_document(did: &str, server_url: &str, keys: &[(u32, [u8; IDENTITY_KEY_LEN])]) -> Json {
    let mut known_as = BTreeSet::from([server_url.to_owned(), sdk_did_of_url(server_url)]);
    known_as.remove(did);
    let methods: Vec<Json> = keys.iter().map(|key| method(did, *key)).collect();
    let ids: Vec<Json> = keys
        .iter()
        .map(|(number, _)| key_id(did, *number).into())
        .collect();
    let context = vec![
        "https://www.w3.org/ns/did/v1",
        "https://w3id.org/security/suites/ed25519-2020/v1",
    ];
    object([
        ("@context", context.into()),
        ("id", did.into()),
        (
            "alsoKnownAs",
            known_as.into_iter().collect::<Vec<_>>().into(),
        ),
        ("verificationMethod", methods.into()),
        ("authentication", ids.clone().into()),
        ("assertionMethod", ids.clone().into()),
        ("capabilityInvocation", ids.clone().into()),
        ("capabilityDelegation", ids.into()),
    ])
}

fn method(did: &str, (number, public): (u32, [u8; IDENTITY_KEY_LEN])) -> Json {
    object([
        ("id", key_id(did, number).into()),
        ("type", METHOD_TYPES[0].into()),
        ("controller", did.into()),
        ("publicKeyMultibase", multibase(&public).into()),
        ("publicKeyBase64", STANDARD.encode(public).into()),
    ])
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    let members = members.map(|(name, value)| (name.to_owned(), value));
    Object::from(members).into()
}

/// What a document says of whom: an identifier, and the keys that speak for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DidDocument {
    /// Whose document it is.
    pub id: String,
    /// The keys that may authenticate: one at least, [`DOCUMENT_KEYS_MAX`] at most.
    pub keys: Vec<DocumentKey>,
}

/// A key of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentKey {
    /// Its full id, `did:web:…#…`.
    pub id: String,
    /// The public half.
    pub public: [u8; IDENTITY_KEY_LEN],
}

impl DidDocument {
    /// Reads a document: the Ed25519 keys of the methods that `authentication` names, by id or by `#fragment`, or holds
    /// (spec 6.4). Methods of other kinds do not count, nor such whose key cannot be used or is written in two ways that
    /// disagree.
    ///
    /// # Errors
    /// When it says nothing of whose it is, or no key is left.
    pub fn read(document: &Json) -> Result<Self, DocumentFault> {
        let members = document
            .as_object()
            .ok_or_else(|| DocumentFault::Kind(document.kind()))?;
        let id = members
            .get("id")
            .and_then(Json::as_str)
            .filter(|id| !id.is_empty())
            .ok_or(DocumentFault::NoId)?;
        let list = |name: &str| {
            members
                .get(name)
                .and_then(Json::as_array)
                .unwrap_or_default()
        };
        let mut keys: Vec<DocumentKey> = Vec::new();
        for named in list("authentication") {
            let found = match named {
                Json::String(reference) => {
                    let wanted = full_id(id, reference);
                    let methods = list("verificationMethod").iter();
                    methods
                        .filter_map(|method| key_of(id, method))
                        .find(|key| key.id == wanted)
                }
                embedded => key_of(id, embedded),
            };
            let new = found.filter(|key| !keys.contains(key));
            if new.is_some() && keys.len() == DOCUMENT_KEYS_MAX {
                return Err(DocumentFault::TooManyKeys(id.to_owned()));
            }
            keys.extend(new);
        }
        match keys.is_empty() {
            true => Err(DocumentFault::NoKey(id.to_owned())),
            false => Ok(Self {
                id: id.to_owned(),
                keys,
            }),
        }
    }

    /// The public keys alone.
    pub fn public_keys(&self) -> Vec<[u8; IDENTITY_KEY_LEN]> {
        self.keys.iter().map(|key| key.public).collect()
    }
}

fn full_id(did: &str, reference: &str) -> String {
    match reference.starts_with('#') {
        true => format!("{did}{reference}"),
        false => reference.to_owned(),
    }
}

/// The key of a verification method, where it has one that can be used.
fn key_of(did: &str, method: &Json) -> Option<DocumentKey> {
    let text = |name: &str| method.get(name).and_then(Json::as_str);
    let id = full_id(did, text("id")?);
    if !METHOD_TYPES.contains(&text("type")?) {
        return None;
    }
    let mut public = None;
    for (name, read) in KEY_FORMS {
        let Some(written) = method.get(name).filter(|value| !value.is_null()) else {
            continue;
        };
        let key = read(written)?;
        if public.is_some_and(|other| other != key) {
            return None;
        }
        public = Some(key);
    }
    let public = public.filter(|public| !is_weak(public))?;
    Some(DocumentKey { id, public })
}

/// How a key can be written.
type KeyForm = (&'static str, fn(&Json) -> Option<[u8; IDENTITY_KEY_LEN]>);

const KEY_FORMS: [KeyForm; 3] = [
    ("publicKeyBase64", |value| public_of_base64(value.as_str()?)),
    ("publicKeyMultibase", |value| of_multibase(value.as_str()?)),
    ("publicKeyJwk", of_jwk),
];

/// A public key of standard base64: exact, with padding.
pub fn public_of_base64(text: &str) -> Option<[u8; IDENTITY_KEY_LEN]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

fn of_multibase(text: &str) -> Option<[u8; IDENTITY_KEY_LEN]> {
    let digits = text
        .strip_prefix('z')
        .filter(|_| text.len() <= MULTIBASE_MAX)?;
    let bytes = bs58::decode(digits).into_vec().ok()?;
    bytes.strip_prefix(&MULTICODEC)?.try_into().ok()
}

/// RFC 8037, section 2.
fn of_jwk(jwk: &Json) -> Option<[u8; IDENTITY_KEY_LEN]> {
    let text = |name: &str| jwk.get(name).and_then(Json::as_str);
    if (text("kty")?, text("crv")?) != ("OKP", "Ed25519") {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text("x")?).ok()?.try_into().ok()
}
