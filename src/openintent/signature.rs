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

/// Whether an object has something for a signature. An empty one is none.
pub fn is_signed(object: &Object) -> bool {
    !matches!(member(object), Err(SignatureFault::Missing))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    fn object(text: &str) -> Object {
        match text.parse().unwrap() {
            Json::Object(object) => object,
            _ => panic!("not an object"),
        }
    }

    fn key(seed: u8) -> InstanceKey {
        InstanceKey::from_seed(&[seed; 32]).unwrap()
    }

    #[test]
    fn any_of_the_signers_keys_may_fit_and_no_other() {
        let mut envelope = object(r#"{"a": 1.0, "signature": "old"}"#);
        sign(&mut envelope, &key(2));
        let (one, two) = (key(1).public(), key(2).public());
        assert_eq!(verify(&envelope, &[one, two]), Ok(()));
        assert_eq!(verify(&envelope, &[one]), Err(SignatureFault::Wrong));
        assert_eq!(verify(&envelope, &[]), Err(SignatureFault::NoKey));
        envelope.insert("a".into(), Json::from(1));
        assert_eq!(verify(&envelope, &[two]), Err(SignatureFault::Wrong));
    }

    #[test]
    fn a_signature_is_told_from_what_is_none() {
        let good = STANDARD.encode(key(1).sign(b"{}"));
        // The last digit before the padding carries two bits that do not count.
        let loose_bits = good.replace("w==", "x==").replace("g==", "h==");
        let loose_bits = loose_bits.replace("Q==", "R==").replace("A==", "B==");
        assert_ne!(loose_bits, good);
        let base64 = |text: &str| (format!(r#""{text}""#), SignatureFault::Base64);
        for (member, fault) in [
            ("null".to_owned(), SignatureFault::Missing),
            (r#""""#.to_owned(), SignatureFault::Missing),
            ("7".to_owned(), SignatureFault::Kind("an integer")),
            base64("!"),
            base64(&format!("{good}\\n")),
            base64(&loose_bits),
            base64(good.trim_end_matches('=')),
            base64(&format!("{good}==")),
            (
                format!(r#""{}""#, STANDARD.encode([7; 32])),
                SignatureFault::Hmac,
            ),
            (
                format!(r#""{}""#, STANDARD.encode([7; 63])),
                SignatureFault::Length(63),
            ),
            (
                format!(r#""{}""#, STANDARD.encode([7; 65])),
                SignatureFault::Length(65),
            ),
        ] {
            let object = object(&format!(r#"{{"signature": {member}}}"#));
            assert_eq!(verify(&object, &[key(1).public()]), Err(fault), "{member}");
        }
        assert_eq!(verify(&Object::new(), &[]), Err(SignatureFault::Missing));
        assert!(
            verify(
                &object(&format!(r#"{{"signature": "{good}"}}"#)),
                &[key(1).public()]
            )
            .is_ok()
        );
    }

    /// HMAC-SHA256 of `{"a":1}` under 32 bytes of 7, as Python's `hmac` has it.
    #[test]
    fn a_mac_counts_under_the_secret_that_was_set_alone() {
        let mac = "DXM/7sME8THA3LzrhzwxfivMR4k5cIK9QpZGIiousCc=";
        let signed = object(&format!(r#"{{"a": 1, "signature": "{mac}"}}"#));
        assert_eq!(verify_with_secret(&signed, &[7; 32]), Ok(()));
        assert_eq!(
            verify_with_secret(&signed, &[8; 32]),
            Err(SignatureFault::Wrong)
        );
        let changed = object(&format!(r#"{{"a": 2, "signature": "{mac}"}}"#));
        assert_eq!(
            verify_with_secret(&changed, &[7; 32]),
            Err(SignatureFault::Wrong)
        );
        assert_eq!(
            verify(&signed, &[key(1).public()]),
            Err(SignatureFault::Hmac)
        );
        let mut ed25519 = signed;
        sign(&mut ed25519, &key(7));
        assert_eq!(
            verify_with_secret(&ed25519, &[7; 32]),
            Err(SignatureFault::Length(64))
        );
    }

    #[test]
    fn what_is_signed_is_fresh_for_five_minutes_and_a_minute_ahead() {
        let now = 1_900_000_000_000;
        for (made, is_taken) in [
            (now, true),
            (now - 300_000, true),
            (now - 300_001, false),
            (now + 60_000, true),
            (now + 60_001, false),
            (i64::MIN, false),
            (i64::MAX, false),
        ] {
            assert_eq!(is_fresh(made, now), is_taken, "{made}");
        }
    }

    /// One bit of the message, the key or the signature is another one: 10,000 times, and never taken.
    #[test]
    fn no_forgery_is_accepted() {
        const FORGERIES: u32 = 10_000;
        let key = key(1);
        let public = key.public();
        let bit = |bytes: &mut [u8], at: usize| bytes[at / 8 % bytes.len()] ^= 1 << (at % 8);
        let mut runner = TestRunner::new(Config::with_cases(FORGERIES));
        let forgery = (
            0..3_u8,
            any::<usize>(),
            proptest::collection::vec(any::<u8>(), 1..200),
        );
        let tried = core::cell::Cell::new(0);
        let run = runner.run(&forgery, |(what, at, message)| {
            let (mut message, mut public) = (message, public);
            let mut signature = key.sign(&message);
            match what {
                0 => bit(&mut message, at),
                1 => bit(&mut public, at),
                _ => bit(&mut signature, at),
            }
            let signature = STANDARD.encode(signature);
            tried.set(tried.get() + 1);
            prop_assert!(verify_text(&message, &signature, &[public]).is_err());
            Ok(())
        });
        run.unwrap();
        assert_eq!(tried.get(), FORGERIES);
    }
}
