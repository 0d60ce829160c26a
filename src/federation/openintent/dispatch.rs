//! An intent goes to another server: what may go there, and the event that carries it into the outbox (spec 13.5).

use std::collections::BTreeMap;

use super::event::{event, object};
use super::{OpenIntent, Refusal, TeamTrust, key_of, team_gone};
use crate::base::random;
use crate::log::Log;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    DelegationScope, DispatchResult, DispatchStatus, FederationEnvelope, FederationPolicy,
};
use crate::openintent::trust::normalize;
use crate::openintent::work::Dispatch;
use crate::protocol::event::{Event, Extension, TO_INSTANCE};
use crate::protocol::id::{AgentId, TeamId};
use crate::protocol::peer_url::PeerUrl;
use crate::protocol::summary;
use crate::store::openintent::{ExchangeKeys, ExchangeKind, ExchangeState, NewExchange};
use crate::store::record::{Millis, NewEvent, Origin, Outcome};

/// The type of an intent on its way to another server.
pub(super) const INTENT_DISPATCHED: &str = "com.openintent.intent.dispatched";

/// What is said of a callback URL that is not called (spec 11.6).
const CALLBACK_BLOCKED: &str = "Invalid callback URL: blocked by SSRF protection";
const TARGET_BLOCKED: &str = "Invalid target server URL: blocked by SSRF protection";

const INITIATED: &str = "Dispatch initiated";

