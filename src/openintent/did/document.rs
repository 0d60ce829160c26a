//! The document of an identifier: the keys that speak for it (spec 6.4).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::sdk_did_of_url;
use crate::openintent::json::{Json, Object};
use crate::protocol::identity::{IDENTITY_KEY_LEN, is_weak};

/// The most keys that a document may offer. A server in rotation has two, and each of them is a try for every signature
/// that does not fit.
pub const DOCUMENT_KEYS_MAX: usize = 16;

/// The multicodec of an Ed25519 public key.
const MULTICODEC: [u8; 2] = [0xed, 0x01];

/// The longest multibase text of a key that is decoded, in bytes: a right one has 48, and base58 takes quadratic time.
const MULTIBASE_MAX: usize = 64;

/// The longest id of a document, in bytes: that of the longest URL that is called, with room for what is escaped.
const ID_MAX_BYTES: usize = 4096;

/// Kinds of verification methods that can hold an Ed25519 key.
const METHOD_TYPES: [&str; 5] = [
    "Ed25519VerificationKey2020",
    "Ed25519VerificationKey2018",
    "Multikey",
    "JsonWebKey2020",
    "JsonWebKey",
];

/// Why a document proves nothing. Shows no more of it than its id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// It is not an object.
    #[error("the DID document is {0}, not an object")]
    Kind(&'static str),
    /// It does not say whose it is.
    #[error("the DID document has no `id`")]
    NoId,
    /// What it says of whose it is would be longer than any URL.
    #[error("the `id` of the DID document is longer than {ID_MAX_BYTES} bytes")]
    LongId,
    /// No method that may authenticate has a key that can be used.
    #[error("the DID document of `{0}` has no Ed25519 key for authentication")]
    NoKey(String),
    /// It offers too many keys.
    #[error("the DID document of `{0}` has more than {DOCUMENT_KEYS_MAX} keys for authentication")]
    TooManyKeys(String),
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
        if id.len() > ID_MAX_BYTES {
            return Err(DocumentFault::LongId);
        }
        let list = |name: &str| {
            members
                .get(name)
                .and_then(Json::as_array)
                .unwrap_or_default()
        };
        // Each method is read once, however often it is named.
        let mut methods = BTreeMap::new();
        for key in list("verificationMethod")
            .iter()
            .filter_map(|it| key_of(id, it))
        {
            methods.entry(key.id.clone()).or_insert(key);
        }
        let mut keys: Vec<DocumentKey> = Vec::new();
        for named in list("authentication") {
            let found = match named {
                Json::String(reference) => methods.get(&full_id(id, reference)).cloned(),
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
