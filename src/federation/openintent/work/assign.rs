//! An intent for an own agent, by whoever has a key of the team: worked on and told of like one from outside.

use super::super::event::of_intent;
use super::super::receive::trace_id;
use super::super::{OpenIntent, Refusal, digest_of, key_of, team_gone};
use super::{read, show};
use crate::base::random;
use crate::log::Log;
use crate::openintent::json::Json;
use crate::openintent::model::FederationEnvelope;
use crate::openintent::policy::FederationPolicy;
use crate::openintent::scope::ScopeFault;
use crate::openintent::trust::normalize;
use crate::openintent::work::{Assignment, Intent, IntentShown, RECORD_MAX_BYTES};
use crate::protocol::id::{AgentId, TeamId};
use crate::store::openintent::{
    ExchangeKeys, ExchangeKind, ExchangeRecord, ExchangeState, NewExchange,
};
use crate::store::record::{Millis, NewEvent, Origin, Outcome};

/// The longest name or key, in characters.
const NAME_MAX_CHARS: usize = 256;

impl OpenIntent {
    /// Gives an own agent an intent. The same idempotency key makes it the same one again.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn assign(
        &self,
        log: &Log,
        team: &TeamId,
        assignment: &Assignment,
    ) -> Result<IntentShown, Refusal> {
        check(assignment)?;
        let now = self.clock.unix_millis();
        let id = random::uuid4();
        let exchange = self.assigned(assignment, &id, now)?;
        let (keys, digest) = (exchange.keys, exchange.digest);
        let from = assignment.assigned_by.as_ref().unwrap_or(&self.server_url);
        let envelope = self.as_envelope(assignment, &id);
        let Json::Object(object) = envelope.to_json() else {
            return Err(team_gone(team).into());
        };
        let event = of_intent((&envelope, &object), from, &id, now);
        let mut new = NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent);
        new.exchange = Some(exchange.into());
        let (outcome, _) = log.append(new).await?;
        let repeated = match outcome {
            Outcome::Stored(_) => false,
            Outcome::Duplicate { .. } => true,
            Outcome::Exhausted => return Err(Refusal::Exhausted),
            Outcome::NotAdmitted | Outcome::Stale | Outcome::NoTeam => {
                return Err(team_gone(team).into());
            }
        };
        let record = self.store.find_exchange(team.clone(), keys).await?;
        let record: ExchangeRecord = record.ok_or_else(|| team_gone(team))?;
        if record.digest != digest {
            return Err(Refusal::Conflict(
                "another intent was given with this `idempotency_key` before: use another key"
                    .to_owned(),
            ));
        }
        let (intent, status) = read(&record)?;
        let shown = show::intent(&record, &intent, status, now);
        Ok(IntentShown { repeated, ..shown })
    }

    /// The policy that the work is under, if it may be given under that and the scope.
    fn policy_of(&self, assignment: &Assignment, now: Millis) -> Result<FederationPolicy, Refusal> {
        let theirs = assignment.federation_policy.clone().unwrap_or_default();
        let policy = self.settings.policy.compose_within(&theirs);
        if let Some(why) = policy.refusal() {
            return Err(Refusal::member("federation_policy", why));
        }
        if !policy.allows_agent(&assignment.agent_id) {
            return Err(Refusal::Forbidden(format!(
                "the policy does not let the agent `{}` do the work (`allowed_agents`)",
                assignment.agent_id
            )));
        }
        if let Some(scope) = &assignment.delegation_scope {
            let useless = |fault: ScopeFault| {
                Refusal::member("delegation_scope", format!("`delegation_scope`: {fault}"))
            };
            scope.check(now).map_err(useless)?;
        }
        Ok(policy)
    }

    /// What is kept of it.
    fn assigned(
        &self,
        assignment: &Assignment,
        id: &str,
        now: Millis,
    ) -> Result<NewExchange, Refusal> {
        let policy = self.policy_of(assignment, now)?;
        let intent = Intent {
            intent_id: assignment
                .intent_id
                .clone()
                .unwrap_or_else(|| id.to_owned()),
            title: assignment.title.clone(),
            description: assignment.description.clone(),
            state: assignment.state.clone(),
            constraints: assignment.constraints.clone(),
            agent_id: Some(assignment.agent_id.clone()),
            assigned_by: assignment.assigned_by.clone(),
            scope: assignment.delegation_scope.clone(),
            trace_id: trace_id(assignment.trace_id.as_deref(), &policy),
            policy,
            ..Intent::default()
        };
        let record = intent.to_json().to_string();
        if record.len() > RECORD_MAX_BYTES {
            return Err(Refusal::TooLarge(format!(
                "the intent has more than {RECORD_MAX_BYTES} bytes: keep large data elsewhere and its address in the state"
            )));
        }
        let party = normalize(&self.server_url);
        let key = assignment.idempotency_key.as_deref();
        let digest = match assignment.to_json() {
            Json::Object(object) => digest_of(&object),
            _ => [0; 32],
        };
        Ok(NewExchange {
            kind: ExchangeKind::Intent,
            keys: ExchangeKeys {
                own: key_of("openintent-own-intent", &party, id),
                alias: key.map(|key| key_of("openintent-own-intent-key", &party, key)),
            },
            digest,
            dispatch_id: String::new(),
            party,
            local_id: id.to_owned(),
            state: ExchangeState::Accepted,
            agent: Some(assignment.agent_id.clone()),
            message: None,
            record,
            now,
        })
    }

    /// As another server would have sent it: agents read one form.
    fn as_envelope(&self, assignment: &Assignment, id: &str) -> FederationEnvelope {
        let trace = assignment.trace_id.clone();
        FederationEnvelope {
            dispatch_id: id.to_owned(),
            source_server: self.server_url.clone(),
            target_server: self.server_url.clone(),
            intent_id: assignment
                .intent_id
                .clone()
                .unwrap_or_else(|| id.to_owned()),
            intent_title: assignment.title.clone(),
            intent_description: assignment.description.clone(),
            intent_state: assignment.state.clone(),
            intent_constraints: assignment.constraints.clone(),
            agent_id: Some(assignment.agent_id.clone()),
            delegation_scope: assignment.delegation_scope.clone(),
            federation_policy: assignment.federation_policy.clone(),
            trace_context: trace.map(|id| [("trace_id".to_owned(), id)].into()),
            ..FederationEnvelope::default()
        }
    }
}

/// Refuses what cannot be addressed or kept.
fn check(assignment: &Assignment) -> Result<(), Refusal> {
    let agents = [
        ("agent_id", Some(&assignment.agent_id)),
        ("assigned_by", assignment.assigned_by.as_ref()),
    ];
    for (name, agent) in agents {
        if let Some(agent) = agent
            && let Err(fault) = agent.parse::<AgentId>()
        {
            return Err(Refusal::member(name, format!("`{name}`: {fault}")));
        }
    }
    let names = [
        ("intent_id", &assignment.intent_id),
        ("trace_id", &assignment.trace_id),
        ("idempotency_key", &assignment.idempotency_key),
    ];
    for (name, text) in names {
        let chars = text.as_ref().map_or(0, |text| text.chars().count());
        if chars > NAME_MAX_CHARS {
            let why = format!("`{name}` must have at most {NAME_MAX_CHARS} characters");
            return Err(Refusal::member(name, why));
        }
    }
    Ok(())
}
