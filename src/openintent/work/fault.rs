//! Why something is not done about an intent.

/// A fault, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkFault {
    /// A member of the report cannot be used.
    #[error("`{path}` {why}")]
    Member {
        /// The member; its own members behind a dot.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The scope, the policy or whoever the intent is for forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// The intent does not stand like that.
    #[error("{0}")]
    Conflict(String),
    /// The intent would become larger than intents are kept.
    #[error(
        "the intent would have more than {max_bytes} bytes with this `state_delta`: keep large data elsewhere and its address in the state"
    )]
    TooLarge {
        /// How many it may have.
        max_bytes: usize,
    },
}

impl WorkFault {
    pub(super) fn member(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Member {
            path: path.into(),
            why: why.into(),
        }
    }
}
