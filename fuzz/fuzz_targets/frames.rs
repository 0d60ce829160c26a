//! The frames of the WebSocket, of both sides.
#![no_main]

use kite::protocol::frame::{ClientFrame, ServerFrame};
use kite::protocol::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ClientFrame::parse(text) {
        Ok(frame) => {
            let written = frame.to_text();
            assert_eq!(ClientFrame::parse(&written).unwrap().to_text(), written);
            if let ClientFrame::Request(_) = frame {
                assert!(json::check(text).is_ok(), "{text}");
            }
        }
        Err(fault) => drop(fault.to_string()),
    }
    match ServerFrame::parse(text) {
        Ok(frame) => {
            let written = frame.to_text();
            assert_eq!(ServerFrame::parse(&written).unwrap().to_text(), written);
        }
        Err(fault) => drop(fault.to_string()),
    }
});
