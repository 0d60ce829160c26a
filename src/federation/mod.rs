//! Other servers: what is sent to them, and what comes from them.
//!
//! All that the server calls goes through [`dial`], the only way out, which keeps promise 10: no errands to inside.

pub mod dial;
#[cfg(test)]
mod dial_tests;
mod fault;
mod hub;
mod inbound;
mod resolver;
mod token;

pub use dial::{Answer, Dial, Limits};
pub use fault::DialFault;
pub use hub::{Federation, Parts, Tasks};
pub use inbound::{Caller, Inbound, Recorder};
pub use resolver::{Resolver, SystemResolver};
pub use token::{FederationToken, FederationTokenError};
