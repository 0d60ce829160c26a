//! The rules of the work, each as a report and what comes of it.

use super::*;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    CallbackEventType, DelegationScope, FederationPolicy, IntentStatus,
};

const NOW: i64 = 1_767_225_600_000;

fn object(text: &str) -> Object {
    text.parse::<Json>().unwrap().as_object().unwrap().clone()
}

fn policy(text: &str) -> FederationPolicy {
    FederationPolicy::from_json(&text.parse().unwrap()).unwrap()
}

fn said(text: &str) -> WorkReport {
    WorkReport::from_json(&text.parse().unwrap()).unwrap()
}

fn intent() -> Intent {
    Intent {
        agent_id: Some("analyst".to_owned()),
        state: object(r#"{"rows":5}"#),
        trace_id: Some("trace-7".to_owned()),
        ..Intent::default()
    }
}

/// An intent on its way, one report after the other.
struct Work {
    intent: Intent,
    status: IntentStatus,
    now_ms: i64,
}

impl Work {
    fn on(intent: Intent) -> Self {
        Self {
            intent,
            status: IntentStatus::Accepted,
            now_ms: NOW,
        }
    }

    fn running(intent: Intent) -> Self {
        let mut work = Self::on(intent);
        work.say(Verb::Accept, "{}").unwrap().unwrap();
        work
    }

    fn say(&mut self, verb: Verb, report: &str) -> Result<Option<Turn>, WorkFault> {
        self.say_as(verb, report, None)
    }

    fn say_as(
        &mut self,
        verb: Verb,
        report: &str,
        approver: Option<&str>,
    ) -> Result<Option<Turn>, WorkFault> {
        let by = Reporter {
            approver: approver.map(str::to_owned),
            now_ms: self.now_ms,
        };
        let turn = self.intent.report(self.status, verb, &said(report), &by)?;
        if let Some(turn) = &turn {
            self.intent = turn.intent.clone();
            self.status = turn.status;
        }
        Ok(turn)
    }

    /// What is told of a report, as words.
    fn tells(&mut self, verb: Verb, report: &str) -> Vec<&'static str> {
        let turn = self.say(verb, report).unwrap().expect("it is new");
        let told = turn.told.iter();
        told.map(|told| told.event_type.word()).collect()
    }

    fn refuses(&mut self, verb: Verb, report: &str) -> String {
        let before = (self.intent.clone(), self.status);
        let fault = self.say(verb, report).unwrap_err();
        assert_eq!((self.intent.clone(), self.status), before);
        fault.to_string()
    }
}

