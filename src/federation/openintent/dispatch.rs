//! An intent goes to another server: what may go there, and the event that carries it into the outbox (spec 13.5).

use std::collections::BTreeMap;

use super::event::{event, object};
use super::{OpenIntent, Refusal, key_of, team_gone};
use crate::base::random;
use crate::log::Log;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    DelegationScope, DispatchResult, DispatchStatus, FederationEnvelope, FederationPolicy,
    PeerRelationship,
};
use crate::openintent::trust::normalize;
use crate::protocol::event::{Extension, TO_INSTANCE};
use crate::protocol::id::TeamId;
use crate::store::openintent::{ExchangeKeys, ExchangeKind, ExchangeState, NewExchange};
use crate::store::record::{Millis, NewEvent, Outcome};

/// The type of an intent on its way to another server.
pub(super) const INTENT_DISPATCHED: &str = "com.openintent.intent.dispatched";

/// What is said of a callback URL that is not called (spec 11.6).
const CALLBACK_BLOCKED: &str = "Invalid callback URL: blocked by SSRF protection";
const TARGET_BLOCKED: &str = "Invalid target server URL: blocked by SSRF protection";

const INITIATED: &str = "Dispatch initiated";

/// What somebody wants done elsewhere.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DispatchRequest {
    /// What the intent is called here.
    pub intent_id: String,
    /// Where it is to go, as it was given.
    pub target_server: String,
    /// Who is to do it there.
    pub agent_id: Option<String>,
    /// Where what comes of it is to be told.
    pub callback_url: Option<String>,
    /// What may be done.
    pub delegation_scope: Option<DelegationScope>,
    /// Within which limits.
    pub federation_policy: Option<FederationPolicy>,
    /// What it is part of.
    pub trace_context: Option<BTreeMap<String, String>>,
    /// A title.
    pub intent_title: String,
    /// More words.
    pub intent_description: String,
    /// The intent's state.
    pub intent_state: Object,
    /// Its constraints.
    pub intent_constraints: Object,
    /// The same key makes it the same dispatch again.
    pub idempotency_key: Option<String>,
    /// A delegation token that goes with it.
    pub ucan: Option<String>,
}

