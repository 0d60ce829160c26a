//! Who an instance is to others: an Ed25519 key pair (RFC 8032), made once and the same on all its nodes.

use core::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

/// The length of a seed and of a public key, in bytes.
pub const IDENTITY_KEY_LEN: usize = 32;

/// The length of a signature, in bytes.
pub const SIGNATURE_LEN: usize = 64;

/// An instance's key pair. `Debug` tells the public half.
pub struct InstanceKey {
    pair: Ed25519KeyPair,
    public: [u8; IDENTITY_KEY_LEN],
}

/// A seed that makes no key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seed makes no Ed25519 key")]
pub struct BadSeed;

impl InstanceKey {
    /// The key pair of a seed: 32 random bytes.
    ///
    /// # Errors
    /// When the cryptography does not take it.
    pub fn from_seed(seed: &[u8; IDENTITY_KEY_LEN]) -> Result<Self, BadSeed> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| BadSeed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadSeed)?;
        Ok(Self { pair, public })
    }

    /// The public key, as RFC 8032 writes it.
    pub fn public(&self) -> [u8; IDENTITY_KEY_LEN] {
        self.public
    }

    /// Signs a message. The same message has the same signature each time.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.pair.sign(message);
        let mut bytes = [0; SIGNATURE_LEN];
        bytes.copy_from_slice(signature.as_ref());
        bytes
    }
}

/// Whether a signature of a message was made with the key of this public half.
pub fn verify(public: &[u8; IDENTITY_KEY_LEN], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public)
        .verify(message, signature)
        .is_ok()
}

/// What a public key is shown and compared as by people: `SHA256:` and the digest in base64 (as OpenSSH does it).
pub fn fingerprint(public: &[u8; IDENTITY_KEY_LEN]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(public)))
}

impl fmt::Debug for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let digits = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        core::array::from_fn(digits)
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn keys_and_signatures_are_those_of_the_standard() {
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = InstanceKey::from_seed(&seed).unwrap();
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(key.public(), public);
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(key.sign(&[0x72]), signature);
        assert!(verify(&public, &[0x72], &signature));
        assert!(!verify(&public, &[0x73], &signature));
        assert!(!verify(&[7; 32], &[0x72], &signature));
        assert!(!verify(&public, &[0x72], &signature[..63]));
    }

    #[test]
    fn debug_does_not_tell_the_seed() {
        let key = InstanceKey::from_seed(&[0xab; 32]).unwrap();
        let told = format!("{key:?}");
        assert!(!told.contains("171, 171, 171"), "{told}");
    }
}
