//! Questions to an agent at another instance, and its answers, while both instances are killed.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::DELAY_MAX_MICROS;
use crate::support::GLANCE;
use crate::support::chance::{Dice, number};
use crate::support::http::Access;
use crate::support::instance::{Instance, befriend};
use crate::support::load::{Follower, Nodes};
use crate::support::postgres::Cluster;

/// The one name that the agents of all instances have.
const AGENT: &str = "helper";

const ASKERS: u64 = 3;

/// How many questions each of them has at least; they go on until the last kill.
const QUESTIONS: u64 = 20;

const KILLS: u64 = 6;

/// The same on PostgreSQL, where each costs more; the last is one of both at once.
const KILLS_POSTGRES: u64 = 3;

/// A kill comes after this many answers more at most.
const ANSWERS_MAX: u64 = 8;

/// How long no new answer may come: a claim of a node that died stands for 20 s, an open circuit for 32 s at first.
const STALL_MAX: std::time::Duration = std::time::Duration::from_secs(45);

fn message(access: &Access, key: &str, body: &Value) -> RequestBuilder {
    let request = access.request(Method::POST, "/api/v1/agents/messages");
    let request = request.header(CONTENT_TYPE, "application/json");
    request
        .header("Idempotency-Key", key)
        .body(body.to_string())
}

/// Says something until it is accepted; its event's id.
async fn say(way: &mut Follower, key: &str, body: &Value) -> String {
    let accepted = way.insist(201, |access| message(access, key, body)).await;
    accepted.json["id"].as_str().unwrap().to_owned()
}

/// Asks one question after the other until it is told to stop; the accepted ones: ids and bodies.
async fn ask(
    mut way: Follower,
    asker: u64,
    is_over: watch::Receiver<bool>,
) -> Vec<(String, String)> {
    let mut asked = Vec::new();
    for count in 0.. {
        if count >= QUESTIONS && *is_over.borrow() {
            break;
        }
        let body = format!("question {asker}-{count}");
        let question = json!({"from": AGENT, "to": format!("{AGENT}@b"), "body": body});
        asked.push((say(&mut way, &body, &question).await, body));
        sleep(GLANCE).await;
    }
    asked
}

/// Answers each message that comes to the agent, in order, to where it came from, and counts.
async fn answer_all(mut way: Follower, answers: Arc<watch::Sender<usize>>) {
    let mut after = 0;
    loop {
        let path = format!("/api/v1/events?scope=agent_to:{AGENT}&after_seq={after}&limit=100");
        let page = way
            .insist(200, |access| access.request(Method::GET, &path))
            .await;
        for heard in page.json["events"].as_array().unwrap() {
            after = heard["seq"].as_u64().unwrap();
            let event = &heard["event"];
            let id = event["id"].as_str().unwrap();
            let answer = json!({
                "from": AGENT,
                "to": reply_address(event),
                "body": format!("answer to {}", event["data"]["body"].as_str().unwrap()),
                "reply_to_id": id,
            });
            say(&mut way, id, &answer).await;
            answers.send_modify(|count| *count += 1);
        }
        sleep(GLANCE).await;
    }
}

/// Who sent it, and the last instance that it came by (spec 14.1).
fn reply_address(event: &Value) -> String {
    let chain: Vec<String> = serde_json::from_str(event["kitefedchain"].as_str().unwrap()).unwrap();
    format!(
        "{}@{}",
        event["data"]["from"].as_str().unwrap(),
        chain.last().unwrap()
    )
}

/// Waits until so many more questions are answered, as long as there is progress.
async fn answers_come(answers: &mut watch::Receiver<usize>, more: usize) {
    let wanted = *answers.borrow() + more;
    while *answers.borrow_and_update() < wanted {
        let changed = timeout(STALL_MAX, answers.changed()).await;
        changed.expect("answers come").unwrap();
    }
}

