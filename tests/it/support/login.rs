//! Device logins as their two sides see them: the program that waits, and the person at the page, without a browser.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::cli::Person;
use super::http::{Access, Answer, answer, escaped};
use super::process::Process;
use super::server::Server;

/// A program that waits for a decision.
pub(crate) struct Device {
    access: Access,
    /// What it polls with.
    pub(crate) device_code: String,
    /// What the person sees.
    pub(crate) user_code: String,
}

impl Device {
    /// Begins a login at this server.
    pub(crate) async fn begin(access: &Access) -> Self {
        Self::calling_itself(access, "test").await
    }

    /// Begins a login with this `User-Agent`.
    pub(crate) async fn calling_itself(access: &Access, user_agent: &str) -> Self {
        let request = access
            .bare(Method::POST, "/api/auth/device-code")
            .header("user-agent", user_agent)
            .header("content-type", "application/json");
        let code = answer(request.body("{}")).await.expect(200);
        let text = |name: &str| code[name].as_str().unwrap().to_owned();
        Self {
            access: access.clone(),
            device_code: text("device_code"),
            user_code: text("user_code"),
        }
    }

    /// Asks once whether it was let in.
    pub(crate) async fn poll(&self) -> Answer {
        poll(&self.access, &self.device_code).await
    }

    /// Asks once; the word of an answer that grants nothing.
    pub(crate) async fn word(&self) -> String {
        self.poll().await.json["error"]
            .as_str()
            .unwrap_or("granted")
            .to_owned()
    }
}

/// Asks once with any code.
pub(crate) async fn poll(access: &Access, device_code: &str) -> Answer {
    let body = json!({"device_code": device_code});
    let request = access
        .bare(Method::POST, "/api/auth/device-token")
        .header("content-type", "application/json");
    answer(request.body(body.to_string())).await
}

/// The page that a code leads to.
pub(crate) async fn page(access: &Access, user_code: &str) -> Answer {
    let path = format!("/activate?code={}", escaped(user_code));
    answer(access.bare(Method::GET, &path)).await
}

/// The form of the page, filled in and not sent yet: the key is that of `access`.
pub(crate) fn form(access: &Access, user_code: &str, changes: &[(&str, &str)]) -> RequestBuilder {
    let mut fields = vec![
        ("code", user_code),
        ("permissions", "read,write"),
        ("expires", "0"),
        ("key", &access.key),
        ("decision", "approve"),
    ];
    for (name, value) in changes {
        fields.retain(|(field, _)| field != name);
        fields.push((name, value));
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    access
        .bare(Method::POST, "/activate")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
}

/// Sends the form with these changes.
pub(crate) async fn decide(access: &Access, user_code: &str, changes: &[(&str, &str)]) -> Answer {
    answer(form(access, user_code, changes)).await
}

/// Approves a login as the form offers it.
pub(crate) async fn approve(access: &Access, user_code: &str) {
    let page = decide(access, user_code, &[]).await;
    assert_eq!(page.status, 200, "{page:#?}");
}

/// Lets a code expire: in the database, as the tests do not wait a quarter of an hour.
pub(crate) fn expire(server: &Server, user_code: &str) {
    let expired = server.sql(&format!(
        "UPDATE logins SET expires_at = 1 WHERE user_code = '{user_code}' RETURNING user_code"
    ));
    assert_eq!(expired, user_code, "the login waits");
}

/// A `kite login` that waits for a decision, and the code it shows.
pub(crate) fn waiting(person: &Person, server: &str, more: &[&str]) -> (Process, String) {
    let process = person
        .kite(&[&["login", "--server", server], more].concat())
        .start();
    let code = shown_code(&process);
    (process, code)
}

/// The code that a `kite login` shows.
pub(crate) fn shown_code(process: &Process) -> String {
    process.wait_to_say("lives 15 minutes");
    let said = process.stderr();
    let (_, rest) = said.split_once("the code ").unwrap();
    rest.split(' ').next().unwrap().to_owned()
}

/// The login's line under `--json`.
pub(crate) fn shown_line(process: &Process) -> Value {
    process.wait_to_say("\"expires_in\"");
    serde_json::from_str(process.stderr().lines().next().unwrap()).unwrap()
}
