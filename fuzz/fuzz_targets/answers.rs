//! Answers of other servers: those that are no success, and what peers tell of other instances.
#![no_main]

use kite::client::Refusal;
use kite::protocol::discovery::Heard;
use kite::protocol::outbound::Outbound;
use kite::protocol::peer_url::PeerUrl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, Option<&str>, &str)| {
    let (status, retry_after, body) = input;
    let refusal = Refusal::read(status, retry_after, body);
    assert_eq!(refusal.status, status);
    assert!(!refusal.text.is_empty());
    let _ = refusal.to_string();

    let outbound = Outbound::default();
    match Heard::read(body.as_bytes(), &outbound, 8) {
        Ok(heard) => {
            assert!(heard.instances.len() <= 8);
            for taken in heard.instances {
                assert!(!taken.instance_id.contains(char::is_control));
                assert!(PeerUrl::parse(&taken.url, &outbound).is_ok());
            }
        }
        Err(fault) => drop(fault.to_string()),
    }
});
