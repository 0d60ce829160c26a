//! Stripe (spec 9, 10.1, 10.3).

use super::signature::{Mac, SignatureFault, check_time, entries, required, wrong_unless};
use super::{Description, Provider, Request, SignatureHeaders, View, words};

pub(super) const PROVIDER: Provider = Provider {
    slug: "stripe",
    header: HEADER,
    // Its own secrets begin as those of Standard Webhooks do.
    takes_standard: false,
    verify,
    sign,
    describe,
    delivery_id,
    ..Provider::PLAIN
};

const HEADER: &str = "Stripe-Signature";

fn mac(request: &Request<'_>, secret: &[u8], time: &str) -> Mac {
    Mac::sha256(secret, &[time.as_bytes(), b".", request.body])
}

/// One time, and at least one good `v1` among the others.
fn verify(request: &Request<'_>, secret: &[u8], now: i64) -> Result<(), SignatureFault> {
    let value = required(request, HEADER)?;
    let malformed = |what| SignatureFault::Malformed {
        header: HEADER,
        what,
    };
    let mut times = entries(value).filter_map(|entry| entry.strip_prefix("t="));
    let (time, None) = (
        times.next().ok_or(malformed("has no time `t=`"))?,
        times.next(),
    ) else {
        return Err(malformed("has more than one time `t=`"));
    };
    let mut given = entries(value)
        .filter_map(|entry| entry.strip_prefix("v1="))
        .peekable();
    given.peek().ok_or(malformed("has no signature `v1=`"))?;
    let mac = mac(request, secret, time);
    wrong_unless(given.any(|digits| mac.is_hex(digits)), HEADER)?;
    check_time(time, HEADER, now)
}

fn sign(request: &Request<'_>, secret: &[u8], now: i64) -> SignatureHeaders {
    let time = now.to_string();
    let digits = mac(request, secret, &time).to_hex();
    vec![(HEADER, format!("t={time},v1={digits}"))]
}

fn delivery_id(_request: &Request<'_>, payload: &View<'_>) -> Option<String> {
    payload.text("id")
}

fn describe(_request: &Request<'_>, payload: &View<'_>) -> Description {
    let kind = payload.text("type");
    let object = payload
        .object("data")
        .and_then(|data| data.object("object"))
        .and_then(|object| object.text("id"));
    Description {
        kind: format!("com.stripe.{}", words::for_type_or_event(kind.as_ref())),
        source: "https://api.stripe.com".to_owned(),
        summary: format!("Stripe {} {}", words::event(kind), words::known(object)),
    }
}
