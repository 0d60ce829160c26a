//! The calls over a WebSocket against a server that follows a script.

use tokio::sync::oneshot;

use super::*;
use crate::client::script::{Peer, Script};

impl Peer {
    /// Reads a request and answers it with this.
    async fn reply(&mut self, answer: impl FnOnce(&Request) -> String) -> Request {
        let request = self.request().await;
        self.say(&answer(&request)).await;
        request
    }
}

fn response(request: &Request, ok: bool, payload: &str) -> String {
    let id = &request.id;
    format!(r#"{{"type":"response","id":"{id}","ok":{ok},"payload":{payload}}}"#)
}

async fn caller(script: &Script) -> (Caller, Peer) {
    let (server, team) = (script.server(), "t".parse().unwrap());
    let (caller, peer) = tokio::join!(Caller::open(&server, &team), script.stand(7));
    (caller.unwrap(), peer)
}

#[tokio::test]
async fn a_caller_subscribes_to_nothing_and_leaves_no_cursor() {
    let script = Script::new().await;
    let (server, team) = (script.server(), "t".parse().unwrap());
    let accepting = async {
        let (mut peer, connect) = script.accept().await;
        let client_id = "given".to_owned();
        let last_seq = 0;
        peer.send(ServerFrame::Connected {
            last_seq,
            client_id,
        })
        .await;
        (peer, connect)
    };
    let (caller, (mut peer, connect)) = tokio::join!(Caller::open(&server, &team), accepting);
    assert!(connect.scopes.is_empty() && connect.client_id.is_none());
    assert_eq!(connect.team_id, "t");
    let ((), goodbye) = tokio::join!(caller.unwrap().close(), peer.read());
    assert!(goodbye.is_none());
}

#[tokio::test]
async fn several_calls_share_a_connection_and_keep_the_payload_as_it_came() {
    let script = Script::new().await;
    let (mut caller, mut peer) = caller(&script).await;
    let list = r#"{"team_id":"t","hooks":[], "new_member":1.0}"#;
    let serving = async {
        let first = peer
            .reply(|request| response(request, true, r#"{"id":"k1"}"#))
            .await;
        let second = peer.reply(|request| response(request, true, list)).await;
        (first, second)
    };
    let by_id = ById {
        id: "k1".to_owned(),
    };
    let calling = async {
        let revoked = caller.revoke_key(&by_id).await.unwrap();
        (revoked, caller.hooks().await.unwrap())
    };
    let ((revoked, hooks), (first, second)) = tokio::join!(calling, serving);
    assert_eq!(revoked.value.id, "k1");
    assert_eq!(hooks.text, list);
    assert_eq!(first.method, "keys.revoke");
    assert_eq!(first.params.unwrap().get(), r#"{"id":"k1"}"#);
    assert_eq!(second.method, "hooks.list");
    assert_eq!(second.params.unwrap().get(), "{}");
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn what_other_servers_leave_out_is_not_missed() {
    let script = Script::new().await;
    let (mut caller, mut peer) = caller(&script).await;
    let bare = r#"{"id":"h1","endpoint":"/e","hook_token":"k","endpoint_with_token":"/e/k","webhook_secret_configured":false}"#;
    let params = HooksCreate {
        source: "s".to_owned(),
        webhook_secret: None,
        max_body_bytes: None,
    };
    let serving = peer.reply(|request| response(request, true, bare));
    let (made, request) = tokio::join!(caller.create_hook(&params), serving);
    assert_eq!(made.unwrap().value.endpoint_with_token, "/e/k");
    assert_eq!(request.params.unwrap().get(), r#"{"source":"s"}"#);
    let bare = r#"{"id":"k1","key_prefix":"p","api_key":"kite_p_s"}"#;
    let serving = peer.reply(|request| response(request, true, bare));
    let key = KeysCreate::default();
    let (made, _) = tokio::join!(caller.create_key(&key), serving);
    assert_eq!(made.unwrap().value.api_key, "kite_p_s");
}

#[tokio::test]
async fn a_response_is_found_among_other_frames() {
    let script = Script::new().await;
    let (mut caller, mut peer) = caller(&script).await;
    let serving = async {
        peer.say(r#"{"type":"weather","sunny":true}"#).await;
        peer.event(1).await;
        peer.say(r#"{"type":"response","id":"another","ok":false}"#)
            .await;
        peer.reply(|request| response(request, true, r#"{"team_id":"t","keys":[]}"#))
            .await
    };
    let (keys, _) = tokio::join!(caller.keys(), serving);
    assert!(keys.unwrap().value.keys.is_empty());
}

#[tokio::test]
async fn a_failure_is_typed_whatever_the_server_left_out() {
    let script = Script::new().await;
    let (mut caller, mut peer) = caller(&script).await;
    let cases = [
        (
            r#"{"error":"the key lacks `admin`","code":"forbidden"}"#,
            Some(ErrorCode::Forbidden),
        ),
        (
            r#"{"error":"Insufficient permissions"}"#,
            Some(ErrorCode::Forbidden),
        ),
        (r#"{"error":"key not found"}"#, Some(ErrorCode::NotFound)),
        (
            r#"{"error":"rate limit exceeded","code":"a_newer_word"}"#,
            Some(ErrorCode::RateLimited),
        ),
        (r#"{"error":"broken"}"#, None),
        ("null", None),
        ("[1]", None),
    ];
    for (payload, code) in cases {
        let serving = peer.reply(|request| response(request, false, payload));
        let (answer, _) = tokio::join!(caller.stats(), serving);
        match answer {
            Err(ClientError::Failed(failure)) => assert_eq!(failure.code, code, "{payload}"),
            other => panic!("{payload}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn no_answer_ends_with_the_limit() {
    let script = Script::new().await;
    let (mut caller, mut peer) = caller(&script).await;
    caller.limit = Duration::from_millis(20);
    let (done, wait) = oneshot::channel::<()>();
    let silent = async {
        assert!(matches!(peer.read().await, Some(ClientFrame::Request(_))));
        wait.await.unwrap();
    };
    let calling = async {
        let answer = caller.stats().await;
        done.send(()).unwrap();
        answer
    };
    let (answer, ()) = tokio::join!(calling, silent);
    assert!(
        matches!(answer, Err(ClientError::Lost { why, .. }) if why.contains("dashboard.stats"))
    );
}

#[tokio::test]
async fn garbage_is_named_as_such() {
    let script = Script::new().await;
    for garbage in [
        "hello?",
        "[]",
        r#"{"type":"response","id":7}"#,
        r#"{"type":"response","id":"1","ok":true,"payload":{"team_id":7}}"#,
        r#"{"type":"response","id":"1","ok":true}"#,
    ] {
        let (mut caller, mut peer) = caller(&script).await;
        let serving = peer.reply(|_| garbage.to_owned());
        let (answer, _) = tokio::join!(caller.stats(), serving);
        assert!(
            matches!(answer, Err(ClientError::Unreadable { .. })),
            "{garbage}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_ends_says_why() {
    let script = Script::new().await;
    for (code, message) in [(4001, "revoked"), (4002, "what?"), (4003, "slow down")] {
        let (mut caller, mut peer) = caller(&script).await;
        let (answer, ()) = tokio::join!(caller.stats(), peer.error(code, message));
        match (code, answer) {
            (4001, Err(ClientError::Denied(text))) => assert_eq!(text, "revoked"),
            (4002, Err(ClientError::Rejected(text))) => assert_eq!(text, "what?"),
            (4003, Err(ClientError::Failed(failure))) => {
                assert_eq!(failure.code, Some(ErrorCode::RateLimited));
            }
            (_, other) => panic!("{code}: {other:?}"),
        }
    }
    let (mut caller, peer) = caller(&script).await;
    drop(peer);
    assert!(matches!(
        caller.stats().await,
        Err(ClientError::Lost { .. })
    ));
}

#[tokio::test]
async fn a_refused_key_is_told_from_a_refused_connection() {
    let script = Script::new().await;
    let (server, team) = (script.server(), "t".parse().unwrap());
    let refusing = async {
        let (mut peer, _) = script.accept().await;
        peer.error(4001, "no such key").await;
        peer.read().await
    };
    let (opened, _) = tokio::join!(Caller::open(&server, &team), refusing);
    assert!(matches!(opened.err(), Some(ClientError::Denied(_))));
    let forbidding = script.respond(403, r#"{"error":"not here"}"#);
    let (opened, _) = tokio::join!(Caller::open(&server, &team), forbidding);
    assert!(matches!(opened.err(), Some(ClientError::Denied(text)) if text.contains("not here")));
    let (opened, _) = tokio::join!(Caller::open(&server, &team), script.respond(404, "nothing"));
    assert!(matches!(opened.err(), Some(ClientError::Unreadable { .. })));
    drop(script);
    let opened = Caller::open(&server, &team).await;
    assert!(matches!(
        opened.err(),
        Some(ClientError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn several_calls_to_publish_are_under_way_and_each_has_its_answer() {
    let script = Script::new().await;
    let (mut caller, mut peer) = caller(&script).await;
    let event = RawValue::from_string(r#"{"type":"t", "data":1.0}"#.to_owned()).unwrap();
    let params = EventsPublish {
        events: vec![&event],
        source: None,
    };
    let first = caller.begin_publish(&params).await.unwrap();
    let second = caller.begin_publish(&params).await.unwrap();
    let serving = async {
        let (first, second) = (peer.request().await, peer.request().await);
        assert_eq!(
            first.params.as_ref().unwrap().get(),
            r#"{"events":[{"type":"t", "data":1.0}]}"#
        );
        let busy = r#"{"error":"busy","code":"unavailable","retry_after_secs":3}"#;
        peer.say(&response(&second, false, busy)).await;
        let done = r#"{"status":"accepted","results":[{"id":"e","status":"accepted"}],"usage":{"events_used":1,"events_limit":2}}"#;
        peer.say(&response(&first, true, done)).await;
        peer.reply(|request| response(request, true, done)).await;
    };
    let calling = async {
        let (number, result) = caller.published().await.unwrap();
        assert_eq!(number, second);
        let Err(ClientError::Failed(failure)) = result else {
            panic!("a failure: {result:?}");
        };
        assert_eq!(failure.retry_after_secs, Some(3));
        let (number, result) = caller.published().await.unwrap();
        assert_eq!((number, result.unwrap().results.len()), (first, 1));
        caller.begin_publish(&params).await.unwrap();
        caller.published().await.unwrap().1.unwrap()
    };
    let (published, ()) = tokio::join!(calling, serving);
    assert_eq!(published.results[0].id, "e");
}
