//! `kite federation` as a person and as a script meets it.

use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::scripted::Scripted;
use crate::support::server::Server;

const HOOK: &str = "https://b.invalid/hooks/b-team/kite";

const MUCH_LATER: i64 = 9_000_000_000_000;

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The objects of a list, one per line.
fn objects(stdout: &str) -> Vec<Value> {
    let object = |line| serde_json::from_str(line).unwrap();
    stdout.lines().map(object).collect()
}

/// What stands behind a name in what a person is shown.
fn fact(stdout: &str, name: &str) -> String {
    let mut facts = stdout
        .lines()
        .filter_map(|line| line.trim().split_once(": "));
    let found = facts.find(|(fact, _)| *fact == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {stdout}"))
        .1
        .to_owned()
}

#[test]
fn two_commands_connect_two_servers() {
    let (a, b) = (
        Server::start_with(&["--instance-id", "kite-a", "--allow-insecure-peers"]),
        Server::start_with(&["--instance-id", "kite-b", "--allow-insecure-peers"]),
    );
    let (at_a, at_b) = (Person::at(&a), Person::at(&b));
    let hook = format!("{}/hooks/{}/kite", b.url(), b.owner().team);
    let made = at_a
        .kite(&[
            "federation",
            "peers",
            "add",
            "--instance-id",
            "kite-b",
            "--hook-url",
            &hook,
            "--scope",
            "stripe.*,github.*",
        ])
        .stderr_has("shown only now")
        .succeeds();
    let (outbound, inbound) = (
        fact(&made.stdout, "outbound token"),
        fact(&made.stdout, "inbound token"),
    );
    assert!(!made.stderr.lines().any(|line| line.contains("error")));
    // What it says to type there is typed there, as it stands.
    let begin = made.stderr.find("printf ").unwrap();
    let end = made.stderr.find("then here:").unwrap();
    let typed = at_b.shell(made.stderr[begin..end].trim()).succeeds();
    assert_eq!(fact(&typed.stdout, "instance id"), "kite-a");
    for token in [&outbound, &inbound] {
        assert!(!typed.stdout.contains(token) && !typed.stderr.contains(token));
    }
    let there = objects(
        &at_b
            .kite(&["federation", "peers", "list", "--json"])
            .succeeds()
            .stdout,
    );
    let own_hook = format!("{}/hooks/{}/kite", a.url(), a.owner().team);
    assert_eq!(there[0]["peer_hook_url"], own_hook);
    assert_eq!(there[0]["scopes"], json!(["*"]));
    for (person, peer) in [(&at_a, "kite-b"), (&at_b, "kite-a")] {
        person
            .kite(&["federation", "peers", "test", peer])
            .stdout_has("took it")
            .succeeds();
        let wrong = [
            "federation",
            "peers",
            "update",
            peer,
            "--outbound-token",
            "-",
        ];
        person
            .kite(&wrong)
            .stdin("no-token-of-the-other-side")
            .succeeds();
        let refused = person.kite(&["federation", "peers", "test", peer, "--json"]);
        assert_eq!(refused.exits(1).json()["status_code"], 401);
    }
}

#[test]
fn a_peer_is_named_as_one_likes_and_goes_through_its_states() {
    let server = Server::start();
    let owner = Person::at(&server);
    let peers = |args: &[&str]| owner.kite(&[&["federation", "peers"], args].concat());
    peers(&["list"])
        .stdout("")
        .stderr_has("peers add")
        .succeeds();
    let made = peers(&[
        "add",
        "--name",
        "b",
        "--instance-id",
        "id-of-b",
        "--hook-url",
        HOOK,
        "--inbound-token",
        "-",
        "--json",
    ])
    .stdin("an-inbound-token-of-ours\n")
    .succeeds();
    assert!(!made.stderr.contains("printf"), "{made:#?}");
    let made = made.json();
    assert!(made["outbound_token"].is_string(), "{made}");
    assert!(made.get("inbound_token").is_none(), "{made}");
    let id = made["id"].as_str().unwrap();
    for named in ["b", "id-of-b", id] {
        let shown = peers(&["show", named, "--json"]).succeeds().json();
        assert_eq!(shown["id"], id);
    }
    let states = [
        ("pause", "Paused peer b", "paused"),
        ("resume", "Resumed peer b", "active"),
        ("revoke", "Revoked peer b", "revoked"),
        ("resume", "Resumed peer b", "active"),
    ];
    for (verb, words, status) in states {
        peers(&[verb, "b"]).stdout_has(words).succeeds();
        let shown = peers(&["show", "b"]).succeeds().stdout;
        assert_eq!(fact(&shown, "status"), status);
    }
    let changed = peers(&[
        "update",
        "b",
        "--name",
        "c",
        "--scope",
        "stripe.*",
        "--max-hops",
        "2",
        "--rate",
        "7",
        "--outbound-token",
        "-",
        "--inbound-token",
        "-",
        "--overlap",
        "1h",
        "--json",
    ])
    .stdin("another-outbound-token\nanother-inbound-token\n")
    .succeeds();
    let change = changed.json();
    assert_eq!(change["name"], "c");
    assert_eq!(change["scopes"], json!(["stripe.*"]));
    assert_eq!(
        (&change["max_hops"], &change["rate_limit_per_sec"]),
        (&json!(2), &json!(7))
    );
    for token in ["another-outbound", "another-inbound"] {
        assert!(!changed.stdout.contains(token) && !changed.stderr.contains(token));
    }
    peers(&["update", "c", "--inbound-token", "given-in-the-open"])
        .stderr_has("process list")
        .succeeds();
    let table = peers(&["list"]).succeeds().stdout;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("stripe.*"), "{table}");
    let removed = peers(&["remove", "c", "--json"]).succeeds().json();
    assert_eq!(removed["status"], "deleted");
    peers(&["show", "c"])
        .stdout("")
        .stderr_has("kite federation peers list")
        .exits(3);
}

