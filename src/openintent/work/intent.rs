//! What is kept of an intent while it is worked on.

use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DelegationScope, FederationPolicy, Members, ModelFault, Writer};

/// An intent as its server keeps it, beside how it stands. Everything that is done about it starts from this and ends in
/// this.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intent {
    /// What its sender calls it.
    pub intent_id: String,
    /// A title.
    pub title: String,
    /// More words.
    pub description: String,
    /// Its state as it is now.
    pub state: Object,
    /// What its state has become different in here: a merge patch.
    pub changes: Object,
    /// What has to be kept to.
    pub constraints: Object,
    /// Who is to do it.
    pub agent_id: Option<String>,
    /// The own agent that gave it, where no other server did.
    pub assigned_by: Option<String>,
    /// What may be done; everything where there is none.
    pub scope: Option<DelegationScope>,
    /// The conditions of the work.
    pub policy: FederationPolicy,
    /// Where its sender wants to hear of it.
    pub callback_url: Option<String>,
    /// The delegation token that it came with.
    pub ucan: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// What was used so far.
    pub usage: Object,
    /// The members of the budget that were warned of.
    pub warned: Vec<String>,
    /// The last word to people.
    pub message: Option<String>,
    /// How many callbacks were made.
    pub callbacks: i64,
    /// How many reports an agent has made beside the first and the last one.
    pub steps: i64,
    /// Who has said that a person agrees, where that was needed.
    pub approved_by: Option<String>,
    /// When an agent began: Unix milliseconds.
    pub started_at: Option<i64>,
    /// The keys of the last reports, each behind the word of its verb.
    pub keys: Vec<String>,
    /// The dispatches of parts of it whose usage is in its own: all of them, since an end may be told again at any time, and
    /// apart from the keys, which agents choose.
    pub accounted: Vec<String>,
    /// The hash of each report in turn, for the root that is attested (spec, appendix C).
    pub log: Vec<String>,
}

impl Intent {
    /// Reads what was kept.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        let started_at = members.get("started_at").and_then(Json::as_i64);
        Ok(Self {
            intent_id: members.text("intent_id", "")?,
            title: members.text("intent_title", "")?,
            description: members.text("intent_description", "")?,
            state: members.object("state")?,
            changes: members.object("changes")?,
            constraints: members.object("constraints")?,
            agent_id: members.optional("agent_id")?,
            assigned_by: members.optional("assigned_by")?,
            scope: members.nested("scope", DelegationScope::read)?,
            policy: members
                .nested("policy", FederationPolicy::read)?
                .unwrap_or_default(),
            callback_url: members.optional("callback_url")?,
            ucan: members.optional("ucan")?,
            trace_id: members.optional("trace_id")?,
            usage: members.object("usage")?,
            warned: members.texts("warned", &[])?,
            message: members.optional("message")?,
            callbacks: members.integer("callbacks", 0)?,
            steps: members.integer("steps", 0)?,
            approved_by: members.optional("approved_by")?,
            started_at,
            keys: members.texts("keys", &[])?,
            accounted: members.texts("accounted", &[])?,
            log: members.texts("log", &[])?,
        })
    }

    /// As it is kept.
    pub fn to_json(&self) -> Json {
        let filled = |object: &Object| (!object.is_empty()).then(|| Json::from(object.clone()));
        let listed = |texts: &Vec<String>| (!texts.is_empty()).then(|| Json::from(texts.clone()));
        let counted = |number: i64| (number != 0).then(|| Json::from(number));
        Writer::default()
            .put("intent_id", self.intent_id.as_str())
            .put("intent_title", self.title.as_str())
            .put_some("intent_description", Some(&self.description))
            .put_nested("state", filled(&self.state))
            .put_nested("changes", filled(&self.changes))
            .put_nested("constraints", filled(&self.constraints))
            .put_some("agent_id", self.agent_id.as_deref())
            .put_some("assigned_by", self.assigned_by.as_deref())
            .put_nested("scope", self.scope.as_ref().map(DelegationScope::to_json))
            .put("policy", self.policy.to_json())
            .put_some("callback_url", self.callback_url.as_deref())
            .put_some("ucan", self.ucan.as_deref())
            .put_some("trace_id", self.trace_id.as_deref())
            .put_nested("usage", filled(&self.usage))
            .put_nested("warned", listed(&self.warned))
            .put_some("message", self.message.as_deref())
            .put_nested("callbacks", counted(self.callbacks))
            .put_nested("steps", counted(self.steps))
            .put_some("approved_by", self.approved_by.as_deref())
            .put_nested("started_at", self.started_at.map(Json::from))
            .put_nested("keys", listed(&self.keys))
            .put_nested("accounted", listed(&self.accounted))
            .put_nested("log", listed(&self.log))
            .end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        let intent = Intent {
            intent_id: "i".to_owned(),
            state: Object::from([("rows".to_owned(), Json::from(7))]),
            scope: Some(DelegationScope::default()),
            started_at: Some(5),
            log: vec!["sha256:x".to_owned()],
            ..Intent::default()
        };
        assert_eq!(Intent::from_json(&intent.to_json()), Ok(intent));
    }
}
