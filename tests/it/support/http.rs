//! Calls to a server's HTTP API with one key.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// A key, the team it is for, and the server it is for.
#[derive(Clone)]
pub(crate) struct Access {
    /// The HTTP base.
    pub(crate) url: String,
    /// The WebSocket address.
    pub(crate) ws_url: String,
    /// The team.
    pub(crate) team: String,
    /// The API key.
    pub(crate) key: String,
    client: Client,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body as it came.
    pub(crate) text: String,
    /// The body as JSON; null when it is none.
    pub(crate) json: Value,
}

impl Answer {
    /// The body of an answer that must have this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "the answer is {self:#?}");
        self.json
    }

    /// Expects an error with this status, a sentence for people and this word for machines.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "the answer is {self:#?}");
        assert_eq!(self.json["code"], code, "the answer is {self:#?}");
        let sentence = self.json["error"].as_str().unwrap_or_default();
        assert!(
            !sentence.is_empty(),
            "an error says what is wrong: {self:#?}"
        );
    }
}

impl Access {
    pub(crate) fn new(url: &str, ws_url: &str, team: &str, key: &str) -> Self {
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only(Vec::new())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            url: url.to_owned(),
            ws_url: ws_url.to_owned(),
            team: team.to_owned(),
            key: key.to_owned(),
            client,
        }
    }

    /// The same, for a server whose certificate this authority has signed.
    pub(crate) fn trusting(&self, ca_file: &Path) -> Self {
        let pem = std::fs::read(ca_file).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_pem(&pem).unwrap()])
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            client,
            ..self.clone()
        }
    }

    /// The same server and team with another key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// The same server and key with another team's name.
    pub(crate) fn with_team(&self, team: &str) -> Self {
        Self {
            team: team.to_owned(),
            ..self.clone()
        }
    }

    /// A request that carries no key yet.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path)
            .header(AUTHORIZATION, format!("Bearer {}", self.key))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        let request = self.request(Method::PUT, path);
        answer(
            request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string()),
        )
        .await
    }

    /// Posts a text as JSON, whatever it is.
    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.request(Method::POST, path);
        answer(
            request
                .header(CONTENT_TYPE, "application/json")
                .body(body.into()),
        )
        .await
    }

    /// Posts a message in the API's own words.
    pub(crate) async fn message(&self, body: impl Into<String>) -> Answer {
        self.post("/api/v1/agents/messages", body).await
    }

    /// Sends a message that must be accepted; its event's id.
    pub(crate) async fn tell(&self, from: &str, to: &str, body: &str) -> String {
        let request = json!({"from": from, "to": to, "body": body}).to_string();
        let accepted = self.message(request).await.expect(201);
        accepted["id"].as_str().unwrap().to_owned()
    }

    /// Posts a CloudEvent; what it lacks of `specversion` is added.
    pub(crate) async fn emit(&self, event: &Value) -> Answer {
        let mut event = event.clone();
        event
            .as_object_mut()
            .unwrap()
            .entry("specversion")
            .or_insert_with(|| "1.0".into());
        self.post_event("/api/v1/events", event.to_string()).await
    }

    /// Posts a structured CloudEvent as text.
    pub(crate) async fn post_event(&self, path: &str, event: impl Into<String>) -> Answer {
        let request = self.request(Method::POST, path);
        answer(
            request
                .header(CONTENT_TYPE, "application/cloudevents+json")
                .body(event.into()),
        )
        .await
    }

    /// The team's whole log in ascending order: objects with `seq`, `created_at`, `event`.
    pub(crate) async fn log(&self) -> Vec<Value> {
        let mut log: Vec<Value> = Vec::new();
        loop {
            let after = log
                .last()
                .map_or(0, |listed| listed["seq"].as_u64().unwrap());
            let page = self
                .get(&format!("/api/v1/events?after_seq={after}&limit=1000"))
                .await
                .expect(200);
            let events = page["events"].as_array().unwrap();
            log.extend(events.iter().cloned());
            if events.is_empty() {
                assert_eq!(
                    page["last_seq"].as_u64().unwrap(),
                    after,
                    "the log ends at its last seq"
                );
                return log;
            }
        }
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    try_answer(request).await.expect("the server answers")
}

/// Sends a request whose answer may never come.
pub(crate) async fn try_answer(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer {
        status,
        headers,
        text,
        json,
    })
}

/// A text as one segment of a path or one value of a query.
pub(crate) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
