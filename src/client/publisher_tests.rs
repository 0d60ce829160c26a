//! A publisher's judgement, and its ways with servers that follow a script.

use serde_json::{Value, json};
use tokio::sync::mpsc::channel;

use super::*;
use crate::client::Refusal;
use crate::client::script::{Peer, Script};
use crate::protocol::frame::Request;

fn refused(status: u16, body: &str) -> ClientError {
    Refusal::read(status, Some("7"), body).into()
}

#[test]
fn a_refusal_that_names_an_event_concerns_that_event_alone() {
    let body = r#"{"error":"event 2: the type `x` is reserved; nothing was stored"}"#;
    let judged = remedy(&refused(403, body), 3, Route::Batches, true);
    assert_eq!(
        judged,
        Remedy::Refuse(1, "the type `x` is reserved".to_owned())
    );
    assert_eq!(event_in("event 0: x"), None);
    assert_eq!(event_in("event x: y"), None);
    let beyond = r#"{"error":"event 9: x"}"#;
    let judged = remedy(&refused(400, beyond), 4, Route::Batches, true);
    assert_eq!(judged, Remedy::Fewer(2));
}

#[test]
fn what_names_none_is_sent_in_pieces_until_one_is_alone() {
    let judge = |status, events, route, is_proven| {
        remedy(
            &refused(status, r#"{"error":"no"}"#),
            events,
            route,
            is_proven,
        )
    };
    assert_eq!(judge(400, 9, Route::Batches, true), Remedy::Fewer(4));
    assert_eq!(
        judge(400, 9, Route::Batches, false),
        Remedy::Route(Route::Singles)
    );
    assert_eq!(judge(413, 9, Route::Batches, false), Remedy::Fewer(4));
    for status in [400, 413, 422] {
        let alone = Remedy::Refuse(0, "no".to_owned());
        assert_eq!(judge(status, 1, Route::Singles, false), alone, "{status}");
    }
    assert_eq!(judge(429, 9, Route::Batches, true), Remedy::Fewer(4));
    let wait = Some(Duration::from_secs(7));
    assert_eq!(judge(429, 1, Route::Batches, true), Remedy::Pause(wait));
    assert_eq!(judge(503, 9, Route::Batches, true), Remedy::Away(wait));
    for status in [404, 405, 415] {
        assert_eq!(
            judge(status, 9, Route::Batches, false),
            Remedy::Route(Route::Singles)
        );
        assert_eq!(judge(status, 1, Route::Singles, false), Remedy::GiveUp);
    }
    for status in [401, 402, 403] {
        assert_eq!(judge(status, 9, Route::Calls, true), Remedy::GiveUp);
    }
}

fn parcel(line: u64) -> Parcel {
    let text = format!(r#"{{"specversion":"1.0","id":"e{line}","source":"s","type":"t"}}"#);
    Parcel { line, text }
}

/// Publishes so many events; how it ended, and the fates by line.
async fn publish(script: &Script, count: u64) -> (Ending, BTreeMap<u64, Fate>) {
    let (sender, lines) = channel(1);
    let parcels = (1..=count).map(|line| Line::Event(parcel(line))).collect();
    sender.send(parcels).await.unwrap();
    drop(sender);
    let mut fates = BTreeMap::new();
    let news = |news| {
        if let News::Settled(line, fate) = news {
            assert!(fates.insert(line, fate).is_none(), "settled once");
        }
    };
    let team = Some("t".parse().unwrap());
    let publisher = Publisher::new(&script.server(), team, news).unwrap();
    let ending = publisher.run(lines, std::future::pending::<()>()).await;
    (ending, fates)
}

fn ids(request: &Request) -> Vec<String> {
    assert_eq!(request.method, "events.publish");
    let params: Value = serde_json::from_str(request.params.as_ref().unwrap().get()).unwrap();
    let events = params["events"].as_array().unwrap().iter();
    events
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

fn accepted(ids: &[String]) -> Value {
    let results = ids.iter().map(|id| json!({"id": id, "status": "accepted"}));
    // Without what kite's own server adds.
    json!({"results": results.collect::<Vec<_>>()})
}

async fn respond(peer: &mut Peer, request: &Request, ok: bool, payload: &Value) {
    let response = json!({"type": "response", "id": request.id, "ok": ok, "payload": payload});
    peer.say(&response.to_string()).await;
}

fn all_accepted(count: u64) -> BTreeMap<u64, Fate> {
    (1..=count).map(|line| (line, Fate::Accepted)).collect()
}

#[tokio::test]
async fn a_server_without_the_call_gets_batches() {
    let script = Script::new().await;
    let serving = async {
        let mut peer = script.stand(0).await;
        let request = peer.request().await;
        let unknown = json!({"error": "unknown method: events.publish", "code": "unknown_method"});
        respond(&mut peer, &request, false, &unknown).await;
        let head = script
            .respond(202, &accepted(&ids(&request)).to_string())
            .await;
        (head, peer)
    };
    let ((ending, fates), (head, _)) = tokio::join!(publish(&script, 3), serving);
    assert!(matches!(ending, Ending::All), "{ending:?}");
    assert!(
        head.contains("application/cloudevents-batch+json"),
        "{head}"
    );
    assert_eq!(fates, all_accepted(3));
}

#[tokio::test]
async fn a_server_without_batches_gets_one_event_after_the_other() {
    let script = Script::new().await;
    let serving = async {
        script.respond(404, "").await;
        script.respond(415, r#"{"error":"what is that?"}"#).await;
        for line in 1..=3 {
            let answer = json!({"status": "accepted", "id": format!("e{line}")});
            let head = script.respond(202, &answer.to_string()).await;
            assert!(head.contains("application/cloudevents+json"), "{head}");
        }
    };
    let ((ending, fates), ()) = tokio::join!(publish(&script, 3), serving);
    assert!(matches!(ending, Ending::All), "{ending:?}");
    assert_eq!(fates, all_accepted(3));
}

#[tokio::test]
async fn one_bad_event_holds_up_no_other() {
    let script = Script::new().await;
    let serving = async {
        let mut peer = script.stand(0).await;
        let request = peer.request().await;
        assert_eq!(ids(&request), ["e1", "e2", "e3"]);
        let bad = json!({"error": "event 2: too odd; nothing was stored", "code": "bad_params"});
        respond(&mut peer, &request, false, &bad).await;
        let request = peer.request().await;
        assert_eq!(ids(&request), ["e1", "e3"]);
        // This one does not say which.
        let bad = json!({"error": "odd", "code": "bad_params"});
        respond(&mut peer, &request, false, &bad).await;
        let request = peer.request().await;
        assert_eq!(ids(&request), ["e1"]);
        respond(&mut peer, &request, true, &accepted(&ids(&request))).await;
        let request = peer.request().await;
        assert_eq!(ids(&request), ["e3"]);
        respond(&mut peer, &request, false, &bad).await;
        peer
    };
    let ((ending, fates), _) = tokio::join!(publish(&script, 3), serving);
    assert!(matches!(ending, Ending::All), "{ending:?}");
    let refused = |why: &str| Fate::Refused(why.to_owned());
    let expected = [
        (1, Fate::Accepted),
        (2, refused("too odd")),
        (3, refused("odd")),
    ];
    assert_eq!(fates, BTreeMap::from(expected));
}

#[tokio::test]
async fn what_was_not_answered_is_sent_again_in_its_order() {
    let script = Script::new().await;
    let serving = async {
        let mut peer = script.stand(0).await;
        let first = ids(&peer.request().await);
        let second = ids(&peer.request().await);
        drop(peer);
        let mut peer = script.stand(0).await;
        for sent in [first, second] {
            let request = peer.request().await;
            assert_eq!(ids(&request), sent);
            respond(&mut peer, &request, true, &accepted(&sent)).await;
        }
        peer
    };
    let ((ending, fates), _) = tokio::join!(publish(&script, 600), serving);
    assert!(matches!(ending, Ending::All), "{ending:?}");
    assert_eq!(fates, all_accepted(600));
}

#[tokio::test]
async fn a_server_that_was_never_there_is_not_waited_for() {
    let script = Script::new().await;
    let (sender, lines) = channel(1);
    sender.send(vec![Line::Event(parcel(1))]).await.unwrap();
    let server = script.server();
    drop(script);
    let publisher = Publisher::new(&server, Some("t".parse().unwrap()), |_| {}).unwrap();
    let ending = publisher.run(lines, std::future::pending::<()>()).await;
    let Ending::Failed(ClientError::Unreachable { .. }) = ending else {
        panic!("{ending:?}");
    };
}
