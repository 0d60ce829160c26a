//! Flags, environment and profile become plain values.
//!
//! The order is flag, environment, profile, default. Nothing outside this room reads the environment or the
//! configuration files, and a stored key leaves this room only for an origin that it is bound to.

pub mod credentials;
pub mod environment;
pub mod error;
pub mod file;
pub mod identity;
pub mod login;
pub mod paths;
pub mod runs;
pub mod settings;

mod private;

pub use environment::Environment;
pub use error::ConfigError;
pub use file::{ConfigFile, Profile};
pub use identity::{Identity, instance_id};
pub use login::Login;
pub use paths::Paths;
pub use runs::{RunLease, RunRecord, RunSubject};
pub use settings::{Flags, Settings};
