//! Chains beyond the vectors: their longest form, changed ones, and what is told of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::{Chain, LINKS_MAX, TOKEN_LEN_MAX, UCANToken, UcanFault, UcanProblem};
use crate::openintent::scope::{DelegationScope, ScopeFault};
use crate::protocol::identity::InstanceKey;

const NOW: i64 = 1_900_000_000;

fn did(at: usize) -> String {
    format!("did:web:s{at}.example")
}

fn key(at: usize) -> InstanceKey {
    InstanceKey::from_seed(&[u8::try_from(at).unwrap(); 32]).unwrap()
}

fn wide() -> DelegationScope {
    DelegationScope {
        max_delegation_depth: 20,
        ..DelegationScope::default()
    }
}

fn root(scope: DelegationScope) -> String {
    UCANToken::new(did(0), did(1), scope, NOW, "n").encode(&key(0))
}

/// A chain of so many links, the last of them for the server of that number.
fn chain_of(links: usize, as_sdk: bool) -> Result<String, UcanFault> {
    (1..links).try_fold(root(wide()), |parent, at| {
        UCANToken::attenuate(&parent, &did(at + 1), &wide(), NOW, "n", &key(at), as_sdk)
    })
}

fn verify(text: &str, audience: usize, now: i64) -> Result<DelegationScope, UcanFault> {
    let keys = |name: &str| {
        let at = (0..20).find(|at| did(*at) == name);
        at.map(|at| key(at).public()).into_iter().collect()
    };
    let audiences = ["did:web:another".to_owned(), did(audience)];
    Chain::read(text)?.verify(&audiences, now, &keys, &|name| name == did(0))
}

#[test]
fn a_chain_may_have_eight_links_and_no_more() {
    let longest = chain_of(LINKS_MAX, false).unwrap();
    assert_eq!(Chain::read(&longest).unwrap().link_count(), LINKS_MAX);
    assert_eq!(
        verify(&longest, LINKS_MAX, NOW)
            .unwrap()
            .max_delegation_depth,
        13
    );
    let longer = chain_of(LINKS_MAX + 1, false).unwrap();
    let fault = Chain::read(&longer).unwrap_err();
    assert_eq!((fault.link, fault.problem), (LINKS_MAX, UcanProblem::Links));
}

#[test]
fn proofs_that_are_all_listed_again_soon_have_no_room() {
    assert!(verify(&chain_of(4, true).unwrap(), 4, NOW).is_ok());
    let fault = chain_of(LINKS_MAX, true).unwrap_err();
    assert_eq!(fault.problem, UcanProblem::Length);
    let long = "a".repeat(TOKEN_LEN_MAX + 1);
    assert_eq!(Chain::read(&long).unwrap_err().problem, UcanProblem::Length);
}

#[test]
fn a_fault_says_which_link_and_whose() {
    let text = chain_of(3, false).unwrap();
    let strangers = Chain::read(&text).unwrap().verify(
        &[did(3)],
        NOW,
        &|name| {
            if name == did(1) {
                vec![]
            } else {
                keys_of_all()
            }
        },
        &|_| true,
    );
    let fault = strangers.unwrap_err();
    assert_eq!(
        (fault.link, fault.issuer.as_deref()),
        (2, Some("did:web:s1.example"))
    );
    let told =
        "the token of `did:web:s1.example` (link 2): its signature is by no key of its issuer";
    assert_eq!(fault.to_string(), told);
}

fn keys_of_all() -> Vec<[u8; 32]> {
    (0..5).map(|at| key(at).public()).collect()
}

#[test]
fn somebody_elses_text_is_told_shortly_and_harmlessly() {
    let issuer = format!("did:web:\u{1b}[2J{}", "x".repeat(500));
    let token = UCANToken::new(issuer, did(1), wide(), NOW, "n").encode(&key(0));
    let told = verify(&token, 1, NOW).unwrap_err().to_string();
    assert!(!told.contains('\u{1b}') && told.len() < 250, "{told}");
}

