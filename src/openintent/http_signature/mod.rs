//! Signatures on HTTP requests (spec 7): RFC 9421 in its true form, with the digests of RFC 9530. What the SDK's helper
//! makes under the same header names is neither, signs no time, and is not read here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::did::key_id;
use super::identity::ServerIdentity;
use crate::protocol::identity::{InstanceKey, SIGNATURE_LEN};

mod received;

pub use received::{Received, read};

/// The header that holds the digest of a body (RFC 9530).
pub const CONTENT_DIGEST: &str = "content-digest";

/// The header that says what is signed, and how (RFC 9421, section 4.1).
pub const SIGNATURE_INPUT: &str = "signature-input";

/// The header that holds the signatures themselves (RFC 9421, section 4.2).
pub const SIGNATURE: &str = "signature";

/// What a signature can be tagged with, to tell that it is for this protocol (spec 7).
pub const TAG: &str = "openintent-federation";

/// What kite's signatures are called in the two headers.
const LABEL: &str = "sig1";

/// The only algorithm.
const ALGORITHM: &str = "ed25519";

/// Why a request's signature proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpSignatureFault {
    /// A header is no structured field (RFC 9651), or holds another kind of value.
    #[error("the header `{0}` cannot be read")]
    Header(&'static str),
    /// No signature is in both headers.
    #[error("the headers hold no signature")]
    Missing,
    /// A parameter is missing, or of another kind.
    #[error("the signature lacks a readable `{0}`")]
    Parameter(&'static str),
    /// It was made in another way.
    #[error("the signature is made with `{0}`, not with {ALGORITHM}")]
    Algorithm(String),
    /// It is of another length.
    #[error("the signature has {0} bytes instead of {SIGNATURE_LEN}")]
    Length(usize),
    /// It leaves out what makes it this request's.
    #[error("the signature does not cover `{0}`")]
    NotCovered(&'static str),
    /// It covers what nobody here can tell, or what the request does not have.
    #[error("the signature covers `{0}`, which cannot be told of this request")]
    Component(String),
    /// It is too old, too far ahead, or past its own end.
    #[error("the signature is not of this time: it was made at {0}")]
    Stale(i64),
    /// The body is another one.
    #[error("the body does not fit its content-digest")]
    Digest,
    /// Another key made it, or for another request.
    #[error("the key does not fit the signature")]
    Wrong,
    /// A value that no header can hold.
    #[error("`{0}` cannot be written into a header: it is not printable ASCII")]
    Unwritable(&'static str),
}

/// A request, as far as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method. It is sent, and signed, in upper case; one that was received is taken as it came.
    pub method: &'a str,
    /// The absolute URL that is requested, as the HTTP client normalises it: a bare host has a `/`.
    pub target_uri: &'a str,
    /// The header `content-type`.
    pub content_type: Option<&'a str>,
    /// The body; empty where there is none.
    pub body: &'a [u8],
}

/// What a signature says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Params<'a> {
    /// When it is made, in Unix seconds.
    pub created: i64,
    /// Until when it is good, in Unix seconds.
    pub expires: Option<i64>,
    /// A value that is used once.
    pub nonce: Option<&'a str>,
    /// The key: see [`key_id`].
    pub keyid: &'a str,
    /// What it is for: see [`TAG`].
    pub tag: Option<&'a str>,
}

impl<'a> Params<'a> {
    /// A signature with this key, made now.
    pub fn new(created: i64, keyid: &'a str) -> Self {
        Self {
            created,
            expires: None,
            nonce: None,
            keyid,
            tag: None,
        }
    }
}

/// The headers of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// [`CONTENT_DIGEST`], where there is a body.
    pub content_digest: Option<String>,
    /// [`SIGNATURE_INPUT`].
    pub signature_input: String,
    /// [`SIGNATURE`].
    pub signature: String,
}

