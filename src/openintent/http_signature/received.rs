//! A request's signature as it comes in: what it says of itself, and whether it is true.

use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, ListEntry, Parser};
use sha2::{Digest as _, Sha256, Sha512};
use url::Url;

use super::{ALGORITHM, Base, CONTENT_DIGEST, HttpSignatureFault, Request, is_printable};
use crate::openintent::signature::is_fresh;
use crate::protocol::identity::{self, IDENTITY_KEY_LEN, SIGNATURE_LEN};

#[cfg(test)]
mod tests;

/// How many signatures of a request are looked at: its sender's, and what a few proxies may add.
const SIGNATURES_MAX: usize = 8;

/// How many components a signature may cover: each is looked for among all headers.
const COMPONENTS_MAX: usize = 32;

/// What a signature must cover, whatever the request (spec 7).
const REQUIRED: [&str; 2] = ["@method", "@target-uri"];

/// A signature of a request, as its headers tell it. Nothing is proved until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it is called in the two headers.
    pub label: String,
    /// The key that it names.
    pub keyid: String,
    /// When it was made, in Unix seconds.
    pub created: i64,
    /// Until when it is good, in Unix seconds.
    pub expires: Option<i64>,
    /// A value that was used once.
    pub nonce: Option<String>,
    /// What it is for.
    pub tag: Option<String>,
    /// The names of the components that it covers, in order.
    pub covered: Vec<String>,
    /// List and parameters as they were signed.
    params: String,
    bytes: [u8; SIGNATURE_LEN],
}

/// Reads the headers `Signature-Input` and `Signature`: the first signature in them that can be verified at all, since others
/// may be those of proxies.
///
/// # Errors
/// When there is none. The reason is that of the first.
///
/// ```
/// use kite::openintent::http_signature::{CONTENT_DIGEST, Params, Request, read, sign};
/// use kite::protocol::identity::InstanceKey;
///
/// let key = InstanceKey::from_seed(&[7; 32]).unwrap();
/// let request = Request {
///     method: "POST",
///     target_uri: "https://partner.example.com/api/v1/federation/receive",
///     content_type: Some("application/json"),
///     body: b"{}",
/// };
/// let now = 1_900_000_000;
/// let signed = sign(&request, &Params::new(now, "did:web:api.example.com#key-1"), &key).unwrap();
///
/// let received = read(&signed.signature_input, &signed.signature).unwrap();
/// assert_eq!(received.keyid, "did:web:api.example.com#key-1");
/// let headers = [(CONTENT_DIGEST, signed.content_digest.as_deref().unwrap())];
/// assert!(received.verify(&request, &headers, &key.public(), now + 5).is_ok());
/// let other = Request { body: b"[]", ..request };
/// assert!(received.verify(&other, &headers, &key.public(), now + 5).is_err());
/// ```
pub fn read(signature_input: &str, signature: &str) -> Result<Received, HttpSignatureFault> {
    let inputs: Dictionary = dictionary(signature_input, "signature-input")?;
    let signatures: Dictionary = dictionary(signature, "signature")?;
    let mut first = None;
    for (label, input) in inputs.iter().take(SIGNATURES_MAX) {
        let Some(bytes) = signatures.get(label.as_str()) else {
            continue;
        };
        match Received::read(label.as_str(), input, bytes) {
            Ok(received) => return Ok(received),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    Err(first.unwrap_or(HttpSignatureFault::Missing))
}

fn dictionary(text: &str, header: &'static str) -> Result<Dictionary, HttpSignatureFault> {
    Parser::new(text)
        .parse()
        .map_err(|_| HttpSignatureFault::Header(header))
}

impl Received {
    fn read(
        label: &str,
        input: &ListEntry,
        signature: &ListEntry,
    ) -> Result<Self, HttpSignatureFault> {
        let ListEntry::InnerList(list) = input else {
            return Err(HttpSignatureFault::Header("signature-input"));
        };
        let ListEntry::Item(Item {
            bare_item: BareItem::ByteSequence(bytes),
            ..
        }) = signature
        else {
            return Err(HttpSignatureFault::Header("signature"));
        };
        let params = Parameters(list);
        if let Some(algorithm) = params.string("alg")?.filter(|it| it != ALGORITHM) {
            return Err(HttpSignatureFault::Algorithm(algorithm));
        }
        let missing = HttpSignatureFault::Parameter;
        let bytes = bytes.as_slice();
        Ok(Self {
            label: label.to_owned(),
            keyid: params.string("keyid")?.ok_or(missing("keyid"))?,
            created: params.integer("created")?.ok_or(missing("created"))?,
            expires: params.integer("expires")?,
            nonce: params.string("nonce")?,
            tag: params.string("tag")?,
            covered: covered(list)?,
            params: vec![input.clone()]
                .serialize()
                .ok_or(HttpSignatureFault::Header("signature-input"))?,
            bytes: bytes
                .try_into()
                .map_err(|_| HttpSignatureFault::Length(bytes.len()))?,
        })
    }

    /// Verifies that the holder of this key signed this very request, and signed it now (spec 7). `headers` are those of the
    /// request, with names in any case: the content-digest, and whatever else may be covered. A `content-type` that is not
    /// among them is the request's own.
    ///
    /// # Errors
    /// When it does not cover method, URL and body, covers what cannot be told, is not of this time, or does not fit.
    pub fn verify(
        &self,
        request: &Request<'_>,
        headers: &[(&str, &str)],
        public: &[u8; IDENTITY_KEY_LEN],
        now_unix_secs: i64,
    ) -> Result<(), HttpSignatureFault> {
        let digest = (!request.body.is_empty()).then_some(CONTENT_DIGEST);
        for name in REQUIRED.into_iter().chain(digest) {
            if !self.covers(name) {
                return Err(HttpSignatureFault::NotCovered(name));
            }
        }
        let to_ms = |secs: i64| secs.saturating_mul(1000);
        let is_over = self.expires.is_some_and(|expires| expires < now_unix_secs);
        if is_over || !is_fresh(to_ms(self.created), to_ms(now_unix_secs)) {
            return Err(HttpSignatureFault::Stale(self.created));
        }
        if self.covers(CONTENT_DIGEST) {
            let digest = field(CONTENT_DIGEST, request, headers);
            let fits = digest.is_some_and(|digest| is_digest_of(&digest, request.body));
            fits.then_some(()).ok_or(HttpSignatureFault::Digest)?;
        }
        let base = self.base(request, headers)?;
        match identity::verify(public, base.as_bytes(), &self.bytes) {
            true => Ok(()),
            false => Err(HttpSignatureFault::Wrong),
        }
    }

    fn covers(&self, name: &str) -> bool {
        self.covered.iter().any(|covered| covered == name)
    }

    /// The text that was signed, if it was signed for this request (RFC 9421, section 2.5).
    ///
    /// # Errors
    /// When a component cannot be told.
    pub fn base(
        &self,
        request: &Request<'_>,
        headers: &[(&str, &str)],
    ) -> Result<String, HttpSignatureFault> {
        let mut base = Base::default();
        for name in &self.covered {
            let value = match name.starts_with('@') {
                true => derived(name, request),
                false => field(name, request, headers),
            };
            let value = value.filter(|value| is_printable(value));
            let value = value.ok_or_else(|| HttpSignatureFault::Component(name.clone()))?;
            base.line(name, &value);
        }
        Ok(base.end(&self.params))
    }
}

/// The parameters of a signature.
struct Parameters<'l>(&'l InnerList);

impl Parameters<'_> {
    fn string(&self, name: &'static str) -> Result<Option<String>, HttpSignatureFault> {
        match self.0.params.get(name) {
            None => Ok(None),
            Some(BareItem::String(text)) => Ok(Some(text.as_str().to_owned())),
            Some(_) => Err(HttpSignatureFault::Parameter(name)),
        }
    }

    fn integer(&self, name: &'static str) -> Result<Option<i64>, HttpSignatureFault> {
        match self.0.params.get(name) {
            None => Ok(None),
            Some(BareItem::Integer(number)) => Ok(Some((*number).into())),
            Some(_) => Err(HttpSignatureFault::Parameter(name)),
        }
    }
}

