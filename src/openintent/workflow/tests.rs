//! Files that are right, and what is said of those that are not.

use super::*;
use crate::openintent::json::Json;
use crate::openintent::model::{AgentVisibility, PeerRelationship, TrustPolicy};

/// A file of these steps, from `workflow:` on.
fn of(steps: &str) -> String {
    format!("openintent: \"1.0\"\ninfo:\n  name: Test\n{steps}")
}

fn workflow(text: &str) -> Workflow {
    Workflow::read(text).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// What is wrong, as it is told.
fn faults(text: &str) -> Vec<String> {
    let faults = Workflow::read(text).unwrap_err();
    faults.iter().map(Fault::to_string).collect()
}

#[test]
fn both_forms_of_federation_are_read() {
    let text = "\
openintent: '1.0'
info: {name: Nightly, version: 2.0, description: all of it}
federation:
  server_did: did:web:research.example
  trust_policy: allowlist
  visibility_default: unlisted
  peers:
    - url: https://lab.example:8443
      relationship: downstream
      trust_policy: open
    - https://other.example
workflow:
  collect:
    assign: collector
    federation_visibility: public
  analyze:
    assign: analyst
    dispatch_to: https://lab.example:8443
    depends_on: [collect]
    delegation_scope: {permissions: [state.patch], max_delegation_depth: 0}
  judge:
    assign: federation://LAB.example:8443/judge
    depends_on: [analyze]
  tell:
    assign: federation://third.example/teller
    depends_on: [judge]
";
    let workflow = workflow(text);
    assert_eq!(workflow.version.as_deref(), Some("2.0"));
    let federation = &workflow.federation;
    assert_eq!(
        federation.server_did.as_deref(),
        Some("did:web:research.example")
    );
    assert_eq!(federation.trust_policy, Some(TrustPolicy::Allowlist));
    assert_eq!(federation.visibility, Some(AgentVisibility::Unlisted));
    assert_eq!(
        federation.peers[0].relationship,
        PeerRelationship::Downstream
    );
    assert_eq!(federation.peers[0].trust_policy, Some(TrustPolicy::Open));
    assert_eq!(federation.peers[1].url, "https://other.example");
    let places: Vec<String> = workflow.steps.iter().map(|it| it.place.words()).collect();
    assert_eq!(
        places,
        [
            "collector",
            "analyst at https://lab.example:8443",
            "judge at https://lab.example:8443",
            "teller at https://third.example"
        ]
    );
    let scope = workflow.steps[1].scope.as_ref().unwrap();
    assert_eq!(
        (scope.max_delegation_depth, scope.permissions.len()),
        (0, 1)
    );
    assert_eq!(workflow.steps[0].title, "Collect");
    assert_eq!(workflow.graph.waves().len(), 4);
    assert_eq!(workflow.warnings, []);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let text = "\
info: {nam: Test}
federation:
  trust_policy: alowlist
  peers:
    - url: ftp://lab.example
    - relationship: peer
workflow:
  collect:
    asign: collector
  analyze:
    assign: federation://lab.example
    depends_on: collect
    retry: {max_attempts: 0}
    delegation_scope: {expires_at: soon, max_delegation_depth: -1}
  analyze:
    assign: x
";
    assert_eq!(
        faults(text),
        [
            "1:1: the version of the format is missing: begin with `openintent: \"1.0\"`",
            "1:1: the name is missing: add `name: …` below `info:`",
            "1:8: there is no key `info.nam`: did you mean `name`?",
            "3:17: `federation.trust_policy` must be `open`, `allowlist` or `trustless`, not `alowlist`",
            "5:12: `ftp://lab.example` is no URL of a server: it must begin with http:// or https://; write https://HOST",
            "6:7: a peer needs its URL: `url: https://partner.example`",
            "8:3: `collect` is assigned to nobody: add `assign: AGENT`, or `assign: federation://HOST/AGENT`",
            "9:5: there is no key `workflow.collect.asign`: did you mean `assign`?",
            "11:13: `federation://lab.example` names no agent: write federation://HOST/AGENT",
            "12:17: `workflow.analyze.depends_on` must be a list, not a string: `[collect]`",
            "13:27: `workflow.analyze.retry.max_attempts` must be a whole number from 1 to 100, not `0`",
            "14:36: `soon` is no time: write it as 2027-01-31T00:00:00Z",
            "14:64: `workflow.analyze.delegation_scope.max_delegation_depth` must be a whole number from 0 to 8, not `-1`",
            "15:3: `analyze` is here twice, first in line 10: remove one of them",
        ]
    );
}

#[test]
fn names_of_steps_are_judged_where_they_are_written() {
    let steps = "\
workflow:
  collect: {assign: a, outputs: [rows]}
  analyze:
    assign: b
    depends_on: [colect, Collect]
    inputs:
      rows: collect.rows
      lines: collect.lines
      other: sum.total
      day: day
      known: $initial_state.known
  sum: {assign: c, depends_on: [nobody]}
";
    assert_eq!(
        faults(&of(steps)),
        [
            "8:18: `analyze` waits for `colect`, which is no step: did you mean `collect`?",
            "11:14: input `lines` of `analyze` asks for `lines`, which is not among the outputs of `collect`: `rows`",
            "12:14: input `other` of `analyze` is from `sum`, which it does not wait for: add it to `depends_on`",
            "13:12: input `day` of `analyze` cannot be `day`: write STEP.NAME, `$trigger.NAME` or `$initial_state.NAME`",
            "14:14: input `known` of `analyze` asks for `known`, which its `initial_state` does not have",
            "15:33: `sum` waits for `nobody`, which is no step: there are `collect`, `analyze`, `sum`",
        ]
    );
}

#[test]
fn a_circle_is_named_step_by_step() {
    let steps = "\
workflow:
  start: {assign: a}
  b: {assign: a, depends_on: [start, d]}
  c: {assign: a, depends_on: [b]}
  d: {assign: a, depends_on: [c]}
";
    assert_eq!(
        faults(&of(steps)),
        [
            "6:3: these steps wait for one another: b -> d -> c -> b; take one of the dependencies away"
        ]
    );
}

#[test]
fn agents_servers_and_budgets_are_judged() {
    let steps = "\
workflow:
  a: {assign: '', dispatch_to: https://lab.example}
  b: {assign: federation://lab.example/x, dispatch_to: https://other.example}
  c: {assign: x, dispatch_to: 'https://me:secret@lab.example'}
  d: {assign: [x, y]}
  e: {assign: x, cost_tracking: {budget_usd: 0}}
  f: {assign: x, cost: {budget_usd: -2}}
  g: 7
";
    let told = faults(&of(steps));
    let wanted = [
        "5:15: `workflow.a.assign` must be a text, not ``",
        "6:56: `dispatch_to` says another server than `assign: federation://lab.example/x`: keep one of them",
        "7:31: `…@lab.example` is no URL of a server: it has a user name or a password; write https://HOST",
        "8:15: `workflow.d.assign` must be a text, not a list",
        "9:3: `workflow.e` can never be done: its budget allows nothing; raise it, or leave it out",
        "10:37: `workflow.f.cost.budget_usd` must be a number that is not below zero, not `-2`",
        "11:3: `workflow.g` must be a mapping, not an integer: write `key: value` lines",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn what_kite_does_nothing_about_is_a_warning() {
    let text = "\
openintent: 1.0
info: {name: Test}
llm: {provider: env}
agents: {collector: {description: d}}
governance:
  require_approval: {when: \"risk == 'HIGH'\"}
workflow:
  collect:
    assign: colector
    leasing: {strategy: global}
    skip_when: never
    outputs: {rows: number, found: Finding, more: {type: array, required: false}}
";
    let workflow = workflow(text);
    let told: Vec<String> = workflow.warnings.iter().map(Fault::to_string).collect();
    assert_eq!(
        told,
        [
            "3:1: `llm` is read over: kite does nothing about it",
            "6:3: `governance.require_approval` with conditions is not evaluated: write `true` to have a person agree to \
             each step",
            "8:3: `colector`, who does `collect`, is not among `agents`: did you mean `collector`?",
            "10:5: `workflow.collect.leasing` is read over: kite does nothing about it",
            "11:5: `workflow.collect.skip_when` is not evaluated: the step is always done",
            "12:5: that `found` is of the type `Finding` is not checked: only string, number, boolean, object and array \
             are",
        ]
    );
}

#[test]
fn limits_of_the_whole_and_of_a_step_hold_together() {
    let text = "\
openintent: '1.0'
info: {name: Test}
governance: {max_cost_usd: 5.00, timeout_hours: 0.5, require_approval: true}
workflow:
  a: {assign: x, cost_tracking: {enabled: true, budget_usd: 2}}
  b: {assign: x, cost_tracking: {enabled: false, budget_usd: 2}, constraints: [be brief]}
  c:
    assign: x
    delegation_scope: {budget_limit: 1}
    federation_policy: {budget: {max_llm_tokens: 10}}
";
    let workflow = workflow(text);
    let budgets: Vec<String> = workflow
        .steps
        .iter()
        .map(|step| Json::from(step.policy.budget.clone()).to_string())
        .collect();
    assert_eq!(
        budgets,
        [
            r#"{"cost_ceiling_usd":2}"#,
            r#"{"cost_ceiling_usd":5.0}"#,
            r#"{"cost_ceiling_usd":1,"max_llm_tokens":10}"#
        ]
    );
    let governance = &workflow.steps[0].policy.governance;
    assert_eq!(governance["require_approval"], true.into());
    assert_eq!(workflow.timeout.unwrap().as_secs(), 1800);
    let rules = Json::from(workflow.steps[1].constraints.clone()).to_string();
    assert_eq!(rules, r#"{"rules":["be brief"]}"#);
}

#[test]
fn what_must_be_given_is_told() {
    let steps = "\
workflow:
  a: {assign: x, inputs: {day: $trigger.day, other: $trigger.other}}
";
    let workflow = workflow(&of(steps));
    let given = [("day".to_owned(), Json::from("today"))].into();
    let missing: Vec<String> = workflow
        .missing(&given)
        .iter()
        .map(Fault::to_string)
        .collect();
    assert_eq!(
        missing,
        ["5:53: `$trigger.other` is not given: say `--input other=VALUE`"]
    );
}

#[test]
fn a_file_has_an_end() {
    let steps: String = (0..=STEPS_MAX)
        .map(|step| format!("  s{step}: {{assign: a}}\n"))
        .collect();
    assert_eq!(
        faults(&of(&format!("workflow:\n{steps}"))),
        ["4:1: there are more than 1000 steps: make several workflows of it"]
    );
    let steps: String = (0..200)
        .map(|step| format!("  s{step}: {{x: a}}\n"))
        .collect();
    assert_eq!(
        faults(&of(&format!("workflow:\n{steps}"))).len(),
        FAULTS_MAX
    );
    for (text, wanted) in [
        ("openintent: '1.0'", "the name is missing"),
        ("- a", "must be a mapping, not a list"),
        (
            "openintent: '2.0'\ninfo: {name: n}\nworkflow: {a: {assign: x}}",
            "version `2.0`",
        ),
        (
            "openintent: '1.0'\ninfo: {name: n}\nworkflow: {}",
            "there are no steps",
        ),
        ("openintent: '1.0'\ninfo: {name: n}", "there are no steps"),
    ] {
        let told = faults(text);
        assert!(told[0].contains(wanted), "{text}: {told:?}");
    }
}

#[test]
fn a_plan_says_where_each_step_is_done_and_under_which_conditions() {
    let steps = "\
workflow:
  collect: {assign: a}
  analyze: {assign: b, dispatch_to: 'https://lab.example', depends_on: [collect], delegation_scope: {permissions: []}}
";
    let plan = plan(&workflow(&of(steps)));
    let analyze = &plan.get("waves").unwrap().as_array().unwrap()[1];
    assert_eq!(
        analyze.to_string(),
        r#"[{"agent":"b","attempts_max":1,"delegation_scope":{"denied_operations":[],"max_delegation_depth":1,"permissions":[]},"depends_on":["collect"],"server":"https://lab.example","step":"analyze","title":"Analyze"}]"#
    );
}
