//! What rules ask of an event, looked up once for all of them.

use crate::protocol::event::{Data, Event};
use crate::protocol::view::View;

/// An event as rules see it. What is missing is the empty text.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The event.
    pub event: &'a Event,
    /// `data`, one level deep.
    pub data: View<'a>,
    /// The name derived from the type.
    pub source_name: String,
    /// The slug of the endpoint that it came by.
    pub kitesource: &'a str,
    /// The type, a dot and `data.action`, where there is one.
    pub kind_with_action: Option<String>,
    /// Who did it.
    pub actor: String,
    /// `data.ref`.
    pub git_ref: String,
}

impl<'a> Facts<'a> {
    /// Looks into an event.
    pub fn of(event: &'a Event) -> Self {
        let data = data(event);
        let action = data.text("action");
        Self {
            source_name: source_name(event),
            kitesource: event.extension("kitesource").unwrap_or_default(),
            kind_with_action: action.map(|action| format!("{}.{action}", event.kind)),
            actor: actor(&data).unwrap_or_default(),
            git_ref: data.text("ref").unwrap_or_default(),
            data,
            event,
        }
    }
}

/// The name that a type gives its source: of `com.github.push` it is `github`, of a type that does not begin
/// with `com.` it is `unknown` (spec 16).
pub fn source_name(event: &Event) -> String {
    let rest = event.kind.strip_prefix("com.");
    let name = rest.and_then(|rest| rest.split('.').next());
    match name {
        Some(name) if !name.is_empty() => name.to_lowercase(),
        _ => "unknown".to_owned(),
    }
}

/// The payload, one level deep. What is no object looks like an empty one.
fn data(event: &Event) -> View<'_> {
    match &event.data {
        Some(Data::Json(data)) => View::of(data.get()),
        Some(Data::Base64(_)) | None => View::default(),
    }
}

/// Where providers say who did it.
fn actor(data: &View<'_>) -> Option<String> {
    let of = |object: &str, member: &str| data.object(object)?.text(member);
    of("sender", "login")
        .or_else(|| data.text("actor"))
        .or_else(|| of("user", "login"))
        .or_else(|| of("pusher", "name"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event of this type with this payload.
    pub(crate) fn event(kind: &str, data: &str) -> Event {
        let text = format!(
            r#"{{"specversion":"1.0","id":"e1","source":"https://github.com/a/b","type":"{kind}",
                "kitesource":"door","data":{data}}}"#
        );
        Event::parse(&text).unwrap()
    }

    #[test]
    fn the_source_name_is_the_second_part_of_the_type() {
        let name = |kind: &str| source_name(&event(kind, "null"));
        assert_eq!(name("com.github.push"), "github");
        assert_eq!(name("com.GitHub"), "github");
        for kind in [
            "kite.subscription.x",
            "com..x",
            "com.",
            "com",
            "COM.github.x",
        ] {
            assert_eq!(name(kind), "unknown", "{kind}");
        }
    }

    #[test]
    fn the_actor_is_found_where_providers_put_it() {
        let actor = |data: &str| Facts::of(&event("com.x", data)).actor;
        let all =
            r#"{"pusher":{"name":"d"},"user":{"login":"c"},"actor":"b","sender":{"login":"a"}}"#;
        assert_eq!(actor(all), "a");
        assert_eq!(
            actor(r#"{"pusher":{"name":"d"},"user":{"login":"c"},"actor":"b"}"#),
            "b"
        );
        assert_eq!(
            actor(r#"{"pusher":{"name":"d"},"user":{"login":"c"},"actor":{}}"#),
            "c"
        );
        assert_eq!(actor(r#"{"pusher":{"name":"d"},"sender":"a"}"#), "d");
        for none in ["{}", "null", "[1]", r#"{"sender":{"login":7}}"#] {
            assert_eq!(actor(none), "", "{none}");
        }
    }

    #[test]
    fn bytes_have_no_fields() {
        let text = r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"e30="}"#;
        let event = Event::parse(text).unwrap();
        let facts = Facts::of(&event);
        assert_eq!((facts.git_ref.as_str(), facts.kitesource), ("", ""));
        assert_eq!(facts.kind_with_action, None);
    }
}
