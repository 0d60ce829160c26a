//! Why something of OpenIntent is refused. What follows for the wire is for the server to say.

use crate::openintent::work::WorkFault;
use crate::store::StoreError;

/// A refusal, in words for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A member is missing or of another type: 422.
    #[error("{why}")]
    Member {
        /// The member, step by step.
        path: Vec<String>,
        /// What is wrong.
        why: String,
    },
    /// An address that is not called: 400, in the protocol's words. Why is said beside them.
    #[error("{detail} ({why})")]
    Blocked {
        /// The protocol's words.
        detail: &'static str,
        /// Ours.
        why: String,
    },
    /// The request cannot be served: 400.
    #[error("{0}")]
    Bad(String),
    /// No credentials that count: 401.
    #[error("{0}")]
    Unauthorized(String),
    /// Not trusted, or not proved: 403.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing: 404.
    #[error("{0}")]
    Unknown(String),
    /// The same name for something else: 409. The SDK looks for some letters in it, see the server's answer.
    #[error("{0}")]
    Conflict(String),
    /// More than is kept of such a thing: 413.
    #[error("{0}")]
    TooLarge(String),
    /// More than the operator allows: 429.
    #[error("{why}")]
    TooMany {
        /// More than what.
        why: String,
        /// When to come again.
        retry_after_secs: Option<u64>,
    },
    /// The team's quota is used up: 402.
    #[error("the quota of the team is used up")]
    Exhausted,
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// A member that cannot be used.
    pub fn member(name: &str, why: impl Into<String>) -> Self {
        Self::Member {
            path: vec![name.to_owned()],
            why: why.into(),
        }
    }
}

impl From<WorkFault> for Refusal {
    fn from(fault: WorkFault) -> Self {
        match fault {
            WorkFault::Member { path, why } => Self::Member {
                path: path.split('.').map(str::to_owned).collect(),
                why: format!("`{path}` {why}"),
            },
            WorkFault::Forbidden(why) => Self::Forbidden(why),
            WorkFault::Conflict(why) => Self::Conflict(why),
            WorkFault::TooLarge { .. } => Self::TooLarge(fault.to_string()),
        }
    }
}
