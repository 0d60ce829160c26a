//! What is left of an intent's scope and conditions where its work is passed on to another server.

use super::budget::LIMITS;
use super::intent::Intent;
use crate::openintent::json::Json;
use crate::openintent::model::{DelegationScope, FederationPolicy};
use crate::openintent::policy::limit_of;
use crate::openintent::scope::ScopeFault;

/// The operation that a scope denies where the work is not to be passed on.
const DELEGATE: &str = "intent.delegate";

/// How often work may be passed on, as a policy has it.
const DEPTH: &str = "max_delegation_depth";

/// Why work is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelegationFault {
    /// The scope denies it.
    #[error("the intent's scope denies `intent.delegate`: its work stays here")]
    Denied,
    /// The scope of the intent is of no use, or what was asked for cannot be read.
    #[error("{0}")]
    Scope(#[from] ScopeFault),
    /// It was passed on as often as it may be.
    #[error("the intent came in with a delegation depth of {0}: it cannot be passed on")]
    Depth(i64),
    /// Nothing is left of a limit.
    #[error("nothing is left of the intent's `{0}`: there is no budget to pass on")]
    Budget(&'static str),
}

/// What goes along with work that is passed on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delegated {
    /// What may be done; everything where there is none.
    pub scope: Option<DelegationScope>,
    /// The conditions of the work.
    pub policy: Option<FederationPolicy>,
}

impl Intent {
    /// What goes along where this work is passed on and these are asked for: one hop less, common permissions, all denials,
    /// the earlier end, the stricter conditions, and of each limit what is left of it.
    ///
    /// # Errors
    /// When it may not be passed on, or nothing would be left to do it with.
    pub fn delegate(
        &self,
        asked_scope: Option<&DelegationScope>,
        asked_policy: Option<&FederationPolicy>,
        now_unix_ms: i64,
    ) -> Result<Delegated, DelegationFault> {
        let scope = match &self.scope {
            Some(scope) => Some(narrowed(scope, asked_scope, now_unix_ms)?),
            None => asked_scope.cloned(),
        };
        let mut policy = self.policy_left(now_unix_ms)?;
        if let Some(asked) = asked_policy {
            policy = policy.compose_within(asked);
        }
        let says_something = policy != FederationPolicy::default();
        Ok(Delegated {
            scope,
            policy: says_something.then_some(policy),
        })
    }

    /// The policy with one hop less, and with limits lowered by what was used.
    fn policy_left(&self, now_unix_ms: i64) -> Result<FederationPolicy, DelegationFault> {
        let mut policy = self.policy.clone();
        if let Some(depth) = policy.governance.get(DEPTH).and_then(limit_of) {
            // A part of a hop is none.
            #[allow(clippy::cast_possible_truncation, reason = "it saturates")]
            let depth = depth.floor() as i64;
            if depth < 1 {
                return Err(DelegationFault::Depth(depth));
            }
            let further = Json::from(depth - 1);
            policy.governance.insert(DEPTH.to_owned(), further);
        }
        let usage = self.used(now_unix_ms);
        for (limit, used) in LIMITS {
            let amount = policy.budget.get(limit);
            let Some(left) = amount.and_then(|amount| left(amount, usage.get(used))) else {
                continue;
            };
            if limit_of(&left).is_none_or(|left| left <= 0.0) {
                return Err(DelegationFault::Budget(limit));
            }
            policy.budget.insert(limit.to_owned(), left);
        }
        Ok(policy)
    }
}

fn narrowed(
    scope: &DelegationScope,
    asked: Option<&DelegationScope>,
    now_unix_ms: i64,
) -> Result<DelegationScope, DelegationFault> {
    if scope.denied_operations.iter().any(|it| it == DELEGATE) {
        return Err(DelegationFault::Denied);
    }
    scope.check(now_unix_ms)?;
    let narrowed = scope.attenuate(asked.unwrap_or(scope))?;
    match narrowed.max_delegation_depth < 0 {
        true => Err(DelegationFault::Depth(scope.max_delegation_depth)),
        false => Ok(narrowed),
    }
}

