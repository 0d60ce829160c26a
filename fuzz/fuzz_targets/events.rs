//! CloudEvents as clients send them and as servers do.
#![no_main]

use kite::protocol::event::{Event, EventDraft, with_seq};
use kite_fuzz::{assert_lawful, assert_storable};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let (sent, complete) = (EventDraft::parse(text), Event::parse(text));
    match (&sent, &complete) {
        // What a server may send is what a client may send with everything in it.
        (Ok(draft), Err(_)) => assert!(draft.id.is_none() || draft.source.is_none(), "{text}"),
        (Err(fault), _) => drop(fault.to_string()),
        (Ok(_), Ok(_)) => {}
    }
    let Ok(draft) = sent else { return };
    let mut event = draft.complete(|| "id".to_owned(), || "source".to_owned());
    assert_lawful(&event);
    let came: Value = serde_json::from_str(text).unwrap();
    let leaves: Value = serde_json::from_str(&event.to_text()).unwrap();
    assert_eq!(leaves.get("data"), came.get("data"));
    if event.admit("api", false).is_ok() {
        assert_storable(&event);
        assert!(Event::parse(&with_seq(&event.to_text(), 7)).is_ok());
    }
});
