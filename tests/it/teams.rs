//! Two teams on one server: nothing of one shows in anything of the other (promise 4).

use reqwest::Method;
use serde_json::{Value, json};

use crate::clients::endpoint;
use crate::support::hooks::Endpoint;
use crate::support::http::{Access, answer, escaped};
use crate::support::server::Server;
use crate::support::socket::{Socket, connect_frame};

/// A word that stands only in what the red team has.
const SECRET: &str = "heron";

struct Two {
    _server: Server,
    red: Access,
    blue: Access,
}

/// A server with two teams; the red one has events, an agent and an endpoint whose names hold the secret word.
async fn two_teams() -> Two {
    let server = Server::start();
    let (red, blue) = (server.team("red"), server.team("blue"));
    red.tell("heron-a", "heron-b", "heron body").await;
    red.emit(&json!({"type": "com.heron", "source": "https://heron", "id": "heron-1"}))
        .await
        .expect(202);
    red.put("/api/v1/agents/heron-a", &json!({"name": "Heron"}))
        .await;
    endpoint(&red, "heron-app").await;
    Two {
        _server: server,
        red,
        blue,
    }
}

#[tokio::test]
async fn what_one_team_lists_is_its_own() {
    let two = two_teams().await;
    assert_eq!(two.blue.log().await.len(), 0);
    for path in [
        "/api/v1/events",
        "/api/v1/events?scope=agent_to:heron-b",
        "/api/v1/agents",
        "/api/v1/stats",
    ] {
        let answer = two.blue.get(path).await;
        assert!(
            !answer.text.to_lowercase().contains(SECRET),
            "{path}: {}",
            answer.text
        );
    }
    for path in ["/api/v1/agents/heron-a", "/api/v1/events/heron-1"] {
        let (theirs, nobodys) = (
            two.blue.get(path).await,
            two.blue.get(&path.replace(SECRET, "egret")).await,
        );
        assert_eq!(theirs.status, 404, "{path}: {theirs:#?}");
        assert_eq!(
            theirs.text.replace(SECRET, "egret"),
            nobodys.text,
            "{path} tells that it exists"
        );
    }
    let (mut socket, _) = Socket::connect(&two.blue, &[], "").await;
    for method in ["dashboard.stats", "events.recent"] {
        let response = socket.call(method, Value::Null).await;
        assert!(
            !response.to_string().contains(SECRET),
            "{method}: {response}"
        );
        assert_eq!(response["ok"], true, "{response}");
    }
}

#[tokio::test]
async fn a_key_opens_no_other_team_and_does_not_tell_whether_it_exists() {
    let two = two_teams().await;
    let message = json!({"from": "a", "to": "b", "body": "x"}).to_string();
    for (method, path) in [
        (Method::POST, "/api/v1/agents/messages"),
        (Method::GET, "/api/v1/events"),
        (Method::POST, "/api/v1/events"),
        (Method::GET, "/api/v1/agents"),
        (Method::PUT, "/api/v1/agents/a"),
    ] {
        let call = async |team: &str| {
            let path = format!("{path}?team_id={}", escaped(team));
            let request = two.blue.request(method.clone(), &path);
            answer(
                request
                    .header("content-type", "application/json")
                    .body(message.clone()),
            )
            .await
        };
        let (theirs, nobodys) = (call(&two.red.team).await, call("no-such-team").await);
        theirs.refused(403, "forbidden");
        assert_eq!(
            (theirs.status, &theirs.text),
            (nobodys.status, &nobodys.text),
            "{method} {path}"
        );
    }
    assert_eq!(two.red.log().await.len(), 2, "nothing was stored");
}

