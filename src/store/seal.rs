//! Secrets that have to be read again, encrypted at rest: AES-256-GCM with a key that is not in the database.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::StoreError;
use crate::base::random;
use crate::base::secret::Secret;

/// The length of the key, in bytes.
pub const KEY_LEN: usize = 32;

/// Seals and opens secrets. Every sealed secret is bound to a place, so that one row's secret is none in another row.
pub struct Sealer {
    key: LessSafeKey,
    check: [u8; 32],
    index_key: hmac::Key,
}

impl Sealer {
    /// A sealer with a key.
    pub fn new(key: &[u8; KEY_LEN]) -> Result<Self, StoreError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| broken())?;
        let derived = hmac::Key::new(hmac::HMAC_SHA256, key);
        let mut check = [0; 32];
        check.copy_from_slice(hmac::sign(&derived, b"kite secret key check").as_ref());
        Ok(Self {
            key: LessSafeKey::new(unbound),
            check,
            index_key: hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&derived, b"kite token index").as_ref(),
            ),
        })
    }

    /// What tells two keys apart without telling either: the database keeps it and refuses a server with another key.
    pub fn check(&self) -> [u8; 32] {
        self.check
    }

    /// What a token that has no public part is found by: without the key it tells nothing of the token.
    pub fn index(&self, token: &str) -> [u8; 32] {
        let mut index = [0; 32];
        index.copy_from_slice(hmac::sign(&self.index_key, token.as_bytes()).as_ref());
        index
    }

    /// Encrypts a secret for a place.
    pub fn seal(&self, place: &str, secret: &str) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut text = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut text,
            )
            .map_err(|_| broken())?;
        Ok([&nonce[..], &text].concat())
    }

    /// Decrypts what was sealed for a place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, StoreError> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut text = text.to_vec();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut text)
            .map_err(|_| broken())?;
        let plain = String::from_utf8(plain.to_vec()).map_err(|_| broken())?;
        Ok(Secret::from(plain))
    }
}

fn broken() -> StoreError {
    StoreError::Failed("a stored secret cannot be opened".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_in_its_own_place_with_its_own_key_alone() {
        let sealer = Sealer::new(&[7; KEY_LEN]).unwrap();
        let sealed = sealer.seal("acme/github", "hush").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"hush"));
        assert_eq!(
            sealer.open("acme/github", &sealed).unwrap().reveal(),
            "hush"
        );
        assert!(sealer.open("rival/github", &sealed).is_err());
        let other = Sealer::new(&[8; KEY_LEN]).unwrap();
        assert!(other.open("acme/github", &sealed).is_err());
        assert_ne!(other.check(), sealer.check());
        assert!(sealer.open("acme/github", &sealed[..5]).is_err());
    }
}
