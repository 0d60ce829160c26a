//! DID documents of other servers: the keys that are taken of one are what a document of those keys would give.
#![no_main]

use kite::openintent::did::{DidDocument, did_document};
use kite::openintent::json::Json;
use libfuzzer_sys::fuzz_target;

const URL: &str = "https://a.example";
const DID: &str = "did:web:a.example";

fuzz_target!(|input: &[u8]| {
    let Ok(json) = Json::read(input) else {
        return;
    };
    let document = match DidDocument::read(&json) {
        Ok(document) => document,
        Err(fault) => return drop(fault.to_string()),
    };
    assert!(!document.id.is_empty() && !document.keys.is_empty());
    let mut publics = document.public_keys();
    publics.sort_unstable();
    publics.dedup();
    let numbered: Vec<(u32, [u8; 32])> = (1..).zip(publics.iter().copied()).collect();
    let written = did_document(DID, URL, &numbered);
    let read = DidDocument::read(&written).unwrap();
    assert_eq!((read.id.as_str(), read.public_keys()), (DID, publics));
});
