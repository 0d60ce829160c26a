//! What is wrong with a signature, for whoever holds the secret: the usual mistakes, tried one after the other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{
    PROVIDERS, Request, SignatureFault, github, is_provider, standard, verify, verify_with,
};
use crate::protocol::json;

/// In UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A signature that is not accepted, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Diagnosis {
    /// What is wrong.
    pub fault: SignatureFault,
    /// With what it would have been right, or what was found instead; a sentence each.
    pub findings: Vec<String>,
}

/// Checks a signature and, where it is not right, looks for the reason. `now` is in Unix seconds.
pub fn diagnose(request: &Request<'_>, secret: &[u8], now: i64) -> Result<(), Diagnosis> {
    verify(request, &[secret], now).map_err(|fault| {
        let mut findings = Vec::new();
        if !matches!(fault, SignatureFault::Time(_)) {
            findings.extend(other_sources(request, secret, now));
            findings.extend(other_bodies(request, secret, now));
            findings.extend(other_secrets(request, secret, now));
            findings.extend(other_addresses(request, secret, now));
        }
        if matches!(fault, SignatureFault::Missing(_)) && findings.is_empty() {
            findings.push(
                "no signature of any scheme that kite knows is there: was it signed, and were all headers kept?"
                    .to_owned(),
            );
        }
        Diagnosis { fault, findings }
    })
}

/// Whether a signature is right, be it too old or not.
fn is_right(request: &Request<'_>, secret: &[u8], now: i64) -> bool {
    !secret.is_empty()
        && matches!(
            verify_with(request, secret, now),
            Ok(()) | Err(SignatureFault::Time(_))
        )
}

fn other_sources(request: &Request<'_>, secret: &[u8], now: i64) -> Vec<String> {
    let mut findings = Vec::new();
    // Applications of the user's own may sign with GitHub's header, too.
    let is_own = |header| header == github::HEADER && !is_provider(request.slug);
    for other in PROVIDERS.iter().filter(|other| other.slug != request.slug) {
        let as_other = Request {
            slug: other.slug,
            ..*request
        };
        if request.headers.has(other.header) && is_right(&as_other, secret, now) {
            findings.push(format!("it is right as a post of `{}`", other.slug));
        } else if request.headers.has(other.header) && !is_own(other.header) {
            findings.push(format!(
                "it has the header `{}`, which `{}` sends",
                other.header, other.slug
            ));
        }
    }
    if request.headers.has("x-hub-signature") && !request.headers.has(github::HEADER) {
        findings.push("it has only `X-Hub-Signature`, which is SHA-1 and never enough".to_owned());
    }
    if standard::is_sent_by(request) && request.slug == "stripe" {
        findings.push("it is signed as Standard Webhooks are, which Stripe does not do".to_owned());
    }
    findings
}

fn other_bodies(request: &Request<'_>, secret: &[u8], now: i64) -> Option<String> {
    let body = request.body;
    let mut tries: Vec<(&str, Vec<u8>)> = vec![
        (
            "without the line break at its end: an editor or `echo` has added it",
            body.strip_suffix(b"\r\n")
                .or_else(|| body.strip_suffix(b"\n"))
                .unwrap_or(body)
                .to_vec(),
        ),
        (
            "without the white space round it",
            body.trim_ascii().to_vec(),
        ),
        (
            "without the byte order mark in front of it, which an editor has added",
            body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).to_vec(),
        ),
        (
            "with a line break at its end, which was cut off",
            [body, b"\n"].concat(),
        ),
    ];
    if let Ok(text) = std::str::from_utf8(body) {
        tries.push((
            "with its line breaks as LF instead of CR LF",
            text.replace("\r\n", "\n").into_bytes(),
        ));
        tries.push((
            "with its line breaks as CR LF instead of LF",
            text.replace('\n', "\r\n").into_bytes(),
        ));
        if json::check(text).is_ok() {
            tries.push((
                "without white space between its tokens: the JSON was written anew on its way",
                json::compact(text).into_bytes(),
            ));
        }
    }
    let found = tries.iter().find(|(_, other)| {
        let other = Request {
            body: other,
            ..*request
        };
        other.body != body && is_right(&other, secret, now)
    });
    found.map(|(words, _)| format!("it is right for the body {words}"))
}

fn other_secrets(request: &Request<'_>, secret: &[u8], now: i64) -> Option<String> {
    let plain = secret.strip_prefix(BYTE_ORDER_MARK).unwrap_or(secret);
    let trimmed = plain.trim_ascii();
    let bare = trimmed.strip_prefix(b"whsec_").unwrap_or(trimmed);
    let tries = [
        ("without the byte order mark in front of it", plain.to_vec()),
        ("without the white space round it", trimmed.to_vec()),
        ("without its prefix `whsec_`", bare.to_vec()),
        (
            "decoded from base64",
            STANDARD.decode(bare).unwrap_or_default(),
        ),
    ];
    let found = tries
        .iter()
        .find(|(_, other)| other != secret && is_right(request, other, now));
    found.map(|(words, _)| format!("it is right for the secret {words}"))
}

