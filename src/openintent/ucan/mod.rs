//! Delegation tokens: who lets whom do what, link by link back to somebody who is trusted (spec 10).

mod chain;
mod fault;
mod token;

pub use chain::{Chain, LINKS_MAX};
pub use fault::{UcanFault, UcanProblem};
pub use token::{LIFETIME_SECS, TOKEN_LEN_MAX, UCANToken};

#[cfg(test)]
mod tests;
