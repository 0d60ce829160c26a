//! Vectors of frames, in both directions, read by kite and by the published crates.

use kite::protocol::VERSION;
use kite::protocol::error::CloseCode;
use kite::protocol::event::Event;
use kite::protocol::frame::{ClientFrame, FrameFault, ServerFrame};
use kite_protocol::{ClientMessage, ServerMessage};
use serde::Deserialize;
use serde_json::Value;

use super::file::run;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    frame: String,
    valid: bool,
    parsed: Option<Value>,
    error_code: Option<u16>,
    handshake_error_code: Option<u16>,
}

#[test]
fn vectors_ws_client_frames() {
    run("ws_client_frames", |case: Sent| {
        let invalid = CloseCode::InvalidMessage.number();
        match ClientFrame::parse(&case.frame) {
            Ok(frame) => {
                assert!(case.valid, "it was read as {frame:?}");
                let text = frame.to_text();
                let written: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(Some(written), case.parsed);
                serde_json::from_str::<ClientMessage>(&text).expect("published servers read it");
                let refused = matches!(&frame, ClientFrame::Connect(it) if it.version != VERSION);
                assert_eq!(refused.then_some(invalid), case.handshake_error_code);
            }
            Err(fault) => {
                assert!(!case.valid, "{fault}");
                // Only a request whose id can be read is answered instead of ending the connection.
                let fatal = !matches!(fault, FrameFault::BadRequest { .. });
                assert_eq!(fatal.then_some(invalid), case.error_code, "{fault}");
            }
        }
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Received {
    frame: Value,
    parses: bool,
    event_parses: Option<bool>,
}

#[test]
fn vectors_ws_server_frames() {
    run("ws_server_frames", |case: Received| {
        let published = serde_json::from_value::<ServerMessage>(case.frame.clone());
        assert_eq!(
            published.is_ok(),
            case.parses,
            "the published crate: {published:?}"
        );

        let event = case.frame.get("event");
        let sdk = event.map(|event| serde_json::from_value::<cloudevents::Event>(event.clone()));
        assert_eq!(
            sdk.as_ref().map(Result::is_ok),
            case.event_parses,
            "the published SDK: {sdk:?}"
        );

        let may_be_sent = case.parses && case.event_parses != Some(false);
        if may_be_sent {
            let frame = ServerFrame::parse(&case.frame.to_string()).expect("kite reads it");
            let written: Value = serde_json::from_str(&frame.to_text()).unwrap();
            assert_eq!(written, case.frame, "kite writes what it read");
            if let Some(event) = event {
                Event::parse(&event.to_string()).expect("kite reads the event");
            }
        }
    });
}
