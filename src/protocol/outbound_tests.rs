//! Which addresses are called: lists of spellings, and properties (promise 10).

use core::net::IpAddr;
use std::collections::BTreeSet;

use proptest::prelude::*;
use url::{Host, Url};

use super::address_class::AddressClass;
use super::outbound::{Outbound, Refusal};
use super::peer_url::{PEER_URL_MAX_BYTES, PeerUrl, PeerUrlFault};

const NEVER: &str = include_str!("../../tests/addresses/never.txt");
const INSIDE: &str = include_str!("../../tests/addresses/inside.txt");
const GOOD: &str = include_str!("../../tests/addresses/good.txt");

fn lines(list: &str) -> BTreeSet<&str> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let all: Vec<&str> = lines.collect();
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), distinct.len(), "a line is there twice");
    distinct
}

fn everything() -> Outbound {
    Outbound {
        allow_insecure_peers: true,
        allow_private_networks: true,
        allow_private_hosts: Vec::new(),
        allow_plain_http: true,
    }
}

fn insecure_peers() -> Outbound {
    Outbound {
        allow_insecure_peers: true,
        ..Outbound::default()
    }
}

fn private_networks() -> Outbound {
    Outbound {
        allow_private_networks: true,
        ..Outbound::default()
    }
}

#[test]
fn no_spelling_of_a_forbidden_address_is_taken() {
    let (never, inside) = (lines(NEVER), lines(INSIDE));
    assert!(never.len() + inside.len() >= 250);
    for text in &never {
        for outbound in [Outbound::default(), everything()] {
            assert!(PeerUrl::parse(text, &outbound).is_err(), "`{text}`");
        }
    }
    for text in &inside {
        let refused = PeerUrl::parse(text, &Outbound::default());
        assert!(
            matches!(refused, Err(PeerUrlFault::Refused(_))),
            "`{text}`: {refused:?}"
        );
        assert!(PeerUrl::parse(text, &everything()).is_ok(), "`{text}`");
    }
}

#[test]
fn good_addresses_are_taken_and_called_as_they_are_written() {
    for text in lines(GOOD) {
        let url = PeerUrl::parse(text, &Outbound::default());
        let url = url.unwrap_or_else(|fault| panic!("`{text}`: {fault}"));
        let rest = Url::parse(text).unwrap();
        assert_eq!(url.url().path(), rest.path(), "`{text}`");
        assert_eq!(url.url().query(), rest.query(), "`{text}`");
        assert_eq!(url.url().port(), rest.port(), "`{text}`");
        assert_eq!(url.as_str().parse::<PeerUrl>().unwrap(), url, "`{text}`");
    }
    let dotted: PeerUrl = "https://Kite.Example./x".parse().unwrap();
    assert_eq!(dotted.as_str(), "https://kite.example/x");
}

#[test]
fn each_switch_opens_what_it_says_and_nothing_else() {
    let plain_http = Outbound {
        allow_plain_http: true,
        ..Outbound::default()
    };
    let hosts = Outbound {
        allow_private_hosts: vec!["Kite-B.".to_owned()],
        ..Outbound::default()
    };
    let none = Outbound::default();
    let (here, inside, outside) = ("127.0.0.1", "10.0.0.1", "8.8.8.8");
    for (switches, host, ip, https, http) in [
        (&none, "b", outside, true, false),
        (&none, "b", here, false, false),
        (&none, "b", inside, false, false),
        (&insecure_peers(), "b", outside, true, false),
        (&insecure_peers(), "b", here, true, true),
        (&insecure_peers(), "b", "::1", true, true),
        (&insecure_peers(), "b", inside, false, false),
        (&private_networks(), "b", outside, true, false),
        (&private_networks(), "b", here, false, false),
        (&private_networks(), "b", inside, true, false),
        (&private_networks(), "b", "fd00::1", true, false),
        (&plain_http, "b", outside, true, true),
        (&plain_http, "b", here, false, false),
        (&plain_http, "b", inside, false, false),
        (&hosts, "kite-b", here, true, false),
        (&hosts, "kite-b", inside, true, false),
        (&hosts, "kite-b", "169.254.169.254", false, false),
        (&hosts, "b", inside, false, false),
        (&everything(), "b", outside, true, true),
        (&everything(), "b", here, true, true),
        (&everything(), "b", inside, true, true),
        (&everything(), "b", "169.254.169.254", false, false),
        (&everything(), "b", "168.63.129.16", false, false),
        (&everything(), "b", "fd00:ec2::254", false, false),
        (&everything(), "b", "::ffff:127.0.0.1", false, false),
    ] {
        let ip: IpAddr = ip.parse().unwrap();
        for (is_tls, expected) in [(true, https), (false, http)] {
            let may = switches.may_call(host, ip, is_tls);
            assert_eq!(may.is_ok(), expected, "{switches:?} {host} {ip} {may:?}");
        }
    }
}

