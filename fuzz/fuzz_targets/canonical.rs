//! JSON that is signed: what is read is written again as it was, and its canonical bytes are a fixed point.
#![no_main]

use kite::openintent::canonical::canonical;
use kite::openintent::json::Json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let json = match Json::read(input) {
        Ok(json) => json,
        Err(fault) => return drop(fault.to_string()),
    };
    let text = json.to_string();
    assert_eq!(Json::read(text.as_bytes()).as_ref(), Ok(&json), "{text}");
    let Json::Object(object) = &json else {
        return;
    };
    let bytes = canonical(object);
    assert!(bytes.iter().all(|byte| (b' '..=b'~').contains(byte)));
    let Ok(Json::Object(again)) = Json::read(&bytes) else {
        panic!("{text}");
    };
    assert!(!again.contains_key("signature"));
    assert_eq!(canonical(&again), bytes, "{text}");
});
