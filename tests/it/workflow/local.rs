//! Runs with agents of one server.

use std::fs;

use serde_json::json;

use super::{Agent, report, run, stages, write};
use crate::support::cli::Person;
use crate::support::openintent::Node;

const COMPLETE: &str = "$kite openintent intents complete --quiet >/dev/null";

#[test]
fn results_are_passed_on_and_a_report_tells_all_of_it() {
    let node = Node::trusting(&[]);
    let one = "$kite openintent intents complete --result '{\"rows\": [3, 4], \"secret\": 1}' --usage \
               llm_tokens=10,cost_usd=0.5 --quiet >/dev/null";
    let _collector = Agent::start(&node, "collector", one);
    let two = "total=$(jq '.data.payload.intent_state.rows | add' <event); $kite openintent intents complete \
               --result \"{\\\"total\\\": $total}\" --usage llm_tokens=5 --quiet >/dev/null";
    let _adder = Agent::start(&node, "adder", two);
    let person = Person::with(&node.access());
    write(
        &person,
        "\
openintent: '1.0'
info: {name: Sums}
workflow:
  collect: {assign: collector, outputs: [rows]}
  add: {assign: adder, depends_on: [collect], inputs: {rows: collect.rows, day: $trigger.day}, outputs: {total: number}}
",
    );
    let more = ["--input", "day=today", "--output", "report.json"];
    let ended = run(&person, &more).succeeds();
    let report = report(&ended);
    assert_eq!(report["status"], "completed");
    assert_eq!(report["steps"][0]["result"], json!({"rows": [3, 4]}));
    assert_eq!(report["steps"][1]["result"], json!({"total": 7}));
    let usage = &report["usage"];
    assert_eq!(
        (&usage["cost_usd"], &usage["llm_tokens"]),
        (&json!(0.5), &json!(15))
    );
    let written = fs::read_to_string(person.home().join("report.json")).unwrap();
    assert_eq!(written.trim(), ended.stdout.lines().last().unwrap());
    let first: serde_json::Value =
        serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["event"], &first["goes_on"]),
        (&"run".into(), &false.into())
    );
    // It is over: the next one is another run.
    let again = super::report(&run(&person, &more).succeeds());
    assert_ne!(again["run_id"], report["run_id"]);
    // For people the same in words.
    person
        .kite(&["openintent", "run", "w.yaml", "--input", "day=today"])
        .stdout_has("Sums: completed (run ")
        .stdout_has("add: {\"total\":7}")
        .stdout_has("used in all: cost_usd=0.5, duration_seconds=")
        .stderr_has("collect: given to collector")
        .stderr_has("add: completed")
        .succeeds();
}

#[test]
fn a_failed_step_is_told_and_what_does_not_need_it_goes_on() {
    let node = Node::trusting(&[]);
    let fail = "$kite openintent intents fail --reason 'no data today' --quiet >/dev/null";
    let failing = Agent::start(&node, "failing", fail);
    let other = Agent::start(&node, "other", COMPLETE);
    let person = Person::with(&node.access());
    write(
        &person,
        "\
openintent: '1.0'
info: {name: Half}
workflow:
  bad: {assign: failing, retry: {max_attempts: 2, initial_delay_ms: 10}}
  after: {assign: other, depends_on: [bad]}
  good: {assign: other}
",
    );
    let report = report(&run(&person, &[]).exits(7));
    assert_eq!(
        stages(&report),
        [
            ("bad", "failed"),
            ("after", "blocked"),
            ("good", "completed")
        ]
    );
    assert_eq!(report["status"], "failed");
    assert_eq!(report["steps"][0]["message"], "no data today");
    assert_eq!(report["steps"][0]["attempts"], 2);
    assert_eq!((failing.done().len(), other.done().len()), (2, 1));
}

#[test]
fn what_is_not_over_in_time_goes_on_with_the_same_command() {
    let node = Node::trusting(&[]);
    let agent = Agent::start(&node, "slow", COMPLETE);
    agent.is_to_wait();
    let person = Person::with(&node.access());
    let text = "openintent: '1.0'\ninfo: {name: Slow}\nworkflow:\n  a: {assign: slow}\n";
    write(&person, text);
    let ended = run(&person, &["--timeout", "1s"]).exits(8);
    let first = report(&ended);
    assert_eq!(first["status"], "timed_out");
    assert!(
        ended.json_error()["hint"]
            .as_str()
            .unwrap()
            .contains("kite openintent run w.yaml")
    );
    agent.begins(1);
    // Another file would be another run.
    write(&person, &text.replace("Slow", "Slower"));
    run(&person, &[])
        .stderr_has("is not what it was when run")
        .stderr_has("--fresh")
        .exits(1);
    write(&person, text);
    agent.may_go_on();
    let ended = run(&person, &[]).stdout_has("\"goes_on\":true").succeeds();
    assert_eq!(report(&ended)["run_id"], first["run_id"]);
    assert_eq!((agent.begun().len(), agent.done().len()), (1, 1));
}

#[test]
fn a_run_that_is_given_up_is_begun_anew_and_an_id_names_one() {
    let node = Node::trusting(&[]);
    let agent = Agent::start(&node, "nobody", COMPLETE);
    agent.is_to_wait();
    let person = Person::with(&node.access());
    write(
        &person,
        "openintent: '1.0'\ninfo: {name: Nobody}\nworkflow:\n  a: {assign: nobody}\n",
    );
    let id = |more: &[&str]| {
        let ended = run(&person, &[&["--timeout", "1s"], more].concat()).exits(8);
        report(&ended)["run_id"].as_str().unwrap().to_owned()
    };
    let first = id(&[]);
    assert_eq!(id(&[]), first);
    assert_ne!(id(&["--fresh"]), first);
    assert_eq!(id(&["--run-id", "nightly-7"]), "nightly-7");
    // Others go on with it by its id, wherever they are.
    let other = Person::with(&node.access());
    fs::copy(person.home().join("w.yaml"), other.home().join("w.yaml")).unwrap();
    agent.may_go_on();
    let report = report(&run(&other, &["--run-id", "nightly-7"]).succeeds());
    assert_eq!(report["steps"][0]["attempts"], 1);
    run(&person, &["--run-id", "no/id"])
        .stderr_has("letters, digits")
        .exits(2);
}

#[test]
fn two_processes_do_not_go_on_with_one_run() {
    let node = Node::trusting(&[]);
    let agent = Agent::start(&node, "slow", COMPLETE);
    agent.is_to_wait();
    let person = Person::with(&node.access());
    write(
        &person,
        "openintent: '1.0'\ninfo: {name: Slow}\nworkflow:\n  a: {assign: slow}\n",
    );
    let first = run(&person, &[]).start();
    agent.begins(1);
    run(&person, &[])
        .stderr_has("another process runs")
        .exits(1);
    first.signal("INT");
    let ended = first.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_eq!(report(&ended)["status"], "interrupted");
    agent.may_go_on();
    run(&person, &[]).succeeds();
    assert_eq!(agent.done().len(), 1);
}
