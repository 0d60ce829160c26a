//! Names that cannot hold a bad value: parsed once at the edge, trusted inside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a valid name. The wording is for the person who typed or sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} must not be empty")]
    Empty {
        /// What the text was to name.
        what: &'static str,
    },
    /// The text has more characters than allowed.
    #[error("{what} is {len} characters long; at most {max} are allowed")]
    TooLong {
        /// What the text was to name.
        what: &'static str,
        /// How many characters it has.
        len: usize,
        /// How many it may have.
        max: usize,
    },
    /// The text holds a control character.
    #[error("{what} must not contain control characters")]
    Control {
        /// What the text was to name.
        what: &'static str,
    },
    /// The text is no source slug.
    #[error(
        "`{0}` is not a source name: use 1 to 64 of a-z, 0-9 and `-`, beginning with a letter or digit"
    )]
    Source(String),
    /// The slug `kite` belongs to federation.
    #[error("the source `kite` is reserved for federation")]
    ReservedSource,
}

/// Checks a free-text name: not empty, at most `max` characters, no control characters (spec 13.1).
pub fn check_name(what: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    check_text(what, text, max)
}

/// As [`check_name`], but an empty text is fine.
pub fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), IdError> {
    // A byte count that fits bounds the character count too, and is free.
    if text.len() > max {
        let len = text.chars().count();
        if len > max {
            return Err(IdError::TooLong { what, len, max });
        }
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control { what });
    }
    Ok(())
}

/// Defines a name type over a checked string.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest allowed text, in characters.
            pub const MAX_CHARS: usize = $max;

            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                check_name($what, &text, $max)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A team: the tenant boundary. 1 to 128 characters, no control characters (spec 1).
    TeamId,
    "the team id",
    128
);
name!(
    /// An agent: what messages are addressed to. 1 to 256 characters, no control characters (spec 13.1).
    AgentId,
    "the agent id",
    256
);
name!(
    /// A client id: the name of a cursor. 1 to 256 characters, no control characters (spec 5.4).
    ClientId,
    "the client id",
    256
);
name!(
    /// An instance: what stands in the chain of an event that was forwarded. 1 to 128 characters, no control characters.
    InstanceId,
    "the instance id",
    128
);

/// An event's place in its team's log: dense, in commit order, from 1 (spec 1). 0 stands for "before the first".
pub type Seq = u64;

/// A source slug: where an event came in. `[a-z0-9][a-z0-9-]{0,63}` (spec 1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct SourceSlug(String);

impl SourceSlug {
    /// Trims, lower-cases and checks a slug that a user chose; `kite` is refused.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let slug = text.trim().to_lowercase();
        let rest_is_legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let legal = slug.len() <= 64
            && slug.bytes().all(rest_is_legal)
            && slug
                .bytes()
                .next()
                .is_some_and(|first| first.is_ascii_alphanumeric());
        if !legal {
            return Err(IdError::Source(text.to_owned()));
        }
        if slug == "kite" {
            return Err(IdError::ReservedSource);
        }
        Ok(Self(slug))
    }

    /// The text of the slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<SourceSlug> for String {
    fn from(slug: SourceSlug) -> String {
        slug.0
    }
}

impl fmt::Display for SourceSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert!("é".repeat(256).parse::<AgentId>().is_ok());
        assert_eq!(
            "é".repeat(257).parse::<AgentId>().unwrap_err(),
            IdError::TooLong {
                what: "the agent id",
                len: 257,
                max: 256
            }
        );
    }

    #[test]
    fn control_characters_and_nothing_at_all_are_refused() {
        assert!("a\u{1b}[31m".parse::<AgentId>().is_err());
        assert!("a\nb".parse::<TeamId>().is_err());
        assert!("".parse::<ClientId>().is_err());
        assert!("clerk-user:user_abc d".parse::<TeamId>().is_ok());
    }

    proptest! {
        #[test]
        fn names_and_slugs_read_back_as_they_are(text in "\\PC{0,20}|[ A-Za-z0-9K-]{0,70}|[a\u{7}\u{9f}]{0,3}") {
            if let Ok(name) = text.parse::<AgentId>() {
                prop_assert_eq!(name.as_str(), text.as_str());
                let json = serde_json::to_string(&name).unwrap();
                prop_assert_eq!(serde_json::from_str::<AgentId>(&json).unwrap(), name);
            }
            if let Ok(slug) = SourceSlug::parse(&text) {
                prop_assert_eq!(SourceSlug::parse(slug.as_str()), Ok(slug));
            }
        }
    }
}
