//! Discovery: what an instance tells a peer of the others, what is made of that, and who learns nothing.

use kite::protocol::federation::{PeerKind, PeerStatus};
use kite::store::federation::{NewPeer, PeerUpdate};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::support::cli::Person;
use crate::support::eventually;
use crate::support::hooks::signature;
use crate::support::http::{Access, Answer, answer};
use crate::support::instance::flags;
use crate::support::peers::{Peer, fresh_token};
use crate::support::scripted::{Reply, Scripted};
use crate::support::server::Server;

const PEERS: &str = "/api/federation/peers";

/// Adds a peer to the owner's team; its id.
async fn add(at: &Server, id: &str, url: &str, tokens: [&str; 2], discovery: bool) -> String {
    let body = json!({
        "peer_instance_id": id,
        "name": format!("{id}, as we say"),
        "peer_hook_url": url,
        "outbound_token": tokens[0],
        "inbound_token": tokens[1],
        "discovery": discovery,
    });
    let made = at.owner().post(PEERS, body.to_string()).await.expect(201);
    assert_eq!(made["discovery"], discovery);
    made["id"].as_str().unwrap().to_owned()
}

fn hook(of: &Server) -> String {
    format!("{}/hooks/{}/kite", of.url(), of.owner().team)
}

/// Makes two servers peers with discovery on at both; the ids of each at the other.
async fn befriend(one: (&Server, &str), other: (&Server, &str)) -> [String; 2] {
    let [there, back] = [fresh_token(), fresh_token()];
    let first = add(one.0, other.1, &hook(other.0), [&there, &back], true).await;
    let second = add(other.0, one.1, &hook(one.0), [&back, &there], true).await;
    [first, second]
}

async fn set_discovery(at: &Server, peer: &str, is_on: bool) {
    let request = at
        .owner()
        .request(Method::PATCH, &format!("{PEERS}/{peer}"));
    let request = request.header(CONTENT_TYPE, "application/json");
    let change = json!({"discovery": is_on});
    let changed = answer(request.body(change.to_string())).await.expect(200);
    assert_eq!(changed["discovery"], is_on);
}

async fn discover(at: &Server) -> Value {
    let path = format!("{PEERS}/discover");
    at.owner().post(&path, "").await.expect(200)
}

#[tokio::test]
async fn an_instance_is_told_of_only_where_all_who_know_it_agree() {
    let (a, b, c) = (
        Server::start_with(&flags("kite-a")),
        Server::start_with(&flags("kite-b")),
        Server::start_with(&flags("kite-c")),
    );
    let [b_at_a, a_at_b] = befriend((&a, "kite-a"), (&b, "kite-b")).await;
    let [_, b_at_c] = befriend((&b, "kite-b"), (&c, "kite-c")).await;
    let peers = b.owner().get(PEERS).await.expect(200);
    let c_at_b = peers[1]["id"].as_str().unwrap().to_owned();
    let found = json!({
        "own_instance_id": "kite-a",
        "asked": 1,
        "instances": [{
            "instance_id": "kite-c",
            "url": c.url(),
            "known_by": ["kite-b, as we say"],
            "connected": false,
        }],
        "left_out": 0,
        "failures": [],
    });
    assert_eq!(discover(&a).await, found);
    // What C wants of B says nothing of whether B may tell of C: that is B's own peer.
    set_discovery(&c, &b_at_c, false).await;
    assert_eq!(discover(&a).await, found);

    set_discovery(&b, &c_at_b, false).await;
    let nobody = discover(&a).await;
    assert_eq!(
        (&nobody["instances"], &nobody["failures"]),
        (&json!([]), &json!([]))
    );

    set_discovery(&b, &c_at_b, true).await;
    set_discovery(&b, &a_at_b, false).await;
    let refused = discover(&a).await;
    assert_eq!(refused["instances"], json!([]));
    assert_eq!(refused["failures"][0]["peer"], "kite-b, as we say");
    let why = refused["failures"][0]["error"].as_str().unwrap();
    assert!(
        why.contains("(403)") && why.contains("not turned discovery on"),
        "{why}"
    );

    set_discovery(&b, &a_at_b, true).await;
    set_discovery(&a, &b_at_a, false).await;
    assert_eq!(discover(&a).await["asked"], 0, "it does not even ask");
    let one = json!({"peer_id": b_at_a}).to_string();
    let refused = a.owner().post(&format!("{PEERS}/discover"), one).await;
    refused.refused(422, "unprocessable");
    let why = refused.json["error"].as_str().unwrap();
    assert!(why.contains("--discovery on"), "{why}");

    set_discovery(&a, &b_at_a, true).await;
    befriend((&a, "kite-a"), (&c, "kite-c")).await;
    let known = discover(&a).await;
    assert_eq!(known["asked"], 2);
    let connected = &known["instances"][0];
    assert_eq!(
        (&connected["instance_id"], &connected["connected"]),
        (&json!("kite-c"), &json!(true))
    );
    assert_eq!(connected["known_by"], json!(["kite-b, as we say"]));
}

