//! Signatures on bodies: Ed25519 over an object's canonical bytes, in its member `signature` (spec 5). Envelopes, callbacks
//! and attestations have them alike.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::canonical::{SIGNATURE, canonical};
use super::did::public_of_base64;
use super::identity::ServerIdentity;
use super::json::{Json, Object};
use crate::protocol::identity::{self, IDENTITY_KEY_LEN, InstanceKey, SIGNATURE_LEN};

/// The length of an HMAC-SHA256, in bytes.
const HMAC_LEN: usize = 32;

/// How old what is signed may be, in milliseconds (spec 13.6).
pub const AGE_MAX_MS: i64 = 300_000;

/// How far ahead of our clock a signer's may be, in milliseconds (spec 13.6).
pub const AHEAD_MAX_MS: i64 = 60_000;

/// Why a signature proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// There is none, or an empty one.
    #[error("there is no signature")]
    Missing,
    /// The member is no text.
    #[error("the signature is {0}, not a string")]
    Kind(&'static str),
    /// It is not base64, or base64 that could be written in another way.
    #[error("the signature is not standard base64 with padding")]
    Base64,
    /// It is what servers without Ed25519 make: a MAC under a secret that nobody else has.
    #[error("the signature is an HMAC, which nobody but its sender can check")]
    Hmac,
    /// It is of another length.
    #[error("the signature has {0} bytes instead of {SIGNATURE_LEN}")]
    Length(usize),
    /// There is no key to verify it with.
    #[error("there is no key to verify the signature with")]
    NoKey,
    /// No key made it, or not for this.
    #[error("no key of the signer fits the signature")]
    Wrong,
}

/// Signs an object: puts `signature`, in the place of one that is there.
///
/// ```
/// use kite::openintent::json::Json;
/// use kite::openintent::signature::{sign, verify};
/// use kite::protocol::identity::InstanceKey;
///
/// let Json::Object(mut envelope) = r#"{"dispatch_id": "d-1"}"#.parse().unwrap() else { panic!() };
/// let key = InstanceKey::from_seed(&[7; 32]).unwrap();
/// sign(&mut envelope, &key);
/// assert!(verify(&envelope, &[key.public()]).is_ok());
/// envelope.insert("dispatch_id".into(), "d-2".into());
/// assert!(verify(&envelope, &[key.public()]).is_err());
/// ```
pub fn sign(object: &mut Object, key: &InstanceKey) {
    let signature = STANDARD.encode(key.sign(&canonical(object)));
    object.insert(SIGNATURE.to_owned(), signature.into());
}

/// Verifies an object's `signature` with the keys of its signer: envelopes do not say which one it was (spec 6.5).
///
/// # Errors
/// When there is none, it is malformed, or no key fits.
pub fn verify(object: &Object, keys: &[[u8; IDENTITY_KEY_LEN]]) -> Result<(), SignatureFault> {
    let signature = member(object)?;
    verify_text(&canonical(object), signature, keys)
}

fn member(object: &Object) -> Result<&str, SignatureFault> {
    match object.get(SIGNATURE) {
        None | Some(Json::Null) => Err(SignatureFault::Missing),
        Some(Json::String(text)) if text.is_empty() => Err(SignatureFault::Missing),
        Some(Json::String(text)) => Ok(text),
        Some(other) => Err(SignatureFault::Kind(other.kind())),
    }
}

pub(super) fn verify_text(
    message: &[u8],
    signature: &str,
    keys: &[[u8; IDENTITY_KEY_LEN]],
) -> Result<(), SignatureFault> {
    let bytes = STANDARD
        .decode(signature)
        .map_err(|_| SignatureFault::Base64)?;
    match bytes.len() {
        SIGNATURE_LEN => {}
        HMAC_LEN => return Err(SignatureFault::Hmac),
        other => return Err(SignatureFault::Length(other)),
    }
    if keys.is_empty() {
        return Err(SignatureFault::NoKey);
    }
    let fits = |key| identity::verify(key, message, &bytes);
    match keys.iter().any(fits) {
        true => Ok(()),
        false => Err(SignatureFault::Wrong),
    }
}

/// Verifies a `signature` that a server without Ed25519 made: HMAC-SHA256 under the secret that an operator got from it
/// (spec 5). Never without such a setting.
///
/// # Errors
/// When there is none, it is malformed, or the secret does not fit.
pub fn verify_with_secret(
    object: &Object,
    secret: &[u8; IDENTITY_KEY_LEN],
) -> Result<(), SignatureFault> {
    let given = STANDARD
        .decode(member(object)?)
        .map_err(|_| SignatureFault::Base64)?;
    if given.len() != HMAC_LEN {
        return Err(SignatureFault::Length(given.len()));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, &canonical(object), &given).map_err(|_| SignatureFault::Wrong)
}

/// Whether what says that it was made at this time may be taken now; both in Unix milliseconds (spec 13.6).
pub fn is_fresh(made_unix_ms: i64, now_unix_ms: i64) -> bool {
    let age = now_unix_ms.saturating_sub(made_unix_ms);
    (-AHEAD_MAX_MS..=AGE_MAX_MS).contains(&age)
}

/// The signature of an envelope, as base64. The member `signature` is not covered, and not put.
///
/// ```
/// use kite::openintent::identity::ServerIdentity;
/// use kite::openintent::json::Json;
/// use kite::openintent::signature::{sign_envelope, verify_envelope_signature};
///
/// let identity = ServerIdentity::from_seed("https://api.example.com", None, &[7; 32]).unwrap();
/// let envelope: Json = r#"{
///     "dispatch_id": "d-123",
///     "source_server": "https://api.example.com",
///     "target_server": "https://partner.example.com",
///     "intent_id": "i-456",
///     "intent_title": "Research task"
/// }"#.parse().unwrap();
/// let envelope = envelope.as_object().unwrap();
///
/// let signature = sign_envelope(&identity, envelope);
/// assert!(verify_envelope_signature(&identity.public_key(), envelope, &signature));
///
/// // What was sent with it inside is verified alike.
/// let mut sent = envelope.clone();
/// sent.insert("signature".into(), signature.as_str().into());
/// assert!(verify_envelope_signature(&identity.public_key(), &sent, &signature));
/// ```
pub fn sign_envelope(identity: &ServerIdentity, envelope: &Object) -> String {
    identity.sign(&canonical(envelope))
}

/// Whether this is the signature of an envelope by the key of this public half; both as base64. A text that is no key or no
/// signature is none.
pub fn verify_envelope_signature(public_key: &str, envelope: &Object, signature: &str) -> bool {
    public_of_base64(public_key)
        .is_some_and(|public| verify_text(&canonical(envelope), signature, &[public]).is_ok())
}
