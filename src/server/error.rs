//! What a refused request is told: a code for machines, a sentence for people, and for faults of ours an id that joins
//! the answer and the log.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::base::request::RequestId;
use crate::protocol::agent::MessageFault;
use crate::protocol::api::Usage;
use crate::protocol::arrival::ArrivalFault;
use crate::protocol::error::{ErrorBody, ErrorCode};
use crate::protocol::event::EventFault;
use crate::protocol::id::IdError;
use crate::protocol::json::JsonFault;
use crate::protocol::scope::ScopeError;
use crate::store::StoreError;
use crate::webhook::cloudevents::BindingFault;
use crate::webhook::sample::SampleFault;

/// How long a 503 asks to wait, in seconds.
const RETRY_AFTER_SECS: u64 = 1;

/// A request that was refused or failed.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// A refusal with its sentence.
    pub fn new(status: StatusCode, code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                error: error.into(),
                code: Some(code),
                max_bytes: None,
                retry_after_secs: None,
                usage: None,
            },
        }
    }

    /// 400.
    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, error)
    }

    /// 401.
    pub fn unauthorized(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, error)
    }

    /// 403.
    pub fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, error)
    }

    /// 404.
    pub fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, error)
    }

    /// 413: a body over its limit.
    pub fn too_large(max_bytes: u64) -> Self {
        let text = format!("the body is larger than {max_bytes} bytes");
        let mut error = Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, text);
        error.body.max_bytes = Some(max_bytes);
        error
    }

    /// 415.
    pub fn unsupported(error: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::UnsupportedMediaType,
            error,
        )
    }

    /// 429: try again in so many seconds.
    pub fn rate_limited(error: impl Into<String>, retry_after_secs: u64) -> Self {
        let mut refused = Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, error);
        refused.body.retry_after_secs = Some(retry_after_secs);
        refused
    }

    /// 402: the team's quota is used up.
    pub fn exhausted(usage: Usage) -> Self {
        let mut refused = Self::new(
            StatusCode::PAYMENT_REQUIRED,
            ErrorCode::PaymentRequired,
            "event quota exhausted",
        );
        refused.body.usage = Some(usage);
        refused
    }

    /// 503: try again soon.
    pub fn unavailable(error: impl Into<String>) -> Self {
        let mut refused = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Unavailable,
            error,
        );
        refused.body.retry_after_secs = Some(RETRY_AFTER_SECS);
        refused
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.body.error
    }

    /// How long it asks to wait, in seconds.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.body.retry_after_secs
    }

    /// The word for machines.
    pub fn code(&self) -> ErrorCode {
        self.body.code.unwrap_or(ErrorCode::Internal)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry_after = self.body.retry_after_secs;
        let mut response = json(self.status, &self.body);
        if let Some(secs) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// A JSON answer.
pub fn json<T: serde::Serialize>(status: StatusCode, body: &T) -> Response {
    // The bodies are plain values: they always serialise.
    let text = serde_json::to_string(body).unwrap_or_default();
    json_text(status, text)
}

/// A JSON answer whose text is there already.
pub fn json_text(status: StatusCode, text: String) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, text).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::not_found(error.to_string()),
            StoreError::Exists(_) => {
                Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, error.to_string())
            }
            StoreError::Closed => Self::unavailable("the server is ending"),
            // An outage is logged where it begins, not for everyone who meets it.
            StoreError::Unknown(_) => Self::unavailable(
                "the server lost its database: whether this was stored is not known; the same event sent again, with \
                 the same id or idempotency key, is stored once",
            ),
            StoreError::Unwritable(_) => Self::unavailable(
                "the server cannot write to its database, and nothing was stored: try again later",
            ),
            StoreError::Away(_) => Self::unavailable(
                "the server cannot reach its database, and nothing was stored: try again later",
            ),
            // What is not the caller's doing is one word outside and everything inside.
            _ => {
                tracing::error!(%error, "the store failed");
                let told = RequestId::current().map(|id| format!(" (reference {id})"));
                Self::unavailable(format!("the store is unusable{}", told.unwrap_or_default()))
            }
        }
    }
}

/// Faults of what was sent are 400, with their own words.
macro_rules! bad_request {
    ($($fault:ty),*) => {
        $(impl From<$fault> for ApiError {
            fn from(fault: $fault) -> Self {
                Self::bad_request(fault.to_string())
            }
        })*
    };
}

bad_request!(
    ArrivalFault,
    MessageFault,
    JsonFault,
    IdError,
    ScopeError,
    SampleFault
);

impl From<EventFault> for ApiError {
    fn from(fault: EventFault) -> Self {
        match fault {
            EventFault::ReservedType(_) => Self::forbidden(fault.to_string()),
            _ => Self::bad_request(fault.to_string()),
        }
    }
}

impl From<BindingFault> for ApiError {
    fn from(fault: BindingFault) -> Self {
        match fault {
            BindingFault::Format(_) => Self::unsupported(fault.to_string()),
            BindingFault::Event(fault) => fault.into(),
            _ => Self::bad_request(fault.to_string()),
        }
    }
}
