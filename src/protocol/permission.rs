//! What a key may do: `read` < `write` < `admin` (spec 2.3).

use serde::{Deserialize, Serialize};

/// One step of the ladder; a higher one includes the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename_all = "snake_case")
)]
pub enum Permission {
    /// Connect, acknowledge, read.
    Read,
    /// Send and create endpoints.
    Write,
    /// Manage keys and federation.
    Admin,
}

impl Permission {
    /// The permission that a word names; `*` means `admin`, case does not matter.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            "admin" | "*" => Some(Self::Admin),
            _ => None,
        }
    }

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// The permission words of a key, as they were given. Unknown words are kept and grant nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(pub Vec<String>);

impl Permissions {
    /// Whether the words include `needed`.
    pub fn allow(&self, needed: Permission) -> bool {
        self.0
            .iter()
            .filter_map(|word| Permission::parse(word))
            .any(|held| held >= needed)
    }
}

impl<'a> FromIterator<&'a str> for Permissions {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        Self(words.into_iter().map(str::to_owned).collect())
    }
}

impl Default for Permissions {
    /// A key made without a word about permissions can read.
    fn default() -> Self {
        Self(vec![Permission::Read.word().to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Permissions {
        Permissions(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_higher_permission_includes_the_lower_ones() {
        assert!(words(&["ADMIN"]).allow(Permission::Read));
        assert!(words(&["*"]).allow(Permission::Admin));
        assert!(words(&["write"]).allow(Permission::Read));
        assert!(!words(&["read"]).allow(Permission::Write));
    }

    #[test]
    fn unknown_words_grant_nothing() {
        assert!(!words(&["root", ""]).allow(Permission::Read));
        assert!(!words(&[]).allow(Permission::Read));
    }
}
