//! A run over three servers: collect here, analyze at a partner, summarize at a third, whichever of them is killed when.

use serde_json::{Value, json};

use super::{Agent, report, run, stages, write};
use crate::support::cli::Person;
use crate::support::openintent::{Node, address, settings};
use crate::support::process::Process;

/// The servers, their agents, and somebody who runs the workflow.
struct Stage {
    nodes: [Node; 3],
    agents: [Agent; 3],
    person: Person,
}

/// What each script makes of its intent: each works on what the one before has come to.
const SCRIPTS: [(&str, &str); 3] = [
    (
        "data-collector",
        "$kite openintent intents complete --result '{\"rows\": [3, 4]}' --usage llm_tokens=10 --quiet >/dev/null",
    ),
    (
        "remote-analyzer",
        "total=$(jq '.data.payload.intent_state.collect.rows | add' <event); \
         $kite openintent intents progress --state '{\"half\": true}' --quiet >/dev/null; \
         $kite openintent intents complete --result \"{\\\"total\\\": $total}\" --usage llm_tokens=20 --quiet >/dev/null",
    ),
    (
        "report-writer",
        "total=$(jq .data.payload.intent_state.analyze.total <event); \
         $kite openintent intents complete --result \"{\\\"text\\\": \\\"it is $total\\\"}\" --quiet >/dev/null",
    ),
];

impl Stage {
    /// Everybody is there; the partners trust the first server, which does not trust them yet.
    fn set() -> Self {
        let first = Node::start_at(&address(), &settings("allowlist", &[]));
        let partners = [(); 2].map(|()| Node::trusting(&[&first.url]));
        let [second, third] = partners;
        let nodes = [first, second, third];
        let agents = [0, 1, 2].map(|at| Agent::start(&nodes[at], SCRIPTS[at].0, SCRIPTS[at].1));
        let person = Person::with(&nodes[0].access());
        let [_, b, c] = [0, 1, 2].map(|at| nodes[at].url.clone());
        let host = c.trim_start_matches("http://");
        write(
            &person,
            &format!(
                "\
openintent: \"1.0\"
info:
  name: Research across servers
federation:
  trust_policy: allowlist
  visibility_default: public
  peers:
    - url: {b}
      relationship: downstream
      trust_policy: allowlist
    - url: {c}
      relationship: downstream
workflow:
  collect:
    assign: data-collector
  analyze:
    assign: remote-analyzer
    dispatch_to: {b}
    depends_on: [collect]
    delegation_scope:
      permissions: [state.patch, events.log]
      max_delegation_depth: 1
    outputs: [total]
  summarize:
    assign: federation://{host}/report-writer
    depends_on: [analyze]
    delegation_scope: {{permissions: [state.patch], max_delegation_depth: 0}}
"
            ),
        );
        Self {
            nodes,
            agents,
            person,
        }
    }

    /// Starts the run; it is at its step in the middle when this returns, which waits.
    fn begin(&self) -> Process {
        self.agents[1].is_to_wait();
        let process = run(&self.person, &[]).start();
        self.agents[1].begins(1);
        process
    }

    fn kill_and_revive(&mut self, at: usize) {
        self.nodes[at].server.kill();
        self.nodes[at].server.start_again();
    }

    /// Each step was done, and each once.
    fn is_done(&self, report: &Value) {
        let wanted = ["collect", "analyze", "summarize"].map(|step| (step, "completed"));
        assert_eq!(stages(report), wanted, "{report:#}");
        assert_eq!(report["steps"][1]["result"], json!({"total": 7}));
        let text = &report["steps"][2]["result"]["text"];
        assert_eq!(text, "it is 7", "{report:#}");
        assert_eq!(report["usage"]["llm_tokens"], 30, "{report:#}");
        for agent in &self.agents {
            assert_eq!(
                agent.begun().len(),
                1,
                "{} began more than once",
                agent.name
            );
            assert_eq!(agent.done().len(), 1, "{} has done more", agent.name);
        }
    }
}

/// Runs the workflow while one server is killed in the middle of it, and once more while the rest goes on.
fn is_survived_by(at: usize) {
    let mut stage = Stage::set();
    let process = stage.begin();
    stage.nodes[at].server.kill();
    // The script ends while the server is away, and so does whatever follows from that.
    stage.agents[1].may_go_on();
    stage.nodes[at].server.start_again();
    let ended = process.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    stage.is_done(&report(&ended));
}

#[test]
fn a_run_survives_its_own_server() {
    is_survived_by(0);
}

#[test]
fn a_run_survives_the_server_that_works() {
    is_survived_by(1);
}

#[test]
fn a_run_survives_the_server_that_is_to_work_next() {
    is_survived_by(2);
}

#[test]
fn a_run_survives_itself() {
    let mut stage = Stage::set();
    stage.begin().kill();
    // Its server as well, while nobody asks it for anything.
    stage.kill_and_revive(0);
    let mut second = run(&stage.person, &[]).start();
    second.line();
    second.kill();
    stage.agents[1].may_go_on();
    let ended = run(&stage.person, &[])
        .stdout_has("\"goes_on\":true")
        .succeeds();
    stage.is_done(&report(&ended));
    // What was configured for it is not configured again.
    stage
        .person
        .kite(&["openintent", "trust", "list", "--json"])
        .stdout_has("\"downstream\"")
        .succeeds();
}

#[test]
fn a_server_that_does_not_take_a_step_fails_it() {
    let first = Node::trusting(&[]);
    let second = Node::trusting(&[]);
    let person = Person::with(&first.access());
    write(
        &person,
        &format!(
            "openintent: '1.0'\ninfo: {{name: Unwanted}}\nworkflow:\n  a: {{assign: x, dispatch_to: '{}'}}\n",
            second.url
        ),
    );
    let report = report(&run(&person, &[]).exits(7));
    let message = report["steps"][0]["message"].as_str().unwrap();
    assert!(
        message.starts_with("it could not be delivered"),
        "{report:#}"
    );
}

/// A file whose one step nobody does, and which trusts a server.
fn trusting(url: &str) -> String {
    format!(
        "openintent: '1.0'\ninfo: {{name: Trust}}\nfederation:\n  peers: [{{url: '{url}', relationship: downstream}}]\n\
         workflow:\n  a: {{assign: nobody}}\n"
    )
}

#[test]
fn who_may_not_set_trust_is_warned_and_goes_on() {
    let node = Node::trusting(&[]);
    let team = node.access().team;
    let person = Person::with(&node.server.key(&team, "read,write"));
    write(&person, &trusting("https://lab.example"));
    run(&person, &["--timeout", "1s"])
        .stderr_has("whether the team trusts the file's peers cannot be told")
        .exits(8);
}

#[test]
fn a_key_for_a_server_is_not_lost_to_a_file() {
    let node = Node::trusting(&[]);
    let person = Person::with(&node.access());
    let url = "https://lab.example";
    person
        .kite(&[
            "openintent",
            "trust",
            "add",
            url,
            "--relationship",
            "upstream",
            "--api-key",
            "-",
        ])
        .stdin("a-key-of-theirs\n")
        .succeeds();
    write(&person, &trusting(url));
    run(&person, &["--timeout", "1s"])
        .stderr_has("with an API key that a change would lose")
        .exits(1);
    person
        .kite(&["openintent", "trust", "list", "--json"])
        .stdout_has("\"upstream\"")
        .stdout_has("\"has_api_key\":true")
        .succeeds();
}
