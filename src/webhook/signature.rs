//! What the schemes share: the MAC of a message, compared in constant time, and the age of a request.

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Request;

/// How far the time that a request was signed at may be from now, in seconds either way (spec 9).
pub const TOLERANCE_SECS: i64 = 300;

/// Why a signature proves nothing. This is for whoever holds the secret; a sender is told only that it is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// There is nothing to check with.
    #[error("the secret is empty")]
    NoSecret,
    /// A secret that its scheme cannot use.
    #[error("the secret is not usable: {0}")]
    Secret(&'static str),
    /// A header that the scheme needs.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// A header that cannot be read.
    #[error("the header `{header}` {what}")]
    Malformed {
        /// Its name.
        header: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Something else that the scheme needs.
    #[error("{0}")]
    Request(&'static str),
    /// Signed at another time, so many seconds ago; negative for the future.
    #[error("the request was signed {}: more than {TOLERANCE_SECS} s from now is not accepted", age(*.0))]
    Time(i64),
    /// Everything is there, and the signature is another.
    #[error("the signature in `{0}` is not that of this body under this secret")]
    Wrong(&'static str),
}

fn age(secs: i64) -> String {
    match secs {
        0.. => format!("{secs} s ago"),
        _ => format!("{} s in the future", secs.unsigned_abs()),
    }
}

/// The MAC of a message: what a signature should be.
pub(super) struct Mac(hmac::Tag);

impl Mac {
    /// HMAC-SHA256 of the parts, one behind the other.
    pub(super) fn sha256(secret: &[u8], parts: &[&[u8]]) -> Self {
        Self::new(hmac::HMAC_SHA256, secret, parts)
    }

    /// HMAC-SHA1, which Twilio signs with.
    pub(super) fn sha1(secret: &[u8], parts: &[&[u8]]) -> Self {
        Self::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret, parts)
    }

    fn new(algorithm: hmac::Algorithm, secret: &[u8], parts: &[&[u8]]) -> Self {
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, secret));
        parts.iter().for_each(|part| context.update(part));
        Self(context.sign())
    }

    /// Whether this is the MAC as hex digits of either case, all of them.
    pub(super) fn is_hex(&self, digits: &str) -> bool {
        unhex(digits).is_some_and(|given| self.is(&given))
    }

    /// Whether this is the MAC as standard base64 with padding.
    pub(super) fn is_base64(&self, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|given| self.is(&given))
    }

    fn is(&self, given: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_ref(), given).is_ok()
    }

    /// As lower-case hex digits.
    pub(super) fn to_hex(&self) -> String {
        hex(self.0.as_ref())
    }

    /// As standard base64.
    pub(super) fn to_base64(&self) -> String {
        STANDARD.encode(self.0.as_ref())
    }
}

/// Bytes as lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Hex digits of either case as bytes.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}

/// The header that a scheme needs.
pub(super) fn required<'a>(
    request: &Request<'a>,
    header: &'static str,
) -> Result<&'a str, SignatureFault> {
    request
        .headers
        .get(header)
        .ok_or(SignatureFault::Missing(header))
}

/// Checks a header that is `<prefix><hex>` of the body's HMAC-SHA256. The prefix is literal (spec 9).
pub(super) fn check_body_hex(
    request: &Request<'_>,
    header: &'static str,
    prefix: &'static str,
    secret: &[u8],
) -> Result<(), SignatureFault> {
    let value = required(request, header)?;
    let digits = value
        .strip_prefix(prefix)
        .ok_or(SignatureFault::Malformed {
            header,
            what: "does not begin as this scheme's signatures do",
        })?;
    wrong_unless(Mac::sha256(secret, &[request.body]).is_hex(digits), header)
}

/// The verdict on a comparison.
pub(super) fn wrong_unless(is_right: bool, header: &'static str) -> Result<(), SignatureFault> {
    match is_right {
        true => Ok(()),
        false => Err(SignatureFault::Wrong(header)),
    }
}

/// Checks the time that a request was signed at: a plain decimal number of Unix seconds, at most [`TOLERANCE_SECS`] away.
pub(super) fn check_time(text: &str, header: &'static str, now: i64) -> Result<(), SignatureFault> {
    let malformed = SignatureFault::Malformed {
        header,
        what: "does not hold the time as whole Unix seconds",
    };
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let signed: i64 = match is_plain.then(|| text.parse()) {
        Some(Ok(signed)) => signed,
        _ => return Err(malformed),
    };
    let age = now.saturating_sub(signed);
    match age.unsigned_abs() <= TOLERANCE_SECS.unsigned_abs() {
        true => Ok(()),
        false => Err(SignatureFault::Time(age)),
    }
}

/// The entries of a list in a header: separated by commas, spaces round them ignored.
pub(super) fn entries(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|entry| entry.trim_matches(' '))
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

        #[test]
        fn a_time_is_accepted_within_the_tolerance(now: i64, apart in -400..400i64, text in "[0-9]{0,25}|[ 0-9+.-]{0,6}") {
            let near = now.saturating_add(apart).to_string();
            for text in [text, near] {
                let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
                let signed = text.parse::<i128>().ok().filter(|signed| is_plain && *signed <= i64::MAX.into());
                let is_near = signed.is_some_and(|signed| (i128::from(now) - signed).abs() <= 300);
                prop_assert_eq!(check_time(&text, "x", now).is_ok(), is_near, "{}", text);
            }
        }
    }
}
