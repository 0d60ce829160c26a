//! The document itself: what it refers to is there, it says everything that the protocol has, and nothing else.

use std::collections::BTreeSet;

use kite::protocol::error::CloseCode;
use kite::protocol::frame::{
    BillingBlock, ClientFrame, Connect, QuotaSnapshot, Request, ServerFrame,
};
use kite::protocol::rpc::Method;
use reqwest::Method as Http;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{document, message_of, payload_of, schemas, text};
use crate::support::http::answer;
use crate::support::server::Server;

/// Where the document refers to, from where.
fn references(value: &Value, place: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{place}/{name}");
                match member.as_str() {
                    Some(to) if name == "$ref" => found.push((place, to.to_owned())),
                    _ => references(member, &place, found),
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                references(item, &format!("{place}/{at}"), found);
            }
        }
        _ => {}
    }
}

fn names(value: &Value) -> BTreeSet<String> {
    let members = value.as_object().unwrap_or_else(|| panic!("{value}"));
    members.keys().cloned().collect()
}

#[test]
fn every_operation_of_the_websocket_says_what_it_is() {
    let document = document();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let said = operation["description"].as_str().unwrap_or_default();
        let is_sentence = said.contains(' ') && said.trim_end().ends_with('.');
        assert!(is_sentence, "{name}: `{said}`");
    }
}

#[test]
fn what_the_document_of_the_websocket_refers_to_is_there_and_everything_is_referred_to() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut found = Vec::new();
    references(&document, "#", &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let mut used = BTreeSet::new();
    for (place, to) in found {
        let pointer = to
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{place} leads out: {to}"));
        assert!(
            document.pointer(pointer).is_some(),
            "{place} leads nowhere: {to}"
        );
        used.insert(to);
    }
    // What is for readers of the whole, and for the tests.
    for whole in ["ClientFrame", "ServerFrame"] {
        used.insert(format!("#/components/schemas/{whole}"));
    }
    for kind in ["schemas", "messages", "correlationIds"] {
        for name in names(&document["components"][kind]) {
            let place = format!("#/components/{kind}/{name}");
            assert!(used.contains(&place), "nothing refers to {place}");
        }
    }
    let in_channel = names(&document["channels"]["session"]["messages"]);
    assert_eq!(in_channel, names(&document["components"]["messages"]));
    for message in in_channel {
        let place = format!("#/channels/session/messages/{message}");
        assert!(used.contains(&place), "no operation has {place}");
    }
}

#[test]
fn operations_and_messages_of_the_websocket_are_whole() {
    let document = document();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let action = operation["action"].as_str();
        assert!(matches!(action, Some("send" | "receive")), "{name}");
        assert_eq!(operation["channel"]["$ref"], "#/channels/session", "{name}");
        let messages = operation["messages"].as_array();
        assert!(messages.is_some_and(|it| !it.is_empty()), "{name}");
        assert!(operation["title"].is_string(), "{name}");
    }
    let mut schemas = schemas();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        assert!(
            message["name"].is_string() && message["title"].is_string(),
            "{name}"
        );
        let examples = message["examples"].as_array();
        let examples = examples.unwrap_or_else(|| panic!("`{name}` has no example"));
        for example in examples {
            schemas.is(
                &format!("the example of `{name}`"),
                &payload_of(name),
                &example["payload"],
            );
        }
    }
    assert!(schemas.judge() > 30);
}

