//! What was used, added up.

use crate::openintent::json::{Json, Object};
use crate::openintent::work::plus;

/// The member of a usage that is money, in US dollars.
const COST: &str = "cost_usd";

/// Adds what was used to what was used before, member by member. Whole numbers stay whole where their sum fits; what is no
/// number does not count.
pub fn add(total: &mut Object, more: &Object) {
    for (name, value) in more {
        let sum = match (total.get(name), value) {
            (None, Json::Integer(_) | Json::Float(_)) => Some(value.clone()),
            (Some(before), value) => sum(before, value),
            (None, _) => None,
        };
        if let Some(sum) = sum {
            total.insert(name.clone(), sum);
        }
    }
}

fn sum(one: &Json, other: &Json) -> Option<Json> {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64())
        && let Some(sum) = one.checked_add(other)
    {
        return Some(sum.into());
    }
    plus(one.as_f64()?, other.as_f64()?).map(Json::Float)
}

/// The money of a usage.
pub(super) fn cost_usd(usage: &Object) -> f64 {
    let cost = usage.get(COST).and_then(Json::as_f64);
    cost.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_add_up_and_stay_whole() {
        let object = |text: &str| text.parse::<Json>().unwrap().as_object().unwrap().clone();
        let mut total = Object::new();
        for usage in [
            r#"{"llm_tokens": 5, "cost_usd": 1}"#,
            r#"{"llm_tokens": 7, "cost_usd": 0.5, "model": "m"}"#,
        ] {
            add(&mut total, &object(usage));
        }
        assert_eq!(
            Json::from(total.clone()).to_string(),
            r#"{"cost_usd":1.5,"llm_tokens":12}"#
        );
        assert_eq!(cost_usd(&total), 1.5);
    }
}
