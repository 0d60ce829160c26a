//! What work on an intent uses, and how much of its budget that is.

use super::fault::WorkFault;
use super::shown::BudgetShare;
use crate::openintent::json::{Json, Object};
use crate::openintent::policy::limit_of;

/// The limits of a budget, each with the usage that counts against it.
pub(super) const LIMITS: [(&str, &str); 4] = [
    ("max_llm_tokens", "llm_tokens"),
    ("cost_ceiling_usd", "cost_usd"),
    ("max_tool_calls", "tool_calls"),
    ("max_duration_seconds", DURATION),
];

/// How long the work took, in seconds.
pub(super) const DURATION: &str = "duration_seconds";

/// The part of a limit from which it is warned of.
const WARNED_FROM: f64 = 0.8;

/// Sums of fractions are a little off: what is within this part of a limit is at it.
const TOLERANCE: f64 = 1e-9;

/// How many kinds of usage there may be beside those that have limits, and how long their names: they come back in every
/// attestation.
pub(super) const KINDS_MAX: usize = 32;
pub(super) const NAME_MAX_CHARS: usize = 64;

/// Adds usage up, member by member. Integers stay integers.
///
/// # Errors
/// When a member is no number from zero, has an endless name, or there are too many of them.
pub(super) fn add(sum: &mut Object, more: &Object) -> Result<(), WorkFault> {
    for (name, value) in more {
        let path = || format!("usage.{name}");
        if name.chars().count() > NAME_MAX_CHARS {
            let why = format!("has a member whose name is longer than {NAME_MAX_CHARS} characters");
            return Err(WorkFault::member("usage", why));
        }
        let both = match (sum.get(name), value) {
            (_, Json::Integer(_) | Json::Float(_)) if value.as_f64().is_none_or(|it| it < 0.0) => {
                return Err(WorkFault::member(path(), "must not be below zero"));
            }
            (None, Json::Integer(_) | Json::Float(_)) => Some(value.clone()),
            (Some(sum), Json::Integer(_) | Json::Float(_)) => added(sum, value),
            (_, other) => {
                let why = format!("must be a number, and it is {}", other.kind());
                return Err(WorkFault::member(path(), why));
            }
        };
        let both = both.filter(|it| matches!(it, Json::Float(_)) || it.as_i64().is_some());
        let both = both.ok_or_else(|| WorkFault::member(path(), "is too large to be added up"))?;
        sum.insert(name.clone(), both);
    }
    let kinds = sum.keys().filter(|name| !is_limited(name));
    match kinds.count() > KINDS_MAX {
        true => Err(WorkFault::member(
            "usage",
            format!("has more than {KINDS_MAX} kinds in all"),
        )),
        false => Ok(()),
    }
}

