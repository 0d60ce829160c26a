//! Other servers: what is sent to them.
//!
//! All that the server calls goes through [`Dial`], the only way out, which keeps promise 10: no errands to inside.

mod dial;

pub use dial::{Answer, Dial, DialFault, Limits, Resolver, SystemResolver};