#[test]
fn wrong_words_are_told_before_or_by_the_server() {
    let server = Server::start();
    let owner = Person::at(&server);
    let peers = |args: &[&str]| owner.kite(&[&["federation", "peers"], args].concat());
    peers(&["add", "--hook-url", HOOK]).exits(2);
    peers(&["add", "--name", "b"]).exits(2);
    let add = ["add", "--name", "b", "--hook-url", HOOK];
    let both = ["--outbound-token", "-", "--inbound-token", "-"];
    peers(&[&add[..], &both].concat())
        .stdin("only-one-of-two-tokens\n")
        .stderr_has("--inbound-token -")
        .exits(2);
    peers(&[&add[..], &["--max-hops", "17"]].concat())
        .stderr_has("`max_hops`")
        .exits(2);
    let inside = ["add", "--name", "b", "--hook-url", "http://127.0.0.1:1/x"];
    peers(&inside).stderr_has("--allow-insecure-peers").exits(2);
    peers(&add).succeeds();
    owner
        .kite(&["emit", "--type", "x.y", "--data", "1"])
        .succeeds();
    for verb in ["revoke", "remove"] {
        peers(&[verb, "b"])
            .stderr_has("1 in its outbox would never go")
            .stderr_has("`--yes`")
            .exits(2);
    }
    let twin = peers(&[&add[..], &["--json"]].concat()).exits(1);
    let twin = twin.json_error();
    assert!(twin["message"].as_str().unwrap().contains("409"), "{twin}");
    peers(&["update", "b"]).exits(2);
    peers(&["update", "b", "--overlap", "1m"]).exits(2);
    peers(&["pause", "nobody"]).exits(3);
    owner
        .kite(&["federation", "outbox", "list", "--peer", "nobody"])
        .exits(3);
    owner
        .kite(&["federation", "outbox", "list", "--status", "lost"])
        .stderr_has("pending")
        .exits(2);
    owner
        .kite(&["federation", "dead-letters", "replay"])
        .exits(2);
    owner
        .kite(&["federation", "dead-letters", "show", "x"])
        .exits(3);
    let write = Person::with(&server.key(&server.owner().team, "write"));
    write
        .kite(&["federation", "status"])
        .stdout("")
        .stderr_has("admin")
        .exits(4);
}

