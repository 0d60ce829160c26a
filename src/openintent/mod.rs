//! OpenIntent's federation (RFC-0022, RFC-0023) as functions over values: what servers that know nothing of one another
//! send, sign, delegate and trust.
//!
//! Pure: no IO, no clock, no randomness, no logging, no async runtime. Keys and times come in as arguments; values or typed
//! refusals go out. Names are those of the protocol.
//!
//! | In the SDK | Here |
//! |---|---|
//! | `DelegationScope`, `.attenuate(child)` | [`scope::DelegationScope`], [`attenuate`](scope::DelegationScope::attenuate) |
//! | `FederationPolicy`, `.compose_strictest(other)` | [`policy::FederationPolicy`], [`compose_strictest`](policy::FederationPolicy::compose_strictest) |
//! | the other models and enums, `.from_dict()`, `.to_dict()` | [`model`], `from_json`, `to_json` |
//! | `UCANToken`, `issuer`, `audience`, `not_before`, `expires_at`, `proof_chain` | [`ucan::UCANToken`], `iss`, `aud`, `nbf`, `exp`, `prf` |
//! | nothing: it verifies no token | [`ucan::Chain`] |
//! | `TrustEnforcer(policy, allowed_peers)`, `.is_trusted()` | [`trust::TrustEnforcer`], [`is_trusted`](trust::TrustEnforcer::is_trusted) |
//! | `validate_ssrf(url)` | [`callable::validate_ssrf`], with the reason: [`callable::check`] |
//! | `ServerIdentity` | `identity::ServerIdentity` |
//! | `resolve_did_web(did)` | `did::resolve_did_web` |
//! | `sign_envelope`, `verify_envelope_signature` | `signature::sign`, `signature::verify`, over [`canonical::canonical`] |
//! | `MessageSignature` | `http_signature::sign`, in the form of RFC 9421 |
//!
//! `docs/openintent.md` has every name of the SDK's federation, each with an example.

pub mod callable;
pub mod canonical;
pub mod did;
pub mod http_signature;
pub mod identity;
pub mod json;
pub mod model;
pub mod policy;
pub mod scope;
pub mod signature;
pub mod stamp;
pub mod trust;
pub mod ucan;
pub mod work;
pub mod workflow;

/// The examples of the document.
#[cfg(doctest)]
#[doc = include_str!("../../docs/openintent.md")]
struct Document;
