use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::{Params, Signed, content_digest, sign};
use super::*;
use crate::protocol::identity::InstanceKey;

const NOW: i64 = 1_900_000_000;
const KEYID: &str = "did:web:host.example#key-1";
const REQUEST: Request<'_> = Request {
    method: "POST",
    target_uri: "https://other.example/api/v1/federation/receive",
    content_type: Some("application/json"),
    body: b"{}",
};

fn key() -> InstanceKey {
    InstanceKey::from_seed(&[1; 32]).unwrap()
}

fn signed(request: &Request<'_>, params: &Params<'_>) -> Signed {
    sign(request, params, &key()).unwrap()
}

/// Verifies what was signed as it comes with this request.
fn verified(signed: &Signed, request: &Request<'_>, now: i64) -> Result<(), HttpSignatureFault> {
    let received = read(&signed.signature_input, &signed.signature)?;
    let digest = signed.content_digest.as_deref();
    let headers: Vec<(&str, &str)> = digest
        .map(|it| ("Content-Digest", it))
        .into_iter()
        .collect();
    received.verify(request, &headers, &key().public(), now)
}

/// Signs a list of components with parameters as somebody else would, for [`REQUEST`].
fn made_elsewhere(input: &str, headers: &[(&str, &str)]) -> Result<(), HttpSignatureFault> {
    let unsigned = format!("x=:{}:", STANDARD.encode([0; 64]));
    let received = read(&format!("x={input}"), &unsigned)?;
    let base = received.base(&REQUEST, headers)?;
    let signature = format!("x=:{}:", STANDARD.encode(key().sign(base.as_bytes())));
    let received = read(&format!("x={input}"), &signature)?;
    received.verify(&REQUEST, headers, &key().public(), NOW)
}

