//! Signatures of whole requests (RFC 9421): nothing counts that nobody signed.
//!
//! An input is a `Signature-Input`; behind a line `---`, a `Signature`; behind another, a body.
#![no_main]

use kite::openintent::http_signature::{CONTENT_DIGEST, Request, content_digest, read};
use kite::protocol::identity::InstanceKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (signature_input, rest) = input.split_once("\n---\n").unwrap_or((input, ""));
    let (signature, body) = rest.split_once("\n---\n").unwrap_or((rest, ""));
    let received = match read(signature_input, signature) {
        Ok(received) => received,
        Err(fault) => return drop(fault.to_string()),
    };
    let request = Request {
        method: "POST",
        target_uri: "https://a.example/api/v1/federation/receive",
        content_type: Some("application/json"),
        body: body.as_bytes(),
    };
    let digest = content_digest(request.body);
    let headers = [(CONTENT_DIGEST, digest.as_str())];
    if let Ok(base) = received.base(&request, &headers) {
        assert_eq!(base.lines().count(), received.covered.len() + 1, "{base}");
    }
    // Of no vector and no seed, so that no signature of it can be known.
    let key = InstanceKey::from_seed(b"made for the fuzzer alone: 3f1c9").unwrap();
    let verified = received.verify(&request, &headers, &key.public(), received.created);
    assert!(verified.is_err(), "{signature_input}");
});
