//! Vectors of federation: what goes from one instance to another.

use std::collections::BTreeMap;

use kite::protocol::forward;
use serde::Deserialize;

use super::file::run;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SigningCase {
    token: String,
    body: String,
    headers: BTreeMap<String, String>,
}

#[test]
fn vectors_federation_signing() {
    run("federation_signing", |case: SigningCase| {
        let sent = forward::headers(&case.token, case.body.as_bytes());
        let sent = sent.map(|(name, value)| (name.to_owned(), value));
        let wanted = case.headers.into_iter();
        let wanted = wanted.map(|(name, value)| (name.to_ascii_lowercase(), value));
        assert_eq!(BTreeMap::from(sent), wanted.collect());
    });
}