/// What of a usage from elsewhere there is room for beside what was used already. What has limits always counts.
pub(super) fn fitting(sum: &Object, more: &Object) -> Object {
    let kinds = sum.keys().filter(|name| !is_limited(name));
    let mut room = KINDS_MAX.saturating_sub(kinds.count());
    let fits = more.iter().filter(|(name, _)| {
        if is_limited(name) || sum.contains_key(*name) {
            return true;
        }
        let has_room = room > 0;
        room = room.saturating_sub(1);
        has_room
    });
    fits.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether there is a limit for a kind of usage.
fn is_limited(name: &str) -> bool {
    LIMITS.iter().any(|(_, used)| *used == name)
}

/// The sum of two numbers, where it has a form.
fn added(sum: &Json, more: &Json) -> Option<Json> {
    if let (Json::Integer(sum), Json::Integer(more)) = (sum, more) {
        return sum.to_i64()?.checked_add(more.to_i64()?).map(Json::from);
    }
    let both = sum.as_f64()? + more.as_f64()?;
    both.is_finite().then_some(Json::Float(both))
}

/// How much of each limit is used.
pub fn shares(budget: &Object, usage: &Object) -> Vec<BudgetShare> {
    let share = |(limit, used): (&str, &str)| {
        Some(BudgetShare {
            name: limit.to_owned(),
            limit: limit_of(budget.get(limit)?)?,
            used: usage.get(used).and_then(Json::as_f64).unwrap_or(0.0),
        })
    };
    LIMITS.into_iter().filter_map(share).collect()
}

impl BudgetShare {
    /// Whether most of it is used.
    pub(super) fn is_short(&self) -> bool {
        self.used > 0.0 && self.used >= self.limit * (WARNED_FROM - TOLERANCE)
    }

    /// Whether more than all of it is used.
    pub(super) fn is_exceeded(&self) -> bool {
        self.used > 0.0 && self.used > self.limit.max(0.0) * (1.0 + TOLERANCE)
    }

    /// As it is warned of, with the numbers as the intent has them.
    pub(super) fn warning(&self, budget: &Object, usage: &Object) -> Object {
        let used = LIMITS.into_iter().find(|(limit, _)| *limit == self.name);
        let used = used.and_then(|(_, used)| usage.get(used)).cloned();
        let limit = budget.get(&self.name).cloned();
        let members = [
            ("name", Some(Json::from(self.name.as_str()))),
            ("limit", limit),
            ("used", used),
            ("share", Some(Json::Float(self.share()))),
        ];
        let members = members.into_iter();
        members
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        text.parse::<Json>().unwrap().as_object().unwrap().clone()
    }

    fn sum(of: &[&str]) -> Result<String, WorkFault> {
        let mut sum = Object::new();
        for more in of {
            add(&mut sum, &object(more))?;
        }
        Ok(Json::Object(sum).to_string())
    }

    #[test]
    fn usage_adds_up_and_integers_stay_integers() {
        for (of, is) in [
            (
                &[r#"{"llm_tokens":5}"#, r#"{"llm_tokens":7}"#][..],
                r#"{"llm_tokens":12}"#,
            ),
            (
                &[r#"{"cost_usd":1}"#, r#"{"cost_usd":0.5}"#],
                r#"{"cost_usd":1.5}"#,
            ),
            (&[r#"{"a":1}"#, r#"{"b":2.0}"#], r#"{"a":1,"b":2.0}"#),
        ] {
            assert_eq!(sum(of).as_deref(), Ok(is));
        }
    }

    #[test]
    fn what_is_no_usage_is_refused() {
        for (of, told) in [
            (r#"{"a":-1}"#, "`usage.a` must not be below zero"),
            (r#"{"a":-0.5}"#, "`usage.a` must not be below zero"),
            (
                r#"{"a":"1"}"#,
                "`usage.a` must be a number, and it is a string",
            ),
            (
                r#"{"a":null}"#,
                "`usage.a` must be a number, and it is null",
            ),
            (
                r#"{"a":100000000000000000000}"#,
                "`usage.a` is too large to be added up",
            ),
        ] {
            assert_eq!(sum(&[of]).unwrap_err().to_string(), told);
        }
        let large = r#"{"a":9223372036854775807}"#;
        assert!(sum(&[large]).is_ok());
        assert!(sum(&[large, r#"{"a":1}"#]).is_err(), "it does not wrap");
        let many: Vec<String> = (0..33).map(|at| format!(r#""k{at}":1"#)).collect();
        assert!(sum(&[&format!("{{{}}}", many.join(","))]).is_err());
    }

    #[test]
    fn a_limit_is_short_at_four_fifths_and_exceeded_above_all_of_it() {
        let share = |limit: &str, used: &str| {
            let budget = object(&format!(r#"{{"cost_ceiling_usd":{limit}}}"#));
            let shares = shares(&budget, &object(&format!(r#"{{"cost_usd":{used}}}"#)));
            (shares[0].is_short(), shares[0].is_exceeded())
        };
        for (limit, used, is) in [
            ("100", "79", (false, false)),
            ("100", "80", (true, false)),
            ("0.05", "0.04", (true, false)),
            ("100", "100", (true, false)),
            ("0.3", "0.30000000000000004", (true, false)),
            ("100", "100.1", (true, true)),
            ("0", "0", (false, false)),
            ("0", "1", (true, true)),
            ("-1", "0", (false, false)),
        ] {
            assert_eq!(share(limit, used), is, "{used} of {limit}");
        }
        for (limit, used, is) in [
            ("true", "1", (true, false)),
            ("true", "1.5", (true, true)),
            ("false", "0.5", (true, true)),
        ] {
            assert_eq!(share(limit, used), is, "{used} of {limit}");
        }
        let none = object(r#"{"max_llm_tokens":"many","max_tool_calls":null}"#);
        assert_eq!(shares(&none, &Object::new()), []);
    }

    #[test]
    fn no_share_is_endless() {
        let long = "9".repeat(400);
        for (limit, used) in [(long.as_str(), "1"), ("5e-324", "1e308")] {
            let budget = object(&format!(r#"{{"cost_ceiling_usd":{limit}}}"#));
            let shares = shares(&budget, &object(&format!(r#"{{"cost_usd":{used}}}"#)));
            let shown = shares[0].to_json().to_string();
            assert_eq!(shown.parse::<Json>(), Ok(shares[0].to_json()));
        }
    }

    #[test]
    fn kinds_from_elsewhere_leave_room_for_what_has_limits() {
        let kinds = (0..40).map(|at| (format!("k{at:02}"), Json::from(1)));
        let mut elsewhere: Object = kinds.collect();
        elsewhere.insert("llm_tokens".to_owned(), Json::from(7));
        let mut sum = object(r#"{"gpu":1}"#);
        let fitting = fitting(&sum, &elsewhere);
        assert_eq!(fitting.len(), KINDS_MAX);
        assert_eq!(add(&mut sum, &fitting), Ok(()));
        assert_eq!(sum["llm_tokens"], 7.into());
        assert_eq!(add(&mut sum, &object(r#"{"cost_usd":1,"gpu":1}"#)), Ok(()));
        assert!(add(&mut sum, &object(r#"{"more":1}"#)).is_err());
    }
}