/// The names of the components. None of them may have parameters, which ask for other forms of a value, and none may come
/// twice (RFC 9421, section 2.5).
fn covered(list: &InnerList) -> Result<Vec<String>, HttpSignatureFault> {
    let mut names: Vec<String> = Vec::new();
    if list.items.len() > COMPONENTS_MAX {
        return Err(HttpSignatureFault::Header("signature-input"));
    }
    for item in &list.items {
        let BareItem::String(name) = &item.bare_item else {
            return Err(HttpSignatureFault::Header("signature-input"));
        };
        let name = name.as_str().to_owned();
        if !item.params.is_empty() || names.contains(&name) {
            return Err(HttpSignatureFault::Component(name));
        }
        names.push(name);
    }
    Ok(names)
}

/// What is derived from a request (RFC 9421, section 2.2).
fn derived(name: &str, request: &Request<'_>) -> Option<String> {
    let url = || Url::parse(request.target_uri).ok();
    match name {
        "@method" => Some(request.method.to_owned()),
        "@target-uri" => Some(request.target_uri.to_owned()),
        "@scheme" => Some(url()?.scheme().to_owned()),
        "@authority" => {
            let url = url()?;
            let host = url.host_str()?.to_ascii_lowercase();
            Some(match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host,
            })
        }
        "@path" => Some(url()?.path().to_owned()),
        "@query" => Some(format!("?{}", url()?.query().unwrap_or_default())),
        "@request-target" => {
            let url = url()?;
            let query = url.query().map(|query| format!("?{query}"));
            Some(format!("{}{}", url.path(), query.unwrap_or_default()))
        }
        _ => None,
    }
}

/// The value of a header: all that have this name, trimmed, one behind the other (RFC 9421, section 2.1).
fn field(name: &str, request: &Request<'_>, headers: &[(&str, &str)]) -> Option<String> {
    let values: Vec<&str> = headers
        .iter()
        .filter(|(header, _)| header.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect();
    match (values.is_empty(), name) {
        (false, _) => Some(values.join(", ")),
        (true, "content-type") => request.content_type.map(|value| value.trim().to_owned()),
        (true, _) => None,
    }
}

/// Whether a `content-digest` is that of a body: in every algorithm that is known here, and in one at least (RFC 9530,
/// section 2).
fn is_digest_of(header: &str, body: &[u8]) -> bool {
    let Ok(digests) = dictionary(header, CONTENT_DIGEST) else {
        return false;
    };
    let given = |name: &str| match digests.get(name) {
        Some(ListEntry::Item(item)) => Some(item.bare_item.as_byte_sequence().unwrap_or_default()),
        Some(ListEntry::InnerList(_)) => Some([].as_slice()),
        None => None,
    };
    let sha_256 = given("sha-256").map(|given| given == Sha256::digest(body).as_slice());
    let sha_512 = given("sha-512").map(|given| given == Sha512::digest(body).as_slice());
    match (sha_256, sha_512) {
        (None, None) => false,
        (a, b) => a.unwrap_or(true) && b.unwrap_or(true),
    }
}