/// The bodies of what a query lists at an instance, by id; nothing twice.
async fn bodies(at: &Instance, scope: &str) -> BTreeMap<String, String> {
    let access = at.server.owner();
    let (mut found, mut after) = (BTreeMap::new(), 0);
    loop {
        let path = format!("/api/v1/events?after_seq={after}&limit=1000{scope}");
        let page = access.get(&path).await.expect(200);
        let events = page["events"].as_array().unwrap();
        let Some(last) = events.last() else {
            return found;
        };
        after = last["seq"].as_u64().unwrap();
        for listed in events {
            let event = &listed["event"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let twice = found.insert(text(&event["id"]), text(&event["data"]["body"]));
            assert_eq!(twice, None, "{} has it twice: {event}", at.name);
        }
    }
}

fn listen(at: &Nodes) -> (JoinHandle<()>, watch::Receiver<usize>) {
    let (answers, count) = watch::channel(0);
    (
        tokio::spawn(answer_all(at.follow(), Arc::new(answers))),
        count,
    )
}

/// Makes one more instance a peer of both, which gets what began at them and nothing that they were sent themselves.
async fn watch_both(c: &Instance, others: [&Instance; 2]) {
    for other in others {
        let [at_other, _] = befriend(other, c).await;
        other.change(&at_other, &json!({"max_hops": 1})).await;
    }
}

async fn are_killed(mut a: Instance, mut b: Instance, kills: u64) {
    let mut dice = Dice::new();
    let c = Instance::start("c").await;
    let [b_at_a, a_at_b] = befriend(&a, &b).await;
    watch_both(&c, [&a, &b]).await;
    let (listener, mut answers) = listen(&b.nodes);
    let (over, is_over) = watch::channel(false);
    let mut askers = JoinSet::new();
    for asker in 0..ASKERS {
        askers.spawn(ask(a.nodes.follow(), asker, is_over.clone()));
    }
    for kill in 0..number("KITE_CRASH_FEDERATION_ROUNDS", kills) {
        let more = 1 + usize::try_from(dice.below(ANSWERS_MAX)).unwrap();
        answers_come(&mut answers, more).await;
        sleep(std::time::Duration::from_micros(
            dice.below(DELAY_MAX_MICROS),
        ))
        .await;
        let (is_a, is_b) = (kill % 3 != 1, kill % 3 != 0);
        let killed = [(&mut a, is_a), (&mut b, is_b)];
        let mut killed: Vec<&mut Instance> = killed
            .into_iter()
            .filter(|it| it.1)
            .map(|it| it.0)
            .collect();
        for instance in &mut killed {
            instance.kill();
            // As if the claims of the one that died had run out.
            let forget = "UPDATE peer_states SET claimed_until = 0 RETURNING 'all'";
            instance.server.sql(forget);
        }
        for instance in &mut killed {
            instance.revive();
        }
        a.reaches(&b_at_a).await;
        b.reaches(&a_at_b).await;
    }
    over.send_replace(true);
    let questions: BTreeMap<String, String> =
        askers.join_all().await.into_iter().flatten().collect();
    let missing = questions.len() - *answers.borrow();
    answers_come(&mut answers, missing).await;
    listener.abort();
    a.is_drained().await;
    b.is_drained().await;
    let word = a
        .server
        .owner()
        .tell("boss", "everybody", "well done")
        .await;
    a.is_drained().await;
    b.is_drained().await;

    let own = format!("&scope=agent_to:{AGENT}");
    let at_b = bodies(&b, &own).await;
    assert_eq!(
        at_b, questions,
        "the agent there has each question and nothing else"
    );
    let at_a = bodies(&a, &own).await;
    let mut answered: Vec<&String> = at_a.values().collect();
    answered.sort();
    let mut expected: Vec<String> = questions
        .values()
        .map(|it| format!("answer to {it}"))
        .collect();
    expected.sort();
    assert_eq!(
        answered,
        expected.iter().collect::<Vec<_>>(),
        "the asker has each answer and nothing else"
    );
    // Each log has both halves of the conversation, once.
    let mut all: BTreeMap<String, String> = questions.into_iter().chain(at_a).collect();
    all.insert(word.clone(), "well done".to_owned());
    for instance in [&a, &b] {
        assert_eq!(bodies(instance, "").await, all, "{}", instance.name);
    }
    let at_c = bodies(&c, "").await;
    assert_eq!(
        at_c.into_keys().collect::<Vec<_>>(),
        [word],
        "the rest was not for it"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_and_each_answer_gets_to_its_agent_once_though_both_instances_are_killed() {
    let (a, b) = (Instance::start("a").await, Instance::start("b").await);
    are_killed(a, b, KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_and_each_answer_gets_to_its_agent_once_on_postgresql_too() {
    let a = Instance::start_on("a", &Cluster::shared().database()).await;
    let b = Instance::start_on("b", &Cluster::shared().database()).await;
    are_killed(a, b, KILLS_POSTGRES).await;
}
