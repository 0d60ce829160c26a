//! What is kept of a dispatch at the server that sent it, and what a callback makes of that.

use super::budget::{KINDS_MAX, NAME_MAX_CHARS};
use super::merge::{compose, patch};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    CallbackEventType, FederationCallback, Members, ModelFault, Writer,
};

/// How much is kept of a dispatch, as JSON: what the largest intent may have become, and its attestation.
const RECORD_MAX_BYTES: usize = 1024 * 1024;

/// How much is kept of a word to people, in characters.
const MESSAGE_MAX_CHARS: usize = 1000;

/// What is said where more was told than is kept.
const TOO_LARGE: &str = "more was told of the state than the 1 MiB that is kept of a dispatch";

/// A dispatch as its server keeps it, beside how it stands and who sent it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dispatch {
    /// The intent, by the id that it was dispatched with.
    pub intent_id: String,
    /// Whether that is an intent which somebody else had given to this server.
    pub is_passed_on: bool,
    /// The intent in a line.
    pub title: String,
    /// Who is to do it.
    pub agent_id: Option<String>,
    /// What the other server has told of the intent's state: all its deltas as one merge patch.
    pub changes: Object,
    /// The number of the last callback in these, where the other server counts them.
    pub last_number: i64,
    /// What was used, by the last attestation: numbers, none of them negative.
    pub usage: Object,
    /// The last attestation, as it came.
    pub attestation: Option<Json>,
    /// The last warning that most of a budget is used, as it came.
    pub budget_warning: Option<Json>,
    /// The last word to people.
    pub message: Option<String>,
    /// How many callbacks came.
    pub callbacks: i64,
}

impl Dispatch {
    /// Takes a callback in, with its attestation as it came. A delta that was made before what is known already goes beneath
    /// that: what came last does not undo what was said last.
    ///
    /// ```
    /// use kite::openintent::json::Json;
    /// use kite::openintent::model::FederationCallback;
    /// use kite::openintent::work::Dispatch;
    ///
    /// let callback = |text: &str| FederationCallback::from_json(&text.parse().unwrap()).unwrap();
    /// let mut dispatch = Dispatch::default();
    /// let second = r#"{"dispatch_id":"d","state_delta":{"rows":7},"idempotency_key":"state_delta-d-2"}"#;
    /// dispatch.apply(&callback(second), None);
    /// let first = r#"{"dispatch_id":"d","state_delta":{"rows":1,"unit":"k"},"idempotency_key":"state_delta-d-1"}"#;
    /// dispatch.apply(&callback(first), None);
    /// assert_eq!(Json::from(dispatch.state()).to_string(), r#"{"rows":7,"unit":"k"}"#);
    /// ```
    pub fn apply(&mut self, callback: &FederationCallback, attestation: Option<&Json>) {
        if let Some(attested) = &callback.attestation {
            self.usage = numbers(&attested.usage);
        }
        let mut next = self.clone();
        next.heed(callback, attestation);
        match next.to_json().to_string().len() > RECORD_MAX_BYTES {
            true => self.message = Some(TOO_LARGE.to_owned()),
            false => *self = next,
        }
        self.count();
    }

    /// Takes note that a callback came which changes nothing.
    pub fn count(&mut self) {
        self.callbacks = self.callbacks.saturating_add(1);
    }

    /// The intent's state, as far as the other server has told it.
    pub fn state(&self) -> Object {
        let mut state = Object::new();
        patch(&mut state, &self.changes);
        state
    }

    fn heed(&mut self, callback: &FederationCallback, attestation: Option<&Json>) {
        if callback.attestation.is_some() {
            self.attestation = attestation.cloned();
        }
        let delta = &callback.state_delta;
        match callback.event_type {
            CallbackEventType::Attestation => {}
            CallbackEventType::BudgetWarning => {
                let warning = delta.get("budget_warning").cloned();
                self.budget_warning = Some(warning.unwrap_or_else(|| Json::from(delta.clone())));
            }
            _ => {
                let number = number_of(callback);
                if number.is_some_and(|number| number < self.last_number) {
                    self.changes = compose(delta, &self.changes);
                    return;
                }
                self.changes = compose(&self.changes, delta);
                self.last_number = number.unwrap_or(self.last_number);
                self.message = message_of(callback).or(self.message.take());
            }
        }
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            intent_id: members.text("intent_id", "")?,
            is_passed_on: members.bool("passed_on", false)?,
            title: members.text("intent_title", "")?,
            agent_id: members.optional("agent_id")?,
            changes: members.object("changes")?,
            last_number: members.integer("last_number", 0)?,
            usage: members.object("usage")?,
            attestation: members.get("attestation").cloned(),
            budget_warning: members.get("budget_warning").cloned(),
            message: members.optional("message")?,
            callbacks: members.integer("callbacks", 0)?,
        })
    }

    /// As it is kept.
    pub fn to_json(&self) -> Json {
        let filled = |object: &Object| (!object.is_empty()).then(|| Json::from(object.clone()));
        let counted = |number: i64| (number != 0).then(|| Json::from(number));
        Writer::default()
            .put("intent_id", self.intent_id.as_str())
            .put_nested("passed_on", self.is_passed_on.then_some(Json::Bool(true)))
            .put_some("intent_title", Some(&self.title))
            .put_some("agent_id", self.agent_id.as_deref())
            .put_nested("changes", filled(&self.changes))
            .put_nested("last_number", counted(self.last_number))
            .put_nested("usage", filled(&self.usage))
            .put_nested("attestation", self.attestation.clone())
            .put_nested("budget_warning", self.budget_warning.clone())
            .put_some("message", self.message.as_deref())
            .put_nested("callbacks", counted(self.callbacks))
            .end()
    }
}

