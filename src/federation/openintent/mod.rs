//! OpenIntent between this server and others: what the operator says of it, and whom a team trusts.

mod entry;
mod settings;
mod standin;
mod trust;

pub use entry::{ApiKeyFault, DidTextFault, ServerUrl, ServerUrlFault, check_api_key, check_did};
pub use settings::{
    ConfiguredAgent, ConfiguredPeer, KEY_OVERLAP_DEFAULT, OpenIntentSettings, SharedSecret,
    TrustlessMode,
};
pub use standin::{AgentVisibility, FederationPolicy, PeerRelationship, TrustPolicy, normalize};
pub use trust::{Source, TeamTrust, Trust, TrustedServer};
