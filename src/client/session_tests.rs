//! The session against a server that follows a script.

use std::convert::Infallible;

use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::client::script::{Script, quick};
use crate::client::{Delivery, Flow};
use crate::protocol::error::REPLACED;
use crate::protocol::frame::{ClientFrame, ServerFrame};

/// Tells the test what it takes and hears.
struct Told {
    taken: mpsc::UnboundedSender<Delivery>,
    heard: mpsc::UnboundedSender<Notice>,
    last: Seq,
}

impl Receiver for Told {
    type Error = Infallible;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, Infallible> {
        let is_last = delivery.seq >= self.last;
        self.taken.send(delivery).unwrap();
        Ok(if is_last { Flow::Stop } else { Flow::Continue })
    }

    fn notice(&mut self, notice: Notice) {
        // The test may have stopped listening.
        let _ = self.heard.send(notice);
    }
}

/// A receiver that stops after `last`, what it took and what it heard.
fn told(
    last: Seq,
) -> (
    Told,
    mpsc::UnboundedReceiver<Delivery>,
    mpsc::UnboundedReceiver<Notice>,
) {
    let (taken, takes) = mpsc::unbounded_channel();
    let (heard, hears) = mpsc::unbounded_channel();
    (Told { taken, heard, last }, takes, hears)
}

pub(super) fn session(script: &Script, client_id: Option<&str>, timing: Timing) -> Session {
    let subscription = Subscription {
        team: "t".parse().unwrap(),
        scopes: vec![Scope::AgentTo("a".to_owned())],
        client_id: client_id.map(|id| id.parse().unwrap()),
    };
    Session::new(&script.server(), subscription, timing, Clock::system()).unwrap()
}

pub(super) fn never() -> std::future::Pending<()> {
    std::future::pending()
}

fn drain(mut takes: mpsc::UnboundedReceiver<Delivery>) -> Vec<Seq> {
    std::iter::from_fn(|| takes.try_recv().ok())
        .map(|delivery| delivery.seq)
        .collect()
}

#[tokio::test]
async fn a_reconnect_resumes_and_hands_nothing_over_twice() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, takes, mut hears) = told(4);
    let server = async {
        let (mut peer, connect) = script.accept().await;
        assert_eq!(connect.client_id.as_deref(), Some("cursor"));
        assert_eq!(connect.scopes, ["agent_to:a"]);
        let connected = ServerFrame::Connected {
            last_seq: 1,
            client_id: "cursor".to_owned(),
        };
        peer.send(connected).await;
        peer.event(2).await;
        peer.event(3).await;
        peer.acked(3).await;
        drop(peer);
        let mut peer = script.stand(1).await;
        for seq in 2..=4 {
            peer.event(seq).await;
        }
        peer.acked(4).await;
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    assert_eq!(drain(takes), [2, 3, 4]);
    assert!(matches!(
        hears.recv().await,
        Some(Notice::Ready { last_seq: 1, .. })
    ));
    assert!(matches!(
        hears.recv().await,
        Some(Notice::Reconnecting { .. })
    ));
}

#[tokio::test]
async fn a_log_that_begins_anew_is_not_taken_for_a_repetition() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, takes, _hears) = told(u64::MAX);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = async {
        let mut peer = script.stand(5).await;
        peer.event(6).await;
        peer.acked(6).await;
        drop(peer);
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.acked(1).await;
        stop.send(()).unwrap();
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, stopped), server);
    assert!(matches!(end, End::Stopped(Ok(()))));
    assert_eq!(drain(takes), [6, 1]);
}

#[tokio::test]
async fn without_a_client_id_a_reconnect_uses_the_one_that_the_server_gave() {
    let script = Script::new().await;
    let mut session = session(&script, None, quick());
    let (mut receiver, takes, _hears) = told(1);
    let server = async {
        drop(script.stand(0).await);
        let (mut peer, connect) = script.accept().await;
        assert_eq!(connect.client_id.as_deref(), Some("given"));
        let client_id = "given".to_owned();
        peer.send(ServerFrame::Connected {
            last_seq: 0,
            client_id,
        })
        .await;
        peer.event(1).await;
        peer.acked(1).await;
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    assert_eq!(drain(takes), [1]);
}

#[tokio::test]
async fn a_refused_key_ends_the_session() {
    let script = Script::new().await;
    let mut session = session(&script, None, quick());
    let (mut receiver, _takes, _hears) = told(1);
    let server = async {
        let (mut peer, _) = script.accept().await;
        peer.error(4001, "no such key").await;
        peer.read().await
    };
    let (end, _) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Denied(message) if message == "no such key"));
}

