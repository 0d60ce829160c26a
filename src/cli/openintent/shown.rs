//! Intents and dispatches in lines for a person.

use super::super::render;
use super::super::text::visible;
use super::{scope, usage};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::IntentStatus;
use crate::openintent::work::{BudgetShare, DispatchShown, IntentShown};

/// What is said of an intent that will not be done.
pub(super) const FAILED: &str = "The intent has failed";

/// Everything about an intent.
pub(super) fn intent(intent: &IntentShown) -> String {
    let mut facts = vec![("status", intent.status.word().to_owned())];
    put(&mut facts, "title", &intent.title);
    put(&mut facts, "description", &intent.description);
    put(&mut facts, "agent", text(&intent.agent_id));
    put(&mut facts, "from", &origin(intent));
    put(&mut facts, "called there", &intent.source_intent_id);
    put(&mut facts, "dispatch", &intent.dispatch_id);
    put(&mut facts, "state", &json(&intent.state));
    put(&mut facts, "changes", &json(&intent.changes));
    put(&mut facts, "constraints", &json(&intent.constraints));
    if let Some(granted) = &intent.delegation_scope {
        facts.extend(scope::facts(granted));
    }
    let policy = &intent.federation_policy;
    put(&mut facts, "governance", &json(&policy.governance));
    put(&mut facts, "observability", &json(&policy.observability));
    put(&mut facts, "usage", &usage::words(&intent.usage));
    put(&mut facts, "budget", &budget(&intent.budget));
    put(&mut facts, "message", text(&intent.message));
    put(&mut facts, "trace", text(&intent.trace_id));
    put(&mut facts, "created", &intent.created_at);
    put(&mut facts, "updated", &intent.updated_at);
    render::facts(&format!("Intent {}", visible(&intent.intent_id)), &facts)
}

/// What has become of an intent by something that was done to it. What uses up its budget fails it, whatever was to be done.
pub(super) fn outcome(heading: &str, intent: &IntentShown) -> String {
    let has_failed = intent.status == IntentStatus::Failed;
    let heading = if has_failed { FAILED } else { heading };
    let mut facts = vec![
        ("id", intent.intent_id.clone()),
        ("status", intent.status.word().to_owned()),
    ];
    put(&mut facts, "title", &intent.title);
    put(&mut facts, "agent", text(&intent.agent_id));
    put(&mut facts, "usage", &usage::words(&intent.usage));
    put(&mut facts, "budget", &budget(&intent.budget));
    if has_failed {
        put(&mut facts, "message", text(&intent.message));
    }
    render::facts(heading, &facts)
}

/// Everything about a dispatch.
pub(super) fn dispatch(dispatch: &DispatchShown) -> String {
    let mut facts = vec![("status", dispatch.status.word().to_owned())];
    put(&mut facts, "to", &dispatch.target_server);
    put(&mut facts, "agent", text(&dispatch.agent_id));
    put(&mut facts, "intent", &dispatch.intent_id);
    put(&mut facts, "called there", text(&dispatch.remote_intent_id));
    put(&mut facts, "from", text(&dispatch.dispatched_by));
    put(&mut facts, "message", text(&dispatch.message));
    put(&mut facts, "state", &json(&dispatch.state));
    put(&mut facts, "usage", &usage::words(&dispatch.usage));
    let warning = dispatch.budget_warning.as_ref().map(Json::to_string);
    put(&mut facts, "budget warning", text(&warning));
    let attestation = dispatch.attestation.as_ref().map(attested);
    put(&mut facts, "attestation", text(&attestation));
    put(&mut facts, "callbacks", &dispatch.callbacks.to_string());
    put(&mut facts, "created", &dispatch.created_at);
    put(&mut facts, "updated", &dispatch.updated_at);
    let heading = format!("Dispatch {}", visible(&dispatch.dispatch_id));
    render::facts(&heading, &facts)
}

/// Where an intent is from: a server, or the own agent that gave it.
pub(super) fn origin(intent: &IntentShown) -> String {
    match &intent.assigned_by {
        Some(agent) => agent.clone(),
        None => intent.source_server.clone(),
    }
}

fn put(facts: &mut Vec<(&'static str, String)>, name: &'static str, value: &str) {
    if !value.is_empty() {
        facts.push((name, value.to_owned()));
    }
}

fn text(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or_default()
}

fn json(object: &Object) -> String {
    match object.is_empty() {
        true => String::new(),
        false => Json::from(object.clone()).to_string(),
    }
}

fn budget(shares: &[BudgetShare]) -> String {
    let share = |it: &BudgetShare| {
        let percent = (it.share() * 100.0).round();
        format!("{} {} of {} ({percent} %)", it.name, it.used, it.limit)
    };
    shares.iter().map(share).collect::<Vec<_>>().join(", ")
}

/// What an attestation says of the rules.
fn attested(attestation: &Json) -> String {
    let kept = attestation.get("governance_compliant");
    match kept.and_then(Json::as_bool).unwrap_or(true) {
        true => "the rules were kept".to_owned(),
        false => "the rules were not kept".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openintent::model::IntentStatus;

    #[test]
    fn an_intent_is_shown_with_what_there_is_of_it() {
        let shown = IntentShown {
            intent_id: "fed-1".to_owned(),
            status: IntentStatus::Running,
            title: "Look\n  status: forged".to_owned(),
            source_server: "https://a.example".to_owned(),
            state: Object::from([("rows".to_owned(), Json::from(7))]),
            usage: Object::from([("llm_tokens".to_owned(), Json::from(80))]),
            budget: vec![BudgetShare {
                name: "max_llm_tokens".to_owned(),
                limit: 100.0,
                used: 80.0,
            }],
            ..IntentShown::default()
        };
        let words = intent(&shown);
        let wanted = "Intent fed-1\n  status: running\n  title: Look\\n  status: forged\n  from: https://a.example\n  \
                      state: {\"rows\":7}\n  usage: llm_tokens=80\n  budget: max_llm_tokens 80 of 100 (80 %)";
        assert_eq!(words, wanted);
        assert!(outcome("Completed", &shown).starts_with("Completed\n  id: fed-1\n"));
    }

    #[test]
    fn a_dispatch_says_whether_the_rules_were_kept() {
        let mut shown = DispatchShown {
            dispatch_id: "d\u{1b}".to_owned(),
            target_server: "https://b.example".to_owned(),
            attestation: Some(r#"{"governance_compliant":false}"#.parse().unwrap()),
            ..DispatchShown::default()
        };
        let words = dispatch(&shown);
        assert!(
            words.starts_with("Dispatch d\\u{1b}\n  status: queued\n"),
            "{words}"
        );
        assert!(words.contains("the rules were not kept"), "{words}");
        shown.attestation = None;
        assert!(!dispatch(&shown).contains("rules"));
    }
}
