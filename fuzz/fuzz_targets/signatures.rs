//! Signatures: nothing is accepted that nobody signed, and what was signed is accepted among whatever else there is.
#![no_main]

use kite::webhook::diagnosis::diagnose;
use kite::webhook::{Headers, Request, sign, verify};
use kite_fuzz::Post;
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_767_225_600;

/// Of no vector and no seed, so that no signature under them can be known.
const SECRETS: &[&[u8]] = &[
    b"made for the fuzzer alone: 3f1c9a",
    b"whsec_bWFkZSBmb3IgdGhlIGZ1enplciBhbG9uZQ==",
    b"whpk_2Fs/CGfI1pbtPbzLP8DPzNvfsqtvKfpS1e6OqAsMIb0=",
];

/// The header that holds a list of signatures, and what separates its entries.
fn list(slug: &str) -> Option<(&'static str, &'static str)> {
    match slug {
        "stripe" => Some(("stripe-signature", ",")),
        "pagerduty" => Some(("x-pagerduty-signature", ",")),
        _ => None,
    }
}

/// The right signature among the entries that came.
fn among_others(request: &Request<'_>, secret: &[u8]) {
    let Some((header, comma)) = list(request.slug) else {
        return;
    };
    let right = &sign(request, secret, NOW).unwrap()[0].1;
    let given = request.headers.get(header).unwrap_or_default();
    // A second time would make it ambiguous, which is refused.
    let others: Vec<&str> = given
        .split(comma)
        .filter(|entry| !entry.trim_matches(' ').starts_with("t="))
        .collect();
    for at in 0..=others.len().min(4) {
        let mut entries = others.clone();
        entries.insert(at, right);
        let headers = Headers::new([(header, entries.join(comma))]);
        let request = Request {
            headers: &headers,
            ..*request
        };
        assert_eq!(verify(&request, &[secret], NOW), Ok(()), "{headers:?}");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(post) = Post::parse(input) else {
        return;
    };
    let headers = post.headers();
    let request = Request {
        slug: post.slug,
        headers: &headers,
        body: post.body,
        url: headers.get("x-called"),
    };
    assert!(verify(&request, SECRETS, NOW).is_err(), "{headers:?}");
    for secret in SECRETS {
        assert!(diagnose(&request, secret, NOW).is_err());
    }
    among_others(&request, SECRETS[0]);
});
