//! Vectors of the device login, against the real binary.

use std::sync::Arc;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::file::{cases, run_live};
use super::pattern::compare;
use crate::support::http::answer;
use crate::support::login::{Device, approve, decide, expire};
use crate::support::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The method and the path.
    call: String,
    /// What is sent; beside a state it is that login's device code.
    body: Option<Value>,
    state: Option<State>,
    status: u16,
    answer: Value,
}

/// What has become of the login that is asked about.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Pending,
    Granted,
    Redeemed,
    Denied,
    Expired,
    Unknown,
    TooFast,
}

#[tokio::test]
async fn vectors_device_login() {
    let cases = cases::<Case>("device_login");
    if !cases.is_empty() {
        let server = Arc::new(Server::start());
        run_live("device_login", cases, |case| {
            check(Arc::clone(&server), case)
        })
        .await;
    }
}

async fn check(server: Arc<Server>, case: Case) {
    let (method, path) = case.call.split_once(' ').expect("a method and a path");
    let body = match (case.body, case.state) {
        (Some(body), None) => body,
        (None, Some(state)) => json!({"device_code": device_code(&server, state).await}),
        _ => panic!("a case has a body or a state"),
    };
    let method: Method = method.parse().unwrap();
    let request = server
        .owner()
        .bare(method, path)
        .header("content-type", "application/json");
    let answer = answer(request.body(body.to_string())).await;
    assert_eq!(answer.status, case.status, "{answer:#?}");
    compare(&case.answer, &answer.json).unwrap();
}

/// The device code of a login that is in this state.
async fn device_code(server: &Server, state: State) -> String {
    let owner = server.owner();
    let device = Device::begin(&owner).await;
    let code = device.user_code.as_str();
    match state {
        State::Pending => {}
        State::Granted => approve(&owner, code).await,
        State::Redeemed => {
            approve(&owner, code).await;
            assert_eq!(device.word().await, "granted");
        }
        State::Denied => {
            let page = decide(&owner, code, &[("decision", "deny")]).await;
            assert_eq!(page.status, 200, "{page:#?}");
        }
        State::Expired => expire(server, code),
        State::Unknown => return device.device_code.chars().rev().collect(),
        State::TooFast => assert_eq!(device.word().await, "authorization_pending"),
    }
    device.device_code
}
