//! Addresses that no peer may have, in all their spellings, at the door where people give them (promise 10).

use reqwest::Method;
use serde_json::{Value, json};

use super::hook::Reply;
use super::site::Site;
use crate::support::http::{Access, Answer, answer};
use crate::support::server::Server;

const NEVER: &str = include_str!("../../addresses/never.txt");
const INSIDE: &str = include_str!("../../addresses/inside.txt");

fn spellings(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.starts_with('#'))
}

async fn post(access: &Access, url: &str) -> Answer {
    let body = json!({"name": "inside", "peer_hook_url": url}).to_string();
    access.post("/api/federation/peers", body).await
}

fn is_refused(answer: &Answer, url: &str) {
    assert_eq!(answer.status, 400, "`{url}`: {answer:#?}");
    let sentence = answer.json["error"].as_str().unwrap();
    assert!(sentence.contains("`peer_hook_url`"), "`{url}`: {sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_an_address_inside_becomes_a_peer_or_the_address_of_one() {
    let server = Server::start();
    let owner = server.owner();
    let good = json!({"name": "good", "peer_hook_url": "https://b.invalid/hooks/t/kite"});
    let good = owner
        .post("/api/federation/peers", good.to_string())
        .await
        .expect(201);
    let path = format!("/api/federation/peers/{}", good["id"].as_str().unwrap());
    let mut count = 0;
    for url in spellings(NEVER).chain(spellings(INSIDE)) {
        is_refused(&post(&owner, url).await, url);
        let change = owner.request(Method::PATCH, &path);
        let change = change.body(json!({"peer_hook_url": url}).to_string());
        is_refused(
            &answer(change.header("content-type", "application/json")).await,
            url,
        );
        count += 1;
    }
    assert!(count >= 250, "{count}");
    let peers = owner.get("/api/federation/peers").await.expect(200);
    let urls: Vec<&Value> = peers
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["peer_hook_url"])
        .collect();
    assert_eq!(urls, ["https://b.invalid/hooks/t/kite"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_switch_lets_the_worst_of_them_in() {
    let server = Server::start_with(&["--allow-insecure-peers", "--allow-private-networks"]);
    let owner = server.owner();
    for url in spellings(NEVER) {
        is_refused(&post(&owner, url).await, url);
    }
    assert_eq!(
        owner.get("/api/federation/peers").await.expect(200),
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_this_machine_gets_nothing_more_when_its_switch_is_gone() {
    let site = Site::new();
    let hook = site.hook(|_, _, _| Reply::status(202)).await;
    let mut a = site.instance("a");
    a.add("b", &hook.url("b")).await;
    a.emit("e-1").await;
    hook.has_come("b", 1).await;
    a.until("b", "has it", |health| health["backlog"] == 0)
        .await;
    a.server.stop();
    let ca_file = site.ca_file();
    a.server
        .say(&["--instance-id", "a", "--ca-file", ca_file.to_str().unwrap()]);
    a.server.start_again();
    let connections = hook.connections();
    a.emit("e-2").await;
    let failed = |health: &Value| health["failures"].as_u64() >= Some(1);
    let health = a.until("b", "is refused", failed).await;
    let error = health["last_error"].as_str().unwrap();
    assert!(
        error.contains("allow_insecure_peers") || error.contains("--allow-insecure-peers"),
        "{error}"
    );
    assert_eq!(
        (hook.connections(), health["backlog"].as_u64()),
        (connections, Some(1))
    );
    // It is there for when the switch is back.
    let tried = a
        .person()
        .kite(&["federation", "peers", "test", "b", "--json"])
        .exits(1);
    assert_eq!(tried.json()["status_code"], Value::Null, "{tried:?}");
}
