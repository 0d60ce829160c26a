//! An envelope comes in: whom it is from, whether that is proved, what it may do, and what becomes of it (spec 13.6).

use sha2::{Digest, Sha256};

use super::event::of_intent;
use super::proof::check_freshness;
use super::{OpenIntent, Party, Refusal, TeamTrust, digest_of, key_of, team_gone};
use crate::base::random;
use crate::log::Log;
use crate::openintent::did::spellings;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    AgentVisibility, DelegationScope, FederationEnvelope, FederationPolicy, ReceiveResult,
};
use crate::openintent::trust::{Needs, normalize};
use crate::openintent::work::Intent;
use crate::protocol::id::{AgentId, TeamId};
use crate::protocol::mac::hex;
use crate::store::openintent::{
    ExchangeKeys, ExchangeKind, ExchangeRecord, ExchangeState, NewExchange,
};
use crate::store::record::{Millis, NewEvent, Origin, Outcome};

const ACCEPTED: &str = "Intent received and accepted for processing";
pub(super) const REPEATED: &str = "Already processed (idempotent)";

/// An envelope as it came.
pub struct Arrival {
    /// All members, as they were sent: what a signature covers.
    pub object: Object,
    /// The same, read.
    pub envelope: FederationEnvelope,
    /// A limit that the RFC's text puts into the scope (spec 8).
    pub budget_limit: Option<Json>,
    /// Whose intent it is: the team's whose API key was shown, else [`OpenIntent::team_of`].
    pub team: TeamId,
    /// Whether an API key or a signature of the whole request speaks for it, beside or without its own signature.
    pub is_vouched_for: bool,
}

/// What applies to the work.
struct Terms {
    scope: Option<DelegationScope>,
    policy: FederationPolicy,
}

