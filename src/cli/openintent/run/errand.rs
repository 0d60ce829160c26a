//! A step as it is given to somebody. The names in it follow from the run, the step and the try, so that the server knows
//! each of them again.

use crate::openintent::json::{Json, Object};
use crate::openintent::model::{DelegationScope, FederationPolicy};
use crate::openintent::work::Assignment;
use crate::openintent::workflow::{Start, Step};
use crate::protocol::id::AgentId;

/// The run that a step belongs to.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) run_id: &'a str,
    pub(super) agent: &'a AgentId,
}

impl Of<'_> {
    /// What a try of a step is called, and known again by.
    fn name(self, step: &Step, attempt: u32) -> String {
        format!("run-{}-{}-{attempt}", self.run_id, step.name)
    }
}

/// An intent for an own agent.
pub(super) fn assignment(of: Of<'_>, step: &Step, start: &Start) -> Assignment {
    let name = of.name(step, start.attempt);
    Assignment {
        agent_id: step.place.agent.to_string(),
        intent_id: Some(name.clone()),
        title: step.title.clone(),
        description: step.description.clone(),
        state: start.state.clone(),
        constraints: step.constraints.clone(),
        delegation_scope: step.scope.clone(),
        federation_policy: policy(step).cloned(),
        assigned_by: Some(of.agent.to_string()),
        trace_id: Some(of.run_id.to_owned()),
        idempotency_key: Some(name),
    }
}

/// A dispatch to another server (OpenIntent rules, section 13.5).
pub(super) fn dispatch(of: Of<'_>, step: &Step, server: &str, start: &Start) -> Object {
    let name = of.name(step, start.attempt);
    let trace = Object::from([("trace_id".to_owned(), of.run_id.into())]);
    let some = |object: &Object| (!object.is_empty()).then(|| Json::from(object.clone()));
    // With a scope the other server may pass a part of the work on, which takes a token.
    let can_be_passed_on = step
        .scope
        .as_ref()
        .map(|scope| scope.max_delegation_depth > 0);
    let members = [
        ("target_server", Some(Json::from(server))),
        ("intent_id", Some(name.as_str().into())),
        ("agent_id", Some(step.place.agent.as_str().into())),
        ("intent_title", Some(step.title.as_str().into())),
        ("intent_description", Some(step.description.as_str().into())),
        ("intent_state", Some(start.state.clone().into())),
        ("intent_constraints", some(&step.constraints)),
        (
            "delegation_scope",
            step.scope.as_ref().map(DelegationScope::to_json),
        ),
        (
            "federation_policy",
            policy(step).map(FederationPolicy::to_json),
        ),
        ("trace_context", Some(trace.into())),
        ("idempotency_key", Some(name.as_str().into())),
        (
            "issue_token",
            can_be_passed_on.filter(|it| *it).map(Json::from),
        ),
    ];
    let said = members.into_iter();
    said.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The conditions of a step, where it has some.
fn policy(step: &Step) -> Option<&FederationPolicy> {
    Some(&step.policy).filter(|policy| **policy != FederationPolicy::default())
}
