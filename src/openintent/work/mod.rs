//! What is done about intents: what an agent says of its work, what becomes of the intent by it, and what is told of both.

mod delegation;
mod dispatch;
mod intent;
pub mod merge;
mod report;
mod shown;

pub use delegation::{Delegated, DelegationFault};
pub use dispatch::{Dispatch, message_of};
pub use intent::Intent;
pub use report::{Verb, WorkReport};
pub use shown::{Assignment, BudgetShare, DispatchShown, IntentShown};
