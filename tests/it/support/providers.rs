//! What the providers post, signed by code of the tests' own: not the code that is tested.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kite::base::clock::Clock;
use sha2::{Digest, Sha256};

use super::hooks::{Endpoint, hex, hmac, hmac_sha256, hmac_sha256_hex};
use super::http::Answer;

/// A secret as Standard Webhooks and Stripe make them.
pub(crate) const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// How a post is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// A header that is this prefix and the digits of the body's HMAC.
    BodyHex(&'static str, &'static str),
    Shopify,
    Slack,
    /// Standard Webhooks with a shared secret.
    Standard,
    /// Standard Webhooks with a key pair.
    StandardKeyPair,
    Stripe,
    /// What of a form is signed: names and values, sorted by hand.
    TwilioForm(&'static str),
    TwilioJson,
}

/// A post of a provider, and the event that it should become.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) slug: &'static str,
    pub(crate) secret: String,
    pub(crate) scheme: Scheme,
    /// Its headers but those of the signature.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) kind: &'static str,
    pub(crate) source: &'static str,
    pub(crate) summary: &'static str,
}

/// Headers as the harness takes them.
pub(crate) fn lines<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let line = |(name, value): &'a (&'static str, String)| (*name, value.as_str());
    headers.iter().map(line).collect()
}

/// Now, as signatures tell it.
pub(crate) fn now() -> i64 {
    Clock::system().unix_millis() / 1000
}

fn key_pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

/// The key that the posts of [`Scheme::StandardKeyPair`] are checked with.
pub(crate) fn public_key() -> String {
    format!("whpk_{}", STANDARD.encode(key_pair().public_key()))
}

fn hmac_sha1(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let sha1 = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
    hmac(sha1, secret, message)
}

impl Delivery {
    /// What belongs behind the path that it is posted to.
    pub(crate) fn query(&self) -> String {
        match self.scheme {
            Scheme::TwilioJson => {
                format!("?bodySHA256={}", hex(&Sha256::digest(&self.body)))
            }
            _ => String::new(),
        }
    }

    /// Headers that sign it with a secret, for this address and this time, whatever that says.
    pub(crate) fn signature(
        &self,
        secret: &str,
        url: &str,
        time: &str,
    ) -> Vec<(&'static str, String)> {
        let body = &self.body;
        let sha256 = |message: &str| hmac_sha256_hex(secret.as_bytes(), message.as_bytes());
        let time_line = |name| (name, time.to_owned());
        match self.scheme {
            Scheme::BodyHex(header, prefix) => vec![(header, format!("{prefix}{}", sha256(body)))],
            Scheme::Stripe => {
                let digits = sha256(&format!("{time}.{body}"));
                vec![("Stripe-Signature", format!("t={time},v1={digits}"))]
            }
            Scheme::Slack => {
                let digits = sha256(&format!("v0:{time}:{body}"));
                vec![
                    time_line("X-Slack-Request-Timestamp"),
                    ("X-Slack-Signature", format!("v0={digits}")),
                ]
            }
            Scheme::Shopify => {
                let mac = hmac_sha256(secret.as_bytes(), body.as_bytes());
                vec![("X-Shopify-Hmac-Sha256", STANDARD.encode(mac))]
            }
            Scheme::TwilioForm(fields) => twilio(secret, &format!("{url}{fields}")),
            Scheme::TwilioJson => twilio(secret, url),
            Scheme::Standard => {
                let key = secret.strip_prefix("whsec_").unwrap_or(secret);
                let key = STANDARD.decode(key).unwrap_or_else(|_| secret.into());
                let mac = hmac_sha256(&key, self.standard_message(time).as_bytes());
                let signature = format!("v1,{}", STANDARD.encode(mac));
                vec![
                    time_line("webhook-timestamp"),
                    ("webhook-signature", signature),
                ]
            }
            Scheme::StandardKeyPair => {
                let signature = key_pair().sign(self.standard_message(time).as_bytes());
                let signature = format!("v1a,{}", STANDARD.encode(signature));
                vec![
                    time_line("webhook-timestamp"),
                    ("webhook-signature", signature),
                ]
            }
        }
    }

    fn standard_message(&self, time: &str) -> String {
        let id = self.headers.iter().find(|(name, _)| *name == "webhook-id");
        format!("{}.{time}.{}", id.unwrap().1, self.body)
    }