/// Asks as a peer asks.
async fn ask(peer: &Peer, token: &str) -> Answer {
    let path = format!("{}/discover", peer.path());
    let request = peer.access.bare(Method::POST, &path);
    let request = request
        .header("Authorization", format!("Bearer {token}"))
        .header("X-Kite-Signature", signature(token, b"{}"));
    answer(request.body("{}")).await
}

async fn asking(server: &Server, access: &Access, more: impl FnOnce(&mut NewPeer)) -> Peer {
    let with = |peer: &mut NewPeer| {
        peer.discovery = true;
        more(peer);
    };
    Peer::create_with(server, access, &fresh_token(), with).await
}

#[tokio::test]
async fn what_is_told_is_an_id_and_an_origin_and_of_active_instances_alone() {
    let server = Server::start_with(&["--instance-id", "kite-b"]);
    let owner = server.owner();
    let a = asking(&server, &owner, |_| {}).await;
    let c = asking(&server, &owner, |peer| {
        peer.name = "a name of our own".to_owned();
        peer.instance_id = "kite-c".to_owned();
        peer.hook_url = "https://c.example:8443/hooks/secret-team/kite?token=secret".to_owned();
    })
    .await;
    asking(&server, &owner, |peer| peer.kind = PeerKind::Paperclip).await;
    asking(&server, &owner, |peer| peer.discovery = false).await;
    let told = ask(&a, &a.token).await;
    assert_eq!(
        told.text,
        r#"{"instance_id":"kite-b","instances":[{"instance_id":"kite-c","url":"https://c.example:8443"}]}"#
    );
    for status in [PeerStatus::Paused, PeerStatus::Revoked, PeerStatus::Deleted] {
        c.set_status(status).await;
        let told = ask(&a, &a.token).await.expect(200);
        assert_eq!(told["instances"], json!([]), "{status:?}");
    }
}

#[tokio::test]
async fn who_is_no_active_peer_of_the_team_learns_nothing() {
    let server = Server::start();
    let (owner, rival) = (server.owner(), server.fresh_team("rival"));
    let secret = |peer: &mut NewPeer| peer.instance_id = "our-secret-friend".to_owned();
    asking(&server, &owner, secret).await;
    let a = asking(&server, &owner, |_| {}).await;
    let theirs = asking(&server, &rival, |_| {}).await;
    let told = ask(&theirs, &theirs.token).await.expect(200);
    assert_eq!(told["instances"], json!([]), "teams are walls");
    let refusals = [
        ask(&a, &theirs.token).await,
        ask(&theirs.at(&owner), &theirs.token).await,
        ask(&a, &fresh_token()).await,
        answer(
            owner
                .bare(Method::POST, &format!("{}/discover", a.path()))
                .body("{}"),
        )
        .await,
        {
            let path = format!("{}/discover", a.path());
            let unsigned = owner.bare(Method::POST, &path);
            let unsigned = unsigned.header("Authorization", format!("Bearer {}", a.token));
            answer(unsigned.body("{}")).await
        },
    ];
    for refused in refusals {
        refused.refused(401, "unauthorized");
        assert!(!refused.text.contains("our-secret-friend"));
    }
    a.set_status(PeerStatus::Paused).await;
    ask(&a, &a.token).await.refused(403, "forbidden");
    a.set_status(PeerStatus::Active).await;
    a.update(PeerUpdate {
        rate_limit_per_sec: Some(1),
        ..PeerUpdate::default()
    })
    .await;
    eventually("a question is one too many", async || {
        let answered = ask(&a, &a.token).await;
        (answered.status == 429).then_some(())
    })
    .await;
    let writer = server.key(&owner.team, "read,write");
    let path = format!("{PEERS}/discover");
    writer.post(&path, "").await.refused(403, "forbidden");
    let foreign = json!({"peer_id": theirs.record.id}).to_string();
    owner.post(&path, foreign).await.refused(404, "not_found");
}

const LIES: &str = r#"{"instance_id":"liar\u001b[2J","instances":[
    {"instance_id":"metadata","url":"http://169.254.169.254/latest"},
    {"instance_id":"clear","url":"http://c.example"},
    {"instance_id":"odd\u001b[2J","url":"https://odd.example"},
    {"instance_id":"kite-a","url":"https://elsewhere.example"},
    {"instance_id":"kite-d","url":"https://d.example/hooks/team/kite?token=secret"}]}"#;

