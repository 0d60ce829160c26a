//! What may be done about an intent, and by whom: its state, its agent, its scope and its policy (spec 8, 9, 14).

use super::fault::WorkFault;
use super::{Intent, Verb, WorkReport};
use crate::openintent::model::IntentStatus;
use crate::openintent::policy::limit_of;

/// The operation that a verb is, for scopes that deny it.
fn operation(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::Accept => Some("intent.accept"),
        Verb::Progress => None,
        Verb::Complete => Some("intent.complete"),
        Verb::Fail => Some("intent.fail"),
    }
}

impl Intent {
    /// Whether a report says what is so already: the agent that works on it accepts it again, as one does that was started
    /// anew.
    pub(super) fn is_known(&self, status: IntentStatus, verb: Verb, report: &WorkReport) -> bool {
        status == IntentStatus::Running && verb == Verb::Accept && !self.is_others(report)
    }

    /// Whether somebody else than its agent reports, as far as both are known.
    fn is_others(&self, report: &WorkReport) -> bool {
        let both = self.agent_id.as_ref().zip(report.agent_id.as_ref());
        both.is_some_and(|(its, reporting)| its != reporting)
    }

    /// Refuses what its state or its agent does not allow.
    pub(super) fn permit_by_state(
        &self,
        status: IntentStatus,
        verb: Verb,
        report: &WorkReport,
    ) -> Result<(), WorkFault> {
        if status.is_final() {
            let is = match status {
                IntentStatus::Failed => "has",
                _ => "is",
            };
            let word = status.word();
            return Err(WorkFault::Conflict(format!(
                "the intent {is} {word}, and nothing is done about it any more"
            )));
        }
        if !self.is_others(report) {
            return Ok(());
        }
        let its = self.agent_id.as_deref().unwrap_or_default();
        let why = format!("the intent is for the agent `{its}`: only that one reports on it");
        Err(match (status, verb) {
            (IntentStatus::Running, Verb::Accept) => {
                WorkFault::Conflict(format!("the agent `{its}` works on the intent already"))
            }
            _ => WorkFault::Forbidden(why),
        })
    }

    /// Refuses whoever is not among the agents that may do the work, where the intent itself names nobody: its own agent was
    /// judged when it came.
    pub(super) fn permit_by_agents(&self, report: &WorkReport) -> Result<(), WorkFault> {
        if self.agent_id.is_some() || self.policy.agents().is_none() {
            return Ok(());
        }
        match report.agent_id.as_deref() {
            Some(agent) if self.policy.allows_agent(agent) => Ok(()),
            Some(agent) => Err(WorkFault::Forbidden(format!(
                "the policy does not let the agent `{agent}` do the work (`allowed_agents`)"
            ))),
            None => Err(WorkFault::Forbidden(
                "the policy says which agents may do the work: name yours in `agent_id`".to_owned(),
            )),
        }
    }

    /// Refuses what the scope does not allow. Whoever has no scope may do everything; failing is allowed under one that is
    /// over, too.
    pub(super) fn permit_by_scope(
        &self,
        verb: Verb,
        report: &WorkReport,
        is_beginning: bool,
        now_ms: i64,
    ) -> Result<(), WorkFault> {
        let Some(scope) = &self.scope else {
            return Ok(());
        };
        if verb != Verb::Fail || !report.state_delta.is_empty() {
            scope.check(now_ms).map_err(|fault| {
                WorkFault::Forbidden(format!(
                    "{fault}: nothing but failing the intent is allowed, without `state_delta`"
                ))
            })?;
        }
        let begins = is_beginning.then_some("intent.accept");
        let reports = (!report.usage.is_empty()).then_some("cost.report");
        let denied = [operation(verb), begins, reports].into_iter().flatten();
        for operation in denied {
            if scope.denied_operations.iter().any(|it| it == operation) {
                return Err(WorkFault::Forbidden(format!(
                    "the scope denies `{operation}`: ask whoever gave the intent for another one"
                )));
            }
        }
        let patches = (!report.state_delta.is_empty()).then_some(("state.patch", "state_delta"));
        let tells = verb == Verb::Progress && report.message.is_some();
        let tells = tells.then_some(("events.log", "message"));
        for (operation, member) in [patches, tells].into_iter().flatten() {
            if !scope.allows(operation) {
                return Err(WorkFault::Forbidden(format!(
                    "the scope does not allow `{operation}`: leave out `{member}`"
                )));
            }
        }
        Ok(())
    }

    /// Refuses what the policy does not allow: more steps than an agent may take alone, or work that nobody has agreed to.
    pub(super) fn permit_by_policy(
        &self,
        verb: Verb,
        report: &WorkReport,
        may_approve: bool,
    ) -> Result<(), WorkFault> {
        if verb == Verb::Progress
            && let Some(max) = self.steps_max()
            && self.steps >= max
        {
            return Err(WorkFault::Forbidden(format!(
                "the policy allows {max} reports of progress (`max_autonomous_steps`): complete or fail the intent"
            )));
        }
        let is_approved = self.approved_by.is_some() || (report.approve && may_approve);
        if verb == Verb::Fail || !self.policy.needs_approval() || is_approved {
            return Ok(());
        }
        Err(WorkFault::Forbidden(
            "the policy wants a person to agree before the work begins: accept the intent with an admin key and `approve: \
             true` (`kite openintent intents accept --approve`)"
                .to_owned(),
        ))
    }

    /// How many reports of progress there may be. A fraction of one is none.
    fn steps_max(&self) -> Option<i64> {
        let max = self.policy.governance.get("max_autonomous_steps")?;
        // Whatever is larger than an integer may be is no limit of anything.
        #[allow(clippy::cast_possible_truncation, reason = "it saturates")]
        limit_of(max).map(|max| max.floor() as i64)
    }
}