#[tokio::test]
async fn what_waits_and_what_was_given_up_is_listed_and_dealt_with() {
    let server = Server::start();
    let owner = Person::at(&server);
    let federation = |args: &[&str]| owner.kite(&[&["federation"], args].concat());
    let listed = |args: &[&str]| {
        let args = [args, &["--json"]].concat();
        objects(&federation(&args).succeeds().stdout)
    };
    federation(&["peers", "add", "--name", "b", "--hook-url", HOOK]).succeeds();
    federation(&["peers", "pause", "b"]).succeeds();
    for verb in [
        &["outbox", "list"][..],
        &["deliveries", "list"],
        &["dead-letters", "list"],
    ] {
        federation(verb).stdout("").succeeds();
    }
    for id in ["one", "two"] {
        owner
            .kite(&[
                "emit",
                "--type",
                "com.demo",
                "--id",
                id,
                "--data",
                "{\"a\": 1.0}",
            ])
            .succeeds();
    }
    let waiting = listed(&["outbox", "list", "--peer", "b", "--status", "pending"]);
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting[0]["event_id"], "one");
    let table = federation(&["outbox", "list", "--limit", "1"]).succeeds();
    assert_eq!(table.stdout.lines().count(), 2, "{table:#?}");
    let status = listed(&["status"]);
    assert_eq!(status[0]["peer"], "b");
    assert_eq!(status[0]["backlog"], 2);
    federation(&["status"]).stdout_has("paused").succeeds();

    let bury = async |count: usize| {
        let store = server.store().await;
        let expired = store.expire_rows(MUCH_LATER, MUCH_LATER, now(), 10);
        assert_eq!(expired.await.unwrap(), count);
    };
    bury(2).await;
    let dead = listed(&["dead-letters", "list", "--peer", "b"]);
    assert_eq!(dead.len(), 2);
    federation(&["dead-letters", "list"])
        .stdout_has("com.demo")
        .succeeds();
    let id = dead[0]["id"].as_str().unwrap();
    let shown = federation(&["dead-letters", "show", id]).succeeds().stdout;
    assert_eq!(fact(&shown, "peer"), "b");
    assert!(shown.contains("{\"a\": 1.0}"), "{shown}");
    let shown = federation(&["dead-letters", "show", id, "--json"])
        .succeeds()
        .json();
    assert_eq!(shown["event"]["id"], dead[0]["event_id"]);

    let letters = |args: &[&str]| federation(&[&["dead-letters"], args].concat());
    letters(&["replay", id]).stdout_has("due again").succeeds();
    letters(&["replay", id]).exits(3);
    let rest = letters(&["replay", "--peer", "b", "--json"]).succeeds();
    assert_eq!(rest.json()["status"], "pending");
    bury(2).await;
    letters(&["replay", "--all"])
        .stderr_has("replayed 2, failed 0, not tried 0")
        .succeeds();
    bury(2).await;
    letters(&["discard", id])
        .stdout_has("Discarded dead letter b:")
        .succeeds();
    letters(&["discard", id]).exits(3);
    assert_eq!(listed(&["dead-letters", "list"]).len(), 1);
    let gone = listed(&["outbox", "list", "--status", "discarded"]);
    assert_eq!(gone[0]["id"], id);
}

/// A server with a peer that takes nothing, and so many dead letters to it of each of two types.
async fn with_letters(count: usize) -> (Server, Person) {
    let server = Server::start();
    let owner = Person::at(&server);
    let federation = |args: &[&str]| owner.kite(&[&["federation"], args].concat());
    federation(&["peers", "add", "--name", "b", "--hook-url", HOOK]).succeeds();
    federation(&["peers", "pause", "b"]).succeeds();
    for (kind, name) in [("com.x", "x"), ("com.y", "y")] {
        for nth in 0..count {
            let id = format!("{name}{nth}");
            owner
                .kite(&["emit", "--type", kind, "--id", &id])
                .succeeds();
        }
    }
    let store = server.store().await;
    let expired = store.expire_rows(MUCH_LATER, MUCH_LATER, now(), 1000).await;
    assert_eq!(expired.unwrap(), 2 * count);
    (server, owner)
}