/// How large an envelope may be with its event around it: servers take no larger body (spec 4, rule 10).
const ENVELOPE_MAX_BYTES: usize = 1024 * 1024;

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
    /// Whether this server issues one where there is none.
    pub issue_token: bool,
    /// The own agent that wants it done, and is told what becomes of it.
    pub dispatched_by: Option<AgentId>,
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
        mut request: DispatchRequest,
    ) -> Result<DispatchResult, Refusal> {
        // What was taken is answered as it was, whatever became of the intent and of whom the team trusts since.
        if let Some(known) = self.known(team, &request).await? {
            return Ok(initiated(known, request.target_server));
        }
        let target = self.target_of(&request)?;
        let trust = self.trust.of(team).await?;
        self.check_relationship(&trust, &request.target_server)?;
        let now = self.clock.unix_millis();
        let given = self.given_intent(team, &request.intent_id).await?;
        let mut scope = request.delegation_scope.clone();
        if let Some(intent) = &given {
            let policy = request.federation_policy.as_ref();
            let passed = intent.delegate(scope.as_ref(), policy, now)?;
            (scope, request.federation_policy) = (passed.scope, passed.policy);
            request.fill(intent);
        }
        request.trace();
        let token = self.token_for(&trust, &request, given.as_ref(), scope.as_ref(), now)?;
        let dispatch_id = random::uuid4();
        let envelope = self.envelope(&request, scope, token, &dispatch_id);
        let mut event = self.told(&request, &envelope, now);
        let address = self
            .targets
            .address(team, &target.origin(), false, now)
            .await?;
        let to = Extension::Text(address);
        event.extensions.insert(TO_INSTANCE.to_owned(), to);
        let mut new = NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent);
        if new.text.len() > ENVELOPE_MAX_BYTES {
            return Err(Refusal::Bad(
                "the envelope is larger than the 1 MiB that a server takes: pass on less of the state".to_owned(),
            ));
        }
        new.exchange = Some(exchange(&request, given.is_some(), &dispatch_id, now).into());
        let (outcome, _) = log.append(new).await?;
        let dispatch_id = match outcome {
            Outcome::Stored(_) => dispatch_id,
            Outcome::Duplicate { id, .. } => id,
            Outcome::Exhausted => return Err(Refusal::Exhausted),
            Outcome::NotAdmitted | Outcome::Stale | Outcome::NoTeam => {
                return Err(team_gone(team).into());
            }
        };
        Ok(initiated(dispatch_id, request.target_server))
    }

    /// The event that the outbox delivers.
    fn told(&self, request: &DispatchRequest, envelope: &FederationEnvelope, now: Millis) -> Event {
        let data = object([
            ("url", Json::from(receive_url(&request.target_server))),
            ("envelope", envelope.to_json()),
        ]);
        let title = match request.intent_title.as_str() {
            "" => &request.intent_id,
            title => title,
        };
        event(
            INTENT_DISPATCHED,
            &envelope.dispatch_id,
            &self.server_url,
            &format!("[dispatch] → {}: {title}", request.target_server),
            &data,
            now,
        )
    }

    /// The dispatch that was made with the request's key before.
    async fn known(
        &self,
        team: &TeamId,
        request: &DispatchRequest,
    ) -> Result<Option<String>, Refusal> {
        let Some(key) = request.idempotency_key.as_deref() else {
            return Ok(None);
        };
        let alias = alias_of(key);
        let keys = ExchangeKeys {
            own: alias,
            alias: Some(alias),
        };
        let known = self.store.find_exchange(team.clone(), keys).await?;
        Ok(known.map(|known| known.local_id))
    }

    /// Where a dispatch goes, if that and the place for its callbacks may be called (spec 11.6).
    fn target_of(&self, request: &DispatchRequest) -> Result<PeerUrl, Refusal> {
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
        match target.url().query() {
            None => Ok(target),
            Some(_) => Err(Refusal::Bad(format!(
                "{} is no server: leave out what is behind the `?`, since paths are put behind the address",
                request.target_server
            ))),
        }
    }

    /// Refuses servers that nothing is dispatched to (spec 12, 14).
    fn check_relationship(&self, trust: &TeamTrust, target: &str) -> Result<(), Refusal> {
        match trust.server(&normalize(target)) {
            Some(server) if !server.relationship.takes_from_us() => Err(Refusal::Bad(format!(
                "{target} is an upstream server: it dispatches to this one, and gets nothing from it"
            ))),
            None if self.settings.dispatch_to_peers_only => Err(Refusal::Bad(format!(
                "{target} is none of the team's servers, and this one dispatches to those alone: \
                 `kite openintent trust add {target}` adds it"
            ))),
            _ => Ok(()),
        }
    }

    fn envelope(
        &self,
        request: &DispatchRequest,
        scope: Option<DelegationScope>,
        token: Option<String>,
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
            ucan: token,
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

/// What is answered to a dispatch that is stored.
fn initiated(dispatch_id: String, target_server: String) -> DispatchResult {
    DispatchResult {
        dispatch_id,
        status: DispatchStatus::Accepted,
        target_server,
        message: INITIATED.to_owned(),
        remote_intent_id: None,
    }
}

/// What an idempotency key makes a dispatch known by.
fn alias_of(key: &str) -> [u8; 32] {
    key_of("openintent-dispatch-key", "", key)
}

fn exchange(
    request: &DispatchRequest,
    is_passed_on: bool,
    dispatch_id: &str,
    now: Millis,
) -> NewExchange {
    let record = Dispatch {
        intent_id: request.intent_id.clone(),
        is_passed_on,
        title: summary::one_line(&request.intent_title),
        agent_id: request.agent_id.clone(),
        ..Dispatch::default()
    };
    let agent = request.dispatched_by.as_ref();
    NewExchange {
        kind: ExchangeKind::Dispatch,
        keys: ExchangeKeys {
            own: key_of("openintent-dispatch", "", dispatch_id),
            alias: request.idempotency_key.as_deref().map(alias_of),
        },
        // Its key alone makes it the same again.
        digest: [0; 32],
        dispatch_id: dispatch_id.to_owned(),
        party: normalize(&request.target_server),
        local_id: dispatch_id.to_owned(),
        state: ExchangeState::Queued,
        agent: agent.map(|agent| agent.as_str().to_owned()),
        message: None,
        record: record.to_json().to_string(),
        now,
    }
}
