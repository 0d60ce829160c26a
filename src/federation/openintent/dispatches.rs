//! The dispatches of a team: which there are, and how one stands.

use super::work::{ListPlace, Listed};
use super::{OpenIntent, Refusal};
use crate::base::clock::rfc3339;
use crate::openintent::json::JsonFault;
use crate::openintent::model::DispatchState;
use crate::openintent::work::{Dispatch, DispatchShown};
use crate::protocol::id::TeamId;
use crate::store::StoreError;
use crate::store::openintent::{ExchangeFilter, ExchangeKind, ExchangeRecord, ExchangeState};

impl OpenIntent {
    /// A team's dispatches, the one that was sent last first: at most so many, and fewer where they are large. `agent` is the
    /// own agent that has sent them.
    ///
    /// # Errors
    /// When the store does not give them.
    pub async fn dispatches(
        &self,
        team: &TeamId,
        status: Option<DispatchState>,
        agent: Option<String>,
        before: Option<ListPlace>,
        max: usize,
    ) -> Result<Listed<DispatchShown>, Refusal> {
        let filter = ExchangeFilter {
            kind: ExchangeKind::Dispatch,
            // What a dispatch is to others, it is in the store, by the same word.
            state: status.and_then(|status| ExchangeState::of(status.word())),
            agent,
            before: before.map(ListPlace::into_parts),
            max: 0,
        };
        let page = self.page(team, filter, max).await?;
        let items: Result<Vec<_>, StoreError> = page.items.iter().map(shown).collect();
        Ok(Listed {
            items: items?,
            next: page.next,
        })
    }

    /// A team's dispatch as it stands.
    ///
    /// # Errors
    /// When there is none, or the store does not give it.
    pub async fn dispatched(&self, team: &TeamId, id: &str) -> Result<DispatchShown, Refusal> {
        let found = self
            .store
            .exchange(team.clone(), ExchangeKind::Dispatch, id.to_owned())
            .await?;
        let unknown = || Refusal::Unknown(format!("there is no dispatch `{id}`"));
        Ok(shown(&found.ok_or_else(unknown)?)?)
    }
}

fn shown(record: &ExchangeRecord) -> Result<DispatchShown, StoreError> {
    let kept = read(record)?;
    let status = DispatchState::of(record.state.word()).unwrap_or_default();
    // What the other server said when it took the intent is no word about its end.
    let first = record
        .message
        .clone()
        .filter(|_| !matches!(status, DispatchState::Completed | DispatchState::Failed));
    Ok(DispatchShown {
        dispatch_id: record.local_id.clone(),
        status,
        target_server: record.party.clone(),
        dispatched_by: record.agent.clone(),
        remote_intent_id: record.remote_id.clone(),
        state: kept.state(),
        intent_id: kept.intent_id,
        agent_id: kept.agent_id,
        message: kept.message.or(first),
        usage: kept.usage,
        attestation: kept.attestation,
        budget_warning: kept.budget_warning,
        callbacks: kept.callbacks,
        created_at: rfc3339(record.created_at),
        updated_at: rfc3339(record.updated_at),
    })
}

/// What is kept of a dispatch.
pub(super) fn read(record: &ExchangeRecord) -> Result<Dispatch, StoreError> {
    let broken = |why: String| {
        let id = &record.local_id;
        StoreError::Failed(format!(
            "what is kept of the dispatch `{id}` is broken: {why}"
        ))
    };
    let json = record.record.parse();
    let json = json.map_err(|fault: JsonFault| broken(fault.to_string()))?;
    Dispatch::from_json(&json).map_err(|fault| broken(fault.to_string()))
}