#[tokio::test]
async fn a_replaced_session_does_not_fight_back() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, _takes, _hears) = told(1);
    let server = async {
        let mut peer = script.stand(0).await;
        peer.error(4002, REPLACED).await;
        peer.read().await
    };
    let (end, _) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Replaced));
}

#[tokio::test]
async fn other_errors_are_outlived() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, takes, _hears) = told(1);
    let server = async {
        script.stand(0).await.error(4004, "slow consumer").await;
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.acked(1).await;
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    assert_eq!(drain(takes), [1]);
}

#[tokio::test]
async fn a_half_open_connection_is_found_and_replaced() {
    let script = Script::new().await;
    let timing = Timing {
        ping_every: Duration::from_millis(50),
        dead_after: Duration::from_millis(250),
        ..quick()
    };
    let mut session = session(&script, Some("cursor"), timing);
    let (mut receiver, takes, mut hears) = told(1);
    let server = async {
        // It stays open and says nothing more: not even a pong, since nobody reads here.
        let silent = script.stand(0).await;
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.acked(1).await;
        drop(silent);
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    assert_eq!(drain(takes), [1]);
    hears.recv().await;
    let why = hears.recv().await;
    assert!(matches!(why, Some(Notice::Reconnecting { why, .. }) if why.contains("silent")));
}

/// Refuses the second event.
struct Refuses;

impl Receiver for Refuses {
    type Error = Seq;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, Seq> {
        match delivery.seq {
            2 => Err(2),
            _ => Ok(Flow::Continue),
        }
    }

    fn notice(&mut self, _: Notice) {}
}

#[tokio::test]
async fn an_event_is_acknowledged_only_after_its_receiver_took_it() {
    let script = Script::new().await;
    let mut receiver = Refuses;
    let mut session = session(&script, Some("cursor"), quick());
    let server = async {
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.event(2).await;
        let mut acks = Vec::new();
        while let Some(frame) = peer.read().await {
            match frame {
                ClientFrame::Ack(seq) => acks.push(seq),
                other => panic!("unexpected {other:?}"),
            }
        }
        acks
    };
    let (end, acks) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Receiver(2)));
    assert_eq!(acks, [1]);
}

#[tokio::test]
async fn what_cannot_be_read_is_handed_over_with_the_fault() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, mut takes, mut hears) = told(1);
    let server = async {
        let mut peer = script.stand(0).await;
        peer.say(r#"{"type":"weather"}"#).await;
        peer.raw_event(1, r#"{"specversion":"1.0","id":"x","price":1.5}"#)
            .await;
        peer.acked(1).await;
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    let delivery = takes.recv().await.unwrap();
    assert!(delivery.event.is_err() && delivery.text.contains("1.5"));
    hears.recv().await;
    let unreadable = hears.recv().await;
    assert!(matches!(unreadable, Some(Notice::Unreadable { why, .. }) if why.contains("weather")));
}

#[tokio::test]
async fn a_gap_names_what_retention_took() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, _takes, mut hears) = told(21);
    let server = async {
        let mut peer = script.stand(7).await;
        let message = "gone".to_owned();
        let oldest_available_seq = 21;
        peer.send(ServerFrame::CursorExpired {
            oldest_available_seq,
            message,
        })
        .await;
        peer.event(21).await;
        peer.acked(21).await;
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    hears.recv().await;
    let gap = Notice::Gap {
        from: Some(8),
        to: 20,
    };
    assert_eq!(hears.recv().await, Some(gap));
}

#[tokio::test]
async fn stopping_works_while_nobody_answers() {
    let script = Script::new().await;
    let mut session = session(&script, None, Timing::default());
    drop(script);
    let (mut receiver, _takes, mut hears) = told(1);
    let (stop, stopped) = oneshot::channel();
    let user = async {
        assert!(matches!(
            hears.recv().await,
            Some(Notice::Reconnecting { .. })
        ));
        stop.send("enough").unwrap();
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, stopped), user);
    assert!(matches!(end, End::Stopped(Ok("enough"))));
}

