//! Vectors of tokens: their forms, and the hashes they are stored as.

use kite::protocol::token::{Token, TokenKind};
use kite::store::record::KeyHash;
use serde::Deserialize;

use super::file::run;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenCase {
    input: String,
    valid: bool,
    kind: Option<Kind>,
    prefix: Option<String>,
    sha256: Option<String>,
    bcrypt: Option<String>,
    bcrypt_matches: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    ApiKey,
    HookToken,
}

impl From<Kind> for TokenKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::ApiKey => Self::ApiKey,
            Kind::HookToken => Self::HookToken,
        }
    }
}

#[test]
fn vectors_tokens() {
    run("tokens", |case: TokenCase| {
        let parsed = Token::parse(&case.input);
        assert_eq!(parsed.is_ok(), case.valid, "validity");
        let Ok(token) = parsed else {
            return;
        };
        if let Some(kind) = case.kind {
            assert_eq!(token.kind(), kind.into());
        }
        if let Some(prefix) = case.prefix {
            assert_eq!(token.prefix(), prefix);
        }
        if let Some(sha256) = case.sha256 {
            let digest = token.digest();
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, sha256);
            assert!(KeyHash::Sha256(digest).matches(&token));
        }
        assert_eq!(
            case.bcrypt.is_some(),
            case.bcrypt_matches.is_some(),
            "both or none"
        );
        if let Some(hash) = case.bcrypt {
            assert_eq!(
                Some(KeyHash::Bcrypt(hash).matches(&token)),
                case.bcrypt_matches
            );
        }
    });
}
