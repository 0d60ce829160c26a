//! What OpenIntent brings and sends, as events.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::callback::CallbackArrival;
use crate::base::clock::rfc3339;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::{CallbackEventType, FederationCallback, FederationEnvelope};
use crate::openintent::work::{Dispatch, message_of};
use crate::protocol::event::{AGENT_MESSAGE, Data, Event};
use crate::protocol::id::AgentId;
use crate::protocol::summary;
use crate::store::openintent::ExchangeRecord;
use crate::store::record::Millis;

/// The type of a callback that came in, where no agent is to be told of it.
const CALLBACK_RECEIVED: &str = "com.openintent.callback.received";

/// The type of a received intent that names no agent.
const INTENT_RECEIVED: &str = "com.openintent.intent.received";

/// An intent as an event from whoever gave it: a message where it names an agent who can be told of it.
pub(super) fn of_intent(
    (envelope, object): (&FederationEnvelope, &Object),
    from: &str,
    local_id: &str,
    now: Millis,
) -> Event {
    let is_shown = |(name, _): &(&String, &Json)| !["signature", "ucan"].contains(&name.as_str());
    let members = object.iter().filter(is_shown);
    let mut payload: Object = members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    payload.insert("local_intent_id".to_owned(), Json::from(local_id));
    let agent = envelope.agent_id.as_deref();
    let agent = agent.filter(|agent| agent.parse::<AgentId>().is_ok());
    let (kind, data) = match agent {
        Some(agent) => {
            let title = envelope.intent_title.as_str();
            let body = match envelope.intent_description.as_str() {
                "" => title.to_owned(),
                description => format!("{title}\n\n{description}"),
            };
            let members = [
                ("from", Json::from(from)),
                ("to", Json::from(agent)),
                ("body", Json::from(body)),
                ("message_type", Json::from("openintent.intent")),
                ("correlation_id", Json::from(envelope.dispatch_id.as_str())),
                ("payload", Json::Object(payload)),
            ];
            (AGENT_MESSAGE, self::object(members))
        }
        None => (INTENT_RECEIVED, Json::Object(payload)),
    };
    let to = agent.map(|agent| format!(" → {agent}")).unwrap_or_default();
    let what = match envelope.intent_title.as_str() {
        "" => &envelope.intent_id,
        title => title,
    };
    let told = format!("[intent] {from}{to}: {what}");
    event(kind, local_id, from, &told, &data, now)
}

/// A callback of a dispatch as an event: a message where an agent has sent the dispatch.
pub(super) fn of_callback(
    dispatch: &ExchangeRecord,
    kept: &Dispatch,
    arrival: &CallbackArrival,
    local_id: &str,
    now: Millis,
) -> Event {
    let callback = &arrival.callback;
    let (party, kind) = (dispatch.party.as_str(), callback.event_type.word());
    let mut payload = arrival.object.clone();
    payload.remove("signature");
    for (name, value) in [
        ("dispatch_id", dispatch.local_id.as_str()),
        ("event_type", kind),
        ("source_server", party),
        ("intent_id", &kept.intent_id),
    ] {
        payload.insert(name.to_owned(), Json::from(value));
    }
    let what = match kept.title.as_str() {
        "" => &kept.intent_id,
        title => title,
    };
    let agent = dispatch.agent.as_deref();
    let (kind_of_event, data) = match agent.filter(|agent| agent.parse::<AgentId>().is_ok()) {
        Some(agent) => {
            let members = [
                ("from", Json::from(party)),
                ("to", Json::from(agent)),
                ("body", Json::from(news(what, callback))),
                ("message_type", Json::from("openintent.callback")),
                ("correlation_id", Json::from(dispatch.local_id.as_str())),
                ("payload", Json::Object(payload)),
            ];
            (AGENT_MESSAGE, object(members))
        }
        None => (CALLBACK_RECEIVED, Json::Object(payload)),
    };
    let told = format!("[callback] {party} of {}: {kind}", dispatch.local_id);
    event(kind_of_event, local_id, party, &told, &data, now)
}

/// What a callback says of something, in one line for people.
pub(super) fn news(what: &str, callback: &FederationCallback) -> String {
    let said = |name: &str| callback.state_delta.get(name).and_then(Json::as_str);
    let told = match callback.event_type {
        CallbackEventType::StateDelta | CallbackEventType::StatusChanged => {
            said("status").unwrap_or("progress")
        }
        CallbackEventType::Attestation => "attested",
        CallbackEventType::BudgetWarning => "most of the budget is used",
        CallbackEventType::Completed => "completed",
        CallbackEventType::Failed => "failed",
    };
    let more = message_of(callback).map(|message| format!(": {message}"));
    summary::one_line(&format!("{what}: {told}{}", more.unwrap_or_default()))
}

/// An object of some members.
pub(super) fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    let members = members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Json::Object(members.collect())
}

/// An event of OpenIntent.
pub(super) fn event(
    kind: &str,
    id: &str,
    source: &str,
    told: &str,
    data: &Json,
    now: Millis,
) -> Event {
    let summary = summary::one_line(told);
    Event {
        id: id.to_owned(),
        source: source.to_owned(),
        kind: kind.to_owned(),
        subject: None,
        time: Some(rfc3339(now)),
        datacontenttype: Some("application/json".to_owned()),
        dataschema: None,
        extensions: BTreeMap::from([
            ("kitesource".to_owned(), "openintent".into()),
            ("kitesummary".to_owned(), summary.as_str().into()),
        ]),
        // Written by us: it always reads.
        data: RawValue::from_string(data.to_string()).ok().map(Data::Json),
    }
}
