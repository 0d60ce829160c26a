//! The MAC of a message, compared in constant time.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The MAC of a message: what a signature should be.
pub(crate) struct Mac(hmac::Tag);

impl Mac {
    /// HMAC-SHA256 of the parts, one behind the other.
    pub(crate) fn sha256(secret: &[u8], parts: &[&[u8]]) -> Self {
        Self::new(hmac::HMAC_SHA256, secret, parts)
    }

    /// HMAC-SHA1, which Twilio signs with.
    pub(crate) fn sha1(secret: &[u8], parts: &[&[u8]]) -> Self {
        Self::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, parts)
    }

    fn new(algorithm: hmac::Algorithm, secret: &[u8], parts: &[&[u8]]) -> Self {
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret));
        parts.iter().for_each(|part| context.update(part));
        Self(context.sign())
    }

    /// Whether this is the MAC as hex digits of either case, all of them.
    pub(crate) fn is_hex(&self, digits: &str) -> bool {
        unhex(digits).is_some_and(|given| self.is(&given))
    }

    /// Whether this is the MAC as standard base64 with padding.
    pub(crate) fn is_base64(&self, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|given| self.is(&given))
    }

    fn is(&self, given: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_ref(), given).is_ok()
    }

    /// As lower-case hex digits.
    pub(crate) fn to_hex(&self) -> String {
        hex(self.0.as_ref())
    }

    /// As standard base64.
    pub(crate) fn to_base64(&self) -> String {
        STANDARD.encode(self.0.as_ref())
    }
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Hex digits of either case as bytes.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hex_reads_back_in_either_case(bytes: Vec<u8>) {
            let digits = hex(&bytes);
            prop_assert_eq!(unhex(&digits), Some(bytes.clone()));
            prop_assert_eq!(unhex(&digits.to_uppercase()), Some(bytes));
        }

        #[test]
        fn only_pairs_of_digits_are_hex(text in "[0-9a-fA-F]{0,8}|[0-9a-g+ é-]{0,8}") {
            let is_hex = text.len() % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(unhex(&text).is_some(), is_hex);
        }
    }
}
