//! The REST calls of a client, typed (spec 7).

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::http::{self, ANSWER_MAX_BYTES, Unread};
use super::{ClientError, Refusal, Server};
use crate::base::backoff::Backoff;
use crate::base::http::cause;
use crate::base::random;
use crate::protocol::agent::MessageRequest;
use crate::protocol::api::{Agent, AgentList, AgentUpdate, EventsPage, ListedEvent, Triggered};
use crate::protocol::id::{AgentId, Seq, TeamId};
use crate::protocol::rpc::{PublishResult, Stats};
use crate::protocol::scope::Scope;

/// What needs no escape in a query or a path segment (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How often a call that may be repeated is sent in all.
const TRIES: u32 = 3;

/// The longest pause between two tries. Somebody waits at the terminal.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The REST face of one server, for one team.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    server: Server,
    team: Option<TeamId>,
}

/// An answer: what was read from it, and its text as it came.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What was read.
    pub value: T,
    /// The text.
    pub text: String,
}

/// What a client needs of the answer to a message. Other servers may leave out the rest.
#[derive(Debug, Clone, Deserialize)]
pub struct Sent {
    /// The event's id.
    pub id: String,
    /// The id of the instance that the receiver is on, where the server took the receiver for `agent@peer`.
    #[serde(default)]
    pub to_instance: Option<String>,
}

/// What a client needs of the answer to several events. Other servers may leave out the rest.
#[derive(Debug, Clone, Deserialize)]
pub struct Results {
    /// What became of each event, in their order.
    pub results: Vec<PublishResult>,
}

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct EventsQuery {
    /// At most this many.
    pub limit: Option<u64>,
    /// Ascending, from behind this one; without it newest first.
    pub after_seq: Option<Seq>,
    /// Alternatives; none means every event.
    pub scopes: Vec<Scope>,
    /// Ascending, from what was stored at this time or later, RFC 3339. Not together with `after_seq`.
    pub since: Option<String>,
}

impl Api {
    /// A client for `server`. `team` goes with every call; left out, the server takes the key's.
    pub fn new(server: &Server, team: Option<TeamId>) -> Result<Self, ClientError> {
        Ok(Self {
            http: http::client(&server.http_base, server.ca_file.as_deref())?,
            server: server.clone(),
            team,
        })
    }

    /// Whom this calls.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// For which team, where that was said.
    pub(super) fn team(&self) -> Option<&TeamId> {
        self.team.as_ref()
    }

    /// `GET /api/v1/stats`: whose key this is.
    pub async fn stats(&self) -> Result<Stats, ClientError> {
        self.call(self.request(Method::GET, "stats", &[])).await
    }

    /// `POST /api/v1/agents/messages`, repeated under the same idempotency key when the answer is lost.
    pub async fn send_message(
        &self,
        message: &MessageRequest,
        idempotency_key: &str,
    ) -> Result<Answer<Sent>, ClientError> {
        self.repeat(|| {
            self.request(Method::POST, "agents/messages", &[])
                .header("Idempotency-Key", idempotency_key)
                .json(message)
        })
        .await
    }

    /// `POST /api/v1/events` with one CloudEvent, repeated when the answer is lost: its id makes that harmless.
    pub async fn post_event(&self, event: &str) -> Result<PublishResult, ClientError> {
        let answer = self.repeat(|| {
            self.request(Method::POST, "events", &[])
                .header(CONTENT_TYPE, "application/cloudevents+json")
                .body(event.to_owned())
        });
        Ok(answer.await?.value)
    }

