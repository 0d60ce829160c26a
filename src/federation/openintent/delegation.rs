//! Work that came in here is passed on: what goes along of it, and the token that says so (spec 8, 9, 10.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dispatch::DispatchRequest;
use super::errand::AGE_MAX;
use super::work::read;
use super::{OpenIntent, Refusal, TeamTrust};
use crate::base::random;
use crate::openintent::did::did_of_url;
use crate::openintent::json::Json;
use crate::openintent::model::DelegationScope;
use crate::openintent::scope::ScopeFault;
use crate::openintent::trust::normalize;
use crate::openintent::ucan::{LIFETIME_SECS, UCANToken, UcanFault, UcanProblem};
use crate::openintent::work::{DelegationFault, Intent};
use crate::protocol::id::TeamId;
use crate::protocol::mac::hex;
use crate::store::openintent::ExchangeKind;
use crate::store::record::Millis;

/// The members of a policy's observability that want every step traced.
const TRACED: [&str; 2] = ["trace_required", "require_trace_propagation"];

/// The members of a trace (spec, appendix D).
const TRACE_ID: &str = "trace_id";
const PARENT_EVENT: &str = "parent_event_id";

impl OpenIntent {
    /// The intent that a dispatch passes on, where the id that it names is one of an intent that this server was given.
    pub(super) async fn given_intent(
        &self,
        team: &TeamId,
        id: &str,
    ) -> Result<Option<Intent>, Refusal> {
        let found = self
            .store
            .exchange(team.clone(), ExchangeKind::Intent, id.to_owned())
            .await?;
        let Some(found) = found else {
            return Ok(None);
        };
        if found.state.is_final() {
            // No word of the sender's: the SDK takes some letters in it for something else (spec 13.1).
            return Err(Refusal::Conflict(
                "the intent has ended here: nothing of it is passed on".to_owned(),
            ));
        }
        let (intent, _) = read(&found)?;
        Ok(Some(intent))
    }

    /// The token that goes along: the one that the request has, else a part of the one that the intent came with, else one
    /// that this server issues where it is asked to.
    pub(super) fn token_for(
        &self,
        trust: &TeamTrust,
        request: &DispatchRequest,
        intent: Option<&Intent>,
        scope: Option<&DelegationScope>,
        now: Millis,
    ) -> Result<Option<String>, Refusal> {
        if let Some(token) = &request.ucan {
            return Ok(Some(token.clone()));
        }
        let parent = intent.and_then(|intent| intent.ucan.as_deref());
        if parent.is_none() && !request.issue_token {
            return Ok(None);
        }
        let audience = did_of(trust, &request.target_server)?;
        let now_secs = now.div_euclid(1000);
        let nonce = STANDARD.encode(random::bytes::<16>());
        let keys = self.ring.keys();
        let key = &keys.signing(now).key;
        let scope = scope.cloned().unwrap_or_default();
        let Some(parent) = parent else {
            let mut root = UCANToken::new(self.did(), audience, scope, now_secs, nonce);
            root.exp = root_end(&root, now_secs)?;
            return Ok(Some(root.encode(key)));
        };
        // The envelope counts this hop by itself: counted here as well, it would cost two.
        let asked = request.delegation_scope.as_ref();
        let wanted = DelegationScope {
            max_delegation_depth: asked.map_or(i64::MAX, |asked| asked.max_delegation_depth),
            ..scope
        };
        let child = UCANToken::attenuate(parent, &audience, &wanted, now_secs, &nonce, key, false);
        child.map(Some).map_err(refused)
    }
}

impl DispatchRequest {
    /// Says of an intent that is passed on what the request leaves open.
    pub(super) fn fill(&mut self, intent: &Intent) {
        if self.intent_title.is_empty() {
            self.intent_title.clone_from(&intent.title);
        }
        if self.intent_description.is_empty() {
            self.intent_description.clone_from(&intent.description);
        }
        if self.intent_state.is_empty() {
            self.intent_state.clone_from(&intent.state);
        }
        if self.intent_constraints.is_empty() {
            self.intent_constraints.clone_from(&intent.constraints);
        }
        let event_id = self.intent_id.clone();
        let trace = self.trace_context.get_or_insert_default();
        if let Some(id) = &intent.trace_id {
            trace.entry(TRACE_ID.to_owned()).or_insert(id.clone());
        }
        trace.entry(PARENT_EVENT.to_owned()).or_insert(event_id);
    }

    /// Begins a trace where the conditions want one and there is none.
    pub(super) fn trace(&mut self) {
        let policy = self.federation_policy.as_ref();
        let is_wanted = policy.is_some_and(|policy| {
            let says = |name| policy.observability.get(name) == Some(&Json::Bool(true));
            TRACED.into_iter().any(says)
        });
        if is_wanted {
            let trace = self.trace_context.get_or_insert_default();
            let id = || hex(&random::bytes::<16>());
            trace.entry(TRACE_ID.to_owned()).or_insert_with(id);
        }
    }
}

/// What a server goes by: as the team says, else as follows from its URL.
fn did_of(trust: &TeamTrust, server: &str) -> Result<String, Refusal> {
    let known = trust.server(&normalize(server));
    match known.and_then(|server| server.did.clone()) {
        Some(did) => Ok(did),
        None => did_of_url(server).map_err(|fault| {
            Refusal::Bad(format!(
                "no token can be made for {server}, which has no DID: {fault}"
            ))
        }),
    }
}

/// Until when a token of this server is valid: as long as its scope, else as long as it may be under way and an hour more.
fn root_end(token: &UCANToken, now_secs: i64) -> Result<i64, Refusal> {
    let end = token.scope.expires_at_unix_ms();
    let end = end.map_err(|fault| Refusal::member("delegation_scope", fault.to_string()))?;
    let delivered = i64::try_from(AGE_MAX.as_secs()).unwrap_or(0) + LIFETIME_SECS;
    Ok(match end {
        Some(end) => end.div_euclid(1000),
        None => now_secs.saturating_add(delivered),
    })
}

/// Why no part of a token is passed on.
fn refused(fault: UcanFault) -> Refusal {
    let words = format!("the intent's delegation token cannot be passed on: {fault}");
    match fault.problem {
        UcanProblem::Expired(_) => Refusal::Forbidden(words),
        _ => Refusal::Bad(words),
    }
}

impl From<DelegationFault> for Refusal {
    fn from(fault: DelegationFault) -> Self {
        let words = fault.to_string();
        match fault {
            DelegationFault::Denied | DelegationFault::Scope(ScopeFault::Expired) => {
                Self::Forbidden(words)
            }
            DelegationFault::Scope(_) => Self::member("delegation_scope", words),
            DelegationFault::Depth(_) | DelegationFault::Budget(_) => Self::Bad(words),
        }
    }
}
