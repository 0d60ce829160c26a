//! Messages for one agent as they come, while somebody waits for one. The agent's own cursor is not touched: what is seen
//! here stays in its mailbox.

use std::convert::Infallible;

use tokio::sync::{mpsc, oneshot};

use super::{
    ClientError, Delivery, End, Flow, Letter, Notice, Receiver, Server, Session, Subscription,
    Timing,
};
use crate::base::clock::Clock;
use crate::protocol::id::{AgentId, TeamId};
use crate::protocol::scope::Scope;

/// How many messages may wait to be looked at.
const WAITING_MAX: usize = 64;

/// The connection behind a [`PostBox`]. It has to be driven.
pub struct Postman {
    session: Session,
    round: Round,
    server: String,
}

/// What comes.
pub struct PostBox {
    stands: oneshot::Receiver<Result<(), String>>,
    letters: mpsc::Receiver<Delivery>,
}

/// Prepares to hear of messages for `agent`; nothing is connected yet.
///
/// # Errors
///
/// When the address cannot be used.
pub fn open(
    server: &Server,
    team: TeamId,
    agent: &AgentId,
) -> Result<(Postman, PostBox), ClientError> {
    let subscription = Subscription {
        team,
        scopes: vec![Scope::AgentTo(agent.to_string())],
        client_id: None,
    };
    let session = Session::new(server, subscription, Timing::default(), Clock::system())?;
    let (ready, stands) = oneshot::channel();
    let (sender, letters) = mpsc::channel(WAITING_MAX);
    let round = Round {
        ready: Some(ready),
        letters: sender,
    };
    let postman = Postman {
        session,
        round,
        server: server.http_base.clone(),
    };
    Ok((postman, PostBox { stands, letters }))
}

impl Postman {
    /// Brings what comes, over as many connections as it takes, until this is dropped; or says why it cannot.
    pub async fn run(mut self) -> ClientError {
        let never = std::future::pending::<Infallible>();
        let why = match self.session.run(&mut self.round, never).await {
            End::Denied(message) => return ClientError::Denied(message),
            End::Rejected(message) => return ClientError::Rejected(message),
            End::Replaced => "another connection took its place",
            End::Enough => "nobody looks any more",
            End::Stopped(never) | End::Receiver(never) => match never {},
        };
        ClientError::Lost {
            server: self.server,
            why: why.to_owned(),
        }
    }
}

impl PostBox {
    /// Waits until nothing that is sent from now on is missed; why that is not so, where the first connection fails.
    ///
    /// # Errors
    ///
    /// The reason, in words.
    pub async fn stands(&mut self) -> Result<(), String> {
        let ended = |_| Err("the session ended".to_owned());
        (&mut self.stands).await.unwrap_or_else(ended)
    }

    /// The next one; for ever when none comes.
    pub async fn next(&mut self) -> Delivery {
        match self.letters.recv().await {
            Some(delivery) => delivery,
            // Whoever drives the connection hears why.
            None => std::future::pending().await,
        }
    }

    /// The first one that answers the message `sent_id`, which `asker` sent in `thread`.
    pub async fn reply(&mut self, sent_id: &str, thread: &str, asker: &str) -> (Letter, Delivery) {
        loop {
            let delivery = self.next().await;
            if let Some(letter) = letter(&delivery)
                && letter.answers(sent_id, thread, asker)
            {
                return (letter, delivery);
            }
        }
    }
}

fn letter(delivery: &Delivery) -> Option<Letter> {
    Letter::read(delivery.event.as_ref().ok()?).ok()
}

/// Between the session and the box.
struct Round {
    ready: Option<oneshot::Sender<Result<(), String>>>,
    letters: mpsc::Sender<Delivery>,
}

impl Receiver for Round {
    type Error = Infallible;

    async fn take(&mut self, delivery: Delivery) -> Result<Flow, Infallible> {
        match self.letters.send(delivery).await {
            Ok(()) => Ok(Flow::Continue),
            Err(_) => Ok(Flow::Stop),
        }
    }

    fn notice(&mut self, notice: Notice) {
        let result = match notice {
            Notice::Ready { .. } => Ok(()),
            Notice::Reconnecting { why, .. } => Err(why),
            Notice::Gap { .. } | Notice::Blocked { .. } | Notice::Unreadable { .. } => return,
        };
        // Only the first word counts: later connections are the session's business.
        if let Some(ready) = self.ready.take() {
            drop(ready.send(result));
        }
    }
}
