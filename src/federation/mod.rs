//! Other servers: what is sent to them.
//!
//! All that the server calls goes through [`Dial`], the only way out, which keeps promise 10: no errands to inside.

mod dial;
mod hub;
mod token;

pub use dial::{Answer, Dial, DialFault, Limits, Resolver, SystemResolver};
pub use hub::{Federation, Parts, Tasks};
pub use token::{FederationToken, FederationTokenError};
