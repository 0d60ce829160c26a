//! What OpenIntent brings and sends, as events.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::base::clock::rfc3339;
use crate::openintent::json::{Json, Object};
use crate::openintent::model::FederationEnvelope;
use crate::protocol::event::{AGENT_MESSAGE, Data, Event};
use crate::protocol::id::AgentId;
use crate::protocol::summary;
use crate::store::record::Millis;

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