/// The word to people that a callback has: what was done, or why it failed.
pub fn message_of(callback: &FederationCallback) -> Option<String> {
    let said = |name: &str| callback.state_delta.get(name).and_then(Json::as_str);
    let text = match callback.event_type {
        CallbackEventType::Failed => said("error").or_else(|| said("message")),
        _ => said("message"),
    };
    let text = text.filter(|text| !text.is_empty())?;
    Some(text.chars().take(MESSAGE_MAX_CHARS).collect())
}

/// Where a callback stands among those of its dispatch, if its key says so: `<event>-<dispatch_id>-<n>`, n counts from 1;
/// the acceptance, `accept-<dispatch_id>`, comes before all of them (spec 13.6, 13.7).
fn number_of(callback: &FederationCallback) -> Option<i64> {
    let key = callback.idempotency_key.as_deref()?;
    let behind = |key: &'_ str, event: &str| -> Option<String> {
        let rest = key.strip_prefix(event)?.strip_prefix('-')?;
        let rest = rest.strip_prefix(callback.dispatch_id.as_str())?;
        Some(rest.to_owned())
    };
    if behind(key, "accept").is_some_and(|rest| rest.is_empty()) {
        return Some(0);
    }
    let rest = behind(key, callback.event_type.word())?;
    let digits = rest.strip_prefix('-')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}