#[test]
fn plain_http_to_a_name_needs_its_switch_and_to_this_machine_the_other() {
    let refused = |text: &str, outbound: &Outbound| match PeerUrl::parse(text, outbound) {
        Err(PeerUrlFault::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let clear = |host: &str| Refusal::Clear {
        host: host.to_owned(),
    };
    let insecure = insecure_peers();
    for text in [
        "http://127.0.0.1:7701/x",
        "http://localhost:7701/x",
        "http://[::1]:1/",
    ] {
        assert!(PeerUrl::parse(text, &insecure).is_ok(), "{text}");
    }
    let (name, inside) = ("http://b.example/x", "http://10.0.0.1/x");
    assert_eq!(refused(name, &insecure), clear("b.example"));
    assert!(matches!(
        refused(inside, &insecure),
        Refusal::Private { .. }
    ));
    assert_eq!(refused(inside, &private_networks()), clear("10.0.0.1"));
}

#[test]
fn a_refusal_says_what_is_wrong_and_which_switch_allows_it_and_shows_no_secret() {
    for (text, part) in [
        ("https://127.0.0.1/s3cret", "--allow-insecure-peers"),
        ("https://10.0.0.1/s3cret", "--allow-private-networks"),
        ("http://b.example/s3cret", "allow_plain_http"),
        ("https://169.254.169.254/s3cret", "never called"),
        ("https://me:s3cret@b.example/", "user name or password"),
        (
            "https://0x7f.1/s3cret",
            "`0x7f.1` is not an IP address in its plain form",
        ),
        ("https://b.example:0/s3cret", "`0` is no port"),
        ("https://b.example/#s3cret", "behind the `#`"),
        (
            "https://b%20.example/s3cret",
            "`b%20.example` is not a host name",
        ),
        ("s3cret.example", "must begin with https://"),
        ("https:///s3cret", "names no host"),
        ("https://b.example/s3cret\n", "printable ASCII"),
    ] {
        let words = PeerUrl::parse(text, &Outbound::default()).unwrap_err();
        let words = words.to_string();
        assert!(words.contains(part), "{text}: {words}");
        assert!(!words.contains("s3cret"), "{text}: {words}");
    }
    let long = format!("https://b.example/{}", "x".repeat(PEER_URL_MAX_BYTES));
    assert_eq!(long.parse::<PeerUrl>(), Err(PeerUrlFault::TooLong));
    let hook: PeerUrl = "https://b.example/hooks/t/kite/s3cret".parse().unwrap();
    assert!(!format!("{hook:?}").contains("s3cret"));
}

#[test]
fn the_switches_that_are_on_are_named() {
    assert!(Outbound::default().widened().is_empty());
    assert_eq!(insecure_peers().widened(), ["allow_insecure_peers"]);
    assert_eq!(everything().widened().len(), 3);
}

/// Texts that look like addresses, more of them bad than good.
fn texts() -> impl Strategy<Value = String> {
    let number = "(0x|0X|0|00)?[0-9a-f]{1,10}";
    let dotted = format!("({number}\\.){{0,4}}{number}\\.?");
    let host = prop_oneof![
        Just(dotted),
        "\\[[0-9a-f:.]{2,20}\\]",
        "[a-z0-9._%-]{1,12}",
        "(localhost|127\\.0\\.0\\.1|kite\\.example)\\.?",
    ];
    let host = host.prop_flat_map(|text| match text.contains("{0,4}") {
        true => proptest::string::string_regex(&text).unwrap().boxed(),
        false => Just(text).boxed(),
    });
    (
        "(https?|HTTPS|ftp)(://|:/|:)[a-z@]{0,2}",
        host,
        "(:[0-9]{0,6})?[/?#\\\\]?[a-z@:/\\\\]{0,6}",
    )
        .prop_map(|(before, host, behind)| format!("{before}{host}{behind}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// What is taken without switches is https to a name, or to a public address as every library reads it.
    #[test]
    fn what_is_taken_leads_outside(text in texts()) {
        if let Ok(url) = PeerUrl::parse(&text, &Outbound::default()) {
            let library = Url::parse(&text).unwrap();
            prop_assert_eq!(library.scheme(), "https");
            prop_assert!(library.username().is_empty() && library.password().is_none());
            match library.host().unwrap() {
                Host::Ipv4(ip) => prop_assert_eq!(AddressClass::of(ip.into()), AddressClass::Public),
                Host::Ipv6(ip) => prop_assert_eq!(AddressClass::of(ip.into()), AddressClass::Public),
                Host::Domain(name) => {
                    prop_assert_eq!(name.trim_end_matches('.'), url.host());
                    prop_assert!(name.trim_end_matches('.').parse::<IpAddr>().is_err());
                }
            }
            prop_assert_eq!(url.as_str().parse::<PeerUrl>().unwrap(), url);
        }
    }

    /// No switch but its own opens a class, whatever the address.
    #[test]
    fn switches_only_widen(bits: u32, is_tls: bool) {
        let ip = IpAddr::V4(bits.into());
        let may = |outbound: &Outbound| outbound.may_call("b", ip, is_tls).is_ok();
        let narrow = may(&Outbound::default());
        for wide in [insecure_peers(), private_networks(), everything()] {
            prop_assert!(!narrow || may(&wide));
            prop_assert!(!may(&wide) || !matches!(AddressClass::of(ip), AddressClass::Forbidden(_)));
        }
    }
}

#[test]
fn a_host_is_exempt_as_far_as_a_switch_says() {
    let private = Outbound {
        allow_private_networks: true,
        ..Outbound::default()
    };
    let named = Outbound {
        allow_private_hosts: vec!["Kite-B".to_owned(), "169.254.169.254".to_owned()],
        ..Outbound::default()
    };
    let exempt = |outbound: &Outbound| {
        let hosts = [
            "127.0.0.1",
            "::1",
            "localhost",
            "x.localhost.",
            "10.0.0.1",
            "[fd00::1]",
            "kite.internal",
            "kite-b",
            "192.0.2.1",
            "169.254.169.254",
            "1.1.1.1",
            "10.1",
            "0x7f.1",
            "kite$",
            "a@b",
            "",
        ];
        let exempt = hosts.iter().filter(|host| outbound.exempts(host));
        exempt.copied().collect::<Vec<_>>()
    };
    assert!(exempt(&Outbound::default()).is_empty());
    assert_eq!(
        exempt(&insecure_peers()),
        ["127.0.0.1", "::1", "localhost", "x.localhost."]
    );
    assert_eq!(
        exempt(&private),
        ["10.0.0.1", "[fd00::1]", "kite.internal", "kite-b"]
    );
    assert_eq!(exempt(&named), ["kite-b"]);
}
