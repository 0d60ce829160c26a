//! Bodies that peers post, and what is forwarded of them.
#![no_main]

use kite::protocol::arrival::Arrival;
use kite::protocol::forward::Provenance;
use kite_fuzz::{assert_lawful, assert_storable};
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "kfd_12ab34cd_0123456789abcdef0123456789abcdef";
const OWN_ID: &str = "own";

fuzz_target!(|body: &[u8]| {
    let arrival = match Arrival::read(body, TOKEN) {
        Ok(arrival) => arrival,
        Err(fault) => return drop(fault.to_string()),
    };
    let event = arrival.into_event();
    assert_storable(&event);
    let text = event.to_text();
    assert_eq!(event.extensions.get("kitetoinstance"), None);
    assert_eq!(event.extension("kitesource"), Some("kite"));

    // What is stored can be forwarded, and comes home as a loop.
    let own_id = OWN_ID.parse().unwrap();
    let sent = Provenance::of(&event).unwrap().forward(&event, &own_id);
    assert_lawful(&sent);
    let Ok(home) = Arrival::read(sent.to_text().as_bytes(), TOKEN) else {
        // With this instance the chain has become too long for an attribute.
        return;
    };
    assert!(home.refuse(OWN_ID, u64::MAX).is_some(), "{text}");
});
