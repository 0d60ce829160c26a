//! Vectors of subscription scopes: which event a connection gets.

use kite::protocol::error::CloseCode;
use kite::protocol::event::Event;
use kite::protocol::scope::{Filter, Scopes};
use serde::Deserialize;
use serde_json::{Value, json};

use super::file::run;

#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Matching(Matching),
    Malformed(Malformed),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    scopes: Vec<String>,
    key_scopes: Vec<String>,
    event: Described,
    matches: bool,
}

/// What scopes look at. A null slug stands for an event that came in by no endpoint.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    r#type: String,
    source: String,
    kitesource: Option<String>,
    kitetoinstance: Option<String>,
    data: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    scopes: Vec<String>,
    error_code: u16,
}

#[test]
fn vectors_subscription_scopes() {
    run("subscription_scopes", |case: Case| match case {
        Case::Matching(case) => {
            let filter = Filter {
                requested: Scopes::parse(&case.scopes).unwrap(),
                allowed: Scopes::parse(&case.key_scopes).unwrap(),
            };
            assert_eq!(filter.matches(&event(&case.event).header()), case.matches);
        }
        Case::Malformed(case) => {
            assert!(
                Scopes::parse(&case.scopes).is_err(),
                "{:?} are scopes",
                case.scopes
            );
            assert_eq!(CloseCode::InvalidMessage.number(), case.error_code);
        }
    });
}

fn event(described: &Described) -> Event {
    let text = json!({
        "specversion": "1.0",
        "id": "e1",
        "source": described.source,
        "type": described.r#type,
        "kitesource": described.kitesource,
        "kitetoinstance": described.kitetoinstance,
        "data": described.data,
    });
    Event::parse(&text.to_string()).unwrap()
}
