//! Vectors of delegation tokens (spec 10).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kite::openintent::json::Json;
use kite::openintent::scope::DelegationScope;
use kite::openintent::ucan::{Chain, UCANToken};
use kite::protocol::identity::InstanceKey;

use super::file::{Tally, bool_of, is_own_set, list, member, read, text_of};

#[test]
fn openintent_vectors_ucan() {
    let known = [
        "keys",
        "keys_by_did",
        "encode",
        "decode",
        "attenuate",
        "chains",
    ];
    let Some(file) = read("ucan", &known) else {
        return;
    };
    let mut tally = Tally::of("ucan");
    tally.run("encode", list(&file, "encode"), |case| encode(&file, case));
    tally.run("decode", list(&file, "decode"), decode);
    tally.run("attenuate", list(&file, "attenuate"), |case| {
        attenuate(&file, case);
    });
    tally.run("chains", list(&file, "chains"), |case| chain(&file, case));
    tally.finish();
}

/// A key of the file by its name.
fn key(file: &Json, name: &str) -> InstanceKey {
    let hex = text_of(member(member(file, "keys"), name), "private_key_hex");
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    InstanceKey::from_seed(&core::array::from_fn(byte)).unwrap()
}

fn encode(file: &Json, case: &Json) {
    let token = UCANToken::from_json(member(case, "payload")).unwrap();
    let encoded = token.encode(&key(file, text_of(case, "key")));
    let part = |at: usize| {
        let part = encoded.split('.').nth(at).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0), text_of(case, "header_text"));
    assert_eq!(part(1), text_of(case, "payload_text"));
    assert_eq!(encoded, text_of(case, "token"));
    let decoded = UCANToken::decode(&encoded).unwrap();
    assert_eq!(&decoded.to_json(), member(case, "decoded"));
}

fn decode(case: &Json) {
    let decoded = UCANToken::decode(text_of(case, "token"));
    let accepts = bool_of(member(case, "required"), "accept");
    assert_eq!(decoded.is_ok(), accepts, "{decoded:?}");
    if let Ok(decoded) = decoded {
        assert_eq!(&decoded.to_json(), member(case, "sdk"));
    }
}

/// The result is the SDK's, apart from the time, the nonce and what the parent's proof is signed with.
fn attenuate(file: &Json, case: &Json) {
    let parent = UCANToken::from_json(member(case, "parent")).unwrap();
    let parent_text = parent.encode(&key(file, text_of(case, "signer")));
    let wanted = DelegationScope::from_json(member(case, "child_scope")).unwrap();
    let audience = text_of(case, "audience");
    let child = |as_sdk: bool| {
        let (now, holder) = (parent.nbf + 1, key(file, "b"));
        UCANToken::attenuate(&parent_text, audience, &wanted, now, "n", &holder, as_sdk)
    };
    let sdk = member(case, "sdk");
    if sdk.get("raises").is_some() {
        assert!(child(false).is_err() && child(true).is_err());
        return;
    }
    let listed = UCANToken::decode(&child(true).unwrap()).unwrap();
    let short = UCANToken::decode(&child(false).unwrap()).unwrap();
    for member_name in ["iss", "aud", "scope", "exp", "prf"] {
        let ours = listed.to_json();
        assert_eq!(
            member(&ours, member_name),
            member(sdk, member_name),
            "{member_name}"
        );
    }
    assert_eq!(short.prf, [parent_text.as_str()]);
    assert_eq!(short.nbf, parent.nbf + 1);
}

fn chain(file: &Json, case: &Json) {
    let required = member(case, "required");
    let now = member(case, "now").as_i64().unwrap();
    let keys_by_did = case.get("keys_by_did");
    let keys_by_did = keys_by_did.unwrap_or_else(|| member(file, "keys_by_did"));
    let keys = |did: &str| {
        let keys = keys_by_did.get(did).and_then(Json::as_array);
        let keys = keys.unwrap_or_default().iter();
        keys.map(|key| STANDARD.decode(key.as_str().unwrap()).unwrap())
            .map(|key| key.try_into().unwrap())
            .collect()
    };
    let roots = list(case, "trusted_roots");
    let is_root = |did: &str| roots.iter().any(|root| root.as_str() == Some(did));
    let audiences = [text_of(case, "audience").to_owned()];
    let verdict = Chain::read(text_of(case, "token")).and_then(|chain| {
        let scope = chain.verify(&audiences, now, &keys, &is_root)?;
        Ok((chain, scope))
    });
    match (bool_of(required, "accept"), verdict) {
        (true, Ok((chain, scope))) => {
            let links = i64::try_from(chain.links().count()).unwrap();
            assert_eq!(member(required, "links").as_i64(), Some(links));
            assert_eq!(scope, chain.leaf().scope);
        }
        (false, Err(fault)) => {
            let reason = text_of(required, "reason");
            let told = fault.to_string();
            // Of several faults another set may have had another one in mind.
            let fits = !is_own_set() || words_of(reason).iter().any(|word| told.contains(word));
            assert!(fits, "{reason}: {told}");
        }
        (accepts, verdict) => panic!("accept: {accepts}; {verdict:?}"),
    }
}

/// One of these is in kite's words for a reason: a token is refused for the right thing.
fn words_of(reason: &str) -> &'static [&'static str] {
    match reason {
        "time window" => &["expired", "not valid before"],
        "audience" => &["audience"],
        "root issuer" => &["root"],
        "signature" => &["signature"],
        "permissions widened" => &["permissions"],
        "denials dropped" => &["denial"],
        "delegation depth" => &["depth"],
        "outlives parent" => &["it outlives"],
        "scope expiry widened" => &["scope outlives"],
        "proof list does not match the parent's" => &["list of proofs"],
        "header" => &["header"],
        other => panic!("nothing here knows the reason `{other}`"),
    }
}
