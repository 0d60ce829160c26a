//! The calls of OpenIntent (OpenIntent rules, section 13.9): to the own server with its key, to others without any, and
//! what admins say of whom the team trusts.

mod work;

use std::path::Path;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde::de::IgnoredAny;

use super::api::{Answer, Api};
use super::http::{self, Unread};
use super::{ClientError, Refusal};
use crate::base::http::cause;
use crate::openintent::did::{DOCUMENT_PATH, DidDocument};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    DispatchResult, FederatedAgent, FederationManifest, FederationStatus,
};
use crate::protocol::id::AgentId;
use crate::protocol::trust::{
    TeamTrustShown, TrustPolicyDraft, TrustedServerDraft, TrustedServerShown,
};

pub use work::{WorkPage, WorkQuery, call_back_to};

/// Where a server says what it is (section 1).
const MANIFEST_PATH: &str = "/.well-known/openintent-federation.json";

/// The fixed paths of the endpoints (section 3.7).
const STATUS_PATH: &str = "/api/v1/federation/status";
const AGENTS_PATH: &str = "/api/v1/federation/agents";
const DISPATCH_PATH: &str = "/api/v1/federation/dispatch";

/// The path of callbacks, where their URL names no other (section 13.8).
pub const CALLBACK_PATH: &str = "/api/v1/federation/callback";

/// The longest answer of a server that is not one's own, in bytes (section 6.4).
const ANSWER_MAX_BYTES: usize = 256 * 1024;

/// The header that says which server asks (section 12).
const SOURCE_HEADER: &str = "X-Source-Server";

/// The header that says which own agent dispatches.
const AGENT_HEADER: &str = "X-Agent-ID";

impl Api {
    /// GET status.
    pub async fn openintent_status(&self) -> Result<Answer<FederationStatus>, ClientError> {
        let request = self.openintent(Method::GET, STATUS_PATH);
        self.read(request, |answer| {
            FederationStatus::from_json(answer).map_err(|fault| fault.to_string())
        })
        .await
    }

    /// GET agents; `source` is the server that asks, by its URL.
    pub async fn openintent_agents(
        &self,
        source: Option<&str>,
    ) -> Result<Answer<Vec<FederatedAgent>>, ClientError> {
        let request = self.openintent(Method::GET, AGENTS_PATH);
        let request = match source {
            Some(source) => request.header(SOURCE_HEADER, source),
            None => request,
        };
        self.read(request, agents).await
    }

    /// POST dispatch; `from` is the own agent that is told what becomes of it. Without an idempotency key it must not be
    /// repeated: it would be dispatched twice.
    pub async fn dispatch(
        &self,
        body: &Object,
        from: Option<&AgentId>,
    ) -> Result<Answer<DispatchResult>, ClientError> {
        let request = self
            .openintent(Method::POST, DISPATCH_PATH)
            .header(CONTENT_TYPE, "application/json")
            .body(Json::from(body.clone()).to_string());
        let request = match from {
            Some(agent) => request.header(AGENT_HEADER, agent.as_str().as_bytes()),
            None => request,
        };
        self.read(request, |answer| {
            DispatchResult::from_json(answer).map_err(|fault| fault.to_string())
        })
        .await
    }

    /// `GET /api/openintent/trust`.
    pub async fn trust(&self) -> Result<TeamTrustShown, ClientError> {
        self.call(self.request_at(Method::GET, "api/openintent/trust", &[]))
            .await
    }

    /// `PUT /api/openintent/trust/policy`.
    pub async fn set_trust_policy(
        &self,
        draft: &TrustPolicyDraft,
    ) -> Result<TeamTrustShown, ClientError> {
        let request = self.request_at(Method::PUT, "api/openintent/trust/policy", &[]);
        self.call(request.json(draft)).await
    }

    /// `PUT /api/openintent/trust/servers`.
    pub async fn trust_server(
        &self,
        draft: &TrustedServerDraft,
    ) -> Result<Answer<TrustedServerShown>, ClientError> {
        let request = self.request_at(Method::PUT, "api/openintent/trust/servers", &[]);
        self.answer(request.json(draft)).await
    }

    /// `DELETE /api/openintent/trust/servers?url=…`.
    pub async fn distrust_server(
        &self,
        url: &str,
    ) -> Result<Answer<TrustedServerShown>, ClientError> {
        let pairs = [("url", url.to_owned())];
        self.answer(self.request_at(Method::DELETE, "api/openintent/trust/servers", &pairs))
            .await
    }

    /// A request with the key in OpenIntent's own header. The key goes to the login's server alone.
    fn openintent(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.request_bare(method, path);
        request.header("X-API-Key", self.server().key.reveal())
    }

