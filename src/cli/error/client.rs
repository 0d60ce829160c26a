//! What goes wrong on the way to a server: the configuration, the connection, the answers, `gh`.

use super::{CommandError, Kind};
use crate::base::tls::TlsError;
use crate::cli::gh::GhFault;
use crate::cli::text::visible;
use crate::client::login::LoginFault;
use crate::client::{ClientError, Refusal};
use crate::config::ConfigError;
use crate::protocol::error::ErrorCode;
use crate::protocol::id::IdError;
use crate::protocol::rpc::Failure;
use crate::protocol::scope::ScopeError;

/// What to do about a key that may not.
const PERMISSION_HINT: &str = "`kite status` shows what this key may do; with an admin key `kite keys create --permissions read,write,admin` makes one that may do more";

/// What to do about a quota that is used up.
const QUOTA_HINT: &str = "`kite status` shows the quota and when the month ends; who runs the server raises it with `--events-limit`";

/// What to do about a key that is missing or opens nothing.
pub(super) const LOGIN_HINT: &str = "`kite login --server URL` logs in; in scripts set `KITE_API_KEY`, or `kite login --with-token < FILE`";

impl From<IdError> for CommandError {
    fn from(error: IdError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ScopeError> for CommandError {
    fn from(error: ScopeError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let message = error.to_string();
        match &error {
            ConfigError::File { .. } => Self::failed(message),
            ConfigError::Syntax { .. } | ConfigError::Value { .. } => Self::failed(message)
                .with_hint("mend the file, or move it away; kite does not replace it"),
            ConfigError::ProfileName(_) | ConfigError::Address(_) | ConfigError::Id(_) => {
                Self::usage(message)
            }
            ConfigError::Key { .. } | ConfigError::NotLoggedIn { .. } => {
                Self::new(Kind::NotLoggedIn, message).with_hint(LOGIN_HINT)
            }
            ConfigError::OtherOrigin { origin, .. } => Self::new(Kind::NotPermitted, message)
                .with_hint(format!(
                    "`kite login --server {origin}` stores a key for that server"
                )),
            ConfigError::PlainHttp(_) => Self::new(Kind::NotPermitted, message)
                .with_hint("use https, or allow it with `--insecure` or `KITE_INSECURE=1`"),
            ConfigError::Keyring(_) => Self::new(Kind::NotLoggedIn, message)
                .with_hint("unlock the keyring, set `KITE_API_KEY`, or log in again"),
        }
    }
}

impl From<ClientError> for CommandError {
    fn from(error: ClientError) -> Self {
        let message = visible(&error.to_string()).into_owned();
        match error {
            ClientError::Refused(refusal) => refusal.into(),
            ClientError::Failed(failure) => failure.into(),
            ClientError::Denied(text) => Self::denied(&text),
            ClientError::Rejected(text) => Self::rejected(&text),
            ClientError::Unreachable { .. } | ClientError::Lost { .. } => {
                Self::new(Kind::Unreachable, message).with_hint(
                    "check `--server` and that the server runs; `kite serve` starts one here",
                )
            }
            ClientError::Unreadable { .. } => {
                Self::failed(message).with_hint("is that the address of a Kite server?")
            }
            ClientError::Address(_) => Self::usage(message),
            ClientError::Tls(error) => error.into(),
        }
    }
}

impl From<TlsError> for CommandError {
    fn from(error: TlsError) -> Self {
        let message = error.to_string();
        match error {
            TlsError::CaFile { .. } => Self::usage(message),
            TlsError::Setup(_) => Self::failed(message),
        }
    }
}

/// A call over the WebSocket that was answered with a failure (spec 6). A server that gave no code is judged by its
/// sentence where the answer is read.
impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        let error = |kind| Self::new(kind, visible(&failure.error));
        match failure.code {
            Some(ErrorCode::Unauthorized) => error(Kind::NotPermitted).with_hint(LOGIN_HINT),
            Some(ErrorCode::Forbidden) => error(Kind::NotPermitted).with_hint(PERMISSION_HINT),
            Some(ErrorCode::NotFound | ErrorCode::Gone) => error(Kind::NotFound),
            Some(ErrorCode::BadParams | ErrorCode::BadRequest | ErrorCode::Unprocessable) => {
                error(Kind::Usage)
            }
            Some(ErrorCode::RateLimited) => error(Kind::RateLimited).with_hint("try again later"),
            Some(ErrorCode::PaymentRequired) => error(Kind::QuotaExhausted).with_hint(QUOTA_HINT),
            Some(ErrorCode::Unavailable) => error(Kind::Unreachable)
                .with_hint("the server is there and busy or ending; try again"),
            Some(ErrorCode::UnknownMethod | ErrorCode::NotSupported) => {
                error(Kind::Failed).with_hint("the server does not offer this; it may be too old")
            }
            _ => error(Kind::Failed),
        }
    }
}

impl From<LoginFault> for CommandError {
    fn from(fault: LoginFault) -> Self {
        // The server may have chosen the words.
        let message = visible(&fault.to_string()).into_owned();
        match fault {
            LoginFault::Expired => {
                Self::new(Kind::NothingCame, message).with_hint("`kite login` asks for a new one")
            }
            LoginFault::Denied => Self::new(Kind::NotPermitted, message)
                .with_hint("ask somebody with an admin key to approve the next one"),
            LoginFault::Ended(_) => Self::failed(message),
            LoginFault::Client(error) => error.into(),
        }
    }
}

impl From<GhFault> for CommandError {
    fn from(fault: GhFault) -> Self {
        let message = visible(&fault.to_string()).into_owned();
        match fault {
            GhFault::Missing => Self::failed(message).with_hint(
                "https://cli.github.com has it; then `gh auth login -s admin:repo_hook`",
            ),
            GhFault::Slow(_) => Self::failed(message)
                .with_hint("`gh api rate_limit` shows whether GitHub answers; then try again"),
            GhFault::Io(_) => Self::failed(message),
            GhFault::Failed(failure) if failure.is_login() => Self::new(Kind::NotLoggedIn, message)
                .with_hint("`gh auth login -s admin:repo_hook` logs `gh` in"),
            GhFault::Failed(failure) if failure.is_rate_limit() => {
                Self::new(Kind::RateLimited, message)
                    .with_hint("`gh api rate_limit` shows until when")
            }
            GhFault::Failed(failure) if failure.is_permission() => Self::gh_denied(&failure),
            GhFault::Failed(_) => Self::failed(message),
        }
    }
}

impl From<Refusal> for CommandError {
    fn from(refusal: Refusal) -> Self {
        let error = |kind| Self::new(kind, visible(&refusal.to_string()));
        match refusal.status {
            401 => error(Kind::NotPermitted).with_hint(LOGIN_HINT),
            403 => error(Kind::NotPermitted).with_hint(PERMISSION_HINT),
            // What the server cannot read was typed here: the client itself says only what it understands.
            400 => error(Kind::Usage),
            402 => error(Kind::QuotaExhausted).with_hint(QUOTA_HINT),
            404 | 405 => error(Kind::NotFound),
            429 => match refusal.retry_after {
                Some(wait) => {
                    error(Kind::RateLimited).with_hint(format!("try again in {} s", wait.as_secs()))
                }
                None => error(Kind::RateLimited),
            },
            502..=504 => error(Kind::Unreachable)
                .with_hint("the server is there and busy or ending; try again"),
            _ => error(Kind::Failed),
        }
    }
}
