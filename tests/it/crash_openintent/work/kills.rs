//! SIGKILL of who dispatches, of who works, and of both, while a script and a client of the API work.

use serde_json::{Value, json};

use super::{
    BOSS, Diary, KINDS, Pulse, Reports, all_of, check, dispatched, entries, intents, is_completed,
    reports, send, told, work,
};
use crate::crash_openintent::Station;
use crate::support::chance::{Dice, number};
use crate::support::cli::{KITE, Person};
use crate::support::door::Door;
use crate::support::http::Access;
use crate::support::postgres::Cluster;
use crate::support::process::Process;

const ROUNDS: u64 = 5;

/// Each connection to a server loses its answer of this number.
const LOSES: usize = 15;

/// The agents: a command that `kite agent listen` runs, one that speaks HTTP, and one that gives up.
const SCRIPT: &str = "script";
const CLIENT: &str = "client";
const QUITTER: &str = "quitter";

/// What the last one reports, and the kinds of the callbacks that come of it.
fn quits(dispatch: &str) -> Vec<(&'static str, Value)> {
    let mut reports = reports(dispatch);
    reports.truncate(2);
    reports.push((
        "fail",
        json!({"message": "no data", "usage": {"llm_tokens": 1}}),
    ));
    reports
}
const QUIT_KINDS: [&str; 4] = ["status_changed", "state_delta", "attestation", "failed"];

/// The same as the reports of the client. What it has done before it does not do again.
const WORK: &str = r#"set -e
report() {
  verb=$1 key=$2; shift 2
  "$kite" openintent intents "$verb" "$KITE_INTENT_ID" --as script --idempotency-key "step-$key" --quiet "$@" >/dev/null
}
test "$KITE_MESSAGE_TYPE" = openintent.intent
id=$KITE_DISPATCH_ID
report accept 0
report progress 1 --state "{\"step\": 1, \"by\": \"$id\", \"draft\": true}" --usage llm_tokens=50
report progress 2 --state '{"step": 2, "draft": null}' --usage llm_tokens=35
report complete 3 --result "{\"sum\": \"$id\"}" --usage llm_tokens=5,cost_usd=0.25
echo "$id" >> "$done""#;

/// Has the script listen at a server, which it finds wherever that is.
fn employ(at: &Station, done: &Diary) -> (Person, Process) {
    let owner = at.access();
    let (_, path) = owner.ws_url.split_once("://").unwrap();
    let (_, path) = path.split_once('/').unwrap();
    let ws_url = format!("{}/{path}", at.door.url.replacen("http", "ws", 1));
    let access = Access::new(&at.door.url, &ws_url, &owner.team, &owner.key);
    let person = Person::with(&access);
    let script = format!("kite='{KITE}' done='{}'\n{WORK}", done.0.display());
    let listen = ["agent", "listen", "--as", SCRIPT, "--exec", &script];
    let listener = person.listening(&listen);
    (person, listener)
}

async fn whoever_is_killed(a: Option<&str>, b: Option<&str>) {
    let mut dice = Dice::new();
    let doors = [Door::open(Some(LOSES)).await, Door::open(None).await];
    let urls = doors.each_ref().map(|door| door.url.clone());
    let [at_a, at_b] = doors;
    let mut a = Station::behind(at_a, &[&urls[1]], a).await;
    let mut b = Station::behind(at_b, &[&urls[0]], b).await;
    let (pulse, done) = (Pulse::new(), Diary::in_dir(b.dir.path()));
    let _listener = employ(&b, &done);
    let both = || (pulse.clone(), done.clone());
    let more = json!({"federation_policy": {"budget": {"max_llm_tokens": 100}}});
    let agents = vec![SCRIPT, CLIENT, QUITTER];
    let sender = send(a.nodes.follow(), urls[1].clone(), agents, more, both());
    let sender = tokio::spawn(sender);
    let working = Pulse {
        answers: pulse.answers.clone(),
        ..Pulse::new()
    };
    let clients: [(_, Reports); 2] = [(CLIENT, reports), (QUITTER, quits)];
    let clients = clients.map(|(agent, reports)| {
        let both = (working.clone(), done.clone());
        tokio::spawn(work(b.nodes.follow(), agent, reports, both))
    });
    // From here on each has a peer that stands for the other.
    done.has(1).await;
    for _ in 0..number("KITE_CRASH_OPENINTENT_WORK", ROUNDS) {
        pulse.some_moment(&mut dice).await;
        let which = dice.below(3);
        for (station, spared) in [(&mut a, 1), (&mut b, 0)] {
            if which != spared {
                station.kill();
                station.forget_claims();
            }
        }
        for (station, spared) in [(&mut a, 1), (&mut b, 0)] {
            if which != spared {
                station.revive();
            }
        }
    }
    pulse.some_moment(&mut dice).await;
    pulse.end();
    let ids = sender.await.unwrap();
    done.has(ids.len()).await;
    working.end();
    for client in clients {
        client.await.unwrap();
    }
    a.is_drained().await;
    b.is_drained().await;
    for station in [&mut a, &mut b] {
        station.kill_and_revive();
    }

    let times = done.times();
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    check(&a, &b, &ids).await;
    let (told, intents, entries) = (told(&a, BOSS).await, intents(&b).await, entries(&b).await);
    for id in &ids {
        let (dispatch, intent) = (dispatched(&a, id).await, &intents[id]);
        let entries = &entries[intent["intent_id"].as_str().unwrap()];
        let words: Vec<_> = entries.iter().map(|it| &it["event_type"]).collect();
        if intent["agent_id"] == QUITTER {
            assert_eq!(told[id], all_of(id, &QUIT_KINDS));
            assert_eq!(dispatch["status"], "failed", "{dispatch:#}");
            assert_eq!(dispatch["message"], "no data", "{dispatch:#}");
            assert_eq!(dispatch["usage"]["llm_tokens"], 51, "{dispatch:#}");
            assert_eq!(words, ["accept", "progress", "fail"]);
            continue;
        }
        is_completed(&dispatch, 90);
        assert_eq!(told[id], all_of(id, &KINDS));
        let expected = json!({"step": 2, "by": id, "sum": id});
        assert_eq!(intent["state"], expected);
        assert_eq!(words, ["accept", "progress", "progress", "complete"]);
    }
    eprintln!("{} dispatches were done", ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_dispatch_is_done_once_and_told_whichever_server_is_killed() {
    whoever_is_killed(None, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_dispatch_is_done_once_and_told_whichever_server_on_postgresql_is_killed() {
    let databases = [(); 2].map(|()| Cluster::shared().database());
    whoever_is_killed(Some(&databases[0]), Some(&databases[1])).await;
}
