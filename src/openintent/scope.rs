//! What delegated work may do, and how that narrows from hop to hop (spec 3.1, 8).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::json::Json;
use super::model::{Members, ModelFault, Writer};
use super::stamp;

/// What another server may do with an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationScope {
    /// The operations that it may do: opaque names, compared exactly.
    pub permissions: Vec<String>,
    /// The operations that it must not do, permitted or not.
    pub denied_operations: Vec<String>,
    /// How many further hops there may be. Below zero the scope is of no use.
    pub max_delegation_depth: i64,
    /// Until when, as [`stamp`] has it. The text stays as it came.
    pub expires_at: Option<String>,
}

/// Why a scope is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeFault {
    /// Nobody can tell until when it holds.
    #[error("the scope's `expires_at` is no time stamp")]
    Unreadable,
    /// It held until lately.
    #[error("the scope has expired")]
    Expired,
    /// It was delegated more often than it may be.
    #[error("the delegation depth is exceeded")]
    Depth,
}

/// What a scope permits when it does not say.
const PERMISSIONS: [&str; 2] = ["state.patch", "events.log"];

impl DelegationScope {
    /// What is left of this scope when a child asks for a part of it: common permissions, all denials, one hop less, and
    /// the earlier end.
    ///
    /// The depth may fall below zero; [`DelegationScope::check`] says what that means.
    ///
    /// ```
    /// use kite::openintent::scope::DelegationScope;
    ///
    /// let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
    /// let parent = DelegationScope {
    ///     permissions: texts(&["state.patch", "events.log", "cost.report"]),
    ///     max_delegation_depth: 2,
    ///     ..DelegationScope::default()
    /// };
    /// let child = DelegationScope {
    ///     permissions: texts(&["state.patch", "events.log"]),
    ///     max_delegation_depth: 1,
    ///     ..DelegationScope::default()
    /// };
    /// let attenuated = parent.attenuate(&child).unwrap();
    /// assert_eq!(attenuated.permissions, ["events.log", "state.patch"]);
    /// assert_eq!(attenuated.max_delegation_depth, 1);
    /// ```
    ///
    /// # Errors
    /// When an end cannot be read.
    pub fn attenuate(&self, child: &Self) -> Result<Self, ScopeFault> {
        let set = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
        let permissions = &set(&self.permissions) & &set(&child.permissions);
        let denied = &set(&self.denied_operations) | &set(&child.denied_operations);
        let further = self.max_delegation_depth.saturating_sub(1);
        let expires_at = match (self.end()?, child.end()?) {
            (Some(ours), Some(theirs)) if theirs < ours => &child.expires_at,
            (None, _) => &child.expires_at,
            _ => &self.expires_at,
        };
        Ok(Self {
            permissions: permissions.into_iter().collect(),
            denied_operations: denied.into_iter().collect(),
            max_delegation_depth: further.min(child.max_delegation_depth),
            expires_at: expires_at.clone(),
        })
    }

    /// Whether an operation may be done: it is permitted, and not denied.
    ///
    /// ```
    /// use kite::openintent::scope::DelegationScope;
    ///
    /// let mut scope = DelegationScope::default();
    /// assert!(scope.allows("state.patch"));
    /// assert!(!scope.allows("intent.delete"));
    /// scope.denied_operations.push("state.patch".to_owned());
    /// assert!(!scope.allows("state.patch"));
    /// ```
    pub fn allows(&self, operation: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|name| name == operation);
        is_in(&self.permissions) && !is_in(&self.denied_operations)
    }

    /// Until when it holds, as Unix time in milliseconds; none is without end.
    ///
    /// # Errors
    /// When the end cannot be read.
    pub fn expires_at_unix_ms(&self) -> Result<Option<i64>, ScopeFault> {
        Ok(self.end()?.map(Timestamp::as_millisecond))
    }

    /// Whether work may be done under it at a time: it has an end that can be read and is not over, and was not delegated
    /// too often (spec 8, 13.6).
    ///
    /// # Errors
    /// When it is of no use.
    pub fn check(&self, now_unix_ms: i64) -> Result<(), ScopeFault> {
        let end = self.expires_at_unix_ms()?;
        if end.is_some_and(|end| end < now_unix_ms) {
            return Err(ScopeFault::Expired);
        }
        match self.max_delegation_depth < 0 {
            true => Err(ScopeFault::Depth),
            false => Ok(()),
        }
    }

    /// The moment of its end.
    pub(super) fn end(&self) -> Result<Option<Timestamp>, ScopeFault> {
        let end = self.expires_at.as_deref();
        end.map(|text| stamp::instant(text).ok_or(ScopeFault::Unreadable))
            .transpose()
    }

    /// Reads a scope.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        Self::read(&Members::of(value)?)
    }

    pub(super) fn read(members: &Members<'_>) -> Result<Self, ModelFault> {
        Ok(Self {
            permissions: members.texts("permissions", &PERMISSIONS)?,
            denied_operations: members.texts("denied_operations", &[])?,
            max_delegation_depth: members.integer("max_delegation_depth", 1)?,
            expires_at: members.optional("expires_at")?,
        })
    }

    /// The scope as it travels.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("permissions", self.permissions.clone())
            .put("denied_operations", self.denied_operations.clone())
            .put("max_delegation_depth", self.max_delegation_depth)
            .put_some("expires_at", self.expires_at.as_deref())
            .end()
    }
}