#[test]
fn a_scope_that_has_ended_ends_its_token() {
    let scope = DelegationScope {
        expires_at: Some("2030-03-17T17:46:50Z".to_owned()),
        ..wide()
    };
    let token = root(scope);
    assert!(verify(&token, 1, NOW + 10).is_ok());
    let fault = verify(&token, 1, NOW + 11).unwrap_err();
    assert_eq!(fault.problem, UcanProblem::Scope(ScopeFault::Expired));
}

#[test]
fn nothing_is_made_of_a_token_that_is_over_or_used_up() {
    let attenuate = |parent: &str, now: i64| {
        UCANToken::attenuate(parent, &did(2), &wide(), now, "n", &key(1), false)
    };
    let parent = root(wide());
    assert!(attenuate(&parent, NOW + 3600).is_ok());
    let fault = attenuate(&parent, NOW + 3601).unwrap_err();
    assert_eq!(fault.problem, UcanProblem::Expired(NOW + 3600));
    let last = root(DelegationScope {
        max_delegation_depth: 0,
        ..wide()
    });
    assert_eq!(
        attenuate(&last, NOW).unwrap_err().problem,
        UcanProblem::Depth
    );
}

/// A token whose payload is some text, signed well.
fn token_of(payload: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"UCAN","kid":"k"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key(0).sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[test]
fn a_token_must_say_everything() {
    let scope = r#"{"permissions":["a"],"denied_operations":[],"max_delegation_depth":0,"x":1}"#;
    let members = [
        ("iss", r#""did:web:a""#),
        ("aud", r#""did:web:b""#),
        ("nbf", "1900000000"),
        ("exp", "1900003600"),
        ("nonce", r#""n""#),
        ("prf", "[]"),
        ("scope", scope),
    ];
    let payload = |name: &str, value: Option<&str>| {
        let members = members.iter().filter_map(|(known, good)| {
            let value = if *known == name { value? } else { good };
            Some(format!("\"{known}\":{value}"))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    };
    assert!(UCANToken::decode(&token_of(&payload("", None))).is_ok());
    for (name, _) in members {
        let missing = token_of(&payload(name, None));
        assert!(UCANToken::decode(&missing).is_err(), "{name}");
    }
    for (name, bad) in [
        ("iss", r#""""#),
        ("aud", "7"),
        ("nbf", "0"),
        ("nbf", "true"),
        ("exp", "1900003600.0"),
        ("exp", "-1"),
        ("exp", "null"),
        ("nonce", r#""""#),
        ("prf", "null"),
        ("prf", "[1]"),
        ("scope", "{}"),
        (
            "scope",
            r#"{"permissions":["a"],"denied_operations":[],"max_delegation_depth":-1}"#,
        ),
        (
            "scope",
            r#"{"permissions":["a"],"denied_operations":[],"max_delegation_depth":true}"#,
        ),
        (
            "scope",
            r#"{"permissions":["a"],"denied_operations":[1],"max_delegation_depth":0}"#,
        ),
        (
            "scope",
            r#"{"permissions":"a","denied_operations":[],"max_delegation_depth":0}"#,
        ),
        (
            "scope",
            r#"{"permissions":[],"denied_operations":[],"max_delegation_depth":0,"expires_at":"soon"}"#,
        ),
        (
            "scope",
            r#"{"permissions":[],"denied_operations":[],"max_delegation_depth":0,"expires_at":5}"#,
        ),
    ] {
        let token = token_of(&payload(name, Some(bad)));
        assert!(UCANToken::decode(&token).is_err(), "{name} {bad}");
    }
    assert!(UCANToken::decode(&token_of("[]")).is_err());
}

proptest! {
    /// Wherever a character is changed, nothing is granted.
    #[test]
    fn a_changed_token_grants_nothing(at in any::<prop::sample::Index>(), other in "[A-Za-z0-9._=-]") {
        let token = chain_of(2, false).unwrap();
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &other);
        prop_assume!(changed != token);
        prop_assert!(verify(&changed, 2, NOW).is_err());
    }

    #[test]
    fn no_text_is_too_odd_for_a_token(text in "[A-Za-z0-9_-]{0,30}(\\.[A-Za-z0-9_=-]{0,30}){0,3}|\\PC{0,40}") {
        prop_assert!(Chain::read(&text).is_err());
    }
}
