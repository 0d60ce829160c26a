//! The work on intents: reports of agents become what is kept, what is logged and what is told, in one transaction.
//!
//! A report reads the record of its intent, computes what it becomes, and stores that with its events only where nobody was
//! faster; else it reads again.

mod assign;
mod list;
mod news;
mod show;

use super::{OpenIntent, Refusal, team_gone};
use crate::base::random;
use crate::log::Log;
use crate::openintent::json::Object;
use crate::openintent::model::IntentStatus;
use crate::openintent::work::{Intent, IntentShown, Reporter, Turn, Verb, WorkReport};
use crate::protocol::id::TeamId;
use crate::store::StoreError;
use crate::store::openintent::{
    ExchangeChange, ExchangeKind, ExchangeRecord, ExchangeState, ExchangeTurn,
};
use crate::store::record::{Millis, Outcome};
pub use list::{ListPlace, Listed};

/// How often a report is computed anew because others were faster. Of those that come at once one is stored each time, so
/// this is how many may come at once.
const TRIES_MAX: usize = 100;

/// How long whoever has had no turn until then is asked to wait, in seconds.
const BUSY_SECS: u64 = 1;

impl OpenIntent {
    /// Takes what an agent reports of its work on an intent. `approver` is who may say that a person agrees, by the key
    /// that was shown.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn report(
        &self,
        log: &Log,
        team: &TeamId,
        id: &str,
        (verb, report): (Verb, &WorkReport),
        approver: Option<&str>,
    ) -> Result<IntentShown, Refusal> {
        self.change(log, team, id, |intent, status, now_ms| {
            let by = Reporter {
                approver: approver.map(str::to_owned),
                now_ms,
            };
            Ok(intent.report(status, verb, report, &by)?)
        })
        .await
    }

    /// Adds what was used for a part of an intent that a dispatch passed on to what it uses; once, and not after its end.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn account(
        &self,
        log: &Log,
        team: &TeamId,
        id: &str,
        dispatch_id: &str,
        usage: &Object,
    ) -> Result<(), Refusal> {
        self.change(log, team, id, |intent, status, now_ms| {
            Ok(intent.account(status, dispatch_id, usage, now_ms)?)
        })
        .await
        .map(drop)
    }

    /// Changes an intent by what `turn` makes of it; it is called again whenever others were faster.
    async fn change(
        &self,
        log: &Log,
        team: &TeamId,
        id: &str,
        turn: impl Fn(&Intent, IntentStatus, Millis) -> Result<Option<Turn>, Refusal> + Send + Sync,
    ) -> Result<IntentShown, Refusal> {
        for _ in 0..TRIES_MAX {
            let record = self.known_intent(team, id).await?;
            let (intent, status) = read(&record)?;
            let now = self.clock.unix_millis();
            let Some(turn) = turn(&intent, status, now)? else {
                let shown = show::intent(&record, &intent, status, now);
                return Ok(IntentShown {
                    repeated: true,
                    ..shown
                });
            };
            if self.keep(log, team, &record, &turn, now).await? {
                let record = ExchangeRecord {
                    updated_at: now,
                    ..record
                };
                return Ok(show::intent(&record, &turn.intent, turn.status, now));
            }
        }
        Err(Refusal::TooMany {
            why: format!("too much is reported of `{id}` at the same time: try again"),
            retry_after_secs: Some(BUSY_SECS),
        })
    }

    /// Stores what became of an intent with what is told of it; says whether nobody was faster.
    async fn keep(
        &self,
        log: &Log,
        team: &TeamId,
        record: &ExchangeRecord,
        turn: &Turn,
        now: Millis,
    ) -> Result<bool, Refusal> {
        let mut events = vec![news::entry(team, record, turn, now)];
        events.extend(self.news(team, record, turn, now).await?);
        let change = ExchangeChange {
            own_key: record.own_key,
            version: record.version,
            token: i64::from_le_bytes(random::bytes()),
            to: None,
        };
        let to = ExchangeTurn {
            state: Some(state_of(turn.status)),
            record: turn.intent.to_json().to_string(),
        };
        for (at, event) in events.iter_mut().enumerate() {
            let to = (at == 0).then(|| to.clone());
            let change = ExchangeChange {
                to,
                ..change.clone()
            };
            event.change = Some(change.into());
        }
        let appended = log.submit(events).await?.appended().await?;
        match appended.into_iter().next().map(|(outcome, _)| outcome) {
            Some(Outcome::Stored(_)) => Ok(true),
            Some(Outcome::Stale) => Ok(false),
            Some(Outcome::Exhausted) => Err(Refusal::Exhausted),
            Some(Outcome::Duplicate { .. } | Outcome::NotAdmitted | Outcome::NoTeam) | None => {
                Err(team_gone(team).into())
            }
        }
    }

    /// The intent that a team calls this.
    async fn known_intent(&self, team: &TeamId, id: &str) -> Result<ExchangeRecord, Refusal> {
        let kind = ExchangeKind::Intent;
        let found = self
            .store
            .exchange(team.clone(), kind, id.to_owned())
            .await?;
        found.ok_or_else(|| Refusal::Unknown(format!("there is no intent `{id}`")))
    }
}

/// What is kept of an intent, and how it stands.
pub(super) fn read(record: &ExchangeRecord) -> Result<(Intent, IntentStatus), StoreError> {
    let broken = |why: String| {
        let id = &record.local_id;
        StoreError::Failed(format!(
            "what is kept of the intent `{id}` is broken: {why}"
        ))
    };
    let json = record.record.parse();
    let json =
        json.map_err(|fault: crate::openintent::json::JsonFault| broken(fault.to_string()))?;
    let intent = Intent::from_json(&json).map_err(|fault| broken(fault.to_string()))?;
    let status = IntentStatus::of(record.state.word());
    let status = status.ok_or_else(|| broken(format!("it is `{}`", record.state.word())))?;
    Ok((intent, status))
}

fn state_of(status: IntentStatus) -> ExchangeState {
    match status {
        IntentStatus::Declined => ExchangeState::Declined,
        IntentStatus::Accepted => ExchangeState::Accepted,
        IntentStatus::Running => ExchangeState::Running,
        IntentStatus::Completed => ExchangeState::Completed,
        IntentStatus::Failed => ExchangeState::Failed,
    }
}