    /// All its headers, signed with a secret for this address and now.
    pub(crate) fn signed(&self, secret: &str, url: &str) -> Vec<(&'static str, String)> {
        let signature = self.signature(secret, url, &now().to_string());
        [self.headers.clone(), signature].concat()
    }
}

fn twilio(secret: &str, message: &str) -> Vec<(&'static str, String)> {
    let mac = hmac_sha1(secret.as_bytes(), message.as_bytes());
    vec![("X-Twilio-Signature", STANDARD.encode(mac))]
}

impl Endpoint {
    /// The address that a delivery is posted to, as the server without a public one knows it, and its path.
    pub(crate) fn address(&self, delivery: &Delivery) -> (String, String) {
        let path = format!("{}{}", self.path, delivery.query());
        (format!("{}{path}", self.access.url), path)
    }

    /// Posts a delivery as its provider does, signed with a secret.
    pub(crate) async fn deliver_with(&self, delivery: &Delivery, secret: &str) -> Answer {
        let (url, path) = self.address(delivery);
        let headers = delivery.signed(secret, &url);
        self.post(&path, &lines(&headers), delivery.body.as_str())
            .await
    }

    /// Posts a delivery as its provider does, signed with the endpoint's own secret.
    pub(crate) async fn deliver(&self, delivery: &Delivery) -> Answer {
        self.deliver_with(delivery, &self.secret).await
    }
}

