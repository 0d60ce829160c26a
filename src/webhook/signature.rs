//! What the schemes share: the comparison of a MAC with a header, and the age of a request.

use super::Request;
pub(super) use crate::protocol::mac::{Mac, unhex};

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
