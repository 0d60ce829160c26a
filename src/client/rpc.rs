//! Calls over a WebSocket: a connection without subscription, one answer per request (spec 6).

use std::time::Duration;

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::timeout;

use super::api::{Answer, Results};
use super::connect::{Connector, HANDSHAKE_LIMIT, Socket};
use super::frames::{self, judge, text_of};
use super::handshake::{connect_frame, establish};
use super::http::CALL_LIMIT;
use super::{ClientError, Server};
use crate::protocol::error::ErrorCode;
use crate::protocol::frame::{ClientFrame, FrameFault, Request, ServerFrame};
use crate::protocol::id::TeamId;
use crate::protocol::rpc::{
    ById, EventsPublish, EventsRecent, Failure, HookCreated, HookDeactivated, HookRotated, Hooks,
    HooksCreate, HooksRotateSecret, InstallPrepared, KeyCreated, KeyRevoked, Keys, KeysCreate,
    Method, PrepareInstall, RecentEvents, Stats,
};

/// A connection for calls. It subscribes to nothing and leaves no cursor behind.
pub struct Caller {
    socket: Socket,
    server: String,
    limit: Duration,
    calls: u64,
}

/// The payload of a response, or why there is none.
type Response = Result<Option<Box<RawValue>>, ClientError>;

/// The parameters of a call that takes none.
#[derive(Serialize)]
struct Nothing {}

impl Caller {
    /// Opens a connection.
    pub async fn open(server: &Server, team: &TeamId) -> Result<Self, ClientError> {
        let connector = Connector::new(server)?;
        let connect = connect_frame(server, team, &[], None);
        let (socket, _) = establish(&connector, connect, HANDSHAKE_LIMIT).await?;
        Ok(Self {
            socket,
            server: connector.address().to_owned(),
            limit: CALL_LIMIT,
            calls: 0,
        })
    }

    /// Ends the connection.
    pub async fn close(mut self) {
        frames::close(&mut self.socket).await;
    }

    /// `dashboard.stats`.
    pub async fn stats(&mut self) -> Result<Answer<Stats>, ClientError> {
        self.call(Method::DashboardStats, &Nothing {}).await
    }

    /// `events.recent`: newest first.
    pub async fn recent_events(
        &mut self,
        params: &EventsRecent,
    ) -> Result<Answer<RecentEvents>, ClientError> {
        self.call(Method::EventsRecent, params).await
    }

    /// `hooks.create`.
    pub async fn create_hook(
        &mut self,
        params: &HooksCreate,
    ) -> Result<Answer<HookCreated>, ClientError> {
        self.call(Method::HooksCreate, params).await
    }

    /// `hooks.list`.
    pub async fn hooks(&mut self) -> Result<Answer<Hooks>, ClientError> {
        self.call(Method::HooksList, &Nothing {}).await
    }

    /// `hooks.rotate_secret`.
    pub async fn rotate_hook_secret(
        &mut self,
        params: &HooksRotateSecret,
    ) -> Result<Answer<HookRotated>, ClientError> {
        self.call(Method::HooksRotateSecret, params).await
    }

    /// `hooks.deactivate`.
    pub async fn deactivate_hook(
        &mut self,
        params: &ById,
    ) -> Result<Answer<HookDeactivated>, ClientError> {
        self.call(Method::HooksDeactivate, params).await
    }

    /// `hooks.github.prepare_install`.
    pub async fn prepare_install(
        &mut self,
        params: &PrepareInstall,
    ) -> Result<Answer<InstallPrepared>, ClientError> {
        self.call(Method::HooksGithubPrepareInstall, params).await
    }

    /// `keys.create`.
    pub async fn create_key(
        &mut self,
        params: &KeysCreate,
    ) -> Result<Answer<KeyCreated>, ClientError> {
        self.call(Method::KeysCreate, params).await
    }

    /// `keys.list`.
    pub async fn keys(&mut self) -> Result<Answer<Keys>, ClientError> {
        self.call(Method::KeysList, &Nothing {}).await
    }

    /// `keys.revoke`.
    pub async fn revoke_key(&mut self, params: &ById) -> Result<Answer<KeyRevoked>, ClientError> {
        self.call(Method::KeysRevoke, params).await
    }

    /// Begins `events.publish`, many events in one request, without waiting for its answer; the number that [`Caller::published`] gives with it.
    pub async fn begin_publish(&mut self, params: &EventsPublish<'_>) -> Result<u64, ClientError> {
        let request = self.request(Method::EventsPublish, params);
        self.send(request).await?;
        Ok(self.calls)
    }