#[tokio::test]
async fn what_a_peer_tells_is_believed_as_far_as_it_can_be_used() {
    let a = Server::start_with(&flags("kite-a"));
    let huge = format!(
        r#"{{"instance_id":"b","instances":[],"x":"{}"}}"#,
        "x".repeat(300_000)
    );
    let told = [
        ("liar", Reply::With(200, LIES)),
        ("mute", Reply::Lost),
        ("babbler", Reply::With(200, "<html>welcome</html>")),
        ("huge", Reply::With(200, huge.leak())),
        ("old", Reply::With(404, "nothing here")),
        ("mover", Reply::With(302, "")),
    ];
    for (id, reply) in told {
        let fake = Scripted::start(&[reply]);
        let url = format!("{}/hooks/t/kite", fake.url);
        add(&a, id, &url, [&fresh_token(), &fresh_token()], true).await;
    }
    let found = discover(&a).await;
    assert_eq!(found["asked"], 6);
    assert_eq!(
        found["instances"],
        json!([{
            "instance_id": "kite-d",
            "url": "https://d.example",
            "known_by": ["liar, as we say"],
            "connected": false,
        }])
    );
    let failures = found["failures"].as_array().unwrap();
    let why: Vec<&str> = failures
        .iter()
        .map(|it| it["error"].as_str().unwrap())
        .collect();
    assert_eq!(why.len(), 6, "{why:#?}");
    assert!(
        why[0].starts_with("3 of the instances that it told of cannot be used: "),
        "{why:#?}"
    );
    assert!(why[2].contains("cannot be read"), "{why:#?}");
    assert!(why[3].contains("more than there is room for"), "{why:#?}");
    assert!(why[4].contains("no discovery"), "{why:#?}");
    assert!(why[5].contains("(302)"), "{why:#?}");
    assert!(!found.to_string().contains("\\u001b"), "{found}");
}

#[test]
fn a_person_is_told_what_to_type_to_be_connected() {
    let start = |name| Server::start_with(&flags(name));
    let (a, b, c) = (start("kite-a"), start("kite-b"), start("kite-c"));
    let at = |server| Person::at(server);
    let (at_a, at_b) = (at(&a), at(&b));
    let peers =
        |person: &Person, args: &[&str]| person.kite(&[&["federation", "peers"], args].concat());
    peers(&at_a, &["discover"])
        .stdout("")
        .stderr_has("--discovery on")
        .succeeds();
    let token = || fresh_token();
    let [there, back] = [token(), token()];
    let add = |person: &Person, id: &str, url: &str, tokens: [&str; 2], more: &[&str]| {
        let tokens = format!("{}\n{}\n", tokens[0], tokens[1]);
        let add = [
            "add",
            "--instance-id",
            id,
            "--hook-url",
            url,
            "--outbound-token",
            "-",
            "--inbound-token",
            "-",
        ];
        peers(person, &[&add, more].concat())
            .stdin(tokens)
            .succeeds()
    };
    add(
        &at_a,
        "kite-b",
        &hook(&b),
        [&there, &back],
        &["--discovery"],
    );
    let shown = add(&at_b, "kite-a", &hook(&a), [&back, &there], &[]);
    assert!(shown.stdout.contains("discovery: off"), "{shown:#?}");
    add(
        &at_b,
        "kite-c",
        &hook(&c),
        [&token(), &token()],
        &["--discovery"],
    );
    peers(&at_a, &["discover"])
        .stderr_has("warning: kite-b: the peer does not tell (403)")
        .exits(1);
    peers(&at_b, &["update", "kite-a", "--discovery", "on"])
        .stdout_has("discovery: on")
        .succeeds();
    peers(&at_a, &["discover", "kite-b"])
        .stdout_has("kite-c")
        .stdout_has(c.url())
        .stderr_has("kite federation invite --name kite-a\n")
        .stderr_has("kite federation join - --name kite-c\n")
        .succeeds();
    let line = peers(&at_a, &["discover", "--json"])
        .stderr_lacks("invite")
        .succeeds();
    assert_eq!(line.json()["instance_id"], "kite-c");
    assert_eq!(line.json()["connected"], false);
    peers(&at_a, &["update", "kite-b", "--discovery", "maybe"])
        .stderr_has("`on` or `off`")
        .exits(2);
    peers(&at_a, &["update", "kite-b", "--discovery", "off"]).succeeds();
    peers(&at_a, &["discover", "kite-b"])
        .stderr_has("kite federation peers update kite-b --discovery on")
        .exits(1);
    peers(&at_a, &["discover", "nobody"]).exits(3);
}
