//! The user's own applications: any slug that no provider has.

use super::signature::{Mac, SignatureFault, check_body_hex};
use super::{Description, Provider, Reply, Request, SignatureHeaders, View};

pub(super) const PROVIDER: Provider = Provider {
    slug: "",
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    max_body_bytes: None,
    reply: Reply::Accepted,
    takes_standard: true,
    challenge: |_| None,
};

const HEADER: &str = "X-Kite-Signature";
const HUB_HEADER: &str = "X-Hub-Signature-256";
const PREFIX: &str = "sha256=";

/// Either header; where both are there, both must be right (spec 9).
fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), SignatureFault> {
    let check = |header| check_body_hex(request, header, PREFIX, secret);
    match (request.headers.has(HEADER), request.headers.has(HUB_HEADER)) {
        (true, true) => check(HEADER).and(check(HUB_HEADER)),
        (false, true) => check(HUB_HEADER),
        _ => check(HEADER),
    }
}

/// Whether a request carries either header.
pub(super) fn is_signed(request: &Request<'_>) -> bool {
    request.headers.has(HEADER) || request.headers.has(HUB_HEADER)
}

fn sign(request: &Request<'_>, secret: &[u8], _now: i64) -> SignatureHeaders {
    let digits = Mac::sha256(secret, &[request.body]).to_hex();
    vec![(HEADER, format!("{PREFIX}{digits}"))]
}

fn describe(request: &Request<'_>, _payload: &View<'_>) -> Description {
    let slug = request.slug;
    Description {
        kind: format!("com.{slug}.event"),
        source: format!("https://{slug}"),
        summary: format!("{slug} event"),
    }
}

fn delivery_id(request: &Request<'_>, _payload: &View<'_>) -> Option<String> {
    request.headers.get("idempotency-key").map(str::to_owned)
}
