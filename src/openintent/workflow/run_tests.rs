//! Runs without a server: what is seen goes in, what is to be started comes out.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DispatchState, IntentStatus};
use crate::openintent::work::{DispatchShown, IntentShown};

fn workflow(steps: &str) -> Workflow {
    let text = format!("openintent: \"1.0\"\ninfo: {{name: Test}}\n{steps}");
    Workflow::read(&text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn object(text: &str) -> Object {
    text.parse::<Json>().unwrap().as_object().unwrap().clone()
}

fn sight(standing: Standing, result: &str) -> Sight {
    Sight {
        standing,
        message: None,
        result: object(result),
        usage: object(r#"{"cost_usd":1}"#),
        created_at: "2027-01-01T00:00:00Z".to_owned(),
        updated_at: "2027-01-01T00:00:02.500Z".to_owned(),
    }
}

/// The names of what is to be started, each with its try.
fn started(run: &mut Run<'_>) -> Vec<String> {
    let steps = &run.workflow().steps;
    let starts = run.advance().into_iter();
    starts
        .map(|it| format!("{} {}", steps[it.step].name, it.attempt))
        .collect()
}

fn stages(run: &Run<'_>) -> Vec<&'static str> {
    run.steps().iter().map(|step| step.stage.word()).collect()
}

#[test]
fn results_are_passed_on_under_their_steps_names_or_as_they_are_wired() {
    let workflow = workflow(
        "\
workflow:
  collect: {assign: a, outputs: [rows], initial_state: {day: today}}
  sum: {assign: b, depends_on: [collect], initial_state: {unit: k}}
  tell:
    assign: c
    depends_on: [collect, sum]
    initial_state: {style: short}
    inputs: {rows: collect.rows, total: sum.total, who: $trigger.who, how: $initial_state.style}
",
    );
    let mut run = Run::new(&workflow, object(r#"{"who":"all"}"#));
    let first = run.advance();
    assert_eq!(first[0].state, object(r#"{"day":"today"}"#));
    assert!(run.advance().is_empty());
    let seen = sight(Standing::Completed, r#"{"rows":7,"secret":1}"#);
    assert!(run.see(0, 1, seen.clone()));
    assert!(!run.see(0, 1, seen), "what is over changes no more");
    let second = run.advance();
    assert_eq!(
        second[0].state,
        object(r#"{"unit":"k","collect":{"rows":7}}"#)
    );
    run.see(1, 1, sight(Standing::Completed, r#"{"total":9}"#));
    let third = run.advance();
    assert_eq!(
        third[0].state,
        object(r#"{"style":"short","how":"short","rows":7,"total":9,"who":"all"}"#)
    );
    run.see(2, 1, sight(Standing::Completed, "{}"));
    assert!(run.is_over() && run.is_completed());
    assert_eq!(run.usage(), object(r#"{"cost_usd":3}"#));
    assert_eq!(seconds(&run.steps()[0]), Some(2.5));
}

#[test]
fn a_failed_step_keeps_its_dependents_from_beginning_and_nobody_else() {
    let workflow = workflow(
        "\
workflow:
  a: {assign: x}
  b: {assign: x, depends_on: [a]}
  c: {assign: x, depends_on: [b]}
  d: {assign: x}
  e: {assign: x, depends_on: [d]}
",
    );
    let mut run = Run::new(&workflow, Object::new());
    assert_eq!(started(&mut run), ["a 1", "d 1"]);
    run.see(0, 1, sight(Standing::Failed, "{}"));
    run.see(3, 1, sight(Standing::Completed, "{}"));
    assert_eq!(started(&mut run), ["e 1"]);
    run.see(4, 1, sight(Standing::Completed, "{}"));
    assert_eq!(
        stages(&run),
        ["failed", "blocked", "blocked", "completed", "completed"]
    );
    assert!(run.is_over() && !run.is_completed());
    let message = run.steps()[2].message.as_deref();
    assert_eq!(message, Some("it waits for `b`, which was not done"));
}

#[test]
fn a_step_is_tried_again_as_often_as_it_may_be() {
    let workflow = workflow(
        "\
workflow:
  a: {assign: x, outputs: {rows: number}, retry: {max_attempts: 3, backoff: linear, initial_delay_ms: 100}}
  b: {assign: x, retry: {max_attempts: 3}}
",
    );
    let mut run = Run::new(&workflow, Object::new());
    assert_eq!(started(&mut run), ["a 1", "b 1"]);
    run.see(0, 1, sight(Standing::Failed, "{}"));
    // Who does not want it will not want it either the next time.
    run.see(1, 1, sight(Standing::Refused, "{}"));
    let again = run.advance();
    assert_eq!((again[0].attempt, again[0].pause.as_millis()), (2, 100));
    assert!(!run.see(0, 1, sight(Standing::Completed, r#"{"rows":1}"#)));
    // A result without what it must have is none.
    run.see(0, 2, sight(Standing::Completed, r#"{"rows":"many"}"#));
    assert_eq!(run.steps()[0].stage, Stage::Again);
    let message = run.steps()[0].message.as_deref().unwrap();
    assert_eq!(
        message,
        "its output `rows` must be of the kind number, not a string"
    );
    assert_eq!(run.advance()[0].pause.as_millis(), 200);
    run.see(0, 3, sight(Standing::Completed, "{}"));
    assert_eq!(stages(&run), ["failed", "failed"]);
    assert_eq!((run.steps()[0].attempts, run.steps()[1].attempts), (3, 1));
    assert_eq!(run.usage(), object(r#"{"cost_usd":4}"#));
}

#[test]
fn no_step_is_tried_again_when_the_money_is_used_up() {
    let workflow = workflow(
        "\
governance: {max_cost_usd: 1}
workflow:
  a: {assign: x, retry: {max_attempts: 3}}
",
    );
    let mut run = Run::new(&workflow, Object::new());
    run.advance();
    run.see(0, 1, sight(Standing::Failed, "{}"));
    assert!(run.advance().is_empty());
    assert_eq!(stages(&run), ["failed"]);
    let message = run.steps()[0].message.as_deref();
    assert_eq!(
        message,
        Some("the 1 USD that the workflow may cost are used up")
    );
}

#[test]
fn what_the_whole_may_cost_is_kept_to() {
    let workflow = workflow(
        "\
governance: {max_cost_usd: 1}
workflow:
  a: {assign: x}
  b: {assign: x, depends_on: [a]}
",
    );
    let mut run = Run::new(&workflow, Object::new());
    run.advance();
    run.see(0, 1, sight(Standing::Completed, "{}"));
    assert!(run.advance().is_empty());
    assert_eq!(stages(&run), ["completed", "blocked"]);
    let message = run.steps()[1].message.as_deref();
    assert_eq!(
        message,
        Some("the 1 USD that the workflow may cost are used up")
    );
}

#[test]
fn an_input_that_is_not_there_fails_its_step() {
    let workflow = workflow(
        "\
workflow:
  a: {assign: x}
  b: {assign: x, depends_on: [a], inputs: {rows: a.rows}}
",
    );
    let mut run = Run::new(&workflow, Object::new());
    run.advance();
    run.see(0, 1, sight(Standing::Completed, "{}"));
    assert!(run.advance().is_empty());
    let message = run.steps()[1].message.as_deref();
    assert_eq!(
        message,
        Some("its input `rows` cannot be had: there is no `a.rows`")
    );
}

#[test]
fn what_servers_show_is_seen_for_what_it_means() {
    let intent = |status| {
        let shown = IntentShown {
            status,
            changes: object(r#"{"status":"fine"}"#),
            ..IntentShown::default()
        };
        Sight::of_intent(&shown)
    };
    assert_eq!(intent(IntentStatus::Declined).standing, Standing::Refused);
    assert_eq!(intent(IntentStatus::Failed).standing, Standing::Failed);
    let done = intent(IntentStatus::Completed);
    assert_eq!(done.result, object(r#"{"status":"fine"}"#));
    let dispatch = |status, state: &str| {
        let shown = DispatchShown {
            status,
            state: object(state),
            message: Some("no".to_owned()),
            ..DispatchShown::default()
        };
        Sight::of_dispatch(&shown)
    };
    let done = dispatch(
        DispatchState::Completed,
        r#"{"status":"completed","rows":7}"#,
    );
    assert_eq!(done.result, object(r#"{"rows":7}"#));
    let own = dispatch(DispatchState::Completed, r#"{"status":"fine"}"#);
    assert_eq!(own.result, object(r#"{"status":"fine"}"#));
    let running = dispatch(DispatchState::Delivered, r#"{"status":"running"}"#);
    assert_eq!(running.standing, Standing::Underway("running"));
    let lost = dispatch(DispatchState::Undelivered, "{}");
    assert_eq!(lost.standing, Standing::Refused);
    assert_eq!(
        lost.message.as_deref(),
        Some("it could not be delivered: no")
    );
    let unwanted = dispatch(DispatchState::Rejected, "{}");
    assert_eq!(unwanted.standing, Standing::Refused);
}

/// A workflow of eight steps that wait only for steps before them, each with up to three tries.
fn any_workflow() -> impl Strategy<Value = Workflow> {
    let needs = proptest::collection::vec(
        proptest::collection::vec(any::<proptest::sample::Index>(), 0..3),
        8,
    );
    let tries = proptest::collection::vec(1..4u32, 8);
    (needs, tries).prop_map(|(needs, tries)| {
        let mut text = "workflow:\n".to_owned();
        for (step, (needs, tries)) in needs.iter().zip(&tries).enumerate() {
            let needs: Vec<String> = match step {
                0 => Vec::new(),
                step => needs.iter().map(|need| format!("s{}", need.index(step))).collect(),
            };
            let needs = needs.join(", ");
            text += &format!(
                "  s{step}: {{assign: a, depends_on: [{needs}], retry: {{max_attempts: {tries}}}}}\n"
            );
        }
        workflow(&text)
    })
}

proptest! {
    /// Whatever becomes of the tries and in whichever order that is seen: a step begins after all that it waits for, each
    /// of its tries once, never more of them than it may have; and the run comes to its end.
    #[test]
    fn a_run_starts_everything_in_its_turn_and_ends(
        workflow in any_workflow(),
        fates in proptest::collection::vec((any::<proptest::sample::Index>(), 0..4u8), 64),
    ) {
        let mut run = Run::new(&workflow, Object::new());
        let mut tries: BTreeMap<usize, u32> = BTreeMap::new();
        let mut open: Vec<(usize, u32)> = Vec::new();
        let mut fates = fates.into_iter().cycle();
        for _ in 0..1000 {
            for start in run.advance() {
                let tried = tries.entry(start.step).or_default();
                *tried += 1;
                prop_assert_eq!(start.attempt, *tried);
                prop_assert!(*tried <= workflow.steps[start.step].retry.attempts);
                for need in workflow.graph.needs(start.step) {
                    prop_assert_eq!(run.steps()[*need].stage, Stage::Completed);
                }
                open.push((start.step, start.attempt));
            }
            if open.is_empty() {
                break;
            }
            let (which, fate) = fates.next().unwrap();
            let at = which.index(open.len());
            let (step, attempt) = open[at];
            let standing = match fate {
                0 => Standing::Underway("running"),
                1 => Standing::Failed,
                2 => Standing::Refused,
                _ => Standing::Completed,
            };
            run.see(step, attempt, sight(standing, "{}"));
            if fate > 0 {
                open.swap_remove(at);
            }
        }
        prop_assert!(run.is_over() || !open.is_empty());
        let is_done = |step: &Progress| step.stage == Stage::Completed;
        prop_assert_eq!(run.is_completed(), run.steps().iter().all(is_done));
    }

    /// Beginning anew and seeing the same again leads to the same: that is how a run goes on after it was lost.
    #[test]
    fn a_run_that_is_begun_anew_asks_for_the_same_things(workflow in any_workflow(), fates in any::<u64>()) {
        let all = |order: fn(&mut Vec<Start>)| {
            let mut run = Run::new(&workflow, Object::new());
            let mut asked = Vec::new();
            loop {
                let mut starts = run.advance();
                if starts.is_empty() {
                    break;
                }
                order(&mut starts);
                for start in starts {
                    let bit = (start.step as u32 * 7 + start.attempt * 3) % 64;
                    let standing = match fates >> bit & 1 {
                        1 => Standing::Completed,
                        _ => Standing::Failed,
                    };
                    let result = format!("{{\"of\":{}}}", start.step);
                    run.see(start.step, start.attempt, sight(standing, &result));
                    asked.push((start.step, start.attempt, start.state));
                }
            }
            asked.sort_by_key(|(step, attempt, _)| (*step, *attempt));
            (asked, stages(&run))
        };
        let forwards = all(|_| {});
        let backwards = all(|starts| starts.reverse());
        prop_assert_eq!(forwards, backwards);
    }
}