    /// `POST /api/v1/hooks/{source}/trigger`: a sample of that source, through its endpoint. Not repeated: each is new.
    pub async fn trigger(
        &self,
        source: &str,
        event: Option<&str>,
        data: Option<&RawValue>,
    ) -> Result<Triggered, ClientError> {
        #[derive(Serialize)]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            event: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a RawValue>,
        }
        let path = format!("hooks/{}/trigger", escape(source));
        let request = self.request(Method::POST, &path, &[]);
        self.call(request.json(&Body { event, data })).await
    }

    /// `POST /api/v1/events` with a batch of CloudEvents, each a JSON text; likewise repeated when the answer is lost.
    pub async fn post_batch(&self, events: &[&str]) -> Result<Results, ClientError> {
        let body = format!("[{}]", events.join(","));
        let answer = self.repeat(|| {
            self.request(Method::POST, "events", &[])
                .header(CONTENT_TYPE, "application/cloudevents-batch+json")
                .body(body.clone())
        });
        Ok(answer.await?.value)
    }

    /// `GET /api/v1/events`.
    pub async fn events(&self, query: &EventsQuery) -> Result<EventsPage, ClientError> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        pairs.extend(query.limit.map(|limit| ("limit", limit.to_string())));
        pairs.extend(query.after_seq.map(|seq| ("after_seq", seq.to_string())));
        pairs.extend(query.since.clone().map(|since| ("since", since)));
        pairs.extend(
            query
                .scopes
                .iter()
                .map(|scope| ("scope", scope.to_string())),
        );
        self.call(self.request(Method::GET, "events", &pairs)).await
    }

    /// `GET /api/v1/events/{id}`: the newest with the id.
    pub async fn event(&self, id: &str) -> Result<ListedEvent, ClientError> {
        let path = format!("events/{}", escape(id));
        self.call(self.request(Method::GET, &path, &[])).await
    }

    /// `PUT /api/v1/agents/{id}`.
    pub async fn put_agent(
        &self,
        id: &AgentId,
        update: &AgentUpdate,
    ) -> Result<Agent, ClientError> {
        let path = format!("agents/{}", escape(id.as_str()));
        self.call(self.request(Method::PUT, &path, &[]).json(update))
            .await
    }

    /// `GET /api/v1/agents`.
    pub async fn agents(&self) -> Result<AgentList, ClientError> {
        self.call(self.request(Method::GET, "agents", &[])).await
    }

    /// `GET /api/v1/agents/{id}`.
    pub async fn agent(&self, id: &AgentId) -> Result<Agent, ClientError> {
        let path = format!("agents/{}", escape(id.as_str()));
        self.call(self.request(Method::GET, &path, &[])).await
    }

    fn request(&self, method: Method, path: &str, pairs: &[(&str, String)]) -> RequestBuilder {
        self.request_at(method, &format!("api/v1/{path}"), pairs)
    }

    /// A request to a whole path.
    pub(super) fn request_at(
        &self,
        method: Method,
        path: &str,
        pairs: &[(&str, String)],
    ) -> RequestBuilder {
        let team = self.team.as_ref().map(|team| ("team_id", team.as_str()));
        let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        let url = url(&self.server.http_base, path, team.into_iter().chain(pairs));
        self.http
            .request(method, url)
            .bearer_auth(self.server.key.reveal())
    }

    /// A request to a whole path, which begins with `/`, without the key and the team.
    pub(super) fn request_bare(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.server.http_base);
        self.http.request(method, url)
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        Ok(self.answer(request).await?.value)
    }

    pub(super) async fn answer<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Answer<T>, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|error| self.no_answer(&error))?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let text = http::text(response, ANSWER_MAX_BYTES).await;
        let text = text.map_err(|unread| match unread {
            Unread::Broken(error) => self.no_answer(&error),
            Unread::TooLong(_) => ClientError::Unreadable {
                server: self.server.http_base.clone(),
                why: unread.to_string(),
            },
        })?;
        tracing::debug!(status = status.as_u16(), bytes = text.len(), "answer");
        if !status.is_success() {
            return Err(Refusal::read(status.as_u16(), retry_after.as_deref(), &text).into());
        }
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Answer { value, text }),
            Err(error) => Err(ClientError::Unreadable {
                server: self.server.http_base.clone(),
                why: error.to_string(),
            }),
        }
    }

    /// Sends a request that may arrive twice until there is an answer, [`TRIES`] times at most.
    async fn repeat<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Answer<T>, ClientError> {
        let mut backoff = Backoff::new(Duration::from_millis(250), PAUSE_MAX);
        for _ in 1..TRIES {
            match self.answer(request()).await {
                Err(error) if error.is_worth_repeating() => {
                    tracing::debug!(%error, "trying again");
                    let asked = match &error {
                        ClientError::Refused(refusal) => refusal.retry_after,
                        _ => None,
                    };
                    let pause = backoff.next(random::unit()).max(asked.unwrap_or_default());
                    tokio::time::sleep(pause.min(PAUSE_MAX)).await;
                }
                settled => return settled,
            }
        }
        self.answer(request()).await
    }

    fn no_answer(&self, error: &reqwest::Error) -> ClientError {
        let server = self.server.http_base.clone();
        let why = match error.is_timeout() {
            true => "it took too long".to_owned(),
            false => cause(error),
        };
        match error.is_connect() || error.is_builder() {
            true => ClientError::Unreachable { server, why },
            false => ClientError::Lost { server, why },
        }
    }
}

pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn url<'a>(base: &str, path: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let query: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{base}/{path}{mark}{}", query.join("&"))
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
