use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::openintent::json::Json;
use crate::protocol::identity::InstanceKey;

const DID: &str = "did:web:host.example";

fn public(seed: u8) -> [u8; 32] {
    InstanceKey::from_seed(&[seed; 32]).unwrap().public()
}

/// A document with this method and this `authentication`, both as JSON.
fn read(methods: &str, authentication: &str) -> Result<DidDocument, DocumentFault> {
    let text = format!(
        r#"{{"@context": "https://www.w3.org/ns/did/v1", "id": "{DID}",
            "verificationMethod": {methods}, "authentication": {authentication}}}"#
    );
    DidDocument::read(&text.parse().unwrap())
}

/// A method `#key-1` of this type with these members.
fn method(kind: &str, members: &str) -> String {
    format!(r##"{{"id": "{DID}#key-1", "type": "{kind}", "controller": "{DID}", {members}}}"##)
}

fn base64(seed: u8) -> String {
    format!(r#""publicKeyBase64": "{}""#, STANDARD.encode(public(seed)))
}

fn base58(seed: u8) -> String {
    format!(r#""publicKeyMultibase": "{}""#, multibase(&public(seed)))
}

fn jwk(seed: u8) -> String {
    let x = URL_SAFE_NO_PAD.encode(public(seed));
    format!(r#""publicKeyJwk": {{"kty": "OKP", "crv": "Ed25519", "x": "{x}"}}"#)
}

#[test]
fn a_url_that_is_more_or_less_than_a_server_has_no_did() {
    for (url, fault) in [
        ("example.com", DidFault::Scheme),
        ("ftp://example.com", DidFault::Scheme),
        ("", DidFault::Scheme),
        ("https://", DidFault::Host(String::new())),
        ("https:///x", DidFault::Host(String::new())),
        ("https://a@example.com", DidFault::Extra('@')),
        ("https://example.com/?x", DidFault::Extra('?')),
        ("https://example.com#x", DidFault::Extra('#')),
        ("https://example.com\\x", DidFault::Extra('\\')),
        ("https://exa mple.com", DidFault::Extra(' ')),
        ("https://exämple.com", DidFault::Extra('ä')),
        ("https://example.com\n", DidFault::Extra('\n')),
        (
            "https://%65xample.com",
            DidFault::Host("%65xample.com".into()),
        ),
        ("https://example.com:", DidFault::Port(String::new())),
        ("https://example.com:0", DidFault::Port("0".into())),
        ("https://example.com:+1", DidFault::Port("+1".into())),
        ("https://example.com:65536", DidFault::Port("65536".into())),
        ("https://[::1]", DidFault::Port(":1]".into())),
        ("https://example.com/..", DidFault::Segment("..".into())),
        (
            "https://example.com/a/%2e%2E/b",
            DidFault::Segment("%2e%2E".into()),
        ),
        (
            "https://example.com/a%2fb",
            DidFault::Segment("a%2fb".into()),
        ),
    ] {
        assert_eq!(did_of_url(url), Err(fault), "{url}");
        assert!(spellings(url).is_empty(), "{url}");
    }
    let inside = "https://example.com/https://victim.example";
    assert!(matches!(did_of_url(inside), Err(DidFault::EmptySegment(_))));
}

#[test]
fn what_kite_emits_resolves_to_below_the_url() {
    for (url, document) in [
        (
            "https://example.com.",
            "https://example.com/.well-known/did.json",
        ),
        (
            "HTTPS://example.com:8443",
            "https://example.com:8443/.well-known/did.json",
        ),
        (
            "https://example.com/~a/b:c/",
            "https://example.com/%7Ea/b%3Ac/did.json",
        ),
        (
            "https://example.com/a%20b",
            "https://example.com/a%20b/did.json",
        ),
    ] {
        let did = did_of_url(url).unwrap();
        assert_eq!(resolve_did_web(&did).unwrap(), document, "{did}");
    }
}

#[test]
fn an_identifier_that_leads_elsewhere_is_not_resolved() {
    for did in [
        "did:web:example.com:",
        "did:web::example.com",
        "did:web:example.com?x",
        "did:web:example.com\\x",
        "did:web:a@example.com",
        "did:web:example.com x",
        "did:web:example.com%3A",
        "did:web:example.com%3A0",
        "did:web:example.com%3A99999",
        "did:web:example.com%3A80%3A81",
        "did:web:%5B%3A%3A1%5D",
        "did:web:example.com%00",
        "did:web:example.com%FF",
        "did:web:example.com:a%2Fb",
        "did:web:example.com:a%5Cb",
        "did:web:example.com:%2e%2e",
        "did:web:example.com:.",
        "did:web:example.com:%00",
        "did:web:exämple.com",
    ] {
        assert!(resolve_did_web(did).is_err(), "{did}");
    }
}

#[test]
fn both_spellings_of_a_url_are_told_once() {
    assert_eq!(spellings("https://example.com"), ["did:web:example.com"]);
    assert_eq!(
        spellings("https://Example.com:8443/"),
        ["did:web:example.com%3A8443", "did:web:Example.com:8443"]
    );
}

#[test]
fn a_key_is_read_in_each_of_its_forms() {
    let type_2020 = "Ed25519VerificationKey2020";
    for method in [
        method(type_2020, &base64(1)),
        method(type_2020, &base58(1)),
        method("Multikey", &base58(1)),
        method("JsonWebKey2020", &jwk(1)),
        method(type_2020, &[base64(1), base58(1), jwk(1)].join(",")),
        method(
            type_2020,
            &format!(r#"{}, "publicKeyJwk": null"#, base64(1)),
        ),
    ] {
        let full = format!(r##"["{DID}#key-1"]"##);
        for authentication in [full.as_str(), r##"["#key-1"]"##, &format!("[{method}]")] {
            let document = read(&format!("[{method}]"), authentication).unwrap();
            assert_eq!(document.id, DID);
            let key = DocumentKey {
                id: format!("{DID}#key-1"),
                public: public(1),
            };
            assert_eq!(document.keys, [key], "{method} {authentication}");
        }
    }
    let relative = method("Multikey", &base58(1)).replace(&format!("{DID}#"), "#");
    let document = read(&format!("[{relative}]"), &format!(r##"["{DID}#key-1"]"##)).unwrap();
    assert_eq!(document.public_keys(), [public(1)]);
}

#[test]
fn a_document_without_a_key_for_authentication_proves_nothing() {
    let fault = Err(DocumentFault::NoKey(DID.to_owned()));
    let named = r##"["#key-1"]"##;
    let type_2020 = "Ed25519VerificationKey2020";
    let good = format!("[{}]", method(type_2020, &base64(1)));
    assert!(read(&good, named).is_ok());
    for authentication in [
        "[]",
        "null",
        "{}",
        r##"["#key-2"]"##,
        "[1]",
        "[{}]",
        r#"["key-1"]"#,
    ] {
        assert_eq!(read(&good, authentication), fault, "{authentication}");
    }
    let (x25519, curve_of_another_kind) = (
        r#""publicKeyJwk": {"kty": "OKP", "crv": "X25519", "x": "AAAA"}"#,
        r#""publicKeyJwk": {"kty": "EC", "crv": "Ed25519", "x": "AAAA"}"#,
    );
    let neutral = format!(r#""publicKeyBase64": "AQ{}=""#, "A".repeat(41));
    let short = r#""publicKeyBase64": "AAAA""#;
    let loose = base64(1).replace('=', "");
    let other_codec = base58(1).replace("z6Mk", "z6LS");
    let long = format!(r#""publicKeyMultibase": "z{}""#, "2".repeat(100_000));
    for members in [
        r#""x": 1"#,
        x25519,
        curve_of_another_kind,
        &neutral,
        short,
        &loose,
        &other_codec,
        &long,
        r#""publicKeyBase64": 7"#,
        &[base64(1), base58(2)].join(","),
        &[base64(1), jwk(2)].join(","),
        &[base64(1), r#""publicKeyMultibase": "z""#.into()].join(","),
    ] {
        let methods = format!("[{}]", method(type_2020, members));
        assert_eq!(read(&methods, named), fault, "{members}");
    }
    for kind in [
        "EcdsaSecp256k1VerificationKey2019",
        "X25519KeyAgreementKey2020",
        "",
    ] {
        let methods = format!("[{}]", method(kind, &base64(1)));
        assert_eq!(read(&methods, named), fault, "{kind}");
    }
    for (text, fault) in [
        ("[]", DocumentFault::Kind("a list")),
        ("{}", DocumentFault::NoId),
        (r#"{"id": ""}"#, DocumentFault::NoId),
        (r#"{"id": 7}"#, DocumentFault::NoId),
    ] {
        assert_eq!(DidDocument::read(&text.parse().unwrap()), Err(fault));
    }
}

#[test]
fn a_document_in_rotation_has_both_keys_and_an_endless_one_is_refused() {
    let keys: Vec<(u32, [u8; 32])> = (1..18_u8).map(|n| (n.into(), public(n))).collect();
    let document = |keys: &[(u32, [u8; 32])]| did_document(DID, "https://host.example", keys);
    let two = DidDocument::read(&document(&keys[..2])).unwrap();
    assert_eq!(two.public_keys(), [public(1), public(2)]);
    assert_eq!(two.keys[1].id, "did:web:host.example#key-2");
    assert!(DidDocument::read(&document(&keys[..DOCUMENT_KEYS_MAX])).is_ok());
    let endless = DidDocument::read(&document(&keys));
    assert_eq!(endless, Err(DocumentFault::TooManyKeys(DID.to_owned())));
}

#[test]
fn a_chosen_did_is_also_known_as_what_its_url_makes() {
    let document = did_document(
        "did:web:chosen.example",
        "https://host.example",
        &[(1, public(1))],
    );
    let known = document
        .get("alsoKnownAs")
        .and_then(Json::as_array)
        .unwrap();
    assert_eq!(
        known,
        ["did:web:host.example".into(), "https://host.example".into()]
    );
}