impl OpenIntent {
    /// Judges an envelope and stores what is taken. `admit` counts it, once it is proved: what strangers make up takes
    /// nothing from those whose name they use.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn receive(
        &self,
        log: &Log,
        arrival: Arrival,
        admit: impl FnOnce() -> Result<(), Refusal> + Send,
    ) -> Result<ReceiveResult, Refusal> {
        let envelope = &arrival.envelope;
        let party = normalize(&envelope.source_server);
        let team = arrival.team.clone();
        let trust = self.trust.of(&team).await?;
        let needs = check_trust(&trust, &party, envelope)?;
        self.check_target(envelope)?;
        let from = Party::of(&trust, &party);
        let is_signed = envelope.signature.is_some();
        if is_signed {
            self.check_signature(&from, &arrival.object).await?;
        }
        let now = self.clock.unix_millis();
        check_freshness(envelope, now, is_signed, arrival.is_vouched_for)?;
        let granted = match &envelope.ucan {
            Some(token) => Some(self.check_token(&team, &trust, &from, token, now).await?),
            None if needs == Needs::Proofs => {
                return Err(Refusal::Forbidden(
                    "the policy `trustless` takes no intent without a delegation token (`ucan`)"
                        .to_owned(),
                ));
            }
            None => None,
        };
        admit()?;
        let keys = keys_of(envelope, &party);
        let digest = digest_of(&arrival.object);
        let dispatch_id = envelope.dispatch_id.clone();
        // Before all that may have changed since: a repeat hears what the first heard, and sets nothing going.
        if let Some(known) = self.store.find_exchange(team.clone(), keys).await? {
            return repeated(dispatch_id, keys.own, digest, known);
        }
        let mut exchange = NewExchange {
            kind: ExchangeKind::Intent,
            local_id: self.free_id(&team, &dispatch_id, &keys).await?,
            keys,
            digest,
            dispatch_id,
            party,
            state: ExchangeState::Accepted,
            agent: envelope.agent_id.clone(),
            message: None,
            record: String::new(),
            now,
        };
        let terms = self.terms(envelope, granted, arrival.budget_limit.as_ref());
        let declined = self.decline(&team, &trust, envelope, &terms, now).await?;
        exchange.record = record(envelope, &terms).to_json().to_string();
        match declined {
            Some(why) => self.keep_declined(team, exchange, why).await,
            None => self.take(log, (team, &trust), &arrival, exchange).await,
        }
    }

    /// Whose intent it is when no API key says so.
    ///
    /// # Errors
    /// When the store does not tell.
    pub async fn team_of(&self, envelope: &FederationEnvelope) -> Result<TeamId, Refusal> {
        let party = normalize(&envelope.source_server);
        let agent = envelope.agent_id.as_deref();
        if let Some(team) = self.trust.team_of(&party, agent).await? {
            return Ok(team);
        }
        // Its policy may be open.
        let default: Result<TeamId, _> = "default".parse();
        default.map_err(|_| Refusal::Forbidden("there is no team `default`".to_owned()))
    }

    fn check_target(&self, envelope: &FederationEnvelope) -> Result<(), Refusal> {
        let target = &envelope.target_server;
        match target.is_empty() || self.is_own(target) {
            true => Ok(()),
            false => Err(Refusal::Forbidden(format!(
                "the envelope is for {target}, and this is {}",
                self.server_url
            ))),
        }
    }

    /// What an intent is called here, and no other of its team.
    async fn free_id(
        &self,
        team: &TeamId,
        dispatch_id: &str,
        keys: &ExchangeKeys,
    ) -> Result<String, Refusal> {
        let mut salt = 0;
        loop {
            let id = local_id(dispatch_id, keys, salt);
            let known = self
                .store
                .exchange(team.clone(), ExchangeKind::Intent, id.clone())
                .await?;
            match known {
                Some(other) if other.own_key != keys.own => salt += 1,
                _ => return Ok(id),
            }
        }
    }

    /// What applies to the work: the token's scope attenuated by the envelope's, and the stricter of both policies.
    fn terms(
        &self,
        envelope: &FederationEnvelope,
        granted: Option<DelegationScope>,
        budget_limit: Option<&Json>,
    ) -> Terms {
        let asked = envelope.delegation_scope.clone();
        let scope = match (granted, asked) {
            (Some(granted), Some(asked)) => match granted.attenuate(&asked) {
                Ok(mut scope) => {
                    // Nobody passes anything on between a token and its envelope: a last hop stays usable.
                    if asked.max_delegation_depth >= 0 {
                        scope.max_delegation_depth = scope.max_delegation_depth.max(0);
                    }
                    Some(scope)
                }
                // Its end cannot be read, and it is declined for that.
                Err(_) => Some(asked),
            },
            (granted, asked) => granted.or(asked),
        };
        let theirs = envelope.federation_policy.clone().unwrap_or_default();
        let mut policy = self.settings.policy.compose_within(&theirs);
        if let Some(limit) = budget_limit {
            policy = policy.with_cost_ceiling(limit);
        }
        Terms { scope, policy }
    }

    /// Why an intent is not taken although nothing is wrong with its envelope.
    async fn decline(
        &self,
        team: &TeamId,
        trust: &TeamTrust,
        envelope: &FederationEnvelope,
        terms: &Terms,
        now: Millis,
    ) -> Result<Option<String>, Refusal> {
        if let Some(why) = terms.policy.refusal() {
            return Ok(Some(why.to_owned()));
        }
        let scopes = [envelope.delegation_scope.as_ref(), terms.scope.as_ref()];
        for scope in scopes.into_iter().flatten() {
            if let Err(fault) = scope.check(now) {
                return Ok(Some(format!("Rejected: the delegation scope: {fault}")));
            }
        }
        let Some(agent) = envelope.agent_id.as_deref() else {
            return Ok(None);
        };
        if !terms.policy.allows_agent(agent) {
            return Ok(Some(
                "Rejected: the governance policy does not allow this agent".to_owned(),
            ));
        }
        match self.may_address(team, trust, agent).await? {
            true => Ok(None),
            // One answer for who is hidden and who is not there.
            false => Ok(Some("Rejected: the agent takes no intents".to_owned())),
        }
    }

    /// Whether work may be addressed to an agent (spec 12, visibility).
    async fn may_address(
        &self,
        team: &TeamId,
        trust: &TeamTrust,
        agent: &str,
    ) -> Result<bool, Refusal> {
        let configured = trust.agents.iter().find(|it| it.id.as_str() == agent);
        if configured.is_none() && self.settings.require_known_agent {
            let Ok(id) = agent.parse::<AgentId>() else {
                return Ok(false);
            };
            if self.store.find_agent(team.clone(), id).await?.is_none() {
                return Ok(false);
            }
        }
        let visibility = configured.map_or(self.settings.visibility_default, |it| it.visibility);
        Ok(visibility != AgentVisibility::Private)
    }

    /// Remembers that an intent was declined, so that a repeat hears the same.
    async fn keep_declined(
        &self,
        team: TeamId,
        mut exchange: NewExchange,
        why: String,
    ) -> Result<ReceiveResult, Refusal> {
        exchange.state = ExchangeState::Declined;
        exchange.message = Some(why.clone());
        let (dispatch_id, digest) = (exchange.dispatch_id.clone(), exchange.digest);
        let own_key = exchange.keys.own;
        match self.store.enter_exchange(team, exchange).await? {
            Some(known) => repeated(dispatch_id, own_key, digest, known),
            None => Ok(declined(dispatch_id, why)),
        }
    }

    /// Stores an intent with its event and the callback that says so.
    async fn take(
        &self,
        log: &Log,
        (team, trust): (TeamId, &TeamTrust),
        arrival: &Arrival,
        exchange: NewExchange,
    ) -> Result<ReceiveResult, Refusal> {
        let envelope = &arrival.envelope;
        let now = exchange.now;
        let (dispatch_id, local_id) = (exchange.dispatch_id.clone(), exchange.local_id.clone());
        let (keys, digest) = (exchange.keys, exchange.digest);
        let sent = (envelope, &arrival.object);
        let event = of_intent(sent, &envelope.source_server, &local_id, now);
        let mut new = NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent);
        new.exchange = Some(exchange.into());
        let mut events = vec![new];
        events.extend(
            self.acceptance((&team, trust), envelope, &keys, now)
                .await?,
        );
        let appended = log.submit(events).await?.appended().await?;
        match appended.into_iter().next().map(|(outcome, _)| outcome) {
            Some(Outcome::Stored(_)) => Ok(ReceiveResult {
                dispatch_id,
                accepted: true,
                local_intent_id: Some(local_id),
                message: ACCEPTED.to_owned(),
            }),
            Some(Outcome::Duplicate { .. }) => {
                let known = self.store.find_exchange(team.clone(), keys).await?;
                let known = known.ok_or_else(|| team_gone(&team))?;
                repeated(dispatch_id, keys.own, digest, known)
            }
            Some(Outcome::Exhausted) => Err(Refusal::Exhausted),
            Some(Outcome::NotAdmitted | Outcome::Stale | Outcome::NoTeam) | None => {
                Err(team_gone(&team).into())
            }
        }
    }
}

