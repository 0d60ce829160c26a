//! What is answered: JSON always, and for a refusal an object with `detail` (spec 13.1).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::super::description::described;
use super::super::error::{ApiError, json_text};
use crate::federation::openintent::Refusal;
use crate::openintent::json::{Json, JsonFault, Object};
use crate::protocol::error::ErrorCode;

/// A refused request.
#[derive(Debug)]
pub(in crate::server) struct Answer {
    status: StatusCode,
    detail: Json,
    /// More words for people: the SDK reads them too.
    message: Option<String>,
    retry_after_secs: Option<u64>,
}

impl Answer {
    fn new(status: StatusCode, detail: impl Into<Json>) -> Self {
        Self {
            status,
            detail: detail.into(),
            message: None,
            retry_after_secs: None,
        }
    }

    /// 401.
    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Invalid or missing API key")
    }

    /// 404.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    /// 405.
    pub(super) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
    }

    /// 400: there is no OpenIntent here.
    pub(super) fn off() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Federation not enabled")
    }

    /// 422: the body is no JSON, or JSON that nobody can sign alike.
    pub(super) fn no_json(fault: &JsonFault) -> Self {
        let detail = fault_entry("json_invalid", &[], &fault.to_string());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, vec![detail])
    }

    /// 422: the body is no object.
    pub(super) fn no_object(sent: &Json) -> Self {
        let why = format!("the body must be a JSON object, and it is {}", sent.kind());
        let detail = fault_entry("model_attributes_type", &[], &why);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, vec![detail])
    }

    /// 422: members cannot be used.
    pub(super) fn fields(faults: Vec<Json>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Json::Array(faults))
    }

    /// A JSON answer of success.
    pub(super) fn ok(body: &Json) -> Response {
        json_text(StatusCode::OK, body.to_string())
    }
}

/// What a refusal looks like.
pub(super) fn refusal(generator: &mut SchemaGenerator) -> Schema {
    described::<OpenIntentRefusal>(generator)
}

/// What is refused, and why.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "it is written by hand, and described by this")]
struct OpenIntentRefusal {
    /// Why; of a body that cannot be used, all faults that were found.
    detail: RefusalDetail,
    /// More words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Why something is refused.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "likewise")]
enum RefusalDetail {
    Sentence(String),
    Faults(Vec<BodyFault>),
}

/// A fault of a body.
#[derive(Serialize, JsonSchema)]
#[allow(dead_code, reason = "likewise")]
struct BodyFault {
    /// The kind of fault.
    #[serde(rename = "type")]
    kind: String,
    /// Where it is, step by step.
    loc: Vec<String>,
    /// What is wrong.
    msg: String,
    /// Nothing: what was sent is not said again.
    input: (),
}

/// One entry of a 422, in the form that the reference has.
pub(super) fn fault_entry(kind: &str, path: &[&str], why: &str) -> Json {
    let steps = ["body"].iter().chain(path).map(|step| Json::from(*step));
    Json::Object(Object::from([
        ("type".to_owned(), Json::from(kind)),
        ("loc".to_owned(), Json::Array(steps.collect())),
        ("msg".to_owned(), Json::from(why)),
        ("input".to_owned(), Json::Null),
    ]))
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = Object::new();
        if let Some(message) = self.message {
            body.insert("message".to_owned(), Json::from(message));
        }
        body.insert("detail".to_owned(), self.detail);
        let mut response = json_text(self.status, Json::Object(body).to_string());
        let headers = response.headers_mut();
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // There has to be a challenge (RFC 9110, 15.5.2), and `Bearer` would not be true.
            let key = HeaderValue::from_static("ApiKey");
            headers.insert(header::WWW_AUTHENTICATE, key);
        }
        response
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self {
            retry_after_secs: error.retry_after_secs(),
            ..Self::new(error.status(), error.text())
        }
    }
}

impl From<crate::store::StoreError> for Answer {
    fn from(error: crate::store::StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let words = refusal.to_string();
        let status = match refusal {
            Refusal::Member { path, why } => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                return Self::fields(vec![fault_entry("value_error", &path, &why)]);
            }
            Refusal::Blocked { detail, why } => {
                return Self {
                    message: Some(why),
                    ..Self::new(StatusCode::BAD_REQUEST, detail)
                };
            }
            Refusal::TooMany {
                why,
                retry_after_secs,
            } => {
                return Self {
                    retry_after_secs,
                    ..Self::new(StatusCode::TOO_MANY_REQUESTS, why)
                };
            }
            Refusal::Store(error) => return error.into(),
            Refusal::Bad(_) => StatusCode::BAD_REQUEST,
            Refusal::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Conflict(_) => StatusCode::CONFLICT,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Exhausted => StatusCode::PAYMENT_REQUIRED,
        };
        Self::new(status, words)
    }
}

impl From<Refusal> for ApiError {
    /// In kite's own form, for what is below `/api/openintent`.
    fn from(refusal: Refusal) -> Self {
        let words = refusal.to_string();
        let (status, code) = match refusal {
            Refusal::Store(error) => return error.into(),
            Refusal::TooMany {
                retry_after_secs, ..
            } => return Self::rate_limited(words, retry_after_secs.unwrap_or(1)),
            Refusal::Member { .. } | Refusal::Blocked { .. } | Refusal::Bad(_) => {
                (StatusCode::BAD_REQUEST, ErrorCode::BadRequest)
            }
            Refusal::Unauthorized(_) => (StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized),
            Refusal::Forbidden(_) => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
            Refusal::Unknown(_) => (StatusCode::NOT_FOUND, ErrorCode::NotFound),
            Refusal::Conflict(_) => (StatusCode::CONFLICT, ErrorCode::Conflict),
            Refusal::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge),
            Refusal::Exhausted => (StatusCode::PAYMENT_REQUIRED, ErrorCode::PaymentRequired),
        };
        Self::new(status, code, words)
    }
}