#[tokio::test]
async fn dead_letters_are_chosen_by_what_they_are_and_dealt_with_together() {
    let (_server, owner) = with_letters(2).await;
    let letters = |args: &[&str]| owner.kite(&[&["federation", "dead-letters"], args].concat());
    let listed = |args: &[&str]| {
        let args = [&["list", "--json"], args].concat();
        objects(&letters(&args).succeeds().stdout)
    };
    assert_eq!(listed(&["--type", "x"]).len(), 2);
    assert_eq!(listed(&["--type", "com.*", "--event", "y1"]).len(), 1);
    assert_eq!(listed(&["--since", "1h"]).len(), 4);
    assert_eq!(listed(&["--before", "1h"]).len(), 0);
    assert_eq!(listed(&["--error", "no such words"]).len(), 0);
    letters(&["list", "--type", "type:x"])
        .stderr_has("colon")
        .exits(2);

    for verb in ["replay", "discard"] {
        let dry = letters(&[verb, "--type", "x", "--dry-run"])
            .stdout_has(&format!("Would {verb} dead letter b:1 com.x\n"))
            .stderr_has(&format!("would {verb} 2"))
            .succeeds();
        assert_eq!(dry.stdout.lines().count(), 2);
        let dry = letters(&[verb, "b:1", "b:77", "--dry-run", "--json"]).exits(7);
        assert_eq!(objects(&dry.stdout)[0]["event_id"], "x0");
        assert!(objects(&dry.stdout)[0].get("event").is_none());
        assert_eq!(listed(&[]).len(), 4, "a dry run changes nothing");
        letters(&[verb, "b:1", "--all"]).exits(2);
        letters(&[verb, "b:1", "--type", "x"]).exits(2);
        letters(&[verb]).exits(2);
        letters(&[verb, "--type", "z", "--dry-run"])
            .stdout("")
            .stderr_has("no such")
            .succeeds();
        letters(&[verb, "-"])
            .stdin("{\"no\":\"id\"}\n")
            .stderr_has("line 1")
            .exits(2);
    }
}

#[tokio::test]
async fn what_a_list_prints_is_what_a_replay_reads() {
    let (_server, owner) = with_letters(2).await;
    let letters = |args: &[&str]| owner.kite(&[&["federation", "dead-letters"], args].concat());
    owner
        .shell("kite federation dead-letters list --json --type x | kite federation dead-letters replay - --json")
        .stderr_has("\"replayed\":2")
        .succeeds();
    let left = letters(&["list", "--json"]).succeeds().stdout;
    assert_eq!(objects(&left).len(), 2);
    // One that is gone, one that is none, one that is there, and that one again.
    let some = letters(&["replay", "-", "b:3"])
        .stdin("b:1\nnothing\nb:3\n")
        .stdout("Dead letter b:3 is due again\n")
        .stderr_has("b:1: there is no dead letter")
        .stderr_has("`nothing`")
        .stderr_has("replayed 1, failed 2, not tried 0")
        .exits(7);
    assert!(!some.stderr.contains("b:3"), "{some:#?}");
    letters(&["replay", "b:1", "b:2"]).stdout("").exits(1);
    letters(&["replay", "b:1"]).stdout("").exits(3);
    letters(&["discard", "--all"])
        .stdout("")
        .stderr_has("--yes")
        .exits(2);
    assert_eq!(
        objects(&letters(&["list", "--json"]).succeeds().stdout).len(),
        1
    );
    letters(&["discard", "--all", "--yes"])
        .stdout("Discarded dead letter b:4\n")
        .stderr_has("discarded 1")
        .succeeds();
    letters(&["list"]).stdout("").succeeds();
}

#[tokio::test]
async fn more_letters_than_a_page_has_are_all_replayed() {
    let server = Server::start();
    let owner = Person::at(&server);
    let federation = |args: &[&str]| owner.kite(&[&["federation"], args].concat());
    federation(&["peers", "add", "--name", "b", "--hook-url", HOOK]).succeeds();
    federation(&["peers", "pause", "b"]).succeeds();
    let events: Vec<Value> = (0..2005)
        .map(|n| json!({"specversion": "1.0", "type": "t", "source": "s", "id": n.to_string()}))
        .collect();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    owner
        .kite(&["emit", "--batch", "-"])
        .stdin(lines)
        .succeeds();
    let store = server.store().await;
    while store
        .expire_rows(MUCH_LATER, MUCH_LATER, now(), 1000)
        .await
        .unwrap()
        > 0
    {}
    federation(&["dead-letters", "replay", "--peer", "b"])
        .stderr_has("replayed 2005, failed 0")
        .succeeds();
    let status = federation(&["status", "--json"]).succeeds().json();
    assert_eq!(
        (&status["backlog"], &status["dead_letters"]),
        (&json!(2005), &json!(0))
    );
}

