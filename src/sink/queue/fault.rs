//! Why the queue does not work.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

/// Why the queue does not work.
#[derive(Debug, thiserror::Error)]
pub enum QueueFault {
    /// The file cannot be opened or made.
    #[error("cannot open the local queue `{path}`: {why}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The file is something else, or damaged. It stays as it is.
    #[error("`{path}` is not a local queue: {why}")]
    Foreign {
        /// The file.
        path: String,
        /// What it is.
        why: String,
    },
    /// A newer kite has written it.
    #[error("the local queue `{path}` was written by a newer kite")]
    Newer {
        /// The file.
        path: String,
    },
    /// A statement failed, as on a full disk.
    #[error("the local queue does not work: {0}")]
    Sql(#[from] Error),
    /// The work was interrupted.
    #[error("the local queue does not answer")]
    Interrupted,
}

impl QueueFault {
    /// What went wrong while the file was opened.
    pub(super) fn opening(path: &Path, why: impl ToString) -> Self {
        Self::Open {
            path: path.display().to_string(),
            why: why.to_string(),
        }
    }

    /// The same, of SQLite: a file that it cannot read is no queue.
    pub(super) fn opening_sql(path: &Path, error: &Error) -> Self {
        match is_damage(error) {
            true => Self::foreign(path, error.to_string()),
            false => Self::opening(path, error),
        }
    }

    /// The file is something else.
    pub(super) fn foreign(path: &Path, why: impl Into<String>) -> Self {
        Self::Foreign {
            path: path.display().to_string(),
            why: why.into(),
        }
    }

    /// Whether the file itself is unusable.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Foreign { .. } => true,
            Self::Sql(error) => is_damage(error),
            _ => false,
        }
    }
}

fn is_damage(error: &Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
