//! Answers of servers that are no success, whatever server it is.
#![no_main]

use kite::client::Refusal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, Option<&str>, &str)| {
    let (status, retry_after, body) = input;
    let refusal = Refusal::read(status, retry_after, body);
    assert_eq!(refusal.status, status);
    assert!(!refusal.text.is_empty());
    let _ = refusal.to_string();
});
