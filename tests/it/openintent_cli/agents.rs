//! Agents at work: commands that `kite agent listen` runs, at real servers.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::cli::{KITE, Kite, Person};
use crate::support::eventually;
use crate::support::openintent::{Node, settings};
use crate::support::process::Process;

/// Two servers, the second of which takes intents of everybody, and who uses them.
struct Pair {
    a: Node,
    b: Node,
    boss: Person,
    worker: Person,
}

impl Pair {
    fn start() -> Self {
        let [a, b] = ["open", "open"].map(|policy| Node::start(&settings(policy, &[])));
        let [boss, worker] = [&a, &b].map(|node| Person::at(&node.server));
        Self { a, b, boss, worker }
    }

    /// An agent at the second server, whose work is this script. `kite` in it is the program under test.
    fn employ(&self, script: &str) -> Process {
        let script = format!("set -e\nkite() {{ '{KITE}' openintent intents \"$@\"; }}\n{script}");
        let listen = ["agent", "listen", "--as", "analyst", "--exec", &script];
        self.worker.listening(&listen)
    }

    /// A dispatch from the first server to the agent at the second.
    fn dispatch(&self, more: &[&str]) -> Kite {
        let to = &*self.b.url;
        let args = ["openintent", "dispatch", "--to", to, "--intent", "i"];
        let agent = ["--agent", "analyst", "--title", "Count"];
        self.boss.kite(&[&args[..], &agent, more].concat())
    }
}

fn json(person: &Person, args: &[&str]) -> Value {
    let args = [&["openintent"], args, &["--json"]].concat();
    person.kite(&args).succeeds().json()
}

#[test]
fn a_command_works_on_an_intent_and_whoever_dispatched_it_gets_the_result() {
    let pair = Pair::start();
    let mut analyst = pair.employ(
        r#"test "$KITE_MESSAGE_TYPE" = openintent.intent
        kite accept >&2
        kite progress --state '{"rows": 7}' --usage llm_tokens=85 --message half >&2
        kite complete --result '{"sum": 42}' --usage llm_tokens=5,cost_usd=0.5 >&2
        echo "$KITE_AGENT_ID $KITE_INTENT_ID $KITE_DISPATCH_ID""#,
    );
    let policy = r#"{"budget": {"max_llm_tokens": 100}}"#;
    let ended = pair
        .dispatch(&["--from", "boss", "--policy", policy, "--wait=1m", "--json"])
        .stderr_has(r#""event":"dispatched""#)
        .stderr_has(r#""status":"completed""#)
        .succeeds()
        .json();
    assert_eq!(ended["state"]["rows"], 7, "{ended}");
    assert_eq!(ended["state"]["sum"], 42);
    assert_eq!(ended["usage"]["llm_tokens"], 90);
    assert_eq!(ended["attestation"]["governance_compliant"], true);
    assert_eq!(ended["budget_warning"]["name"], "max_llm_tokens");
    let id = ended["dispatch_id"].as_str().unwrap();

    let line = analyst.line();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words[0], words[2]), ("analyst", id));
    let intent = json(&pair.worker, &["intents", "show", words[1]]);
    assert_eq!(
        (&intent["status"], &intent["state"]["sum"]),
        (&"completed".into(), &42.into())
    );
    assert_eq!(
        json(&pair.boss, &["dispatches", "show", id])["dispatched_by"],
        "boss"
    );

    // What the boss is told can be told apart without a look at it.
    let told = r#"echo "$KITE_MESSAGE_TYPE $KITE_CALLBACK_EVENT $KITE_DISPATCH_ID""#;
    let listen = [
        "agent",
        "listen",
        "--as",
        "boss",
        "--since",
        "all",
        "--timeout",
        "10s",
    ];
    let heard = pair
        .boss
        .kite(&[&listen[..], &["--count", "6", "--exec", told]].concat());
    let heard = heard.start().end().stdout;
    let kinds: BTreeSet<&str> = heard
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!((words[0], words[2]), ("openintent.callback", id));
            words[1]
        })
        .collect();
    let wanted = [
        "attestation",
        "budget_warning",
        "completed",
        "state_delta",
        "status_changed",
    ];
    assert_eq!(kinds, BTreeSet::from(wanted), "{heard}");

    let reader = [
        "agent",
        "listen",
        "--as",
        "analyst",
        "--since",
        "all",
        "--count",
        "1",
        "--ephemeral",
    ];
    let reader = pair.worker.kite(&reader).succeeds().stdout;
    assert!(
        reader.ends_with(&format!("] {} → analyst: Count\n", pair.a.url)),
        "{reader}"
    );
}

