//! What is seen of a step's work at the server.

use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DispatchState, IntentStatus};
use crate::openintent::work::{DispatchShown, IntentShown};

/// How the work on a step stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Whether it is over, and how.
    pub standing: Standing,
    /// The last word to people.
    pub message: Option<String>,
    /// What it has come to so far.
    pub result: Object,
    /// What it has used.
    pub usage: Object,
    /// When it was given to somebody: RFC 3339.
    pub created_at: String,
    /// When something was last heard of it: RFC 3339.
    pub updated_at: String,
}

/// Whether the work is over, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not; the word says how far it is.
    Underway(&'static str),
    /// It is done.
    Completed,
    /// Who did it has given up: another try may go better.
    Failed,
    /// Nobody does it, and another try would not change that.
    Refused,
}

impl Sight {
    /// What an intent of an own agent says.
    pub fn of_intent(intent: &IntentShown) -> Self {
        let standing = match intent.status {
            IntentStatus::Declined => Standing::Refused,
            IntentStatus::Accepted => Standing::Underway("waiting for its agent"),
            IntentStatus::Running => Standing::Underway("running"),
            IntentStatus::Completed => Standing::Completed,
            IntentStatus::Failed => Standing::Failed,
        };
        Self {
            standing,
            message: intent.message.clone(),
            result: intent.changes.clone(),
            usage: intent.usage.clone(),
            created_at: intent.created_at.clone(),
            updated_at: intent.updated_at.clone(),
        }
    }

    /// What a dispatch says.
    pub fn of_dispatch(dispatch: &DispatchShown) -> Self {
        let (result, status) = without_status(&dispatch.state);
        let standing = match dispatch.status {
            DispatchState::Queued => Standing::Underway("on its way"),
            DispatchState::Delivered if status == Some(IntentStatus::Running) => {
                Standing::Underway("running")
            }
            DispatchState::Delivered => Standing::Underway("waiting for its agent"),
            DispatchState::Completed => Standing::Completed,
            DispatchState::Failed => Standing::Failed,
            DispatchState::Rejected | DispatchState::Undelivered => Standing::Refused,
        };
        let message = match dispatch.status {
            DispatchState::Undelivered => {
                let why = dispatch.message.as_deref().unwrap_or("nobody says why");
                Some(format!("it could not be delivered: {why}"))
            }
            // What it was taken with is no word on the work.
            DispatchState::Delivered => {
                let told = dispatch.state.get("message").and_then(Json::as_str);
                told.map(str::to_owned)
            }
            _ => dispatch.message.clone(),
        };
        Self {
            standing,
            message,
            result,
            usage: dispatch.usage.clone(),
            created_at: dispatch.created_at.clone(),
            updated_at: dispatch.updated_at.clone(),
        }
    }
}

/// A state without the word that servers put into it to tell how the work stands (OpenIntent rules, 13.6): that is none
/// of its results.
fn without_status(state: &Object) -> (Object, Option<IntentStatus>) {
    let word = state.get("status").and_then(Json::as_str);
    let status = word.and_then(IntentStatus::of);
    let mut result = state.clone();
    if status.is_some() {
        result.remove("status");
    }
    (result, status)
}
