//! What an agent says of the work on an intent.

use crate::openintent::json::{Json, Object};
use crate::openintent::model::{Members, ModelFault, Writer};

/// What an agent does to an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// It begins to work on it.
    Accept,
    /// It has come further.
    Progress,
    /// It has done it.
    Complete,
    /// It will not do it.
    Fail,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Accept, Self::Progress, Self::Complete, Self::Fail];

    /// The last part of its path, and its name as a command.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Progress => "progress",
            Self::Complete => "complete",
            Self::Fail => "fail",
        }
    }

    /// The verb of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// What goes along with a [`Verb`]. All of it is optional.
///
/// ```
/// use kite::openintent::work::WorkReport;
///
/// let report = WorkReport::from_json(&r#"{"state_delta":{"rows":7},"usage":{"llm_tokens":120}}"#.parse().unwrap());
/// assert_eq!(report.unwrap().usage["llm_tokens"], 120.into());
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkReport {
    /// Who says it.
    pub agent_id: Option<String>,
    /// What has changed of the intent's state: a JSON merge patch (RFC 7396).
    pub state_delta: Object,
    /// What was used since the last report: tokens, money, calls, seconds. Added to what was used before.
    pub usage: Object,
    /// A word to people: what was done, or why it failed.
    pub message: Option<String>,
    /// Says that a person agrees to the work, where the policy asks for that.
    pub approve: bool,
    /// The same key makes it the same report again, for each verb.
    pub idempotency_key: Option<String>,
}

impl WorkReport {
    /// Reads a report.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            agent_id: members.optional("agent_id")?,
            state_delta: members.object("state_delta")?,
            usage: members.object("usage")?,
            message: members.optional("message")?,
            approve: members.bool("approve", false)?,
            idempotency_key: members.optional("idempotency_key")?,
        })
    }

    /// The report as it travels.
    pub fn to_json(&self) -> Json {
        let some = |object: &Object| (!object.is_empty()).then(|| Json::from(object.clone()));
        Writer::default()
            .put_some("agent_id", self.agent_id.as_deref())
            .put_nested("state_delta", some(&self.state_delta))
            .put_nested("usage", some(&self.usage))
            .put_some("message", self.message.as_deref())
            .put_nested("approve", self.approve.then_some(Json::Bool(true)))
            .put_some("idempotency_key", self.idempotency_key.as_deref())
            .end()
    }
}
