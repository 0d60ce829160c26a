//! The golden files: what they call valid is valid by the document, and what they refuse is not, where JSON Schema can say so.

use std::fs;

use kite::protocol::frame::{ClientFrame, Connect};
use kite::protocol::scope::Scopes;
use serde_json::Value;

use super::{CLIENT_FRAME, SERVER_FRAME, message_of, payload_of, root, schemas};

/// The cases of a golden file.
fn cases(name: &str) -> Vec<Value> {
    let path = root().join(format!("tests/vectors/kite/{name}.json"));
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn name_of(case: &Value) -> &str {
    case["name"].as_str().unwrap()
}

/// A whole number with a fraction is an integer to JSON Schema.
const BEYOND_SCHEMAS: [&str; 1] = ["fractional ack"];

#[test]
fn frames_of_clients_in_the_vectors_are_what_the_document_says() {
    let mut schemas = schemas();
    for case in cases("ws_client_frames") {
        let text = case["frame"].as_str().unwrap();
        let Ok(frame) = serde_json::from_str(text) else {
            continue;
        };
        if !BEYOND_SCHEMAS.contains(&name_of(&case)) {
            let is_taken = case["valid"] == true && case["handshake_error_code"].is_null();
            schemas.case(name_of(&case), CLIENT_FRAME, &frame, is_taken);
        }
    }
    assert!(schemas.judge() > 20);
}

#[test]
fn frames_of_servers_in_the_vectors_are_what_the_document_says() {
    let mut schemas = schemas();
    for case in cases("ws_server_frames") {
        let may_be_sent = case["parses"] == true && case["event_parses"] != false;
        schemas.case(name_of(&case), SERVER_FRAME, &case["frame"], may_be_sent);
    }
    assert!(schemas.judge() > 20);
}

#[test]
fn what_clients_send_in_the_sessions_of_the_vectors_is_what_the_document_says() {
    let mut schemas = schemas();
    for case in cases("ws_sessions") {
        for step in case["steps"].as_array().unwrap() {
            if step["op"] != "send" || !step["frame"].is_object() {
                continue;
            }
            let frame = &step["frame"];
            let is_taken = match ClientFrame::parse(&frame.to_string()) {
                Ok(ClientFrame::Connect(Connect {
                    version, scopes, ..
                })) => version == 1 && Scopes::parse(&scopes).is_ok(),
                parsed => parsed.is_ok(),
            };
            schemas.case(name_of(&case), CLIENT_FRAME, frame, is_taken);
        }
    }
    assert!(schemas.judge() > 20);
}

#[test]
fn calls_of_the_vectors_are_what_the_document_says() {
    let mut schemas = schemas();
    for case in cases("rpc") {
        let (request, response) = (&case["request"], &case["response"]);
        schemas.is(name_of(&case), CLIENT_FRAME, request);
        let call = payload_of(&message_of(request["method"].as_str().unwrap()));
        let code = &response["payload"]["code"];
        assert_eq!(schemas.has(&call), code != "unknown_method", "{call}");
        // Whether a time has passed is no matter of schemas.
        if schemas.has(&call) && name_of(&case) != "key create past expiry" {
            schemas.case(name_of(&case), &call, request, code != "bad_params");
        }
    }
    assert!(schemas.judge() > 30);
}
