//! Vectors of the URLs and addresses that a server may call (spec 11).

use std::net::IpAddr;

use kite::openintent::callable::validate_ssrf;
use kite::protocol::address_class::AddressClass;

use super::file::{Tally, bool_of, list, read, text_of};

#[test]
fn openintent_vectors_ssrf() {
    let Some(file) = read("ssrf", &["urls", "addresses"]) else {
        return;
    };
    let mut tally = Tally::of("ssrf");
    tally.run("urls", list(&file, "urls"), |case| {
        let is_fine = validate_ssrf(text_of(case, "url"));
        assert_eq!(is_fine, bool_of(case, "required"));
    });
    tally.run("addresses", list(&file, "addresses"), |case| {
        let address: IpAddr = text_of(case, "address").parse().unwrap();
        let is_public = AddressClass::of(address) == AddressClass::Public;
        assert_eq!(is_public, bool_of(case, "required"));
    });
    tally.finish();
}
