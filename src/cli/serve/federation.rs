//! What is said of other servers: flags, variables and the table `[federation]` of the file.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use crate::base::duration;
use crate::cli::error::CommandError;

/// How old an event may be that is still forwarded, where nothing else was said (spec 14.2).
const MAX_AGE_DEFAULT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The settings.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FederationSettings {
    /// How old an event may be that is still tried at a peer; then it is a dead letter [default: 7d]
    #[arg(
        id = "federation_max_age",
        long = "federation-max-age",
        value_name = "DUR",
        env = "KITE_FEDERATION_MAX_AGE"
    )]
    max_age: Option<String>,
}

impl FederationSettings {
    /// What is missing here is taken from there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            max_age: self.max_age.or(other.max_age),
        }
    }

    /// How old an event may be that is still forwarded.
    pub(super) fn max_age(&self) -> Result<Duration, CommandError> {
        let max_age = self.max_age.as_deref().map(duration::parse).transpose();
        let max_age = max_age.map_err(|error| {
            CommandError::usage(format!("`--federation-max-age` cannot be used: {error}"))
        })?;
        Ok(max_age.unwrap_or(MAX_AGE_DEFAULT))
    }
}
