//! The verbs at real servers.

use serde_json::Value;

use crate::support::cli::{Kite, Person};
use crate::support::server::Server;
use crate::support::{PATIENCE, eventually, eventually_within};

fn openintent(person: &Person, args: &[&str]) -> Kite {
    person.kite(&[&["openintent"], args].concat())
}

fn json(person: &Person, args: &[&str]) -> Value {
    openintent(person, &[args, &["--json"]].concat())
        .succeeds()
        .json()
}

/// Waits until a server has taken so many intents.
async fn received(person: &Person, count: u64) {
    let what = format!("{count} intents are received");
    eventually(&what, async || {
        (json(person, &["status"])["total_received"] == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_goes_to_a_server_that_was_told_to_trust_also_after_a_new_key() {
    let (a, b) = (
        Server::start_on_files(&["--allow-insecure-peers"]),
        Server::start_on_files(&["--allow-insecure-peers"]),
    );
    let (at_a, at_b) = (Person::at(&a), Person::at(&b));
    let found = json(&at_a, &["discover", b.url()]);
    assert_eq!(found["proved"], true, "{found}");

    openintent(&at_b, &["trust", "add", a.url()]).succeeds();
    let send = |to: &Server| {
        let args = [
            "dispatch",
            "--to",
            to.url(),
            "--intent",
            "i",
            "--title",
            "t",
        ];
        let sent = json(&at_a, &args);
        assert_eq!(sent["status"], "accepted", "{sent}");
    };
    send(&b);
    received(&at_b, 1).await;
    assert_eq!(json(&at_a, &["status"])["total_dispatches"], 1);

    // The key of the running server is replaced beside it.
    let data_dir = a.data_dir();
    let rotate = [
        "identity",
        "rotate",
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    let keys = json(&at_a, &rotate);
    let newest = keys.as_array().unwrap().last().unwrap()["public_key"].clone();
    // A server holds a new key back for 10 s.
    eventually_within(4 * PATIENCE, "the new key is published", async || {
        let found = json(&at_b, &["discover", a.url()]);
        (found["manifest"]["public_key"] == newest).then_some(())
    })
    .await;
    let document = json(&at_a, &["identity", "show"]);
    assert_eq!(document["authentication"].as_array().unwrap().len(), 2);
    // Whoever has not asked for the keys before sees that the new one signs.
    let c = Server::start_with(&["--allow-insecure-peers"]);
    let at_c = Person::at(&c);
    openintent(&at_c, &["trust", "add", a.url()]).succeeds();
    send(&c);
    received(&at_c, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exported_key_signs_as_the_server() {
    let server = Server::start_on_files(&[]);
    let person = Person::at(&server);
    let data_dir = server.data_dir();
    let place = ["--data-dir", data_dir.to_str().unwrap()];
    let export = ["identity", "export", "--out", "server.key"];
    openintent(&person, &[&export[..], &place].concat()).succeeds();
    let signed = openintent(&person, &["envelope", "sign", "--key", "server.key"])
        .stdin(r#"{"dispatch_id":"d"}"#)
        .succeeds();
    openintent(&person, &["envelope", "verify", "--url", server.url()])
        .stdin(signed.stdout)
        .stdout_has("The signature is right")
        .succeeds();
}

#[test]
fn the_agents_of_the_file_are_listed_as_far_as_they_are_shown() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("kite.toml");
    let agents = |id: &str, visibility: &str| {
        format!("[[openintent.agents]]\nid = \"{id}\"\nvisibility = \"{visibility}\"\n")
    };
    let peer = "[[openintent.peers]]\nurl = \"https://known.example\"\n";
    let shown = [
        agents("open", "public"),
        agents("listed", "unlisted"),
        agents("own", "private"),
    ];
    std::fs::write(&path, format!("{}{peer}", shown.concat())).unwrap();
    let server = Server::start_with(&["--config", path.to_str().unwrap()]);
    let person = Person::at(&server);
    let ids = |more: &[&str]| {
        let ended = openintent(&person, &[&["agents", "--json"], more].concat()).succeeds();
        let id = |line| serde_json::from_str::<Value>(line).unwrap()["agent_id"].clone();
        ended.stdout.lines().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&[]), ["open"]);
    let mut known = ids(&["--source", "https://KNOWN.example/"]);
    known.sort_by_key(ToString::to_string);
    assert_eq!(known, ["listed", "open"]);
    assert_eq!(ids(&["--source", "https://other.example"]), ["open"]);
}

#[test]
fn a_server_that_takes_no_part_says_so() {
    let server = Server::start_with(&["--openintent=false"]);
    let person = Person::at(&server);
    openintent(&person, &["status"])
        .stdout_has("switched off")
        .succeeds();
    openintent(&person, &["discover", server.url()])
        .stderr_has("does not take part")
        .exits(3);
    openintent(
        &person,
        &["dispatch", "--to", "https://b.example", "--intent", "i"],
    )
    .stderr_has("does not take part")
    .exits(3);
}
