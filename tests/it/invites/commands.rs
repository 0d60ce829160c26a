//! The commands, as a person and as a script meets them.

use serde_json::{Value, json};

use super::{JOIN, arrives, code, connect, emit, invited, open, opened, peers};
use crate::support::cli::Person;
use crate::support::scripted::{Reply, Scripted};
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_commands_connect_two_servers_and_events_flow_both_ways() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (Person::at(&a), Person::at(&b));
    let made = at_a
        .kite(&["federation", "invite", "--name", "bee", "--expires", "1h"])
        .stderr_has("kite federation join -")
        .stderr_has(&format!("this code carries {},", a.url()))
        .stderr_has("--public-url")
        .succeeds();
    // The code is all that a pipe gets.
    let code = made.stdout.strip_suffix('\n').unwrap();
    assert!(code.starts_with("kinv_") && !code.contains(char::is_whitespace));
    let joined = at_b
        .kite(&["federation", "join", "-", "--name", "ay"])
        .stdin(made.stdout.clone())
        .stdout_has("Connected with peer ay")
        .stdout_has("instance id: kite-a")
        .stdout_has(&opened(code).fingerprint)
        .stdout_has("to the peer: works (200, ")
        .stdout_has("from the peer: works (200, ")
        .stderr_has("kite agent send --to AGENT@ay")
        .succeeds();
    assert!(!joined.stdout.contains(code) && !joined.stderr.contains(code));
    for (person, peer, id) in [(&at_a, "bee", "kite-b"), (&at_b, "ay", "kite-a")] {
        person
            .kite(&["federation", "peers", "show", peer])
            .stdout_has(&format!("instance id: {id}"))
            .stdout_has("identity: SHA256:")
            .stdout_has("discovery: off")
            .succeeds();
        person
            .kite(&["federation", "peers", "test", peer])
            .succeeds();
    }
    for (from, to, id) in [(&a, &b, "from-a"), (&b, &a, "from-b")] {
        emit(&from.owner(), id).await;
        arrives(&to.owner(), id).await;
    }
    let listed = at_a.kite(&["federation", "invites", "list"]);
    let listed = listed.stdout_has("bee").succeeds();
    assert!(!listed.stdout.contains(code));
}

#[test]
fn scopes_bind_both_directions_and_are_told() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (Person::at(&a), Person::at(&b));
    let scopes = [
        "federation",
        "invite",
        "--scopes",
        "stripe.*,github.*",
        "--scope",
        "x",
        "--json",
    ];
    let made = at_a.kite(&scopes).succeeds().json();
    assert_eq!(made["scopes"], json!(["stripe.*", "github.*", "x"]));
    let code = made["code"].as_str().unwrap();
    let joined = at_b
        .kite(&["federation", "join", code, "--json"])
        .stderr_has("process list")
        .succeeds()
        .json();
    assert_eq!(joined["renewed"], false);
    assert_eq!(joined["peer"]["scopes"], made["scopes"]);
    let there = at_a.kite(&["federation", "peers", "show", "kite-b", "--json"]);
    assert_eq!(there.succeeds().json()["scopes"], made["scopes"]);
}

