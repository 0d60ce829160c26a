//! Vectors of agent messages, against the real binary: a fresh team for every case.

use std::fmt;
use std::sync::Arc;

use kite::protocol::api::EventsPage;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::file::{cases, run_live};
use super::pattern::compare;
use crate::support::http::{Access, Answer, answer, escaped};
use crate::support::server::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// A name for the key's team.
    key_team: String,
    /// The team that the call names; null when it names none.
    #[serde(deserialize_with = "Option::deserialize")]
    team_id: Option<String>,
    /// The key's permissions; null when there is no key.
    #[serde(deserialize_with = "Option::deserialize")]
    permissions: Option<Vec<String>>,
    /// The body as it is posted.
    request: String,
    status: u16,
    answer: Option<Value>,
    event: Option<Value>,
    /// The members of the event's data, in this order and no others.
    data_members: Option<Vec<String>>,
}

#[tokio::test]
async fn vectors_agent_messages() {
    let cases = cases::<Case>("agent_messages");
    if !cases.is_empty() {
        let server = Arc::new(Server::start());
        run_live("agent_messages", cases, |case| {
            check(Arc::clone(&server), case)
        })
        .await;
    }
}

async fn check(server: Arc<Server>, case: Case) {
    let team = server.fresh_team(&case.key_team);
    let named = case.team_id.as_ref().map(|named| {
        let is_own = *named == case.key_team;
        if is_own {
            team.team.clone()
        } else {
            server.fresh_team(named).team
        }
    });
    let key = case
        .permissions
        .as_ref()
        .map(|words| server.key(&team.team, &words.join(",")));

    let answer = post(&team, key.as_ref(), named.as_deref(), case.request).await;
    assert_eq!(answer.status, case.status, "{answer:#?}");
    if let Some(expected) = &case.answer {
        compare(expected, &answer.json).unwrap();
    }

    let stored = stored_events(&team).await;
    if answer.status >= 300 {
        assert_eq!(stored.len(), 0, "what was refused is stored");
        return;
    }
    assert_eq!(stored.len(), 1, "what was accepted is stored once");
    let event: Value = serde_json::from_str(stored[0].get()).unwrap();
    assert_eq!(event["id"], answer.json["id"], "the answer names the event");
    if let Some(expected) = &case.event {
        compare(expected, &event).unwrap();
    }
    if let Some(expected) = &case.data_members {
        assert_eq!(&data_members(&stored[0]), expected, "the members of data");
    }
}

async fn post(team: &Access, key: Option<&Access>, named: Option<&str>, body: String) -> Answer {
    let query = named.map(|named| format!("?team_id={}", escaped(named)));
    let path = format!("/api/v1/agents/messages{}", query.unwrap_or_default());
    let request = match key {
        Some(key) => key.request(Method::POST, &path),
        None => team.bare(Method::POST, &path),
    };
    answer(request.header(CONTENT_TYPE, "application/json").body(body)).await
}

/// The texts of the team's events.
async fn stored_events(team: &Access) -> Vec<Box<RawValue>> {
    let answer = team.get("/api/v1/events?after_seq=0").await;
    let page: EventsPage = serde_json::from_str(&answer.text).unwrap();
    page.events.into_iter().map(|listed| listed.event).collect()
}

fn data_members(event: &RawValue) -> Vec<String> {
    #[derive(Deserialize)]
    struct WithData {
        data: Names,
    }
    let WithData { data: Names(names) } = serde_json::from_str(event.get()).unwrap();
    names
}

/// The names of an object's members, in the order of the text.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
