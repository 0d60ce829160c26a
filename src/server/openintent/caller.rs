//! Who is calling: an API key in `X-API-Key`, or a signature of the whole request (spec 7, 13.1, 13.6).

use std::sync::Arc;

use axum::extract::OriginalUri;
use axum::http::request::Parts;

use super::super::error::ApiError;
use super::super::limit::Sender;
use super::super::state::App;
use super::answer::Answer;
use crate::federation::openintent::{OpenIntent, Refusal};
use crate::openintent::http_signature::{self, CONTENT_DIGEST};
use crate::openintent::trust::normalize;
use crate::protocol::id::TeamId;
use crate::protocol::permission::Permission;
use crate::protocol::scope::Scope;
use crate::store::record::KeyRecord;

/// Whoever showed an API key that counts.
pub(super) struct Caller {
    key: Arc<KeyRecord>,
}

impl Caller {
    /// Whose key a request shows, if it shows one. It must allow something.
    pub(super) async fn of(
        app: &App,
        parts: &Parts,
        needed: Permission,
    ) -> Result<Option<Self>, Answer> {
        let Some(shown) = parts.headers.get("x-api-key") else {
            return Ok(None);
        };
        let key = app.access.key(shown.to_str().unwrap_or_default()).await?;
        match key {
            Some(key) => {
                key.check_team(parts)?;
                key.require(needed)?;
                Ok(Some(Self { key }))
            }
            None => {
                let answer = Answer::unauthorized();
                let counted = app.access.failed(parts, ApiError::unauthorized(""));
                match counted.status().as_u16() {
                    401 => Err(answer),
                    _ => Err(counted.into()),
                }
            }
        }
    }

    /// The team of the key.
    pub(super) fn team(&self) -> &TeamId {
        &self.key.team
    }

    /// The key.
    pub(super) fn key(&self) -> &KeyRecord {
        &self.key
    }

    /// Whether its scopes leave nothing out.
    pub(super) fn sees_everything(&self) -> bool {
        self.key.scopes.iter().any(|scope| *scope == Scope::All)
    }
}

/// The team that a request without a body is for: by its key, or by a signature of the server that it says to be from.
pub(super) async fn team_of(app: &App, parts: &Parts) -> Result<TeamId, Answer> {
    if let Some(caller) = Caller::of(app, parts, Permission::Read).await? {
        return Ok(caller.team().clone());
    }
    let Some(node) = &app.openintent else {
        return Err(Answer::unauthorized());
    };
    let source = parts.headers.get("x-source-server");
    let source = source.and_then(|it| it.to_str().ok()).unwrap_or_default();
    match signer(node, parts, &[], source).await? {
        Some(team) => Ok(team),
        None => Err(Answer::unauthorized()),
    }
}

/// The team that trusts the server at a URL, if that server has signed the request.
pub(super) async fn signer(
    node: &OpenIntent,
    parts: &Parts,
    body: &[u8],
    source: &str,
) -> Result<Option<TeamId>, Answer> {
    let text = |name: &str| {
        let value = parts.headers.get(name)?;
        value.to_str().ok()
    };
    let (Some(input), Some(signature)) = (text("signature-input"), text("signature")) else {
        return Ok(None);
    };
    let Ok(received) = http_signature::read(input, signature) else {
        return Ok(None);
    };
    let headers: Vec<(&str, &str)> = text(CONTENT_DIGEST)
        .map(|digest| (CONTENT_DIGEST, digest))
        .into_iter()
        .collect();
    // The path as it was asked for: routes below a prefix see the rest of it alone.
    let original = parts.extensions.get::<OriginalUri>();
    let uri = original.map_or(&parts.uri, |original| &original.0);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let (method, content_type) = (parts.method.as_str(), text("content-type"));
    let did = received.keyid.split('#').next().unwrap_or_default();
    let signed = node
        .signer_of(&normalize(source), did, |url, keys, now_secs| {
            let target_uri = format!("{url}{path}");
            let request = http_signature::Request {
                method,
                target_uri: &target_uri,
                content_type,
                body,
            };
            let fits = |key| received.verify(&request, &headers, key, now_secs).is_ok();
            keys.iter().any(fits)
        })
        .await?;
    Ok(signed)
}

/// Counts what comes in, as far as that is limited.
pub(super) fn admit(
    app: &App,
    parts: &Parts,
    team: &TeamId,
    caller: Option<&Caller>,
) -> Result<(), Refusal> {
    let key = caller.map(|caller| caller.key.prefix.as_str());
    let sender = Sender::of(parts, team, key);
    let admitted = app.rates.admit(&sender, 1, app.clock.unix_millis());
    admitted.map_err(|refused| Refusal::TooMany {
        why: refused.text().to_owned(),
        retry_after_secs: refused.retry_after_secs(),
    })
}
