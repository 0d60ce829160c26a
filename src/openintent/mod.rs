//! OpenIntent's federation (RFC-0022, RFC-0023) as functions over values: what servers that know nothing of one another
//! send, sign, delegate and trust.
//!
//! Pure: no IO, no clock, no randomness, no logging, no async runtime. Keys and times come in as arguments; values or typed
//! refusals go out. Names are those of the protocol.

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
