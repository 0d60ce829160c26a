//! The golden files of canonical bytes, signatures and identities.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kite::openintent::canonical::canonical;
use kite::openintent::did::{
    DidDocument, did_of_url, multibase, resolve_did_web, sdk_did_of_url, spellings,
};
use kite::openintent::http_signature::{
    CONTENT_DIGEST, MessageSignature, Params, Request, TAG, read, sign as sign_request,
};
use kite::openintent::identity::ServerIdentity;
use kite::openintent::json::{Json, Object};
use kite::openintent::signature::{sign, sign_envelope, verify, verify_envelope_signature};
use kite::protocol::identity;
use sha2::{Digest as _, Sha256};

use super::file::{self, Tally, list};

#[test]
fn openintent_vectors_canonical() {
    run("canonical", &["cases"], |file, tally| {
        tally.run("cases", list(file, "cases"), canonical_bytes);
    });
}

#[test]
fn openintent_vectors_envelope_signatures() {
    run(
        "envelope_signatures",
        &["keys", "sign", "verify"],
        |file, tally| {
            tally.run("sign", list(file, "sign"), |case| {
                signed_envelope(file, case)
            });
            tally.run("verify", list(file, "verify"), verdict);
        },
    );
}

#[test]
fn openintent_vectors_callback_signatures() {
    run("callback_signatures", &["keys", "cases"], |file, tally| {
        tally.run("cases", list(file, "cases"), |case| {
            signed_callback(file, case)
        });
    });
}

#[test]
fn openintent_vectors_did_web() {
    let members = ["keys", "construct", "resolve", "documents"];
    run("did_web", &members, |file, tally| {
        tally.run("construct", list(file, "construct"), constructed);
        tally.run("resolve", list(file, "resolve"), resolved);
        tally.run("documents", list(file, "documents"), |case| {
            document(file, case)
        });
    });
}

#[test]
fn openintent_vectors_message_signatures() {
    let members = ["keys", "cases", "standard_example"];
    run("message_signatures", &members, |file, tally| {
        tally.run("cases", list(file, "cases"), |case| {
            signed_request(file, case)
        });
        let example = [member(file, "standard_example").clone()];
        tally.run("standard_example", &example, standard_example);
    });
}

fn run(name: &'static str, members: &[&str], check: impl FnOnce(&Json, &mut Tally)) {
    let Some(file) = file::read(name, members) else {
        return;
    };
    let mut tally = Tally::of(name);
    check(&file, &mut tally);
    tally.finish();
}

fn member<'j>(of: &'j Json, name: &str) -> &'j Json {
    of.get(name)
        .unwrap_or_else(|| panic!("`{name}` is not in {of}"))
}

fn text<'j>(of: &'j Json, name: &str) -> &'j str {
    let value = member(of, name);
    value
        .as_str()
        .unwrap_or_else(|| panic!("`{name}` is no text in {of}"))
}

fn object(json: &str) -> Object {
    match json.parse() {
        Ok(Json::Object(object)) => object,
        other => panic!("{other:?} instead of an object: {json}"),
    }
}

