//! Subscription scopes: which events a connection, or a key, may see (spec 12).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::event::Header;

/// The most scopes a list may have.
pub const MAX_SCOPES: usize = 100;

/// The longest scope, in characters.
pub const MAX_SCOPE_CHARS: usize = 512;

/// One subscription filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// `*`: every event of the team.
    All,
    /// `source:<text>`: the source, or the endpoint's slug, contains the text.
    Source(String),
    /// `type:<text>`: the type contains the text.
    Type(String),
    /// `agent_to:<id>`: a message for exactly this agent.
    AgentTo(String),
}

/// Why a text is not a scope, or a list not a list of scopes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not one of the four forms.
    #[error("`{0}` is not a scope: use `*`, `source:<text>`, `type:<text>` or `agent_to:<id>`")]
    Malformed(String),
    /// Too many.
    #[error("{0} scopes are given; at most {MAX_SCOPES} are allowed")]
    TooMany(usize),
    /// Too long.
    #[error("a scope is {0} characters long; at most {MAX_SCOPE_CHARS} are allowed")]
    TooLong(usize),
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let len = text.chars().count();
        if len > MAX_SCOPE_CHARS {
            return Err(ScopeError::TooLong(len));
        }
        if text == "*" {
            return Ok(Self::All);
        }
        match text.split_once(':') {
            Some(("source", rest)) if !rest.is_empty() => Ok(Self::Source(rest.to_owned())),
            Some(("type", rest)) if !rest.is_empty() => Ok(Self::Type(rest.to_owned())),
            Some(("agent_to", rest)) if !rest.is_empty() => Ok(Self::AgentTo(rest.to_owned())),
            _ => {
                let shown = text.chars().filter(|c| !c.is_control()).collect();
                Err(ScopeError::Malformed(shown))
            }
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Source(text) => write!(f, "source:{text}"),
            Self::Type(text) => write!(f, "type:{text}"),
            Self::AgentTo(id) => write!(f, "agent_to:{id}"),
        }
    }
}

impl Scope {
    /// Whether the scope names the event.
    pub fn matches(&self, header: &Header<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Source(text) => {
                header.source.contains(text.as_str())
                    || header
                        .kitesource
                        .as_deref()
                        .is_some_and(|slug| slug.contains(text.as_str()))
            }
            Self::Type(text) => header.kind.contains(text.as_str()),
            Self::AgentTo(id) => header.agent_to.as_deref() == Some(id.as_str()),
        }
    }
}

/// A list of scopes: alternatives, one match suffices. An empty list matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// The list that matches everything.
    pub fn all() -> Self {
        Self(vec![Scope::All])
    }

    /// Parses a list; the first bad one is named.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, ScopeError> {
        if texts.len() > MAX_SCOPES {
            return Err(ScopeError::TooMany(texts.len()));
        }
        texts
            .iter()
            .map(|text| text.as_ref().parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether one of the scopes names the event.
    pub fn match_any(&self, header: &Header<'_>) -> bool {
        self.0.iter().any(|scope| scope.matches(header))
    }

    /// The single scopes.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether the list holds nothing, and so matches nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a connection gets: an event must match one of the requested scopes **and** one of the key's (spec 2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// What `connect` asked for.
    pub requested: Scopes,
    /// What the key allows.
    pub allowed: Scopes,
}

impl Filter {
    /// Whether the connection gets the event.
    pub fn matches(&self, header: &Header<'_>) -> bool {
        self.requested.match_any(header) && self.allowed.match_any(header)
    }

    /// Whether the connection gets every event.
    pub fn is_everything(&self) -> bool {
        [&self.requested, &self.allowed]
            .iter()
            .all(|scopes| scopes.iter().any(|scope| *scope == Scope::All))
    }

    /// The agents, when nothing but agents was asked for. Such a filter can be looked up instead of tried.
    pub fn only_agents(&self) -> Option<Vec<&str>> {
        self.requested
            .iter()
            .map(|scope| match scope {
                Scope::AgentTo(id) => Some(id.as_str()),
                Scope::All | Scope::Source(_) | Scope::Type(_) => None,
            })
            .collect()
    }

    /// A digest that is equal for filters that pass the same events as written: order and repetition do not matter.
    /// A cursor remembers it, since a position scanned with one filter says nothing about another (spec 5.4).
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for scopes in [&self.requested, &self.allowed] {
            let mut texts: Vec<String> = scopes.iter().map(Scope::to_string).collect();
            texts.sort_unstable();
            texts.dedup();
            hash.update((texts.len() as u64).to_be_bytes());
            for text in texts {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(requested: &[&str]) -> Filter {
        Filter {
            requested: Scopes::parse(requested).unwrap(),
            allowed: Scopes::all(),
        }
    }

    #[test]
    fn a_digest_knows_neither_order_nor_repetition() {
        let one = filter(&["type:a", "type:b"]).digest();
        assert_eq!(one, filter(&["type:b", "type:a", "type:b"]).digest());
        assert_ne!(one, filter(&["type:a"]).digest());
    }

    #[test]
    fn only_a_pure_agent_filter_can_be_looked_up() {
        assert_eq!(
            filter(&["agent_to:a", "agent_to:b"]).only_agents(),
            Some(vec!["a", "b"])
        );
        assert_eq!(filter(&["agent_to:a", "*"]).only_agents(), None);
    }

    #[test]
    fn lists_and_scopes_are_bounded() {
        assert_eq!(
            Scopes::parse(&["*"; 101]).unwrap_err(),
            ScopeError::TooMany(101)
        );
        let long = format!("type:{}", "x".repeat(508));
        assert_eq!(
            Scopes::parse(&[long]).unwrap_err(),
            ScopeError::TooLong(513)
        );
    }

    proptest! {
        #[test]
        fn a_scope_is_printed_as_it_was_read(text in "\\*|(source|type|agent_to|other):?\\PC{0,8}|\\PC{0,8}") {
            if let Ok(scope) = text.parse::<Scope>() {
                prop_assert_eq!(scope.to_string(), text.as_str());
                let json = serde_json::to_string(&scope).unwrap();
                prop_assert_eq!(serde_json::from_str::<Scope>(&json).unwrap(), scope);
            }
        }
    }
}
