//! Delegation tokens: nothing is granted that nobody signed, and no chain is longer than it may be.
#![no_main]

use kite::openintent::ucan::{Chain, LINKS_MAX};
use kite::protocol::identity::InstanceKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let chain = match Chain::read(input) {
        Ok(chain) => chain,
        Err(fault) => return drop(fault.to_string()),
    };
    assert!((1..=LINKS_MAX).contains(&chain.link_count()));
    assert_eq!(chain.links().count(), chain.link_count());
    assert_eq!(chain.issuers().count(), chain.link_count());
    let leaf = chain.leaf();
    // Of no vector and no seed, so that no signature of it can be known.
    let key = InstanceKey::from_seed(b"made for the fuzzer alone: 3f1c9").unwrap();
    let keys = |_: &str| vec![key.public()];
    let audiences = [leaf.aud.clone()];
    assert!(
        chain
            .verify(&audiences, leaf.nbf, &keys, &|_| true)
            .is_err()
    );
    assert!(
        chain
            .verify(&audiences, leaf.nbf, &|_| Vec::new(), &|_| true)
            .is_err()
    );
});
