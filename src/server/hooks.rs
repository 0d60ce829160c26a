//! `POST /hooks/{team}/{source}`: ingest through an endpoint (spec 8).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::access::bearer;
use super::error::ApiError;
use super::{body, events, state::App};
use crate::protocol::error::ErrorCode;
use crate::protocol::id::{SourceSlug, TeamId};
use crate::protocol::token::{Token, TokenKind};
use crate::store::record::EndpointRecord;

/// The token in the `Authorization` header.
pub(super) async fn bare(
    State(app): State<Arc<App>>,
    Path((team, source)): Path<(String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    ingest(&app, &team, &source, None, request).await
}

/// The token in the path.
pub(super) async fn with_token(
    State(app): State<Arc<App>>,
    Path((team, source, token)): Path<(String, String, String)>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    ingest(&app, &team, &source, Some(&token), request).await
}

async fn ingest(
    app: &App,
    team: &str,
    source: &str,
    token: Option<&str>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let (parts, sent) = request.into_parts();
    let sent = body::read(app, &parts.headers, sent, app.max_body_bytes).await?;
    let endpoint = authenticate(app, team, source, token, &parts.headers).await?;
    if !endpoint.active {
        return Err(ApiError::new(
            StatusCode::GONE,
            ErrorCode::Gone,
            format!("the endpoint `{}` was deactivated", endpoint.source),
        ));
    }
    events::accept(
        app,
        endpoint.team.clone(),
        &endpoint.source,
        &parts.headers,
        &sent,
    )
    .await
}

/// The endpoint that a token opens. Unknown team, unknown source and wrong token are one and the same answer.
async fn authenticate(
    app: &App,
    team: &str,
    source: &str,
    in_path: Option<&str>,
    headers: &HeaderMap,
) -> Result<Arc<EndpointRecord>, ApiError> {
    let refused = || ApiError::unauthorized("invalid hook token");
    let token = match (in_path, bearer(headers)) {
        (Some(path), Some(bearer)) if path != bearer => return Err(refused()),
        (Some(token), _) | (None, Some(token)) => Token::parse(token).map_err(|_| refused())?,
        (None, None) => return Err(refused()),
    };
    let team: TeamId = team.parse().map_err(|_| refused())?;
    let source = SourceSlug::parse(source).map_err(|_| refused())?;
    let endpoint = app
        .access
        .endpoint(team, source)
        .await?
        .ok_or_else(refused)?;
    if token.kind() != TokenKind::HookToken || !endpoint.token_hash.matches(&token) {
        return Err(refused());
    }
    Ok(endpoint)
}
