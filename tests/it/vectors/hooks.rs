//! Vectors of posts to endpoints, against the real binary: a fresh team for every case.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::file::{cases, run_live};
use super::pattern::compare;
use super::webhooks::HeaderMap;
use crate::support::hooks::Endpoint;
use crate::support::http::{Access, Answer};
use crate::support::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookAuth {
    source: String,
    hook_token: String,
    #[serde(deserialize_with = "Option::deserialize")]
    secret: Option<String>,
    #[serde(deserialize_with = "Option::deserialize")]
    path_token: Option<String>,
    headers: HeaderMap,
    body: String,
    status: u16,
    /// Null where nothing is stored.
    #[serde(deserialize_with = "Option::deserialize")]
    kiteverified: Option<bool>,
}

#[tokio::test]
async fn vectors_hook_auth() {
    let cases = cases("hook_auth");
    if !cases.is_empty() {
        let server = Arc::new(Server::start());
        run_live("hook_auth", cases, |case| {
            check_auth(Arc::clone(&server), case)
        })
        .await;
    }
}

/// Puts the token that the server made in the place of the one that the vectors have. A wrong one stays wrong: it has the
/// right prefix where the vector's has.
fn with_minted(text: &str, vectors: &str, minted: &str) -> String {
    let prefix = |token: &str| token[..=token.rfind('_').unwrap()].to_owned();
    text.replace(vectors, minted)
        .replace(&prefix(vectors), &prefix(minted))
}

#[test]
fn a_wrong_token_stays_wrong() {
    let with_minted = |text: &str| with_minted(text, "khk_0a_11", "khk_0b_22");
    assert_eq!(with_minted("Bearer khk_0a_11"), "Bearer khk_0b_22");
    assert_eq!(with_minted("khk_0a_33"), "khk_0b_33");
    assert_eq!(with_minted("khk_0c_11"), "khk_0c_11");
}

async fn check_auth(server: Arc<Server>, case: HookAuth) {
    let team = server.fresh_team("team of a hook");
    let params = json!({"source": case.source, "webhook_secret": case.secret});
    let endpoint = Endpoint::create(&team, params).await;
    let minted = |text: &String| with_minted(text, &case.hook_token, &endpoint.token);
    let path = match &case.path_token {
        Some(token) => format!("{}/{}", endpoint.path, minted(token)),
        None => endpoint.path.clone(),
    };
    let headers = case.headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), minted(value)));

    let answer = post(&endpoint, &path, &headers.collect(), &case.body).await;

    assert_eq!(answer.status, case.status, "{answer:#?}");
    let log = team.log().await;
    let verified: Vec<_> = log
        .iter()
        .map(|listed| listed["event"]["kiteverified"].as_bool())
        .collect();
    let expected: Vec<_> = case.kiteverified.into_iter().map(Some).collect();
    assert_eq!(verified, expected, "what is stored");
}

async fn post(endpoint: &Endpoint, path: &str, headers: &HeaderMap, body: &str) -> Answer {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    endpoint.post(path, &headers, body).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingest {
    source: String,
    headers: HeaderMap,
    body: Option<String>,
    body_pattern: Option<BodyPattern>,
    status: u16,
    answer: Option<Value>,
    /// What is stored behind the first post, all of it.
    events: Option<Vec<Value>>,
    /// Members that no event has.
    #[serde(default)]
    absent: Vec<String>,
    /// Members that have other values.
    #[serde(default)]
    differs: serde_json::Map<String, Value>,
    /// Whether the same is posted again; then `second` says what comes of it.
    #[serde(default)]
    repeat: bool,
    second: Option<Second>,
    then: Option<Then>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyPattern {
    open: String,
    fill: String,
    count: usize,
    close: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Second {
    status: u16,
    answer: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    body: String,
    status: u16,
    answer: Option<Value>,
}

#[tokio::test]
async fn vectors_ingest() {
    let cases = cases("ingest");
    if !cases.is_empty() {
        let server = Arc::new(Server::start());
        run_live("ingest", cases, |case| {
            check_ingest(Arc::clone(&server), case)
        })
        .await;
    }
}

async fn check_ingest(server: Arc<Server>, case: Ingest) {
    let team = server.fresh_team("team of an ingest");
    let endpoint = Endpoint::create(&team, json!({"source": case.source})).await;
    assert_eq!(endpoint.secret, "", "the endpoint has no secret");
    let body = match (case.body, case.body_pattern) {
        (Some(body), None) => body,
        (None, Some(part)) => {
            format!(
                "{}{}{}",
                part.open,
                part.fill.repeat(part.count),
                part.close
            )
        }
        _ => panic!("a case has either `body` or `body_pattern`"),
    };
    let post = async |body: &str, status: u16, expected: Option<&Value>| {
        let answer = post(&endpoint, &endpoint.path_with_token(), &case.headers, body).await;
        assert_eq!(answer.status, status, "{answer:#?}");
        if let Some(expected) = expected {
            compare(expected, &answer.json).unwrap();
        }
        let results = answer.json["results"].as_array();
        match status {
            202 => results.map_or(1, Vec::len),
            _ => 0,
        }
    };

    let mut accepted = post(&body, case.status, case.answer.as_ref()).await;
    let events = events(&team).await;
    assert_eq!(events.len(), accepted, "what is stored");
    if let Some(expected) = case.events {
        compare(&Value::Array(expected), &Value::Array(events.clone())).unwrap();
    }
    for event in &events {
        for name in &case.absent {
            assert!(event.get(name).is_none(), "`{name}` is in {event}");
        }
        for (name, value) in &case.differs {
            assert_ne!(&event[name], value, "`{name}` of {event}");
        }
    }
    assert_eq!(case.repeat, case.second.is_some(), "both or none");
    if let Some(second) = case.second {
        accepted += post(&body, second.status, second.answer.as_ref()).await;
    }
    if let Some(then) = case.then {
        accepted += post(&then.body, then.status, then.answer.as_ref()).await;
    }
    assert_eq!(team.log().await.len(), accepted, "what is stored at last");
}

async fn events(team: &Access) -> Vec<Value> {
    let log = team.log().await.into_iter();
    log.map(|listed| listed["event"].clone()).collect()
}