/// The members of a usage that can be added up to an intent's.
fn numbers(usage: &Object) -> Object {
    let is_amount = |(name, value): &(&String, &Json)| {
        let is_number = match value {
            Json::Integer(_) => value.as_i64().is_some_and(|number| number >= 0),
            Json::Float(number) => *number >= 0.0,
            _ => false,
        };
        is_number && name.chars().count() <= NAME_MAX_CHARS
    };
    let amounts = usage.iter().filter(is_amount);
    let amounts = amounts.map(|(name, value)| (name.clone(), value.clone()));
    amounts.take(KINDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        let json: Json = text.parse().unwrap();
        json.as_object().unwrap().clone()
    }

    fn callback(kind: &str, number: i64, delta: &str) -> FederationCallback {
        FederationCallback {
            dispatch_id: "d".to_owned(),
            event_type: CallbackEventType::of(kind).unwrap(),
            state_delta: object(delta),
            idempotency_key: Some(format!("{kind}-d-{number}")),
            ..FederationCallback::default()
        }
    }

    fn after(callbacks: &[FederationCallback]) -> Dispatch {
        let mut dispatch = Dispatch::default();
        for callback in callbacks {
            dispatch.apply(callback, None);
        }
        dispatch
    }

    fn shown(dispatch: &Dispatch) -> String {
        Json::from(dispatch.state()).to_string()
    }

    #[test]
    fn deltas_are_merged_in_the_order_in_which_they_were_made() {
        let all = [
            callback("status_changed", 1, r#"{"status":"running"}"#),
            callback("state_delta", 2, r#"{"rows":1,"far":{"a":1,"b":2}}"#),
            callback("state_delta", 3, r#"{"rows":2,"far":{"b":null}}"#),
            callback("state_delta", 4, r#"{"rows":null,"message":"late"}"#),
        ];
        let right = after(&all);
        let expected = r#"{"far":{"a":1},"message":"late","status":"running"}"#;
        assert_eq!(shown(&right), expected);
        assert_eq!(right.message.as_deref(), Some("late"));
        let [one, two, three, four] = all;
        let turned = after(&[four, three, two, one]);
        assert_eq!(shown(&turned), expected, "each went beneath the others");
        assert_eq!(turned.message.as_deref(), Some("late"));
        assert_eq!((turned.last_number, turned.callbacks), (4, 4));
    }

    #[test]
    fn an_acceptance_that_comes_late_changes_no_status() {
        let accepted = FederationCallback {
            idempotency_key: Some("accept-d".to_owned()),
            ..callback("state_delta", 0, r#"{"status":"accepted"}"#)
        };
        let running = callback("status_changed", 1, r#"{"status":"running"}"#);
        for order in [
            [accepted.clone(), running.clone()],
            [running.clone(), accepted.clone()],
        ] {
            assert_eq!(shown(&after(&order)), r#"{"status":"running"}"#);
        }
        assert_eq!(shown(&after(&[accepted])), r#"{"status":"accepted"}"#);
    }

    #[test]
    fn what_a_server_that_does_not_count_says_last_counts() {
        let foreign = |key: Option<&str>, delta: &str| FederationCallback {
            idempotency_key: key.map(str::to_owned),
            ..callback("state_delta", 0, delta)
        };
        let dispatch = after(&[
            callback("state_delta", 7, r#"{"rows":7}"#),
            foreign(None, r#"{"rows":8}"#),
            foreign(Some("state_delta-d-x"), r#"{"rows":9}"#),
            foreign(Some("state_delta-other-1"), r#"{"rows":10}"#),
        ]);
        assert_eq!(shown(&dispatch), r#"{"rows":10}"#);
        assert_eq!(dispatch.last_number, 7);
        for key in ["state_delta-d-", "state_delta-d--1", "state_delta-d-+1", ""] {
            assert_eq!(number_of(&foreign(Some(key), "{}")), None, "{key}");
        }
    }

    #[test]
    fn an_attestation_says_what_was_used() {
        let attestation: Json = r#"{"dispatch_id":"d","usage":{"llm_tokens":120,"cost_usd":0.5,"by":"me","tool_calls":-1},"extra":1}"#
            .parse()
            .unwrap();
        let mut attested = callback("attestation", 3, "{}");
        attested.attestation =
            Some(crate::openintent::model::FederationAttestation::from_json(&attestation).unwrap());
        let mut dispatch = Dispatch::default();
        dispatch.apply(&attested, Some(&attestation));
        assert_eq!(
            dispatch.usage,
            object(r#"{"llm_tokens":120,"cost_usd":0.5}"#)
        );
        assert_eq!(dispatch.attestation, Some(attestation));
        assert_eq!(dispatch.last_number, 0, "a delta before it is not late");
        dispatch.apply(&callback("completed", 4, r#"{"status":"completed"}"#), None);
        assert!(dispatch.attestation.is_some());
        assert_eq!(dispatch.usage["llm_tokens"], 120.into());
    }

    #[test]
    fn a_warning_is_kept_apart_from_the_state() {
        let warning = r#"{"budget_warning":{"name":"max_llm_tokens","limit":100,"used":85}}"#;
        let dispatch = after(&[callback("budget_warning", 2, warning)]);
        assert_eq!(dispatch.changes, Object::new());
        let kept = dispatch.budget_warning.unwrap();
        assert_eq!(kept.get("limit"), Some(&100.into()));
        let foreign = after(&[callback("budget_warning", 2, r#"{"left":3}"#)]);
        assert_eq!(foreign.budget_warning.unwrap().get("left"), Some(&3.into()));
    }

    #[test]
    fn what_failed_says_why() {
        let failed = r#"{"status":"failed","error":"no rows","message":"begun"}"#;
        let dispatch = after(&[callback("failed", 2, failed)]);
        assert_eq!(dispatch.message.as_deref(), Some("no rows"));
    }

    #[test]
    fn what_is_kept_has_an_end_and_usage_still_counts() {
        let mut large = callback("completed", 2, "{}");
        let text = "x".repeat(RECORD_MAX_BYTES);
        large.state_delta.insert("text".to_owned(), text.into());
        large.attestation = Some(crate::openintent::model::FederationAttestation {
            usage: object(r#"{"llm_tokens":5}"#),
            ..Default::default()
        });
        let mut dispatch = after(&[callback("state_delta", 1, r#"{"rows":1}"#)]);
        dispatch.apply(&large, None);
        assert_eq!(shown(&dispatch), r#"{"rows":1}"#);
        assert_eq!(dispatch.message.as_deref(), Some(TOO_LARGE));
        assert_eq!(dispatch.usage["llm_tokens"], 5.into());
        assert_eq!(dispatch.callbacks, 2);
    }

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        let dispatch = Dispatch {
            intent_id: "i".to_owned(),
            is_passed_on: true,
            changes: object(r#"{"gone":null,"rows":1.0}"#),
            last_number: 3,
            attestation: Some(object(r#"{"usage":{}}"#).into()),
            callbacks: 4,
            ..Dispatch::default()
        };
        assert_eq!(Dispatch::from_json(&dispatch.to_json()), Ok(dispatch));
        let old: Json = r#"{"intent_id":"i","agent_id":"a"}"#.parse().unwrap();
        assert_eq!(Dispatch::from_json(&old).unwrap().callbacks, 0);
    }
}
