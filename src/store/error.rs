//! What can go wrong with durable state.

use std::path::PathBuf;

/// A failure of the store. Nothing was changed, unless the text says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The address of a database that cannot be read as one. Addresses have passwords in them: none is repeated here.
    #[error("{0}: use `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`")]
    Address(String),
    /// The file does not exist and was not to be made.
    #[error("there is no database at {}", .0.display())]
    Missing(PathBuf),
    /// The database is something else.
    #[error("{0} is not a kite database")]
    NotKite(String),
    /// The database was written by a newer kite.
    #[error("{place} has schema version {found}; this kite knows versions up to {known}")]
    Newer {
        /// The database.
        place: String,
        /// Its version.
        found: u32,
        /// The newest version that this binary knows.
        known: u32,
    },
    /// Another server holds the database.
    #[error("another kite server is using {}", .0.display())]
    InUse(PathBuf),
    /// The file or its directory, or the server or its settings cannot be used.
    #[error("cannot use {place}: {why}")]
    Unusable {
        /// The file, directory or server.
        place: String,
        /// The reason.
        why: String,
    },
    /// The database cannot be reached, or does not take work now. The connection comes back by itself.
    #[error("the database cannot be reached: {0}")]
    Away(String),
    /// The connection broke before the database answered: whether the change was made is not known. The same event sent
    /// again is recognised.
    #[error("the connection to the database broke before it answered: {0}")]
    Unknown(String),
    /// The database cannot be written: a full disk, a quota, a limit, a failing disk.
    #[error("the database cannot be written: {0}")]
    Unwritable(String),
    /// The database refused an operation: IO error, corruption, something that kite did not expect.
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
    /// A backup where a database is wanted: its numbers are old ones.
    #[error("{} is a backup", .0.display())]
    IsBackup(PathBuf),
    /// A file that is damaged, or a database whose rows contradict each other.
    #[error("{place} is damaged: {why}")]
    Damaged {
        /// The database.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The database is not to have anything in it, and has.
    #[error("there is data in {0}")]
    NotEmpty(String),
    /// Others are at work on a database that one wants for itself.
    #[error("{count} other kite sessions use {place}")]
    Shared {
        /// The database.
        place: String,
        /// How many.
        count: i64,
    },
    /// Numbers cannot be kept: others have them.
    #[error(
        "the log of team `{team}` ends at {kept} here, but numbers up to {given} were given there"
    )]
    NumbersGiven {
        /// The team.
        team: String,
        /// The highest number given.
        given: u64,
        /// The highest number to keep.
        kept: u64,
    },
    /// A team's log has no room for new numbers.
    #[error("the log of team `{0}` has no numbers left to give")]
    NumbersSpent(String),
}

impl StoreError {
    /// A copy that has not everything.
    pub(super) fn cut_short(whole: u64, part: u64) -> Self {
        Self::Failed(format!("of {whole} rows {part} were copied"))
    }

    /// Whether the database is away or has no room: an outage that passes, not a fault of one request.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Unknown(_) | Self::Unwritable(_))
    }
}
