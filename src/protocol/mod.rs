//! What travels between kite and kite, as values.
//!
//! Pure: no IO, no clock, no randomness, no logging, no async runtime. Bytes, keys and times come in as arguments;
//! values or typed refusals go out. The wire facts are those of the Kite protocol, version 1.

pub mod address;
pub mod address_class;
pub mod agent;
pub mod api;
pub mod arrival;
pub mod base64url;
pub mod discovery;
pub mod error;
pub mod event;
pub mod federation;
pub mod forward;
pub mod frame;
pub mod glob;
pub mod id;
pub mod identity;
pub mod invite;
pub mod json;
pub mod login;
pub(crate) mod mac;
#[cfg(test)]
pub(crate) mod made_up;
pub mod outbound;
#[cfg(test)]
mod outbound_tests;
pub mod peer_url;
pub mod permission;
pub mod quota;
pub mod redemption;
pub mod rpc;
#[cfg(feature = "schema")]
pub mod schema;
pub mod scope;
pub mod summary;
pub mod token;
pub mod trace;
pub mod trust;
pub mod undeliverable;
pub mod view;

/// The protocol version that `connect` carries (spec 5.1).
pub const VERSION: u32 = 1;

/// How "unlimited" is written on the wire: the largest integer that JavaScript keeps exactly, 2^53 − 1 (spec 0).
pub const UNLIMITED: u64 = 9_007_199_254_740_991;
