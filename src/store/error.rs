//! What can go wrong with durable state.

use std::path::PathBuf;

/// A failure of the store. Nothing was changed, unless the text says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The address of a database that cannot be read as one.
    #[error("`{0}` is no database: use `sqlite:PATH`")]
    Address(String),
    /// A database of a kind that this build does not have.
    #[error("this version of kite keeps its data in SQLite only: use `sqlite:PATH`")]
    NoPostgres,
    /// The file does not exist and was not to be made.
    #[error("there is no database at {}", .0.display())]
    Missing(PathBuf),
    /// The file is something else.
    #[error("{} is not a kite database", .0.display())]
    NotKite(PathBuf),
    /// The file was written by a newer kite.
    #[error(
        "{} has schema version {found}; this kite knows versions up to {known}",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this binary knows.
        known: u32,
    },
    /// Another server holds the database.
    #[error("another kite server is using {}", .0.display())]
    InUse(PathBuf),
    /// The file or its directory cannot be used.
    #[error("cannot use {}: {why}", .path.display())]
    Unusable {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The database refused an operation: disk full, IO error, corruption.
    #[error("the database failed: {0}")]
    Failed(String),
    /// The store has been closed: the server is ending.
    #[error("the store is closed")]
    Closed,
    /// A name that is already there.
    #[error("{0} exists already")]
    Exists(String),
    /// A name that is not there.
    #[error("there is no {0}")]
    NotFound(String),
    /// The database belongs to another instance.
    #[error("the database belongs to instance `{stored}`, not `{given}`")]
    OtherInstance {
        /// The id in the database.
        stored: String,
        /// The id that was asked for.
        given: String,
    },
    /// The key that secrets are sealed with is not the one that the database knows.
    #[error("the secrets in the database are sealed with another key")]
    OtherSecretKey,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
