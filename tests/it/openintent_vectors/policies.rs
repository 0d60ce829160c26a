//! Vectors of policy composition (spec 9).

use kite::openintent::policy::FederationPolicy;

use super::file::{Tally, list, member, read};

#[test]
fn openintent_vectors_policy_composition() {
    let Some(file) = read("policy_composition", &["cases"]) else {
        return;
    };
    let mut tally = Tally::of("policy_composition");
    tally.run("cases", list(&file, "cases"), |case| {
        let policy = |name| FederationPolicy::from_json(member(case, name)).unwrap();
        let composed = policy("mine").compose_strictest(&policy("theirs"));
        // A float is never equal to an integer here.
        assert_eq!(&composed.to_json(), member(case, "required"));
    });
    tally.finish();
}
