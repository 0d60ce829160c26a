//! Tokens: made, narrowed, read and verified, with keys that are given.

use kite::openintent::model::DelegationScope;
use kite::openintent::ucan::UCANToken;
use serde_json::{Value, json};

use super::{keep_key, key, public};
use crate::support::cli::{Kite, Person};

const A: &str = "did:web:a.example";
const B: &str = "did:web:b.example";
const C: &str = "did:web:c.example";

/// Somebody with the key files of a, b and c.
struct Holder(Person);

impl Holder {
    fn new() -> Self {
        let person = Person::new();
        for (name, byte) in [("a.key", 1), ("b.key", 2), ("c.key", 3)] {
            keep_key(person.home(), name, byte);
        }
        Self(person)
    }

    fn ucan(&self, args: &[&str]) -> Kite {
        self.0.kite(&[&["openintent", "ucan"], args].concat())
    }

    /// A token of a for b.
    fn issued(&self, more: &[&str]) -> String {
        let issue = ["issue", "--key", "a.key", "--issuer", A, "--audience", B];
        let ended = self.ucan(&[&issue, more].concat()).succeeds();
        ended.stdout.trim_end().to_owned()
    }

    /// A part of it of b for c.
    fn attenuate(&self, token: &str, more: &[&str]) -> Kite {
        let args = [
            "attenuate",
            "--key",
            "b.key",
            "--audience",
            C,
            "--token",
            "-",
        ];
        self.ucan(&[&args, more].concat()).stdin(token)
    }

    fn attenuated(&self, token: &str, more: &[&str]) -> String {
        let ended = self.attenuate(token, more).succeeds();
        ended.stdout.trim_end().to_owned()
    }

    /// Verifies a token of a chain that a began, with the keys of a and b.
    fn verify(&self, token: &str, audience: &str, more: &[&str]) -> Kite {
        let (a, b) = (format!("{A}={}", public(1)), format!("{B}={}", public(2)));
        let args = [
            "verify",
            "-",
            "--audience",
            audience,
            "--key",
            &a,
            "--key",
            &b,
        ];
        self.ucan(&[&args, more].concat()).stdin(token)
    }
}

fn scope(shown: &Value) -> Vec<&str> {
    let permissions = shown["scope"]["permissions"].as_array().unwrap();
    permissions
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect()
}

#[test]
fn a_chain_of_two_is_made_narrowed_and_verified() {
    let holder = Holder::new();
    let permissions = ["--permission", "state.patch,events.log,intent.create"];
    let root = holder.issued(&[&permissions[..], &["--depth", "2", "--deny", "x"]].concat());
    assert!(!root.contains(char::is_whitespace), "{root}");
    let child = holder.attenuated(&root, &["--permission", "events.log,other"]);

    let verified = holder
        .verify(&child, C, &["--root", A, "--json"])
        .succeeds();
    let verified = verified.json();
    assert_eq!(verified["verified"], true);
    assert_eq!(
        (&verified["iss"], &verified["root"]),
        (&json!(B), &json!(A))
    );
    assert_eq!(verified["links"], 2);
    assert_eq!(scope(&verified), ["events.log"]);
    assert_eq!(verified["scope"]["denied_operations"], json!(["x"]));
    assert_eq!(verified["scope"]["max_delegation_depth"], 1);
    holder
        .verify(&child, C, &["--root", A])
        .stdout_has("The token holds")
        .stdout_has("events.log")
        .succeeds();
}

#[test]
fn a_token_is_shown_with_what_it_says_and_until_when_it_holds() {
    let holder = Holder::new();
    let args = [
        "issue",
        "--key",
        "a.key",
        "--issuer",
        A,
        "--audience",
        B,
        "--ttl",
        "2h",
        "--json",
    ];
    let made = holder.ucan(&args).succeeds().json();
    let token = UCANToken::decode(made["token"].as_str().unwrap()).unwrap();
    assert_eq!((token.iss.as_str(), token.aud.as_str()), (A, B));
    assert_eq!(token.exp - token.nbf, 7200);
    assert_eq!(token.scope, DelegationScope::default());
    assert_eq!(made["exp"], token.exp);
}

