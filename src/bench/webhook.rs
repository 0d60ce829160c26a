//! Pushes of GitHub's, signed, for an endpoint that is made for them.

use super::http::Post;
use super::letter::Form;
use super::{BenchError, Target};
use crate::client::Server;
use crate::client::rpc::Caller;
use crate::protocol::id::TeamId;
use crate::protocol::rpc::HooksCreate;
use crate::webhook::sample::{self, Fresh};
use crate::webhook::{self, Headers, Request};

const SOURCE: &str = "github";
const SECRET: &str = "measured";

/// Makes the endpoint, and a delivery whose body has this size. Every delivery has the same body, and an id of its own.
pub(super) async fn prepare(
    target: &Target,
    server: &Server,
    team: &TeamId,
    size: usize,
) -> Result<(Form, Post), BenchError> {
    let mut caller = Caller::open(server, team).await?;
    let params = HooksCreate {
        source: SOURCE.to_owned(),
        webhook_secret: Some(SECRET.to_owned()),
        max_body_bytes: None,
    };
    let endpoint = caller.create_hook(&params).await?.value.endpoint;
    caller.close().await;
    let body = push(size)?;
    let headers = Headers::default();
    let request = Request {
        slug: SOURCE,
        headers: &headers,
        body: body.as_bytes(),
        url: None,
    };
    let mut head = String::from("X-GitHub-Event: push\r\nUser-Agent: GitHub-Hookshot/1\r\n");
    for (name, value) in webhook::sign(&request, SECRET.as_bytes(), 0).unwrap_or_default() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let post = Post::open_to(target, &endpoint, &head, body.len())?;
    Ok((Form::delivery(&body), post))
}

/// The sample of a push, with a message that fills it up.
fn push(size: usize) -> Result<String, BenchError> {
    let fresh = Fresh {
        uuid: "",
        millis: 0,
        time: "2026-01-01T00:00:00Z",
    };
    let sample = |message: &str| {
        let data = format!(r#"{{"head_commit":{{"message":"{message}"}}}}"#);
        let post = sample::post(SOURCE, Some("push"), Some(&data), fresh);
        post.map_or_else(|_| String::new(), |post| post.body)
    };
    let empty = sample("").len();
    let padding = size.checked_sub(empty).ok_or(BenchError::Size(empty))?;
    Ok(sample(&"x".repeat(padding)))
}
