//! Agent messages: what is accepted reaches its receiver, and says the same there.
#![no_main]

use kite::protocol::agent::{Message, ReceivedMessage};
use kite_fuzz::assert_lawful;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(message) = Message::parse(text) else {
        return;
    };
    let sent = message.clone();
    let event = message.into_event("id".to_owned(), "2026-01-01T00:00:00Z".to_owned());
    assert_lawful(&event);
    assert_eq!(event.header().agent_to.as_deref(), Some(sent.to.as_str()));
    let received = ReceivedMessage::from_event(&event).unwrap();
    assert_eq!(received.from, sent.from.as_str());
    assert_eq!(received.to, sent.to.as_str());
    assert_eq!(received.body, sent.body);
});
