//! Signatures that are almost right, judged as of a fixed time.

use kite::webhook::{self, Headers, Request, SignatureFault};

use crate::support::providers::{Delivery, Scheme, deliveries, delivery, public_key};

const URL: &str = "https://hooks.example/hooks/team/source";
const NOW: i64 = 1_767_225_600;

type Lines = Vec<(&'static str, String)>;

/// What is done to the value of a signature's header.
type Change = fn(&str) -> String;

fn url(delivery: &Delivery) -> String {
    format!("{URL}{}", delivery.query())
}

/// The headers that sign a delivery at this time.
fn signed_at(delivery: &Delivery, time: &str) -> Lines {
    delivery.signature(&delivery.secret, &url(delivery), time)
}

fn signed(delivery: &Delivery) -> Lines {
    signed_at(delivery, &NOW.to_string())
}

/// The verdict on a delivery with these headers about its signature.
fn verdict_at(delivery: &Delivery, signature: &Lines, now: i64) -> Result<(), SignatureFault> {
    let headers = [delivery.headers.clone(), signature.clone()].concat();
    let url = url(delivery);
    let request = Request {
        slug: delivery.slug,
        headers: &Headers::new(headers),
        body: delivery.body.as_bytes(),
        url: Some(&url),
    };
    webhook::verify(&request, &[delivery.secret.as_bytes()], now)
}

fn verdict(delivery: &Delivery, signature: &Lines) -> Result<(), SignatureFault> {
    verdict_at(delivery, signature, NOW)
}

#[track_caller]
fn refuses(delivery: &Delivery, signature: &Lines, what: &str) {
    let verdict = verdict(delivery, signature);
    assert!(verdict.is_err(), "{what}: {signature:?} of {delivery:?}");
}

/// The headers with another value of the last one, which holds the signature in every scheme.
fn with_value(signature: &Lines, change: impl Fn(&str) -> String) -> Lines {
    let mut changed = signature.clone();
    let last = changed.last_mut().unwrap();
    last.1 = change(&last.1);
    changed
}

/// The schemes that sign the time.
fn timed() -> impl Iterator<Item = Delivery> {
    let is_timed = |delivery: &Delivery| {
        use Scheme::{Slack, Standard, StandardKeyPair, Stripe};
        matches!(delivery.scheme, Slack | Standard | StandardKeyPair | Stripe)
    };
    deliveries("d-1").into_iter().filter(is_timed)
}

#[test]
fn what_is_almost_the_signature_is_none() {
    for delivery in deliveries("d-1") {
        let good = signed(&delivery);
        assert_eq!(verdict(&delivery, &good), Ok(()), "{delivery:?}");
        let changes: &[(&str, Change)] = &[
            ("empty", |_| String::new()),
            ("blank", |_| " ".to_owned()),
            ("without its end", |value| {
                value[..value.len() - 1].to_owned()
            }),
            ("without two of its end", |value| {
                value[..value.len() - 2].to_owned()
            }),
            ("without its beginning", |value| value[1..].to_owned()),
            ("whose end is written twice", |value| {
                format!("{value}{}", &value[value.len() - 28..])
            }),
            ("with more behind it", |value| format!("{value}00")),
            ("with a blank in the middle", |value| {
                let (head, tail) = value.split_at(value.len() - 9);
                format!("{head} {tail}")
            }),
            ("with a line break behind it", |value| format!("{value}\n")),
            ("with a tab before it", |value| format!("\t{value}")),
            ("in quotes", |value| format!("\"{value}\"")),
            ("with another last character", |value| {
                let (head, last) = value
                    .trim_end_matches('=')
                    .split_at(value.trim_end_matches('=').len() - 5);
                let other = if last.starts_with('0') { '1' } else { '0' };
                format!("{head}{other}{}", &value[head.len() + 1..])
            }),
        ];
        for (what, change) in changes {
            refuses(&delivery, &with_value(&good, change), what);
        }
        for (at, (name, _)) in good.iter().enumerate() {
            let mut fewer = good.clone();
            fewer.remove(at);
            refuses(&delivery, &fewer, &format!("without {name}"));
        }
        let changed = Delivery {
            body: delivery.body.replacen('1', "2", 1) + "\n",
            ..delivery.clone()
        };
        refuses(&changed, &good, "of another body");
        let other = delivery.signature("b3RoZXIgb3RoZXI=", &url(&delivery), &NOW.to_string());
        if delivery.scheme != Scheme::StandardKeyPair {
            refuses(&delivery, &other, "of another secret");
        }
        let twice = [good.clone(), good.clone()].concat();
        let is_list = matches!(delivery.scheme, Scheme::BodyHex("X-PagerDuty-Signature", _));
        // A header in two lines is a list, and PagerDuty's is one.
        assert_eq!(verdict(&delivery, &twice).is_ok(), is_list, "{delivery:?}");
    }
}

#[test]
fn digits_may_be_in_upper_case_and_what_stands_before_them_may_not() {
    for delivery in deliveries("d-1") {
        let good = signed(&delivery);
        let is_hex = matches!(
            delivery.scheme,
            Scheme::BodyHex(..) | Scheme::Slack | Scheme::Stripe
        );
        if is_hex {
            let upper = with_value(&good, |value| {
                let (prefix, digits) = value.split_at(value.len() - 64);
                format!("{prefix}{}", digits.to_uppercase())
            });
            assert_eq!(verdict(&delivery, &upper), Ok(()), "{delivery:?}");
        }
        if delivery.scheme != Scheme::BodyHex("Linear-Signature", "") {
            let shouted = with_value(&good, str::to_uppercase);
            refuses(&delivery, &shouted, "all in upper case");
        }
    }
}

#[test]
fn base64_is_that_with_padding_and_plus_and_slash() {
    let is_base64 = |delivery: &Delivery| {
        !matches!(
            delivery.scheme,
            Scheme::BodyHex(..) | Scheme::Slack | Scheme::Stripe
        )
    };
    for delivery in deliveries("d-1").into_iter().filter(is_base64) {
        refuses(
            &delivery,
            &with_value(&signed(&delivery), |value| {
                value.trim_end_matches('=').to_owned()
            }),
            "without padding",
        );
        // Signatures of many secrets, until one has a character that differs.
        let mut differing = (0..100).map(|secret| {
            let secret = format!("secret {secret}");
            let mut good = delivery.clone();
            if good.scheme == Scheme::StandardKeyPair {
                good.headers[1].1 = secret;
            } else {
                good.secret = secret;
            }
            good
        });
        let (delivery, safe) = differing
            .find_map(|delivery| {
                let good = signed(&delivery);
                let safe = with_value(&good, |value| value.replace('+', "-").replace('/', "_"));
                (safe != good).then_some((delivery, safe))
            })
            .unwrap();
        refuses(&delivery, &safe, "in the alphabet of addresses");
    }
}

#[test]
fn a_signature_is_good_for_300_seconds_either_way() {
    for delivery in timed() {
        let good = signed(&delivery);
        for now in [NOW, NOW + 300, NOW - 300] {
            assert_eq!(verdict_at(&delivery, &good, now), Ok(()), "{delivery:?}");
        }
        for (now, age) in [(NOW + 301, 301), (NOW - 301, -301), (0, -NOW)] {
            let fault = verdict_at(&delivery, &good, now);
            assert_eq!(fault, Err(SignatureFault::Time(age)), "{delivery:?}");
        }
        let distant = verdict_at(&delivery, &good, i64::MAX);
        assert!(matches!(distant, Err(SignatureFault::Time(_))));
    }
}

#[test]
fn a_time_is_a_plain_number_of_seconds() {
    const PLAIN: i64 = 1000;
    for delivery in timed() {
        for time in [
            "",
            " ",
            "+1000",
            "-1000",
            "1000.0",
            "1e3",
            "0x3e8",
            " 1000",
            "1000 ",
            "1000s",
            "1,000",
            "١٠٠٠",
            "NaN",
            "99999999999999999999",
            "100000000000000000000000000000000000001000",
            "1970-01-01T00:16:40Z",
        ] {
            let signature = signed_at(&delivery, time);
            for now in [PLAIN, -PLAIN, i64::MAX] {
                let verdict = verdict_at(&delivery, &signature, now);
                assert!(verdict.is_err(), "`{time}` of {delivery:?}");
            }
        }
        let plain = signed_at(&delivery, "1000");
        assert_eq!(verdict_at(&delivery, &plain, PLAIN), Ok(()));
        let milliseconds = signed_at(&delivery, "1000000");
        assert!(verdict_at(&delivery, &milliseconds, PLAIN).is_err());
    }
}

#[test]
fn stripe_says_its_time_once() {
    let stripe = delivery("stripe", |_| true);
    let good = signed(&stripe);
    let time = format!("t={NOW}");
    for other in [
        format!("{time},{time}"),
        format!("t=1,{time}"),
        format!("{time},t=1"),
        format!("{time},t="),
        "t".to_owned(),
        "x=1".to_owned(),
        time.to_uppercase(),
    ] {
        let changed = with_value(&good, |value| value.replace(&time, &other));
        refuses(&stripe, &changed, "another time");
    }
}

#[test]
fn blanks_behind_the_commas_of_a_list_do_not_matter() {
    let stripe = delivery("stripe", |_| true);
    let blanks = with_value(&signed(&stripe), |value| {
        format!("v0=00,  v1=zz, {}", value.replace(',', ",   "))
    });
    assert_eq!(verdict(&stripe, &blanks), Ok(()));
    let pagerduty = delivery("pagerduty", |_| true);
    let blanks = with_value(&signed(&pagerduty), |value| {
        format!("v1=00, v2=11,  {value}")
    });
    assert_eq!(verdict(&pagerduty, &blanks), Ok(()));
}

#[test]
fn a_flood_of_signatures_is_looked_through_and_costs_little() {
    const MANY: usize = 100_000;
    for delivery in deliveries("d-1") {
        let (wrong, comma) = match delivery.scheme {
            Scheme::Stripe | Scheme::BodyHex("X-PagerDuty-Signature", _) => ("v1=00", ","),
            Scheme::Standard => ("v1,AAAA", " "),
            Scheme::StandardKeyPair => ("v1a,AAAA", " "),
            _ => continue,
        };
        let flood = format!("{wrong}{comma}").repeat(MANY);
        let good = signed(&delivery);
        let among = with_value(&good, |value| format!("{flood}{value}"));
        // Each check of a key pair's signature costs a computation: only the first few are looked at.
        let is_found = delivery.scheme != Scheme::StandardKeyPair;
        assert_eq!(verdict(&delivery, &among).is_ok(), is_found, "{delivery:?}");
        let alone = with_value(&good, |_| flood.clone());
        assert!(verdict(&delivery, &alone).is_err());
        let few = format!("{wrong}{comma}").repeat(3);
        let among = with_value(&good, |value| format!("{few}{value}"));
        assert_eq!(verdict(&delivery, &among), Ok(()), "{delivery:?}");
    }
}

#[test]
fn a_public_key_signs_nothing_in_any_scheme() {
    for delivery in deliveries("d-1") {
        let public = Delivery {
            secret: public_key(),
            ..delivery
        };
        if public.scheme != Scheme::StandardKeyPair {
            refuses(&public, &signed(&public), "with the public key as a secret");
        }
    }
}

#[test]
fn a_providers_own_header_goes_before_standard_webhooks() {
    let standard = delivery("linear", |scheme| scheme == Scheme::Standard);
    let good = signed(&standard);
    let wrong = [good, vec![("Linear-Signature", "00".to_owned())]].concat();
    refuses(&standard, &wrong, "beside a wrong header of its own");
}

#[test]
fn a_signature_of_twilios_over_an_address_with_a_digest_is_good_for_that_body_alone() {
    let json = delivery("twilio", |scheme| scheme == Scheme::TwilioJson);
    let signature = signed(&json);
    let address = url(&json);
    let form = "application/x-www-form-urlencoded";
    for (kind, body) in [
        (form, ""),
        (form, "&&"),
        (form, "=&="),
        ("application/json", ""),
        ("", "{}"),
    ] {
        let headers = [signature.clone(), vec![("Content-Type", kind.to_owned())]].concat();
        let request = Request {
            slug: "twilio",
            headers: &Headers::new(headers),
            body: body.as_bytes(),
            url: Some(&address),
        };
        let verdict = webhook::verify(&request, &[json.secret.as_bytes()], NOW);
        assert!(verdict.is_err(), "{kind} {body}");
    }
}
