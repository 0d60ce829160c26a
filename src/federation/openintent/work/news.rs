//! What is told of a turn of an intent, as events: its entry in the log, and callbacks to whoever gave it.

use sha2::{Digest, Sha256};

use super::super::event::{self, event, object};
use super::super::{OpenIntent, Refusal, origin_of};
use crate::openintent::json::{Json, Object};
use crate::openintent::model::FederationCallback;
use crate::openintent::signature;
use crate::openintent::work::{Told, Turn};
use crate::protocol::event::AGENT_MESSAGE;
use crate::protocol::id::{AgentId, TeamId};
use crate::protocol::mac::hex;
use crate::store::openintent::ExchangeRecord;
use crate::store::record::{Millis, NewEvent, Origin};

/// The type of the entries in an intent's log.
const INTENT_REPORTED: &str = "com.openintent.intent.reported";

/// The event that enters a turn into the log of its intent.
pub(super) fn entry(team: &TeamId, record: &ExchangeRecord, turn: &Turn, now: Millis) -> NewEvent {
    let mut data = turn.entry.clone();
    data.insert(
        "local_intent_id".to_owned(),
        Json::from(record.local_id.as_str()),
    );
    let word = data.get("event_type").and_then(Json::as_str);
    let told = format!(
        "[intent] {}: {}",
        title(record, turn),
        word.unwrap_or_default()
    );
    let id = id_of("entry", record, turn.intent.log.len());
    let source = record.party.as_str();
    let event = event(
        INTENT_REPORTED,
        &id,
        source,
        &told,
        &Json::Object(data),
        now,
    );
    NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent)
}

impl OpenIntent {
    /// What whoever gave an intent is told of a turn: callbacks to another server that wants them, messages to an own agent.
    pub(super) async fn news(
        &self,
        team: &TeamId,
        record: &ExchangeRecord,
        turn: &Turn,
        now: Millis,
    ) -> Result<Vec<NewEvent>, Refusal> {
        match (&turn.intent.callback_url, is_own(record)) {
            (Some(url), false) => self.callbacks(team, record, turn, url, now).await,
            (_, true) => Ok(self.messages(team, record, turn, now)),
            (None, false) => Ok(Vec::new()),
        }
    }

    async fn callbacks(
        &self,
        team: &TeamId,
        record: &ExchangeRecord,
        turn: &Turn,
        url: &str,
        now: Millis,
    ) -> Result<Vec<NewEvent>, Refusal> {
        let trust = self.trust.of(team).await?;
        let mut events = Vec::new();
        for told in &turn.told {
            let callback = self.callback(&record.dispatch_id, turn, told, now);
            let kind = told.event_type.word();
            let line = format!("[callback] → {}: {kind}", origin_of(url));
            let key = key_of(record, told);
            let event = self
                .callback_event((team, &trust), url, (&callback, &key), &line, now)
                .await?;
            events.extend(event);
        }
        Ok(events)
    }

    /// The same for an own agent that gave the intent: at once, since it listens here.
    fn messages(
        &self,
        team: &TeamId,
        record: &ExchangeRecord,
        turn: &Turn,
        now: Millis,
    ) -> Vec<NewEvent> {
        let to = turn.intent.assigned_by.as_deref();
        let Some(to) = to.filter(|to| to.parse::<AgentId>().is_ok()) else {
            return Vec::new();
        };
        let message = |told: &Told| {
            let callback = self.callback(&record.local_id, turn, told, now);
            let mut payload = match callback.to_json() {
                Json::Object(payload) => payload,
                _ => Object::new(),
            };
            let names = [
                ("intent_id", turn.intent.intent_id.as_str()),
                ("local_intent_id", record.local_id.as_str()),
                ("source_server", self.server_url.as_str()),
            ];
            payload.extend(names.map(|(name, text)| (name.to_owned(), Json::from(text))));
            let body = event::news(title(record, turn), &callback);
            let data = object([
                ("from", Json::from(self.server_url.as_str())),
                ("to", Json::from(to)),
                ("body", Json::from(body.as_str())),
                ("message_type", Json::from("openintent.callback")),
                ("correlation_id", Json::from(record.local_id.as_str())),
                ("payload", Json::Object(payload)),
            ]);
            let line = format!("[callback] → {to}: {body}");
            let id = format!("cb-{}", hex(&key_of(record, told)[..16]));
            let event = event(AGENT_MESSAGE, &id, &self.server_url, &line, &data, now);
            NewEvent::new(team.clone(), &event, now, None).by(Origin::OpenIntent)
        };
        turn.told.iter().map(message).collect()
    }

    /// A callback with its attestation signed on its own: whoever sends it on cannot speak for this server (spec 5).
    fn callback(
        &self,
        dispatch_id: &str,
        turn: &Turn,
        told: &Told,
        now: Millis,
    ) -> FederationCallback {
        let mut callback = told.callback(dispatch_id, turn.intent.trace_id.as_deref());
        if let Some(attestation) = &mut callback.attestation
            && let Json::Object(mut signed) = attestation.to_json()
        {
            signature::sign(&mut signed, &self.ring.keys().signing(now).key);
            let text = signed.get(crate::openintent::canonical::SIGNATURE);
            attestation.signature = text.and_then(Json::as_str).map(str::to_owned);
        }
        callback
    }
}

/// Whether an own agent gave the intent, or whoever has a key of the team: then no dispatch brought it.
fn is_own(record: &ExchangeRecord) -> bool {
    record.dispatch_id.is_empty()
}

fn title<'t>(record: &'t ExchangeRecord, turn: &'t Turn) -> &'t str {
    match turn.intent.title.as_str() {
        "" => &record.local_id,
        title => title,
    }
}

/// By what a callback is known, whoever makes it again.
fn key_of(record: &ExchangeRecord, told: &Told) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"openintent-told")
        .chain_update(record.own_key)
        .chain_update(told.number.to_le_bytes())
        .finalize()
        .into()
}

fn id_of(kind: &str, record: &ExchangeRecord, number: usize) -> String {
    let digest = Sha256::new()
        .chain_update(kind)
        .chain_update(record.own_key)
        .chain_update(number.to_le_bytes())
        .finalize();
    format!("{kind}-{}", hex(&digest[..16]))
}
