//! Calls over the WebSocket (spec 6). All act on the connection's team.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::error::ApiError;
use super::events::{LIMIT_DEFAULT, LIMIT_MAX, push_events};
use super::limit::Sender;
use super::state::App;
use super::{endpoints, keys, publish};
use crate::base::clock::{day_start, rfc3339};
use crate::protocol::error::ErrorCode;
use crate::protocol::frame::{Request, ServerFrame};
use crate::protocol::rpc::{EventsRecent, Failure, Limits, Method, Quota, Stats};
use crate::protocol::scope::{Filter, Scopes};
use crate::store::record::KeyRecord;

/// Begins to answer a request. What is answered waits for the rest; until then other requests may come.
pub(super) async fn begin(
    app: &Arc<App>,
    sender: &Sender<'_>,
    key: &Arc<KeyRecord>,
    request: Request,
) -> BoxFuture<'static, ServerFrame> {
    match Method::parse(&request.method) {
        // Events have their place in the log before anything else that the connection sends is looked at.
        Some(Method::EventsPublish) => publish(app, sender, key, request).await,
        Some(method) => answer(app.clone(), key.clone(), method, request).boxed(),
        None => {
            let method = request.method.chars().filter(|c| !c.is_control());
            let text = format!("unknown method: {}", method.take(64).collect::<String>());
            ready(failed(request.id, &failure(ErrorCode::UnknownMethod, text))).boxed()
        }
    }
}

async fn publish(
    app: &App,
    sender: &Sender<'_>,
    key: &KeyRecord,
    request: Request,
) -> BoxFuture<'static, ServerFrame> {
    let submitted = match parse(request.params.as_deref()) {
        Ok(params) => publish::submit(app, sender, key, params)
            .await
            .map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    let id = request.id;
    match submitted {
        Ok(published) => published.map(|done| response(id, payload(done))).boxed(),
        Err(failure) => ready(failed(id, &failure)).boxed(),
    }
}

async fn answer(
    app: Arc<App>,
    key: Arc<KeyRecord>,
    method: Method,
    request: Request,
) -> ServerFrame {
    let result = call(&app, &key, method, request.params.as_deref()).await;
    response(request.id, result)
}

fn response(id: String, result: Result<Box<RawValue>, Failure>) -> ServerFrame {
    match result {
        Ok(payload) => ServerFrame::Response {
            id,
            ok: true,
            payload: Some(payload),
        },
        Err(failure) => failed(id, &failure),
    }
}

/// The answer to a request that cannot be read but whose id can.
pub(super) fn malformed(id: String, why: &str) -> ServerFrame {
    failed(
        id,
        &failure(ErrorCode::BadParams, format!("malformed request: {why}")),
    )
}

fn failed(id: String, failure: &Failure) -> ServerFrame {
    ServerFrame::Response {
        id,
        ok: false,
        payload: to_raw_value(failure).ok(),
    }
}

fn failure(code: ErrorCode, error: impl Into<String>) -> Failure {
    Failure {
        error: error.into(),
        code: Some(code),
        retry_after_secs: None,
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let code = match error.code() {
            code @ (ErrorCode::Forbidden
            | ErrorCode::NotFound
            | ErrorCode::Conflict
            | ErrorCode::PaymentRequired
            | ErrorCode::RateLimited
            | ErrorCode::Unavailable) => code,
            ErrorCode::BadRequest => ErrorCode::BadParams,
            _ => ErrorCode::Internal,
        };
        Self {
            retry_after_secs: error.retry_after_secs(),
            ..failure(code, error.text())
        }
    }
}

async fn call(
    app: &App,
    key: &KeyRecord,
    method: Method,
    params: Option<&RawValue>,
) -> Result<Box<RawValue>, Failure> {
    match method {
        Method::DashboardStats => payload(stats(app, key).await),
        Method::EventsPublish => Err(failure(ErrorCode::Internal, "it is answered in two steps")),
        Method::EventsRecent => recent(app, key, parse(params)?).await,
        Method::HooksCreate => payload(endpoints::create(app, key, parse(params)?).await),
        Method::HooksDeactivate => payload(endpoints::deactivate(app, key, parse(params)?).await),
        Method::HooksGithubPrepareInstall => {
            payload(endpoints::prepare_install(app, key, parse(params)?).await)
        }
        Method::HooksList => payload(endpoints::list(app, key).await),
        Method::HooksRotateSecret => payload(endpoints::rotate(app, key, parse(params)?).await),
        Method::KeysCreate => payload(keys::create(app, key, parse(params)?).await),
        Method::KeysList => payload(keys::list(app, key).await),
        Method::KeysRevoke => payload(keys::revoke(app, key, parse(params)?).await),
    }
}

/// Absent parameters, null and `{}` are the same.
fn parse<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, Failure> {
    let text = params.map_or("{}", RawValue::get);
    let text = if text == "null" { "{}" } else { text };
    if !text.starts_with('{') {
        return Err(failure(ErrorCode::BadParams, "`params` must be an object"));
    }
    serde_json::from_str(text).map_err(|error| failure(ErrorCode::BadParams, error.to_string()))
}

fn payload<T: Serialize>(result: Result<T, ApiError>) -> Result<Box<RawValue>, Failure> {
    to_raw_value(&result?).map_err(|error| failure(ErrorCode::Internal, error.to_string()))
}

/// `dashboard.stats`, and `GET /api/v1/stats`.
pub(super) async fn stats(app: &App, key: &KeyRecord) -> Result<Stats, ApiError> {
    let now = app.clock.unix_millis();
    let (usage, resets_at) = app.log.usage(&key.team).await?;
    let counts = app
        .store
        .counts(key.team.clone(), day_start(now), now)
        .await?;
    Ok(Stats {
        team_id: key.team.to_string(),
        webhooks_today: counts.events_since,
        active_endpoints: counts.active_endpoints,
        active_api_keys: counts.live_keys,
        current_key_permissions: key.permissions.0.clone(),
        plan_name: None,
        active_sources_limit: None,
        quota: Some(Quota {
            events_used: usage.events_used,
            events_limit: app.limits.events_per_month,
            resets_at: rfc3339(resets_at),
        }),
        limits: Some(limits(app)),
    })
}

fn limits(app: &App) -> Limits {
    let retention = &app.limits.retention;
    let rates = app.rates.limits();
    Limits {
        retention_days: retention.max_age.map(|age| age.as_secs() / (24 * 3600)),
        retention_events: retention.max_events,
        rate_window_secs: rates.window.as_secs(),
        team_rate_limit: rates.team,
        key_rate_limit: rates.key,
        address_rate_limit: rates.address,
        global_rate_limit: rates.server,
        max_body_bytes: app.max_body_bytes as u64,
    }
}

async fn recent(
    app: &App,
    key: &KeyRecord,
    params: EventsRecent,
) -> Result<Box<RawValue>, Failure> {
    let limit = match params.limit {
        None => LIMIT_DEFAULT,
        Some(0) => return Err(failure(ErrorCode::BadParams, "`limit` must be 1 to 1000")),
        Some(limit) => usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX),
    };
    let filter = Arc::new(Filter {
        requested: Scopes::all(),
        allowed: key.scopes.clone(),
    });
    let events = app
        .log
        .recent(&key.team, filter, limit)
        .await
        .map_err(ApiError::from)?;
    let mut text = String::from("{");
    push_events(&mut text, &events);
    text.push('}');
    RawValue::from_string(text).map_err(|error| failure(ErrorCode::Internal, error.to_string()))
}