/// One delivery of each kind, each with this id where its provider has it.
pub(crate) fn deliveries(id: &str) -> Vec<Delivery> {
    let lines = |kind: &str, more: &[(&'static str, &str)]| {
        let all = [&[("Content-Type", kind)], more].concat();
        let line = |(name, value): (&'static str, &str)| (name, value.to_owned());
        all.into_iter().map(line).collect::<Vec<_>>()
    };
    let delivery = |slug, scheme, headers, body: String| Delivery {
        slug,
        secret: "a secret".to_owned(),
        scheme,
        headers,
        body,
        kind: "",
        source: "",
        summary: "",
    };
    let block = format!(
        r#"{{"type":"block_actions","team":{{"id":"T1"}},"user":{{"id":"U1"}},"channel":{{"id":"C1"}},"trigger_id":"{id}"}}"#
    );
    let form = |fields: &[(&str, &str)]| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields).finish()
    };
    vec![
        Delivery {
            kind: "com.github.ping",
            source: "https://github.com/acme/app",
            summary: "GitHub ping from acme/app",
            ..delivery(
                "github",
                Scheme::BodyHex("X-Hub-Signature-256", "sha256="),
                lines(JSON, &[("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", id)]),
                r#"{"zen":"é","repository":{"full_name":"acme/app"}}"#.to_owned(),
            )
        },
        Delivery {
            secret: WHSEC.to_owned(),
            kind: "com.stripe.invoice.paid",
            source: "https://api.stripe.com",
            summary: "Stripe invoice.paid in_1",
            ..delivery(
                "stripe",
                Scheme::Stripe,
                lines(JSON, &[]),
                format!(
                    "{{\n  \"id\": \"{id}\",\n  \"type\": \"invoice.paid\",\n  \"data\": {{\"object\": {{\"id\": \"in_1\"}}}}\n}}"
                ),
            )
        },
        Delivery {
            kind: "com.slack.app_mention",
            source: "https://slack.com/T1",
            summary: "Slack app_mention from U1 in C1",
            ..delivery(
                "slack",
                Scheme::Slack,
                lines(JSON, &[]),
                format!(
                    r#"{{"type":"event_callback","team_id":"T1","event_id":"{id}","event":{{"type":"app_mention","user":"U1","channel":"C1"}}}}"#
                ),
            )
        },
        Delivery {
            kind: "com.slack.block_actions",
            source: "https://slack.com/T1",
            summary: "Slack block_actions from U1 in C1",
            ..delivery(
                "slack",
                Scheme::Slack,
                lines(FORM, &[]),
                form(&[("payload", &block)]),
            )
        },
        Delivery {
            kind: "com.slack.slash_command",
            source: "https://slack.com/T1",
            summary: "Slack slash_command from U1 in C1",
            ..delivery(
                "slack",
                Scheme::Slack,
                lines(FORM, &[]),
                form(&[
                    ("command", "/deploy"),
                    ("team_id", "T1"),
                    ("user_id", "U1"),
                    ("channel_id", "C1"),
                    ("trigger_id", id),
                ]),
            )
        },
        Delivery {
            kind: "com.linear.project_update.create",
            source: "https://linear.app",
            summary: "Linear ProjectUpdate create: ENG-1 Totals",
            ..delivery(
                "linear",
                Scheme::BodyHex("Linear-Signature", ""),
                lines(JSON, &[("Linear-Delivery", id)]),
                r#"{"type":"ProjectUpdate","action":"create","data":{"identifier":"ENG-1","title":"Totals"}}"#
                    .to_owned(),
            )
        },
        Delivery {
            kind: "com.shopify.orders.create",
            source: "https://acme.myshopify.com",
            summary: "Shopify orders/create from acme.myshopify.com",
            ..delivery(
                "shopify",
                Scheme::Shopify,
                lines(
                    JSON,
                    &[
                        ("X-Shopify-Topic", "orders/create"),
                        ("X-Shopify-Shop-Domain", "acme.myshopify.com"),
                        ("X-Shopify-Webhook-Id", id),
                    ],
                ),
                r#"{"id":820982911946154508}"#.to_owned(),
            )
        },
        Delivery {
            kind: "com.twilio.message.received",
            source: "https://api.twilio.com",
            summary: "Twilio message received from +15005550006 to +15005550001",
            ..delivery(
                "twilio",
                Scheme::TwilioForm(
                    "Body50 % & é=From+15005550006MediaaMediabMessageSidSM1SmsStatusreceivedTo+15005550001",
                ),
                lines(FORM, &[("I-Twilio-Idempotency-Token", id)]),
                form(&[
                    ("To", "+15005550001"),
                    ("From", "+15005550006"),
                    ("Body", "50 % & é="),
                    ("Media", "b"),
                    ("SmsStatus", "received"),
                    ("Media", "a"),
                    ("MessageSid", "SM1"),
                    ("Media", "b"),
                ]),
            )
        },
        Delivery {
            kind: "com.twilio.call.completed",
            source: "https://api.twilio.com",
            summary: "Twilio call completed from +1 to +2",
            ..delivery(
                "twilio",
                Scheme::TwilioJson,
                lines(JSON, &[("I-Twilio-Idempotency-Token", id)]),
                r#"{"CallSid":"CA1","CallStatus":"completed","From":"+1","To":"+2"}"#.to_owned(),
            )
        },
        Delivery {
            kind: "com.pagerduty.incident.triggered",
            source: "https://api.pagerduty.com",
            summary: "PagerDuty incident.triggered: Disk full",
            ..delivery(
                "pagerduty",
                Scheme::BodyHex("X-PagerDuty-Signature", "v1="),
                lines(JSON, &[]),
                format!(
                    r#"{{"event":{{"id":"{id}","event_type":"incident.triggered","data":{{"title":"Disk full"}}}}}}"#
                ),
            )
        },
        Delivery {
            kind: "com.my-app.event",
            source: "https://my-app",
            summary: "my-app event",
            ..delivery(
                "my-app",
                Scheme::BodyHex("X-Kite-Signature", "sha256="),
                lines(JSON, &[("Idempotency-Key", id)]),
                "[1, 2]".to_owned(),
            )
        },
        Delivery {
            secret: WHSEC.to_owned(),
            kind: "com.my-app.event",
            source: "https://my-app",
            summary: "my-app event",
            ..delivery(
                "my-app",
                Scheme::Standard,
                lines(JSON, &[("webhook-id", id)]),
                "{\"n\": 1}".to_owned(),
            )
        },
        Delivery {
            secret: WHSEC.to_owned(),
            kind: "com.linear.issue.remove",
            source: "https://linear.app",
            summary: "Linear Issue remove",
            ..delivery(
                "linear",
                Scheme::Standard,
                lines(JSON, &[("webhook-id", id)]),
                r#"{"type":"Issue","action":"remove"}"#.to_owned(),
            )
        },
        Delivery {
            secret: public_key(),
            kind: "com.my-app.event",
            source: "https://my-app",
            summary: "my-app event",
            ..delivery(
                "my-app",
                Scheme::StandardKeyPair,
                lines(JSON, &[("webhook-id", id)]),
                "{\"n\": 1}".to_owned(),
            )
        },
    ]
}

/// The delivery of a source that is signed in this way.
pub(crate) fn delivery(slug: &str, is_meant: impl Fn(Scheme) -> bool) -> Delivery {
    let mut all = deliveries("d-1").into_iter();
    all.find(|delivery| delivery.slug == slug && is_meant(delivery.scheme))
        .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hmac_sha1_of_the_tests_is_that_of_rfc_2202() {
        let mac = hmac_sha1(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&mac), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }
}
