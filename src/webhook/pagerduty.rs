//! PagerDuty, webhooks of version 3 (spec 9, 10.1, 10.3).

use super::signature::{Mac, SignatureFault, entries, required, wrong_unless};
use super::{Description, Provider, Request, SignatureHeaders, View, words};

pub(super) const PROVIDER: Provider = Provider {
    slug: "pagerduty",
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    ..Provider::PLAIN
};

const HEADER: &str = "X-PagerDuty-Signature";

/// One good `v1` suffices. The scheme signs no time.
fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), SignatureFault> {
    let value = required(request, HEADER)?;
    let mut given = entries(value)
        .filter_map(|entry| entry.strip_prefix("v1="))
        .peekable();
    given.peek().ok_or(SignatureFault::Malformed {
        header: HEADER,
        what: "has no signature `v1=`",
    })?;
    let mac = Mac::sha256(secret, &[request.body]);
    wrong_unless(given.any(|digits| mac.is_hex(digits)), HEADER)
}

fn sign(request: &Request<'_>, secret: &[u8], _now: i64) -> SignatureHeaders {
    let digits = Mac::sha256(secret, &[request.body]).to_hex();
    vec![(HEADER, format!("v1={digits}"))]
}

fn delivery_id(_request: &Request<'_>, payload: &View<'_>) -> Option<String> {
    payload.object("event")?.text("id")
}

fn describe(_request: &Request<'_>, payload: &View<'_>) -> Description {
    let event = payload.object("event").unwrap_or_default();
    let kind = event.text("event_type");
    let title = event.object("data").and_then(|data| data.text("title"));
    Description {
        kind: format!("com.pagerduty.{}", words::for_type_or_event(kind.as_ref())),
        source: "https://api.pagerduty.com".to_owned(),
        summary: format!("PagerDuty {}: {}", words::event(kind), words::known(title)),
    }
}
