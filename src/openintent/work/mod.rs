//! What is done about intents: what an agent says of its work, what becomes of the intent by it, and what is told of both.
//!
//! ```text
//!  report ──► permit (state, agent, scope, policy) ──► turn: state · usage · budget · log ──► told (callbacks)
//! ```

mod budget;
mod delegation;
mod dispatch;
mod fault;
mod intent;
pub mod log;
pub mod merge;
mod permit;
mod report;
#[cfg(feature = "schema")]
mod schema;
mod shown;
mod told;
mod turn;

pub use budget::{plus, shares};
pub use delegation::{Delegated, DelegationFault};
pub use dispatch::{Dispatch, message_of};
pub use fault::WorkFault;
pub use intent::Intent;
pub use report::{Verb, WorkReport};
pub use shown::{Assignment, BudgetShare, DispatchShown, IntentShown};
pub use told::Told;
pub use turn::{RECORD_MAX_BYTES, Reporter, Turn};

#[cfg(test)]
mod tests;
