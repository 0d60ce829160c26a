//! Posts of every source, made into events.
#![no_main]

use kite::protocol::id::SourceSlug;
use kite::webhook::{Headers, Receipt, Request, Taken, ingest, sign, verify};
use kite_fuzz::{Post, assert_storable};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_767_225_600;
const SECRET: &[u8] = b"a secret";
const TOKEN: &str = "khk_0a1b2c3d_00112233445566778899aabbccddeeff";

fuzz_target!(|input: &[u8]| {
    let Some(post) = Post::parse(input) else {
        return;
    };
    let Ok(slug) = SourceSlug::parse(post.slug) else {
        return;
    };
    let headers = post.headers();
    let request = Request {
        slug: slug.as_str(),
        headers: &headers,
        body: post.body,
        url: Some("https://kite.example/hooks/team/source"),
    };
    let _ = verify(&request, &[SECRET], NOW);
    // A signature for these very headers; of Standard Webhooks' there is none here.
    let of_type = headers
        .get("content-type")
        .map(|value| ("content-type", value.to_owned()));
    let signature = sign(&request, SECRET, NOW).unwrap();
    let signed = Headers::new(signature.into_iter().chain(of_type));
    let signed = Request {
        headers: &signed,
        ..request
    };
    let is_foreign = slug.as_str() == "twilio" && !post.body.is_empty();
    assert!(is_foreign || verify(&signed, &[SECRET], NOW) == Ok(()));

    let receipt = Receipt {
        id: "id".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        hook_token: Some(TOKEN),
        is_verified: true,
    };
    let Ok(Taken::Event(ingested)) = ingest(&request, receipt) else {
        return;
    };
    let event = ingested.event;
    assert_storable(&event);
    assert_eq!(event.extension("kitesource"), Some(slug.as_str()));
    let kept = event.extension("kiteoriginalheaders").unwrap();
    assert!(!kept.contains(TOKEN), "{kept}");
});
