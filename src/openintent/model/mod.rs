//! What OpenIntent servers tell one another, as values (spec 2 and 3).
//!
//! All models read alike. A member that is missing or null takes its default, and unknown ones are dropped; a member of
//! another kind is a fault that names it. Only a null enum is a fault too. Empty texts and objects of optional members are
//! read as none, since that is how they are written.
//!
//! Signatures cover the JSON that came, never a model: that has lost what it does not know.

mod callback;
mod envelope;
mod fault;
mod manifest;
mod members;
mod outcome;
mod peer;
mod words;

pub use super::policy::FederationPolicy;
pub use super::scope::DelegationScope;
pub use callback::{FederationAttestation, FederationCallback};
pub use envelope::FederationEnvelope;
pub use fault::ModelFault;
pub use manifest::{Endpoints, FederationManifest, FederationStatus};
pub(super) use members::{Members, Writer};
pub use outcome::{DispatchResult, ReceiveResult};
pub use peer::{FederatedAgent, PeerInfo};
pub use words::{
    AgentVisibility, CallbackEventType, DispatchStatus, PeerRelationship, TrustPolicy,
};
