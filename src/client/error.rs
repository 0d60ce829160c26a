//! Why a call failed, as a value.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::base::tls::TlsError;
use crate::protocol::address::AddressError;
use crate::protocol::error::ErrorCode;
use crate::protocol::rpc::Failure;

/// What a server said instead of doing it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} ({status})")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The server's sentence, or the body as it came.
    pub text: String,
    /// The machine-readable word, where there is one.
    pub code: Option<String>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

/// The longest piece of an answer that is shown, in characters. A proxy may answer with a whole page.
const SHOWN_MAX_CHARS: usize = 500;

/// What servers of OpenIntent say instead: a sentence, or what is wrong with which member.
fn detail(detail: &Value) -> Option<String> {
    if let Some(text) = detail.as_str() {
        return Some(text.to_owned());
    }
    let first = detail.as_array()?.first()?;
    let place = first["loc"].as_array().into_iter().flatten();
    let place: Vec<&str> = place
        .filter_map(Value::as_str)
        .filter(|name| *name != "body")
        .collect();
    let why = first["msg"].as_str()?;
    Some(match place.is_empty() {
        true => why.to_owned(),
        false => format!("`{}`: {why}", place.join(".")),
    })
}

/// A sentence of OpenIntent's, with what kite says beside it.
fn explained(detail: String, message: &Value) -> String {
    match message.as_str() {
        Some(why) if !why.is_empty() => format!("{detail}: {why}"),
        _ => detail,
    }
}

impl Refusal {
    /// Reads an answer that is no success. Other servers may leave out everything or send no JSON at all.
    pub fn read(status: u16, retry_after_header: Option<&str>, body: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            error: Value,
            detail: Value,
            message: Value,
            code: Value,
            retry_after_secs: Value,
        }
        let members: Body = serde_json::from_str(body).unwrap_or_default();
        let text = match members
            .error
            .as_str()
            .map(str::to_owned)
            .or(detail(&members.detail).map(|detail| explained(detail, &members.message)))
        {
            Some(text) => text,
            None => body.trim().chars().take(SHOWN_MAX_CHARS).collect(),
        };
        let secs = members
            .retry_after_secs
            .as_u64()
            .or_else(|| retry_after_header.and_then(|header| header.trim().parse().ok()));
        Self {
            status,
            text: if text.is_empty() {
                "no explanation".to_owned()
            } else {
                text
            },
            code: members.code.as_str().map(str::to_owned),
            retry_after: secs.map(Duration::from_secs),
        }
    }

    /// Whether the path is not served at all there: the server is older, or another product.
    pub fn is_unserved(&self) -> bool {
        matches!(self.status, 404 | 405)
    }
}

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with something else than success.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No connection came about: the server has not seen the request.
    #[error("cannot reach `{server}`: {why}")]
    Unreachable {
        /// Where it was tried.
        server: String,
        /// What happened.
        why: String,
    },
    /// The connection ended before the answer was complete: the server may have done it.
    #[error("no answer from `{server}`: {why}")]
    Lost {
        /// Who was asked.
        server: String,
        /// What happened.
        why: String,
    },
    /// The server answered with success and a body that makes no sense.
    #[error("`{server}` gave an answer that cannot be read: {why}")]
    Unreadable {
        /// Who answered.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// A WebSocket connection was not let in: error 4001, or 401 or 403 before it was one.
    #[error("the server refused the key: {0}")]
    Denied(String),
    /// The server does not understand this client (error 4002).
    #[error("the server does not understand this client: {0}")]
    Rejected(String),
    /// A call over the WebSocket was answered with a failure (spec 6).
    #[error("{}", .0.error)]
    Failed(Failure),
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ClientError {
    /// That the quota came to its end before an event.
    pub(crate) fn quota_exhausted() -> Self {
        Self::Failed(Failure {
            error: "event quota exhausted".to_owned(),
            code: Some(ErrorCode::PaymentRequired),
            retry_after_secs: None,
        })
    }

    /// Whether the same request may succeed if it is sent again at once (spec 11, as SDKs do).
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.status, 502..=504),
            Self::Lost { .. } => true,
            _ => false,
        }
    }

    /// Whether the server is away, or busy ending or beginning: the same request may succeed later.
    pub fn is_outage(&self) -> bool {
        self.is_worth_repeating() || matches!(self, Self::Unreachable { .. })
    }

    /// Whether another attempt to connect may go better later. What is wrong with the key, with this client or with
    /// its settings stays wrong.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused(_)
            | Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::Unreadable { .. }
            | Self::Failed(_) => true,
            Self::Denied(_) | Self::Rejected(_) | Self::Address(_) | Self::Tls(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::protocol::made_up;

    use super::*;

    #[test]
    fn a_refusal_keeps_what_the_server_said_in_whatever_form() {
        let kite = Refusal::read(403, None, r#"{"error":"no `write`","code":"forbidden"}"#);
        assert_eq!(kite.text, "no `write`");
        assert_eq!(kite.code.as_deref(), Some("forbidden"));
        let limited = Refusal::read(429, Some("7"), r#"{"error":"slow","code":"new_word"}"#);
        assert_eq!(limited.retry_after, Some(Duration::from_secs(7)));
        let reference = Refusal::read(403, None, r#"{"detail":"Source server x not trusted"}"#);
        assert_eq!(reference.text, "Source server x not trusted");
        let blocked = r#"{"detail":"Invalid target server URL","message":"it names no host"}"#;
        assert_eq!(
            Refusal::read(400, None, blocked).text,
            "Invalid target server URL: it names no host"
        );
        let member =
            r#"{"detail":[{"type":"missing","loc":["body","intent_id"],"msg":"Field required"}]}"#;
        assert_eq!(
            Refusal::read(422, None, member).text,
            "`intent_id`: Field required"
        );
        let proxy = Refusal::read(502, None, " <html>bad gateway ");
        assert_eq!(proxy.text, "<html>bad gateway");
        assert_eq!(Refusal::read(500, None, "").text, "no explanation");
        assert_eq!(Refusal::read(500, None, "[1]").text, "[1]");
    }

    proptest! {
        #[test]
        fn every_answer_has_an_explanation(
            body in prop_oneof![
                made_up::json(),
                (made_up::value(), made_up::value()).prop_map(|(error, wait)| {
                    serde_json::json!({"error": error, "code": error, "retry_after_secs": wait}).to_string()
                }),
            ],
            header in proptest::option::of(made_up::text()),
        ) {
            let refusal = Refusal::read(500, header.as_deref(), &body);
            prop_assert!(!refusal.text.is_empty());
        }
    }
}
