//! OpenIntent between this server and others: what the operator says of it, and whom a team trusts.

mod entry;
mod seed;
mod settings;
mod trust;

pub use entry::{ApiKeyFault, DidTextFault, ServerUrl, ServerUrlFault, check_api_key, check_did};
pub use seed::{open_seed, seal_seed};
pub use settings::{
    ConfiguredAgent, ConfiguredPeer, KEY_OVERLAP_DEFAULT, OpenIntentSettings, SharedSecret,
};
pub use trust::{Source, TeamTrust, Trust, TrustedServer};
