//! Which cursor a listening verb reads with.

use super::context::Context;
use super::error::CommandError;
use crate::config::Settings;
use crate::config::identity::{ClientLease, Consumer};
use crate::protocol::id::{ClientId, TeamId};

/// What the person wants.
pub(super) enum Choice {
    /// None: begin with what comes from now on.
    Ephemeral,
    /// The one that was named.
    Given(ClientId),
    /// The one that the profile keeps for this command and this subject.
    Kept {
        command: &'static str,
        subject: String,
    },
}

/// A cursor. Its lock is held while this lives.
pub(super) enum Cursor {
    None,
    Given(ClientId),
    Leased(ClientLease),
}

impl Cursor {
    pub(super) fn take(
        choice: Choice,
        context: &Context,
        settings: &Settings,
        team: &TeamId,
    ) -> Result<Self, CommandError> {
        let (command, subject) = match choice {
            Choice::Ephemeral => return Ok(Self::None),
            Choice::Given(client_id) => return Ok(Self::Given(client_id)),
            Choice::Kept { command, subject } => (command, subject),
        };
        let origin = settings.origin()?;
        let consumer = Consumer {
            origin: &origin,
            team: team.as_str(),
            command,
            subject: &subject,
        };
        let lease = ClientLease::take(&settings.paths, &settings.profile, &consumer)?;
        if lease.is_fresh {
            context.out.note(
                "another process listens for the same here: this one begins with what comes from now on",
            );
        }
        Ok(Self::Leased(lease))
    }

    /// Whether another process here has the profile's own, so that this is a fresh one.
    #[cfg(feature = "mcp")]
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self, Self::Leased(lease) if lease.is_fresh)
    }

    pub(super) fn client_id(&self) -> Option<ClientId> {
        match self {
            Self::None => None,
            Self::Given(client_id) => Some(client_id.clone()),
            Self::Leased(lease) => Some(lease.client_id.clone()),
        }
    }
}
