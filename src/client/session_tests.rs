//! The session against a server that follows a script.

use std::convert::Infallible;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::client::{Delivery, Flow};
use crate::protocol::error::REPLACED;
use crate::protocol::frame::{ClientFrame, ServerFrame};
use crate::protocol::token::Token;

/// A server that waits for one connection at a time.
struct Script {
    listener: TcpListener,
}

impl Script {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener }
    }

    fn session(&self, client_id: Option<&str>, timing: Timing) -> Session {
        let address = self.listener.local_addr().unwrap();
        let server = Server {
            http_base: format!("http://{address}"),
            ws_url: format!("ws://{address}/ws"),
            key: Token::parse("kite_0a1b2c3d_0011223344556677").unwrap(),
            ca_file: None,
        };
        let subscription = Subscription {
            team: "t".parse().unwrap(),
            scopes: vec![Scope::AgentTo("a".to_owned())],
            client_id: client_id.map(|id| id.parse().unwrap()),
        };
        Session::new(&server, subscription, timing, Clock::system()).unwrap()
    }

    /// Accepts a connection and reads its `connect` frame.
    async fn accept(&self) -> (Peer, Connect) {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut peer = Peer(tokio_tungstenite::accept_async(stream).await.unwrap());
        match peer.read().await {
            Some(ClientFrame::Connect(connect)) => (peer, connect),
            other => panic!("expected `connect`, got {other:?}"),
        }
    }

    /// As [`Script::accept`], and answers it.
    async fn stand(&self, last_seq: Seq) -> Peer {
        let (mut peer, connect) = self.accept().await;
        peer.send(ServerFrame::Connected {
            last_seq,
            client_id: connect.client_id.unwrap_or("given".to_owned()),
        })
        .await;
        peer
    }
}

/// The server's end of a connection.
struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    async fn send(&mut self, frame: ServerFrame) {
        self.0.send(Message::text(frame.to_text())).await.unwrap();
    }

    async fn event(&mut self, seq: Seq) {
        let event = format!(
            r#"{{"specversion":"1.0","id":"e{seq}","source":"s","type":"t","data":{seq}}}"#
        );
        self.raw_event(seq, &event).await;
    }

    async fn raw_event(&mut self, seq: Seq, event: &str) {
        let text = format!(r#"{{"type":"event","seq":{seq},"event":{event}}}"#);
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn error(&mut self, code: u32, message: &str) {
        let message = message.to_owned();
        self.send(ServerFrame::Error { code, message }).await;
    }

    /// The next frame; `None` when the client is gone.
    async fn read(&mut self) -> Option<ClientFrame> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Some(ClientFrame::parse(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Reads until everything up to `seq` is acknowledged.
    async fn acked(&mut self, seq: Seq) {
        loop {
            match self.read().await {
                Some(ClientFrame::Ack(acked)) if acked >= seq => return assert_eq!(acked, seq),
                Some(ClientFrame::Ack(_)) => {}
                other => panic!("expected an ack of {seq}, got {other:?}"),
            }
        }
    }
}

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

fn quick() -> Timing {
    Timing {
        wait_min: Duration::from_millis(1),
        wait_max: Duration::from_millis(2),
        ..Timing::default()
    }
}

fn never() -> std::future::Pending<()> {
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
    let mut session = script.session(Some("cursor"), quick());
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
    let mut session = script.session(Some("cursor"), quick());
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
    let mut session = script.session(None, quick());
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
    let mut session = script.session(None, quick());
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
    let mut session = script.session(Some("cursor"), quick());
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
    let mut session = script.session(Some("cursor"), quick());
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
    let mut session = script.session(Some("cursor"), timing);
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
    let mut session = script.session(Some("cursor"), quick());
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
    let mut session = script.session(Some("cursor"), quick());
    let (mut receiver, mut takes, mut hears) = told(1);
    let server = async {
        let mut peer = script.stand(0).await;
        peer.0
            .send(Message::text(r#"{"type":"weather"}"#))
            .await
            .unwrap();
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
    let mut session = script.session(Some("cursor"), quick());
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
    let mut session = script.session(None, Timing::default());
    drop(script.listener);
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
    let mut session = script.session(None, quick());
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
