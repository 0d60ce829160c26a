//! What errors of the driver and the pool mean for the store.

use deadpool_postgres::PoolError;
use tokio_postgres::error::{Severity, SqlState};

use crate::store::StoreError;

/// The texts of an error and of its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            // Not an answer of the server: the connection broke, or none came about. What cannot be read is a fault.
            return match error.is_closed() || has_io_cause(&error) {
                true => Self::Away(chain(&error)),
                false => Self::Failed(chain(&error)),
            };
        };
        let text = format!("{} ({})", refusal.message(), refusal.code().code());
        match refusal.code() {
            &SqlState::DISK_FULL | &SqlState::READ_ONLY_SQL_TRANSACTION => Self::Unwritable(text),
            // A statement that was not let finish, or not let begin.
            &SqlState::QUERY_CANCELED
            | &SqlState::LOCK_NOT_AVAILABLE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::TOO_MANY_CONNECTIONS => Self::Away(text),
            // Class 57P: the server ends, crashed, or is starting. Class 08: the connection.
            code if code.code().starts_with("57P") || code.code().starts_with("08") => {
                Self::Away(text)
            }
            _ => Self::Failed(text),
        }
    }
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() {
            return true;
        }
        cause = error.source();
    }
    // `connect` says so in words alone when all addresses were too slow.
    error.to_string().contains("connect")
}

/// What an error says of a transaction that was under way: one that the server has answered was rolled back.
pub(super) fn outcome(error: tokio_postgres::Error) -> StoreError {
    let is_answer = error
        .as_db_error()
        .is_some_and(|refusal| refusal.parsed_severity() == Some(Severity::Error));
    if is_answer {
        return error.into();
    }
    StoreError::Unknown(chain(&error))
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error)
            | PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => {
                error.into()
            }
            PoolError::Timeout(_) => Self::Away("no connection came about in time".to_owned()),
            PoolError::Closed => Self::Closed,
            error => Self::Failed(error.to_string()),
        }
    }
}
