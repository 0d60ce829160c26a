//! The scope of delegated work, as flags (OpenIntent rules, section 3.1).

use clap::Args;

use super::super::error::CommandError;
use crate::base::clock::{Clock, unix_millis};
use crate::base::duration;
use crate::openintent::model::DelegationScope;
use crate::openintent::stamp;

/// What the work may do.
#[derive(Debug, Args)]
pub(super) struct ScopeArgs {
    /// An operation that may be done, such as state.patch; may be repeated.
    #[arg(long = "permission", value_name = "OP", value_delimiter = ',')]
    permissions: Vec<String>,
    /// An operation that must not be done; may be repeated.
    #[arg(long = "deny", value_name = "OP", value_delimiter = ',')]
    denied: Vec<String>,
    /// How many further hops there may be.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    depth: Option<i64>,
    /// Until when it holds: a time (2027-01-31T00:00:00Z) or how long from now (24h).
    #[arg(long, value_name = "TIME|DUR")]
    expires: Option<String>,
}

impl ScopeArgs {
    /// The scope, if anything is said of one. What is not said is the protocol's default.
    pub(super) fn scope(self) -> Result<Option<DelegationScope>, CommandError> {
        let is_said = !self.permissions.is_empty()
            || !self.denied.is_empty()
            || self.depth.is_some()
            || self.expires.is_some();
        match is_said {
            true => self.over(DelegationScope::default()).map(Some),
            false => Ok(None),
        }
    }

    /// The scope; what is not said of it is as there.
    pub(super) fn over(self, usual: DelegationScope) -> Result<DelegationScope, CommandError> {
        Ok(DelegationScope {
            permissions: match self.permissions.is_empty() {
                true => usual.permissions,
                false => self.permissions,
            },
            denied_operations: match self.denied.is_empty() {
                true => usual.denied_operations,
                false => self.denied,
            },
            max_delegation_depth: self.depth.unwrap_or(usual.max_delegation_depth),
            expires_at: match self.expires {
                Some(text) => Some(end(&text)?),
                None => usual.expires_at,
            },
        })
    }
}

/// The stamp of a time, or of a while from now.
fn end(text: &str) -> Result<String, CommandError> {
    if let Some(time) = stamp::read(text).or_else(|| unix_millis(text)) {
        return Ok(stamp::write(time));
    }
    let length = duration::parse(text).map_err(|_| {
        CommandError::usage(format!(
            "`--expires` cannot be used: `{text}` is neither a time such as 2027-01-31T00:00:00Z nor a duration such as \
             24h"
        ))
    })?;
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    Ok(stamp::write(
        Clock::system().unix_millis().saturating_add(length),
    ))
}

/// A scope in lines for a person.
pub(super) fn facts(scope: &DelegationScope) -> Vec<(&'static str, String)> {
    let list = |names: &[String]| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let mut facts = vec![
        ("permissions", list(&scope.permissions)),
        ("denied", list(&scope.denied_operations)),
        ("further hops", scope.max_delegation_depth.to_string()),
    ];
    facts.extend(scope.expires_at.clone().map(|end| ("scope expires", end)));
    facts
}