fn canonical_text(object: &Object) -> String {
    String::from_utf8(canonical(object)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The identity of a key that a case names, checked against what the file says of it.
fn identity(file: &Json, case: &Json) -> ServerIdentity {
    let key = member(member(file, "keys"), text(case, "key"));
    let digits = text(key, "private_key_hex");
    let seed =
        core::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap());
    let identity = ServerIdentity::from_seed(text(key, "server_url"), None, &seed).unwrap();
    assert_eq!(identity.public_key(), text(key, "public_key_b64"));
    assert_eq!(
        multibase(&identity.key().public()),
        text(key, "public_key_multibase")
    );
    assert!(
        spellings(identity.server_url())
            .iter()
            .any(|it| it == text(key, "did"))
    );
    identity
}

fn canonical_bytes(case: &Json) {
    let input: Result<Json, _> = text(case, "input_json").parse();
    match text(case, "on_the_wire") {
        "refuse" => assert!(input.is_err(), "{case}"),
        "accept" => {
            let input = input.unwrap_or_else(|fault| panic!("{fault}: {case}"));
            let bytes = canonical(input.as_object().unwrap());
            assert_eq!(
                String::from_utf8_lossy(&bytes),
                text(case, "canonical"),
                "{case}"
            );
            assert_eq!(hex(&Sha256::digest(&bytes)), text(case, "sha256"), "{case}");
        }
        other => panic!("`{other}` is no verdict"),
    }
}

fn signed_envelope(file: &Json, case: &Json) {
    let identity = identity(file, case);
    let mut envelope = object(text(case, "envelope_json"));
    assert_eq!(canonical_text(&envelope), text(case, "canonical"));
    assert_eq!(sign_envelope(&identity, &envelope), text(case, "signature"));
    sign(&mut envelope, identity.key());
    assert_eq!(envelope, object(text(case, "signed_envelope_json")));
    assert_eq!(verify(&envelope, &[identity.key().public()]), Ok(()));
}

fn verdict(case: &Json) {
    let envelope = object(text(case, "envelope_json"));
    let (key, signature) = (text(case, "public_key_b64"), text(case, "signature"));
    let required = member(case, "required").as_bool().unwrap();
    assert_eq!(
        verify_envelope_signature(key, &envelope, signature),
        required,
        "{case}"
    );
    // The same with the signature where it travels.
    let mut sent = envelope;
    sent.insert("signature".to_owned(), signature.into());
    let key: Option<[u8; 32]> = STANDARD
        .decode(key)
        .ok()
        .and_then(|key| key.try_into().ok());
    let keys: Vec<[u8; 32]> = key.into_iter().collect();
    assert_eq!(verify(&sent, &keys).is_ok(), required, "{case}");
}

fn signed_callback(file: &Json, case: &Json) {
    let identity = identity(file, case);
    let keys = [identity.key().public()];
    let mut callback = object(text(case, "callback_json"));
    assert_eq!(canonical_text(&callback), text(case, "canonical"));
    sign(&mut callback, identity.key());
    assert_eq!(
        callback["signature"].as_str(),
        Some(text(case, "signature"))
    );
    assert_eq!(callback, object(text(case, "signed_callback_json")));
    assert_eq!(verify(&callback, &keys), Ok(()));
    // An attestation inside is signed on its own, before.
    if let Some(Json::Object(attestation)) = callback.get("attestation") {
        assert_eq!(verify(attestation, &keys), Ok(()));
        let mut again = attestation.clone();
        sign(&mut again, identity.key());
        assert_eq!(&again, attestation);
    }
}

fn constructed(case: &Json) {
    let url = text(case, "server_url");
    assert_eq!(did_of_url(url).unwrap(), text(case, "required"), "{case}");
    assert_eq!(sdk_did_of_url(url), text(case, "sdk"), "{case}");
}

fn resolved(case: &Json) {
    let found = resolve_did_web(text(case, "did"));
    match member(case, "required") {
        Json::String(url) => assert_eq!(found.as_ref(), Ok(url), "{case}"),
        refusal => {
            assert!(refusal.get("refuse").is_some(), "{case}");
            assert!(found.is_err(), "{case}");
        }
    }
}

fn document(file: &Json, case: &Json) {
    let identity = identity(file, case);
    let required = member(case, "required");
    assert_eq!(&identity.did_document(), required);
    // Both forms are read, each under an id that stands for the same URL.
    for document in [required, member(case, "sdk")] {
        let document = DidDocument::read(document).unwrap();
        assert!(spellings(identity.server_url()).contains(&document.id));
        assert_eq!(document.public_keys(), [identity.key().public()]);
    }
}

fn signed_request(file: &Json, case: &Json) {
    let identity = identity(file, case);
    let keyid = format!("{}#key-1", identity.did());
    let created = member(case, "created").as_i64().unwrap();
    let body = member(case, "body_base64").as_str().unwrap_or_default();
    let body = STANDARD.decode(body).unwrap();
    let request = Request {
        method: text(case, "method"),
        target_uri: text(case, "target_uri"),
        content_type: member(case, "content_type").as_str(),
        body: &body,
    };
    // What arrives has the method as HTTP clients send it.
    let method = request.method.to_ascii_uppercase();
    let arrived = Request {
        method: &method,
        ..request
    };
    let short = Params::new(created, &keyid);
    let full = Params {
        expires: Some(created + 300),
        nonce: Some("bm9uY2U"),
        tag: Some(TAG),
        ..short
    };
    for (name, params) in [("required", short), ("required_with_all_parameters", full)] {
        let required = member(case, name);
        let signed = sign_request(&request, &params, identity.key()).unwrap();
        assert_eq!(
            signed.signature_input,
            text(required, "signature_input_header")
        );
        assert_eq!(signed.signature, text(required, "signature_header"));
        let digest = required.get("content_digest_header").and_then(Json::as_str);
        assert_eq!(signed.content_digest.as_deref(), digest);

        let received = read(&signed.signature_input, &signed.signature).unwrap();
        assert_eq!(received.keyid, keyid);
        let headers: Vec<(&str, &str)> =
            digest.map(|it| (CONTENT_DIGEST, it)).into_iter().collect();
        assert_eq!(
            received.base(&arrived, &headers).unwrap(),
            text(required, "signature_base")
        );
        let verified = received.verify(&arrived, &headers, &identity.key().public(), created);
        assert_eq!(verified, Ok(()), "{case}");
    }
    let named = MessageSignature::create(
        &identity,
        request.method,
        request.target_uri,
        request.content_type.unwrap_or_default(),
        Some(&body),
        created,
    );
    let (named, required) = (named.unwrap(), member(case, "required"));
    assert_eq!(named.to_header(), text(required, "signature_input_header"));
    assert_eq!(named.signature_header(), text(required, "signature_header"));
    // What the SDK makes of the same request authenticates nobody.
    let sdk = member(case, "sdk");
    let theirs = read(
        text(sdk, "signature_input_header"),
        text(sdk, "signature_header"),
    );
    let verified =
        theirs.and_then(|it| it.verify(&arrived, &[], &identity.key().public(), created));
    assert!(verified.is_err(), "{case}");
}

/// RFC 9421, B.2.6; the request is that of B.2.
fn standard_example(example: &Json) {
    let request = Request {
        method: "POST",
        target_uri: "https://example.com/foo?param=Value&Pet=dog",
        content_type: Some("application/json"),
        body: br#"{"hello": "world"}"#,
    };
    let headers = [
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Length", "18"),
    ];
    let signature = text(example, "signature_header");
    let received = read(text(example, "signature_input_header"), signature).unwrap();
    let base = received.base(&request, &headers).unwrap();
    assert_eq!(base, text(example, "signature_base"));
    let public = STANDARD.decode(text(example, "public_key_b64")).unwrap();
    let (_, bytes) = signature.split_once("=:").unwrap();
    let bytes = STANDARD.decode(bytes.trim_end_matches(':')).unwrap();
    assert!(identity::verify(
        &public.try_into().unwrap(),
        base.as_bytes(),
        &bytes
    ));
}