#[tokio::test]
async fn standing_once_learns_the_position_and_leaves() {
    let script = Script::new().await;
    let mut session = session(&script, None, quick());
    let server = async { script.stand(9).await.read().await };
    let (standing, goodbye) = tokio::join!(session.stand(), server);
    assert_eq!(standing.unwrap().last_seq, 9);
    assert!(goodbye.is_none());
}

#[test]
fn only_a_wall_clock_that_runs_ahead_means_sleep() {
    let second = Duration::from_secs(1);
    assert!(jumped(60_000, second));
    assert!(!jumped(5_900, second));
    assert!(!jumped(-60_000, second));
}

#[test]
fn timings_fit_each_other() {
    let timing = Timing::default();
    assert!(timing.dead_after > timing.ping_every * 2);
    assert!(timing.wait_max < timing.calm_after);
    assert!(timing.look_every < timing.ping_every);
}

/// What a session says when its first connection ends like this and the second one stands.
async fn reason(script: &Script, timing: Timing, first: impl Future<Output = ()>) -> String {
    let mut session = session(script, Some("cursor"), timing);
    let (mut receiver, takes, mut hears) = told(1);
    let server = async {
        first.await;
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.acked(1).await;
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    assert_eq!(drain(takes), [1]);
    loop {
        match hears.recv().await {
            Some(Notice::Reconnecting { why, .. }) => return why,
            Some(_) => {}
            None => panic!("it never reconnected"),
        }
    }
}

#[tokio::test]
async fn garbage_in_place_of_a_handshake_is_outlived_and_named() {
    let script = Script::new().await;
    let why = reason(&script, quick(), async {
        script.answer("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    });
    let why = why.await;
    assert!(why.contains("cannot be read"), "{why}");
    let why = reason(&script, quick(), async {
        script.respond(200, "<html>").await;
    });
    let why = why.await;
    assert!(why.contains("200"), "{why}");
    let why = reason(&script, quick(), async {
        script.respond(502, r#"{"error":"no upstream"}"#).await;
    });
    let why = why.await;
    assert!(why.contains("no upstream (502)"), "{why}");
    let why = reason(&script, quick(), async { drop(script.raw().await) }).await;
    assert!(why.contains("no answer"), "{why}");
}

#[tokio::test]
async fn garbage_in_place_of_frames_is_outlived_and_named() {
    let script = Script::new().await;
    let why = reason(&script, quick(), async {
        let (mut peer, _) = script.accept().await;
        peer.say("hello?").await;
        assert!(peer.read().await.is_none());
    });
    let why = why.await;
    assert!(why.contains("`connect` cannot be read"), "{why}");
    let why = reason(&script, quick(), async {
        let peer = script.stand(0).await;
        peer.raw_bytes(b"\xff\xff\xff\xff not a frame").await;
    });
    let why = why.await;
    assert!(why.contains("WebSocket protocol error"), "{why}");
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_left() {
    let script = Script::new().await;
    let timing = || Timing {
        answer_within: Duration::from_millis(50),
        ..quick()
    };
    let mut silent = None;
    let why = reason(&script, timing(), async {
        silent = Some(script.raw().await);
    });
    let why = why.await;
    assert!(why.contains("handshake took too long"), "{why}");
    let mut mute = None;
    let why = reason(&script, timing(), async {
        mute = Some(script.accept().await);
    });
    let why = why.await;
    assert!(why.contains("did not answer `connect`"), "{why}");
}

#[tokio::test]
async fn a_key_that_is_refused_before_the_socket_opens_ends_the_session() {
    let script = Script::new().await;
    for status in [401, 403] {
        let mut session = session(&script, None, quick());
        let (mut receiver, _takes, _hears) = told(1);
        let refusing = script.respond(status, r#"{"error":"no such key"}"#);
        let (end, _) = tokio::join!(session.run(&mut receiver, never()), refusing);
        assert!(matches!(end, End::Denied(text) if text.contains("no such key")));
        let refusing = script.respond(status, "no");
        let (stood, _) = tokio::join!(session.stand_patiently(&mut receiver), refusing);
        assert!(matches!(stood, Err(ClientError::Denied(_))));
    }
}
