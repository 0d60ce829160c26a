//! `POST /hooks/{team}/kite`: what peers send, and who else might like to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kite::protocol::federation::PeerStatus;
use kite::store::federation::PeerUpdate;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::chance::Dice;
use crate::support::hooks::{Endpoint, signature};
use crate::support::http::{Access, answer};
use crate::support::peers::{Peer, forwarded, fresh_token};
use crate::support::postgres::Cluster;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::{PATIENCE, eventually};

/// How large a body may be.
const MAX_BODY_BYTES: usize = 40 * 1024 * 1024;

async fn ids(access: &Access) -> Vec<String> {
    let log = access.log().await.into_iter();
    log.map(|listed| listed["event"]["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_a_peer_sends_is_stored_under_the_servers_own_marks_and_heard() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let (mut listener, _) = Socket::connect(&team, &["source:kite"], "listener").await;
    let mut event = forwarded("e-1");
    event["kiteseq"] = 99.into();
    event["kitetoinstance"] = "somebody".into();
    event["kitefedhops"] = "1".into();
    let answered = peer.send(&event).await;
    assert_eq!(answered.headers["x-kite-event-id"], "e-1");
    let accepted = answered.expect(202);
    assert_eq!(accepted["usage"]["events_used"], 1);
    let heard = &listener.next_event().await["event"];
    assert_eq!(heard["kiteseq"], 1);
    assert_eq!(heard["kitesource"], "kite");
    assert_eq!(heard["kiteverified"], true);
    assert_eq!(heard["kitefedhops"], 1);
    assert_eq!(heard["kitefedchain"], r#"["elsewhere"]"#);
    assert_eq!(heard["data"], json!({"n": 1}));
    assert_eq!(heard.get("kitetoinstance"), None);
}

#[tokio::test]
async fn an_agents_message_from_another_instance_reaches_its_receiver() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let (mut receiver, _) = Socket::connect(&team, &["agent_to:alpha"], "alpha").await;
    let (mut other, _) = Socket::connect(&team, &["agent_to:beta"], "beta").await;
    let mut message = forwarded("m-1");
    message["type"] = "com.kite.agent.message".into();
    message["source"] = "https://getkite.sh/agents/x".into();
    message["data"] = json!({"from": "x", "to": "alpha", "body": "hi"});
    peer.send(&message).await.expect(202);
    let heard = &receiver.next_event().await["event"];
    assert_eq!(heard["data"], message["data"]);
    assert_eq!(heard["source"], message["source"]);
    other.expect_none().await;

    // What another instance says of its quota would be taken for this one's.
    let mut quota = forwarded("q-1");
    quota["type"] = "kite.subscription.quota_exhausted".into();
    peer.send(&quota).await.refused(400, "bad_request");
}

#[tokio::test]
async fn a_request_that_comes_again_and_an_event_that_is_known_are_duplicates() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let body = forwarded("e-1").to_string();
    peer.post(body.clone()).await.expect(202);
    let again = peer.post(body).await.expect(200);
    assert_eq!(
        again,
        json!({"status": "duplicate_ignored", "id": "e-1"}),
        "a request that somebody recorded"
    );

    // Whoever leaves this instance out of the chain brings back what it knows by name.
    let own = json!({"id": "e-2", "source": "https://own.example", "type": "t"});
    team.emit(&own).await.expect(202);
    Endpoint::github(&team)
        .await
        .push("d-1", "{}")
        .await
        .expect(202);
    for listed in team.log().await {
        let mut lie = listed["event"].clone();
        lie["kitefedchain"] = r#"["liar"]"#.into();
        let known = peer.send(&lie).await.expect(200);
        assert_eq!(known["status"], "duplicate_ignored", "{lie}");
    }
    assert_eq!(team.log().await.len(), 3);
}

#[tokio::test]
async fn an_event_that_comes_home_or_from_too_far_is_dropped_and_recorded() {
    let server = Server::start_with(&["--instance-id", "home"]);
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let dropped = async |event: &Value| {
        let answer = peer.send(event).await.expect(200);
        assert_eq!(answer, json!({"status": "loop_dropped", "id": event["id"]}));
    };
    let mut event = forwarded("home-1");
    event["kitefedorigin"] = "home".into();
    dropped(&event).await;
    let mut event = forwarded("home-2");
    event["kitefedchain"] = r#"["home","elsewhere"]"#.into();
    dropped(&event).await;

    for max_hops in 1..=16 {
        peer.update(PeerUpdate {
            max_hops: Some(max_hops),
            ..PeerUpdate::default()
        })
        .await;
        let mut event = forwarded(&format!("near-{max_hops}"));
        event["kitefedhops"] = max_hops.into();
        peer.send(&event).await.expect(202);
        let mut event = forwarded(&format!("far-{max_hops}"));
        event["kitefedhops"] = (max_hops + 1).into();
        dropped(&event).await;
        // Whoever does not count is counted.
        let chain = (0..=max_hops).map(|n| format!("i{n}"));
        let chain = serde_json::to_string(&chain.collect::<Vec<_>>()).unwrap();
        let mut event = forwarded(&format!("long-{max_hops}"));
        event["kitefedchain"] = chain.into();
        dropped(&event).await;
    }
    assert_eq!(team.log().await.len(), 16);
    let mut drops = peer.drops().await;
    drops.reverse();
    assert_eq!(drops.len(), 2 + 2 * 16);
    assert_eq!(drops[0].0, "home-1");
    assert!(drops[0].1.contains("`home` is in its chain"), "{drops:?}");
    let far = &drops[2];
    assert_eq!(far.0, "far-1");
    assert!(
        far.1.contains("forwarded 2 times; 1 is the limit"),
        "{far:?}"
    );
}

#[tokio::test]
async fn a_token_opens_the_door_of_its_own_team_alone() {
    let server = Server::start();
    let (acme, rival) = (server.fresh_team("acme"), server.fresh_team("rival"));
    let [of_acme, of_rival] = [
        Peer::create(&server, &acme).await,
        Peer::create(&server, &rival).await,
    ];
    let body = forwarded("e-1").to_string();
    let mut refusals = Vec::new();
    for token in [
        of_rival.token.clone(),
        fresh_token(),
        acme.key.clone(),
        "short".to_owned(),
    ] {
        refusals.push(of_acme.post_with(&token, body.clone()).await);
    }
    for nowhere in [acme.with_team("nobody"), acme.with_team("No%20Team!")] {
        let stranger = of_acme.at(&nowhere);
        refusals.push(stranger.post(body.clone()).await);
    }
    let bare = acme.bare(Method::POST, &of_acme.path());
    refusals.push(answer(bare.body(body.clone())).await);
    for refusal in &refusals {
        refusal.refused(401, "unauthorized");
        assert_eq!(refusal.text, refusals[0].text, "they tell nothing apart");
    }
    assert!(acme.log().await.is_empty());

    // The same event is new to each of them, and the same token may be given to two teams.
    of_acme.post(body.clone()).await.expect(202);
    of_rival.post(body.clone()).await.expect(202);
    let twin = Peer::create_with(&server, &rival, &of_acme.token, |_| {}).await;
    let second = forwarded("e-2").to_string();
    twin.post(second).await.expect(202);
    assert_eq!(ids(&acme).await, ["e-1"]);
    assert_eq!(ids(&rival).await, ["e-1", "e-2"]);
}

#[tokio::test]
async fn only_who_shows_the_token_and_has_signed_learns_how_the_peer_stands() {
    let server = Server::start();
    let peer = Peer::create(&server, &server.owner()).await;
    let body = forwarded("e-1").to_string();
    let right = signature(&peer.token, body.as_bytes());
    for status in [PeerStatus::Paused, PeerStatus::Revoked, PeerStatus::Active] {
        peer.set_status(status).await;
        let other = fresh_token();
        peer.post_with(&other, body.clone())
            .await
            .refused(401, "unauthorized");
        for wrong in [
            signature(&peer.token, b"another body"),
            signature(&other, body.as_bytes()),
            right.replace("sha256=", ""),
            right.replace("sha256=", "sha1="),
            String::new(),
        ] {
            let request = peer.request(&peer.token, &wrong);
            let refused = answer(request.body(body.clone())).await;
            refused.refused(401, "unauthorized");
        }
        let twice = peer.request(&peer.token, &right);
        let twice = twice.header("X-Kite-Signature", &right);
        let refused = answer(twice.body(body.clone())).await;
        refused.refused(401, "unauthorized");
        if status != PeerStatus::Active {
            let refused = peer.post(body.clone()).await;
            refused.refused(403, "forbidden");
            assert!(refused.text.contains(status.word()), "{refused:?}");
        }
    }
    assert!(peer.access.log().await.is_empty());
    peer.post(body).await.expect(202);
}

#[tokio::test]
async fn a_replaced_token_opens_until_the_overlap_is_over() {
    let server = Server::start();
    let peer = Peer::create(&server, &server.owner()).await;
    let first = peer.token.clone();
    let mut number = 0;
    let mut status = async |token: &str| {
        number += 1;
        let body = forwarded(&format!("e-{number}")).to_string();
        peer.post_with(token, body).await.status
    };
    let (update, second) = peer.replacement(60_000).await;
    peer.update(update).await;
    assert_eq!((status(&first).await, status(&second).await), (202, 202));

    // One overlap at a time: the first is over with the next.
    let (update, third) = peer.replacement(60_000).await;
    peer.update(update).await;
    assert_eq!(status(&first).await, 401);
    assert_eq!((status(&second).await, status(&third).await), (202, 202));

    let (update, fourth) = peer.replacement(1_000).await;
    peer.update(update).await;
    eventually("the overlap is over", async || {
        let body = forwarded("late").to_string();
        let answered = peer.post_with(&third, body).await;
        (answered.status == 401).then_some(())
    })
    .await;
    assert_eq!((status(&second).await, status(&fourth).await), (401, 202));
}

/// Changes a peer so that its posts are not taken any more.
async fn shut_out(team: &Access, peer: &Peer, how: &str) {
    let (method, body) = match how {
        "deleted" => (Method::DELETE, Value::Null),
        "replaced" => (
            Method::PATCH,
            json!({"inbound_token": fresh_token(), "overlap_secs": 0}),
        ),
        status => (Method::PATCH, json!({"status": status})),
    };
    let path = format!("/api/federation/peers/{}", peer.record.id);
    let request = team.request(method, &path);
    let request = request.header("Content-Type", "application/json");
    answer(request.body(body.to_string())).await.expect(200);
}

/// Changes a peer at one server while it posts to the other, which may be the same.
async fn nothing_is_taken_after_the_change(changed: &Server, posted_to: &Server) {
    const SENDERS: usize = 8;
    for how in ["revoked", "paused", "deleted", "replaced"] {
        let team = changed.fresh_team(how);
        let peer = Peer::create(changed, &team).await;
        let door = posted_to.owner();
        let door = Access::new(&door.url, &door.ws_url, &team.team, &team.key);
        let peer = Arc::new(peer.at(&door));
        let taken = Arc::new(AtomicUsize::new(0));
        let over = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let (peer, taken, over) = (peer.clone(), taken.clone(), over.clone());
            senders.spawn(async move {
                let mut after = 0;
                for n in 0.. {
                    let was_over = over.load(Ordering::SeqCst);
                    let answered = peer.send(&forwarded(&format!("{sender}-{n}"))).await;
                    match answered.status {
                        202 => {
                            assert!(!was_over, "it was taken after the change: {answered:?}");
                            taken.fetch_add(1, Ordering::SeqCst);
                        }
                        // So many failures make the address wait.
                        status => {
                            assert!([401, 403, 429].contains(&status), "{answered:?}");
                            after += usize::from(was_over);
                        }
                    }
                    if after == 10 {
                        return;
                    }
                }
            });
        }
        eventually("they are under way", async || {
            (taken.load(Ordering::SeqCst) > 50).then_some(())
        })
        .await;
        shut_out(&team, &peer, how).await;
        let stored = peer.store.bounds(peer.record.team.clone()).await.unwrap();
        over.store(true, Ordering::SeqCst);
        while let Some(ended) = senders.join_next().await {
            ended.unwrap();
        }
        // Neither what was sent later nor what was under way.
        let later = peer.store.bounds(peer.record.team.clone()).await.unwrap();
        assert_eq!(later.last, stored.last, "{how}");
        assert_eq!(later.last as usize, taken.load(Ordering::SeqCst), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_shut_out_under_load_brings_nothing_in_afterwards() {
    let server = Server::start_on_files(&[]);
    nothing_is_taken_after_the_change(&server, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_shut_out_under_load_brings_nothing_in_afterwards_on_postgres() {
    let server = Server::start_on(&Cluster::shared().database());
    nothing_is_taken_after_the_change(&server, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_shut_out_at_one_node_brings_nothing_in_by_another() {
    let first = Server::start_on(&Cluster::shared().database());
    let second = first.another_node();
    nothing_is_taken_after_the_change(&first, &second).await;
}

#[tokio::test]
async fn a_peer_sends_no_faster_than_it_may() {
    let server = Server::start();
    let peer = Peer::create_with(&server, &server.owner(), &fresh_token(), |new| {
        new.rate_limit_per_sec = 1;
    })
    .await;
    peer.send(&forwarded("e-0")).await.expect(202);
    let peer = Arc::new(peer);
    let mut posts = JoinSet::new();
    for n in 1..=30 {
        let peer = peer.clone();
        posts.spawn(async move { peer.send(&forwarded(&format!("e-{n}"))).await });
    }
    let answers = posts.join_all().await;
    let refused = answers.iter().find(|answer| answer.status == 429);
    let refused = refused.expect("thirty at a time are too many");
    refused.refused(429, "rate_limited");
    assert_eq!(refused.json["retry_after_secs"], 1);
    assert_eq!(refused.headers["retry-after"], "1");
    eventually("another second has come", async || {
        (peer.send(&forwarded("late")).await.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_address_that_guesses_tokens_is_told_to_wait_and_a_right_one_still_passes() {
    let server = Server::start();
    let peer = Peer::create(&server, &server.owner()).await;
    eventually("it is told to wait", async || {
        let guess = peer.post_with(&fresh_token(), "{}").await;
        (guess.status == 429).then_some(())
    })
    .await;
    peer.send(&forwarded("e-1")).await.expect(202);
}

#[tokio::test]
async fn the_path_takes_posts_alone_and_no_token() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let refused = answer(team.bare(method, &peer.path())).await;
        refused.refused(405, "method_not_allowed");
    }
    let body = forwarded("e-1").to_string();
    let signature = signature(&peer.token, body.as_bytes());
    let with_token = format!("{}/{}", peer.path(), peer.token);
    let request = team.bare(Method::POST, &with_token);
    let request = request
        .header("X-Kite-Signature", &signature)
        .header("Content-Type", "application/cloudevents+json");
    let refused = answer(request.body(body)).await;
    refused.refused(401, "unauthorized");
}

#[tokio::test]
async fn what_is_no_single_structured_event_is_400() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let post = async |content_type: &str, body: String| {
        let signature = signature(&peer.token, body.as_bytes());
        let mut request = team
            .bare(Method::POST, &peer.path())
            .header("Authorization", format!("Bearer {}", peer.token))
            .header("X-Kite-Signature", signature)
            .header("ce-specversion", "1.0")
            .header("ce-type", "t");
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type);
        }
        answer(request.body(body)).await
    };
    let event = forwarded("e-1").to_string();
    for content_type in [
        "",
        "application/json",
        "text/plain",
        "application/cloudevents+xml",
    ] {
        let refused = post(content_type, event.clone()).await;
        refused.refused(400, "bad_request");
    }
    let batch = post("application/cloudevents-batch+json", format!("[{event}]")).await;
    batch.refused(400, "bad_request");
    let with_charset = "application/cloudevents+json; charset=utf-8";
    post(with_charset, event).await.expect(202);
}

/// Texts that break an event, put into one or in place of its parts.
const STRANGE: [&str; 14] = [
    "\"",
    "{",
    "]",
    ",",
    "\\",
    "\u{0}",
    "1e400",
    "\\ud800",
    "null",
    "-1",
    "[[",
    "kitefedchain",
    "99999999999999999999",
    "\u{feff}é",
];

#[tokio::test]
async fn no_body_is_too_strange_for_a_refusal() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let mut dice = Dice::new();
    let mut below = |bound: usize| usize::try_from(dice.below(bound as u64)).unwrap();
    let mut accepted = 0;
    for n in 0..400 {
        let mut body = forwarded(&format!("e-{n}")).to_string().into_bytes();
        for _ in 0..=below(2) {
            let (from, length) = (below(body.len()), below(12));
            let to = (from + length).min(body.len());
            let strange = STRANGE[below(STRANGE.len())].as_bytes();
            let part = match below(4) {
                0 => &[0xff, 0xfe][..],
                1 => &[],
                _ => strange,
            };
            body.splice(from..to, part.iter().copied());
        }
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answered = peer.post(body).await;
        match answered.status {
            202 => accepted += 1,
            200 => {}
            status => assert_eq!(status, 400, "{answered:#?} to {shown}"),
        }
    }
    assert_eq!(team.log().await.len(), accepted);
    peer.send(&forwarded("fine")).await.expect(202);
}

#[tokio::test]
async fn an_envelope_may_be_larger_than_githubs_largest_payload_and_no_larger_than_40_mib() {
    let server = Server::start();
    let team = server.owner();
    let peer = Peer::create(&server, &team).await;
    let body = |bytes: usize| {
        let mut event = forwarded("large");
        event["data"] = "x".repeat(bytes).into();
        event.to_string()
    };
    let answered = declare(&peer, MAX_BODY_BYTES + 1).await;
    assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");
    let limit = format!("\"max_bytes\":{MAX_BODY_BYTES}");
    assert!(answered.contains(&limit), "{answered}");
    peer.post(body(26 * 1024 * 1024)).await.expect(202);
}

/// The answer to a body that begins and says how long it will be.
async fn declare(peer: &Peer, bytes: usize) -> String {
    let address = peer.access.url.trim_start_matches("http://");
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n{{",
        peer.path()
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut answered = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answered))
        .await
        .expect("the server answers")
        .unwrap();
    answered
}