impl Default for DelegationScope {
    fn default() -> Self {
        Self {
            permissions: PERMISSIONS.map(str::to_owned).to_vec(),
            denied_operations: Vec::new(),
            max_delegation_depth: 1,
            expires_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn until(expires_at: &str) -> DelegationScope {
        DelegationScope {
            expires_at: Some(expires_at.to_owned()),
            ..DelegationScope::default()
        }
    }

    #[test]
    fn the_earlier_end_counts_and_keeps_its_text() {
        let attenuated = |parent: &str, child: &str| {
            let scope = until(parent).attenuate(&until(child)).unwrap();
            scope.expires_at.unwrap()
        };
        let (noon, too) = ("2026-06-30T12:00:00Z", "2026-06-30T14:00:00+02:00");
        assert_eq!(attenuated(noon, too), noon);
        assert_eq!(attenuated(too, noon), too);
        let finer = "2026-06-30T11:59:59.999999999Z";
        assert_eq!(attenuated(noon, finer), finer);
        let forever = DelegationScope::default();
        let ends = [
            until(noon).attenuate(&forever),
            forever.attenuate(&until(noon)),
        ];
        assert!(
            ends.iter()
                .all(|end| end.as_ref().unwrap().expires_at.as_deref() == Some(noon))
        );
    }

    #[test]
    fn an_end_that_nobody_can_read_makes_a_scope_useless() {
        let (bad, good) = (until("soon"), DelegationScope::default());
        assert_eq!(bad.attenuate(&good), Err(ScopeFault::Unreadable));
        assert_eq!(good.attenuate(&bad), Err(ScopeFault::Unreadable));
        assert_eq!(bad.check(0), Err(ScopeFault::Unreadable));
    }

    #[test]
    fn a_scope_is_of_use_to_its_last_moment_and_last_hop() {
        let end = stamp::read("2026-06-30T12:00:00Z").unwrap();
        let mut scope = until("2026-06-30T12:00:00Z");
        scope.max_delegation_depth = 0;
        assert_eq!(scope.check(end), Ok(()));
        assert_eq!(scope.check(end + 1), Err(ScopeFault::Expired));
        scope.max_delegation_depth = -1;
        assert_eq!(scope.check(end), Err(ScopeFault::Depth));
    }

    fn scope() -> impl Strategy<Value = DelegationScope> {
        let names = || proptest::collection::vec("[a-d]", 0..5);
        (names(), names(), any::<i64>()).prop_map(|(permissions, denied_operations, depth)| {
            DelegationScope {
                permissions,
                denied_operations,
                max_delegation_depth: depth,
                expires_at: None,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_attenuated_allows_nothing_new(parent in scope(), child in scope()) {
            let attenuated = parent.attenuate(&child).unwrap();
            for operation in ["a", "b", "c", "d"] {
                let both = parent.allows(operation) && child.allows(operation);
                prop_assert_eq!(attenuated.allows(operation), both);
            }
            prop_assert!(attenuated.max_delegation_depth <= child.max_delegation_depth);
            prop_assert!(parent.max_delegation_depth == i64::MIN
                || attenuated.max_delegation_depth < parent.max_delegation_depth);
        }
    }
}