#[test]
fn a_watch_tells_a_backlog_that_grows_until_it_is_interrupted() {
    let server = Server::start();
    let owner = Person::at(&server);
    let federation = |args: &[&str]| owner.kite(&[&["federation"], args].concat());
    federation(&["peers", "add", "--name", "b", "--hook-url", HOOK]).succeeds();
    federation(&["peers", "pause", "b"]).succeeds();
    let mut watch = federation(&["status", "--watch", "--interval", "1s", "--json"]).start();
    let mut look = || serde_json::from_str::<Value>(&watch.line()).unwrap();
    let first = look();
    assert_eq!(
        (&first["peer"], &first["backlog"]),
        (&json!("b"), &json!(0))
    );
    assert_eq!(first["backlog_per_sec"], Value::Null);
    owner.kite(&["emit", "--type", "t"]).succeeds();
    let grown = std::iter::repeat_with(&mut look)
        .find(|seen| seen["backlog"] == 1)
        .unwrap();
    assert!(grown["backlog_per_sec"].as_f64().unwrap() > 0.0, "{grown}");
    watch.signal("INT");
    assert_eq!(watch.end().code, Some(130));
    let mut plain = federation(&["status", "--watch"]).start();
    assert!(plain.line().contains(" b paused backlog 1 (-), dead 0"));
    plain.signal("INT");
    assert_eq!(plain.end().code, Some(130));
    federation(&["status", "--watch", "--interval", "0s"]).exits(2);
    federation(&["status", "--interval", "5s"]).exits(2);
}

#[test]
fn a_token_goes_from_one_command_into_another() {
    let server = Server::start();
    let owner = Person::at(&server);
    let federation = |args: &[&str]| owner.kite(&[&["federation"], args].concat());
    federation(&["peers", "add", "--name", "b", "--hook-url", HOOK]).succeeds();
    let made = federation(&["tokens", "create", "--label", "for b", "--json"])
        .stderr_has("shown only now")
        .succeeds()
        .json();
    let token = made["token"].as_str().unwrap();
    federation(&["peers", "update", "b", "--inbound-token", "-"])
        .stdin(token)
        .succeeds();
    let shown = federation(&["tokens", "create", "--label", "x"]).succeeds();
    assert!(fact(&shown.stdout, "token").starts_with("kfd_"));
    let listed = federation(&["tokens", "list", "--json"]).succeeds().stdout;
    assert!(!listed.contains(token), "{listed}");
    assert_eq!(objects(&listed)[0]["label"], "for b");
    let id = made["id"].as_str().unwrap();
    federation(&["tokens", "revoke", id])
        .stdout_has("for b")
        .stderr_has("keep it")
        .succeeds();
    federation(&["tokens", "revoke", id]).exits(3);
    federation(&["tokens", "list"])
        .stdout_lacks("for b")
        .succeeds();
}

#[test]
fn a_server_without_federation_is_told_as_one() {
    let verbs: [&[&str]; 7] = [
        &["status"],
        &["peers", "list"],
        &["peers", "add", "--name", "b", "--hook-url", HOOK],
        &["tokens", "list"],
        &["outbox", "list"],
        &["deliveries", "list"],
        &["dead-letters", "replay", "--peer", "b"],
    ];
    // It answers everything with 404.
    let (person, server) = (Person::new(), Scripted::start(&[]));
    for verb in verbs {
        person
            .kite(&[&["federation"], verb].concat())
            .env("KITE_SERVER", &server.url)
            .env(
                "KITE_API_KEY",
                "kite_00000000_00000000000000000000000000000000",
            )
            .stdout("")
            .stderr_has("does not manage other instances")
            .stderr_has("`kite serve`")
            .exits(3);
    }
}
