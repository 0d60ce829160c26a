//! The session with a receiver that keeps events in hand.

use tokio::sync::{mpsc, oneshot};

use super::tests::{never, session};
use super::*;
use crate::client::script::{Peer, Script, quick};
use crate::client::{Delivery, Flow};
use crate::protocol::frame::ClientFrame;

/// Keeps what it takes in hand until the test says that it is done, or cannot be.
struct Keeps {
    in_hand: Vec<Seq>,
    taken: mpsc::UnboundedSender<Seq>,
    done: mpsc::UnboundedReceiver<Result<Seq, Seq>>,
    last: Seq,
}

impl Receiver for Keeps {
    type Error = Seq;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, Seq> {
        self.in_hand.push(delivery.seq);
        self.taken.send(delivery.seq).unwrap();
        Ok(match delivery.seq >= self.last {
            true => Flow::Stop,
            false => Flow::Continue,
        })
    }

    fn in_hand(&self) -> Option<Seq> {
        self.in_hand.iter().min().copied()
    }

    async fn progress(&mut self) -> Result<Flow, Seq> {
        let done = match self.done.recv().await {
            Some(result) => result?,
            None => std::future::pending().await,
        };
        self.in_hand.retain(|seq| *seq != done);
        Ok(Flow::Continue)
    }

    fn notice(&mut self, _: Notice) {}
}

/// The test's side of a receiver that keeps.
struct Hand {
    taken: mpsc::UnboundedReceiver<Seq>,
    done: mpsc::UnboundedSender<Result<Seq, Seq>>,
}

impl Hand {
    /// Waits until these were taken, and nothing else.
    async fn holds(&mut self, seqs: &[Seq]) {
        for seq in seqs {
            assert_eq!(self.taken.recv().await, Some(*seq));
        }
    }

    fn done(&self, seqs: &[Seq]) {
        for seq in seqs {
            self.done.send(Ok(*seq)).unwrap();
        }
    }
}

/// A receiver that keeps what it takes, and has enough at `last`.
fn keeps(last: Seq) -> (Keeps, Hand) {
    let (taken, takes) = mpsc::unbounded_channel();
    let (done, dones) = mpsc::unbounded_channel();
    let receiver = Keeps {
        in_hand: Vec::new(),
        taken,
        done: dones,
        last,
    };
    let hand = Hand { taken: takes, done };
    (receiver, hand)
}

/// All acks from here to the end of the connection.
async fn acks(peer: &mut Peer) -> Vec<Seq> {
    let mut acks = Vec::new();
    while let Some(frame) = peer.read().await {
        match frame {
            ClientFrame::Ack(seq) => acks.push(seq),
            other => panic!("unexpected {other:?}"),
        }
    }
    acks
}

async fn ack(peer: &mut Peer) -> Seq {
    match peer.read().await {
        Some(ClientFrame::Ack(seq)) => seq,
        other => panic!("expected an ack, got {other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_beyond_an_event_in_hand() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, mut hand) = keeps(Seq::MAX);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = async {
        let mut peer = script.stand(0).await;
        for seq in 1..=4 {
            peer.event(seq).await;
        }
        hand.holds(&[1, 2, 3, 4]).await;
        hand.done(&[3, 2]);
        hand.done(&[1]);
        assert_eq!(ack(&mut peer).await, 3);
        hand.done(&[4]);
        assert_eq!(ack(&mut peer).await, 4);
        stop.send(()).unwrap();
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, stopped), server);
    assert!(matches!(end, End::Stopped(Ok(()))));
}

#[tokio::test]
async fn what_is_in_hand_at_a_reconnect_is_neither_taken_again_nor_acknowledged_early() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, mut hand) = keeps(Seq::MAX);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = async {
        let mut peer = script.stand(0).await;
        for seq in 1..=3 {
            peer.event(seq).await;
        }
        hand.holds(&[1, 2, 3]).await;
        hand.done(&[1]);
        assert_eq!(ack(&mut peer).await, 1);
        drop(peer);
        let mut peer = script.stand(1).await;
        for seq in 2..=4 {
            peer.event(seq).await;
        }
        hand.holds(&[4]).await;
        hand.done(&[3, 2]);
        assert_eq!(ack(&mut peer).await, 3);
        hand.done(&[4]);
        assert_eq!(ack(&mut peer).await, 4);
        stop.send(()).unwrap();
        assert!(acks(&mut peer).await.is_empty());
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, stopped), server);
    assert!(matches!(end, End::Stopped(Ok(()))));
    assert!(hand.taken.try_recv().is_err());
}

#[tokio::test]
async fn what_was_done_while_the_server_was_away_is_acknowledged_when_it_comes_again() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, mut hand) = keeps(Seq::MAX);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = async {
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.event(2).await;
        hand.holds(&[1, 2]).await;
        drop(peer);
        hand.done(&[1, 2]);
        let mut peer = script.stand(0).await;
        peer.event(1).await;
        peer.event(2).await;
        peer.acked(2).await;
        stop.send(()).unwrap();
    };
    let (end, ()) = tokio::join!(session.run(&mut receiver, stopped), server);
    assert!(matches!(end, End::Stopped(Ok(()))));
    assert!(hand.taken.try_recv().is_err());
}

#[tokio::test]
async fn who_has_enough_is_waited_for_until_nothing_is_in_hand() {
    let script = Script::new().await;
    let timing = Timing {
        ping_every: Duration::from_millis(20),
        ..quick()
    };
    let mut session = session(&script, Some("cursor"), timing);
    let (mut receiver, mut hand) = keeps(3);
    let server = async {
        let mut peer = script.stand(0).await;
        for seq in 1..=3 {
            peer.event(seq).await;
        }
        hand.holds(&[1, 2, 3]).await;
        // The connection is kept alive meanwhile.
        peer.pinged().await;
        peer.pinged().await;
        hand.done(&[3, 1, 2]);
        acks(&mut peer).await
    };
    let (end, acks) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Enough));
    assert_eq!(acks, [3]);
}

#[tokio::test]
async fn who_wants_the_end_waits_for_what_is_in_hand_but_not_for_ever() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, mut hand) = keeps(Seq::MAX);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = async {
        let mut peer = script.stand(0).await;
        for seq in 1..=3 {
            peer.event(seq).await;
        }
        hand.holds(&[1, 2, 3]).await;
        stop.send(()).unwrap();
        // It leaves the loop that reads before time begins to fly.
        tokio::task::yield_now().await;
        hand.done(&[1]);
        tokio::time::pause();
        acks(&mut peer).await
    };
    let (end, acks) = tokio::join!(session.run(&mut receiver, stopped), server);
    assert!(matches!(end, End::Stopped(Ok(()))));
    assert_eq!(acks, [1]);
}

#[tokio::test]
async fn what_fails_in_hand_ends_the_session_and_stays_unacknowledged() {
    let script = Script::new().await;
    let mut session = session(&script, Some("cursor"), quick());
    let (mut receiver, mut hand) = keeps(Seq::MAX);
    let server = async {
        let mut peer = script.stand(0).await;
        for seq in 1..=3 {
            peer.event(seq).await;
        }
        hand.holds(&[1, 2, 3]).await;
        hand.done(&[1, 3]);
        hand.done.send(Err(2)).unwrap();
        acks(&mut peer).await
    };
    let (end, acks) = tokio::join!(session.run(&mut receiver, never()), server);
    assert!(matches!(end, End::Receiver(2)));
    assert_eq!(acks, [1]);
}
