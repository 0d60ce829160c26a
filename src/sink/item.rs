//! An event on its way to a sink.

use super::facts;
use super::scoring::Importance;
use crate::protocol::event::{Data, Event, EventFault};
use crate::protocol::id::Seq;

/// The extension that holds the exact body of a webhook whose `data` is not that text (spec 10.2).
const RAW_BODY: &str = "kiterawbody";

/// An event from the log, as its sink gets it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its place in the log.
    pub seq: Seq,
    /// The team it belongs to.
    pub team: String,
    /// What it says.
    pub event: Event,
    /// The CloudEvent as it came.
    pub raw: String,
    /// What enrichment made of it.
    pub enriched: Option<String>,
    /// How important it is.
    pub importance: Importance,
}

impl Item {
    /// Reads an event that came.
    ///
    /// # Errors
    ///
    /// Why the text is no CloudEvent.
    pub fn read(seq: Seq, team: String, raw: String) -> Result<Self, EventFault> {
        Ok(Self::new(seq, team, Event::parse(&raw)?, raw))
    }

    /// An event that was read from this text.
    pub fn new(seq: Seq, team: String, event: Event, raw: String) -> Self {
        Self {
            seq,
            team,
            event,
            raw,
            enriched: None,
            importance: Importance::default(),
        }
    }

    /// The JSON of the event, for sinks that take it whole.
    pub fn text(&self) -> &str {
        self.enriched.as_deref().unwrap_or(&self.raw)
    }

    /// The same with what enrichment made of it. A CloudEvent replaces the event, save its id: that is what it is known
    /// by. Any other JSON becomes its data.
    pub fn enriched_by(mut self, json: String) -> Self {
        match Event::parse(&json) {
            Ok(event) => {
                let is_same_data = data_text(&event) == data_text(&self.event);
                let id = self.event.id;
                self.event = Event { id, ..event };
                if !is_same_data {
                    self.event.extensions.remove(RAW_BODY);
                }
            }
            Err(_) => {
                let raw = serde_json::value::RawValue::from_string(json.clone());
                self.event.data = raw.ok().map(Data::Json);
                self.event.datacontenttype = Some("application/json".to_owned());
                self.event.extensions.remove(RAW_BODY);
            }
        }
        self.enriched = Some(json);
        self
    }

    /// The name of where the event came in, in lower case: the endpoint's slug, else what stands behind `com.` in its
    /// type, else `unknown` (spec 16).
    pub fn source_name(&self) -> String {
        match self.event.extension("kitesource") {
            Some(slug) => slug.to_lowercase(),
            None => facts::source_name(&self.event),
        }
    }
}

fn data_text(event: &Event) -> Option<&str> {
    match &event.data {
        Some(Data::Json(raw)) => Some(raw.get()),
        Some(Data::Base64(text)) => Some(text),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(members: &str) -> Item {
        let text = format!(r#"{{"specversion":"1.0","id":"i","source":"s",{members}}}"#);
        Item::read(1, "t".to_owned(), text).unwrap()
    }

    #[test]
    fn a_source_has_a_name_whatever_the_event() {
        let name = |members| item(members).source_name();
        assert_eq!(name(r#""type":"com.GitHub.push""#), "github");
        assert_eq!(name(r#""type":"push""#), "unknown");
        assert_eq!(name(r#""type":"com.""#), "unknown");
        assert_eq!(name(r#""type":"com.x","kitesource":"My-App""#), "my-app");
    }

    #[test]
    fn enrichment_that_changes_the_data_leaves_no_older_body_behind() {
        let item = item(r#""type":"t","kiterawbody":"YQ==","data":{"a":1}"#);
        let event = |data: &str| {
            format!(
                r#"{{"specversion":"1.0","id":"i","source":"s","type":"t","kiterawbody":"YQ==","data":{data}}}"#
            )
        };
        let same = item.clone().enriched_by(event(r#"{"a":1}"#));
        assert_eq!(same.event.extension(RAW_BODY), Some("YQ=="));
        let other = item.clone().enriched_by(event(r#"{"a":2}"#));
        assert_eq!(other.event.extension(RAW_BODY), None);
        let renamed = event("1").replace(r#""id":"i""#, r#""id":"other""#);
        assert_eq!(item.clone().enriched_by(renamed).event.id, "i");
        let plain = item.enriched_by(r#"{"b":1}"#.to_owned());
        assert_eq!(data_text(&plain.event), Some(r#"{"b":1}"#));
        assert_eq!((plain.event.id.as_str(), plain.text()), ("i", r#"{"b":1}"#));
        assert_eq!(plain.event.extension(RAW_BODY), None);
    }
}