    /// Waits for the next answer to a call that was begun: its number, and what was answered. Without calls it waits for
    /// the end of the connection. It may be given up at any moment.
    pub async fn published(&mut self) -> Result<(u64, Result<Results, ClientError>), ClientError> {
        loop {
            let (id, result) = self.response().await?;
            if let Ok(number) = id.parse() {
                let published = result.and_then(|payload| self.read(payload.as_deref()));
                return Ok((number, published.map(|answer| answer.value)));
            }
        }
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        params: &impl Serialize,
    ) -> Result<Answer<T>, ClientError> {
        let request = self.request(method, params);
        let limit = self.limit;
        let answered = timeout(limit, self.exchange(request)).await;
        let payload = answered.unwrap_or_else(|_| {
            Err(ClientError::Lost {
                server: self.server.clone(),
                why: format!("`{}` took longer than {limit:?}", method.name()),
            })
        })?;
        self.read(payload.as_deref())
    }

    fn request(&mut self, method: Method, params: &impl Serialize) -> Request {
        self.calls += 1;
        Request {
            id: self.calls.to_string(),
            method: method.name().to_owned(),
            // Plain data of ours always serialises.
            params: to_raw_value(params).ok(),
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        payload: Option<&RawValue>,
    ) -> Result<Answer<T>, ClientError> {
        let text = payload.map_or("null", RawValue::get).to_owned();
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Answer { value, text }),
            Err(error) => Err(self.unreadable(error.to_string())),
        }
    }

    /// Sends a request and waits for its response, past whatever else the server says.
    async fn exchange(&mut self, request: Request) -> Result<Option<Box<RawValue>>, ClientError> {
        let asked = request.id.clone();
        self.send(request).await?;
        loop {
            let (id, result) = self.response().await?;
            if id == asked {
                return result;
            }
        }
    }

    async fn send(&mut self, request: Request) -> Result<(), ClientError> {
        let sent = frames::send(&mut self.socket, &ClientFrame::Request(request)).await;
        sent.map_err(|verdict| verdict.word(&self.server))
    }

    /// The next response and the id of its request.
    async fn response(&mut self) -> Result<(String, Response), ClientError> {
        loop {
            let read = text_of(self.socket.next().await);
            let Some(text) = read.map_err(|verdict| verdict.word(&self.server))? else {
                continue;
            };
            match ServerFrame::parse(&text) {
                Ok(ServerFrame::Response { id, ok, payload }) => {
                    return Ok(match ok {
                        true => (id, Ok(payload)),
                        false => (id, Err(ClientError::Failed(failure(payload.as_deref())))),
                    });
                }
                Ok(ServerFrame::Error { code, message }) => {
                    return Err(judge(code, &message).word(&self.server));
                }
                // A newer server may say more than this client knows.
                Ok(_) | Err(FrameFault::UnknownType(_)) => {}
                Err(fault) => return Err(self.unreadable(fault.to_string())),
            }
        }
    }

    /// That nothing came for too long.
    pub(super) fn silent(&self, limit: Duration) -> ClientError {
        ClientError::Lost {
            server: self.server.clone(),
            why: format!("no answer within {limit:?}"),
        }
    }

    fn unreadable(&self, why: String) -> ClientError {
        ClientError::Unreadable {
            server: self.server.clone(),
            why,
        }
    }
}

/// Reads the payload of a failure. Other servers may leave out the code, and use words that this client does not know.
fn failure(payload: Option<&RawValue>) -> Failure {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Members {
        error: Value,
        code: Value,
        retry_after_secs: Value,
    }
    let text = payload.map_or("", RawValue::get);
    let members: Members = serde_json::from_str(text).unwrap_or_default();
    let error = match members.error.as_str() {
        Some(error) if !error.is_empty() => error.to_owned(),
        _ => "the server gave no reason".to_owned(),
    };
    let code = serde_json::from_value(members.code).ok();
    Failure {
        code: code.or_else(|| code_in(&error)),
        retry_after_secs: members.retry_after_secs.as_u64(),
        error,
    }
}

/// The code that a sentence without one amounts to: the first line whose word it holds.
fn code_in(sentence: &str) -> Option<ErrorCode> {
    const WORDS: &[(&str, ErrorCode)] = &[
        ("unknown method", ErrorCode::UnknownMethod),
        ("rate limit", ErrorCode::RateLimited),
        ("too many requests", ErrorCode::RateLimited),
        ("permission", ErrorCode::Forbidden),
        ("forbidden", ErrorCode::Forbidden),
        ("not allowed", ErrorCode::Forbidden),
        ("unauthorized", ErrorCode::Forbidden),
        ("not found", ErrorCode::NotFound),
        ("does not exist", ErrorCode::NotFound),
        ("quota", ErrorCode::PaymentRequired),
        ("plan limit", ErrorCode::PaymentRequired),
        ("already exists", ErrorCode::Conflict),
        ("invalid", ErrorCode::BadParams),
        ("missing", ErrorCode::BadParams),
        ("required", ErrorCode::BadParams),
        ("must ", ErrorCode::BadParams),
    ];
    let sentence = sentence.to_lowercase();
    let found = WORDS.iter().find(|(word, _)| sentence.contains(word));
    found.map(|(_, code)| *code)
}

#[cfg(test)]
#[path = "rpc_tests.rs"]
mod tests;
