//! Intents and dispatches as kite's own API shows them, and the request that makes an intent for an own agent.

use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    DelegationScope, DispatchState, FederationPolicy, IntentStatus, Members, ModelFault, Writer,
};

/// An intent at the server that works on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntentShown {
    /// What it is called here.
    pub intent_id: String,
    /// How it stands.
    pub status: IntentStatus,
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
    /// The server that it came from; this one's own where [`Assignment`] made it.
    pub source_server: String,
    /// What it is called there.
    pub source_intent_id: String,
    /// The dispatch that brought it, by that server's id; empty for an own one.
    pub dispatch_id: String,
    /// The own agent that is told of it, for an own one.
    pub assigned_by: Option<String>,
    /// What may be done; everything where there is none.
    pub delegation_scope: Option<DelegationScope>,
    /// The conditions of the work.
    pub federation_policy: FederationPolicy,
    /// What was used so far.
    pub usage: Object,
    /// How much of each limit that is.
    pub budget: Vec<BudgetShare>,
    /// The last word to people: what was done, why it failed or was declined.
    pub message: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// Where its dispatcher wants to hear of it.
    pub callback_url: Option<String>,
    /// When it came: RFC 3339.
    pub created_at: String,
    /// When something was last done about it: RFC 3339.
    pub updated_at: String,
    /// Whether the report that this answers had been made before.
    pub repeated: bool,
}

/// How much of a limit is used.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetShare {
    /// The member of the policy's budget.
    pub name: String,
    /// The limit.
    pub limit: f64,
    /// What was used.
    pub used: f64,
}

impl BudgetShare {
    /// How much it is, 1 for all.
    pub fn share(&self) -> f64 {
        match self.limit > 0.0 {
            true => (self.used / self.limit).min(f64::MAX),
            false => 1.0,
        }
    }
}

/// An intent for an own agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assignment {
    /// Who is to do it.
    pub agent_id: String,
    /// What the one who asks calls it.
    pub intent_id: Option<String>,
    /// A title.
    pub title: String,
    /// More words.
    pub description: String,
    /// What is known so far.
    pub state: Object,
    /// What has to be kept to.
    pub constraints: Object,
    /// What may be done; everything where there is none.
    pub delegation_scope: Option<DelegationScope>,
    /// The conditions of the work.
    pub federation_policy: Option<FederationPolicy>,
    /// The own agent that is told what becomes of it.
    pub assigned_by: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// The same key makes it the same intent again.
    pub idempotency_key: Option<String>,
}

/// A dispatch at the server that sent it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DispatchShown {
    /// Its id.
    pub dispatch_id: String,
    /// How it stands.
    pub status: DispatchState,
    /// The intent, by the id that it was dispatched with.
    pub intent_id: String,
    /// Where it went.
    pub target_server: String,
    /// Who is to do it there.
    pub agent_id: Option<String>,
    /// The own agent that sent it, which is told what becomes of it.
    pub dispatched_by: Option<String>,
    /// What the other server calls it.
    pub remote_intent_id: Option<String>,
    /// The last word that was told of it: why it was not wanted, not delivered, or failed.
    pub message: Option<String>,
    /// What the other server has told of the intent's state: all its deltas, merged.
    pub state: Object,
    /// What was used for it, by the last attestation.
    pub usage: Object,
    /// The last attestation, as it came.
    pub attestation: Option<Json>,
    /// The last warning that most of a budget is used, as it came.
    pub budget_warning: Option<Json>,
    /// How many callbacks came.
    pub callbacks: i64,
    /// When it was sent: RFC 3339.
    pub created_at: String,
    /// When something was last heard of it: RFC 3339.
    pub updated_at: String,
}

impl IntentShown {
    /// Reads what a server shows.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            intent_id: members.text("intent_id", "")?,
            status: members.word("status", IntentStatus::WANTED, IntentStatus::of)?,
            title: members.text("title", "")?,
            description: members.text("description", "")?,
            state: members.object("state")?,
            changes: members.object("changes")?,
            constraints: members.object("constraints")?,
            agent_id: members.optional("agent_id")?,
            source_server: members.text("source_server", "")?,
            source_intent_id: members.text("source_intent_id", "")?,
            dispatch_id: members.text("dispatch_id", "")?,
            assigned_by: members.optional("assigned_by")?,
            delegation_scope: members.nested("delegation_scope", DelegationScope::read)?,
            federation_policy: members
                .nested("federation_policy", FederationPolicy::read)?
                .unwrap_or_default(),
            usage: members.object("usage")?,
            budget: members.list("budget", BudgetShare::of)?,
            message: members.optional("message")?,
            trace_id: members.optional("trace_id")?,
            callback_url: members.optional("callback_url")?,
            created_at: members.text("created_at", "")?,
            updated_at: members.text("updated_at", "")?,
            repeated: members.bool("repeated", false)?,
        })
    }

    /// As it is shown.
    pub fn to_json(&self) -> Json {
        let budget: Vec<Json> = self.budget.iter().map(BudgetShare::to_json).collect();
        Writer::default()
            .put("intent_id", self.intent_id.as_str())
            .put("status", self.status)
            .put("title", self.title.as_str())
            .put("description", self.description.as_str())
            .put("state", self.state.clone())
            .put("changes", self.changes.clone())
            .put("constraints", self.constraints.clone())
            .put_some("agent_id", self.agent_id.as_deref())
            .put("source_server", self.source_server.as_str())
            .put("source_intent_id", self.source_intent_id.as_str())
            .put("dispatch_id", self.dispatch_id.as_str())
            .put_some("assigned_by", self.assigned_by.as_deref())
            .put_nested(
                "delegation_scope",
                self.delegation_scope.as_ref().map(DelegationScope::to_json),
            )
            .put("federation_policy", self.federation_policy.to_json())
            .put("usage", self.usage.clone())
            .put("budget", budget)
            .put_some("message", self.message.as_deref())
            .put_some("trace_id", self.trace_id.as_deref())
            .put_some("callback_url", self.callback_url.as_deref())
            .put("created_at", self.created_at.as_str())
            .put("updated_at", self.updated_at.as_str())
            .put_nested("repeated", self.repeated.then_some(Json::Bool(true)))
            .end()
    }
}

