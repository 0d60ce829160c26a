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

/// Whether a signature of a message was made with the key of this public half. Strict: neither the key nor the point R that
/// a signature begins with may be of small order, which RFC 8032 does not refuse.
pub fn verify(public: &[u8; IDENTITY_KEY_LEN], message: &[u8], signature: &[u8]) -> bool {
    let Some((r, _)) = signature.split_first_chunk() else {
        return false;
    };
    !is_weak(public)
        && !is_weak(r)
        && UnparsedPublicKey::new(&ED25519, public)
            .verify(message, signature)
            .is_ok()
}

/// Whether a public key is one of the curve's eight points of small order, in any way to write it. Nobody has the private
/// half of those, and anybody can make signatures that fit them: they prove nothing.
pub fn is_weak(public: &[u8; IDENTITY_KEY_LEN]) -> bool {
    /// The points of order 8 (and their negatives, which differ in the sign alone).
    const ORDER_8: [[u8; IDENTITY_KEY_LEN]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    // The top bit is the sign of x; the rest is y, lowest byte first.
    let mut y = *public;
    y[IDENTITY_KEY_LEN - 1] &= 0x7f;
    match y {
        // 0 (order 4) and 1 (order 1).
        [0 | 1, rest @ ..] if rest == [0; IDENTITY_KEY_LEN - 1] => true,
        // p - 1 (order 2), and p and p + 1, which are 0 and 1 again.
        [0xec..=0xee, rest @ .., 0x7f] => rest == [0xff; IDENTITY_KEY_LEN - 2],
        _ => ORDER_8.contains(&y),
    }
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

    /// With S = 0 a signature fits when R is the negative of a multiple of the key, and that is one of eight points.
    #[test]
    fn a_key_that_anybody_can_sign_for_proves_nothing() {
        let top = |first: u8| {
            let mut point = [0xff; IDENTITY_KEY_LEN];
            (point[0], point[31]) = (first, 0x7f);
            point
        };
        let low = |first: u8| {
            let mut point = [0; IDENTITY_KEY_LEN];
            point[0] = first;
            point
        };
        let eighth = bytes("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
        let other = bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
        let points = [
            low(0),
            low(1),
            eighth,
            other,
            top(0xec),
            top(0xed),
            top(0xee),
        ];
        let signed = points.map(|point| {
            let mut negative = point;
            negative[31] |= 0x80;
            [point, negative]
        });
        let all = signed.as_flattened();
        let mut forged = 0;
        for public in all {
            for (message, r) in (0..64_u8).flat_map(|n| all.iter().map(move |r| ([n], r))) {
                let signature = [r.as_slice(), &[0; 32]].concat();
                let fits = UnparsedPublicKey::new(&ED25519, public).verify(&message, &signature);
                forged += usize::from(fits.is_ok());
                assert!(!verify(public, &message, &signature), "{public:02x?}");
            }
        }
        assert!(forged > 0, "there is something to refuse");
        for near in [low(2), top(0xeb), top(0xef)] {
            assert!(!is_weak(&near), "{near:02x?}");
        }
    }

    /// Whoever has the key can choose r = 0, so that R is the neutral point. The key is told by such a signature, and
    /// libraries disagree on whether it fits.
    #[test]
    fn a_signature_that_begins_with_a_point_of_small_order_is_refused() {
        let seed = [1; IDENTITY_KEY_LEN];
        let public = InstanceKey::from_seed(&seed).unwrap().public();
        let (message, s) = (
            b"r = 0",
            bytes::<32>("7b1b3a7150fd75a05fcadda0cc2c6beb7bf43d12eaff66732e8d1c192bf87302"),
        );
        let neutral: [u8; 32] = core::array::from_fn(|at| u8::from(at == 0));
        let signature = [neutral, s].concat();
        let fits = UnparsedPublicKey::new(&ED25519, public).verify(message, &signature);
        assert!(fits.is_ok(), "there is something to refuse");
        assert!(!verify(&public, message, &signature));
    }

    #[test]
    fn debug_does_not_tell_the_seed() {
        let key = InstanceKey::from_seed(&[0xab; 32]).unwrap();
        let told = format!("{key:?}");
        assert!(!told.contains("171, 171, 171"), "{told}");
    }
}