/// RFC 9421, B.2.6, with the request of B.2.
#[test]
fn the_standards_own_example_is_verified() {
    let request = Request {
        method: "POST",
        target_uri: "https://example.com/foo?param=Value&Pet=dog",
        content_type: None,
        body: br#"{"hello": "world"}"#,
    };
    let headers = [
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        (
            "Content-Digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("Content-Length", "18"),
    ];
    let received = read(
        r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
    )
    .unwrap();
    let base = received.base(&request, &headers).unwrap();
    let expected = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\
        \"@method\": POST\n\
        \"@path\": /foo\n\
        \"@authority\": example.com\n\
        \"content-type\": application/json\n\
        \"content-length\": 18\n\
        \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
        \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    assert_eq!(base, expected);
    let public: [u8; 32] = STANDARD
        .decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
        .unwrap()
        .try_into()
        .unwrap();
    assert!(identity::verify(&public, base.as_bytes(), &received.bytes));
    assert!(is_digest_of(headers[3].1, request.body));
    // As it stands it says nothing of the body and of the query, so it authenticates no request of ours.
    let fault = received.verify(&request, &headers, &public, received.created);
    assert_eq!(fault, Err(HttpSignatureFault::NotCovered("@target-uri")));
}

#[test]
fn a_signed_request_is_verified_and_a_changed_one_is_not() {
    let signed = signed(&REQUEST, &Params::new(NOW, KEYID));
    assert_eq!(verified(&signed, &REQUEST, NOW), Ok(()));
    let wrong = Err(HttpSignatureFault::Wrong);
    for changed in [
        Request {
            method: "PUT",
            ..REQUEST
        },
        Request {
            method: "post",
            ..REQUEST
        },
        Request {
            target_uri: "https://third.example/api/v1/federation/receive",
            ..REQUEST
        },
        Request {
            content_type: Some("text/plain"),
            ..REQUEST
        },
    ] {
        assert_eq!(verified(&signed, &changed, NOW), wrong, "{changed:?}");
    }
    let other_body = Request {
        body: b"[]",
        ..REQUEST
    };
    assert_eq!(
        verified(&signed, &other_body, NOW),
        Err(HttpSignatureFault::Digest)
    );
    let no_type = Request {
        content_type: None,
        ..REQUEST
    };
    let fault = HttpSignatureFault::Component("content-type".into());
    assert_eq!(verified(&signed, &no_type, NOW), Err(fault));
    let mut without_digest = signed.clone();
    without_digest.content_digest = None;
    assert_eq!(
        verified(&without_digest, &REQUEST, NOW),
        Err(HttpSignatureFault::Digest)
    );
    let mut of_other_body = signed.clone();
    of_other_body.content_digest = Some(content_digest(b"[]"));
    assert_eq!(verified(&of_other_body, &other_body, NOW), wrong);
    let received = read(&signed.signature_input, &signed.signature).unwrap();
    let headers = [("content-digest", signed.content_digest.as_deref().unwrap())];
    let other_key = InstanceKey::from_seed(&[2; 32]).unwrap().public();
    assert_eq!(received.verify(&REQUEST, &headers, &other_key, NOW), wrong);
}

#[test]
fn a_request_without_a_body_is_signed_by_method_and_url() {
    let get = Request {
        method: "GET",
        body: b"",
        ..REQUEST
    };
    let signed = signed(&get, &Params::new(NOW, KEYID));
    assert_eq!(signed.content_digest, None);
    assert_eq!(verified(&signed, &get, NOW), Ok(()));
    let with_body = Request { body: b"{}", ..get };
    let fault = HttpSignatureFault::NotCovered("content-digest");
    assert_eq!(verified(&signed, &with_body, NOW), Err(fault));
}

#[test]
fn a_signature_is_good_for_its_time() {
    let signed_now = signed(&REQUEST, &Params::new(NOW, KEYID));
    let stale = Err(HttpSignatureFault::Stale(NOW));
    assert_eq!(verified(&signed_now, &REQUEST, NOW + 300), Ok(()));
    assert_eq!(verified(&signed_now, &REQUEST, NOW + 301), stale);
    assert_eq!(verified(&signed_now, &REQUEST, NOW - 60), Ok(()));
    assert_eq!(verified(&signed_now, &REQUEST, NOW - 61), stale);
    let params = Params {
        expires: Some(NOW + 10),
        nonce: Some("n"),
        tag: Some(super::super::TAG),
        ..Params::new(NOW, KEYID)
    };
    let short = signed(&REQUEST, &params);
    assert_eq!(verified(&short, &REQUEST, NOW + 10), Ok(()));
    assert_eq!(verified(&short, &REQUEST, NOW + 11), stale);
    let received = read(&short.signature_input, &short.signature).unwrap();
    assert_eq!(received.tag.as_deref(), Some("openintent-federation"));
    assert_eq!(received.nonce.as_deref(), Some("n"));
}

#[test]
fn other_components_count_when_they_can_be_told() {
    let digest = content_digest(REQUEST.body);
    let headers = [
        ("content-digest", digest.as_str()),
        ("X-A", " 1 "),
        ("x-a", "2"),
    ];
    let needed = r#""@method" "@target-uri" "content-digest""#;
    let rest = format!(r#";created={NOW};keyid="k""#);
    for more in [
        "@authority",
        "@scheme",
        "@path",
        "@query",
        "@request-target",
        "x-a",
    ] {
        let input = format!(r#"({needed} "{more}"){rest}"#);
        assert_eq!(made_elsewhere(&input, &headers), Ok(()), "{more}");
    }
    for more in [
        "@status",
        "@query-param",
        "@signature-params",
        "x-b",
        "date",
        "Content-Type",
    ] {
        let input = format!(r#"({needed} "{more}"){rest}"#);
        let fault = HttpSignatureFault::Component(more.to_owned());
        assert_eq!(made_elsewhere(&input, &headers), Err(fault), "{more}");
    }
    let input = format!(r#"({needed} "x-a";sf){rest}"#);
    assert!(matches!(
        made_elsewhere(&input, &headers),
        Err(HttpSignatureFault::Component(_))
    ));
    let input = format!(r#"({needed} "@method"){rest}"#);
    assert!(matches!(
        made_elsewhere(&input, &headers),
        Err(HttpSignatureFault::Component(_))
    ));
}

#[test]
fn a_signature_leaves_nothing_out_that_matters() {
    let digest = content_digest(REQUEST.body);
    let headers = [("content-digest", digest.as_str())];
    let all = ["@method", "@target-uri", "content-digest"];
    for missing in all {
        let names: Vec<String> = all
            .iter()
            .filter(|name| **name != missing)
            .map(|name| format!("\"{name}\""))
            .collect();
        let input = format!(r#"({});created={NOW};keyid="k""#, names.join(" "));
        assert_eq!(
            made_elsewhere(&input, &headers),
            Err(HttpSignatureFault::NotCovered(missing))
        );
    }
    let all = r#"("@method" "@target-uri" "content-digest")"#;
    for (params, fault) in [
        (
            r#";keyid="k""#.to_owned(),
            HttpSignatureFault::Parameter("created"),
        ),
        (
            format!(";created={NOW}"),
            HttpSignatureFault::Parameter("keyid"),
        ),
        (
            format!(";created={NOW};keyid=k"),
            HttpSignatureFault::Parameter("keyid"),
        ),
        (
            format!(r#";created="{NOW}";keyid="k""#),
            HttpSignatureFault::Parameter("created"),
        ),
        (
            format!(r#";created={NOW};keyid="k";alg="hmac-sha256""#),
            HttpSignatureFault::Algorithm("hmac-sha256".into()),
        ),
    ] {
        assert_eq!(
            made_elsewhere(&format!("{all}{params}"), &headers),
            Err(fault),
            "{params}"
        );
    }
    let free_order = format!(r#"{all};keyid="k";alg="ed25519";created={NOW}"#);
    assert_eq!(made_elsewhere(&free_order, &headers), Ok(()));
}

#[test]
fn a_digest_in_every_known_algorithm_must_fit() {
    let right = content_digest(b"{}");
    let wrong = content_digest(b"[]");
    let sha_512 = format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(b"{}")));
    let wrong_512 = format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(b"[]")));
    let hex = format!("sha-256=:{}:", "0".repeat(64));
    for (header, fits) in [
        (right.clone(), true),
        (sha_512.clone(), true),
        (format!("{right}, {sha_512}"), true),
        (format!("{right}, md5=:AAAA:"), true),
        (wrong.clone(), false),
        (format!("{right}, {wrong_512}"), false),
        (format!("{wrong}, {sha_512}"), false),
        ("md5=:AAAA:".to_owned(), false),
        ("sha-256=1".to_owned(), false),
        ("sha-256=()".to_owned(), false),
        (hex, false),
        (String::new(), false),
        ("\"".to_owned(), false),
    ] {
        assert_eq!(is_digest_of(&header, b"{}"), fits, "{header}");
    }
}

#[test]
fn a_proxys_signature_beside_it_does_no_harm() {
    let ours = signed(&REQUEST, &Params::new(NOW, KEYID));
    let zeros = STANDARD.encode([0; 64]);
    let signature_input = format!(
        r#"p=("x");created=1;keyid="p";alg="rsa-pss-sha512", {}"#,
        ours.signature_input
    );
    let with_proxy = Signed {
        signature_input,
        signature: format!("p=:{zeros}:, {}", ours.signature),
        ..ours.clone()
    };
    assert_eq!(verified(&with_proxy, &REQUEST, NOW), Ok(()));
    let lone = format!("other=:{zeros}:");
    assert_eq!(
        read(&ours.signature_input, &lone),
        Err(HttpSignatureFault::Missing)
    );
    assert_eq!(read("", ""), Err(HttpSignatureFault::Missing));
    assert_eq!(
        read("(", ""),
        Err(HttpSignatureFault::Header("signature-input"))
    );
    assert_eq!(
        read(&ours.signature_input, "sig1=1"),
        Err(HttpSignatureFault::Header("signature"))
    );
    let short = format!("sig1=:{}:", STANDARD.encode([0; 32]));
    assert_eq!(
        read(&ours.signature_input, &short),
        Err(HttpSignatureFault::Length(32))
    );
}

/// Its list is one string with spaces, which names no component.
#[test]
fn what_the_sdks_helper_makes_authenticates_nobody() {
    let input = r#"("@method @target-uri content-type content-digest");keyid="did:web:a";alg="ed25519";created=1900000000"#;
    let digest = content_digest(REQUEST.body);
    let found = made_elsewhere(input, &[("content-digest", &digest)]);
    assert!(
        matches!(found, Err(HttpSignatureFault::Component(_))),
        "{found:?}"
    );
}

#[test]
fn nothing_is_signed_that_a_header_cannot_hold() {
    let bad =
        |request: &Request<'_>, params: &Params<'_>| sign(request, params, &key()).unwrap_err();
    let params = Params::new(NOW, KEYID);
    let type_break = Request {
        content_type: Some("a\nb"),
        ..REQUEST
    };
    assert_eq!(
        bad(&type_break, &params),
        HttpSignatureFault::Unwritable("content-type")
    );
    let keyid = Params::new(NOW, "did:web:ä");
    assert_eq!(
        bad(&REQUEST, &keyid),
        HttpSignatureFault::Unwritable("keyid")
    );
    let quoted = signed(&REQUEST, &Params::new(NOW, r#"a"b\c"#));
    assert_eq!(verified(&signed(&REQUEST, &params), &REQUEST, NOW), Ok(()));
    assert_eq!(
        read(&quoted.signature_input, &quoted.signature)
            .unwrap()
            .keyid,
        r#"a"b\c"#
    );
    assert_eq!(verified(&quoted, &REQUEST, NOW), Ok(()));
}