#[test]
fn an_agent_that_gives_up_fails_the_dispatch() {
    let pair = Pair::start();
    let _analyst = pair.employ("kite accept >&2\nkite fail --reason 'no data for May' >&2");
    pair.dispatch(&["--wait=1m"])
        .stdout_has("status: failed")
        .stdout_has("message: no data for May")
        .stderr_has("failed: no data for May")
        .exits(1);
    let failed = ["openintent", "intents", "list", "--status", "failed"];
    pair.worker.kite(&failed).stdout_has("analyst").succeeds();
    // Its end is its end.
    let id = json(&pair.worker, &["intents", "list"])["intent_id"].clone();
    let complete = ["openintent", "intents", "complete", id.as_str().unwrap()];
    pair.worker.kite(&complete).stderr_has("failed").exits(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_and_whoever_reports_outlives_a_kill_of_the_server() {
    let mut pair = Pair::start();
    let waiting = pair
        .dispatch(&["--from", "boss", "--wait=2m", "--json"])
        .start();
    waiting.wait_to_say(r#""status":"delivered""#);
    pair.a.server.kill();
    waiting.wait_to_say(r#""event":"away""#);
    pair.a.server.start_again();

    let id = json(&pair.worker, &["intents", "list"])["intent_id"].clone();
    let id = id.as_str().unwrap();
    json(&pair.worker, &["intents", "accept", id, "--as", "analyst"]);
    pair.b.server.kill();
    let complete = [
        "openintent",
        "intents",
        "complete",
        id,
        "--result",
        r#"{"sum": 42}"#,
    ];
    let report = pair
        .worker
        .kite(&[&complete[..], &["--usage", "calls=1"]].concat())
        .start();
    report.wait_to_say("trying again for up to 5m");
    pair.b.server.start_again();
    let reported = report.end();
    assert_eq!(reported.code, Some(0), "{reported:#?}");
    let shown = json(&pair.worker, &["intents", "show", id]);
    assert_eq!(
        (&shown["status"], &shown["usage"]["calls"]),
        (&"completed".into(), &1.into())
    );
    eventually("the dispatch is completed", async || {
        let listed = json(&pair.boss, &["dispatches", "list"]);
        (listed["status"] == "completed").then_some(())
    })
    .await;
    let ended = waiting.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.json()["state"]["sum"], 42);
}

#[test]
fn an_own_agent_works_for_another() {
    let pair = Pair::start();
    let mut analyst =
        pair.employ("kite accept >&2\nkite complete --result '{\"sum\": 1}' >&2\necho done");
    let assign = [
        "openintent",
        "intents",
        "assign",
        "--agent",
        "analyst",
        "--title",
        "Count",
        "--from",
        "boss",
    ];
    pair.worker
        .kite(&assign)
        .stdout_has("status: accepted")
        .succeeds();
    assert_eq!(analyst.line(), "done");
    let told = "echo $KITE_CALLBACK_EVENT";
    let listen = [
        "agent", "listen", "--as", "boss", "--since", "all", "--count", "3", "--exec", told,
    ];
    let heard = pair.worker.kite(&listen).succeeds().stdout;
    assert_eq!(heard, "status_changed\nattestation\ncompleted\n");
}