#[test]
fn each_method_is_a_call_with_an_answer_and_nothing_else_is() {
    let document = document();
    let called: BTreeSet<String> = names(&document["operations"])
        .into_iter()
        .filter(|name| {
            !["connect", "deliver", "acknowledge", "inform", "refuse"].contains(&&**name)
        })
        .collect();
    let methods: BTreeSet<String> = Method::ALL.iter().map(|it| message_of(it.name())).collect();
    assert_eq!(called, methods);
    for method in Method::ALL {
        let message = message_of(method.name());
        let operation = &document["operations"][&message];
        let refers_to = |list: &Value| -> Vec<String> {
            let items = list.as_array().unwrap().iter();
            let name = |it: &Value| {
                it["$ref"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            };
            items.map(name).collect()
        };
        assert_eq!(operation["action"], "receive");
        assert_eq!(refers_to(&operation["messages"]), [message.as_str()]);
        let answers = [format!("{message}_done"), "failed".to_owned()];
        assert_eq!(refers_to(&operation["reply"]["messages"]), answers);
        let called = &document["components"]["messages"][&message];
        assert_eq!(called["name"], method.name());
        let said = called["payload"].to_string();
        assert!(
            said.contains(&format!(r#"{{"const":"{}"}}"#, method.name())),
            "{said}"
        );
    }
}

/// One of each kind. A kind that is added has to be added here, and then to the document.
fn client_frames() -> Vec<ClientFrame> {
    let kind = |frame: &ClientFrame| match frame {
        ClientFrame::Connect(_) | ClientFrame::Ack(_) | ClientFrame::Request(_) => (),
    };
    let connect = Connect {
        version: 1,
        token: "kite_x".to_owned(),
        team_id: "acme".to_owned(),
        scopes: vec!["*".to_owned()],
        client_id: None,
    };
    let request = Request {
        id: "r".to_owned(),
        method: "keys.list".to_owned(),
        params: None,
    };
    let frames = vec![
        ClientFrame::Connect(connect),
        ClientFrame::Ack(1),
        ClientFrame::Request(request),
    ];
    frames.iter().for_each(kind);
    frames
}

/// Likewise.
fn server_frames() -> Vec<ServerFrame> {
    let kind = |frame: &ServerFrame| match frame {
        ServerFrame::Connected { .. }
        | ServerFrame::CursorExpired { .. }
        | ServerFrame::Event { .. }
        | ServerFrame::Response { .. }
        | ServerFrame::Error { .. }
        | ServerFrame::QuotaSnapshot(_)
        | ServerFrame::BillingBlock(_) => (),
    };
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let event = r#"{"specversion":"1.0","id":"e","source":"/s","type":"t","kiteseq":1}"#;
    let frames = vec![
        ServerFrame::Connected {
            last_seq: 1,
            client_id: "c".to_owned(),
        },
        ServerFrame::CursorExpired {
            oldest_available_seq: 1,
            message: "gone".to_owned(),
        },
        ServerFrame::Event {
            seq: 1,
            event: raw(event),
        },
        ServerFrame::Response {
            id: "r".to_owned(),
            ok: true,
            payload: Some(raw("{}")),
        },
        ServerFrame::Error {
            code: 4001,
            message: "no".to_owned(),
        },
        ServerFrame::QuotaSnapshot(QuotaSnapshot {
            provider: "self_hosted".to_owned(),
            events_used: 0,
            events_limit: 1,
            current_period_end: "2026-02-01T00:00:00Z".to_owned(),
        }),
        ServerFrame::BillingBlock(BillingBlock {
            provider: "self_hosted".to_owned(),
            reason: "quota_exhausted".to_owned(),
            retryable: true,
            action: raw("null"),
        }),
    ];
    frames.iter().for_each(kind);
    frames
}

/// The words that a schema of frames has for `type`.
fn kinds_in(whole: &str) -> BTreeSet<String> {
    let document = document();
    let choices = document.pointer(whole).unwrap()["anyOf"]
        .as_array()
        .unwrap()
        .clone();
    let kind = |choice: &Value| {
        let pointer = choice["$ref"].as_str().unwrap().trim_start_matches('#');
        let frame = document.pointer(pointer).unwrap();
        frame["properties"]["type"]["const"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    choices.iter().map(kind).collect()
}

#[test]
fn each_kind_of_frame_is_in_the_document_and_no_other() {
    let mut schemas = schemas();
    let client = client_frames()
        .iter()
        .map(ClientFrame::to_text)
        .collect::<Vec<_>>();
    let server = server_frames()
        .iter()
        .map(ServerFrame::to_text)
        .collect::<Vec<_>>();
    for (whole, frames) in [(super::CLIENT_FRAME, client), (super::SERVER_FRAME, server)] {
        let mut kinds = BTreeSet::new();
        for text in frames {
            let frame: Value = serde_json::from_str(&text).unwrap();
            let kind = frame["type"].as_str().unwrap();
            schemas.is(kind, whole, &frame);
            kinds.insert(kind.to_owned());
            let mut other = frame.clone();
            other["type"] = "other".into();
            schemas.is_not(&format!("another than {kind}"), whole, &other);
        }
        assert_eq!(kinds_in(whole), kinds);
    }
    assert_eq!(schemas.judge(), 20);
}

#[test]
fn the_numbers_of_errors_are_those_of_the_document() {
    let codes = [
        CloseCode::AuthFailed,
        CloseCode::InvalidMessage,
        CloseCode::RateLimited,
        CloseCode::SlowConsumer,
        CloseCode::QuotaBlocked,
    ];
    let numbers: Vec<u64> = codes.iter().map(|code| code.number().into()).collect();
    let document = document();
    let code = &document["components"]["schemas"]["Error"]["properties"]["code"];
    assert_eq!(code["enum"], Value::from(numbers));
}

#[tokio::test]
async fn a_server_shows_the_document_of_the_websocket_and_says_the_same_of_the_types_that_it_has_elsewhere()
 {
    let server = Server::start();
    let shown = answer(server.owner().bare(Http::GET, "/asyncapi.yaml")).await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.text, text());
    let openapi = answer(server.owner().bare(Http::GET, "/openapi.json"))
        .await
        .json;
    let (theirs, ours) = (&openapi["components"]["schemas"], document());
    let mut compared = 0;
    for (name, schema) in ours["components"]["schemas"].as_object().unwrap() {
        // An event is read by hand there, too, and says less about what it carries.
        let other = match theirs.get(format!("{name}Request")).or(theirs.get(name)) {
            Some(other) if name != "CloudEvent" && other["properties"].is_object() => other,
            _ => continue,
        };
        assert_eq!(
            names(&schema["properties"]),
            names(&other["properties"]),
            "{name}"
        );
        let required = |schema: &Value| -> BTreeSet<String> {
            let list = schema["required"].as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|it| it.as_str().unwrap().to_owned())
                .collect()
        };
        // What kite always sends, though other servers may leave it out, is required here.
        let always = match name.as_str() {
            "Hook" => BTreeSet::from(["created_at".to_owned()]),
            _ => BTreeSet::new(),
        };
        assert_eq!(required(schema), &required(other) | &always, "{name}");
        compared += 1;
    }
    assert!(
        compared >= 15,
        "only {compared} types are in both documents"
    );
}
