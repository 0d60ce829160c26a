//! What becomes of a dispatch is told to whoever sent it: callbacks that go out and that come in (spec 13.7, 13.8).

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::dispatch::origin_of;
use super::dispatches::read;
use super::event::{event, object, of_callback};
use super::proof::is_fresh;
use super::receive::REPEATED;
use super::{OpenIntent, Party, Refusal, TeamTrust, TrustedServer, digest_of, key_of, team_gone};
use crate::base::random;
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
use crate::store::StoreError;
use crate::store::openintent::{
    ExchangeChange, ExchangeKeys, ExchangeKind, ExchangeRecord, ExchangeState, ExchangeTurn,
    NewExchange,
};
use crate::store::record::{Dedup, Millis, NewEvent, Origin, Outcome};

/// The type of a callback on its way to another server.
pub(super) const CALLBACK_SENT: &str = "com.openintent.callback.sent";

/// How often a dispatch is read again because another callback of it was faster. Each time one of them got through, and a
/// server sends a few of one dispatch at a time.
const TRIES_MAX: usize = 100;

/// How long whoever has had no turn until then is asked to wait, in seconds.
const BUSY_SECS: u64 = 1;

const TAKEN: &str = "Callback received";

/// A callback as it came.
pub struct CallbackArrival {
    /// All members, as they were sent.
    pub object: Object,
    /// The same, read.
    pub callback: FederationCallback,
    /// Whether the body has a signature.
    pub is_signed: bool,
    /// Whether an API key of the dispatch's team was shown.
    pub has_key: bool,
    /// The server that has signed the whole request, where neither an API key nor the body says whose it is. Normalised.
    pub signed_by: Option<String>,
}

/// A dispatch that a callback is about.
pub struct KnownDispatch {
    team: TeamId,
    record: ExchangeRecord,
}

impl KnownDispatch {
    /// Whose it is.
    pub fn team(&self) -> &TeamId {
        &self.team
    }
}