#[tokio::test]
async fn a_socket_is_refused_with_the_same_words_whatever_is_wrong() {
    let two = two_teams().await;
    let unknown_key = "kite_deadbeef_00000000000000000000000000000000";
    let mut words = Vec::new();
    for (team, key) in [
        (two.red.team.as_str(), two.blue.key.as_str()),
        ("no-such-team", &two.blue.key),
        (&two.red.team, unknown_key),
        (&two.red.team, "no token at all"),
    ] {
        let mut socket = Socket::open(&two.blue.ws_url).await;
        let foreign = two.blue.with_team(team).with_key(key);
        socket.send(&connect_frame(&foreign, &["*"], "c")).await;
        words.push(socket.expect_refusal(4001).await);
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
}

#[tokio::test]
async fn listeners_with_the_same_client_id_and_agent_hear_only_their_own() {
    let server = Server::start();
    let (red, blue) = (server.team("red"), server.team("blue"));
    let (mut of_red, connected) = Socket::connect(&red, &["*"], "same").await;
    assert_eq!(connected["last_seq"], 0);
    red.tell("a", "agent-alpha", "for red").await;
    assert_eq!(of_red.next_event().await["seq"], 1);

    let (mut of_blue, connected) = Socket::connect(&blue, &["agent_to:agent-alpha"], "same").await;
    assert_eq!(connected["last_seq"], 0, "a cursor belongs to a team");
    of_red.expect_none().await;
    of_blue.expect_none().await;

    blue.tell("a", "agent-alpha", "for blue").await;
    let event = of_blue.next_event().await;
    assert_eq!(
        (&event["seq"], &event["event"]["data"]["body"]),
        (&json!(1), &json!("for blue"))
    );
    of_red.expect_none().await;
}

#[tokio::test]
async fn event_ids_idempotency_keys_numbers_and_counts_are_each_teams_own() {
    let server = Server::start();
    let (red, blue) = (server.team("red"), server.team("blue"));
    let event = json!({"type": "com.demo", "source": "https://demo", "id": "same"});
    let first = red.emit(&event).await.expect(202);
    let second = blue.emit(&event).await.expect(202);
    assert_eq!(
        first["usage"]["events_used"],
        second["usage"]["events_used"]
    );

    let send = async |team: &Access, body: &str| {
        let message = json!({"from": "a", "to": "b", "body": body}).to_string();
        let request = team
            .request(Method::POST, "/api/v1/agents/messages")
            .header("idempotency-key", "same");
        answer(
            request
                .header("content-type", "application/json")
                .body(message),
        )
        .await
        .expect(201)
    };
    let (first, second) = (send(&red, "red").await, send(&blue, "blue").await);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(
        send(&red, "red").await["id"],
        first["id"],
        "the first answer again"
    );
    for (team, body) in [(&red, "red"), (&blue, "blue")] {
        let log = team.log().await;
        let seqs: Vec<_> = log
            .iter()
            .map(|listed| listed["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, [1, 2]);
        assert_eq!(log[1]["event"]["data"]["body"], body);
    }
}

#[tokio::test]
async fn agents_of_the_same_name_are_two() {
    let server = Server::start();
    let (red, blue) = (server.team("red"), server.team("blue"));
    red.put("/api/v1/agents/agent-alpha", &json!({"name": "Red"}))
        .await;
    blue.put("/api/v1/agents/agent-alpha", &json!({"name": "Blue"}))
        .await;
    for (team, name) in [(&red, "Red"), (&blue, "Blue")] {
        let list = team.get("/api/v1/agents").await.expect(200);
        assert_eq!(list["agents"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(list["agents"][0]["name"], name);
    }
}

#[tokio::test]
async fn an_endpoint_of_one_team_is_no_endpoint_of_the_other() {
    let server = Server::start();
    let (red, blue) = (server.team("red"), server.team("blue"));
    let (_, token) = endpoint(&red, "my-app").await;
    let (path, _) = endpoint(&blue, "my-app").await;
    let event =
        json!({"specversion": "1.0", "id": "1", "source": "https://x", "type": "t"}).to_string();
    let hook = red.with_key(&token);
    let foreign = hook.post_event(&path, event.clone()).await;
    foreign.refused(401, "unauthorized");
    for nowhere in [
        "/hooks/no-such-team/my-app".to_owned(),
        path.replace("my-app", "no-such-app"),
    ] {
        let answer = hook.post_event(&nowhere, event.clone()).await;
        assert_eq!(
            (answer.status, &answer.text),
            (401, &foreign.text),
            "{nowhere} can be told apart"
        );
    }
    assert_eq!(red.log().await.len() + blue.log().await.len(), 0);
}

#[tokio::test]
async fn the_size_that_an_endpoint_takes_is_told_to_nobody_who_does_not_know_its_token() {
    let server = Server::start();
    let red = server.team("red");
    for (source, max_bytes) in [("small", 1_000), ("large", 1_000_000)] {
        let params = json!({"source": source, "max_body_bytes": max_bytes});
        let endpoint = Endpoint::create(&red, params).await;
        let nowhere = endpoint.path.replace(source, "no-such-app");
        // Between the two limits, and beyond both.
        for length in [500, 5_000, 400_000, 2_000_000] {
            let body = format!("\"{}\"", "x".repeat(length));
            for headers in [
                &[("content-type", "application/json")][..],
                &[("authorization", "Bearer khk_00000000_0")],
            ] {
                let theirs = endpoint.post(&endpoint.path, headers, body.clone()).await;
                let nobodys = endpoint.post(&nowhere, headers, body.clone()).await;
                assert_eq!(
                    (theirs.status, &theirs.text),
                    (nobodys.status, &nobodys.text),
                    "{source} with {length} bytes"
                );
            }
            let own = endpoint.post_with_token(&[("content-type", "application/json")], body);
            let own = own.await;
            match length < max_bytes {
                true => assert_eq!(own.status, 202, "{own:#?}"),
                false => assert_eq!(
                    (own.status, &own.json["max_bytes"]),
                    (413, &json!(max_bytes)),
                    "{own:#?}"
                ),
            }
        }
    }
    assert_eq!(red.log().await.len(), 4);
}