#[test]
fn each_way_in_which_a_token_does_not_hold_is_told() {
    let holder = Holder::new();
    let root = holder.issued(&["--depth", "1"]);
    let child = holder.attenuated(&root, &[]);
    let fails = |token: &str, audience: &str, more: &[&str], why: &str| {
        let run = holder.verify(token, audience, more);
        run.stdout("").stderr_has(why).exits(1);
    };
    fails(&child, A, &["--root", A], "for another audience");
    fails(&child, C, &["--root", B], "not a trusted root");
    fails(
        &child,
        C,
        &["--root", A, "--at", "2100-01-01T00:00:00Z"],
        "expired",
    );
    fails(
        &child,
        C,
        &["--root", A, "--at", "1000"],
        "not valid before",
    );
    fails("x.y", C, &["--root", A], "three parts");
    // Signed by another key than the issuer's.
    let forged = UCANToken::decode(&root).unwrap().encode(&key(9));
    fails(&forged, B, &["--root", A], "by no key of its issuer");
    // Wider than what it stands on.
    let mut wide = UCANToken::decode(&child).unwrap();
    wide.scope.permissions.push("intent.delete".to_owned());
    fails(
        &wide.encode(&key(2)),
        C,
        &["--root", A],
        "widens the permissions",
    );
    let last = holder.verify(&child, C, &["--root", A, "--at", "soon"]);
    last.stderr_has("`--at` cannot be used").exits(2);
}

#[test]
fn a_token_that_may_not_be_passed_on_is_not() {
    let holder = Holder::new();
    let last = holder.issued(&["--depth", "0"]);
    holder
        .attenuate(&last, &[])
        .stdout("")
        .stderr_has("depth")
        .exits(1);
}

#[test]
fn without_a_root_the_issuers_whose_keys_are_given_are_roots() {
    let holder = Holder::new();
    let token = holder.issued(&[]);
    holder.verify(&token, B, &[]).succeeds();
    holder
        .ucan(&["verify", "-", "--audience", B])
        .stdin(token)
        .stderr_has("--root")
        .exits(2);
}

#[test]
fn what_a_token_says_can_be_read_without_believing_it() {
    let holder = Holder::new();
    let root = holder.issued(&["--depth", "1", "--expires", "2099-01-01T00:00:00Z"]);
    let child = holder.attenuated(&root, &["--permission", "events.log"]);
    let shown = holder
        .ucan(&["inspect", &child])
        .stdout_has("The token\n")
        .stdout_has("Link 2, the root")
        .stdout_has("2099-01-01T00:00:00")
        .stderr_has("nothing of it was verified")
        .succeeds();
    assert!(!shown.stdout.contains("expired)"), "{}", shown.stdout);
    let json = holder
        .ucan(&["inspect", &child, "--json"])
        .succeeds()
        .json();
    assert_eq!(json["verified"], false);
    let issuers = json["links"].as_array().unwrap().iter();
    let issuers: Vec<&Value> = issuers.map(|link| &link["iss"]).collect();
    assert_eq!(issuers, [B, A]);
    assert_eq!(scope(&json["links"][0]), ["events.log"]);

    let mut old = UCANToken::new(A, B, DelegationScope::default(), 1000, "n");
    old.exp = 2000;
    holder
        .ucan(&["inspect", &old.encode(&key(1))])
        .stdout_has("(expired)")
        .succeeds();
    let nothing = holder.ucan(&["inspect", "-", "--json"]).stdin("").exits(1);
    assert_eq!(nothing.json_error()["code"], "failed");
}

#[test]
fn keys_are_not_fetched_from_inside() {
    let holder = Holder::new();
    let token = UCANToken::new(
        "did:web:169.254.169.254",
        B,
        DelegationScope::default(),
        1_700_000_000,
        "n",
    );
    holder
        .ucan(&["verify", "-", "--audience", B, "--root", A])
        .stdin(token.encode(&key(1)))
        .stderr_has("not on the public internet")
        .exits(4);
}

#[test]
fn a_key_file_is_32_bytes_or_pem_and_nothing_else() {
    let holder = Holder::new();
    let home = holder.0.home();
    std::fs::write(home.join("long.key"), [1; 33]).unwrap();
    let issue = |file: &str| holder.ucan(&["issue", "--key", file, "--issuer", A, "--audience", B]);
    issue("long.key").stderr_has("33 bytes").exits(2);
    issue("nowhere.key").stderr_has("nowhere.key").exits(2);
    // RFC 8410, section 10.3: the seed of its example.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    std::fs::write(home.join("pem.key"), pem).unwrap();
    let token = issue("pem.key").succeeds().stdout;
    let rfc = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let named = format!("{A}={rfc}");
    holder
        .ucan(&["verify", "-", "--audience", B, "--key", &named])
        .stdin(token)
        .succeeds();
}