    async fn read<T>(
        &self,
        request: RequestBuilder,
        read: impl FnOnce(&Json) -> Result<T, String>,
    ) -> Result<Answer<T>, ClientError> {
        let answer: Answer<IgnoredAny> = self.answer(request).await?;
        value(&self.server().http_base, answer.text, read)
    }
}

/// A server of somebody, which is shown no key.
#[derive(Debug)]
pub struct Stranger {
    http: reqwest::Client,
    base: String,
}

impl Stranger {
    /// The server at a URL.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(url: &str, ca_file: Option<&Path>) -> Result<Self, ClientError> {
        Ok(Self {
            http: http::client(url, ca_file)?,
            base: url.trim_end_matches('/').to_owned(),
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// GET manifest.
    pub async fn manifest(&self) -> Result<Answer<FederationManifest>, ClientError> {
        let text = self.get(MANIFEST_PATH, None).await?;
        value(&self.base, text, |answer| {
            FederationManifest::from_json(answer).map_err(|fault| fault.to_string())
        })
    }

    /// GET did.json.
    pub async fn document(&self) -> Result<Answer<DidDocument>, ClientError> {
        let text = self.get(DOCUMENT_PATH, None).await?;
        value(&self.base, text, document)
    }

    /// GET agents, at the path that its manifest names.
    pub async fn agents(
        &self,
        path: &str,
        source: Option<&str>,
    ) -> Result<Answer<Vec<FederatedAgent>>, ClientError> {
        // A path that leads to another server is none.
        let is_path = path.starts_with('/') && !path.starts_with("//");
        let path = if is_path { path } else { AGENTS_PATH };
        let text = self.get(path, source).await?;
        value(&self.base, text, agents)
    }

    async fn get(&self, path: &str, source: Option<&str>) -> Result<String, ClientError> {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = match source {
            Some(source) => request.header(SOURCE_HEADER, source),
            None => request,
        };
        text(&self.base, request).await
    }
}

/// The DID document at a URL that a DID says.
///
/// # Errors
/// When it cannot be had or read.
pub async fn document_at(url: &str, ca_file: Option<&Path>) -> Result<DidDocument, ClientError> {
    let client = http::client(url, ca_file)?;
    let text = text(url, client.get(url)).await?;
    Ok(value(url, text, document)?.value)
}

/// The text of an answer, as far as it is short enough.
async fn text(server: &str, request: RequestBuilder) -> Result<String, ClientError> {
    let no_answer = |error: &reqwest::Error| {
        let (server, why) = (server.to_owned(), cause(error));
        match error.is_connect() || error.is_builder() {
            true => ClientError::Unreachable { server, why },
            false => ClientError::Lost { server, why },
        }
    };
    let response = request.send().await.map_err(|error| no_answer(&error))?;
    let status = response.status();
    let text = http::text(response, ANSWER_MAX_BYTES).await;
    let text = text.map_err(|unread| match unread {
        Unread::Broken(error) => no_answer(&error),
        Unread::TooLong(_) => ClientError::Unreadable {
            server: server.to_owned(),
            why: unread.to_string(),
        },
    })?;
    match status.as_u16() {
        200..=299 => Ok(text),
        status => Err(Refusal::read(status, None, &text).into()),
    }
}

/// An answer as a value.
fn value<T>(
    server: &str,
    text: String,
    read: impl FnOnce(&Json) -> Result<T, String>,
) -> Result<Answer<T>, ClientError> {
    let json = Json::read(text.as_bytes()).map_err(|fault| fault.to_string());
    match json.and_then(|json| read(&json)) {
        Ok(value) => Ok(Answer { value, text }),
        Err(why) => Err(ClientError::Unreadable {
            server: server.to_owned(),
            why,
        }),
    }
}

fn document(answer: &Json) -> Result<DidDocument, String> {
    DidDocument::read(answer).map_err(|fault| fault.to_string())
}

/// The agents of an answer, which is a list or has one (section 13.4).
fn agents(answer: &Json) -> Result<Vec<FederatedAgent>, String> {
    let list = answer.get("agents").unwrap_or(answer).as_array();
    let list = list.ok_or("it has no list of agents")?;
    let agents = list.iter().map(FederatedAgent::from_json);
    agents
        .collect::<Result<_, _>>()
        .map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_come_in_two_forms() {
        let read = |text: &str| agents(&text.parse().unwrap());
        let agent = r#"{"agent_id":"a","server_url":"https://s.example"}"#;
        for text in [format!("[{agent}]"), format!(r#"{{"agents":[{agent}]}}"#)] {
            assert_eq!(read(&text).unwrap()[0].agent_id, "a");
        }
        assert!(read("{}").is_err());
        assert!(read(r#"{"agents":[1]}"#).is_err());
    }
}
