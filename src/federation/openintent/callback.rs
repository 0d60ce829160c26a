//! What becomes of a dispatch is told to whoever sent it: callbacks that go out and that come in (spec 13.7, 13.8).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::dispatch::origin_of;
use super::receive::{REPEATED, event, is_fresh, object};
use super::{OpenIntent, Party, Refusal, digest_of, key_of, team_gone};
use crate::log::Log;
use crate::openintent::canonical::canonical;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{
    CallbackEventType, FederationCallback, FederationEnvelope, ReceiveResult,
};
use crate::openintent::signature;
use crate::protocol::event::{Extension, TO_INSTANCE};
use crate::protocol::id::TeamId;
use crate::protocol::mac::hex;
use crate::store::openintent::{
    ExchangeKeys, ExchangeKind, ExchangeNote, ExchangeRecord, ExchangeState, NewExchange,
};
use crate::store::record::{Dedup, Millis, NewEvent, Outcome};

/// The type of a callback on its way to another server.
pub(super) const CALLBACK_SENT: &str = "com.openintent.callback.sent";

/// The type of a callback that came in.
const CALLBACK_RECEIVED: &str = "com.openintent.callback.received";

const TAKEN: &str = "Callback received";

/// A callback as it came.
pub struct CallbackArrival {
    /// All members, as they were sent.
    pub object: Object,
    /// The same, read.
    pub callback: FederationCallback,
    /// Whether the body has a signature.
    pub is_signed: bool,
    /// The team of the API key that was shown.
    pub team: Option<TeamId>,
}

impl OpenIntent {
    /// The callback that says that an intent was taken, where one is wanted and may be sent.
    pub(super) async fn acceptance(
        &self,
        team: &TeamId,
        envelope: &FederationEnvelope,
        keys: &ExchangeKeys,
        now: Millis,
    ) -> Result<Option<NewEvent>, Refusal> {
        let Some(url) = &envelope.callback_url else {
            return Ok(None);
        };
        // A URL that is not called is no fault of the intent (spec 11.6).
        let Ok(target) = self.callable(url) else {
            return Ok(None);
        };
        let dispatch_id = envelope.dispatch_id.as_str();
        let callback = FederationCallback {
            dispatch_id: dispatch_id.to_owned(),
            event_type: CallbackEventType::StateDelta,
            state_delta: Object::from([("status".to_owned(), Json::from("accepted"))]),
            attestation: None,
            trace_id: envelope.trace_id().map(str::to_owned),
            idempotency_key: Some(format!("accept-{dispatch_id}")),
            timestamp: None,
        };
        let data = object([
            ("url", Json::from(url.as_str())),
            ("callback", callback.to_json()),
        ]);
        // The same intent has the same acceptance, by whichever of its keys it is known again.
        let name = keys.alias.unwrap_or(keys.own);
        let key: [u8; 32] = Sha256::new()
            .chain_update(b"openintent-acceptance")
            .chain_update(name)
            .finalize()
            .into();
        let id = format!("cb-{}", hex(&key[..16]));
        let told = format!("[callback] → {}: accepted", origin_of(url));
        let mut event = event(CALLBACK_SENT, &id, &self.server_url, &told, &data, now);
        let address = self.targets.address(team, &target.origin(), now).await?;
        let to = Extension::Text(address);
        event.extensions.insert(TO_INSTANCE.to_owned(), to);
        let dedup = Dedup {
            key,
            fingerprint: None,
        };
        Ok(Some(NewEvent::new(team.clone(), &event, now, Some(dedup))))
    }

