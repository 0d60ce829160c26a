//! Twilio: messages and calls (spec 9, 10.1, 10.3).

use sha2::{Digest, Sha256};

use super::signature::{Mac, SignatureFault, required, unhex, wrong_unless};
use super::{Description, Provider, Reply, Request, SignatureHeaders, View, words};

pub(super) const PROVIDER: Provider = Provider {
    slug: "twilio",
    reply: Reply::TwiMl,
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    ..Provider::PLAIN
};

const HEADER: &str = "X-Twilio-Signature";

/// The parameter of the address that holds a body's digest.
const DIGEST: &str = "bodySHA256";

const NO_URL: SignatureFault =
    SignatureFault::Request("the address that was called is not known, and it is signed");

/// What is signed is the address that was called, then each parameter of the form; the digest of any other body stands in
/// the address.
fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), SignatureFault> {
    let value = required(request, HEADER)?;
    let url = request.url.ok_or(NO_URL)?;
    let is_form = is_signed_with_form(request, url);
    let rest = match is_form {
        true => form_text(request.body),
        false => String::new(),
    };
    // A form without a parameter adds nothing to the address: one that was signed for another body would do for it.
    if !is_form || rest.is_empty() && digest_in(url).is_some() {
        check_digest(request, url)?;
    }
    let is_right =
        |url: &String| Mac::sha1(secret, &[url.as_bytes(), rest.as_bytes()]).is_base64(value);
    wrong_unless(spellings(url).iter().any(is_right), HEADER)
}

fn sign(request: &Request<'_>, secret: &[u8], _now: i64) -> SignatureHeaders {
    let url = request.url.unwrap_or_default();
    let rest = match is_signed_with_form(request, url) {
        true => form_text(request.body),
        false => String::new(),
    };
    let mac = Mac::sha1(secret, &[url.as_bytes(), rest.as_bytes()]);
    vec![(HEADER, mac.to_base64())]
}

fn is_signed_with_form(request: &Request<'_>, url: &str) -> bool {
    request.is_form() || request.body.is_empty() && digest_in(url).is_none()
}

/// Each parameter's name and value, sorted by name; the values of a repeated name once each, sorted.
fn form_text(body: &[u8]) -> String {
    let mut parameters: Vec<_> = url::form_urlencoded::parse(body).collect();
    parameters.sort_unstable();
    parameters.dedup();
    let mut text = String::with_capacity(body.len());
    for (name, value) in &parameters {
        text.push_str(name);
        text.push_str(value);
    }
    text
}

fn check_digest(request: &Request<'_>, url: &str) -> Result<(), SignatureFault> {
    let given = digest_in(url).ok_or(SignatureFault::Request(
        "the body is no form, and the address has no `bodySHA256`",
    ))?;
    let digest = Sha256::digest(request.body);
    match unhex(&given).is_some_and(|given| given == digest.as_slice()) {
        true => Ok(()),
        false => Err(SignatureFault::Request(
            "`bodySHA256` in the address is not the digest of this body",
        )),
    }
}

fn digest_in(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let found = pairs.find(|(name, _)| name == DIGEST)?;
    Some(found.1.into_owned())
}

/// The address with and without its scheme's own port: either may have been signed.
fn spellings(url: &str) -> Vec<String> {
    let mut spellings = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else {
        return spellings;
    };
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return spellings,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match authority.strip_suffix(port) {
        Some(host) => spellings.push(format!("{scheme}://{host}{path}")),
        None if !has_port => spellings.push(format!("{scheme}://{authority}{port}{path}")),
        None => {}
    }
    spellings
}

fn delivery_id(request: &Request<'_>, _payload: &View<'_>) -> Option<String> {
    let token = request.headers.get("i-twilio-idempotency-token");
    token.map(str::to_owned)
}

fn describe(_request: &Request<'_>, payload: &View<'_>) -> Description {
    let has = |name: &str| payload.get(name).is_some();
    let (about, status) = if has("CallSid") {
        (Some("call"), payload.text("CallStatus"))
    } else if has("MessageSid") || has("SmsSid") {
        let status = payload.text("MessageStatus");
        (
            Some("message"),
            status.or_else(|| payload.text("SmsStatus")),
        )
    } else {
        (None, None)
    };
    let status = status
        .filter(|status| !status.trim().is_empty())
        .unwrap_or_else(|| "received".to_owned());
    let kind = match about {
        Some(about) => format!("com.twilio.{about}.{}", words::for_type(&status)),
        None => "com.twilio.event".to_owned(),
    };
    Description {
        kind,
        source: "https://api.twilio.com".to_owned(),
        summary: format!(
            "Twilio {} {} from {} to {}",
            about.unwrap_or("event"),
            status.trim(),
            words::known(payload.text("From")),
            words::known(payload.text("To"))
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_schemes_own_port_may_stand_in_the_address_or_not() {
        let other = |url: &str| spellings(url).get(1).cloned();
        assert_eq!(
            other("https://h.example/a:443/b?x=:443").as_deref(),
            Some("https://h.example:443/a:443/b?x=:443")
        );
        assert_eq!(
            other("https://h.example:443/a").as_deref(),
            Some("https://h.example/a")
        );
        assert_eq!(other("http://h:80?x").as_deref(), Some("http://h?x"));
        assert_eq!(
            other("https://[::1]/a").as_deref(),
            Some("https://[::1]:443/a")
        );
        for alone in ["https://h.example:8443/a", "ftp://h/a", "nonsense"] {
            assert_eq!(other(alone), None, "{alone}");
        }
    }

    #[test]
    fn repeated_parameters_are_signed_once_each_and_sorted() {
        assert_eq!(form_text(b"b=2&a=x+y&b=1&b=2&c="), "ax yb1b2c");
    }

    proptest! {
        #[test]
        fn the_other_spelling_leads_back(url in "(https?|ftp)?(://)?([a-z.@é]{0,6}|\\[::1\\])(:(443|80|8443)?)?([/?#][a-z:0-9é]{0,4}){0,2}") {
            let ways = spellings(&url);
            prop_assert_eq!(ways.first(), Some(&url));
            for other in &ways[1..] {
                prop_assert!(spellings(other).contains(&url), "{}", other);
            }
        }
    }
}
