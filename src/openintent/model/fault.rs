//! Why a value is not the model that it should be.

/// What is wrong, and with which member. Members of members are written with a dot between.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelFault {
    /// The whole is no object.
    #[error("it must be an object, not {0}")]
    NoObject(&'static str),
    /// A member of another kind.
    #[error("`{path}` must be {wanted}, not {found}")]
    Kind {
        /// The member.
        path: String,
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A word that the protocol does not have (spec 2).
    #[error("`{path}` must be {wanted}")]
    Word {
        /// The member.
        path: String,
        /// The words that there are.
        wanted: &'static str,
    },
}

impl ModelFault {
    /// The member that is at fault; empty for the whole.
    pub fn path(&self) -> &str {
        match self {
            Self::NoObject(_) => "",
            Self::Kind { path, .. } | Self::Word { path, .. } => path,
        }
    }
}