/// What is left of a limit, never below zero; nothing where the limit is no number.
fn left(limit: &Json, used: Option<&Json>) -> Option<Json> {
    let amount = limit_of(limit)?;
    let Some(used) = used else {
        return Some(limit.clone());
    };
    if let (Some(limit), Some(used)) = (limit.as_i64(), used.as_i64()) {
        return Some(Json::from(limit.saturating_sub(used).max(0)));
    }
    let used = used.as_f64().unwrap_or(0.0);
    Some(Json::Float((amount - used).max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        text.parse().unwrap()
    }

    fn policy(text: &str) -> FederationPolicy {
        FederationPolicy::from_json(&json(text)).unwrap()
    }

    fn scope(text: &str) -> DelegationScope {
        DelegationScope::from_json(&json(text)).unwrap()
    }

    fn intent(scope: Option<DelegationScope>, conditions: &str, usage: &str) -> Intent {
        Intent {
            scope,
            policy: policy(conditions),
            usage: json(usage).as_object().unwrap().clone(),
            ..Intent::default()
        }
    }

    #[test]
    fn what_is_passed_on_is_narrower_in_everything() {
        let came_with = scope(
            r#"{"permissions":["a","b","c"],"denied_operations":["x"],"max_delegation_depth":3,"expires_at":"2026-06-30T12:00:00Z"}"#,
        );
        let intent = intent(
            Some(came_with),
            r#"{"governance":{"require_approval":false},"budget":{"max_llm_tokens":1000,"cost_ceiling_usd":5,"other":"x"}}"#,
            r#"{"llm_tokens":300,"cost_usd":1.5}"#,
        );
        let asked = scope(
            r#"{"permissions":["c","d","b"],"denied_operations":["y"],"max_delegation_depth":9}"#,
        );
        let conditions = policy(
            r#"{"governance":{"require_approval":true},"budget":{"max_llm_tokens":9000,"cost_ceiling_usd":2}}"#,
        );
        let passed = intent.delegate(Some(&asked), Some(&conditions), 0).unwrap();
        let narrowed = passed.scope.unwrap();
        assert_eq!(narrowed.permissions, ["b", "c"]);
        assert_eq!(narrowed.denied_operations, ["x", "y"]);
        assert_eq!(narrowed.max_delegation_depth, 2);
        assert_eq!(narrowed.expires_at.as_deref(), Some("2026-06-30T12:00:00Z"));
        let policy = passed.policy.unwrap();
        assert_eq!(policy.governance["require_approval"], true.into());
        assert_eq!(policy.budget["max_llm_tokens"], 700.into());
        assert_eq!(policy.budget["cost_ceiling_usd"], 2.into());
        assert_eq!(policy.budget["other"], "x".into());
        let unasked = intent.delegate(None, None, 0).unwrap();
        assert_eq!(unasked.scope.unwrap().max_delegation_depth, 2);
        let left = &unasked.policy.unwrap().budget["cost_ceiling_usd"];
        assert_eq!(left.to_string(), "3.5");
    }

    #[test]
    fn what_came_without_conditions_is_passed_on_with_those_that_are_asked_for() {
        let free = Intent::default();
        assert_eq!(free.delegate(None, None, 0), Ok(Delegated::default()));
        let asked = DelegationScope::default();
        let passed = free.delegate(Some(&asked), None, 0).unwrap();
        assert_eq!(passed.scope, Some(asked));
    }

    #[test]
    fn some_work_stays_where_it_is() {
        let with = |text: &str| intent(Some(scope(text)), "{}", "{}").delegate(None, None, 1_000);
        assert_eq!(
            with(r#"{"denied_operations":["intent.delegate"]}"#),
            Err(DelegationFault::Denied)
        );
        assert_eq!(
            with(r#"{"max_delegation_depth":0}"#),
            Err(DelegationFault::Depth(0))
        );
        assert_eq!(
            with(r#"{"expires_at":"1970-01-01T00:00:00Z"}"#),
            Err(DelegationFault::Scope(ScopeFault::Expired))
        );
        assert_eq!(
            with(r#"{"expires_at":"soon"}"#),
            Err(DelegationFault::Scope(ScopeFault::Unreadable))
        );
        let governed = |depth: i64| {
            let conditions = format!(r#"{{"governance":{{"max_delegation_depth":{depth}}}}}"#);
            intent(None, &conditions, "{}").delegate(None, None, 0)
        };
        assert_eq!(governed(0), Err(DelegationFault::Depth(0)));
        let passed = governed(2).unwrap().policy.unwrap();
        assert_eq!(passed.governance[DEPTH], 1.into());
        let asked = |depth: &str| policy(&format!(r#"{{"governance":{{"{DEPTH}":{depth}}}}}"#));
        for (depth, is) in [("1.5", 0), ("true", 0), ("9.0", 8)] {
            let passed = intent(None, "{}", "{}");
            let passed = Intent {
                policy: asked(depth),
                ..passed
            };
            let governance = passed
                .delegate(None, None, 0)
                .unwrap()
                .policy
                .unwrap()
                .governance;
            assert_eq!(governance[DEPTH], is.into(), "{depth}");
        }
    }

    #[test]
    fn nothing_is_passed_on_with_an_empty_budget() {
        for (limit, used) in [
            ("max_llm_tokens", "llm_tokens"),
            ("cost_ceiling_usd", "cost_usd"),
            ("max_tool_calls", "tool_calls"),
            ("max_duration_seconds", "duration_seconds"),
        ] {
            for (amount, usage) in [
                ("5", "5"),
                ("5", "6.5"),
                ("0.5", "0.5"),
                ("0", "0"),
                ("true", "1"),
            ] {
                let conditions = format!(r#"{{"budget":{{"{limit}":{amount}}}}}"#);
                let usage = format!(r#"{{"{used}":{usage}}}"#);
                let passed = intent(None, &conditions, &usage).delegate(None, None, 0);
                assert_eq!(passed, Err(DelegationFault::Budget(limit)), "{usage}");
            }
        }
    }

    #[test]
    fn time_runs_on_while_nobody_counts_it() {
        let conditions = r#"{"budget":{"max_duration_seconds":60}}"#;
        let begun = Intent {
            started_at: Some(10_000),
            ..intent(None, conditions, "{}")
        };
        let left = |now| {
            let passed = begun.delegate(None, None, now);
            passed.map(|it| it.policy.unwrap().budget["max_duration_seconds"].clone())
        };
        assert_eq!(left(30_500), Ok(Json::Float(39.5)));
        let over = Err(DelegationFault::Budget("max_duration_seconds"));
        assert_eq!(left(70_000), over);
    }

    #[test]
    fn nobody_adds_an_agent_by_passing_work_on() {
        let own = r#"{"governance":{"allowed_agents":["a","b"]}}"#;
        let asked = policy(r#"{"governance":{"allowed_agents":["b","c"]}}"#);
        let passed = intent(None, own, "{}").delegate(None, Some(&asked), 0);
        let governance = passed.unwrap().policy.unwrap().governance;
        assert_eq!(governance["allowed_agents"], json(r#"["b"]"#));
    }
}
