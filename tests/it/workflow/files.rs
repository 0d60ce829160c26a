//! What is said of a file without any server.

use super::{run, write};
use crate::support::cli::Person;

#[test]
fn all_faults_of_a_file_are_told_with_their_lines_and_columns() {
    let person = Person::new();
    write(
        &person,
        "\
openintent: '1.0'
info: {name: Test}
workflow:
  collect:
    asign: collector
  analyze:
    assign: analyst
    depends_on: [colect]
",
    );
    person
        .kite(&["openintent", "run", "w.yaml"])
        .stdout("")
        .stderr_has("w.yaml:4:3: `collect` is assigned to nobody: add `assign: AGENT`")
        .stderr_has("w.yaml:5:5: there is no key `workflow.collect.asign`: did you mean `assign`?")
        .stderr_has("kite help workflows")
        .exits(2);
    // With the faults of one step mended, what others say of it can be judged.
    write(
        &person,
        "\
openintent: '1.0'
info: {name: Test}
workflow:
  collect: {assign: collector}
  analyze: {assign: analyst, depends_on: [colect]}
",
    );
    let ended = run(&person, &["--dry-run"]).exits(2);
    let error = ended.json_error();
    assert_eq!(error["code"], "usage");
    assert_eq!(
        error["message"],
        "w.yaml:5:43: `analyze` waits for `colect`, which is no step: did you mean `collect`?"
    );
    write(&person, "a: [");
    run(&person, &[]).stderr_has("this is not YAML").exits(2);
    person
        .kite(&["openintent", "run", "no.yaml"])
        .stderr_has("cannot read `no.yaml`")
        .exits(2);
}

#[test]
fn a_file_can_come_on_stdin() {
    let person = Person::new();
    let dry = || person.kite(&["openintent", "run", "-", "--dry-run"]);
    let text = "openintent: \"1.0\"\ninfo:\n  name: piped\nworkflow:\n  one:\n    assign: worker\n";
    dry().stdin(text).stdout_has("piped: 1 step").succeeds();
    dry().stdin("a: [").stderr_has("stdin:2:1:").exits(2);
}

#[test]
fn a_dry_run_shows_the_plan_and_asks_nobody() {
    let person = Person::new();
    write(
        &person,
        "\
openintent: '1.0'
info: {name: Nightly}
llm: {provider: env}
governance: {max_cost_usd: 5, timeout_hours: 2}
federation:
  trust_policy: allowlist
  peers: [{url: 'https://lab.example', relationship: downstream, trust_policy: open}]
workflow:
  collect: {assign: collector}
  look: {assign: onlooker}
  analyze:
    assign: federation://lab.example/analyst
    depends_on: [collect]
    delegation_scope: {permissions: [state.patch], max_delegation_depth: 0}
    retry: {max_attempts: 3}
  tell: {assign: teller, depends_on: [analyze, look], inputs: {day: $trigger.day}}
",
    );
    person
        .kite(&[
            "openintent",
            "run",
            "w.yaml",
            "--dry-run",
            "--input",
            "day=7",
        ])
        .stdout(
            "\
Nightly: 4 steps
  trust policy: allowlist
  trust https://lab.example as downstream, open
  at most 5 USD
  at most 2 hours
1.
  collect: collector
    budget: {\"cost_ceiling_usd\":5}
  look: onlooker
    budget: {\"cost_ceiling_usd\":5}
2.
  analyze: analyst at https://lab.example, after collect
    may state.patch; further hops: 0
    budget: {\"cost_ceiling_usd\":5}
    up to 3 tries
3.
  tell: teller, after analyze, look
    budget: {\"cost_ceiling_usd\":5}
",
        )
        .stderr_has("warning: w.yaml:3:1: `llm` is read over")
        .succeeds();
    let plan = run(&person, &["--dry-run", "--input", "day=7"])
        .succeeds()
        .json();
    assert_eq!(plan["waves"][1][0]["server"], "https://lab.example");
    assert_eq!(plan["peers"][0]["trust_policy"], "open");
    run(&person, &["--dry-run"])
        .stderr_has("`$trigger.day` is not given: say `--input day=VALUE`")
        .exits(2);
    run(&person, &["--dry-run", "--input", "day"])
        .stderr_has("use NAME=VALUE")
        .exits(2);
}
