//! Why the configuration cannot be used.

use std::path::PathBuf;

use crate::protocol::address::AddressError;
use crate::protocol::id::IdError;
use crate::protocol::token::TokenError;

/// What is wrong with flags, environment or files.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read, written or locked.
    #[error("cannot {action} `{path}`: {cause}")]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        cause: std::io::Error,
    },
    /// A file is not TOML. It is left as it is.
    #[error("`{path}` is not valid TOML: {why}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        why: String,
    },
    /// A key holds another type of value.
    #[error("`{key}` in `{path}` must be {expected}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with its tables.
        key: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A profile's name.
    #[error("`{0}` is not a profile name: use letters, digits, `-` and `_`")]
    ProfileName(String),
    /// An address that cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A team, agent or client id that cannot be used.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A key that is none. What was given is never shown.
    #[error("the API key in {place} is {cause}")]
    Key {
        /// Where it was found.
        place: String,
        /// What is wrong.
        cause: TokenError,
    },
    /// There is no key.
    #[error("not logged in to `{server}`")]
    NotLoggedIn {
        /// The HTTP base of the server.
        server: String,
    },
    /// The stored key belongs to another server.
    #[error("the stored key is bound to {} and is not sent to `{origin}`", list(.bound))]
    OtherOrigin {
        /// Where it would have gone.
        origin: String,
        /// Where it may go.
        bound: Vec<String>,
    },
    /// The key would travel in clear text.
    #[error("the API key is not sent over plain http to `{0}`")]
    PlainHttp(String),
    /// The keyring has the key, and does not give it.
    #[error("the system keyring did not give the API key: {0}")]
    Keyring(String),
}

fn list(origins: &[String]) -> String {
    match origins {
        [] => "no server".to_owned(),
        origins => format!("`{}`", origins.join("`, `")),
    }
}