    /// Judges a callback, stores it and applies it to its dispatch.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn take_callback(
        &self,
        log: &Log,
        arrival: CallbackArrival,
    ) -> Result<ReceiveResult, Refusal> {
        let CallbackArrival {
            object,
            callback,
            is_signed,
            team,
        } = arrival;
        let dispatch_id = callback.dispatch_id.as_str();
        let (team, dispatch) = self.dispatch_of(team, dispatch_id).await?;
        let now = self.clock.unix_millis();
        if is_signed {
            self.check_callback(&team, &dispatch, &object, &callback, now)
                .await?;
        }
        let exchange = exchange(&callback, &object, now);
        let local_id = exchange.local_id.clone();
        let data = event_data(&dispatch, &callback, &object);
        let kind = callback.event_type.word();
        let told = format!("[callback] {} of {dispatch_id}: {kind}", dispatch.party);
        let event = event(
            CALLBACK_RECEIVED,
            &local_id,
            &dispatch.party,
            &told,
            &data,
            now,
        );
        let mut new = NewEvent::new(team.clone(), &event, now, None);
        new.exchange = Some(exchange.into());
        let (outcome, _) = log.append(new).await?;
        let message = match outcome {
            Outcome::Stored(_) => TAKEN,
            Outcome::Duplicate { .. } => REPEATED,
            Outcome::Exhausted => return Err(Refusal::Exhausted),
            Outcome::NotAdmitted | Outcome::NoTeam => return Err(team_gone(&team).into()),
        };
        // Also for a repeat: a crash may have come between the two.
        if let Some(state) = state_after(&callback) {
            let note = ExchangeNote {
                state: Some(state),
                ..ExchangeNote::default()
            };
            let id = dispatch.local_id.clone();
            self.store
                .note_exchange(team, ExchangeKind::Dispatch, id, note, now)
                .await?;
        }
        Ok(ReceiveResult {
            dispatch_id: dispatch_id.to_owned(),
            accepted: true,
            local_intent_id: None,
            message: message.to_owned(),
        })
    }

    /// The dispatch that a callback is about. Without an API key nobody says whose it is: its id is a random one, and only
    /// the server that got it can sign for it.
    async fn dispatch_of(
        &self,
        team: Option<TeamId>,
        dispatch_id: &str,
    ) -> Result<(TeamId, ExchangeRecord), Refusal> {
        let found = self.store.find_dispatch(dispatch_id.to_owned()).await?;
        let found = found.filter(|(its, _)| team.is_none_or(|team| team == *its));
        let unknown = || Refusal::Unknown("there is no such dispatch".to_owned());
        found.ok_or_else(unknown)
    }

    /// Whether a callback was signed by the server that its dispatch went to, lately.
    async fn check_callback(
        &self,
        team: &TeamId,
        dispatch: &ExchangeRecord,
        object: &Object,
        callback: &FederationCallback,
        now: Millis,
    ) -> Result<(), Refusal> {
        let trust = self.trust.of(team).await?;
        let from = Party::of(&trust, &dispatch.party);
        self.check_signature(&from, object).await?;
        let stale = |why: &str| Refusal::Forbidden(format!("the callback is not fresh: {why}"));
        let timestamp = callback.timestamp.as_deref();
        let timestamp = timestamp.ok_or_else(|| stale("it has no `timestamp`"))?;
        is_fresh(timestamp, now).map_err(stale)?;
        let attestation = object.get("attestation").and_then(Json::as_object);
        let Some(attestation) = attestation.filter(|it| it.contains_key("signature")) else {
            return Ok(());
        };
        let keys = self.keys_of(&from, false).await.unwrap_or_default();
        signature::verify(attestation, &keys).map_err(|fault| {
            Refusal::Forbidden(format!(
                "the attestation's signature proves nothing: {fault}"
            ))
        })
    }
}

fn exchange(callback: &FederationCallback, object: &Object, now: Millis) -> NewExchange {
    let dispatch_id = callback.dispatch_id.as_str();
    let digest = digest_of(object);
    // Without a key it is the same when it says the same.
    let name = match &callback.idempotency_key {
        Some(key) => format!("key {key}"),
        None => format!("digest {}", hex(&Sha256::digest(canonical(object)))),
    };
    let own = key_of("openintent-callback", dispatch_id, &name);
    NewExchange {
        kind: ExchangeKind::Callback,
        keys: ExchangeKeys { own, alias: None },
        digest,
        dispatch_id: dispatch_id.to_owned(),
        party: String::new(),
        local_id: format!("cb-{}", hex(&own[..16])),
        state: ExchangeState::Accepted,
        message: None,
        record: "{}".to_owned(),
        now,
    }
}

/// What the event of a callback holds: the callback without its signature, and what it is about.
fn event_data(dispatch: &ExchangeRecord, callback: &FederationCallback, sent: &Object) -> Json {
    let mut data: BTreeMap<String, Json> = sent.clone();
    data.remove("signature");
    data.insert(
        "event_type".to_owned(),
        Json::from(callback.event_type.word()),
    );
    data.insert(
        "source_server".to_owned(),
        Json::from(dispatch.party.as_str()),
    );
    let record = dispatch.record.parse::<Json>();
    if let Some(intent) = record.ok().as_ref().and_then(|it| it.get("intent_id")) {
        data.insert("intent_id".to_owned(), intent.clone());
    }
    Json::Object(data)
}

/// How a dispatch stands after a callback.
fn state_after(callback: &FederationCallback) -> Option<ExchangeState> {
    match callback.event_type {
        CallbackEventType::Completed => Some(ExchangeState::Completed),
        CallbackEventType::Failed => Some(ExchangeState::Failed),
        _ => None,
    }
}