/// Spec 12, before anybody is asked for anything. Answers what the source has to bring.
fn check_trust(
    trust: &TeamTrust,
    party: &str,
    envelope: &FederationEnvelope,
) -> Result<Needs, Refusal> {
    let given = &envelope.source_server;
    let dids = spellings(party);
    let dids: Vec<&str> = dids.iter().map(String::as_str).collect();
    match trust.enforcer.is_trusted(party, &dids) {
        Ok(Needs::Proofs) if envelope.signature.is_none() => Err(Refusal::Forbidden(
            "the policy `trustless` takes no envelope without a signature".to_owned(),
        )),
        Ok(needs) => Ok(needs),
        Err(_) => Err(Refusal::Forbidden(format!(
            "Source server {given} not trusted"
        ))),
    }
}

fn keys_of(envelope: &FederationEnvelope, party: &str) -> ExchangeKeys {
    let key = envelope.idempotency_key.as_deref();
    ExchangeKeys {
        own: key_of("openintent-intent", party, &envelope.dispatch_id),
        alias: key.map(|key| key_of("openintent-intent-key", party, key)),
    }
}

/// What an intent is called here, in the reference's form. `salt` makes another one of it.
fn local_id(dispatch_id: &str, keys: &ExchangeKeys, salt: u32) -> String {
    let start: String = dispatch_id.chars().take(8).collect();
    let digest = Sha256::new()
        .chain_update(keys.own)
        .chain_update(salt.to_le_bytes())
        .finalize();
    format!("fed-{start}-{}", hex(&digest[..4]))
}

/// What is kept of an intent beside its event.
fn record(envelope: &FederationEnvelope, terms: &Terms) -> Intent {
    Intent {
        intent_id: envelope.intent_id.clone(),
        title: envelope.intent_title.clone(),
        description: envelope.intent_description.clone(),
        state: envelope.intent_state.clone(),
        constraints: envelope.intent_constraints.clone(),
        agent_id: envelope.agent_id.clone(),
        scope: terms.scope.clone(),
        policy: terms.policy.clone(),
        callback_url: envelope.callback_url.clone(),
        ucan: envelope.ucan.clone(),
        trace_id: trace_id(envelope.trace_id(), &terms.policy),
        ..Intent::default()
    }
}

/// The trace that work belongs to: a new one where a policy wants one and none was named (spec, appendix D).
pub(super) fn trace_id(named: Option<&str>, policy: &FederationPolicy) -> Option<String> {
    let is_wanted = |name: &str| policy.observability.get(name) == Some(&Json::Bool(true));
    let is_needed = is_wanted("trace_required") || is_wanted("require_trace_propagation");
    match named {
        Some(id) => Some(id.to_owned()),
        None => is_needed.then(|| hex(&random::bytes::<16>())),
    }
}

fn declined(dispatch_id: String, message: String) -> ReceiveResult {
    ReceiveResult {
        dispatch_id,
        accepted: false,
        local_intent_id: None,
        message,
    }
}

/// What a repeat hears (spec 13.6, repeats).
fn repeated(
    dispatch_id: String,
    own_key: [u8; 32],
    digest: [u8; 32],
    known: ExchangeRecord,
) -> Result<ReceiveResult, Refusal> {
    if known.own_key == own_key && known.digest != digest {
        // No word of the sender's: the SDK takes some letters in it for something else (spec 13.1).
        return Err(Refusal::Conflict(
            "this dispatch was received before with other content".to_owned(),
        ));
    }
    if known.state == ExchangeState::Declined {
        return Ok(declined(dispatch_id, known.message.unwrap_or_default()));
    }
    Ok(ReceiveResult {
        dispatch_id,
        accepted: true,
        local_intent_id: Some(known.local_id),
        message: REPEATED.to_owned(),
    })
}