fn other_addresses(request: &Request<'_>, secret: &[u8], now: i64) -> Option<String> {
    let url = request.url?;
    let plain = url.split(['?', '#']).next().unwrap_or(url);
    let tries = [
        url.replacen("http://", "https://", 1),
        url.replacen("https://", "http://", 1),
        plain.to_owned(),
        format!("{}/", plain.trim_end_matches('/')),
        plain.trim_end_matches('/').to_owned(),
    ];
    let found = tries.iter().find(|other| {
        let other = Request {
            url: Some(other),
            ..*request
        };
        other.url != request.url && is_right(&other, secret, now)
    });
    found.map(|other| format!("it is right for the address {other}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Headers, sign};

    const BODY: &[u8] = br#"{"a":1}"#;
    const NOW: i64 = 1_767_225_600;

    /// The headers of a good post.
    fn signed(slug: &str, secret: &[u8], url: Option<&str>) -> Headers {
        let mut headers = Headers::default();
        let request = Request {
            slug,
            headers: &Headers::default(),
            body: BODY,
            url,
        };
        headers.extend(sign(&request, secret, NOW).unwrap());
        headers
    }

    fn findings(request: &Request<'_>, secret: &[u8]) -> Vec<String> {
        diagnose(request, secret, NOW).unwrap_err().findings
    }

    #[test]
    fn a_body_that_was_changed_on_its_way_is_recognised() {
        let headers = signed("stripe", b"s", None);
        let found = |body: &[u8]| {
            let request = Request {
                slug: "stripe",
                headers: &headers,
                body,
                url: None,
            };
            findings(&request, b"s").join("; ")
        };
        assert!(found(b"{\"a\":1}\n").contains("without the line break"));
        assert!(found(b"{\"a\":1}\r\n").contains("without the line break"));
        assert!(found(b"{ \"a\": 1 }").contains("written anew"));
        assert!(found(b"\xef\xbb\xbf{\"a\":1}").contains("byte order mark"));
        assert_eq!(found(b"{\"a\":2}"), "");
    }

    #[test]
    fn a_secret_that_was_copied_badly_is_recognised() {
        let request = |headers| Request {
            slug: "github",
            headers,
            body: BODY,
            url: None,
        };
        let headers = signed("github", b"secret", None);
        let found = |secret: &[u8]| findings(&request(&headers), secret).join("; ");
        assert!(found(b"secret\n").contains("white space"));
        assert!(found(b"\xef\xbb\xbfsecret").contains("byte order mark"));
        assert!(found(b"c2VjcmV0").contains("base64"));
        assert_eq!(found(b"other"), "");
    }

    #[test]
    fn a_post_of_another_provider_is_recognised() {
        let headers = signed("stripe", b"secret", None);
        let request = Request {
            slug: "slack",
            headers: &headers,
            body: BODY,
            url: None,
        };
        assert_eq!(
            findings(&request, b"secret"),
            ["it is right as a post of `stripe`"]
        );
        assert_eq!(
            findings(&request, b"other"),
            ["it has the header `Stripe-Signature`, which `stripe` sends"]
        );
    }

    #[test]
    fn the_address_that_was_signed_is_found() {
        let headers = signed(
            "twilio",
            b"secret",
            Some("https://h.example/hooks/t/twilio?bodySHA256="),
        );
        let request = Request {
            slug: "twilio",
            headers: &headers,
            body: BODY,
            url: Some("https://h.example/hooks/t/twilio?bodySHA256="),
        };
        assert!(
            findings(&request, b"secret").is_empty(),
            "its digest is wrong"
        );
        let form = Headers::new([("content-type", "application/x-www-form-urlencoded")]);
        let mut headers = form.clone();
        let signed = Request {
            headers: &form,
            url: Some("https://h.example/a"),
            ..request
        };
        headers.extend(sign(&signed, b"secret", NOW).unwrap());
        let called = Request {
            headers: &headers,
            url: Some("http://h.example/a?x=1"),
            ..request
        };
        assert!(
            findings(&called, b"secret").is_empty(),
            "two changes at once"
        );
        let called = Request {
            url: Some("http://h.example/a"),
            ..called
        };
        assert_eq!(
            findings(&called, b"secret"),
            ["it is right for the address https://h.example/a"]
        );
    }

    #[test]
    fn a_post_without_any_signature_is_told_so() {
        let request = Request {
            slug: "github",
            headers: &Headers::default(),
            body: BODY,
            url: None,
        };
        assert!(findings(&request, b"s")[0].contains("no signature"));
        let old = Headers::new([("x-hub-signature", "sha1=00")]);
        let request = Request {
            headers: &old,
            ..request
        };
        assert!(findings(&request, b"s")[0].contains("SHA-1"));
    }
}