#[test]
fn an_invitation_is_listed_and_taken_back() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let (at_a, at_b) = (Person::at(&a), Person::at(&b));
    let invites = |args: &[&str]| at_a.kite(&[&["federation", "invites"], args].concat());
    invites(&["list"])
        .stdout("")
        .stderr_has("kite federation invite")
        .succeeds();
    let made = at_a
        .kite(&["federation", "invite", "--json"])
        .succeeds()
        .json();
    let (id, code) = (made["id"].as_str().unwrap(), made["code"].as_str().unwrap());
    let listed = invites(&["list", "--json"]).succeeds().json();
    assert_eq!(listed["id"], id);
    assert_eq!(listed["redeemed_at"], Value::Null);
    assert!(!listed.to_string().contains(code));
    invites(&["revoke", id]).stdout_has(id).succeeds();
    invites(&["revoke", id]).exits(3);
    let refused = at_b
        .kite(&["federation", "join", "-", "--json"])
        .stdin(code)
        .stdout("")
        .exits(3);
    let error = refused.json_error();
    assert!(
        error["message"].as_str().unwrap().contains("taken back"),
        "{error}"
    );
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .contains("kite federation invite")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_said_with_a_remedy_and_an_exit_code() {
    let (a, b) = (open("kite-a"), open("kite-b"));
    let at_b = Person::at(&b);
    let good = code(&a.owner()).await;
    let cut = &good[..good.len() - 3];
    // Nobody listens at the second, and the third is no kite.
    let mut nobody = opened(&good);
    nobody.url = "http://127.0.0.1:1".parse().unwrap();
    let mut other = opened(&good);
    other.url = Scripted::start(&[Reply::With(200, "<html>")])
        .url
        .parse()
        .unwrap();
    let mut inside = opened(&good);
    inside.url = "http://10.0.0.7".parse().unwrap();
    let expired = invited(&a.owner(), json!({})).await;
    let id = expired["id"].as_str().unwrap();
    a.sql(&format!(
        "UPDATE invites SET expires_at = 1 WHERE id = '{id}' RETURNING id"
    ));
    let own = code(&b.owner()).await;
    for (code, exit, words, hint) in [
        ("no-such-code", 2, "no invitation", "whole code"),
        (cut, 2, "damaged", "whole code"),
        (
            nobody.to_code().as_str(),
            5,
            "cannot be asked",
            "reached from this server",
        ),
        (
            other.to_code().as_str(),
            1,
            "knows nothing of invitations",
            "peers add",
        ),
        (
            inside.to_code().as_str(),
            4,
            "--allow-private-networks",
            "--public-url",
        ),
        (
            expired["code"].as_str().unwrap(),
            1,
            "expired",
            "kite federation invite",
        ),
        (own.as_str(), 1, "this instance itself", ""),
    ] {
        let ended = at_b
            .kite(&["federation", "join", "-"])
            .stdin(code)
            .stdout("")
            .stderr_has(words)
            .stderr_has(hint)
            .exits(exit);
        assert!(!ended.stderr.contains(code), "{ended:#?}");
    }
    assert!(peers(&a.owner()).await.is_empty());
    assert!(peers(&b.owner()).await.is_empty());
}

#[test]
fn who_cannot_be_reached_is_told_that_one_way_works() {
    let (a, b) = (
        open("kite-a"),
        Server::start_with(&[
            "--instance-id",
            "kite-b",
            "--allow-insecure-peers",
            "--public-url",
            "http://127.0.0.1:1",
        ]),
    );
    let made = Person::at(&a).kite(&["federation", "invite"]).succeeds();
    let joined = Person::at(&b)
        .kite(&["federation", "join", "-"])
        .stdin(made.stdout)
        .stdout_has("Connected with peer kite-a")
        .stdout_has("to the peer: works (200")
        .stdout_has("from the peer: does not work: no connection")
        .stderr_has("the peer cannot post here")
        .stderr_has("--public-url")
        .exits(7);
    assert!(!joined.stderr.contains("next:"), "{joined:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_another_peer_has_is_refused_before_anything_is_redeemed() {
    let (a, b, c) = (open("kite-a"), open("kite-b"), open("kite-c"));
    connect(&a.owner(), &b.owner()).await;
    let code = code(&c.owner()).await;
    let named = json!({"code": code, "name": "kite-a"}).to_string();
    b.owner().post(JOIN, named).await.refused(409, "conflict");
    assert!(peers(&c.owner()).await.is_empty());
    Person::at(&b)
        .kite(&["federation", "join", "-", "--name", "sea"])
        .stdin(code)
        .stdout_has("peer sea")
        .succeeds();
}

#[test]
fn a_server_without_invitations_is_told_as_one() {
    let code = {
        let a = open("kite-a");
        Person::at(&a)
            .kite(&["federation", "invite"])
            .succeeds()
            .stdout
    };
    let (person, server) = (Person::new(), Scripted::start(&[]));
    let verbs: [&[&str]; 3] = [&["invite"], &["invites", "list"], &["join", "-"]];
    for verb in verbs {
        person
            .kite(&[&["federation"], verb].concat())
            .env("KITE_SERVER", &server.url)
            .env(
                "KITE_API_KEY",
                "kite_00000000_00000000000000000000000000000000",
            )
            .stdin(code.clone())
            .stdout("")
            .stderr_has("does not manage other instances")
            .exits(3);
    }
}
