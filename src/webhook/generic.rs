//! The user's own applications: any slug that no provider has.

use super::signature::hmac_sha256_hex;
use super::{Description, Object, Provider, Request, Unverified};

pub(super) const PROVIDER: Provider = Provider {
    slug: "",
    max_body_bytes: None,
    verify,
    describe,
    delivery_id,
};

/// `X-Kite-Signature` or `X-Hub-Signature-256`; where both are there, both must be right (spec 9).
fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), Unverified> {
    let mut given = ["x-kite-signature", "x-hub-signature-256"]
        .into_iter()
        .filter_map(|name| request.headers.get(name))
        .peekable();
    given.peek().ok_or(Unverified)?;
    given.try_for_each(|value| hmac_sha256_hex(value, "sha256=", secret, request.body))
}

fn describe(request: &Request<'_>, _payload: Option<&Object<'_>>) -> Description {
    let slug = request.slug;
    Description {
        kind: format!("com.{slug}.event"),
        source: format!("https://{slug}"),
        summary: format!("{slug} event"),
    }
}

fn delivery_id(request: &Request<'_>, _payload: Option<&Object<'_>>) -> Option<String> {
    request.headers.get("idempotency-key").map(str::to_owned)
}
