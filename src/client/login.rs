//! Device login, the program's side: ask for a code, wait until a person has decided (spec 4, RFC 8628).

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::http::{self, Unread};
use super::{ClientError, Refusal};
use crate::base::http::chain;
use crate::protocol::login::{DeviceCode, DeviceTokenRequest, Granted, LoginError};

/// How long an answer may be, in bytes: it holds a key or two addresses.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// By how much `slow_down` lengthens the interval, for good (RFC 8628, 3.5).
const SLOW_DOWN: Duration = Duration::from_secs(5);

/// The bounds of an interval: what a server asks for outside of them is a mistake.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// Why a login gave no key.
#[derive(Debug, thiserror::Error)]
pub enum LoginFault {
    /// Nobody decided in time.
    #[error("the code has expired")]
    Expired,
    /// The person said no.
    #[error("the login was denied")]
    Denied,
    /// The server ended it with a word of its own.
    #[error("the server ended the login: {0}")]
    Ended(String),
    /// A call failed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What one answer to a poll means.
enum Verdict {
    Granted(Granted),
    Wait,
    SlowDown,
    End(LoginFault),
}

/// A server that logins are asked from.
pub struct DeviceLogin {
    http: reqwest::Client,
    base: String,
}

impl DeviceLogin {
    /// Prepares a login at the server with an HTTP base.
    pub fn new(base: &str, ca_file: Option<&Path>) -> Result<Self, ClientError> {
        Ok(Self {
            http: http::client(base, ca_file)?,
            base: base.to_owned(),
        })
    }

    /// Asks for a code.
    pub async fn begin(&self) -> Result<DeviceCode, ClientError> {
        let (status, text) = self.post("device-code", "{}".to_owned()).await?;
        if status != 200 {
            return Err(Refusal::read(status, None, &text).into());
        }
        let mut code: DeviceCode = parse(&text).map_err(|why| ClientError::Unreadable {
            server: self.base.clone(),
            why,
        })?;
        if code.verification_url.is_empty() {
            code.verification_url = format!("{}/activate", self.base);
        }
        Ok(code)
    }

    /// Asks until somebody has decided. What is lost on the way is asked again.
    pub async fn wait(&self, code: &DeviceCode) -> Result<Granted, LoginFault> {
        let end = Instant::now() + Duration::from_secs(code.expires_in);
        let mut interval = Duration::from_secs(code.interval).clamp(INTERVAL_MIN, INTERVAL_MAX);
        loop {
            if Instant::now() + interval >= end {
                return Err(LoginFault::Expired);
            }
            sleep(interval).await;
            match self.ask(code).await {
                Verdict::Granted(granted) => return Ok(granted),
                Verdict::Wait => {}
                Verdict::SlowDown => interval += SLOW_DOWN,
                Verdict::End(fault) => return Err(fault),
            }
        }
    }

    async fn ask(&self, code: &DeviceCode) -> Verdict {
        let request = DeviceTokenRequest {
            device_code: code.device_code.clone(),
        };
        // Strings only: it always serialises.
        let body = serde_json::to_string(&request).unwrap_or_default();
        match self.post("device-token", body).await {
            Ok((status, text)) => judge(status, &text),
            Err(error) => {
                tracing::debug!(%error, "asking again");
                Verdict::Wait
            }
        }
    }

    async fn post(&self, path: &str, body: String) -> Result<(u16, String), ClientError> {
        let url = format!("{}/api/auth/{path}", self.base);
        let unreachable = |error: reqwest::Error| ClientError::Unreachable {
            server: self.base.clone(),
            why: chain(&error),
        };
        let answer = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = http::text(answer, ANSWER_MAX_BYTES).await;
        let text = text.map_err(|unread| match unread {
            Unread::Broken(error) => unreachable(error),
            Unread::TooLong(_) => ClientError::Unreadable {
                server: self.base.clone(),
                why: unread.to_string(),
            },
        })?;
        Ok((status, text))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// What an answer means. One that is no JSON comes from something in between: ask again.
fn judge(status: u16, text: &str) -> Verdict {
    if status == 200 {
        return parse(text).map_or(Verdict::Wait, Verdict::Granted);
    }
    let Ok(LoginError { error }) = parse(text) else {
        return Verdict::Wait;
    };
    match error.as_str() {
        "authorization_pending" => Verdict::Wait,
        "slow_down" => Verdict::SlowDown,
        "expired_token" => Verdict::End(LoginFault::Expired),
        "access_denied" => Verdict::End(LoginFault::Denied),
        // A server that is busy or ending answers in sentences.
        _ if status >= 500 || status == 429 => Verdict::Wait,
        _ => Verdict::End(LoginFault::Ended(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, text: &str) -> String {
        match judge(status, text) {
            Verdict::Granted(granted) => granted.team_id,
            Verdict::Wait => "wait".to_owned(),
            Verdict::SlowDown => "slow down".to_owned(),
            Verdict::End(fault) => fault.to_string(),
        }
    }

    #[test]
    fn every_answer_of_the_rfc_is_understood() {
        let granted = r#"{"api_key":"kite_0a1b2c3d_0011223344556677","team_id":"acme"}"#;
        assert_eq!(verdict(200, granted), "acme");
        assert_eq!(verdict(400, r#"{"error":"authorization_pending"}"#), "wait");
        assert_eq!(verdict(400, r#"{"error":"slow_down"}"#), "slow down");
        assert_eq!(
            verdict(400, r#"{"error":"expired_token"}"#),
            "the code has expired"
        );
        assert_eq!(
            verdict(403, r#"{"error":"access_denied"}"#),
            "the login was denied"
        );
        assert_eq!(
            verdict(400, r#"{"error":"odd"}"#),
            "the server ended the login: odd"
        );
    }

    #[test]
    fn what_is_no_answer_of_the_server_is_asked_again() {
        for (status, text) in [
            (502, "<html>bad gateway</html>"),
            (200, "not json"),
            (503, r#"{"error":"the server is ending"}"#),
            (429, r#"{"error":"too many attempts"}"#),
        ] {
            assert_eq!(verdict(status, text), "wait", "{status}");
        }
    }
}
