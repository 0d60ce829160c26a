//! The codes that errors carry on the wire.

use serde::{Deserialize, Serialize};

use super::api::Usage;

/// Why a WebSocket session ended: the number of the `error` frame and of the close frame (spec 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// Unknown, revoked or expired key; key of another team; unknown team.
    AuthFailed,
    /// A frame that breaks the protocol, or a connection that was replaced.
    InvalidMessage,
    /// Too many frames or connections.
    RateLimited,
    /// The socket accepted no bytes for too long.
    SlowConsumer,
    /// The team is suspended.
    QuotaBlocked,
}

impl CloseCode {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::AuthFailed => 4001,
            Self::InvalidMessage => 4002,
            Self::RateLimited => 4003,
            Self::SlowConsumer => 4004,
            Self::QuotaBlocked => 4005,
        }
    }
}

/// The text of the 4002 error that a connection gets when another one took its client id (spec 5.4).
pub const REPLACED: &str = "replaced by a newer connection";

/// The machine-readable word beside a REST error's text (spec 7) and in a failed RPC response (spec 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request is malformed.
    BadRequest,
    /// 401: no or bad key, token or signature.
    Unauthorized,
    /// 402: the quota is used up.
    PaymentRequired,
    /// 403: the key is valid but not allowed to do this.
    Forbidden,
    /// 404: no such thing.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: it contradicts what is stored.
    Conflict,
    /// 410: it was deactivated.
    Gone,
    /// 404: no such invitation: it was taken back, or has been removed after its end.
    InviteUnknown,
    /// 410: the invitation can be redeemed no longer.
    InviteExpired,
    /// 409: the invitation was redeemed by another instance, or its peer was removed since.
    InviteUsed,
    /// 502: another instance was not reached, or gave no answer.
    PeerUnreachable,
    /// 502: what answers at another instance's address knows nothing of what was asked.
    PeerUnsupported,
    /// 502: somebody else answers at another instance's address: the key is another one.
    PeerMismatch,
    /// 413: the body is larger than allowed.
    TooLarge,
    /// 415: the body's type or encoding is not read here.
    UnsupportedMediaType,
    /// 422: well-formed, but it cannot be done.
    Unprocessable,
    /// 429: too many requests.
    RateLimited,
    /// 503: the store is unusable, or the server is busy or ending.
    Unavailable,
    /// 404: known on the hosted service, not offered here.
    NotSupported,
    /// RPC: no such method.
    UnknownMethod,
    /// RPC: the parameters do not fit the method.
    BadParams,
    /// 500: a fault of the server.
    Internal,
}

/// The body of every REST error (spec 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// The sentence for a person.
    pub error: String,
    /// The word for a machine; other servers may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The limit that a 413 speaks of, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// How long a 429 or 503 asks to wait, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u64>,
    /// The quota that a 402 speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}
