//! The comparison at the bottom of every scheme: a MAC in a header against a MAC of the body, in constant time.

use aws_lc_rs::hmac;

use super::Unverified;

/// Checks `<prefix><hex>` against the HMAC-SHA256 of a message. The prefix is literal, hex digits may be of either case,
/// the whole value must be consumed (spec 9).
pub(super) fn hmac_sha256_hex(
    value: &str,
    prefix: &str,
    secret: &[u8],
    message: &[u8],
) -> Result<(), Unverified> {
    let digits = value.strip_prefix(prefix).ok_or(Unverified)?;
    let tag = hex(digits).ok_or(Unverified)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, message, &tag).map_err(|_| Unverified)
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}
