//! SIGKILL of who dispatches, of who works, and of both, while a script and a client of the API work.

use serde_json::json;

use super::{BOSS, Diary, KINDS, Pulse, all_of, check, entries, intents, send, told, work};
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

/// The agents: a command that `kite agent listen` runs, and one that speaks HTTP.
const SCRIPT: &str = "script";
const CLIENT: &str = "client";

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
    let agents = vec![SCRIPT, CLIENT];
    let sender = send(a.nodes.follow(), urls[1].clone(), agents, more, both());
    let sender = tokio::spawn(sender);
    let client_pulse = Pulse {
        answers: pulse.answers.clone(),
        ..Pulse::new()
    };
    let client = work(
        b.nodes.follow(),
        CLIENT,
        (client_pulse.clone(), done.clone()),
    );
    let client = tokio::spawn(client);
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
    client_pulse.end();
    client.await.unwrap();
    a.is_drained().await;
    b.is_drained().await;
    for station in [&mut a, &mut b] {
        station.kill_and_revive();
    }

    let times = done.times();
    assert!(times.values().all(|count| *count == 1), "{times:?}");
    check(&a, &b, &ids, &json!({"llm_tokens": 90, "cost_usd": 0.25})).await;
    let (told, intents, entries) = (told(&a, BOSS).await, intents(&b).await, entries(&b).await);
    for id in &ids {
        assert_eq!(told[id], all_of(id, &KINDS));
        let expected = json!({"step": 2, "by": id, "sum": id});
        assert_eq!(intents[id]["state"], expected);
        let entries = &entries[intents[id]["intent_id"].as_str().unwrap()];
        let words: Vec<_> = entries.iter().map(|it| &it["event_type"]).collect();
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