/// The `content-digest` of a body: SHA-256 (RFC 9530, section 2).
///
/// ```
/// use kite::openintent::http_signature::content_digest;
///
/// let digest = content_digest(b"{}");
/// assert_eq!(digest, "sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:");
/// ```
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// Signs a request. A body is covered by its digest, and by its type where that is given; without a body method and URL are
/// covered alone.
///
/// # Errors
/// When a value is not printable ASCII: no header could hold it.
pub fn sign(
    request: &Request<'_>,
    params: &Params<'_>,
    key: &InstanceKey,
) -> Result<Signed, HttpSignatureFault> {
    let content_digest = (!request.body.is_empty()).then(|| content_digest(request.body));
    let method = request.method.to_ascii_uppercase();
    let mut covered = vec![
        ("@method", method.as_str()),
        ("@target-uri", request.target_uri),
    ];
    if let Some(digest) = &content_digest {
        let content_type = request.content_type.map(str::trim);
        covered.extend(content_type.map(|value| ("content-type", value)));
        covered.push((CONTENT_DIGEST, digest));
    }
    let mut base = Base::default();
    for (name, value) in &covered {
        if !is_printable(value) {
            return Err(HttpSignatureFault::Unwritable(name));
        }
        base.line(name, value);
    }
    let names: Vec<String> = covered
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let params = format!("({}){}", names.join(" "), params.written()?);
    let signature = key.sign(base.end(&params).as_bytes());
    Ok(Signed {
        content_digest,
        signature_input: format!("{LABEL}={params}"),
        signature: format!("{LABEL}=:{}:", STANDARD.encode(signature)),
    })
}

impl Params<'_> {
    /// The parameters as they stand behind the list of components, in the order of spec 7.
    fn written(&self) -> Result<String, HttpSignatureFault> {
        let mut text = format!(";created={}", self.created);
        if let Some(expires) = self.expires {
            text.push_str(&format!(";expires={expires}"));
        }
        let strings = [
            ("nonce", self.nonce),
            ("keyid", Some(self.keyid)),
            ("alg", Some(ALGORITHM)),
            ("tag", self.tag),
        ];
        for (name, value) in strings {
            let Some(value) = value else { continue };
            if !is_printable(value) {
                return Err(HttpSignatureFault::Unwritable(name));
            }
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            text.push_str(&format!(";{name}=\"{escaped}\""));
        }
        Ok(text)
    }
}

/// Whether a text is printable ASCII: what a string of a structured field holds (RFC 9651, section 3.3.3), and a line of a
/// signature's base without danger for the next one.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The text that is signed (RFC 9421, section 2.5), on its way.
#[derive(Default)]
struct Base(String);

impl Base {
    fn line(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("\"{name}\": {value}\n"));
    }

    fn end(mut self, params: &str) -> String {
        self.0.push_str("\"@signature-params\": ");
        self.0.push_str(params);
        self.0
    }
}

/// A request's signature under the name that the SDK has for it. The headers are those of RFC 9421, which the SDK's own are
/// not; the key is named by its id.
///
/// ```
/// use kite::openintent::http_signature::MessageSignature;
/// use kite::openintent::identity::ServerIdentity;
///
/// let identity = ServerIdentity::from_seed("https://api.example.com", None, &[7; 32]).unwrap();
/// let signature = MessageSignature::create(
///     &identity,
///     "POST",
///     "https://partner.example.com/api/v1/federation/dispatch",
///     "application/json",
///     Some(br#"{"intent_id": "i-123"}"#),
///     1_900_000_000,
/// )
/// .unwrap();
///
/// assert_eq!(signature.key_id, "did:web:api.example.com#key-1");
/// assert_eq!(
///     signature.to_header(),
///     r#"sig1=("@method" "@target-uri" "content-type" "content-digest");created=1900000000;keyid="did:web:api.example.com#key-1";alg="ed25519""#
/// );
/// assert!(signature.signature_header().starts_with("sig1=:"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageSignature {
    /// The key that made it.
    pub key_id: String,
    /// When, in Unix seconds.
    pub created: i64,
    signed: Signed,
}

impl MessageSignature {
    /// Signs a request with the first key of an identity.
    ///
    /// # Errors
    /// As [`sign`].
    pub fn create(
        identity: &ServerIdentity,
        method: &str,
        target_uri: &str,
        content_type: &str,
        body: Option<&[u8]>,
        created: i64,
    ) -> Result<Self, HttpSignatureFault> {
        let key_id = key_id(identity.did(), 1);
        let request = Request {
            method,
            target_uri,
            content_type: Some(content_type),
            body: body.unwrap_or_default(),
        };
        let signed = sign(&request, &Params::new(created, &key_id), identity.key())?;
        Ok(Self {
            key_id,
            created,
            signed,
        })
    }

    /// The value of the header `Signature-Input`.
    pub fn to_header(&self) -> &str {
        &self.signed.signature_input
    }

    /// The value of the header `Signature`.
    pub fn signature_header(&self) -> &str {
        &self.signed.signature
    }

    /// The value of the header `Content-Digest`, which a request with a body must carry beside the other two.
    pub fn content_digest(&self) -> Option<&str> {
        self.signed.content_digest.as_deref()
    }
}
