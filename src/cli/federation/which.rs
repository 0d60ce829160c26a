//! What narrows lists of forwards, attempts and dead letters.

use std::time::Duration;

use clap::Args;

use super::super::error::CommandError;
use super::peer_id;
use crate::base::clock::{Clock, rfc3339};
use crate::base::duration;
use crate::client::{Api, ForwardsQuery};

/// What narrows every list. What is not given does not.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Which {
    /// Those to a peer: its name, the id of its instance, or its own id.
    #[arg(long, value_name = "PEER")]
    peer: Option<String>,
    /// Those of a type, such as `stripe.*`, in the grammar of a peer's scopes; may be repeated.
    #[arg(long = "type", value_name = "GLOB", value_delimiter = ',')]
    types: Vec<String>,
    /// Those of an event, by its id.
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// Those of the last while (30s, 5m, 24h, 7d).
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    since: Option<Duration>,
    /// Those that are older than this.
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    before: Option<Duration>,
    /// Those whose error has this in it.
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

impl Which {
    /// The names of its flags, for rules of several of them.
    pub(super) const FLAGS: [&'static str; 6] =
        ["peer", "types", "event", "since", "before", "error"];

    /// The same for a server.
    pub(super) async fn query(&self, api: &Api) -> Result<ForwardsQuery, CommandError> {
        let now = Clock::system().unix_millis();
        let ago = |ago: Duration| {
            let millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
            rfc3339(now.saturating_sub(millis).max(0))
        };
        Ok(ForwardsQuery {
            peer_id: peer_id(api, self.peer.as_deref()).await?,
            types: self.types.clone(),
            event_id: self.event.clone(),
            since: self.since.map(ago),
            before: self.before.map(ago),
            error: self.error.clone(),
            ..ForwardsQuery::default()
        })
    }
}

/// How long a list is.
#[derive(Debug, Args)]
pub(super) struct Limit {
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) limit: u64,
}
