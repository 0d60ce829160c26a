//! Shopify (spec 9, 10.1, 10.3).

use super::signature::{Mac, SignatureFault, required, wrong_unless};
use super::{Description, Provider, Request, SignatureHeaders, View, words};

pub(super) const PROVIDER: Provider = Provider {
    slug: "shopify",
    header: HEADER,
    verify,
    sign,
    describe,
    delivery_id,
    ..Provider::PLAIN
};

const HEADER: &str = "X-Shopify-Hmac-Sha256";

fn verify(request: &Request<'_>, secret: &[u8], _now: i64) -> Result<(), SignatureFault> {
    let value = required(request, HEADER)?;
    let mac = Mac::sha256(secret, &[request.body]);
    wrong_unless(mac.is_base64(value), HEADER)
}

fn sign(request: &Request<'_>, secret: &[u8], _now: i64) -> SignatureHeaders {
    vec![(HEADER, Mac::sha256(secret, &[request.body]).to_base64())]
}

fn delivery_id(request: &Request<'_>, _payload: &View<'_>) -> Option<String> {
    request
        .headers
        .get("x-shopify-webhook-id")
        .map(str::to_owned)
}

fn describe(request: &Request<'_>, _payload: &View<'_>) -> Description {
    let topic = request.headers.get("x-shopify-topic").unwrap_or_default();
    let shop = request.headers.get("x-shopify-shop-domain");
    let host = words::for_source(shop).unwrap_or("shopify.com");
    Description {
        kind: format!("com.shopify.{}", words::for_type(&topic.replace('/', "."))),
        source: format!("https://{host}"),
        summary: format!(
            "Shopify {} from {}",
            words::event(Some(topic.to_owned())),
            words::known(shop.map(str::to_owned))
        ),
    }
}