impl OpenIntent {
    /// The callback that says that an intent was taken, where one is wanted and may be sent.
    pub(super) async fn acceptance(
        &self,
        (team, trust): (&TeamId, &TeamTrust),
        envelope: &FederationEnvelope,
        keys: &ExchangeKeys,
        now: Millis,
    ) -> Result<Option<NewEvent>, Refusal> {
        let Some(url) = &envelope.callback_url else {
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
        // Of two with one dispatch id that come at once, one alone is told.
        let key: [u8; 32] = Sha256::new()
            .chain_update(b"openintent-acceptance")
            .chain_update(keys.own)
            .finalize()
            .into();
        let told = format!("[callback] → {}: accepted", origin_of(url));
        let sent = self
            .callback_event((team, trust), url, (&callback, &key), &told, now)
            .await?;
        Ok(sent.map(|mut new| {
            new.dedup = Some(Dedup {
                key,
                fingerprint: None,
            });
            new
        }))
    }

    /// A callback on its way to a URL, where that is called and there is room for one more server.
    pub(super) async fn callback_event(
        &self,
        (team, trust): (&TeamId, &TeamTrust),
        url: &str,
        (callback, key): (&FederationCallback, &[u8; 32]),
        told: &str,
        now: Millis,
    ) -> Result<Option<NewEvent>, Refusal> {
        // A URL that is not called is no fault of the intent (spec 11.6).
        let Ok(target) = self.callable(url) else {
            return Ok(None);
        };
        let data = object([("url", Json::from(url)), ("callback", callback.to_json())]);
        let id = format!("cb-{}", hex(&key[..16]));
        let mut event = event(CALLBACK_SENT, &id, &self.server_url, told, &data, now);
        // Whoever is trusted may name addresses without end: they use up no room of others'.
        let origin = target.origin();
        let is_known = |server: &TrustedServer| origin_of(&server.url) == origin;
        let is_named = !trust.servers.iter().any(is_known);
        let addressed = self.targets.address(team, &origin, is_named, now).await;
        let address = match addressed {
            Ok(address) => address,
            Err(StoreError::Failed(why)) => {
                tracing::warn!(%team, why, "a callback is not sent");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let to = Extension::Text(address);
        event.extensions.insert(TO_INSTANCE.to_owned(), to);
        Ok(Some(
            NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent),
        ))
    }

    /// Judges a callback, stores it and applies it to its dispatch.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn take_callback(
        &self,
        log: &Log,
        dispatch: KnownDispatch,
        arrival: CallbackArrival,
    ) -> Result<ReceiveResult, Refusal> {
        let KnownDispatch {
            team,
            record: dispatch,
        } = dispatch;
        let signer = arrival.signed_by.as_ref();
        if let Some(signer) = signer.filter(|signer| **signer != dispatch.party) {
            return Err(Refusal::Forbidden(format!(
                "the request is signed by {signer}, and its dispatch went to another server"
            )));
        }
        let now = self.clock.unix_millis();
        let trust = self.trust.of(&team).await?;
        let from = Party::of(&trust, &dispatch.party);
        self.check_callback(&from, &arrival, now).await?;
        self.account_for(log, &team, &dispatch, &arrival).await?;
        let message = self.apply(log, &team, dispatch, &arrival, now).await?;
        let dispatch_id = arrival.callback.dispatch_id;
        Ok(ReceiveResult {
            dispatch_id,
            accepted: true,
            local_intent_id: None,
            message: message.to_owned(),
        })
    }

    /// Stores a callback, and in the same transaction what it makes of its dispatch. Answers what is said of it.
    async fn apply(
        &self,
        log: &Log,
        team: &TeamId,
        mut dispatch: ExchangeRecord,
        arrival: &CallbackArrival,
        now: Millis,
    ) -> Result<&'static str, Refusal> {
        let callback = &arrival.callback;
        let exchange = Arc::new(exchange(callback, &arrival.object, now));
        for _ in 0..TRIES_MAX {
            let mut kept = read(&dispatch)?;
            let is_over = dispatch.state.is_final();
            match is_over {
                // What comes after the end is told, and changes nothing (spec 13.8).
                true => kept.count(),
                false => kept.apply(callback, arrival.object.get("attestation")),
            }
            let event = of_callback(&dispatch, &kept, arrival, &exchange.local_id, now);
            let mut new = NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent);
            new.exchange = Some(exchange.clone());
            new.change = Some(Arc::new(ExchangeChange {
                own_key: dispatch.own_key,
                version: dispatch.version,
                token: i64::from_le_bytes(random::bytes()),
                to: Some(ExchangeTurn {
                    state: state_after(callback),
                    record: kept.to_json().to_string(),
                }),
            }));
            let (outcome, _) = log.append(new).await?;
            match outcome {
                Outcome::Stored(_) => return Ok(TAKEN),
                Outcome::Duplicate { .. } => return Ok(REPEATED),
                Outcome::Stale => {}
                Outcome::Exhausted => return Err(Refusal::Exhausted),
                Outcome::NotAdmitted | Outcome::NoTeam => return Err(team_gone(team).into()),
            }
            let again = self.dispatch_of(Some(team.clone()), &callback.dispatch_id);
            dispatch = again.await?.record;
        }
        Err(Refusal::TooMany {
            why: "too much is told of the dispatch at the same time: try again".to_owned(),
            retry_after_secs: Some(BUSY_SECS),
        })
    }

    /// Where a callback ends a dispatch, what that used counts for the intent that it passed on: once, however often its end
    /// is told, and before anybody here hears of it. Whoever does may end the intent at once, and then nothing counts.
    async fn account_for(
        &self,
        log: &Log,
        team: &TeamId,
        dispatch: &ExchangeRecord,
        arrival: &CallbackArrival,
    ) -> Result<(), Refusal> {
        let callback = &arrival.callback;
        if !callback.event_type.is_final() || dispatch.state.is_final() {
            return Ok(());
        }
        let mut kept = read(dispatch)?;
        kept.apply(callback, arrival.object.get("attestation"));
        if !kept.is_passed_on || kept.usage.is_empty() {
            return Ok(());
        }
        let dispatch_id = dispatch.local_id.as_str();
        let accounted = self.account(log, team, &kept.intent_id, dispatch_id, &kept.usage);
        match accounted.await {
            // It is told again, and then counted.
            Err(refusal @ (Refusal::Store(_) | Refusal::TooMany { .. })) => Err(refusal),
            Err(refusal) => {
                tracing::info!(%team, dispatch_id, %refusal, "what a dispatch used is not counted");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The dispatch that a callback is about. Without an API key nobody says whose it is: its id is a random one, and only
    /// the server that got it can sign for it.
    ///
    /// # Errors
    /// When there is none, or none of the team.
    pub async fn dispatch_of(
        &self,
        team: Option<TeamId>,
        dispatch_id: &str,
    ) -> Result<KnownDispatch, Refusal> {
        let found = self.store.find_dispatch(dispatch_id.to_owned()).await?;
        let found = found.filter(|(its, _)| team.is_none_or(|team| team == *its));
        let unknown = || Refusal::Unknown("there is no such dispatch".to_owned());
        let (team, record) = found.ok_or_else(unknown)?;
        Ok(KnownDispatch { team, record })
    }

    /// Whether what is signed of a callback was signed by the server that its dispatch went to, lately (spec 13.8).
    async fn check_callback(
        &self,
        from: &Party<'_>,
        arrival: &CallbackArrival,
        now: Millis,
    ) -> Result<(), Refusal> {
        if arrival.is_signed {
            self.check_signature(from, &arrival.object).await?;
            let stale = |why: &str| Refusal::Forbidden(format!("the callback is not fresh: {why}"));
            match arrival.callback.timestamp.as_deref() {
                Some(timestamp) => is_fresh(timestamp, now).map_err(stale)?,
                None if arrival.has_key => {}
                None => {
                    return Err(stale(
                        "it has no `timestamp`, which is needed where no API key is shown",
                    ));
                }
            }
        }
        // Whoever sends it on cannot speak for whoever did the work.
        let attestation = arrival.object.get("attestation").and_then(Json::as_object);
        match attestation.filter(|it| signature::is_signed(it)) {
            // A true one of another dispatch says nothing of this one.
            Some(_) if is_of_another(&arrival.callback) => Err(Refusal::Forbidden(
                "the attestation is of another dispatch".to_owned(),
            )),
            Some(attestation) => match self.check_signature(from, attestation).await {
                Err(Refusal::Forbidden(why)) => {
                    Err(Refusal::Forbidden(format!("the attestation: {why}")))
                }
                checked => checked,
            },
            None => Ok(()),
        }
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
        agent: None,
        message: None,
        record: "{}".to_owned(),
        now,
    }
}

/// Whether the attestation of a callback says that it is about another dispatch.
fn is_of_another(callback: &FederationCallback) -> bool {
    let attested = callback.attestation.as_ref();
    let named = attested
        .map(|it| it.dispatch_id.as_str())
        .filter(|id| !id.is_empty());
    named.is_some_and(|id| id != callback.dispatch_id)
}

/// How a dispatch stands after a callback.
fn state_after(callback: &FederationCallback) -> Option<ExchangeState> {
    match callback.event_type {
        CallbackEventType::Completed => Some(ExchangeState::Completed),
        CallbackEventType::Failed => Some(ExchangeState::Failed),
        _ => None,
    }
}
