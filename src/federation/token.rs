//! The tokens that instances show each other (spec 2.1, 2.2): minted, or chosen by an operator.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::base::random;
use crate::protocol::federation::{PEER_TOKEN_MAX_CHARS, PEER_TOKEN_MIN_CHARS};
use crate::store::StoreError;
use crate::store::federation::InboundToken;
use crate::store::seal::Sealer;

/// How long a token may be, in characters (spec 2.1).
const LENGTHS: std::ops::RangeInclusive<usize> = PEER_TOKEN_MIN_CHARS..=PEER_TOKEN_MAX_CHARS;

/// What makes a bcrypt hash take a fifth of a second (spec 2.2).
const BCRYPT_COST: u32 = 12;

/// How much bcrypt looks at, in bytes. What follows would open nothing and lock nothing.
const BCRYPT_MAX_LEN: usize = 71;

/// A text that is no federation token. Says what form was expected, never what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a federation token is 16 to 256 printable ASCII characters without spaces")]
pub struct FederationTokenError;

/// A token that one instance shows another. It is the key of the body's HMAC as well. Wiped on drop, and cannot be
/// printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct FederationToken(Zeroizing<String>);

impl FederationToken {
    /// Recognises a token by its form alone. One that an operator chose has no part that is public.
    ///
    /// # Errors
    /// When it is too short, too long, or could not stand in a header as it is.
    pub fn parse(text: &str) -> Result<Self, FederationTokenError> {
        let is_legal = LENGTHS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        match is_legal {
            true => Ok(Self(Zeroizing::new(text.to_owned()))),
            false => Err(FederationTokenError),
        }
    }

    /// Makes a token, `kfd_<8 hex digits>_<32 hex digits>`, from 20 random bytes.
    pub fn mint(random: &[u8; 20]) -> Self {
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (prefix, secret) = hex.split_at(8);
        Self(Zeroizing::new(format!("kfd_{prefix}_{secret}")))
    }

    /// The whole token, for the one place that sends, shows or seals it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the token: what a verification is remembered by, in memory alone.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// What is stored of the token that a peer has to show. Takes a fifth of a second: keep it off the async threads.
    ///
    /// # Errors
    /// When it cannot be hashed, which no token brings about.
    pub fn inbound(&self, sealer: &Sealer) -> Result<InboundToken, StoreError> {
        let salt = random::bytes();
        let hash = bcrypt::non_truncating_hash_with_salt(&*self.hashed(), BCRYPT_COST, salt);
        let hash = hash.map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(InboundToken {
            index: sealer.index(self.reveal()),
            hash: hash.to_string(),
        })
    }

    /// Whether a stored hash is that of this token, in constant time. Takes a fifth of a second: keep it off the async
    /// threads. What is no hash matches nothing.
    pub fn matches(&self, hash: &str) -> bool {
        bcrypt::non_truncating_verify(&*self.hashed(), hash).unwrap_or(false)
    }

    /// What bcrypt gets: the token, or the digest of one of which it would see only the beginning.
    fn hashed(&self) -> Zeroizing<String> {
        match self.0.len() <= BCRYPT_MAX_LEN {
            true => self.0.clone(),
            false => Zeroizing::new(STANDARD.encode(self.digest())),
        }
    }
}

impl fmt::Debug for FederationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FederationToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::seal::KEY_LEN;

    fn token(text: &str) -> FederationToken {
        FederationToken::parse(text).unwrap()
    }

    #[test]
    fn a_minted_token_has_the_form_that_is_documented() {
        let minted = FederationToken::mint(&[0xab; 20]);
        let text = "kfd_abababab_abababababababababababababababab";
        assert_eq!(minted.reveal(), text);
        assert_eq!(token(text), minted);
        assert_eq!(format!("{minted:?}"), "FederationToken(…)");
    }

    #[test]
    fn a_token_could_stand_in_a_header_as_it_is() {
        let fine = ["0123456789abcdef".to_owned(), "~".repeat(256)];
        fine.iter().for_each(|text| drop(token(text)));
        let bad = [
            "",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789abcdeé",
            "0123456789abcde\n",
            &"~".repeat(257),
        ];
        for text in bad {
            assert_eq!(
                FederationToken::parse(text),
                Err(FederationTokenError),
                "{text}"
            );
        }
    }

    #[test]
    fn every_character_of_a_token_counts() {
        let sealer = Sealer::new(&[7; KEY_LEN]).unwrap();
        for length in [16, 71, 72, 256] {
            let right = "x".repeat(length);
            let inbound = token(&right).inbound(&sealer).unwrap();
            assert!(inbound.hash.starts_with("$2b$12$"), "{}", inbound.hash);
            assert_eq!(inbound.index, sealer.index(&right));
            assert!(token(&right).matches(&inbound.hash), "{length}");
            let other = format!("{}y", &right[1..]);
            assert!(!token(&other).matches(&inbound.hash), "{length}");
        }
        assert!(!token("0123456789abcdef").matches("no hash"));
    }

    proptest! {
        #[test]
        fn a_token_is_revealed_as_it_was_read(text in "[ -~é]{10,40}") {
            let is_legal = text.len() >= 16 && text.is_ascii() && !text.contains(' ');
            let parsed = FederationToken::parse(&text);
            prop_assert_eq!(parsed.is_ok(), is_legal);
            if let Ok(token) = parsed {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
