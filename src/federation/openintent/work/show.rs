//! An intent as it is shown.

use super::super::OpenIntent;
use super::read;
use super::{Refusal, TeamId};
use crate::base::clock::rfc3339;
use crate::openintent::model::IntentStatus;
use crate::openintent::work::{Intent, IntentShown, shares};
use crate::store::openintent::ExchangeRecord;
use crate::store::record::Millis;

impl OpenIntent {
    /// The intent that a team calls this, as it stands.
    ///
    /// # Errors
    /// When there is none, or the store does not give it.
    pub async fn intent(&self, team: &TeamId, id: &str) -> Result<IntentShown, Refusal> {
        let record = self.known_intent(team, id).await?;
        let (it, status) = read(&record)?;
        Ok(intent(&record, &it, status, self.clock.unix_millis()))
    }
}

/// An intent as it stands at a time.
pub(super) fn intent(
    record: &ExchangeRecord,
    intent: &Intent,
    status: IntentStatus,
    now: Millis,
) -> IntentShown {
    let until = match status.is_final() {
        true => record.updated_at,
        false => now,
    };
    let message = intent.message.clone().or_else(|| record.message.clone());
    IntentShown {
        intent_id: record.local_id.clone(),
        status,
        title: intent.title.clone(),
        description: intent.description.clone(),
        state: intent.state.clone(),
        changes: intent.changes.clone(),
        constraints: intent.constraints.clone(),
        agent_id: intent.agent_id.clone(),
        source_server: record.party.clone(),
        source_intent_id: intent.intent_id.clone(),
        dispatch_id: record.dispatch_id.clone(),
        assigned_by: intent.assigned_by.clone(),
        delegation_scope: intent.scope.clone(),
        federation_policy: intent.policy.clone(),
        usage: intent.usage.clone(),
        budget: shares(&intent.policy.budget, &intent.used(until)),
        message,
        trace_id: intent.trace_id.clone(),
        callback_url: intent.callback_url.clone(),
        created_at: rfc3339(record.created_at),
        updated_at: rfc3339(record.updated_at),
        repeated: false,
    }
}
