//! Every call over the WebSocket, and what is subscribed to, with every kind of key.

use kite::protocol::rpc::Method;
use serde_json::{Value, json};

use super::callers::{Callers, Kind};
use super::document::Needs;
use super::estate::{Estate, MARK, PLUMAGE, Thing, nobodys};
use crate::support::socket::{Socket, connect_frame};

/// What a method needs, and its parameters for a thing of a team's. A new method has to be judged here.
fn judged(method: Method) -> (Needs, Option<Thing>, Value) {
    let by_id = json!({"id": "{it}"});
    match method {
        Method::DashboardStats => (Needs::Read, None, json!({})),
        Method::EventsPublish => (
            Needs::Write,
            None,
            json!({"events": [{"specversion": "1.0", "type": "com.note", "source": "s"}]}),
        ),
        Method::EventsRecent => (Needs::Read, None, json!({})),
        Method::HooksCreate => (Needs::Write, None, json!({"source": "own-app"})),
        Method::HooksDeactivate => (Needs::Write, Some(Thing::Endpoint), by_id),
        Method::HooksGithubPrepareInstall => (Needs::Write, None, json!({})),
        Method::HooksList => (Needs::Read, None, json!({})),
        Method::HooksRotateSecret => (
            Needs::Write,
            Some(Thing::Source),
            json!({"source": "{it}", "webhook_secret": "another"}),
        ),
        Method::KeysCreate => (Needs::Admin, None, json!({"name": "a key"})),
        Method::KeysList => (Needs::Read, None, json!({})),
        Method::KeysRevoke => (Needs::Admin, Some(Thing::Key), by_id),
    }
}

fn filled(params: &Value, it: &str) -> Value {
    serde_json::from_str(&params.to_string().replace("{it}", it)).unwrap()
}

#[tokio::test]
async fn every_call_refuses_every_key_that_is_not_for_it_and_another_teams_finds_nothing() {
    let mut estate = Estate::found().await;
    let callers = Callers::of(&estate).await;
    let before = estate.seen().await;
    let mut faults = Vec::new();
    for kind in Kind::ALL {
        // A connection says by its team what it is for; headers and queries say nothing.
        if kind.names_another() {
            continue;
        }
        let team = match kind.is_own() || kind.allows().is_none() {
            true => &estate.owner,
            false => &estate.other,
        };
        let Some(allowed) = kind.allows() else {
            let mut socket = Socket::open(&team.ws_url).await;
            let frame = connect_frame(&team.with_key(callers.key(kind)), &["*"], "c");
            socket.send(&frame).await;
            socket.expect_refusal(4001).await;
            continue;
        };
        // The key of one team, and the name of the other.
        if !kind.is_own() {
            let mut socket = Socket::open(&team.ws_url).await;
            let posing = estate.owner.with_key(callers.key(kind));
            socket.send(&connect_frame(&posing, &["*"], "c")).await;
            socket.expect_refusal(4001).await;
        }
        let (mut socket, _) = Socket::connect(&team.with_key(callers.key(kind)), &[], "").await;
        for method in Method::ALL {
            let (needs, thing, params) = judged(method);
            let name = format!("{}, {}", method.name(), kind.word());
            if allowed >= needs && kind.is_own() {
                continue;
            }
            let it = thing.map_or("", |thing| estate.first(thing)).to_owned();
            let response = socket.call(method.name(), filled(&params, &it)).await;
            if allowed < needs {
                let is_refused =
                    response["ok"] == false && response["payload"]["code"] == "forbidden";
                if !is_refused {
                    faults.push(format!("{name}: it is no refusal: {response}"));
                }
                continue;
            }
            let said = response.to_string().replace(&it, "");
            if said.contains(MARK) || said.contains(PLUMAGE) {
                faults.push(format!("{name}: it names what is the team's: {response}"));
            }
            if thing.is_some() {
                let nobody = nobodys(&it);
                let nobodys = socket.call(method.name(), filled(&params, &nobody)).await;
                let plain = |response: &Value, it: &str| match response["ok"] == true {
                    true => json!(true),
                    false => json!(response.to_string().replace(it, "")),
                };
                if plain(&response, &it) != plain(&nobodys, &nobody) {
                    faults.push(format!("{name}: {response} is not {nobodys}"));
                }
            }
        }
    }
    let after = estate.seen().await;
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        if before != after {
            faults.push(format!("{path}: {before} became {after}"));
        }
    }
    // Else all would be refused where nothing works.
    let (mut socket, _) = Socket::connect(&estate.owner, &[], "").await;
    for method in Method::ALL {
        let (_, thing, params) = judged(method);
        let it = thing.map_or_else(String::new, |thing| estate.take(thing));
        let response = socket.call(method.name(), filled(&params, &it)).await;
        if response["ok"] == false && response["payload"]["code"] != "conflict" {
            faults.push(format!("{}, admin: {response}", method.name()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn a_subscription_hears_what_its_key_may_see_and_moves_no_other_teams_cursor() {
    let estate = Estate::found().await;
    let callers = Callers::of(&estate).await;
    let (owner, other) = (&estate.owner, &estate.other);
    let (mut own, connected) = Socket::connect(owner, &["*"], "listener").await;
    let begun = connected["last_seq"].as_u64().unwrap();
    let agent = estate.first(Thing::Agent);
    let scopes = [
        "*".to_owned(),
        format!("agent_to:{agent}"),
        "type:com.heron".to_owned(),
        "source:api".to_owned(),
    ];
    let mut strangers = Vec::new();
    for kind in [Kind::OtherRead, Kind::OtherWrite, Kind::OtherAdmin] {
        for scope in &scopes {
            let access = other.with_key(callers.key(kind));
            // Each connection but the last of a cursor is replaced by the next.
            let client = format!("listener {} {scope}", kind.word());
            let (mut socket, connected) = Socket::connect(&access, &[scope], &client).await;
            assert_eq!(connected["last_seq"], 0, "{scope}");
            socket.ack(begun + 1).await;
            strangers.push(socket);
        }
    }
    let (namesake, connected) = Socket::connect(other, &["*"], "listener").await;
    assert_eq!(connected["last_seq"], 0, "a cursor belongs to a team");
    strangers.push(namesake);
    let narrow = owner.with_key(callers.key(Kind::Narrow));
    for scope in &scopes {
        let client = format!("narrow {scope}");
        strangers.push(Socket::connect(&narrow, &[scope], &client).await.0);
    }
    owner.tell("heron-boss", agent, PLUMAGE).await;
    assert_eq!(own.next_event().await["seq"], begun + 1);
    for stranger in &mut strangers {
        stranger.expect_none().await;
    }
    drop(own);
    let (mut again, connected) = Socket::connect(owner, &["*"], "listener").await;
    assert_eq!(connected["last_seq"], begun, "nobody else has acknowledged");
    assert_eq!(again.next_event().await["seq"], begun + 1);
}