#[test]
fn work_is_told_of_from_its_beginning_to_its_end() {
    let mut work = Work::on(intent());
    assert_eq!(work.tells(Verb::Accept, "{}"), ["status_changed"]);
    assert_eq!(work.status, IntentStatus::Running);
    let progress = r#"{"state_delta":{"rows":7,"new":null},"message":"half"}"#;
    let turn = work.say(Verb::Progress, progress).unwrap().unwrap();
    assert_eq!(turn.told[0].event_type, CallbackEventType::StateDelta);
    let delta = r#"{"message":"half","new":null,"rows":7}"#;
    assert_eq!(
        Json::Object(turn.told[0].state_delta.clone()).to_string(),
        delta
    );
    work.now_ms += 1500;
    let turn = work.say(Verb::Complete, r#"{"state_delta":{"done":1.0}}"#);
    let turn = turn.unwrap().unwrap();
    let [attested, completed] = &turn.told[..] else {
        panic!("{:?}", turn.told);
    };
    assert_eq!(attested.event_type, CallbackEventType::Attestation);
    assert_eq!(completed.event_type, CallbackEventType::Completed);
    assert_eq!(attested.attestation, completed.attestation);
    let delta = r#"{"done":1.0,"new":null,"rows":7,"status":"completed"}"#;
    assert_eq!(
        Json::Object(completed.state_delta.clone()).to_string(),
        delta
    );
    let attestation = attested.attestation.as_ref().unwrap();
    assert!(attestation.governance_compliant);
    assert_eq!(attestation.trace_references, ["trace-7"]);
    assert_eq!(attestation.usage, object(r#"{"duration_seconds":1.5}"#));
    assert_eq!(attestation.merkle_root, log::merkle_root(&work.intent.log));
    assert_eq!(work.intent.log.len(), 3);
    assert_eq!(work.intent.state, object(r#"{"rows":7,"done":1.0}"#));
    assert_eq!(work.intent.message.as_deref(), Some("half"));
}

#[test]
fn callbacks_are_numbered_from_one_and_known_by_it() {
    let mut work = Work::on(intent());
    let mut keys = Vec::new();
    for (verb, report) in [
        (Verb::Progress, r#"{"state_delta":{"rows":7}}"#),
        (Verb::Fail, r#"{"message":"no data"}"#),
    ] {
        let turn = work.say(verb, report).unwrap().unwrap();
        keys.extend(turn.told.iter().map(|told| {
            let callback = told.callback("d-1", Some("t"));
            let attested = callback.attestation.map(|it| it.dispatch_id);
            assert!(attested.is_none_or(|it| it == "d-1"));
            callback.idempotency_key.unwrap()
        }));
    }
    assert_eq!(
        keys,
        [
            "status_changed-d-1-1",
            "state_delta-d-1-2",
            "attestation-d-1-3",
            "failed-d-1-4"
        ]
    );
}

#[test]
fn a_failure_says_why_and_what_was_reached() {
    let mut work = Work::running(intent());
    work.say(Verb::Progress, r#"{"state_delta":{"rows":7}}"#)
        .unwrap();
    let turn = work.say(Verb::Fail, r#"{"message":"no data"}"#).unwrap();
    let failed = turn.unwrap().told.pop().unwrap();
    let delta = r#"{"error":"no data","rows":7,"status":"failed"}"#;
    assert_eq!(Json::Object(failed.state_delta).to_string(), delta);
    assert_eq!(work.status, IntentStatus::Failed);
    assert!(failed.attestation.unwrap().governance_compliant);
}

#[test]
fn what_has_ended_takes_no_more_and_says_so() {
    for (verb, word) in [(Verb::Complete, "completed"), (Verb::Fail, "failed")] {
        let mut work = Work::on(intent());
        work.say(verb, "{}").unwrap();
        for verb in Verb::ALL {
            let told = work.refuses(verb, "{}");
            assert!(told.contains(word), "{told}");
        }
    }
    let declined = intent().report(
        IntentStatus::Declined,
        Verb::Accept,
        &WorkReport::default(),
        &Reporter::default(),
    );
    assert!(matches!(declined, Err(WorkFault::Conflict(_))));
}

#[test]
fn whoever_works_on_it_may_accept_it_again_and_nobody_else() {
    let mut work = Work::running(intent());
    assert!(
        work.say(Verb::Accept, r#"{"agent_id":"analyst"}"#)
            .unwrap()
            .is_none()
    );
    let other = said(r#"{"agent_id":"other"}"#);
    let by = Reporter::default();
    let fault = work.intent.report(work.status, Verb::Accept, &other, &by);
    assert!(matches!(fault, Err(WorkFault::Conflict(_))), "{fault:?}");
    for verb in [Verb::Progress, Verb::Complete, Verb::Fail] {
        let fault = work.intent.report(work.status, verb, &other, &by);
        assert!(matches!(fault, Err(WorkFault::Forbidden(_))), "{fault:?}");
    }
    // What is for nobody becomes whose it is that begins.
    let mut work = Work::on(Intent::default());
    work.say(Verb::Accept, r#"{"agent_id":"first"}"#).unwrap();
    assert_eq!(work.intent.agent_id.as_deref(), Some("first"));
    work.refuses(Verb::Complete, r#"{"agent_id":"second"}"#);
}

#[test]
fn a_key_makes_it_the_same_report_whatever_has_happened_since() {
    let mut work = Work::on(intent());
    let report = r#"{"usage":{"llm_tokens":7},"idempotency_key":"k"}"#;
    work.say(Verb::Progress, report).unwrap().unwrap();
    assert!(work.say(Verb::Progress, report).unwrap().is_none());
    let last = r#"{"idempotency_key":"end"}"#;
    work.say(Verb::Complete, last).unwrap().unwrap();
    assert!(work.say(Verb::Complete, last).unwrap().is_none());
    assert_eq!(work.intent.usage["llm_tokens"], 7.into());
}

#[test]
fn a_scope_decides_what_is_done() {
    let scope = |text: &str| DelegationScope::from_json(&text.parse().unwrap()).unwrap();
    let delta = r#"{"state_delta":{"rows":7}}"#;
    let word = r#"{"message":"half"}"#;
    let usage = r#"{"usage":{"llm_tokens":1}}"#;
    let ended = r#"{"expires_at":"2020-01-01T00:00:00Z"}"#;
    for (of, verb, report, told) in [
        (
            r#"{"permissions":[]}"#,
            Verb::Progress,
            delta,
            "`state.patch`",
        ),
        (
            r#"{"permissions":["state.patch"]}"#,
            Verb::Progress,
            word,
            "`events.log`",
        ),
        (
            r#"{"denied_operations":["state.patch"]}"#,
            Verb::Complete,
            delta,
            "`state.patch`",
        ),
        (
            r#"{"denied_operations":["intent.accept"]}"#,
            Verb::Accept,
            "{}",
            "`intent.accept`",
        ),
        (
            r#"{"denied_operations":["intent.accept"]}"#,
            Verb::Progress,
            "{}",
            "`intent.accept`",
        ),
        (
            r#"{"denied_operations":["intent.complete"]}"#,
            Verb::Complete,
            "{}",
            "`intent.complete`",
        ),
        (
            r#"{"denied_operations":["intent.fail"]}"#,
            Verb::Fail,
            "{}",
            "`intent.fail`",
        ),
        (
            r#"{"denied_operations":["cost.report"]}"#,
            Verb::Progress,
            usage,
            "`cost.report`",
        ),
        (ended, Verb::Accept, "{}", "expired"),
        (ended, Verb::Complete, "{}", "expired"),
        (ended, Verb::Fail, delta, "expired"),
        (
            r#"{"expires_at":"soon"}"#,
            Verb::Progress,
            "{}",
            "no time stamp",
        ),
    ] {
        let scope = Some(scope(of));
        let mut work = Work::on(Intent { scope, ..intent() });
        let refused = work.refuses(verb, report);
        assert!(refused.contains(told), "{of} {report}: {refused}");
    }
    for (of, verb, report) in [
        (r#"{"permissions":[]}"#, Verb::Progress, usage),
        (r#"{"permissions":[]}"#, Verb::Complete, word),
        (r#"{"permissions":["events.log"]}"#, Verb::Progress, word),
        ("{}", Verb::Progress, delta),
        (ended, Verb::Fail, word),
    ] {
        let scope = Some(scope(of));
        let mut work = Work::on(Intent { scope, ..intent() });
        assert!(work.say(verb, report).unwrap().is_some(), "{of} {report}");
    }
}

#[test]
fn four_fifths_of_a_budget_are_warned_of_once() {
    let policy = policy(r#"{"budget":{"max_llm_tokens":100,"cost_ceiling_usd":1.0}}"#);
    let mut work = Work::running(Intent { policy, ..intent() });
    let used = |tokens: u32| format!(r#"{{"usage":{{"llm_tokens":{tokens}}}}}"#);
    assert!(work.tells(Verb::Progress, &used(79)).is_empty());
    let turn = work.say(Verb::Progress, &used(1)).unwrap().unwrap();
    let [warning] = &turn.told[..] else {
        panic!("{:?}", turn.told);
    };
    assert_eq!(warning.event_type, CallbackEventType::BudgetWarning);
    let delta = r#"{"budget_warning":{"limit":100,"name":"max_llm_tokens","share":0.8,"used":80}}"#;
    assert_eq!(Json::Object(warning.state_delta.clone()).to_string(), delta);
    assert!(work.tells(Verb::Progress, &used(20)).is_empty());
    let money = r#"{"usage":{"cost_usd":0.9}}"#;
    assert_eq!(work.tells(Verb::Progress, money), ["budget_warning"]);
    assert_eq!(work.status, IntentStatus::Running, "all of it may be used");
}

#[test]
fn more_than_the_budget_ends_the_work_against_the_rules() {
    let policy = policy(r#"{"budget":{"max_llm_tokens":100}}"#);
    for verb in [Verb::Progress, Verb::Complete] {
        let policy = policy.clone();
        let mut work = Work::running(Intent { policy, ..intent() });
        let report = r#"{"state_delta":{"rows":7},"usage":{"llm_tokens":101}}"#;
        let turn = work.say(verb, report).unwrap().unwrap();
        assert_eq!(work.status, IntentStatus::Failed);
        let failed = turn.told.last().unwrap();
        assert_eq!(failed.event_type, CallbackEventType::Failed);
        let error = failed.state_delta["error"].as_str().unwrap();
        assert!(error.contains("`max_llm_tokens` is 100"), "{error}");
        assert_eq!(failed.state_delta["rows"], 7.into());
        let attestation = failed.attestation.as_ref().unwrap();
        assert!(!attestation.governance_compliant);
        assert_eq!(attestation.usage["llm_tokens"], 101.into());
    }
}

#[test]
fn time_counts_against_the_budget_though_nobody_reports_it() {
    let policy = policy(r#"{"budget":{"max_duration_seconds":10}}"#);
    let mut work = Work::running(Intent { policy, ..intent() });
    work.now_ms += 9_000;
    assert_eq!(work.tells(Verb::Progress, "{}"), ["budget_warning"]);
    work.now_ms += 2_000;
    work.say(Verb::Progress, "{}").unwrap();
    assert_eq!(work.status, IntentStatus::Failed);
}

#[test]
fn an_agent_takes_no_more_steps_alone_than_it_may() {
    let policy = policy(r#"{"governance":{"max_autonomous_steps":2}}"#);
    let mut work = Work::running(Intent { policy, ..intent() });
    work.say(Verb::Progress, "{}").unwrap();
    work.say(Verb::Progress, "{}").unwrap();
    let told = work.refuses(Verb::Progress, "{}");
    assert!(told.contains("max_autonomous_steps"), "{told}");
    work.say(Verb::Complete, "{}").unwrap().unwrap();
}

#[test]
fn a_person_has_to_agree_where_the_policy_says_so() {
    for name in ["require_approval", "require_human_approval"] {
        let policy = policy(&format!(r#"{{"governance":{{"{name}":true}}}}"#));
        let mut work = Work::on(Intent { policy, ..intent() });
        for verb in [Verb::Accept, Verb::Progress, Verb::Complete] {
            let told = work.refuses(verb, "{}");
            assert!(told.contains("admin key"), "{told}");
            // Whoever holds no admin key agrees for nobody.
            work.refuses(verb, r#"{"approve":true}"#);
        }
        let unasked = work.say_as(Verb::Accept, "{}", Some("boss"));
        assert!(unasked.is_err(), "an admin key alone is no word");
        let agreed = work.say_as(Verb::Accept, r#"{"approve":true}"#, Some("boss"));
        agreed.unwrap().unwrap();
        assert_eq!(work.intent.approved_by.as_deref(), Some("boss"));
        work.say(Verb::Complete, "{}").unwrap().unwrap();
    }
}

#[test]
fn what_was_used_elsewhere_is_added_once_and_not_after_the_end() {
    let policy = policy(r#"{"budget":{"max_llm_tokens":100}}"#);
    let mut work = Work::running(Intent { policy, ..intent() });
    let usage = object(r#"{"llm_tokens":90,"duration_seconds":5}"#);
    let account = |work: &Work, dispatch_id: &str| {
        let turn = work
            .intent
            .account(work.status, dispatch_id, &usage, work.now_ms);
        turn.unwrap()
    };
    let turn = account(&work, "d-1").unwrap();
    assert_eq!(turn.status, IntentStatus::Running);
    assert_eq!(turn.told[0].event_type, CallbackEventType::BudgetWarning);
    assert_eq!(turn.intent.usage, object(r#"{"llm_tokens":90}"#));
    work.intent = turn.intent;
    assert!(account(&work, "d-1").is_none());
    let turn = account(&work, "d-2").unwrap();
    assert_eq!(turn.status, IntentStatus::Failed);
    work.status = turn.status;
    assert!(account(&work, "d-3").is_none());
}

#[test]
fn what_nobody_could_keep_is_refused() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(66), "}".repeat(66));
    let long = "x".repeat(5000);
    for (report, told) in [
        (format!(r#"{{"state_delta":{deep}}}"#), "nested deeper"),
        (
            format!(r#"{{"message":"{long}"}}"#),
            "at most 4096 characters",
        ),
        (
            format!(r#"{{"idempotency_key":"{long}"}}"#),
            "at most 256 characters",
        ),
        (r#"{"usage":{"llm_tokens":-1}}"#.to_owned(), "below zero"),
    ] {
        let told_of = Work::running(intent()).refuses(Verb::Progress, &report);
        assert!(told_of.contains(told), "{told_of}");
    }
    let mut work = Work::running(intent());
    let half = "x".repeat(RECORD_MAX_BYTES / 4 + 1);
    let delta = |name: &str| format!(r#"{{"state_delta":{{"{name}":"{half}"}}}}"#);
    work.say(Verb::Progress, &delta("one")).unwrap().unwrap();
    for verb in [Verb::Progress, Verb::Complete] {
        let told = work.refuses(verb, &delta("two"));
        assert!(told.contains("more than 983040 bytes"), "{told}");
    }
    // Its end is never refused for that.
    work.say(Verb::Complete, "{}").unwrap().unwrap();
}

#[test]
fn a_key_of_one_verb_ends_nothing_of_another() {
    let mut work = Work::on(intent());
    let same = r#"{"idempotency_key":"k"}"#;
    for verb in [Verb::Accept, Verb::Progress, Verb::Complete] {
        assert!(work.say(verb, same).unwrap().is_some(), "{verb:?}");
    }
    assert_eq!(work.status, IntentStatus::Completed);
    assert_eq!(work.say(Verb::Complete, same).unwrap().map(|_| ()), None);
}

#[test]
fn no_key_of_an_agent_keeps_the_usage_of_a_part_away_or_lets_it_count_twice() {
    let usage = object(r#"{"llm_tokens":5}"#);
    let mut work = Work::running(intent());
    work.say(Verb::Progress, r#"{"idempotency_key":"d-1"}"#)
        .unwrap();
    let turn = work.intent.account(work.status, "d-1", &usage, NOW);
    work.intent = turn.unwrap().unwrap().intent;
    for at in 0..300 {
        let report = format!(r#"{{"idempotency_key":"k{at}"}}"#);
        work.say(Verb::Progress, &report).unwrap().unwrap();
    }
    let again = work.intent.account(work.status, "d-1", &usage, NOW);
    assert!(again.unwrap().is_none(), "keys that came later push it out");
    assert_eq!(work.intent.usage["llm_tokens"], 5.into());
}

#[test]
fn an_intent_for_nobody_is_for_those_whom_the_policy_names() {
    let open = || Intent {
        agent_id: None,
        policy: policy(r#"{"governance":{"allowed_agents":["analyst"]}}"#),
        ..intent()
    };
    let mut work = Work::on(open());
    for verb in Verb::ALL {
        assert!(
            work.refuses(verb, r#"{"agent_id":"other"}"#)
                .contains("`other`")
        );
        assert!(work.refuses(verb, "{}").contains("`agent_id`"));
    }
    work.say(Verb::Accept, r#"{"agent_id":"analyst"}"#).unwrap();
    assert_eq!(work.intent.agent_id.as_deref(), Some("analyst"));
}

#[test]
fn no_form_of_a_number_takes_a_limit_away() {
    let step = |max: &str, then: Verb| {
        let text = format!(r#"{{"governance":{{"max_autonomous_steps":{max}}}}}"#);
        let mut work = Work::running(Intent {
            policy: policy(&text),
            ..intent()
        });
        work.say(then, "{}").is_ok()
    };
    for (max, is_allowed) in [
        ("false", false),
        ("true", true),
        ("0.5", false),
        ("1.5", true),
    ] {
        assert_eq!(step(max, Verb::Progress), is_allowed, "{max}");
        assert!(step(max, Verb::Complete));
    }
    let mut approved = Work::on(Intent {
        policy: policy(r#"{"governance":{"require_approval":1}}"#),
        ..intent()
    });
    assert!(approved.refuses(Verb::Accept, "{}").contains("agree"));
}
