//! The forms of tokens: `kite_<prefix>_<secret>` and `khk_<prefix>_<secret>` (spec 2.1).

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An API key: `kite_…`.
    ApiKey,
    /// A hook token: `khk_…`.
    HookToken,
}

impl TokenKind {
    /// The word before the first underscore.
    fn scheme(self) -> &'static str {
        match self {
            Self::ApiKey => "kite",
            Self::HookToken => "khk",
        }
    }
}

/// A text that is not a token. Says what form was expected, never what was given: it may be a secret with a typo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token of the form `kite_<8 hex characters>_<16 to 128 letters or digits>`")]
pub struct TokenError;

/// A well-formed token. Its text is wiped on drop and cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    text: Zeroizing<String>,
}

const PREFIX_LEN: usize = 8;
const SECRET_MAX_LEN: usize = 128;

impl Token {
    /// The longest token, in characters: scheme, prefix and secret with two underscores between them.
    pub const MAX_LEN: usize = "kite".len() + 1 + PREFIX_LEN + 1 + SECRET_MAX_LEN;

    /// Recognises a token by its form alone.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let (scheme, rest) = text.split_once('_').ok_or(TokenError)?;
        let (prefix, secret) = rest.split_once('_').ok_or(TokenError)?;
        let kind = [TokenKind::ApiKey, TokenKind::HookToken]
            .into_iter()
            .find(|kind| kind.scheme() == scheme)
            .ok_or(TokenError)?;
        let prefix_is_hex = prefix.len() == PREFIX_LEN
            && prefix
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let secret_is_legal = (16..=SECRET_MAX_LEN).contains(&secret.len())
            && secret.bytes().all(|b| b.is_ascii_alphanumeric());
        if !prefix_is_hex || !secret_is_legal {
            return Err(TokenError);
        }
        Ok(Self {
            kind,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// What looks like a token of this kind, anywhere in a text.
    pub fn found_in(text: &str, kind: TokenKind) -> impl Iterator<Item = Self> {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        // From behind: in `khkhk_…` the first scheme is none, and overlaps the one that is.
        text.rmatch_indices(kind.scheme())
            .filter_map(move |(at, _)| {
                let rest = &text[at..];
                // No further than a token could reach: a text may be long, and begin one everywhere.
                let bytes = rest.bytes().take(Self::MAX_LEN + 1);
                let len = bytes.take_while(is_part).count();
                Self::parse(&rest[..len]).ok()
            })
    }

    /// Makes a token from 20 random bytes: 4 for the prefix, 16 for the secret.
    pub fn mint(kind: TokenKind, random: &[u8; 20]) -> Self {
        let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (prefix, secret) = hex.split_at(PREFIX_LEN);
        Self {
            kind,
            text: Zeroizing::new(format!("{}_{prefix}_{secret}", kind.scheme())),
        }
    }

    /// What the token opens.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// The public part, by which a stored token is found and listed.
    pub fn prefix(&self) -> &str {
        let start = self.kind.scheme().len() + 1;
        &self.text[start..start + PREFIX_LEN]
    }

    /// The whole token, for the one place that sends or shows it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the whole token: what is stored (spec 2.2).
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_…", self.kind.scheme(), self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debug_shows_the_prefix_and_not_the_secret() {
        let token = Token::mint(TokenKind::ApiKey, &[0xab; 20]);
        assert_eq!(format!("{token:?}"), "kite_abababab_…");
        assert_eq!(Token::parse(token.reveal()).unwrap(), token);
    }

    #[test]
    fn tokens_are_found_behind_whatever_looks_like_their_beginning() {
        for kind in [TokenKind::ApiKey, TokenKind::HookToken] {
            let token = Token::mint(kind, &[7; 20]);
            for before in ["", "kh", "khk", "khk_", "kit", "é"] {
                let text = format!("{before}{0} {before}{0}", token.reveal());
                let found: Vec<Token> = Token::found_in(&text, kind).collect();
                assert_eq!(found, [token.clone(), token.clone()], "{before}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_token_is_revealed_as_it_was_read(random: [u8; 20], cut in 0..46usize, more in "[a-z0-9_é]{0,3}") {
            for kind in [TokenKind::ApiKey, TokenKind::HookToken] {
                let whole = Token::mint(kind, &random).reveal().to_owned();
                prop_assert_eq!(Token::parse(&whole).unwrap().kind(), kind);
                let changed = format!("{}{more}", &whole[..cut.min(whole.len())]);
                if let Ok(token) = Token::parse(&changed) {
                    prop_assert_eq!(token.reveal(), changed.as_str());
                    prop_assert!(changed.len() <= Token::MAX_LEN);
                }
            }
        }
    }
}
