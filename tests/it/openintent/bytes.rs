//! What travels, made by one side and read by the other's own code: nothing here talks to a server.

use kite::openintent::canonical::canonical;
use kite::openintent::did::{did_document, did_of_url, resolve_did_web, sdk_did_of_url};
use kite::openintent::json::{Json, Object};
use kite::openintent::model::DelegationScope;
use kite::openintent::signature::{sign, verify};
use kite::openintent::ucan::{Chain, UCANToken};
use kite::protocol::identity::InstanceKey;
use serde_json::{Value, json};

use crate::support::reference::{Said, sdk};

/// How many objects are compared.
const OBJECTS: u64 = 500;

const NOW: i64 = 1_767_225_600;

fn object(text: &str) -> Object {
    match text.parse().unwrap() {
        Json::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

/// Secret keys that are told apart by a number, as each side takes them.
fn seed(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

fn key(number: u8) -> InstanceKey {
    InstanceKey::from_seed(&[number; 32]).unwrap()
}

fn scope(permissions: &[&str], depth: i64) -> DelegationScope {
    DelegationScope {
        permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
        max_delegation_depth: depth,
        ..DelegationScope::default()
    }
}

#[test]
fn what_a_signature_covers_is_the_same_byte_for_byte() {
    let seed = u64::from_le_bytes(kite::base::random::bytes()) >> 16;
    eprintln!("seed {seed}");
    let made = sdk(&[json!({"do": "objects", "seed": seed, "count": OBJECTS})]);
    let made = made[0].value().as_array().unwrap();
    assert_eq!(made.len() as u64, OBJECTS);
    for case in made {
        let text = case["text"].as_str().unwrap();
        let ours = String::from_utf8(canonical(&object(text))).unwrap();
        assert_eq!(ours, case["canonical"].as_str().unwrap(), "{text}");
    }
}

#[test]
fn what_one_side_signs_the_other_verifies() {
    let seed_of_7 = seed(7);
    let made = sdk(&[json!({"do": "objects", "seed": 7, "count": 50})]);
    let texts = made[0].value().as_array().unwrap().iter();
    let texts: Vec<&str> = texts.map(|case| case["text"].as_str().unwrap()).collect();

    let orders = texts
        .iter()
        .map(|text| json!({"do": "sign", "seed": seed_of_7, "text": text}));
    for said in sdk(&orders.collect::<Vec<_>>()) {
        let mut signed = object(said.text());
        assert_eq!(verify(&signed, &[key(7).public()]), Ok(()));
        signed.insert("added".to_owned(), true.into());
        assert!(verify(&signed, &[key(7).public()]).is_err());
    }

    let public = kite::openintent::identity::ServerIdentity::from_seed(
        "https://signer.example.com",
        None,
        &[7; 32],
    );
    let public = public.unwrap().public_key();
    let mut orders = Vec::new();
    for text in &texts {
        let mut signed = object(text);
        sign(&mut signed, &key(7));
        let right = Json::Object(signed.clone()).to_string();
        signed.insert("added".to_owned(), true.into());
        for text in [right, Json::Object(signed).to_string()] {
            orders.push(json!({"do": "verify", "public_key": public, "text": text}));
        }
    }
    for (at, said) in sdk(&orders).iter().enumerate() {
        assert_eq!(*said.value(), Value::from(at % 2 == 0), "{}", orders[at]);
    }
}

#[test]
fn the_package_reads_tokens_of_kite_and_kite_those_of_the_package() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| format!("did:web:{name}.example.com"));
    let wide = scope(&["state.patch", "events.log", "intent.create"], 3);
    let root = UCANToken::new(&*a, &*b, wide.clone(), NOW, "r").encode(&key(1));
    let narrow = scope(&["events.log", "state.patch"], 3);
    let child = UCANToken::attenuate(&root, &c, &narrow, NOW, "c", &key(2), false).unwrap();
    let leaf = UCANToken::attenuate(&child, &d, &narrow, NOW, "l", &key(3), true).unwrap();
    let said = sdk(&[json!({"do": "ucan_decode", "token": leaf})]);
    let read = said[0].value();
    assert_eq!(read["iss"], *c);
    assert_eq!(read["aud"], *d);
    assert_eq!(read["exp"], NOW + 3600);
    assert_eq!(read["nonce"], "l");
    assert_eq!(read["prf"], json!([root, child]));
    assert_eq!(
        read["scope"],
        json!({
            "permissions": ["events.log", "state.patch"],
            "denied_operations": [],
            "max_delegation_depth": 1,
        })
    );

    let url = |name: &str| format!("https://{name}.example.com");
    let wide: Value = serde_json::from_str(&wide.to_json().to_string()).unwrap();
    let narrow: Value = serde_json::from_str(&narrow.to_json().to_string()).unwrap();
    let root = json!({"do": "ucan_encode", "url": url("a"), "seed": seed(1), "audience": b, "scope": wide});
    let root = sdk(&[root])[0].text().to_owned();
    let child = json!({
        "do": "ucan_attenuate", "token": root, "audience": c, "scope": narrow,
        "url": url("a"), "seed": seed(1), "next_url": url("b"), "next_seed": seed(2),
    });
    let child = sdk(&[child])[0].text().to_owned();
    let leaf = json!({
        "do": "ucan_attenuate", "token": child, "audience": d, "scope": narrow,
        "url": url("b"), "seed": seed(2), "next_url": url("c"), "next_seed": seed(3),
    });
    let leaf = sdk(&[leaf])[0].text().to_owned();
    let chain = Chain::read(&leaf).unwrap();
    let issuers: Vec<&str> = chain.issuers().collect();
    assert_eq!(issuers, [&*c, &*b, &*a]);
    let keys = |did: &str| match did {
        did if did == a => vec![key(1).public()],
        did if did == b => vec![key(2).public()],
        did if did == c => vec![key(3).public()],
        _ => Vec::new(),
    };
    let now = chain.leaf().nbf;
    let allowed = chain.verify(std::slice::from_ref(&d), now, &keys, &|did| did == a);
    let allowed = allowed.unwrap();
    assert_eq!(allowed.permissions, ["events.log", "state.patch"]);
    assert_eq!(allowed.max_delegation_depth, 1);
    let nobody = |_: &str| vec![key(9).public()];
    assert!(chain.verify(&[d], now, &nobody, &|did| did == a).is_err());
}

#[test]
fn a_token_that_may_not_be_delegated_is_refused_by_both() {
    let [a, b, c] = ["a", "b", "c"].map(|name| format!("did:web:{name}.example.com"));
    let last = UCANToken::new(&*a, &*b, scope(&["x"], 0), NOW, "r").encode(&key(1));
    let wanted = scope(&["x"], 0);
    assert!(UCANToken::attenuate(&last, &c, &wanted, NOW, "n", &key(2), false).is_err());
    let scope: Value = serde_json::from_str(&wanted.to_json().to_string()).unwrap();
    let said = sdk(&[json!({
        "do": "ucan_attenuate", "token": last, "audience": c, "scope": scope,
        "url": "https://a.example.com", "seed": seed(1), "next_url": "https://b.example.com", "next_seed": seed(2),
    })]);
    assert_eq!(said, [Said::Raised("ValueError".to_owned(), None)]);
}

#[test]
fn servers_have_the_names_that_the_package_gives_them() {
    let urls = [
        "https://example.com",
        "https://example.com/",
        "https://example.com:8443",
        "https://example.com/kite",
        "http://127.0.0.2:7700",
        "https://Example.COM",
    ];
    let orders = urls.map(|url| json!({"do": "did", "url": url}));
    for (url, said) in urls.iter().zip(sdk(&orders)) {
        assert_eq!(sdk_did_of_url(url), said.text(), "{url}");
    }
    // Where did:web and the package agree, both find the document in the same place.
    let did = did_of_url("https://example.com/").unwrap();
    let said = sdk(&[json!({"do": "resolve", "did": did})]);
    assert_eq!(resolve_did_web(&did).unwrap(), said[0].text());
    // Who has never heard of multibase finds the key where the package puts it.
    let document = did_document(&did, "https://example.com", &[(1, key(1).public())]);
    let document: Value = serde_json::from_str(&document.to_string()).unwrap();
    let method = &document["verificationMethod"][0];
    let mut envelope = object(r#"{"dispatch_id": "d-1"}"#);
    sign(&mut envelope, &key(1));
    let text = Json::Object(envelope).to_string();
    let said =
        sdk(&[json!({"do": "verify", "public_key": method["publicKeyBase64"], "text": text})]);
    assert_eq!(*said[0].value(), true);
    assert_eq!(document["authentication"][0], method["id"]);
}
