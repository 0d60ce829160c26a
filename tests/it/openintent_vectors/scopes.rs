//! Vectors of scope attenuation (spec 8).

use kite::openintent::scope::DelegationScope;

use super::file::{Tally, list, member, read};

#[test]
fn openintent_vectors_scope_attenuation() {
    let Some(file) = read("scope_attenuation", &["cases"]) else {
        return;
    };
    let mut tally = Tally::of("scope_attenuation");
    tally.run("cases", list(&file, "cases"), |case| {
        let scope = |name| DelegationScope::from_json(member(case, name)).unwrap();
        let attenuated = scope("parent").attenuate(&scope("child"));
        let required = member(case, "required");
        match required.get("raises") {
            Some(_) => assert!(attenuated.is_err(), "{attenuated:?}"),
            None => assert_eq!(&attenuated.unwrap().to_json(), required),
        }
    });
    tally.finish();
}