impl BudgetShare {
    fn of(value: &Json) -> Option<Self> {
        Some(Self {
            name: value.get("name")?.as_str()?.to_owned(),
            limit: value.get("limit")?.as_f64()?,
            used: value.get("used")?.as_f64()?,
        })
    }

    pub(super) fn to_json(&self) -> Json {
        Writer::default()
            .put("name", self.name.as_str())
            .put("limit", Json::Float(self.limit))
            .put("used", Json::Float(self.used))
            .end()
    }
}

impl Assignment {
    /// Reads a request.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            agent_id: members.text("agent_id", "")?,
            intent_id: members.optional("intent_id")?,
            title: members.text("title", "")?,
            description: members.text("description", "")?,
            state: members.object("state")?,
            constraints: members.object("constraints")?,
            delegation_scope: members.nested("delegation_scope", DelegationScope::read)?,
            federation_policy: members.nested("federation_policy", FederationPolicy::read)?,
            assigned_by: members.optional("assigned_by")?,
            trace_id: members.optional("trace_id")?,
            idempotency_key: members.optional("idempotency_key")?,
        })
    }

    /// The request as it travels.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("agent_id", self.agent_id.as_str())
            .put_some("intent_id", self.intent_id.as_deref())
            .put("title", self.title.as_str())
            .put("description", self.description.as_str())
            .put("state", self.state.clone())
            .put("constraints", self.constraints.clone())
            .put_nested(
                "delegation_scope",
                self.delegation_scope.as_ref().map(DelegationScope::to_json),
            )
            .put_nested(
                "federation_policy",
                self.federation_policy
                    .as_ref()
                    .map(FederationPolicy::to_json),
            )
            .put_some("assigned_by", self.assigned_by.as_deref())
            .put_some("trace_id", self.trace_id.as_deref())
            .put_some("idempotency_key", self.idempotency_key.as_deref())
            .end()
    }
}

impl DispatchShown {
    /// Reads what a server shows.
    ///
    /// # Errors
    /// When a member is of another kind.
    pub fn from_json(value: &Json) -> Result<Self, ModelFault> {
        let members = Members::of(value)?;
        Ok(Self {
            dispatch_id: members.text("dispatch_id", "")?,
            status: members.word("status", DispatchState::WANTED, DispatchState::of)?,
            intent_id: members.text("intent_id", "")?,
            target_server: members.text("target_server", "")?,
            agent_id: members.optional("agent_id")?,
            dispatched_by: members.optional("dispatched_by")?,
            remote_intent_id: members.optional("remote_intent_id")?,
            message: members.optional("message")?,
            state: members.object("state")?,
            usage: members.object("usage")?,
            attestation: members.get("attestation").cloned(),
            budget_warning: members.get("budget_warning").cloned(),
            callbacks: members.integer("callbacks", 0)?,
            created_at: members.text("created_at", "")?,
            updated_at: members.text("updated_at", "")?,
        })
    }

    /// As it is shown.
    pub fn to_json(&self) -> Json {
        Writer::default()
            .put("dispatch_id", self.dispatch_id.as_str())
            .put("status", self.status)
            .put("intent_id", self.intent_id.as_str())
            .put("target_server", self.target_server.as_str())
            .put_some("agent_id", self.agent_id.as_deref())
            .put_some("dispatched_by", self.dispatched_by.as_deref())
            .put_some("remote_intent_id", self.remote_intent_id.as_deref())
            .put_some("message", self.message.as_deref())
            .put("state", self.state.clone())
            .put("usage", self.usage.clone())
            .put_nested("attestation", self.attestation.clone())
            .put_nested("budget_warning", self.budget_warning.clone())
            .put("callbacks", self.callbacks)
            .put("created_at", self.created_at.as_str())
            .put("updated_at", self.updated_at.as_str())
            .end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_as_it_was_meant() {
        let intent = IntentShown {
            intent_id: "fed-1".to_owned(),
            status: IntentStatus::Running,
            state: Object::from([("rows".to_owned(), Json::from(7))]),
            delegation_scope: Some(DelegationScope::default()),
            budget: vec![BudgetShare {
                name: "max_llm_tokens".to_owned(),
                limit: 100.0,
                used: 80.0,
            }],
            repeated: true,
            ..IntentShown::default()
        };
        assert_eq!(IntentShown::from_json(&intent.to_json()), Ok(intent));
        let dispatch = DispatchShown {
            dispatch_id: "d".to_owned(),
            status: DispatchState::Delivered,
            attestation: Some(Json::from(Object::new())),
            callbacks: 3,
            ..DispatchShown::default()
        };
        assert_eq!(DispatchShown::from_json(&dispatch.to_json()), Ok(dispatch));
        let assignment = Assignment {
            agent_id: "analyst".to_owned(),
            idempotency_key: Some("k".to_owned()),
            ..Assignment::default()
        };
        assert_eq!(Assignment::from_json(&assignment.to_json()), Ok(assignment));
    }
}