impl OpenIntent {
    /// Stores a dispatch; the outbox delivers it.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn dispatch(
        &self,
        log: &Log,
        team: &TeamId,
        request: DispatchRequest,
    ) -> Result<DispatchResult, Refusal> {
        if let Some(callback) = &request.callback_url
            && !self.is_own(&origin_of(callback))
        {
            self.callable(callback)
                .map_err(|fault| fault.blocks(CALLBACK_BLOCKED))?;
        }
        if self.is_own(&request.target_server) {
            return Err(Refusal::Bad(
                "the target is this server: dispatch to another one".to_owned(),
            ));
        }
        let target = self
            .callable(&request.target_server)
            .map_err(|fault| fault.blocks(TARGET_BLOCKED))?;
        if target.url().query().is_some() {
            return Err(Refusal::Bad(format!(
                "{} is no server: leave out what is behind the `?`, since paths are put behind the address",
                request.target_server
            )));
        }
        self.check_relationship(team, &request.target_server)
            .await?;
        let scope = self.scope_of(team, &request).await?;

        let now = self.clock.unix_millis();
        let dispatch_id = random::uuid4();
        let envelope = self.envelope(&request, scope, &dispatch_id);
        let data = object([
            ("url", Json::from(receive_url(&request.target_server))),
            ("envelope", envelope.to_json()),
        ]);
        let told = format!(
            "[dispatch] → {}: {}",
            request.target_server,
            match request.intent_title.as_str() {
                "" => &request.intent_id,
                title => title,
            }
        );
        let mut event = event(
            INTENT_DISPATCHED,
            &dispatch_id,
            &self.server_url,
            &told,
            &data,
            now,
        );
        let address = self
            .targets
            .address(team, &target.origin(), false, now)
            .await?;
        let to = Extension::Text(address);
        event.extensions.insert(TO_INSTANCE.to_owned(), to);
        let mut new = NewEvent::new(team.clone(), &event, now, None);
        let exchange = exchange(&request, &dispatch_id, now);
        let keys = exchange.keys;
        new.exchange = Some(exchange.into());
        let (outcome, _) = log.append(new).await?;
        let dispatch_id = match outcome {
            Outcome::Stored(_) => dispatch_id,
            Outcome::Duplicate { .. } => {
                let known = self.store.find_exchange(team.clone(), keys).await?;
                known.ok_or_else(|| team_gone(team))?.local_id
            }
            Outcome::Exhausted => return Err(Refusal::Exhausted),
            Outcome::NotAdmitted | Outcome::Stale | Outcome::NoTeam => {
                return Err(team_gone(team).into());
            }
        };
        Ok(DispatchResult {
            dispatch_id,
            status: DispatchStatus::Accepted,
            target_server: request.target_server,
            message: INITIATED.to_owned(),
            remote_intent_id: None,
        })
    }

    /// Refuses servers that nothing is dispatched to (spec 12, 14).
    async fn check_relationship(&self, team: &TeamId, target: &str) -> Result<(), Refusal> {
        let trust = self.trust.of(team).await?;
        match trust.server(&normalize(target)) {
            Some(server) if server.relationship == PeerRelationship::Upstream => {
                Err(Refusal::Bad(format!(
                    "{target} is an upstream server: it dispatches to this one, and gets nothing from it"
                )))
            }
            None if self.settings.dispatch_to_peers_only => Err(Refusal::Bad(format!(
                "{target} is none of the team's servers, and this one dispatches to those alone: \
                 `kite openintent trust add {target}` adds it"
            ))),
            _ => Ok(()),
        }
    }

    /// The scope that goes along. Work that came in is passed on with what it came with, attenuated; from a depth of 0 it
    /// is not (spec 14, row 20).
    async fn scope_of(
        &self,
        team: &TeamId,
        request: &DispatchRequest,
    ) -> Result<Option<DelegationScope>, Refusal> {
        let asked = request.delegation_scope.clone();
        let id = request.intent_id.clone();
        let known = self
            .store
            .exchange(team.clone(), ExchangeKind::Intent, id)
            .await?;
        let record = known.and_then(|it| it.record.parse::<Json>().ok());
        let came_with = record.as_ref().and_then(|record| record.get("scope"));
        let Some(came_with) = came_with.and_then(|it| DelegationScope::from_json(it).ok()) else {
            return Ok(asked);
        };
        let asked = asked.unwrap_or_else(|| came_with.clone());
        let scope = came_with
            .attenuate(&asked)
            .map_err(|fault| Refusal::member("delegation_scope", fault.to_string()))?;
        match scope.max_delegation_depth < 0 {
            true => Err(Refusal::Bad(format!(
                "`{}` came in with a delegation depth of {}: it cannot be passed on",
                request.intent_id, came_with.max_delegation_depth
            ))),
            false => Ok(Some(scope)),
        }
    }

    fn envelope(
        &self,
        request: &DispatchRequest,
        scope: Option<DelegationScope>,
        dispatch_id: &str,
    ) -> FederationEnvelope {
        let own_callback = || format!("{}/api/v1/federation/callback", self.server_url);
        let callback_url = request.callback_url.clone();
        let key = request.idempotency_key.clone();
        FederationEnvelope {
            dispatch_id: dispatch_id.to_owned(),
            source_server: self.server_url.clone(),
            target_server: request.target_server.clone(),
            intent_id: request.intent_id.clone(),
            intent_title: request.intent_title.clone(),
            intent_description: request.intent_description.clone(),
            intent_state: request.intent_state.clone(),
            intent_constraints: request.intent_constraints.clone(),
            agent_id: request.agent_id.clone(),
            delegation_scope: scope,
            federation_policy: request.federation_policy.clone(),
            trace_context: request.trace_context.clone(),
            // An address that only this machine understands is nothing to tell others.
            callback_url: callback_url.or_else(|| self.is_public.then(own_callback)),
            idempotency_key: Some(key.unwrap_or_else(|| format!("dispatch-{dispatch_id}"))),
            created_at: None,
            signature: None,
            ucan: request.ucan.clone(),
        }
    }
}

/// Where envelopes for a server are posted.
fn receive_url(server: &str) -> String {
    format!("{}/api/v1/federation/receive", server.trim_end_matches('/'))
}

/// The scheme, host and port of a URL, as they stand.
pub(super) fn origin_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{authority}")
}

fn exchange(request: &DispatchRequest, dispatch_id: &str, now: Millis) -> NewExchange {
    let key = request.idempotency_key.as_deref();
    let mut record = Object::from([(
        "intent_id".to_owned(),
        Json::from(request.intent_id.as_str()),
    )]);
    if let Some(agent) = &request.agent_id {
        record.insert("agent_id".to_owned(), Json::from(agent.as_str()));
    }
    NewExchange {
        kind: ExchangeKind::Dispatch,
        keys: ExchangeKeys {
            own: key_of("openintent-dispatch", "", dispatch_id),
            alias: key.map(|key| key_of("openintent-dispatch-key", "", key)),
        },
        // Its key alone makes it the same again.
        digest: [0; 32],
        dispatch_id: dispatch_id.to_owned(),
        party: normalize(&request.target_server),
        local_id: dispatch_id.to_owned(),
        state: ExchangeState::Queued,
        agent: None,
        message: None,
        record: Json::Object(record).to_string(),
        now,
    }
}
