//! Providers: endpoints, and posts signed by code of the tests' own.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::{Access, Answer, answer};
use super::socket::Socket;

/// HMAC as RFC 2104 writes it, over a hash with blocks of 64 bytes: not the code that is tested.
pub(crate) fn hmac(hash: impl Fn(&[u8]) -> Vec<u8>, secret: &[u8], message: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 64;
    let mut key = match secret.len() {
        0..=BLOCK => secret.to_vec(),
        _ => hash(secret),
    };
    key.resize(BLOCK, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
    let inner = hash(&[&pad(0x36), message].concat());
    hash(&[pad(0x5c), inner].concat())
}

pub(crate) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(|bytes| Sha256::digest(bytes).to_vec(), secret, message)
}

pub(crate) fn hmac_sha256_hex(secret: &[u8], message: &[u8]) -> String {
    hex(&hmac_sha256(secret, message))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// The value of `X-Hub-Signature-256` and `X-Kite-Signature`.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_sha256_hex(secret.as_bytes(), body))
}

/// Calls a method with the key of the access; the payload of a call that must succeed.
pub(crate) async fn call(access: &Access, method: &str, params: Value) -> Value {
    let response = try_call(access, method, params).await;
    assert_eq!(response["ok"], true, "{method}: {response}");
    response["payload"].clone()
}

/// Calls a method with the key of the access; the response, whatever it says.
pub(crate) async fn try_call(access: &Access, method: &str, params: Value) -> Value {
    let (mut socket, _) = Socket::connect(access, &[], "").await;
    socket.call(method, params).await
}

/// An endpoint and what opens it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// Its id.
    pub(crate) id: String,
    /// The server and the team that it belongs to.
    pub(crate) access: Access,
    /// The path without the token.
    pub(crate) path: String,
    /// The hook token.
    pub(crate) token: String,
    /// The secret that posts are signed with; empty where there is none.
    pub(crate) secret: String,
}

impl Endpoint {
    /// Makes an endpoint with these parameters of `hooks.create`.
    pub(crate) async fn create(access: &Access, params: Value) -> Self {
        let made = call(access, "hooks.create", params.clone()).await;
        let text = |object: &Value, name: &str| object[name].as_str().map(str::to_owned);
        let own = text(&params, "webhook_secret");
        Self {
            id: text(&made, "id").unwrap(),
            access: access.clone(),
            path: text(&made, "endpoint").unwrap(),
            token: text(&made, "hook_token").unwrap(),
            secret: own
                .or(text(&made, "github_webhook_secret"))
                .unwrap_or_default(),
        }
    }

    /// Makes the endpoint for GitHub, whose secret the server makes up.
    pub(crate) async fn github(access: &Access) -> Self {
        Self::create(access, json!({"source": "github"})).await
    }

    /// The path with the token.
    pub(crate) fn path_with_token(&self) -> String {
        format!("{}/{}", self.path, self.token)
    }

    /// Posts a body with these headers and no others.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut request = self.access.bare(Method::POST, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.body(body.into())).await
    }

    /// Posts a body to the path with the token.
    pub(crate) async fn post_with_token(
        &self,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.post(&self.path_with_token(), headers, body).await
    }

    /// Posts what GitHub posts: signed with the secret, on the path without a token.
    pub(crate) async fn push(&self, delivery: &str, body: impl Into<Vec<u8>>) -> Answer {
        let body = body.into();
        let signature = signature(&self.secret, &body);
        self.post_from_github(delivery, &[("X-Hub-Signature-256", &signature)], body)
            .await
    }

    /// Posts what GitHub posts, with these headers about its signature.
    pub(crate) async fn post_from_github(
        &self,
        delivery: &str,
        signatures: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let headers = [
            &[
                ("Content-Type", "application/json"),
                ("User-Agent", "GitHub-Hookshot/1"),
                ("X-GitHub-Event", "push"),
                ("X-GitHub-Delivery", delivery),
            ],
            signatures,
        ];
        self.post(&self.path, &headers.concat(), body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_of_the_tests_is_that_of_rfc_4231() {
        assert_eq!(
            hmac_sha256_hex(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hmac_sha256_hex(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
